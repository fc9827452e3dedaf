"""Scores of masks: one record an example, sums and tables over records.

A record holds what every score needs of one example, so records of several processes can be put together, each example
counted once, and summed by kind, size and source afterwards. All shares are percent, as in the field's tables.

- oIoU: sum of intersections over sum of unions. mIoU: mean IoU. P@x: share with IoU >= x. Both IoUs always, by name:
  the field's tables mix them. Over the expressions that mean something.
- gIoU, cIoU, N-acc, T-acc: GRES: Generalized Referring Expression Segmentation, Liu, Ding and Jiang, CVPR 2023,
  section 5.1: for expressions that may mean nothing. An answer below the threshold of confidence counts as an empty
  mask; gIoU is the mean IoU, where nothing rightly answered has IoU 1 and anything else answered to nothing 0; cIoU is
  oIoU over all expressions; N-acc is the share of expressions without a target that are answered with nothing, T-acc
  the share of the others that are not.
- point: share in which the most probable pixel lies in the target: a fair score for small objects.
- boundary F: A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation, Perazzi et al., CVPR 2016
  (DAVIS), section 4; see `boundary_f`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

from slvit.segmenter import confidence_of

PRECISIONS = (0.5, 0.6, 0.7, 0.8, 0.9)
BOUNDARY_TOLERANCE = 0.008  # of the photo's diagonal, as in DAVIS's own code
FALSE_ALARM_LIMIT = 10.0  # percent of the things that are there, at most, may be called absent
SIZES = {"below 1 %": 0.01, "1 to 4 %": 0.04, "4 to 16 %": 0.16, "above 16 %": 1.0}  # of the photo, up to which share
KINDS = ("only", "several", "group", "region", "garment", "human", "absent")  # the order of tables


@dataclass(frozen=True)
class Record:
    """What one example gave.

    number: the example's place in its list, by which it is counted once. photo: its file's name. absent: the expression
    means nothing here.
    intersection, union, predicted: pixels of the predicted mask and the true one, at the resolution scored.
    pixels: of the whole photo, at that resolution.
    confidence: 0..1. point: whether the most probable pixel lies in the target. boundary: F, 0..1. Both None if absent.
    """

    number: int
    photo: str
    kind: str
    source: str
    absent: bool
    intersection: int
    union: int
    predicted: int
    pixels: int
    confidence: float
    point: bool | None
    boundary: float | None

    @property
    def iou(self) -> float:
        """0..1; where nothing is meant, 1 for an empty mask and 0 for any other."""
        return self.intersection / self.union if self.union else float(self.absent)

    @property
    def target(self) -> int:
        """Pixels of the true mask."""
        return self.union - self.predicted + self.intersection

    @property
    def size(self) -> str:
        """The key of SIZES that the target's share of the photo falls under, "absent" where nothing is meant."""
        if self.absent:
            return "absent"
        return next(name for name, share in SIZES.items() if self.target <= share * self.pixels)


def measure(
    probability: np.ndarray,
    truth: np.ndarray,
    presence: float | None = None,
    *,
    number: int,
    photo: str,
    kind: str,
    source: str,
    absent: bool = False,
) -> Record:
    """The record of one answer.

    probability: float H×W in 0..1; the mask is where it reaches 0.5. truth: bool H×W, all False if `absent`.
    presence: see `SLViTProcessor.presence`.
    Raises ValueError when their sizes differ.
    """
    if probability.shape != truth.shape:
        raise ValueError(f"Example {number}: the answer is {probability.shape}, the truth {truth.shape} pixels.")
    mask = probability >= 0.5  # H×W
    intersection = int(np.count_nonzero(mask & truth))
    predicted = int(np.count_nonzero(mask))
    return Record(
        number=number,
        photo=photo,
        kind=kind,
        source=source,
        absent=absent,
        intersection=intersection,
        union=predicted + int(np.count_nonzero(truth)) - intersection,
        predicted=predicted,
        pixels=truth.size,
        confidence=confidence_of(probability, mask, presence),
        point=None if absent else bool(truth.flat[int(probability.argmax())]),
        boundary=None if absent else boundary_f(mask, truth),
    )


def boundary_f(predicted: np.ndarray, truth: np.ndarray, *, tolerance: float = BOUNDARY_TOLERANCE) -> float:
    """F = 2PR/(P+R) of two masks' contours, 0..1 (DAVIS, section 4).

    predicted, truth: bool H×W. P is the share of the predicted contour's pixels within `tolerance` times the diagonal
    (in pixels, rounded up) of a pixel of the true contour, R the share of the true within that of the predicted.
    The contour of a mask is its pixels with one of 4 neighbours outside; the photo's edge ends no mask.
    Two masks without contour (empty, or the whole photo) agree: 1; one with and one without: 0.
    """
    contours = [_contour(predicted), _contour(truth)]
    either = contours[0] | contours[1]  # H×W
    if not either.any():
        return 1.0
    if not (contours[0].any() and contours[1].any()):
        return 0.0
    rows, columns = (np.flatnonzero(either.any(axis=axis)) for axis in (1, 0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]  # nothing outside is nearest to anything
    reach = math.ceil(tolerance * math.hypot(*truth.shape))
    precision = _share_near(contours[0][box], contours[1][box], reach)
    recall = _share_near(contours[1][box], contours[0][box], reach)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _contour(mask: np.ndarray) -> np.ndarray:
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    inner = cv2.erode(mask.astype(np.uint8), cross, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    return mask & (inner == 0)


def _share_near(contour: np.ndarray, other: np.ndarray, reach: int) -> float:
    distance = cv2.distanceTransform((~other).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)  # H×W, pixels
    return float(np.mean(distance[contour] <= reach))


@dataclass(frozen=True)
class Summary:
    """Scores over some records, in percent; None where there is nothing to score.

    count: records. present: those whose expression means something: oiou, miou, precision (by threshold), point and
    boundary_f are over them; giou and ciou over all, n_acc over those that mean nothing, t_acc over the others.
    """

    count: int
    present: int
    oiou: float | None
    miou: float | None
    precision: dict[float, float | None]
    point: float | None
    boundary_f: float | None
    giou: float | None
    ciou: float | None
    n_acc: float | None
    t_acc: float | None


def summarize(records: Sequence[Record], *, found_threshold: float) -> Summary:
    """Sums `records`. found_threshold: confidence (0..1) from which an answer counts as one."""
    present = [record for record in records if not record.absent]
    found = [is_found(record, found_threshold) for record in records]
    # An answer that is not found is an empty mask: nothing in common with the target, the union is the target alone.
    intersections = [record.intersection if ok else 0 for record, ok in zip(records, found, strict=True)]
    unions = [record.union if ok else record.target for record, ok in zip(records, found, strict=True)]
    generalized = [
        intersection / union if union else float(record.absent)
        for record, intersection, union in zip(records, intersections, unions, strict=True)
    ]
    return Summary(
        count=len(records),
        present=len(present),
        oiou=_ratio(sum(record.intersection for record in present), sum(record.union for record in present)),
        miou=_mean(record.iou for record in present),
        precision={at: _mean(record.iou >= at for record in present) for at in PRECISIONS},
        point=_mean(record.point for record in present),
        boundary_f=_mean(record.boundary for record in present),
        giou=_mean(generalized),
        ciou=_ratio(sum(intersections), sum(unions)),
        n_acc=_mean(not ok for record, ok in zip(records, found, strict=True) if record.absent),
        t_acc=_mean(ok for record, ok in zip(records, found, strict=True) if not record.absent),
    )


def is_found(record: Record, threshold: float) -> bool:
    """As `Segmentation.found`: there is a mask and its confidence reaches `threshold`."""
    return record.predicted > 0 and record.confidence >= threshold


@dataclass(frozen=True)
class Absence:
    """How well expressions that mean nothing are told from those that mean something.

    told: percent of the former called absent; false_alarms: percent of the latter called absent, at `threshold`.
    """

    threshold: float
    told: float
    false_alarms: float


def absence_at(records: Sequence[Record], threshold: float) -> Absence | None:
    """What confidence `threshold` (0..1) tells apart; None unless records of both sorts are there."""
    summary = summarize(records, found_threshold=threshold)
    if summary.n_acc is None or summary.t_acc is None:
        return None
    return Absence(threshold, summary.n_acc, 100 - summary.t_acc)


def auroc(records: Sequence[Record]) -> float | None:
    """Percent of pairs (something is meant, nothing is) in which the former has the higher confidence; a tie is half.

    None unless records of both sorts are there.
    """
    there = np.array([record.confidence for record in records if not record.absent])
    absent = np.array([record.confidence for record in records if record.absent])
    if not there.size or not absent.size:
        return None
    return area_under_curve(there, absent)


def area_under_curve(there: np.ndarray, absent: np.ndarray) -> float:
    """Percent of the pairs of one score (float N) of each, in which `there` has the higher one; a tie is half."""
    absent = np.sort(absent)
    below, not_above = (np.searchsorted(absent, there, side=side) for side in ("left", "right"))
    return float(100 * np.mean((below + not_above) / 2) / absent.size)


def best_threshold(records: Sequence[Record], *, limit: float = FALSE_ALARM_LIMIT) -> float | None:
    """The highest threshold of confidence (0..1) that calls less than `limit` percent of what is there absent.

    Answers with an empty mask count as called absent at any threshold. None where nothing is there.
    """
    there = sorted(record.confidence if record.predicted else 0.0 for record in records if not record.absent)
    if not there:
        return None
    allowed = max(0, math.ceil(limit / 100 * len(there)) - 1)
    return there[min(allowed, len(there) - 1)]


@dataclass(frozen=True)
class Scores:
    """All records of an evaluation, each example once, and what can be said of them.

    protocol: one sentence on how photos were shown and at which resolution masks were scored.
    """

    records: tuple[Record, ...]
    found_threshold: float
    protocol: str

    @classmethod
    def gathered(cls, records: Iterable[Record], *, count: int, found_threshold: float, protocol: str) -> Scores:
        """Of the records of all processes, in any order, with repetitions. count: how many examples there are.

        Raises ValueError when an example was not scored.
        """
        by_number = {record.number: record for record in records}
        missing = sorted(set(range(count)) - set(by_number))
        if missing:
            raise ValueError(f"{len(missing)} of {count} examples were not scored, the first is number {missing[0]}.")
        return cls(tuple(by_number[number] for number in range(count)), found_threshold, protocol)

    @property
    def overall(self) -> Summary:
        return summarize(self.records, found_threshold=self.found_threshold)

    def by(self, field: str) -> dict[str, Summary]:
        """Summaries by "kind" (in the order of KINDS), "size" (of SIZES) or "source" (by name)."""
        names = {getattr(record, field) for record in self.records}
        first = {"kind": KINDS, "size": tuple(SIZES)}.get(field, ())
        order = sorted(names, key=lambda name: (first.index(name) if name in first else len(first), name))
        return {
            name: summarize(
                [record for record in self.records if getattr(record, field) == name],
                found_threshold=self.found_threshold,
            )
            for name in order
        }

    def table(self) -> str:
        """A plain-text report: all, by kind, by the target's share of the photo, by source; then what is absent."""
        sizes = {name: row for name, row in self.by("size").items() if name != "absent"}  # the kinds have that row
        blocks = [("", {"all": self.overall}), ("by kind", self.by("kind")), ("by share of the photo", sizes)]
        blocks.append(("by source", self.by("source")))
        width = max(len(name) for _, rows in blocks for name in [*rows, "by source"]) + 1
        heads = ["n", "oIoU", "mIoU", *(f"P@{at}" for at in PRECISIONS), "point", "bound.F"]
        lines = [self.protocol, "", _row("", heads, width)]
        for title, rows in blocks:
            lines += ["", title] if title else []
            for name, row in rows.items():
                shares = [row.oiou, row.miou, *row.precision.values(), row.point, row.boundary_f]
                lines.append(_row(name, [str(row.count), *map(_percent, shares)], width))
        if any(record.absent for record in self.records):
            lines += ["", *self._absence_lines(width)]
        return "\n".join(line.rstrip() for line in lines)

    def _absence_lines(self, width: int) -> list[str]:
        lines = [_row("with absent things", ["n", "absent", "gIoU", "cIoU", "N-acc", "T-acc"], max(width, 19))]
        for name, row in {"all": self.overall, **self.by("source")}.items():
            if row.count > row.present:
                shares = map(_percent, (row.giou, row.ciou, row.n_acc, row.t_acc))
                lines.append(_row(name, [str(row.count), str(row.count - row.present), *shares], max(width, 19)))
        ranked = auroc(self.records)
        if ranked is None:
            return lines
        lines += ["", f"Absent or there, by confidence: AUROC {ranked:.1f}"]
        for at in dict.fromkeys((self.found_threshold, best_threshold(self.records))):
            told = absence_at(self.records, at)
            lines.append(
                f"  threshold {at:.3f}: {told.told:.1f} % of absent things told, "
                f"{told.false_alarms:.1f} % of those there called absent"
                + (" (the threshold in use)" if at == self.found_threshold else "")
            )
        return lines

    def to_dict(self, *, with_records: bool = False) -> dict[str, Any]:
        """Everything of the table as plain values for JSON, and on request every record."""
        best = best_threshold(self.records)
        result: dict[str, Any] = {
            "protocol": self.protocol,
            "all": _plain(self.overall),
            "by_kind": {name: _plain(summary) for name, summary in self.by("kind").items()},
            "by_size": {name: _plain(summary) for name, summary in self.by("size").items()},
            "by_source": {name: _plain(summary) for name, summary in self.by("source").items()},
        }
        in_use = absence_at(self.records, self.found_threshold)
        if in_use is not None:
            result["absence"] = {
                "auroc": auroc(self.records),
                "in_use": asdict(in_use),
                f"false_alarms_under_{FALSE_ALARM_LIMIT:g}": asdict(absence_at(self.records, best)),
            }
        if with_records:
            result["records"] = [asdict(record) | {"iou": record.iou} for record in self.records]
        return result


def _plain(summary: Summary) -> dict[str, Any]:
    values = asdict(summary)
    precision = values.pop("precision")
    return values | {f"p@{at}": share for at, share in precision.items()}


def _ratio(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None


def _mean(values: Iterable[float | bool]) -> float | None:
    listed = list(values)
    return 100 * math.fsum(listed) / len(listed) if listed else None


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1f}"


def _row(name: str, cells: Iterable[str], width: int) -> str:
    return name.ljust(width) + "".join(cell.rjust(8) for cell in cells)
