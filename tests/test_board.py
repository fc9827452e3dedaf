"""What TensorBoard is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from train.board import Board
from train.metrics import Scores, measure


def test_where_no_absent_thing_is_told_its_scores_are_shown_as_well(tmp_path: Path) -> None:
    answer, nothing = np.full((8, 8), 0.9, np.float32), np.zeros((8, 8), bool)
    record = measure(answer, nothing, number=0, photo="a.png", kind="absent", source="drawn", absent=True)
    scores = Scores.gathered([record], count=1, found_threshold=0.5, protocol="own size")
    assert scores.overall.n_acc == 0
    board = Board(tmp_path)
    board.validation(1, scores)
    board.writer.close()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(events.Tags()["scalars"]) == {"validation/gIoU", "validation/cIoU", "validation/N-acc"}
