"""Scores of a model on a data set: python -m train.evaluate --checkpoint DIR --data ROOT [--dataset NAME] [--split val]

Photos are opened, resized and answered by the checkpoint's own processor and model, as in the app, and masks are scored
at the photo's own resolution. Started by torchrun or `accelerate launch` it shares the work among processes.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from slvit.arguments import SIZE, sizes
from slvit.checkpoint import load_checkpoint
from slvit.errors import ExpressionError
from slvit.model import SLViTModel, SLViTOutput
from slvit.photo import open_photo
from slvit.pictures import contact_sheet
from slvit.processor import SLViTProcessor, input_size
from slvit.segmenter import choose_device
from train.data import written
from train.data.example import Example
from train.data.layout import DATASETS, examples_of, partition_of, splits_of, the_dataset_in
from train.metrics import Scores, is_found, measure
from train.published import COLUMNS, table_1

PROTOCOLS = ("own", "lavt")
LAVT_SIDE = 480

log = logging.getLogger("train.evaluate")
Result = TypeVar("Result")
# Example's number, probability and truth as scored, both H×W, and its presence, see `SLViTProcessor.presence`.
Finish = Callable[[int, np.ndarray, np.ndarray, float | None], Result]


@dataclass(frozen=True)
class View:
    """How photos are shown to the model and at which resolution masks are scored.

    protocol: "own" keeps the photo's aspect and scores at its own resolution. "lavt", as LAVT (CVPR 2022) and those
    that follow its code score, squashes it to a square and scores at 480×480. sizes: the model looks at size² pixels of
    each, see `SLViTImageProcessor`.
    """

    protocol: str
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"There is no protocol {self.protocol!r}: choose one of {', '.join(PROTOCOLS)}.")

    @classmethod
    def of(cls, processor: SLViTProcessor, *, protocol: str, size: int | Sequence[int] | None) -> View:
        """`size` None is the processor's own, or 480 for "lavt"; several are as many looks."""
        if size is None and protocol == "lavt":
            size = LAVT_SIDE
        seeing = processor.image_processor if size is None else processor.image_processor.at(size)
        return cls(protocol, seeing.sizes)

    @property
    def squashes(self) -> bool:
        """Whether photos lose their aspect, and masks are scored at 480×480 as the network gives them."""
        return self.protocol == "lavt"

    def __str__(self) -> str:
        if self.protocol == "lavt":
            sides = (input_size(1, 1, size)[0] for size in self.sizes)
            squashed = " and ".join(f"{side}×{side}" for side in sides)
            return f"Protocol lavt: photos squashed to {squashed}, masks scored at {LAVT_SIDE}×{LAVT_SIDE}."
        pixels = " and ".join(f"{size}²" for size in self.sizes)
        return f"Photos at about {pixels} pixels, aspect kept; masks scored at the photo's own resolution."

    def input_sizes(self, example: Example) -> list[tuple[int, int]]:
        """(H, W) of what the model sees of the example's photo, at each look."""
        shape = (1, 1) if self.protocol == "lavt" else example.size
        return [input_size(*shape, size) for size in self.sizes]

    def photo(self, example: Example) -> Image.Image:
        """The photo as the processor gets it."""
        photo = open_annotated(example)
        if self.protocol == "lavt":
            return photo.resize((max(self.sizes), max(self.sizes)), Image.Resampling.BICUBIC, reducing_gap=2.0)
        return photo

    def truth(self, example: Example) -> np.ndarray:
        """The true mask at the resolution that is scored: bool H×W."""
        truth = example.mask()
        if self.protocol == "lavt":
            square = Image.fromarray(truth.astype(np.uint8)).resize((LAVT_SIDE, LAVT_SIDE), Image.Resampling.NEAREST)
            truth = np.asarray(square, dtype=bool)
        return truth


def open_annotated(example: Example) -> Image.Image:
    """The example's photo, RGB, turned as its annotation has it.

    A camera's note that a photo be turned counts for the annotation too unless only the unturned pixels have its size.
    Raises PhotoError for what cannot be opened, ValueError when the photo's size is not that of its annotation.
    """
    photo = open_photo(example.photo)
    if (photo.height, photo.width) == example.size:
        return photo
    if (photo.width, photo.height) == example.size:
        with Image.open(example.photo) as unturned:
            if (unturned.height, unturned.width) == example.size:
                return unturned.convert("RGB")
    raise ValueError(
        f"{example.photo} has {photo.width} × {photo.height} pixels, its annotation is for "
        f"{example.size[1]} × {example.size[0]}: one of the two is not the other's."
    )


def evaluate(
    model: SLViTModel,
    processor: SLViTProcessor,
    examples: Sequence[Example],
    *,
    size: int | Sequence[int] | None = None,
    protocol: str = "own",
    batch: int | None = None,
    bfloat16: bool = False,
    progress: bool = False,
) -> Scores:
    """Scores of `model` on `examples`, each counted once however many processes call this; all of them must.

    size, protocol: see `View.of`. batch: expressions a forward pass, None for `default_batch`. bfloat16: autocast. The
    model is left in the mode, training or not, that it came in. An expression in which the processor finds no word is
    logged and counts as answered with an empty mask, which is what the app would show.
    Raises PhotoError for a photo that cannot be opened, ValueError for one of another size than its annotation.
    """
    view = View.of(processor, protocol=protocol, size=size)
    batches = batches_of(examples, view, batch=batch or default_batch(model.device))
    state = PartialState()

    def finish(number: int, probability: np.ndarray, truth: np.ndarray, presence: float | None) -> Any:
        example = examples[number]
        return measure(
            probability,
            truth,
            presence,
            number=number,
            photo=example.photo.name,
            kind=example.kind,
            source=example.source,
            absent=not example.segmentation,
        )

    mine = batches[state.process_index :: state.num_processes]
    shown = tqdm(mine, "evaluate", unit="batch", disable=not (progress and state.is_main_process), leave=False)
    records = answer(model, processor, examples, shown, finish, view=view, bfloat16=bfloat16)
    if state.num_processes > 1:
        records = gather_object(records)
    threshold = processor.image_processor.found_threshold
    return Scores.gathered(records, count=len(examples), found_threshold=threshold, protocol=str(view))


def default_batch(device: torch.device) -> int:
    """Expressions a forward pass: larger ones keep a GPU busy and only cost a CPU memory."""
    return 4 if device.type == "cpu" else 16


def batches_of(examples: Sequence[Example], view: View, *, batch: int) -> list[list[int]]:
    """Numbers of examples, at most `batch` together: those of one batch seen at the same sizes, those of one photo side
    by side."""
    sizes = [view.input_sizes(example) for example in examples]
    order = sorted(range(len(examples)), key=lambda number: (sizes[number], str(examples[number].photo), number))
    batches: list[list[int]] = []
    for number in order:
        if not batches or len(batches[-1]) == batch or sizes[batches[-1][0]] != sizes[number]:
            batches.append([])
        batches[-1].append(number)
    return batches


def answer(
    model: SLViTModel,
    processor: SLViTProcessor,
    examples: Sequence[Example],
    batches: Iterable[list[int]],
    finish: Finish[Result],
    *,
    view: View,
    bfloat16: bool,
) -> list[Result]:
    """What `finish` makes of the answer to each example of `batches`, in their order.

    Several threads take a batch each, from its photos to its results. On a CPU each has one core: threads that share
    the work of one operation wait for each other at every one of a thousand, above all on a machine that others use.
    """
    image_processor = processor.image_processor.at(view.sizes)
    if view.squashes:
        image_processor.follow_edges = image_processor.drop_strays = False
    processor = SLViTProcessor(image_processor, processor.tokenizer)
    with suppress(ExpressionError):
        processor.read(["warm"])  # the tokenizer's settings are written once, before threads share it
    on_cpu = model.device.type == "cpu"

    def answer_batch(numbers: list[int]) -> list[Result]:
        first = {examples[number].photo: examples[number] for number in reversed(numbers)}
        photos = {photo: view.photo(example) for photo, example in first.items()}
        looks = zip(*(image_processor.looks(photo) for photo in photos.values()), strict=True)
        pixels = [image_processor.to_tensor(look) for look in looks]  # P×3×H×W each
        guides = {photo: image_processor.guide(shown) for photo, shown in photos.items()}
        places = {photo: place for place, photo in enumerate(first)}
        unreadable = _unreadable(processor, examples, numbers)
        read = [number for number in numbers if number not in unreadable]
        answers: dict[int, tuple[Tensor, float | None]] = {}
        if read:
            expressions = [examples[number].expression for number in read]
            index = torch.tensor([places[examples[number].photo] for number in read])  # B
            answers = dict(
                zip(read, _answers(model, processor, pixels, index, expressions, bfloat16=bfloat16), strict=True)
            )
        results = []
        for number in numbers:
            truth = view.truth(examples[number])  # H×W
            probability, presence = np.zeros(truth.shape, np.float32), None
            if number in answers:
                logits, presence = answers[number]
                probability = processor.probability(logits, truth.shape, guides[examples[number].photo])
            results.append(finish(number, probability, truth, presence))
        return results

    was_training, threads = model.training, torch.get_num_threads()
    model.eval()
    workers = threads if on_cpu else min(8, os.cpu_count() or 1)
    try:
        if on_cpu:
            torch.set_num_threads(1)
        with ThreadPoolExecutor(workers) as pool:
            return [result for results in _ahead(pool, answer_batch, batches, workers) for result in results]
    finally:
        torch.set_num_threads(threads)
        model.train(was_training)


def _answers(
    model: SLViTModel,
    processor: SLViTProcessor,
    pixels: list[Tensor],
    index: Tensor,
    expressions: list[str],
    *,
    bfloat16: bool,
) -> list[tuple[Tensor, float | None]]:
    """Logits (float32 2×H×W, on the CPU) and presence of B expressions.

    pixels: P×3×H×W of each look. index: B, each one's photo.
    """
    tokens, _ = processor.read(expressions)
    index = index.to(model.device)

    def output_of(look: Tensor) -> SLViTOutput:
        look = look.to(model.device, model.dtype).contiguous(memory_format=torch.channels_last)
        features = model.encode_photo(look)  # once a photo, not once an expression
        return model(
            look[index],  # B×3×H×W
            tokens["input_ids"].to(model.device),
            tokens["attention_mask"].to(model.device),
            prior_features=None if features is None else [feature[index] for feature in features],
        )

    with torch.inference_mode(), torch.autocast(model.device.type, torch.bfloat16, enabled=bfloat16):
        outputs = [output_of(look) for look in pixels]
    return list(zip(processor.logits(*outputs), processor.presence(*outputs), strict=True))


def _unreadable(processor: SLViTProcessor, examples: Sequence[Example], numbers: list[int]) -> list[int]:
    try:
        processor.read([examples[number].expression for number in numbers])
        return []
    except ExpressionError:
        found = []
        for number in numbers:
            try:
                processor.read([examples[number].expression])
            except ExpressionError as error:
                log.warning("%s Photo: %s. Counted as an empty answer.", error, examples[number].photo)
                found.append(number)
        return found


def _ahead(
    pool: ThreadPoolExecutor, function: Callable[[list[int]], Result], items: Iterable[list[int]], workers: int
) -> Iterator[Result]:
    """`function` of each item, in order, so many of them under way in `pool` that none of `workers` waits."""
    running: deque[Future[Result]] = deque()
    for item in items:
        running.append(pool.submit(function, item))
        if len(running) >= 2 * workers:
            yield running.popleft().result()
    while running:
        yield running.popleft().result()


# --- Contact sheets ---------------------------------------------------------------------------------------------------


def worst(scores: Scores, count: int) -> list[int]:
    """Numbers of the `count` examples with the lowest IoU; among equals the answers that were surest come first."""

    def key(number: int) -> tuple[float, float]:
        record = scores.records[number]
        if record.absent:
            return float(not is_found(record, scores.found_threshold)), -record.confidence
        return record.iou, -record.confidence

    return sorted(range(len(scores.records)), key=key)[:count]


def sheet(
    model: SLViTModel,
    processor: SLViTProcessor,
    examples: Sequence[Example],
    scores: Scores,
    numbers: Sequence[int],
    *,
    view: View,
    batch: int | None = None,
    bfloat16: bool = False,
) -> Image.Image:
    """A contact sheet of the examples `numbers`, in their order: photo, predicted mask, true contour, scores."""

    def finish(
        place: int, probability: np.ndarray, truth: np.ndarray, presence: float | None
    ) -> tuple[int, tuple[Any, ...]]:
        number = numbers[place]
        example, record = examples[number], scores.records[number]
        told = f"IoU {record.iou:.2f}" if not record.absent else "nothing is meant"
        caption = (
            f"{example.expression} · {told}, confidence {record.confidence:.2f} · {example.kind}, {example.source}"
        )
        photo = open_annotated(example)
        photo.thumbnail((640, 640))
        return place, (photo, *(_scaled(mask, photo.size) for mask in (probability >= 0.5, truth)), caption)

    chosen = [examples[number] for number in numbers]
    batches = batches_of(chosen, view, batch=batch or default_batch(model.device))
    rows = dict(answer(model, processor, chosen, batches, finish, view=view, bfloat16=bfloat16))
    return contact_sheet([rows[place] for place in range(len(chosen))])


def _scaled(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(mask.astype(np.uint8)).resize(size, Image.Resampling.NEAREST), dtype=bool)


# --- Command line -----------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; 0, or 2 with one sentence on stderr for what the caller can put right."""
    args = _parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s")
    try:
        return _run(args)
    except (ValueError, OSError) as error:
        print(f"train.evaluate: {error}", file=sys.stderr)
        return 2


def _run(args: argparse.Namespace) -> int:
    if (args.worst or args.random) and not args.sheet:
        raise ValueError("Where should the contact sheets go? Name a folder with --sheet.")
    device = choose_device(args.device)
    state = PartialState(cpu=device.type == "cpu")
    device = state.device if state.num_processes > 1 else device
    datasets = args.dataset or [the_dataset_in(args.data)]
    if args.written and datasets != ["coco"]:
        raise ValueError(f"--written speaks of a COCO-style folder, and {args.data} is {', '.join(datasets)}.")
    model, processor = load_checkpoint(args.checkpoint, device=device, dtype=torch.float32)
    model.to(memory_format=torch.channels_last)
    if args.top_k is not None:
        if not 0 <= args.top_k <= 225:
            raise ValueError(f"--top-k is a number of the 225 cells of a 480×480 photo, not {args.top_k}.")
        model.config.top_k = args.top_k
    if args.uncertainty:
        model.config.uncertainty = args.uncertainty
    view = View.of(processor, protocol=args.protocol, size=args.size)
    seeing = {"batch": args.batch, "bfloat16": args.bf16}
    results, oiou = {}, {}
    for dataset in datasets:
        partition = partition_of(dataset, args.split_by)
        splits = splits_of(dataset, partition) if args.split == ["all"] else args.split
        for split in [args.written.name] if args.written else splits:
            name = " ".join(part for part in (dataset, partition, split) if part)
            if args.written:
                examples = written.examples(args.data, args.written)
            else:
                examples = examples_of(args.data, dataset, split=split, partition=partition)
            examples = spread(examples, args.limit)
            scores = evaluate(
                model, processor, examples, size=view.sizes, protocol=view.protocol, progress=True, **seeing
            )
            if not state.is_main_process:
                continue
            photos = len({example.photo for example in examples})
            shared = f", {state.num_processes} processes" if state.num_processes > 1 else ""
            print(f"{name}: {len(examples)} expressions on {photos} photos, checkpoint {args.checkpoint}{shared}")
            print(f"{scores.table()}\n", flush=True)
            oiou[dataset, partition, split] = scores.overall.oiou
            results[name] = scores.to_dict(with_records=True)
            for record, example in zip(results[name]["records"], examples, strict=True):
                record |= {"photo": str(example.photo), "expression": example.expression}
            if args.json:  # after each split: a long run that breaks off leaves what it had
                report = {"checkpoint": str(args.checkpoint), "data": str(args.data), "results": results}
                args.json.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
            drawn = {"worst": worst(scores, args.worst)}
            drawn["random"] = random.Random(0).sample(range(len(examples)), min(args.random, len(examples)))
            for title, numbers in drawn.items():
                if numbers:
                    path = args.sheet / f"{name.replace(' ', '-')}-{title}.png"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    sheet(model, processor, examples, scores, numbers, view=view, **seeing).save(path)
                    print(f"Contact sheet: {path}")
    if set(oiou) & set(COLUMNS):
        sample = f", {args.limit} expressions a split" if args.limit else ""
        print(table_1(oiou, name=f"{Path(args.checkpoint).name}, this run{sample}"), view, sep="\n")
    return 0


def spread(examples: Sequence[Example], limit: int | None) -> list[Example]:
    """At most `limit` of `examples`, evenly spread over them, the same at every call."""
    if not limit or limit >= len(examples):
        return list(examples)
    return [examples[number * len(examples) // limit] for number in range(limit)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m train.evaluate", description="Scores of a checkpoint on a data set.")
    parser.add_argument("--checkpoint", required=True, help="checkpoint folder, or OWNER/NAME on the hub")
    parser.add_argument("--data", required=True, type=Path, help="root of the data (or a .jsonl file)")
    parser.add_argument("--dataset", nargs="+", choices=DATASETS, help="left out, the layout of the data tells")
    parser.add_argument("--split", nargs="+", default=["val"], help='one or more, or "all": all but the training split')
    parser.add_argument("--split-by", choices=("unc", "umd", "google"), help="partition of refcocog: umd or google")
    parser.add_argument("--written", type=Path, metavar="FILE", help="not a split: sentences of train/data/written.py")
    parser.add_argument("--protocol", choices=PROTOCOLS, default="own", help="lavt: squashed, scored at 480×480")
    parser.add_argument("--size", type=sizes, help=SIZE)
    parser.add_argument("--top-k", type=int, metavar="K", help="patches URCE refines, of 225; 0: none (as trained)")
    parser.add_argument("--uncertainty", choices=("raw", "standardized"), help="map_U for choosing them (as trained)")
    parser.add_argument("--batch", type=int, help="expressions a forward pass (16, on a CPU 4)")
    parser.add_argument("--bf16", action="store_true", help="bfloat16 autocast")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--limit", type=int, help="at most so many expressions a split, evenly spread")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write every score and record here")
    parser.add_argument("--worst", type=int, default=0, metavar="N", help="draw the N worst answers")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="draw N answers drawn by lot")
    parser.add_argument("--sheet", type=Path, metavar="FOLDER", help="where the drawn answers go")
    return parser


if __name__ == "__main__":
    sys.exit(main())
