"""The bundled checkpoint: its keys, its files, its promises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors import safe_open

from slvit import ReferringSegmenter, SLViTConfig, SLViTModel
from slvit.page.examples import photo_path, read_examples
from train.config import TrainConfig
from train.optimizer import freeze

ROOT = Path(__file__).parents[1]
CHECKPOINT = ROOT / "checkpoints" / "slvit-tiny"
KEYS = dict(line.split(" ", 1) for line in (ROOT / "tests" / "keys.txt").read_text().splitlines())


@pytest.fixture(scope="module")
def segmenter() -> ReferringSegmenter:
    return ReferringSegmenter.from_pretrained(CHECKPOINT, device="cpu")


def test_model_and_file_have_the_keys_and_shapes_that_weights_are_passed_on_by() -> None:
    model = SLViTModel(SLViTConfig.from_pretrained(CHECKPOINT))
    assert {key: str(list(value.shape)) for key, value in model.state_dict().items()} == KEYS
    index = json.loads((CHECKPOINT / "model.safetensors.index.json").read_text())["weight_map"]
    assert set(index) == set(KEYS)
    for file in set(index.values()):
        with safe_open(CHECKPOINT / file, framework="pt") as weights:
            assert {weights.get_slice(key).get_dtype() for key in weights.keys()} <= {"F16", "I64"}  # noqa: SIM118
            assert set(weights.keys()) == {key for key, where in index.items() if where == file}


def test_what_was_never_trained_stands_apart() -> None:
    index = json.loads((CHECKPOINT / "model.safetensors.index.json").read_text())["weight_map"]
    frozen = {key for key, file in index.items() if file == "model-frozen.safetensors"}
    trained = [f"text_encoder.encoder.layer.{number}." for number in (3, 4, 5)]  # see the model card, run 4
    trained += [f"prior.blocks.{number}." for number in range(8, 21)]  # run 9
    assert frozen == {
        key for key in KEYS if key.startswith(("text_encoder.", "prior.")) and not key.startswith(tuple(trained))
    }


@pytest.mark.parametrize("file", sorted((ROOT / "train" / "configs").glob("*.json")), ids=lambda file: file.name)
def test_every_config_is_readable_and_those_that_go_on_from_here_train_what_the_export_calls_trained(
    file: Path,
) -> None:
    config = TrainConfig.load(file)
    if config.weights != "checkpoints/slvit-tiny":
        return
    bundled = SLViTConfig.from_pretrained(CHECKPOINT)
    assert config.preset == "tiny" and all(getattr(bundled, key) == value for key, value in config.model.items())
    model = SLViTModel(bundled)
    freeze(model, config.freeze)
    index = json.loads((CHECKPOINT / "model.safetensors.index.json").read_text())["weight_map"]
    changes = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert changes and {index[name] for name in changes} == {"model-trained.safetensors"}


def test_every_file_is_small_enough_for_a_repository() -> None:
    for file in (ROOT / "checkpoints").rglob("*"):
        assert not file.is_file() or file.stat().st_size < 95e6, file


def test_the_checkpoint_was_trained() -> None:
    """Fresh weights would have the initial scales and no running statistics."""
    state = SLViTModel.from_pretrained(CHECKPOINT).state_dict()
    assert state["stages.2.blocks.4.norm1.running_var"].sub(1).abs().mean() > 0.05
    assert state["stages.3.blocks.1.layer_scale1"].abs().mean() > 0.02


@pytest.mark.parametrize("example", read_examples(), ids=lambda example: example["photo"])
def test_the_uncertainty_map_is_about_the_words_and_not_near_constant(segmenter, example) -> None:
    photo = Image.open(photo_path(example["photo"]))
    maps = [
        torch.from_numpy(segmenter.segment(photo, expression, inspect=True).inspection.uncertainty)
        for expression in example["expressions"][:2]
    ]
    for one in maps:
        assert one.std() > 0.1 * one.mean()
    assert (maps[0] - maps[1]).abs().max() > 0.1 * maps[0].std()
