"""What TensorBoard shows of a run: curves, and the same few validation examples again and again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from slvit import ReferringSegmenter
from slvit.model import SLViTModel
from slvit.photo import open_photo
from slvit.pictures import contact_sheet, uncertainty_picture
from slvit.processor import SLViTProcessor
from train.data.example import Example
from train.metrics import Scores


class Board:
    """Writes events under `folder`/tensorboard, from one process of a run."""

    def __init__(self, folder: Path) -> None:
        self.writer = SummaryWriter(str(folder / "tensorboard"))

    def curves(self, step: int, values: dict[str, float]) -> None:
        """One point of each curve."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def validation(self, step: int, scores: Scores) -> None:
        """Every score over all validation examples."""
        summary = scores.overall
        values = {"mIoU": summary.miou, "oIoU": summary.oiou, "point": summary.point, "boundary_F": summary.boundary_f}
        values |= {f"P@{at}": share for at, share in summary.precision.items()}
        if summary.n_acc is not None:
            values |= {"gIoU": summary.giou, "cIoU": summary.ciou, "N-acc": summary.n_acc}
        self.curves(step, {f"validation/{name}": value for name, value in values.items() if value is not None})

    def pictures(self, step: int, model: SLViTModel, processor: SLViTProcessor, examples: list[Example]) -> None:
        """Masks beside the truth on one sheet, and for each example map_U with its patches."""
        segmenter = ReferringSegmenter(model, processor)
        rows = []
        for number, example in enumerate(examples):
            photo = open_photo(example.photo)
            answer = segmenter.segment(photo, example.expression, inspect=True)
            rows.append((photo, answer.mask, example.mask(), example.expression))
            if model.urce is not None:
                picture = uncertainty_picture(photo, answer.inspection, side=480)
                self._add(f"map_U/{number} {example.expression}", np.asarray(picture), step)
        self._add("masks", np.asarray(contact_sheet(rows)), step)

    def _add(self, name: str, picture: np.ndarray, step: int) -> None:
        self.writer.add_image(name, picture, step, dataformats="HWC")
        self.writer.flush()
