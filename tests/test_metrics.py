"""Scores against cases computed by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from slvit.segmenter import confidence_of
from train.metrics import (
    Record,
    Scores,
    absence_at,
    auroc,
    best_threshold,
    boundary_f,
    measure,
    summarize,
)


def box(shape: tuple[int, int], top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[top:bottom, left:right] = True
    return mask


def record(number: int = 0, **changes: object) -> Record:
    fields = {
        "number": number,
        "photo": f"{number}.webp",
        "kind": "only",
        "source": "a",
        "absent": False,
        "intersection": 50,
        "union": 100,
        "predicted": 75,
        "pixels": 1000,
        "confidence": 0.9,
        "point": True,
        "boundary": 0.5,
    }
    return Record(**(fields | changes))


def absent(number: int, confidence: float, predicted: int = 40) -> Record:
    fields = {"union": predicted, "predicted": predicted, "point": None, "boundary": None, "kind": "absent"}
    return record(number, absent=True, intersection=0, confidence=confidence, **fields)


def test_a_record_counts_pixels_at_one_half() -> None:
    truth = box((4, 6), 0, 0, 4, 3)  # 12 pixels
    probability = np.full((4, 6), 0.49)
    probability[:, 2:4] = 0.5  # 8 pixels, 4 of them true
    probability[1, 2] = 0.9
    result = measure(probability, truth, number=7, photo="a.webp", kind="several", source="b")
    assert (result.intersection, result.union, result.predicted, result.target) == (4, 16, 8, 12)
    assert (result.pixels, result.size) == (24, "above 16 %")
    assert result.iou == 0.25
    assert result.point is True
    assert result.confidence == pytest.approx((7 * 0.5 + 0.9) / 8)
    assert (result.number, result.photo, result.kind, result.source, result.absent) == (
        7,
        "a.webp",
        "several",
        "b",
        False,
    )


def test_the_point_is_the_most_probable_pixel_not_the_mask() -> None:
    truth = box((4, 4), 0, 0, 2, 2)
    probability = np.where(truth, 0.8, 0.1)
    probability[3, 3] = 0.81
    assert measure(probability, truth, number=0, photo="a.webp", kind="only", source="a").point is False


def test_an_empty_answer_has_the_largest_probability_as_confidence() -> None:
    probability = np.array([[0.1, 0.4]])
    assert confidence_of(probability, probability >= 0.5) == 0.4


def test_answer_and_truth_of_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="Example 3"):
        measure(np.zeros((2, 3)), np.zeros((3, 2), bool), number=3, photo="a.webp", kind="only", source="a")


def test_overall_iou_sums_pixels_and_mean_iou_sums_examples() -> None:
    small = record(0, intersection=9, union=10, predicted=10)  # IoU 0.9
    large = record(1, intersection=100, union=1000, predicted=900, point=False, boundary=0.1)  # IoU 0.1
    summary = summarize([small, large], found_threshold=0.5)
    assert summary.oiou == pytest.approx(100 * 109 / 1010)
    assert summary.miou == pytest.approx(50)
    assert summary.precision == {0.5: 50, 0.6: 50, 0.7: 50, 0.8: 50, 0.9: 50}  # 0.9 reaches 0.9
    assert summary.point == 50
    assert summary.boundary_f == pytest.approx(30)
    assert summary.n_acc is None and summary.t_acc == 100


def test_absent_things_enter_only_the_generalised_scores() -> None:
    records = [
        record(0, intersection=60, union=100, predicted=80, confidence=0.9),  # IoU 0.6
        record(1, intersection=60, union=100, predicted=80, confidence=0.55),  # called absent: its target is 80 pixels
        absent(2, 0.3, predicted=0),  # rightly nothing
        absent(3, 0.55),  # rightly nothing, by its confidence
        absent(4, 0.9, predicted=40),  # wrongly something
    ]
    summary = summarize(records, found_threshold=0.6)
    assert (summary.count, summary.present) == (5, 2)
    assert summary.oiou == summary.miou == 60
    assert summary.giou == pytest.approx(100 * (0.6 + 0 + 1 + 1 + 0) / 5)
    assert summary.ciou == pytest.approx(100 * 60 / (100 + 80 + 0 + 0 + 40))
    assert summary.n_acc == pytest.approx(200 / 3)
    assert summary.t_acc == 50


def test_a_target_without_pixels_is_never_right() -> None:
    lost = record(0, intersection=0, union=0, predicted=0, confidence=0.2, point=False, boundary=1.0)
    summary = summarize([lost], found_threshold=0.5)
    assert summary.miou == summary.giou == 0


@pytest.mark.parametrize("shift, expected", [(0, 1.0), (1, 1.0), (4, 40 / 76)])
def test_boundary_f_forgives_what_lies_within_its_tolerance(shift: int, expected: float) -> None:
    # 96×128: diagonal 160, tolerance 0.008 × 160 = 1.28, rounded up 2 pixels. Squares of 20: a contour has 76 pixels.
    truth = box((96, 128), 30, 30, 50, 50)
    moved = box((96, 128), 30, 30 + shift, 50, 50 + shift)
    # Shifted by 4: 18 pixels of each row are near; of the nearer column 2 below one row and 2 above the other.
    assert boundary_f(moved, truth) == pytest.approx(expected)
    assert boundary_f(moved, truth) == boundary_f(truth, moved)


def test_boundary_f_by_hand() -> None:
    # 30×40: diagonal 50, tolerance 0.4, rounded up 1 pixel. A column of 10 pixels against one of 20 that goes on below.
    truth, predicted = box((30, 40), 5, 10, 25, 11), box((30, 40), 5, 10, 15, 11)
    precision, recall = 1.0, 11 / 20  # the pixel just below the shorter one's end is near
    assert boundary_f(predicted, truth) == pytest.approx(2 * precision * recall / (precision + recall))


def test_the_photos_edge_ends_no_mask() -> None:
    whole, left = np.ones((30, 40), bool), box((30, 40), 0, 0, 30, 20)
    assert boundary_f(whole, whole) == 1.0
    assert boundary_f(whole, left) == 0.0
    # Of the left half only column 19 is contour: a band beside it shares that and has one more of the same length.
    band = box((30, 40), 0, 10, 30, 20)
    assert boundary_f(band, left) == pytest.approx(2 * 0.5 * 1 / 1.5)


def test_boundary_f_of_nothing() -> None:
    nothing, thing = np.zeros((9, 9), bool), box((9, 9), 2, 2, 5, 5)
    assert boundary_f(nothing, nothing) == 1.0
    assert boundary_f(nothing, thing) == boundary_f(thing, nothing) == 0.0


def test_auroc_counts_pairs_and_halves_ties() -> None:
    records = [record(0, confidence=0.9), record(1, confidence=0.6), absent(2, 0.6), absent(3, 0.7)]
    assert auroc(records) == pytest.approx(100 * (2 + 0.5) / 4)
    assert auroc(records[:2]) is None


def test_the_threshold_leaves_less_than_a_tenth_as_false_alarms() -> None:
    there = [record(n, confidence=0.5 + n / 100) for n in range(20)]  # 0.50 .. 0.69
    records = [*there, *(absent(20 + n, 0.505 + n / 100) for n in range(4))]  # 0.505 .. 0.535
    best = best_threshold(records)
    assert best == pytest.approx(0.51)  # one of 20 below it: 5 %; two would be 10 %, which is not less
    at = absence_at(records, best)
    assert at.false_alarms == pytest.approx(5) and at.told == 25


def test_the_threshold_counts_empty_masks_as_called_absent_however_sure() -> None:
    assert best_threshold([record(n, confidence=0.9, predicted=0) for n in range(10)]) == 0
    half = [record(n, confidence=0.9, predicted=n) for n in (0, *range(1, 15))]
    assert best_threshold([*half, *(record(n, confidence=0.3) for n in range(15, 20))]) == 0.3
    assert best_threshold([record(0, confidence=0.8)]) == 0.8
    assert best_threshold([]) is None


def test_each_example_counts_once_whatever_the_processes_sent() -> None:
    first, second = record(0, intersection=100), record(1, intersection=0)
    scores = Scores.gathered([second, first, second], count=2, found_threshold=0.6, protocol="own")
    assert scores.records == (first, second)
    assert scores.overall.miou == 50
    with pytest.raises(ValueError, match="1 of 3 examples .* number 2"):
        Scores.gathered([second, first], count=3, found_threshold=0.6, protocol="own")


def test_the_report_has_every_kind_and_source_and_plain_json() -> None:
    records = [record(0), record(1, kind="several", source="b", intersection=100), absent(2, 0.3, predicted=0)]
    scores = Scores.gathered(records, count=3, found_threshold=0.6, protocol="masks at their own size")
    lines = scores.table().splitlines()
    assert lines[0] == "masks at their own size"
    order = [line.split()[0] for line in lines if line and line[0] != " "]
    assert order.index("only") < order.index("several") < order.index("absent") < order.index("b")
    several = next(line for line in lines if line.startswith("several"))
    assert several.split()[1:4] == ["1", "100.0", "100.0"]
    assert "AUROC 100.0" in scores.table()

    plain = json.loads(json.dumps(scores.to_dict(with_records=True), allow_nan=False))
    assert plain["all"]["oiou"] == 75 and plain["by_kind"]["several"]["p@0.9"] == 100
    assert plain["by_kind"]["absent"]["miou"] is None
    assert plain["absence"]["in_use"] == {"threshold": 0.6, "told": 100, "false_alarms": 0}
    assert [row["iou"] for row in plain["records"]] == [0.5, 1.0, 1.0]


def test_targets_are_told_by_their_share_of_the_photo() -> None:
    exact = {"intersection": 0, "predicted": 0}  # the union is the target
    targets = {10: "below 1 %", 11: "1 to 4 %", 40: "1 to 4 %", 160: "4 to 16 %", 161: "above 16 %", 1000: "above 16 %"}
    records = [record(number, union=target, **exact) for number, target in enumerate(targets)]
    assert [one.size for one in records] == list(targets.values())

    hit = record(6, union=5, predicted=5, intersection=5)
    scores = Scores.gathered([*records[::-1], hit, absent(7, 0.3)], count=8, found_threshold=0.6, protocol="own")
    assert list(scores.by("size")) == ["below 1 %", "1 to 4 %", "4 to 16 %", "above 16 %", "absent"]
    assert scores.to_dict()["by_size"]["below 1 %"]["miou"] == 50
    lines = scores.table().splitlines()
    rows = lines[lines.index("by share of the photo") + 1 : lines.index("by source") - 1]
    assert [row.split("%")[1].split()[0] for row in rows] == ["2", "2", "1", "2"]


def test_nothing_to_score_is_a_report_too() -> None:
    scores = Scores.gathered([], count=0, found_threshold=0.6, protocol="own")
    assert scores.overall.miou is None
    assert "all" in scores.table()
    json.dumps(scores.to_dict())


def test_an_empty_mask_is_never_found_however_low_the_threshold() -> None:
    empty = absent(0, 0.4, predicted=0)
    assert summarize([empty], found_threshold=0.3).n_acc == 100
