"""Two results stand side by side only where they can be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from train.compare import main
from train.metrics import Scores, measure


def result(path: Path, cover: int, *, count: int = 2, split: str = "coco val") -> Path:
    """A file of `train.evaluate --json` for squares of 10×10 of which each answer covers `cover` columns."""
    truth = np.zeros((20, 20), dtype=bool)
    truth[5:15, 5:15] = True
    answer = np.zeros((20, 20), np.float32)
    answer[5:15, 5 : 5 + cover] = 0.9
    records = [
        measure(answer, truth, number=number, kind="only", source="drawn", absent=False) for number in range(count)
    ]
    scores = Scores.gathered(records, count=count, found_threshold=0.5, protocol="own size")
    content: dict[str, Any] = {"checkpoint": "one", "data": "data", "results": {split: scores.to_dict()}}
    path.write_text(json.dumps(content))
    return path


def test_before_stands_left_of_after(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = result(tmp_path / "a.json", 5), result(tmp_path / "b.json", 10)
    assert main([str(before), str(after)]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert any(row.startswith("| all | 2 | 50.0 → **100.0** | 50.0 → **100.0** |") for row in rows)
    assert any(row.startswith("| only | 2 |") for row in rows) and any(row.startswith("| drawn | 2 |") for row in rows)


def test_other_examples_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two, three = result(tmp_path / "a.json", 5), result(tmp_path / "b.json", 5, count=3)
    assert main([str(two), str(three)]) == 2
    assert "different examples: 2 and 3" in capsys.readouterr().err
    assert main([str(two), str(result(tmp_path / "c.json", 5, split="coco test"))]) == 2
    assert "different splits" in capsys.readouterr().err
