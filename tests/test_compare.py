"""Two results stand side by side only where they can be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from train.compare import gain, main
from train.metrics import Scores, measure


def result(
    path: Path,
    cover: int,
    *,
    count: int = 2,
    split: str = "coco val",
    photo: str = "photo-{}.png",
    absent: bool = False,
) -> Path:
    """A file of `train.evaluate --json` for squares of 10×10 of which each answer covers `cover` columns."""
    truth = np.zeros((20, 20), dtype=bool)
    truth[5:15, 5:15] = True
    answer = np.zeros((20, 20), np.float32)
    answer[5:15, 5 : 5 + cover] = 0.9
    records = [
        measure(answer, truth, number=number, photo=photo.format(number), kind="only", source="drawn", absent=False)
        for number in range(count)
    ]
    if absent:
        nothing = {"number": count, "photo": photo.format(count), "kind": "absent", "source": "never", "absent": True}
        records.append(measure(answer, np.zeros_like(truth), **nothing))
        count += 1
    scores = Scores.gathered(records, count=count, found_threshold=0.5, protocol="own size")
    content: dict[str, Any] = {
        "checkpoint": "one",
        "data": "data",
        "results": {split: scores.to_dict(with_records=True)},
    }
    path.write_text(json.dumps(content))
    return path


def test_before_stands_left_of_after(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = result(tmp_path / "a.json", 5), result(tmp_path / "b.json", 10)
    assert main([str(before), str(after)]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert any(row.startswith("| all | 2 | 50.0 → **100.0** | 50.0 → **100.0** |") for row in rows)
    assert any(row.startswith("| only | 2 |") for row in rows) and any(row.startswith("| drawn | 2 |") for row in rows)
    assert any(row.startswith("| above 16 % | 2 | 50.0 → **100.0** |") for row in rows)
    assert "| all | 2 | 2 | +50.00 ± 0.00 | +0.00 ± 0.00 |" in rows


def test_a_source_in_which_nothing_is_meant_has_dashes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = (result(tmp_path / f"{cover}.json", cover, absent=True) for cover in (5, 10))
    assert main([str(before), str(after)]) == 0
    assert "| never | 1 |" + " - → **-** |" * 7 in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("content", ["{}", "[]", '{"results": 1}'])
def test_a_file_without_results_is_refused(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.json").write_text(content)
    assert main([str(tmp_path / "a.json"), str(result(tmp_path / "b.json", 5))]) == 2
    assert "a.json holds no results: write it with train.evaluate --json." in capsys.readouterr().err


def test_what_one_photo_gains_twice_is_less_sure() -> None:
    gained = [1.0, 1.0, 3.0, 3.0]
    mean, alone = gain(gained, ["a", "b", "c", "d"])
    assert (mean, alone) == (2.0, pytest.approx(np.std(gained, ddof=1) / 4**0.5))
    assert gain(gained, ["a", "a", "b", "b"]) == (2.0, pytest.approx(1.0))  # as of two photos: 1.0 and 3.0
    assert gain([1.0, 3.0, 3.0, 1.0], ["a", "a", "b", "b"]) == (2.0, 0.0)
    assert np.isnan(gain(gained, ["a"] * 4)[1])


def test_chance_is_as_large_as_another_draw_of_photos_makes_it() -> None:
    generator = np.random.default_rng(0)
    sizes = generator.integers(1, 6, 300)
    photos = np.repeat(np.arange(300), sizes)
    gained = np.repeat(generator.normal(0.5, 2.0, 300), sizes) + generator.normal(0.0, 1.0, len(photos))
    of_photo = [gained[photos == photo] for photo in range(300)]
    draws = [np.concatenate([of_photo[at] for at in generator.integers(0, 300, 300)]).mean() for _ in range(800)]
    assert gain(list(gained), [str(photo) for photo in photos])[1] == pytest.approx(np.std(draws), rel=0.1)


def test_other_examples_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two, three = result(tmp_path / "a.json", 5), result(tmp_path / "b.json", 5, count=3)
    assert main([str(two), str(three)]) == 2
    assert "different examples: 2 and 3" in capsys.readouterr().err
    assert main([str(two), str(result(tmp_path / "c.json", 5, split="coco test"))]) == 2
    assert "different splits" in capsys.readouterr().err
    other = result(tmp_path / "d.json", 5, photo="other-{}.png")
    assert main([str(two), str(other)]) == 2
    assert "records differ" in capsys.readouterr().err


@pytest.mark.parametrize("older", [0, 1])
def test_a_result_of_before_sizes_were_told_apart_is_refused(older: int, tmp_path: Path, capsys) -> None:
    files = [result(tmp_path / "a.json", 5), result(tmp_path / "b.json", 10)]
    content = json.loads(files[older].read_text())
    del content["results"]["coco val"]["by_size"]
    files[older].write_text(json.dumps(content))
    assert main([*map(str, files)]) == 2
    assert "There is no by_size: write both results with this version's train.evaluate." in capsys.readouterr().err
