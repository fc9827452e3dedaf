"""A checkpoint of another depth answers nearly as the one it was made of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from models import TEXT, inputs, small_model
from safetensors.torch import load_file, save_file

from slvit.checkpoint import load_checkpoint
from slvit.model import SLViTModel
from train.depth import main
from train.export import export, never_trained

DEPTHS = ["1", "3", "5", "2"]  # of 1, 2, 3, 1


@pytest.fixture
def checkpoint(tmp_path: Path, processor) -> Path:
    """Its text encoder is frozen, in a file of its own; its layer scales are as large as those of trained weights."""
    model = small_model(text_config={**TEXT, "vocab_size": len(processor.tokenizer)}, depths=[1, 2, 3, 1])
    for name, parameter in model.named_parameters():
        if "layer_scale" in name:
            parameter.data *= 0.2
    model.text_encoder.requires_grad_(False)
    export(model, processor, tmp_path / "before", frozen=never_trained(model))
    return tmp_path / "before"


def load(folder: Path) -> SLViTModel:
    return load_checkpoint(folder, device=torch.device("cpu"), dtype=torch.float32)[0]


def error(before: SLViTModel, after: SLViTModel) -> float:
    """How far the logits of two models are from each other, in the mean."""
    with torch.no_grad():
        old, new = (model(*inputs(2, 64, 96)).logits for model in (before, after))
    return (old - new).abs().mean().item()


def test_it_answers_nearly_as_before(checkpoint: Path, tmp_path: Path) -> None:
    assert main([str(checkpoint), str(tmp_path / "out"), "--depths", *DEPTHS]) == 0
    before, after = load(checkpoint), load(tmp_path / "out")
    assert [len(stage.blocks) for stage in after.stages] == after.config.depths == [1, 3, 5, 2]
    assert error(before, after) < 0.05 * error(before, small_model(seed=1, text_config=before.config.text_config))


def test_a_block_becomes_two_of_half_the_length(checkpoint: Path, tmp_path: Path) -> None:
    main([str(checkpoint), str(tmp_path / "out"), "--depths", *DEPTHS])
    before, after = load(checkpoint).stages[2].blocks, load(tmp_path / "out").stages[2].blocks
    for place, source in enumerate([0, 1, 1, 2, 2]):  # the last two are doubled
        for key, value in after[place].state_dict().items():
            was = before[source].state_dict()[key]
            assert torch.equal(value, was / 2 if source and key.startswith("layer_scale") else was), (place, key)


def test_two_become_one_again(checkpoint: Path, tmp_path: Path) -> None:
    main([str(checkpoint), str(tmp_path / "deep"), "--depths", *DEPTHS])
    assert main([str(tmp_path / "deep"), str(tmp_path / "back"), "--depths", "1", "2", "3", "1"]) == 0
    before, back = load(checkpoint).state_dict(), load(tmp_path / "back").state_dict()
    assert before.keys() == back.keys()
    for key, value in before.items():
        torch.testing.assert_close(back[key], value, atol=1e-6, rtol=2e-3)  # halves of float16 may lose a bit


def test_one_of_two_is_their_mean_and_the_sum_of_their_scales(checkpoint: Path, tmp_path: Path) -> None:
    main([str(checkpoint), str(tmp_path / "out"), "--depths", "1", "1", "2", "1"])
    before, after = load(checkpoint), load(tmp_path / "out")
    assert after.config.depths == [1, 1, 2, 1]
    first, *two = before.stages[2].blocks
    kept, one = after.stages[2].blocks
    assert all(torch.equal(value, first.state_dict()[key]) for key, value in kept.state_dict().items())
    for key, value in one.state_dict().items():
        values = [block.state_dict()[key].float() for block in two]
        wanted = sum(values) if key.startswith("layer_scale") else sum(values) / 2
        torch.testing.assert_close(value.float(), wanted, atol=1e-6, rtol=2e-3)


@pytest.mark.parametrize("depths", [DEPTHS, ["1", "1", "2", "1"]])
def test_two_blocks_may_lie_in_two_files(checkpoint: Path, tmp_path: Path, depths: list[str]) -> None:
    main([str(checkpoint), str(tmp_path / "whole"), "--depths", *depths])
    index = json.loads((checkpoint / "model.safetensors.index.json").read_text())
    rest = load_file(checkpoint / "model-trained.safetensors")
    last = {key: rest.pop(key) for key in list(rest) if key.startswith("stages.2.blocks.2.")}
    for name, part in {"model-trained.safetensors": rest, "model-last.safetensors": last}.items():
        save_file(part, checkpoint / name, metadata={"format": "pt"})
        index["weight_map"] |= dict.fromkeys(part, name)
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps(index))
    assert main([str(checkpoint), str(tmp_path / "parts"), "--depths", *depths]) == 0
    whole, parts = load(tmp_path / "whole").state_dict(), load(tmp_path / "parts").state_dict()
    assert whole.keys() == parts.keys() and all(torch.equal(value, parts[key]) for key, value in whole.items())


def test_what_is_of_the_same_depth_keeps_its_bytes(checkpoint: Path, tmp_path: Path) -> None:
    main([str(checkpoint), str(tmp_path / "out"), "--depths", *DEPTHS])
    for name in ("model-frozen.safetensors", "tokenizer.json", "preprocessor_config.json"):
        assert (tmp_path / "out" / name).read_bytes() == (checkpoint / name).read_bytes()
    old, new = (json.loads((folder / "config.json").read_text()) for folder in (checkpoint, tmp_path / "out"))
    assert {key for key in old if old[key] != new[key]} == {"depths"}
    index = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    model = load_checkpoint(tmp_path / "out", device=torch.device("cpu"), dtype=torch.float16)[0]
    assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in model.state_dict().values())


@pytest.mark.parametrize(
    ("depths", "said"),
    [
        ("1 2 1 1", "Stage 3 is 3 deep: it can have 2 to 6 blocks, not 1"),
        ("3 2 3 1", "Stage 1 is 1 deep: it can have 1 to 2 blocks, not 3"),
    ],
)
def test_less_than_half_or_more_than_double_is_refused(
    checkpoint: Path, tmp_path: Path, capsys, depths: str, said: str
) -> None:
    assert main([str(checkpoint), str(tmp_path / "out"), "--depths", *depths.split()]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_is_there_is_not_written_over(checkpoint: Path, tmp_path: Path, capsys) -> None:
    there = tmp_path / "out"
    there.mkdir()
    (there / "mine.txt").write_text("kept")
    assert main([str(checkpoint), str(there), "--depths", *DEPTHS]) == 2
    assert str(there) in capsys.readouterr().err
    assert [file.name for file in there.iterdir()] == ["mine.txt"]
    assert main([str(tmp_path / "nothing"), str(tmp_path / "new"), "--depths", *DEPTHS]) == 2
