"""Parameters and operations by part, against sums done by hand."""

from __future__ import annotations

import pytest

from slvit.config import PRESETS, SLViTConfig
from slvit.model import SLViTModel
from train.count import count, main

TEXT = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48, "vocab_size": 64}


def small(**changes: object) -> SLViTModel:
    fields = {"channels": [8, 16, 24, 32], "depths": [1, 1, 1, 1], "fusion_channels": 16, "decoder_channels": 64}
    return SLViTModel(SLViTConfig(**(fields | {"text_config": TEXT} | changes)))


def test_the_parts_add_up_to_the_whole() -> None:
    model = small(coordinates=True, visual_prior="efficientnet_lite0")
    *parts, whole = count(model, height=64, width=96, words=6)
    assert sum(part.parameters for part in parts) == whole.parameters == sum(p.numel() for p in model.parameters())
    assert [part.name for part in parts][:2] == ["text encoder", "visual prior (efficientnet_lite0)"]
    assert all(part.operations > 0 for part in parts)
    assert sum(part.operations for part in parts) == whole.operations


def test_a_multiply_add_is_two_operations() -> None:
    T, C, inner = 6, 32, 48
    projections = 4 * T * C * C + 2 * T * C * inner  # query, key, value, output; two layers of the feed-forward part
    attention = 2 * T * T * C  # its two matrix products, over all heads
    (text, *_) = count(small(), height=64, width=64, words=T)
    assert text.operations == 2 * (projections + attention)


def test_the_text_encoder_does_not_grow_with_the_photo_nor_the_decoder_with_the_text() -> None:
    model = small()
    one, two, three = (
        {part.name: part.operations for part in count(model, height=side, width=side, words=words)}
        for side, words in ((64, 6), (128, 6), (64, 12))
    )
    assert one["text encoder"] == two["text encoder"] < three["text encoder"]
    assert one["decoder"] == three["decoder"] < two["decoder"]
    assert one["stage 1"] < three["stage 1"]  # the words take part in its attention


def test_counting_changes_nothing_in_the_model() -> None:
    model = small().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    count(model, height=64, width=64)
    assert model.training
    assert all((tensor == before[name]).all() for name, tensor in model.state_dict().items())


def test_a_model_without_urce_has_no_such_part() -> None:
    assert "URCE" not in [part.name for part in count(small(urce=False), height=64, width=64)]


def test_the_command_prints_a_table_and_names_its_counter(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, "tiny", PRESETS["tiny"] | {"text_config": TEXT})
    assert main(["--preset", "tiny", "--size", "64"]) == 0
    out = capsys.readouterr().out
    assert "decoder" in out and "whole" in out and "torch.utils.flop_counter" in out


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--preset", "tiny", "--size", "100"], "multiple of 32"),
        (["--preset", "tiny", "--words", "9999"], "reads 1 to"),
        (["--checkpoint", "nowhere"], "nowhere"),
        (["--preset", "tiny", "--visual-prior", "resnet"], "resnet"),
    ],
)
def test_what_cannot_be_counted_is_said_in_a_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, "tiny", PRESETS["tiny"] | {"text_config": TEXT})
    assert main(arguments) == 2
    assert said in capsys.readouterr().err
