"""The fast path answers what the model answers: every preset, every ablation, padding, batches and all the insides."""

import pytest
import torch
from PIL import Image

from slvit.checkpoint import BUNDLED, load_checkpoint
from slvit.config import PRESETS
from slvit.fast import FastSLViT
from slvit.model import SLViTModel, SLViTOutput
from tests.models import TEXT, inputs, small_model

OURS = {"coordinates": True, "visual_prior": "efficientnet_lite0"}
ABLATIONS = [
    {},
    OURS,
    {"kernel_sizes": [5], "gate": False},
    {"kernel_sizes": [], "urce": False, "uncertainty": "standardized"},
    {"urce_stages": [2, 4], "decoder_features": ["none", "enhanced", "plain", "enhanced"]},
    {"decoder_features": ["plain"] * 4},
    {"decoder_features": ["plain", "enhanced", "none", "plain"]},
]


def ask(model: SLViTModel | FastSLViT, *, insides: bool = False, padded: bool = False, **arguments: int) -> SLViTOutput:
    """The same two photos and expressions each time; padded: the second is two words shorter, and a photo less wide."""
    photos, ids, mask = inputs(2, 96, 160)
    if padded:
        mask[1, 4:] = 0
    with torch.inference_mode():
        return model(photos, ids, mask, insides, **arguments)


def assert_same(fast: SLViTOutput, plain: SLViTOutput) -> None:
    assert fast.keys() == plain.keys()
    for name, expected in plain.items():
        pairs = zip(fast[name], expected, strict=True) if isinstance(expected, list) else [(fast[name], expected)]
        for ours, theirs in pairs:
            assert ours.shape == theirs.shape and ours.dtype == theirs.dtype, name
            largest = max(1.0, float(theirs.abs().max()))  # these random models' logits reach 20, their scores 1000
            assert float((ours.double() - theirs.double()).abs().max()) < 2e-4 * largest, name


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_answers_as_the_plain_model(preset: str) -> None:
    model = small_model(**{**PRESETS[preset], "text_config": TEXT, "nmf_rank": 64, **OURS})
    for name, parameter in model.named_parameters():
        if "layer_scale" in name:
            torch.nn.init.uniform_(parameter, 0.05, 0.15)  # twelve blocks of random weights overflow with more
    assert_same(ask(FastSLViT(model), insides=True), ask(model, insides=True))


@pytest.mark.parametrize("changes", ABLATIONS, ids=str)
@pytest.mark.parametrize("padded", [False, True])
def test_every_ablation_answers_as_the_plain_model(changes: dict, padded: bool) -> None:
    model = small_model(**changes)
    fast = FastSLViT(model)
    assert_same(ask(fast, insides=True, padded=padded), ask(model, insides=True, padded=padded))
    assert_same(ask(fast, padded=padded), ask(model, padded=padded))
    assert_same(ask(fast, patches=0), ask(model, patches=0))


def test_the_bundled_checkpoint_answers_as_the_plain_model() -> None:
    model, processor = load_checkpoint(BUNDLED, device=torch.device("cpu"), dtype=torch.float32)
    with Image.open(BUNDLED.parents[1] / "assets/examples/chickens.jpg") as photo:
        question = processor(photo.convert("RGB"), "the chicken on the left")
    with torch.inference_mode():
        plain, fast = (answering(**question).logits for answering in (model, FastSLViT(model)))
    assert float((plain - fast).abs().max()) < 1e-3


def test_neither_asking_for_the_insides_nor_a_remembered_photo_changes_a_bit() -> None:
    fast = FastSLViT(small_model(**OURS))
    photos, ids, mask = inputs(2, 96, 160)
    kept = fast.encode_photo(photos)
    plain = ask(fast).logits
    assert torch.equal(plain, ask(fast, insides=True).logits)
    for _ in range(2):  # what is remembered is not written to
        assert torch.equal(plain, fast(photos, ids, mask, prior_features=kept).logits)


def test_without_packed_weights_it_answers_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model(**OURS)
    monkeypatch.setattr("slvit.fast.PACKS", False)  # as on other processors
    assert_same(ask(FastSLViT(model), insides=True), ask(model, insides=True))


def test_it_refuses_what_it_would_answer_wrongly() -> None:
    model = small_model()
    with pytest.raises(ValueError, match="multiples of 32"):
        FastSLViT(model)(*inputs(1, 96, 112))
    with pytest.raises(ValueError, match="evaluation mode"):
        FastSLViT(model.train())
