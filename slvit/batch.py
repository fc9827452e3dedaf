"""Answer a list of photos and expressions: python -m slvit.batch LIST.jsonl OUT/ [--ray ADDRESS|local]

Each line of LIST.jsonl is {"photo": PATH, "expression": TEXT}, with an "id" of any kind if wished; paths are relative
to the list. Each line of OUT/results.jsonl answers one, in the list's order: its line number, photo, expression and id,
with the facts of `slvit.facts` (without timings, so that a run repeats to the byte) or with an "error". A run that was
stopped at any moment goes on where it stopped, when started again with the same arguments.

Photos are opened by other processes. With --ray a cluster does all this (slvit/cluster.py): same lines, same file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm
from transformers.utils import logging

from slvit.arguments import SIZE, at_least, probability, sizes
from slvit.blocks import LINES, Block, Pair, Photos, answer_block, prepare_block, read_blocks, read_list
from slvit.checkpoint import BUNDLED, find_checkpoint
from slvit.errors import CheckpointError
from slvit.processor import SLViTImageProcessor
from slvit.segmenter import ReferringSegmenter

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None


class ResultsError(ValueError):
    """Results that this run must not add to."""


class Preparing(Dataset):
    """Opens the photos of a block that a process of the loader is sent."""

    def __init__(self, image_processor: SLViTImageProcessor) -> None:
        self.image_processor = image_processor

    def __getitem__(self, block: Block) -> tuple[Block, Photos]:
        return block, prepare_block(block, self.image_processor)


def _as_it_is(item: tuple[Block, Photos]) -> tuple[Block, Photos]:
    return item


def _end_with_the_run(_: int) -> None:
    """Ends this worker when the run is killed: it would wait for ever for somebody to take its photos."""

    def wait() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def answer_list(
    segmenter: ReferringSegmenter,
    blocks: Iterator[Block],
    *,
    threshold: float,
    batch: int = 1,
    workers: int = 0,
    answered: int = 0,
) -> Iterator[dict[str, Any]]:
    """One result for each pair of `blocks`, in order, but the first `answered` of the first block.

    Photos are opened by `workers` processes, each one block ahead of the model; with 0 by this one, when it is time.
    """
    opened = DataLoader(
        Preparing(segmenter.processor.image_processor),
        sampler=blocks,
        batch_size=None,
        collate_fn=_as_it_is,
        num_workers=workers,
        prefetch_factor=1 if workers else None,
        # Fresh processes: one that is forked from a process with threads may wait for ever for a lock.
        multiprocessing_context="spawn" if workers else None,
        worker_init_fn=_end_with_the_run if workers else None,
    )
    for block, photos in opened:
        yield from answer_block(segmenter, block, photos, threshold=threshold, batch=batch, answered=answered)
        answered = 0


def open_results(folder: Path, settings: dict[str, Any]) -> BinaryIO:
    """OUT/results.jsonl, opened to append whole lines to, after the torn end that a kill may have left is cut off.

    Raises ResultsError when another run is writing there, or when its results were made with other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    results = (folder / "results.jsonl").open("a+b")
    try:
        if fcntl:
            try:
                fcntl.flock(results, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with the process, however it ends
            except OSError as error:
                raise ResultsError(
                    f"Another run is writing to {folder}: wait for it or choose another folder."
                ) from error
        _check_settings(folder / "settings.json", settings)
        results.truncate(_end_of_last_line(results))
    except BaseException:
        results.close()
        raise
    return results


def settings_of(checkpoint: str, *, size: Sequence[int] | None = None, threshold: float, batch: int) -> dict[str, Any]:
    """What results depend on besides the list: all that a run must share with the one that it goes on from.

    checkpoint: folder or hub id; its files tell it from another of its name. size: see `from_pretrained`.
    CheckpointError where there is none.
    """
    digest = hashlib.sha256()
    for path in sorted(find_checkpoint(checkpoint).iterdir()):
        if path.name in ("config.json", "preprocessor_config.json") or path.suffix == ".safetensors":
            digest.update(path.name.encode())
            with path.open("rb") as file:
                while part := file.read(2**20):
                    digest.update(part)
    known = {"checkpoint": Path(checkpoint).resolve().name, "sha256": digest.hexdigest()[:16]}
    if size is not None:
        known["size"] = size
    return {**known, "threshold": threshold, "batch": batch}


def _check_settings(path: Path, settings: dict[str, Any]) -> None:
    if path.exists():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise ResultsError(f"{path} is damaged: choose another folder.") from error
        if before != settings:
            raise ResultsError(f"{path.parent} holds results of other settings ({before}): choose another folder.")
        return
    part = path.with_suffix(".part")
    part.write_text(json.dumps(settings), encoding="utf-8")
    part.replace(path)  # whole or not at all


def _end_of_last_line(file: BinaryIO) -> int:
    end = file.seek(0, 2)
    while end:
        start = max(0, end - 65536)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def count_answered(pairs: Iterator[Pair], results: BinaryIO) -> tuple[int, int]:
    """How many of `pairs`, from the first on, `results` answers, and how many of these answers are errors.

    Raises ResultsError when the results are damaged or those of another list.
    """
    results.seek(0)
    answered, errors = 0, 0
    for line in results:
        try:
            done = json.loads(line)
        except (ValueError, RecursionError):
            done = None
        if not isinstance(done, dict):
            raise ResultsError(f"{results.name} is damaged in its line {answered + 1}: choose another folder.")
        pair = next(pairs, None)
        if pair is None or any(done.get(key) != value for key, value in pair.head().items()):
            raise ResultsError(
                f"{results.name} answers another list from its line {answered + 1} on: choose another folder."
            )
        answered, errors = answered + 1, errors + ("error" in done)
    return answered, errors


def main(arguments: list[str] | None = None) -> int:
    """Gives the exit code: 0 when all is answered, 2 after a sentence on stderr, 130 when stopped by Ctrl+C."""
    parser = argparse.ArgumentParser(prog="python -m slvit.batch", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("list", metavar="LIST.jsonl", type=Path, help='lines of {"photo": PATH, "expression": TEXT}')
    parser.add_argument("out", metavar="OUT", type=Path, help="folder for results.jsonl; the same one to go on")
    parser.add_argument("--threshold", type=probability, default=0.5, help="probability of the mask's pixels (0.5)")
    parser.add_argument("--checkpoint", metavar="FOLDER_OR_ID", default=str(BUNDLED), help="default: the bundled one")
    parser.add_argument("--device", default="auto", help="auto (default), cpu or cuda")
    parser.add_argument("--size", type=sizes, help=SIZE)
    parser.add_argument("--batch", type=at_least(1), default=1, help="pairs of one shape a pass (1; a GPU likes 32)")
    parser.add_argument("--workers", type=at_least(0), default=1, help="processes that open photos ahead (1)")
    parser.add_argument("--threads", type=at_least(1), help="cores of a model on a CPU (all; with --ray 1)")
    parser.add_argument("--ray", metavar="ADDRESS|local", help='a Ray cluster instead: pip install ".[ray]"')
    parser.add_argument("--actors", type=at_least(1), default=1, help="models on the cluster (1)")
    args = parser.parse_args(arguments)
    logging.disable_progress_bar()
    try:
        return _run(args)
    except (CheckpointError, ResultsError, OSError) as error:
        print(f"slvit.batch: {error}", file=sys.stderr)
        return 2


def _run(args: argparse.Namespace) -> int:
    total = sum(1 for _ in read_list(args.list))
    settings = settings_of(args.checkpoint, size=args.size, threshold=args.threshold, batch=args.batch)
    answer = _answer_here if args.ray is None else _answer_on_cluster
    with open_results(args.out, settings) as results:
        answered, errors = count_answered(read_list(args.list), results)
        if answered:
            print(f"{answered} of {total} are answered already.", file=sys.stderr)
        if answered < total:
            blocks = islice(read_blocks(args.list), answered // LINES, None)
            new = answer(args, blocks, answered % LINES)
            try:
                for result in tqdm(new, total=total, initial=answered, unit="pair", smoothing=0.05):
                    results.write(json.dumps(result).encode() + b"\n")
                    results.flush()  # a kill loses at most the line being written
                    answered, errors = answered + 1, errors + ("error" in result)
            except KeyboardInterrupt:
                print(f"Stopped after {answered} of {total}: the same command goes on from there.", file=sys.stderr)
                return 130
    print(f"{answered - errors} answered, {errors} errors: {args.out / 'results.jsonl'}")
    return 0


def _answer_here(args: argparse.Namespace, blocks: Iterator[Block], answered: int) -> Iterator[dict[str, Any]]:
    if args.threads:
        torch.set_num_threads(args.threads)
    segmenter = ReferringSegmenter.from_pretrained(args.checkpoint, device=args.device, size=args.size)
    return answer_list(
        segmenter, blocks, threshold=args.threshold, batch=args.batch, workers=args.workers, answered=answered
    )


def _answer_on_cluster(args: argparse.Namespace, blocks: Iterator[Block], answered: int) -> Iterator[dict[str, Any]]:
    try:
        from slvit.cluster import answer_on_cluster
    except ImportError as error:
        raise ResultsError('--ray needs Ray: pip install ".[ray]".') from error
    is_folder = Path(args.checkpoint).is_dir()
    return answer_on_cluster(
        blocks,
        address=args.ray,
        checkpoint=str(Path(args.checkpoint).absolute()) if is_folder else args.checkpoint,  # workers run elsewhere
        device=args.device,
        size=args.size,
        threads=args.threads or 1,
        threshold=args.threshold,
        batch=args.batch,
        answered=answered,
        actors=args.actors,
    )


if __name__ == "__main__":
    sys.exit(main())
