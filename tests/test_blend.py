"""The mean of two checkpoints' weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from models import TEXT, small_model

from slvit.checkpoint import load_checkpoint
from train.blend import blend, main
from train.export import export, never_trained


@pytest.fixture
def pair(tmp_path: Path, processor) -> tuple[Path, Path]:
    """Checkpoints of one frozen text encoder; of the second every trained weight is larger by 2."""
    text = {**TEXT, "vocab_size": len(processor.tokenizer)}
    model = small_model(text_config=text)
    model.text_encoder.requires_grad_(False)
    frozen = never_trained(model)
    export(model, processor, tmp_path / "before", frozen=frozen)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(2)
    export(model, processor, tmp_path / "after", frozen=frozen)
    return tmp_path / "before", tmp_path / "after"


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(folder, device=torch.device("cpu"), dtype=torch.float32)[0].state_dict()


def test_the_mean_lies_between_both(pair: tuple[Path, Path], tmp_path: Path) -> None:
    assert main([*map(str, pair), str(tmp_path / "out"), "--share", "0.75"]) == 0
    before, mixed = weights(pair[0]), weights(tmp_path / "out")
    for key in ("decoder.classifier.weight", "stages.0.norm.bias"):
        torch.testing.assert_close(mixed[key] - before[key], torch.full_like(mixed[key], 1.5), atol=4e-3, rtol=0)
    assert all(torch.equal(mixed[key], before[key]) for key in mixed if key.startswith("text_encoder."))
    frozen = "model-frozen.safetensors"
    assert (tmp_path / "out" / frozen).read_bytes() == (pair[1] / frozen).read_bytes()
    modes = [(folder / "model-trained.safetensors").stat().st_mode for folder in (tmp_path / "out", pair[1])]
    assert modes[0] == modes[1], "whoever may read the checkpoint may read its mean"


def test_what_has_no_mean_is_refused(pair: tuple[Path, Path], tmp_path: Path, processor, capsys) -> None:
    with pytest.raises(ValueError, match="0..1"):
        blend(*pair, tmp_path / "out", share=1.5)
    text = {**TEXT, "vocab_size": len(processor.tokenizer)}
    other = small_model(text_config=text, coordinates=not small_model().config.coordinates)
    export(other, processor, tmp_path / "other", frozen=set())
    assert main([str(pair[0]), str(tmp_path / "other"), str(tmp_path / "out")]) == 2
    assert "not of one architecture" in capsys.readouterr().err
    assert main([str(pair[0]), str(tmp_path / "nothing"), str(tmp_path / "out")]) == 2
    assert main([*map(str, pair), str(pair[0])]) == 2, "a folder that is there is not written over"
    assert not (tmp_path / "out").exists()
