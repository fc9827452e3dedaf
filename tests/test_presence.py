"""Whether what is meant is there at all: the head, what it is fitted on, and the confidence that it gives."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from models import SMALL
from PIL import Image
from training import annotated_photos, config_file, finish, start, text_encoder

from slvit import ReferringSegmenter, SLViTConfig, SLViTModel, SLViTProcessor
from slvit.model import Presence
from slvit.segmenter import prepare_photo
from train import presence
from train.data.made import MadeSamples, Recipe
from train.evaluate import evaluate
from train.export import FROZEN, PRESENCE, TRAINED
from train.presence import Evidence, fit, told_apart


@pytest.fixture(scope="module")
def with_head(model: SLViTModel) -> SLViTModel:
    """The small model again, with a head that tells its answers well apart."""
    config = SLViTConfig.from_dict(model.config.to_dict() | {"presence": True})
    twin = SLViTModel(config)
    twin.load_state_dict(model.state_dict(), strict=False)
    torch.manual_seed(1)
    torch.nn.init.normal_(twin.presence.classifier.weight, std=0.5)
    return twin.eval()


def test_the_head_reads_what_lies_under_the_mask() -> None:
    head = Presence(SLViTConfig(**SMALL))
    logits = torch.zeros(1, 2, 8, 16)  # cells of 8×8: the left one is masked, the right one is not
    logits[:, 1, :, :8], logits[:, 1, :, 8:] = 20.0, -20.0
    aligned = torch.zeros(1, 32, 8, 16)
    aligned[..., :8], aligned[..., 8:] = 3.0, 7.0
    deepest = torch.zeros(1, 40, 1, 2)
    deepest[..., 0], deepest[..., 1] = 1.0, 5.0
    logit, read = head(logits, aligned, deepest)
    expected = torch.tensor([3.0] * 32 + [1.0] * 40 + [3.0] * 40)
    torch.testing.assert_close(read[0], expected)
    torch.testing.assert_close(logit, head.classifier(expected[None])[:, 0])


def test_the_head_leaves_the_mask_as_it_is(
    model: SLViTModel, with_head: SLViTModel, processor: SLViTProcessor, photo: Image.Image
) -> None:
    without, answer = (ReferringSegmenter(one, processor).segment(photo, "the dog") for one in (model, with_head))
    assert np.array_equal(without.probability, answer.probability)
    assert without.confidence == pytest.approx(without.probability[without.mask].mean(), abs=1e-6)


def test_confidence_is_the_heads_probability(
    with_head: SLViTModel, processor: SLViTProcessor, photo: Image.Image
) -> None:
    segmenter = ReferringSegmenter(with_head, processor)
    tokens, _ = processor.read(["red dog"])
    pixels = processor.image_processor(photo)["pixel_values"]
    with torch.inference_mode():
        expected = float(with_head(pixels, **tokens).presence.sigmoid())
    assert segmenter.segment(photo, "red dog").confidence == pytest.approx(expected, abs=1e-5)
    texts = ["red dog", "cat on left", "the word"]
    prepared = prepare_photo(photo, processor.image_processor)
    together = segmenter.segment_batch([prepared] * 3, texts)
    alone = [segmenter.segment(photo, text) for text in texts]
    assert [one.confidence for one in together] == pytest.approx([one.confidence for one in alone], abs=1e-4)
    assert len({round(one.confidence, 3) for one in alone}) > 1


def test_found_follows_the_head(with_head: SLViTModel, processor: SLViTProcessor, photo: Image.Image) -> None:
    segmenter = ReferringSegmenter(with_head, processor)
    mask = segmenter.segment(photo, "red dog").mask
    assert mask.any()
    found = []
    for bias in (-50.0, 50.0):
        with torch.no_grad():
            before = with_head.presence.classifier.bias.clone()
            with_head.presence.classifier.bias.fill_(bias)
            found.append(segmenter.segment(photo, "red dog").found)
            with_head.presence.classifier.bias.copy_(before)
    assert found == [False, True]


def test_evaluation_scores_the_apps_confidence(
    with_head: SLViTModel, processor: SLViTProcessor, tmp_path: Path
) -> None:
    from train.data.layout import examples_of

    examples = examples_of(annotated_photos(tmp_path / "data"), "coco", split="val")
    segmenter = ReferringSegmenter(with_head, processor)
    for record, of in zip(evaluate(with_head, processor, examples).records, examples, strict=True):
        assert record.confidence == pytest.approx(segmenter.segment(of.photo, of.expression).confidence, abs=1e-3)


def test_words_alone_do_not_decide() -> None:
    """Wordings betray the answer as often as what is seen does, and only what is seen may count."""
    rng = torch.Generator().manual_seed(0)
    there = torch.rand(4000, generator=rng) < 0.5
    sign = there.float() * 2 - 1
    seen, worded = (sign[:, None] + 1.2 * torch.randn(4000, 1, generator=rng) for _ in range(2))
    weight, bias = fit(Evidence(torch.cat((seen, worded), dim=1), worded, there), penalty=1.0)
    assert weight[0, 0] > 1 and abs(weight[0, 1]) < 0.4 * weight[0, 0]
    assert abs(bias) < 0.5


def test_what_is_always_there_cannot_be_told_apart() -> None:
    some = torch.rand(10, 3)
    with pytest.raises(ValueError, match="nothing to tell apart"):
        fit(Evidence(some, some, torch.ones(10, dtype=torch.bool)), penalty=1.0)


def test_what_is_told_apart() -> None:
    there = torch.tensor([True] * 10 + [False] * 4)
    seen = torch.tensor([*range(1, 11), 0.5, 1.5, 2.5, 20.0])[:, None]
    ranked, told = told_apart(Evidence(seen, seen, there), torch.tensor([[1.0]]), torch.tensor([0.0]))
    assert ranked == pytest.approx(100 * (10 + 9 + 8 + 0) / 40)
    assert told == pytest.approx(50)  # a tenth of those there lie below 1.9


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's own folder, with photos of which it is known that they show no person."""
    folder = tmp_path_factory.mktemp("presence")
    text_encoder(folder / "bert")
    index = annotated_photos(folder / "data", count=12) / "instances.json"
    content = json.loads(index.read_text())
    content["categories"].append({"id": 3, "name": "person"})
    for image in content["images"]:
        image["exhaustive_category_ids"] = [1, 2, 3]
    index.write_text(json.dumps(content))
    return folder


def test_an_expression_of_elsewhere_means_nothing_here(folder: Path) -> None:
    made = MadeSamples(folder / "data", recipe=Recipe(absent=1), seed=0, samples=60, size_of=lambda number: (64, 96))
    elsewhere = []
    said = made._said_elsewhere

    def heard(away: list[str], *others: object) -> object:
        one = said(away, *others)
        if one is not None:
            elsewhere.append((away, one.text))
        return one

    made._said_elsewhere = heard
    assert all(not made[number]["mask"].any() for number in range(60))
    assert len(elsewhere) > 10
    for away, text in elsewhere:
        assert not ("square" in text and "square" not in away) and not ("disc" in text and "disc" not in away)
    assert any({"left", "right"} & set(text.split()) for _, text in elsewhere)  # worded as what is there


def test_the_command_adds_the_head_and_leaves_the_rest(folder: Path, capsys: pytest.CaptureFixture) -> None:
    finish(start("--config", config_file(folder)))
    checkpoint = folder / "run" / "checkpoint"
    before = {name: (checkpoint / name).read_bytes() for name in (FROZEN, TRAINED, "preprocessor_config.json")}
    command = ["--checkpoint", str(checkpoint), "--data", str(folder / "data"), "--samples", "40", "--workers", "0"]
    assert presence.main(command) == 0
    assert "AUROC" in capsys.readouterr().out
    assert {name: (checkpoint / name).read_bytes() for name in before} == before
    assert (checkpoint / PRESENCE).stat().st_size < 20_000
    segmenter = ReferringSegmenter.from_pretrained(checkpoint)
    assert segmenter.model.config.presence
    photo = next((folder / "data" / "photos").iterdir())
    first = segmenter.segment(photo, "the left disc").confidence
    assert presence.main([*command[:-2], "--workers", "0", "--seed", "5"]) == 0  # fitted again, on other samples
    again = ReferringSegmenter.from_pretrained(checkpoint).segment(photo, "the left disc").confidence
    assert first != again
    assert {name: (checkpoint / name).read_bytes() for name in before} == before
    assert presence.main([*command[:3], str(folder / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err
