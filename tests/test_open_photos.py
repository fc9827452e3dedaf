"""A photo that is asked about again is neither opened nor prepared again, unless its file is another one by then."""

import os
from pathlib import Path

import pytest
from PIL import Image

from slvit import ReferringSegmenter
from slvit.errors import ExpressionError, PhotoError
from slvit.page import photos as module
from slvit.page.ask import ask_of
from slvit.page.photos import OpenPhotos

STEPS = ("open", "prepare", "prior", "text", "model", "resize")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the photos that were opened, in order."""
    names = []
    whole = module.open_photo
    monkeypatch.setattr(module, "open_photo", lambda path: (names.append(Path(path or "").name), whole(path))[1])
    return names


def saved(folder: Path, name: str, size: tuple[int, int] = (60, 40), colour: str = "red") -> str:
    Image.new("RGB", size, colour).save(folder / name)
    return str(folder / name)


def test_a_photo_stays_open_until_its_file_changes_or_goes(tmp_path: Path, opened: list[str]) -> None:
    photos = OpenPhotos()
    path = saved(tmp_path, "a.png")
    first = photos.open(path)
    assert photos.open(path) is first and opened == ["a.png"]
    saved(tmp_path, "a.png", colour="blue")
    os.utime(path, ns=(1, 1))
    assert photos.open(path).picture.getpixel((0, 0)) == (0, 0, 255) and opened == ["a.png"] * 2
    assert len(photos._photos) == 1
    saved(tmp_path, "b.png")
    Path(path).unlink()
    photos.open(str(tmp_path / "b.png"))
    assert [file.name for file in photos._photos] == ["b.png"]  # no picture outlives its file
    with pytest.raises(PhotoError, match="no file"):
        photos.open(path)
    with pytest.raises(PhotoError, match="no photo"):
        photos.open(None)


def test_as_many_photos_are_kept_as_fit(tmp_path: Path, opened: list[str]) -> None:
    photos = OpenPhotos(most=2 * 60 * 40)
    a, b, c = (saved(tmp_path, f"{name}.png") for name in "abc")
    for path in (a, b, a, c, a, b):  # c displaces b, which was looked at before a
        photos.open(path)
    assert opened == ["a.png", "b.png", "c.png", "b.png"]
    large = saved(tmp_path, "large.png", size=(100, 100))
    assert photos.open(large).picture.size == (100, 100)
    photos.open(large)
    photos.open(b)
    assert opened[4:] == ["large.png"] * 2  # too large to be kept, and nothing made room for it


def test_opening_and_preparing_count_to_the_answer_that_needed_them(
    segmenter: ReferringSegmenter, tmp_path: Path
) -> None:
    path, photos = saved(tmp_path, "a.png"), OpenPhotos()
    ask = ask_of({"small": segmenter}, gpu=lambda function: function)
    with pytest.raises(ExpressionError):
        ask(photos.open(path), "?")  # opened for nothing: the next answer is the first
    first, second = (ask(photos.open(path), "the dog") for _ in range(2))
    assert (first.probability == second.probability).all()
    assert (first.probability == segmenter.segment(path, "the dog").probability).all()
    assert first.timings["open"] > 0 and first.timings["prepare"] > 0
    assert second.timings["open"] == second.timings["prepare"] == 0
    for answer in (first, second):
        assert tuple(answer.timings) == (*STEPS, "total")
        assert answer.timings["total"] == pytest.approx(sum(answer.timings[step] for step in STEPS))
