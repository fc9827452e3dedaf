"""Whether what is meant is there at all: what tells it, what that is fitted on, and the confidence it gives."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from training import annotated_photos, config_file, finish, people_known, start, text_encoder

from slvit import ReferringSegmenter, SLViTModel, SLViTProcessor
from slvit.errors import CheckpointError
from slvit.model import evidence_of
from slvit.processor import SLViTImageProcessor
from slvit.segmenter import MASK_COUNTS, confidence_of, prepare_photo
from train import presence
from train.data.layout import examples_of
from train.data.made import MadeSamples, Recipe
from train.evaluate import evaluate
from train.presence import Evidence, fit, told_apart


@pytest.fixture(scope="module")
def telling(processor: SLViTProcessor, model: SLViTModel) -> SLViTProcessor:
    """The processor with weights that tell the small model's answers well apart."""
    config = model.config
    weights = np.random.default_rng(1).normal(scale=0.5, size=config.decoder_channels // 2 + 2 * config.channels[3] + 1)
    return SLViTProcessor(SLViTImageProcessor(size=128, presence=weights), processor.tokenizer)


def test_evidence_is_what_lies_under_the_mask() -> None:
    logits = torch.zeros(1, 2, 8, 16)  # cells of 8×8: the left one is masked, the right one is not
    logits[:, 1, :, :8], logits[:, 1, :, 8:] = 20.0, -20.0
    aligned = torch.zeros(1, 32, 8, 16)
    aligned[..., :8], aligned[..., 8:] = 3.0, 7.0
    deepest = torch.zeros(1, 40, 1, 2)
    deepest[..., 0], deepest[..., 1] = 1.0, 5.0
    expected = torch.tensor([3.0] * 32 + [1.0] * 40 + [3.0] * 40)
    torch.testing.assert_close(evidence_of(logits, aligned, deepest)[0], expected)


def test_an_answer_without_evidence_of_its_own_mask_stays_finite() -> None:
    logits = torch.zeros(1, 2, 8, 8)
    logits[:, 0] = 200.0  # no probability anywhere
    assert torch.isfinite(evidence_of(logits, torch.ones(1, 32, 8, 8), torch.ones(1, 40, 1, 1))).all()


def test_confidence_is_that_of_mask_and_presence(
    model: SLViTModel, processor: SLViTProcessor, telling: SLViTProcessor, photo: Image.Image
) -> None:
    plain, segmenter = ReferringSegmenter(model, processor), ReferringSegmenter(model, telling)
    *weights, bias = telling.image_processor.presence
    tokens, _ = processor.read(["red dog"])
    with torch.inference_mode():
        evidence = model(processor.image_processor(photo)["pixel_values"], **tokens).evidence[0].numpy()
    answer, before = segmenter.segment(photo, "red dog"), plain.segment(photo, "red dog")
    assert np.array_equal(answer.probability, before.probability)
    assert before.confidence == pytest.approx(before.probability[before.mask].mean(), abs=1e-6)
    odds = [np.exp(evidence @ weights + bias), *[before.confidence / (1 - before.confidence)] * MASK_COUNTS]
    together = np.prod(odds) ** (1 / len(odds))
    assert answer.confidence == pytest.approx(together / (1 + together), abs=1e-4)

    texts = ["red dog", "cat on left", "the word"]
    together = segmenter.segment_batch([prepare_photo(photo, telling.image_processor)] * 3, texts)
    alone = [segmenter.segment(photo, text) for text in texts]
    assert [one.confidence for one in together] == pytest.approx([one.confidence for one in alone], abs=1e-4)
    assert len({round(one.confidence, 3) for one in alone}) > 1


def test_presence_of_several_looks_is_the_mean_of_their_log_odds(
    model: SLViTModel, telling: SLViTProcessor, photo: Image.Image
) -> None:
    tokens, _ = telling.read(["red dog", "cat on left"])
    pixels = [telling.image_processor.at(size)([photo, photo])["pixel_values"] for size in (128, 192)]
    with torch.inference_mode():
        looks = [model(look, **tokens) for look in pixels]
    alone = torch.tensor([telling.presence(look) for look in looks])  # looks×B
    assert (alone[0] - alone[1]).abs().max() > 0.01
    expected = alone.double().logit().mean(dim=0).sigmoid()
    assert telling.presence(*looks) == pytest.approx(expected.tolist(), abs=1e-4)


def test_certain_and_impossible_stay_probabilities() -> None:
    sure, nothing = np.ones((2, 2)), np.zeros((2, 2))
    assert 0.99 < confidence_of(sure, sure >= 0.5, 1.0) <= 1
    assert 0 <= confidence_of(nothing, nothing >= 0.5, 0.0) < 0.01
    assert confidence_of(sure, sure >= 0.5, 0.0) < confidence_of(sure, sure >= 0.5, 0.5) < 1


def test_found_follows_that_probability(model: SLViTModel, telling: SLViTProcessor, photo: Image.Image) -> None:
    weights = telling.image_processor.presence
    for bias, found in ((-50.0, False), (50.0, True)):
        processor = SLViTProcessor(SLViTImageProcessor(size=128, presence=[*weights[:-1], bias]), telling.tokenizer)
        answer = ReferringSegmenter(model, processor).segment(photo, "red dog")
        assert answer.mask.any() and answer.found is found


def test_weights_travel_with_the_checkpoint_and_must_fit(
    checkpoint: Path, telling: SLViTProcessor, tmp_path: Path
) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "telling")
    telling.save_pretrained(folder)
    read = ReferringSegmenter.from_pretrained(folder).processor.image_processor
    assert read.presence == telling.image_processor.presence
    for wrong, told in ((read.presence[1:], "presence has"), ([*read.presence[1:], float("nan")], "not finite")):
        content = read.to_dict() | {"presence": wrong}
        (folder / "preprocessor_config.json").write_text(json.dumps(content))
        with pytest.raises(CheckpointError, match=told):
            ReferringSegmenter.from_pretrained(folder)


def test_evaluation_scores_the_apps_confidence(model: SLViTModel, telling: SLViTProcessor, tmp_path: Path) -> None:
    examples = examples_of(annotated_photos(tmp_path / "data"), "coco", split="val")
    segmenter = ReferringSegmenter(model, telling)
    for record, of in zip(evaluate(model, telling, examples).records, examples, strict=True):
        assert record.confidence == pytest.approx(segmenter.segment(of.photo, of.expression).confidence, abs=1e-3)


def test_words_alone_do_not_decide() -> None:
    """Wordings betray the answer as often as what is seen does, and only what is seen may count."""
    rng = torch.Generator().manual_seed(0)
    there = torch.rand(4000, generator=rng) < 0.5
    sign = there.float() * 2 - 1
    seen, worded = (sign[:, None] + 1.2 * torch.randn(4000, 1, generator=rng) for _ in range(2))
    by_sight, by_words, bias = fit(Evidence(torch.cat((seen, worded), dim=1), worded, seen, there), penalty=1.0)
    assert by_sight > 1 and abs(by_words) < 0.4 * by_sight  # without the weights they are equal
    assert abs(bias) < 0.5


def test_what_is_always_there_cannot_be_told_apart() -> None:
    some = torch.rand(10, 3)
    with pytest.raises(ValueError, match="nothing to tell apart"):
        fit(Evidence(some, some, some, torch.ones(10, dtype=torch.bool)), penalty=1.0)


def test_what_is_told_apart() -> None:
    there = torch.tensor([True] * 10 + [False] * 4)
    seen = torch.tensor([*range(1, 11), 0.5, 1.5, 2.5, 20.0])
    assert told_apart(seen, there) == "area under the curve 67.5, 50.0 % told with 10 % false alarms"  # 27 of 40 pairs
    with pytest.raises(ValueError, match="Too few samples"):
        told_apart(seen, torch.ones(14, dtype=torch.bool))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's own folder, with photos of which it is known that they show no person."""
    folder = tmp_path_factory.mktemp("presence")
    text_encoder(folder / "bert")
    people_known(annotated_photos(folder / "data", count=12))
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


def test_the_command_adds_the_weights_and_leaves_the_rest(folder: Path, capsys: pytest.CaptureFixture) -> None:
    finish(start("--config", config_file(folder)))
    checkpoint = folder / "run" / "checkpoint"
    before = {path: path.read_bytes() for path in checkpoint.iterdir() if path.name != "preprocessor_config.json"}
    command = ["--checkpoint", str(checkpoint), "--data", str(folder / "data"), "--samples", "40", "--workers", "0"]
    photo, confidences = next((folder / "data" / "photos").iterdir()), []
    for seed in ("5", "6"):  # fitted again, on other samples
        assert presence.main([*command, "--seed", seed]) == 0
        assert capsys.readouterr().out.count("told with 10 % false alarms") == 2
        segmenter = ReferringSegmenter.from_pretrained(checkpoint)
        assert segmenter.processor.image_processor.size == 96
        confidences.append(segmenter.segment(photo, "the left disc").confidence)
    assert confidences[0] != confidences[1]
    assert all(path.read_bytes() == content for path, content in before.items())
    assert presence.main([*command[:3], str(folder / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err
