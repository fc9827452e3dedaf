"""Damaged photos and bombs give a photo or a sentence, in bounded memory, and nothing stays behind.

The figures of README.md: python -m pytest tests/test_fuzz.py --long -s
"""

from __future__ import annotations

import time
import warnings
from collections import Counter
from pathlib import Path

import pytest
from fuzzing import bombs, files
from serving import App, Refused, ask, memory, png, reset_peak, upload

from slvit.errors import PhotoError
from slvit.photo import MAX_PIXELS, MAX_SCANS, open_photo

OPENER_MB, APP_MB = 1000, 1800  # that one photo may take on top of what was there before


@pytest.mark.timeout(3600)
def test_the_opener_gives_a_photo_or_a_sentence(long: bool) -> None:
    warnings.simplefilter("ignore")  # Pillow's own, of damaged metadata
    hostile = list(files(2000 if long else 150, largest=long))
    before = memory("self")
    reset_peak("self")
    outcomes, slowest = Counter(), 0.0
    for name, content in hostile:
        started = time.perf_counter()
        try:
            photo = open_photo(content)
        except PhotoError as error:
            assert str(error).endswith(".") and str(error).count(". ") == 0, name
            outcomes["a sentence"] += 1
        else:
            assert photo.mode == "RGB" and photo.width * photo.height <= MAX_PIXELS
            outcomes["a photo"] += 1
        slowest = max(slowest, time.perf_counter() - started)
    peak = memory("self", "VmHWM") - before
    print(f"\nopener: {dict(outcomes)}, peak {peak:.0f} MB above the start, slowest {slowest:.1f} s")
    assert peak < OPENER_MB and min(outcomes.values()) > 10


@pytest.mark.timeout(7200)
def test_the_app_gives_an_answer_or_a_sentence(app: App, long: bool) -> None:
    with app.client() as client:
        ask(client, upload(client, png(640, 480)), "the dog")  # so that all is loaded
        before, kept = app.memory(), set(app.files())
        reset_peak(app.process.pid)
        outcomes = Counter()
        for number, (name, content) in enumerate(files(2000 if long else 48, seed=1, largest=long)):
            path = upload(client, content, name)
            try:
                *_, facts = ask(client, path, "the dog", ("segment", "compare", "inspect")[number % 37 % 3])
            except Refused as refusal:
                assert str(refusal).endswith(".") and "Traceback" not in str(refusal), refusal
                outcomes["a sentence"] += 1
            else:
                facts = facts[0] if isinstance(facts, list) else facts
                assert 0 < facts["width"] * facts["height"] <= MAX_PIXELS
                outcomes["an answer"] += 1
            # What was uploaded and the pictures of answers, which go in time: nothing of a refusal.
            Path(path).unlink(missing_ok=True)
            for file in set(app.files()) - kept:
                assert file.name in ("image.png", "image.jpeg"), file
                file.unlink()
        peak, after = app.memory("VmHWM") - before, app.memory() - before
        print(f"\napp: {dict(outcomes)}, peak {peak:.0f} MB above the start, {after:.0f} MB in the end")
        assert peak < APP_MB and min(outcomes.values()) > 4 and kept
        *_, facts = ask(client, upload(client, png(120, 90)), "the dog")
        assert facts["width"] == 120


def test_a_jpeg_that_would_be_decoded_for_hours_is_refused() -> None:
    with pytest.raises(PhotoError, match="takes very long"):
        open_photo(bombs()["jpeg-scans"])


def test_what_follows_a_jpeg_is_not_counted_as_its_scans(photo) -> None:
    from fuzzing import saved

    film = b"\xff\xda\0\x02" * (MAX_SCANS + 1)
    assert open_photo(saved(photo, "JPEG", progressive=True) + film).size == photo.size
