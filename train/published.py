"""The paper's table 1 with its published rows, and a run's row beside them.

Figures are oIoU in percent at 480×480 as published: SLViT (IJCAI 2023), table 1; LAVT (CVPR 2022), table 1. The paper
lists CRIS (CVPR 2022) there too, whose figures are mIoU: it is left out, since the two cannot stand in one column.
"""

from __future__ import annotations

from collections.abc import Mapping

# Data set, split by, split: the columns.
COLUMNS = (
    *(("refcoco", "unc", split) for split in ("val", "testA", "testB")),
    *(("refcoco+", "unc", split) for split in ("val", "testA", "testB")),
    *(("refcocog", "umd", split) for split in ("val", "test")),
)
PUBLISHED = {
    "LAVT (published)": (72.73, 75.82, 68.79, 62.14, 68.38, 55.10, 61.24, 62.09),
    "SLViT (published)": (74.02, 76.91, 70.62, 64.07, 69.28, 56.14, 62.75, 63.57),
}


def table_1(oiou: Mapping[tuple[str, str, str], float | None], *, name: str) -> str:
    """The table as text. oiou: percent of a run by (data set, split by, split); columns it lacks show a dash."""
    width = max(len(row) for row in (*PUBLISHED, name)) + 2
    heads = {"refcoco": "RefCOCO", "refcoco+": "RefCOCO+", "refcocog": "G-Ref"}
    top, below = "oIoU".ljust(width), " " * width
    for number, (dataset, _, split) in enumerate(COLUMNS):
        new = number == 0 or COLUMNS[number - 1][0] != dataset
        top += (heads[dataset] if new else "").rjust(9)
        below += (f"{split}(U)" if dataset == "refcocog" else split).rjust(9)
    rows = {**PUBLISHED, name: tuple(oiou.get(column) for column in COLUMNS)}
    lines = [top, below]
    for row, figures in rows.items():
        lines.append(row.ljust(width) + "".join("-".rjust(9) if x is None else f"{x:9.2f}" for x in figures))
    return "\n".join(line.rstrip() for line in lines)
