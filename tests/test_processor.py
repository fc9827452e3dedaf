"""Photos, expressions and logits keep their meaning on the way into the model and out of it."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers import AutoImageProcessor, AutoProcessor

from slvit import SLViTModel, SLViTProcessor
from slvit.checkpoint import BUNDLED
from slvit.errors import ExpressionError
from slvit.processor import LONGEST, MAX_CHARACTERS, SLViTImageProcessor, clean_expression, input_size

sides = st.integers(16, 12_000)


@given(sides, sides, st.sampled_from([128, 256, 480]))
def test_input_size_keeps_area_and_aspect_within_its_rounding(height: int, width: int, size: int) -> None:
    H, W = input_size(height, width, size)
    assert H % 32 == 0 and W % 32 == 0 and H >= 32 and W >= 32
    exact = size * math.sqrt(height / width), size * math.sqrt(width / height)
    if min(exact) >= 32:  # neither side is held at its least
        assert abs(H - exact[0]) <= 16 and abs(W - exact[1]) <= 16
    else:
        assert min(H, W) == 32 and H * W <= size * size  # a long strip costs no more than a square


def test_input_size_by_hand() -> None:
    assert input_size(480, 640, 256) == (224, 288)
    assert input_size(640, 480, 256) == (288, 224)
    assert input_size(100, 800, 256) == (96, 736)
    assert input_size(16, 12_000, 256) == (32, 2048)


def test_pixels_are_rgb_between_0_and_1_in_place(processor: SLViTProcessor) -> None:
    photo = Image.new("RGB", (300, 200), (0, 0, 255))
    photo.paste((255, 0, 0), (0, 0, 150, 200))
    pixels = processor(images=photo)["pixel_values"]
    assert pixels.dtype == torch.float32 and pixels.shape == (1, 3, *input_size(200, 300, 128))
    assert pixels[0, :, 50, 10].tolist() == [1, 0, 0] and pixels[0, :, 50, -10].tolist() == [0, 0, 1]


def test_resizing_averages_what_it_cannot_show(processor: SLViTProcessor) -> None:
    checks = (np.indices((1500, 1500)).sum(axis=0) % 2 * 255).astype(np.uint8)
    pixels = processor(images=Image.fromarray(checks).convert("RGB"))["pixel_values"]
    assert abs(float(pixels.mean()) - 0.5) < 0.01 and float(pixels.std()) < 0.02  # no moiré


def test_photos_of_one_shape_make_a_batch_others_do_not(processor: SLViTProcessor) -> None:
    wide, tall = Image.new("RGB", (200, 100)), Image.new("RGB", (100, 200))
    assert processor(images=[wide, wide], text=["the dog", "cat"])["pixel_values"].shape[0] == 2
    with pytest.raises(ValueError, match="one at a time"):
        processor(images=[wide, tall])


def logits_of(difference: np.ndarray) -> torch.Tensor:
    """2×H×W whose second channel exceeds the first by `difference`; the first is not zero."""
    first = torch.full(difference.shape, 3.0)
    return torch.stack([first, first + torch.from_numpy(difference).float()])


def test_probability_is_the_softmax_at_the_photos_own_size(processor: SLViTProcessor) -> None:
    logits = logits_of(np.random.default_rng(0).normal(size=(64, 96)))
    probability = processor.probability(logits, (64, 96))
    assert probability.dtype == np.float32 and probability.shape == (64, 96)
    assert np.allclose(probability, logits.softmax(dim=0)[1].numpy(), atol=1e-6)


@pytest.mark.parametrize("size", [(37, 41), (64, 64), (1000, 700), (640, 1280)])
def test_an_edge_stays_where_it_is(processor: SLViTProcessor, size: tuple[int, int]) -> None:
    difference = np.full((64, 64), -8.0)
    difference[:, 48:] = 8  # the right quarter
    mask = processor.probability(logits_of(difference), size) >= 0.5
    assert mask.shape == size
    assert np.abs((~mask).sum(axis=1) - 0.75 * size[1]).max() <= 1


def test_a_slope_has_no_stairs(processor: SLViTProcessor) -> None:
    slope = np.tile(np.linspace(-3, 3, 32), (32, 1))
    row = processor.probability(logits_of(slope), (256, 256))[128]
    assert np.all(np.diff(row)[4:-4] > 0)  # each of 8 pixels in a cell has a value of its own


@pytest.mark.parametrize("side", [256, 1800])
def test_edges_follow_the_photo_where_the_checkpoint_says_so(processor: SLViTProcessor, side: int) -> None:
    """The network's step lies two of its 128 pixels beside the photo's; a photo of any size has its own edge back."""
    photo = Image.new("RGB", (side, side), "black")
    photo.paste((255, 255, 255), (side // 2, 0, side, side))
    logits = logits_of(np.tile((np.arange(128.0) - 66) * 0.3, (128, 1)))
    wrong = []
    for follow in (False, True):
        image_processor = SLViTImageProcessor(size=128, follow_edges=follow)
        guide = image_processor.guide(photo)
        probability = processor.probability(logits, (side, side), guide)
        assert probability.shape == (side, side) and (guide is not None) == follow
        wrong.append(((probability >= 0.5) != (np.arange(side) >= side // 2)).mean())
    assert wrong[1] < 0.3 * wrong[0]


def same_ids(processor: SLViTProcessor, one: str, other: str) -> bool:
    return torch.equal(*(processor.read([text])[0]["input_ids"] for text in (one, other)))


@pytest.mark.parametrize(
    "typed",
    [
        "The DOG on  the left",
        "\tthe dog\non the\u00a0left ",
        "the do\x00g on\x07 the left",
        "the dog\u200b on \u202ethe left",
        "\ufeffthe dog on the le\u00adft",
        "the dog on the left\ud800",
        "ｔｈｅ ｄｏｇ on the left",
    ],
)
def test_how_it_is_typed_does_not_matter(processor: SLViTProcessor, typed: str) -> None:
    assert same_ids(processor, typed, "the dog on the left")
    assert not same_ids(processor, typed, "the dog on the right")


def test_tokens_begin_and_end_as_bert_knows_them(processor: SLViTProcessor) -> None:
    tokens, _ = processor.read(["the dots"])
    assert processor.tokens(tokens["input_ids"][0]) == ["[CLS]", "the", "d", "##o", "##t", "##s", "[SEP]"]


def test_padding_is_masked(processor: SLViTProcessor) -> None:
    together, _ = processor.read(["the dog", "the cat on the left"])
    alone, _ = processor.read(["the dog"])
    assert together["attention_mask"].sum(dim=1).tolist() == [4, 7]
    assert together["input_ids"][0, :4].tolist() == alone["input_ids"][0].tolist()


def test_words_beyond_510_pieces_are_named_as_unread(processor: SLViTProcessor) -> None:
    tokens, (words,) = processor.read(["word " * 510 + "left cat"])
    assert tokens["input_ids"].shape == (1, 512)
    assert words.read == ["word"] * 510 and words.unread == ["left", "cat"]
    _, (words,) = processor.read(["word " * 510])
    assert words.unread == []


def test_a_word_cut_in_two_stands_on_both_sides(processor: SLViTProcessor) -> None:
    _, (words,) = processor.read(["word " * 508 + "blue"])  # spelled: b l u e
    assert words.read[-1] == "bl" and words.unread == ["ue"]


def test_a_pasted_book_is_not_read_to_its_end(processor: SLViTProcessor) -> None:
    book = "word," * MAX_CHARACTERS
    _, (words,) = processor.read([book])
    assert "".join(words.read + words.unread) == book


@pytest.mark.parametrize("typed", ["the dog ❤\ufe0f", "the dog\u0301\u0302", "the left \u0301", "the dog \u20dd"])
def test_what_no_token_stands_for_is_not_called_unread(processor: SLViTProcessor, typed: str) -> None:
    _, found = processor.read([typed, "a longer expression, so that the first one is padded", typed + " word" * 512])
    assert found[0].unread == [] and found[0].read == clean_expression(typed).split()
    assert found[2].unread and set(found[2].unread) == {"word"}


def test_longer_than_any_description_is_refused_before_it_is_cleaned(
    processor: SLViTProcessor, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor.read(["dog " + "\ufdfa" * (LONGEST - 4)])  # each becomes 18 characters
    monkeypatch.setattr("slvit.processor.clean_expression", lambda _: pytest.fail("cleaned"))
    with pytest.raises(ExpressionError, match=f"has {LONGEST + 1} characters: write at most {LONGEST}"):
        processor.read([" " * LONGEST + "a"])


def test_unknown_words_are_named(processor: SLViTProcessor) -> None:
    _, (words,) = processor.read(["The dog 🐕 на left, 犬?"])
    assert words.read == ["The", "dog", "🐕", "на", "left,", "犬?"]
    assert words.unknown == ["🐕", "на", "犬?"]


def test_words_in_a_script_of_which_only_letters_are_known_are_named() -> None:
    english = SLViTProcessor.from_pretrained(BUNDLED)
    _, (words,) = english.read(["the собака with πλ, café dog 2"])
    assert words.unknown == ["собака", "πλ,"]
    for expression in ("собака слева", "左边的狗", "الكلب", "कुत्ता", "개"):
        with pytest.raises(ExpressionError, match="describe the object in English"):
            english.read([expression])


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("", "no expression: type what"),
        (" \n\t ", "no expression"),
        ("\u200b\x00", "no expression"),
        ("?!", '"\\?!" has no word in it'),
        ("—…«»", "no word in it"),
        ("🐕", '"🐕" has no word in it'),
        ("собака слева", "No word of .собака слева. is known"),
        ("." * 900, "no word in it"),
    ],
)
def test_nothing_to_look_for(processor: SLViTProcessor, expression: str, sentence: str) -> None:
    with pytest.raises(ExpressionError, match=sentence) as caught:
        processor.read(["the dog", expression])
    assert len(str(caught.value)) < 160  # the visitor's own text is quoted in short


@given(st.text())
def test_cleaning_is_done_once_and_leaves_nothing_invisible(text: str) -> None:
    cleaned = clean_expression(text)
    assert clean_expression(cleaned) == cleaned
    assert cleaned == " ".join(cleaned.split()) and all(character.isprintable() for character in cleaned)


def test_save_and_load(processor: SLViTProcessor, tmp_path: Path) -> None:
    changed = SLViTProcessor(SLViTImageProcessor(size=320, found_threshold=0.4).at((320, 448)), processor.tokenizer)
    changed.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "preprocessor_config.json").read_text())["size"] == 320
    loaded = SLViTProcessor.from_pretrained(tmp_path)
    assert (loaded.image_processor.sizes, loaded.image_processor.found_threshold) == ((320, 448), 0.4)
    text = "The DOG, bluer than 🐕"
    assert torch.equal(loaded.read([text])[0]["input_ids"], processor.read([text])[0]["input_ids"])


def test_auto_classes_find_it(checkpoint: Path) -> None:
    assert isinstance(AutoProcessor.from_pretrained(checkpoint), SLViTProcessor)
    assert isinstance(AutoImageProcessor.from_pretrained(checkpoint), SLViTImageProcessor)


def test_its_result_is_what_the_model_takes(processor: SLViTProcessor, model: SLViTModel, photo: Image.Image) -> None:
    inputs = processor(photo, "the dog")
    with torch.inference_mode():
        assert model(**inputs).logits.shape == (1, 2, *input_size(150, 200, 128))


@pytest.mark.parametrize("fields", [{"size": 31}, {"size": 2.5}, {"found_threshold": 1.1}])
def test_impossible_settings(fields: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        SLViTImageProcessor(**fields)
