"""The door between the model and everything else: right shapes, the same answer each time, nothing mixed up."""

import io
import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import slvit.segmenter
from slvit import ReferringSegmenter, SLViTModel, SLViTProcessor
from slvit.errors import ExpressionError, PhotoError
from slvit.processor import SLViTImageProcessor
from slvit.segmenter import PHOTO_STEPS, REMEMBERED_PHOTOS, PreparedPhoto, Segmentation, prepare_photo


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """What the segmenter has opened so far."""
    sources = []

    def open_and_note(source: object) -> Image.Image:
        sources.append(source)
        return open_photo(source)

    open_photo = slvit.segmenter.open_photo
    monkeypatch.setattr(slvit.segmenter, "open_photo", open_and_note)
    return sources


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch, model: SLViTModel) -> list[torch.Tensor]:
    """The photos whose visual prior has been computed so far, by anyone."""
    photos = []

    def encode_and_note(pixel_values: torch.Tensor) -> list[torch.Tensor] | None:
        photos.append(pixel_values)
        return type(model).encode_photo(model, pixel_values)

    monkeypatch.setattr(model, "encode_photo", encode_and_note)
    return photos


def same(one: Segmentation, other: Segmentation) -> bool:
    return np.array_equal(one.probability, other.probability)


def answering(probability: np.ndarray, model: SLViTModel, processor: SLViTProcessor, **fields: float) -> Segmentation:
    """The answer of a segmenter whose model found `probability`."""
    processor = SLViTProcessor(SLViTImageProcessor(size=64, **fields), processor.tokenizer)
    processor.probability = lambda logits, photo_size, guide: probability.astype(np.float32)
    return ReferringSegmenter(model, processor).segment(Image.new("RGB", probability.shape[::-1]), "dog")


def test_answer_has_the_photos_own_size(segmenter: ReferringSegmenter, photo: Image.Image) -> None:
    answer = segmenter.segment(photo, "the dog")
    assert answer.mask.shape == answer.probability.shape == (150, 200)
    assert answer.mask.dtype == bool and answer.probability.dtype == np.float32
    assert 0 <= answer.probability.min() and answer.probability.max() <= 1
    assert np.array_equal(answer.mask, answer.probability >= 0.5)
    assert answer.inspection is None


def test_answer_is_the_models_own(segmenter: ReferringSegmenter, photo: Image.Image) -> None:
    answer = segmenter.segment(photo, "the dog on left")
    with torch.inference_mode():
        logits = segmenter.model(**segmenter.processor(photo, "the dog on left")).logits[0]
    assert np.array_equal(answer.probability, segmenter.processor.probability(logits, (150, 200)))


def test_another_size_is_seen_in_place_of_the_checkpoints(
    segmenter: ReferringSegmenter, checkpoint: Path, photo: Image.Image
) -> None:
    usual = segmenter.segment(photo, "dog", inspect=True)
    closer = ReferringSegmenter.from_pretrained(checkpoint, device="cpu", size=192).segment(photo, "dog", inspect=True)
    seen = [math.prod(answer.inspection.input_size) for answer in (usual, closer)]
    assert seen[0] == pytest.approx(128**2, rel=0.2) and seen[1] == pytest.approx(192**2, rel=0.2)
    assert closer.probability.shape == usual.probability.shape
    assert len(closer.inspection.patch_index) > len(usual.inspection.patch_index)  # the same share of more cells


def test_several_looks_are_answered_by_their_mean(
    segmenter: ReferringSegmenter, checkpoint: Path, processor: SLViTProcessor, photo: Image.Image
) -> None:
    def at(*sizes: int) -> tuple[ReferringSegmenter, torch.Tensor]:
        processor = SLViTProcessor(segmenter.processor.image_processor.at(sizes), segmenter.processor.tokenizer)
        with torch.inference_mode():
            logits = segmenter.model(**processor(photo, "dog")).logits
        return ReferringSegmenter(segmenter.model, processor), logits  # 1×2×H×W of the first look

    (usual, small), (closer, large), (both, _) = at(128), at(192), at(128, 192)
    smooth = torch.nn.functional.interpolate(small, size=large.shape[-2:], mode="bicubic")
    answer = both.segment(photo, "dog", inspect=True)
    expected = processor.probability(((smooth + large) / 2)[0], (150, 200))
    assert np.abs(answer.probability - expected).max() < 1e-5
    (swapped, _), loaded = at(192, 128), ReferringSegmenter.from_pretrained(checkpoint, device="cpu", size=(128, 192))
    for other in (swapped, loaded):
        assert np.abs(other.segment(photo, "dog").probability - expected).max() < 1e-3

    answers = [one.segment(photo, "dog", inspect=True) for one in (usual, closer)]
    assert all(np.abs(answer.probability - one.probability).max() > 1e-3 for one in answers)
    assert answer.inspection.input_sizes == [one.inspection.input_size for one in answers]
    assert np.array_equal(answer.inspection.uncertainty, answers[1].inspection.uncertainty)  # of the last look
    assert math.prod(swapped.segment(photo, "dog", inspect=True).inspection.input_size) == pytest.approx(
        128**2, rel=0.2
    )
    (batched,) = both.segment_batch([prepare_photo(photo, both.processor.image_processor)], ["dog"])
    assert same(batched, answer)


def test_photos_that_differ_at_one_look_are_not_taken_for_each_other(segmenter: ReferringSegmenter) -> None:
    first, second, other = (np.full((side, side, 3), grey, np.uint8) for side, grey in ((32, 90), (64, 90), (64, 200)))
    photos = [PreparedPhoto((64, 64), [first, look], None) for look in (second, other)]
    assert not same(*(segmenter.segment(photo, "dog") for photo in photos))


@pytest.mark.parametrize("size", [0, 31, 2049, 96.0, (128, 16)])
def test_a_size_that_no_model_can_see_is_refused(checkpoint: Path, size: object) -> None:
    with pytest.raises(ValueError, match="32..2048"):
        ReferringSegmenter.from_pretrained(checkpoint, device="cpu", size=size)


def test_the_same_question_has_the_same_answer_another_has_another(
    segmenter: ReferringSegmenter, photo: Image.Image
) -> None:
    first, other, again = (segmenter.segment(photo, text) for text in ("the dog", "red cat on left", "the dog"))
    assert same(first, again)
    assert np.abs(first.probability - other.probability).max() > 0.05


def test_many_equal_singles_to_the_bit_and_in_order(segmenter: ReferringSegmenter, photo: Image.Image) -> None:
    expressions = ["the dog", "red cat on left", "a very long way of saying dog", "the dog"]
    many = segmenter.segment_many(photo, expressions)
    assert [same(answer, segmenter.segment(photo, text)) for answer, text in zip(many, expressions, strict=True)] == [
        True
    ] * 4
    assert segmenter.segment_many(photo, []) == []


def test_every_way_to_give_a_photo_gives_one_answer(
    segmenter: ReferringSegmenter, photo: Image.Image, tmp_path: Path
) -> None:
    path = tmp_path / "photo.png"
    photo.save(path)
    content = path.read_bytes()
    sources = [path, str(path), content, io.BytesIO(content), segmenter.encode(path)]
    expected = segmenter.segment(photo, "the dog")
    assert all(same(segmenter.segment(source, "the dog"), expected) for source in sources)


def test_a_photo_is_read_once_while_it_stays(
    segmenter: ReferringSegmenter, photo: Image.Image, tmp_path: Path, opened: list, encoded: list
) -> None:
    path = tmp_path / "photo.png"
    photo.save(path)
    segmenter.segment_many(path, ["the dog", "red cat"])
    second = segmenter.segment(path, "left")
    assert len(opened) == 1 and len(encoded) == 1
    assert all(second.timings[step] == 0 for step in PHOTO_STEPS)
    segmenter.segment(photo, "dog")  # the same pixels as an image: opened, but not encoded as another photo
    segmenter.segment(photo.copy(), "dog")
    assert len(encoded) == 2


def test_a_photo_that_changes_is_read_again(segmenter: ReferringSegmenter, photo: Image.Image, tmp_path: Path) -> None:
    flipped = photo.transpose(Image.Transpose.ROTATE_180)
    expected = segmenter.segment(flipped, "the dog")

    path = tmp_path / "photo.bmp"  # uncompressed: both versions have one length
    photo.save(path)
    os.utime(path, (1, 1))
    assert not same(segmenter.segment(path, "the dog"), expected)
    flipped.save(path)
    os.utime(path, (2, 2))
    assert same(segmenter.segment(path, "the dog"), expected)

    contents = []
    for version in (photo, flipped):
        version.save(path)
        contents.append(path.read_bytes())
    assert len(contents[0]) == len(contents[1]) and not same(segmenter.segment(contents[0], "the dog"), expected)
    assert same(segmenter.segment(contents[1], "the dog"), expected)

    drawn_on = photo.copy()
    segmenter.segment(drawn_on, "the dog")
    drawn_on.paste(flipped)
    assert same(segmenter.segment(drawn_on, "the dog"), expected)


def test_photos_that_look_alike_to_the_model_keep_their_sizes(segmenter: ReferringSegmenter) -> None:
    sizes = [(120, 120), (240, 240), (120, 120)]
    masks = [segmenter.segment(Image.new("RGB", size, "teal"), "dog").mask for size in sizes]
    assert [mask.shape for mask in masks] == sizes


def test_only_a_few_photos_are_remembered(segmenter: ReferringSegmenter, encoded: list) -> None:
    photos = [Image.new("RGB", (64, 64), (shade, 0, 0)) for shade in range(REMEMBERED_PHOTOS + 1)]
    for photo in [*photos[:-1], photos[0], photos[-1], photos[0]]:  # the first is asked for now and then
        segmenter.segment(photo, "dog")
    assert len(encoded) == REMEMBERED_PHOTOS + 1
    segmenter.segment(photos[1], "dog")  # the one that had to go
    assert len(encoded) == REMEMBERED_PHOTOS + 2


def test_confidence_is_the_mean_over_the_mask(model: SLViTModel, processor: SLViTProcessor) -> None:
    probability = np.full((20, 20), 0.1)
    probability[0, :2] = 0.6, 0.9
    probability[1, :1] = 0.5  # just inside
    answer = answering(probability, model, processor)
    assert answer.mask.sum() == 3 and answer.confidence == pytest.approx(2 / 3)
    assert answer.found


def test_confidence_without_a_mask_is_the_largest_probability(model: SLViTModel, processor: SLViTProcessor) -> None:
    probability = np.full((20, 20), 0.1)
    probability[5, 5] = 0.4
    answer = answering(probability, model, processor, found_threshold=0.0)
    assert answer.confidence == pytest.approx(0.4)
    assert not answer.found  # nothing is found where nothing is masked


@pytest.mark.parametrize(("threshold", "found"), [(0.7, True), (0.9, False)])
def test_found_follows_the_checkpoints_threshold(
    model: SLViTModel, processor: SLViTProcessor, threshold: float, found: bool
) -> None:
    assert answering(np.full((20, 20), 0.8), model, processor, found_threshold=threshold).found is found


def test_asking_for_the_insides_changes_nothing_and_gives_them(
    segmenter: ReferringSegmenter, photo: Image.Image
) -> None:
    answer = segmenter.segment(photo, "the dog on left", inspect=True)
    assert same(answer, segmenter.segment(photo, "the dog on left"))
    insides = answer.inspection
    (H, W), T = insides.input_size, 6
    assert (H, W) == (96, 160)
    assert insides.tokens == ["[CLS]", "the", "dog", "on", "left", "[SEP]"]
    for i, C in enumerate(segmenter.model.config.channels):
        cells = (H // 2 ** (i + 2), W // 2 ** (i + 2))
        assert insides.features[i].shape == insides.enhanced_features[i].shape == (C, *cells)
        assert insides.word_scores[i].shape == (T, *cells)
        changed = np.any(insides.features[i] != insides.enhanced_features[i], axis=0)  # H_i×W_i
        assert 0 < changed.mean() <= len(insides.patch_index) / 15
        assert np.allclose(insides.word_scores[i].sum(axis=0), insides.correlation[i], rtol=1e-3, atol=1e-3)
    K = len(insides.patch_index)
    assert insides.uncertainty.shape == (3, 5) and K == round(32 / 225 * 15)
    assert insides.patch_index.tolist() == np.argsort(-insides.uncertainty.ravel(), kind="stable")[:K].tolist()
    assert insides.attention.shape == (K, 8, 85, 85)
    arrays = [*insides.features, *insides.word_scores, insides.uncertainty, insides.attention]
    assert all(array.dtype == np.float32 for array in arrays) and insides.patch_index.dtype == np.int64


def test_timings_name_every_step(segmenter: ReferringSegmenter, photo: Image.Image) -> None:
    first, second = segmenter.segment_many(photo, ["the dog", "red"])
    for answer in (first, second):
        steps = dict(answer.timings)
        total = steps.pop("total")
        assert set(steps) == {"open", "prepare", "prior", "text", "model", "resize"}
        assert total == pytest.approx(sum(steps.values())) and steps["model"] > 0
    assert first.timings["prior"] > 0 and second.timings["prior"] == 0


def test_threads_do_not_mix_up_their_answers(segmenter: ReferringSegmenter, photo: Image.Image) -> None:
    photos = [photo, photo.transpose(Image.Transpose.ROTATE_180), photo.resize((90, 130))]
    questions = [(photos[n % 3], ["the dog", "red cat on left", "word " * 20][n % 5 % 3]) for n in range(30)]
    expected = [segmenter.segment(*question) for question in questions]
    fresh = ReferringSegmenter(segmenter.model, segmenter.processor)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda question: fresh.segment(*question), questions))
    assert all(same(*pair) for pair in zip(answers, expected, strict=True))


def test_unread_words_come_back(segmenter: ReferringSegmenter, photo: Image.Image) -> None:
    words = segmenter.segment(photo, "word " * 510 + "and the dog").words
    assert len(words.read) == 510 and words.unread == ["and", "the", "dog"]


def test_it_goes_on_working_after_each_error(segmenter: ReferringSegmenter, photo: Image.Image) -> None:
    expected = segmenter.segment(photo, "the dog")
    for source, text, error in (
        (b"text", "dog", PhotoError),
        (Image.new("RGB", (1, 1)), "dog", PhotoError),
        (photo, " ", ExpressionError),
        (None, "", PhotoError),
    ):
        with pytest.raises(error):
            segmenter.segment(source, text)
        assert same(segmenter.segment(photo, "the dog"), expected)


@pytest.mark.parametrize("size", [(16, 16), (16, 128), (640, 80), (2000, 20), (31, 97)])
def test_any_shape_of_photo_is_answered(segmenter: ReferringSegmenter, size: tuple[int, int]) -> None:
    answer = segmenter.segment(Image.effect_noise(size, 60), "the dog", inspect=True)
    assert answer.mask.shape == size[::-1] and np.isfinite(answer.probability).all()


def test_fifty_megapixels_are_answered(segmenter: ReferringSegmenter) -> None:
    answer = segmenter.segment(Image.new("L", (8192, 6144), 90), "the dog")
    assert answer.mask.shape == (6144, 8192) and 0 <= answer.confidence <= 1


class FullGPU:
    """A model that does not fit into memory with more than `pixels`, nor before `asked` calls."""

    def __init__(self, model: SLViTModel, monkeypatch: pytest.MonkeyPatch, *, pixels: int, asked: int = 0) -> None:
        self.seen: list[tuple[int, int]] = []
        forward = type(model).forward

        def limited(pixel_values: torch.Tensor, *arguments: object, **options: object) -> object:
            self.seen.append(tuple(pixel_values.shape[-2:]))
            if pixel_values[0, 0].numel() > pixels or len(self.seen) <= asked:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return forward(model, pixel_values, *arguments, **options)

        monkeypatch.setattr(model, "forward", limited)


def test_a_batch_that_does_not_fit_is_answered_one_at_a_time(
    segmenter: ReferringSegmenter, photo: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["the dog", "red cat on left"]
    photos = [prepare_photo(one, segmenter.processor.image_processor) for one in (photo, photo.rotate(180))]
    expected = [segmenter.segment(one, text) for one, text in zip(photos, texts, strict=True)]
    gpu = FullGPU(segmenter.model, monkeypatch, pixels=10**6, asked=1)
    assert all(map(same, segmenter.segment_batch(photos, texts), expected))
    assert len(gpu.seen) == 3 and len(segmenter._photos) == 2  # what was kept before is gone


def test_memory_that_only_needs_freeing_changes_nothing(
    segmenter: ReferringSegmenter, photo: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = segmenter.segment(photo, "the dog")
    gpu = FullGPU(segmenter.model, monkeypatch, pixels=10**6, asked=1)
    assert same(segmenter.segment(photo, "the dog"), expected)
    assert gpu.seen == [(96, 160), (96, 160)]


def test_without_memory_a_smaller_size_is_tried(
    segmenter: ReferringSegmenter, photo: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = FullGPU(segmenter.model, monkeypatch, pixels=64 * 96)
    answer = segmenter.segment(photo, "the dog", inspect=True)
    assert gpu.seen == [(96, 160), (96, 160), (64, 64)]
    assert answer.mask.shape == (150, 200) and answer.inspection.input_size == (64, 64)
    monkeypatch.undo()
    assert segmenter.segment(photo, "the dog", inspect=True).inspection.input_size == (96, 160)


def test_without_any_memory_there_is_a_sentence(
    segmenter: ReferringSegmenter, photo: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = segmenter.segment(photo, "the dog")
    FullGPU(segmenter.model, monkeypatch, pixels=0)
    with pytest.raises(PhotoError, match="too little memory on the GPU"):
        segmenter.segment(photo, "the dog")
    monkeypatch.undo()
    assert same(segmenter.segment(photo, "the dog"), expected)


def test_another_number_of_patches_is_for_one_call(segmenter: ReferringSegmenter, photo: Image.Image) -> None:
    usual, five, none, again = (
        segmenter.segment(photo, "the red dog", inspect=True, patches=patches) for patches in (None, 5, 0, None)
    )
    assert len(five.inspection.patch_index) == 5 != len(usual.inspection.patch_index)
    assert len(none.inspection.patch_index) == 0
    for before, after in zip(none.inspection.features, none.inspection.enhanced_features, strict=True):
        assert np.array_equal(before, after)  # URCE was off
    assert not np.array_equal(usual.probability, none.probability)
    assert np.array_equal(usual.probability, again.probability)
