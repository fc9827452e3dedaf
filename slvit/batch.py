"""Answer a list of photos and expressions on one machine: python -m slvit.batch LIST.jsonl OUT/

Each line of LIST.jsonl is {"photo": PATH, "expression": TEXT}, with an "id" of any kind if wished; paths are relative
to the list. Each line of OUT/results.jsonl answers one, in the list's order: its line number, photo, expression and id,
with the facts of `slvit.facts` (without timings, so that a run repeats to the byte) or with an "error". A run that was
stopped at any moment goes on where it stopped, when started again with the same arguments.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any, BinaryIO

from tqdm import tqdm
from transformers.utils import logging

from slvit.checkpoint import BUNDLED
from slvit.errors import CheckpointError, ExpressionError, PhotoError
from slvit.facts import facts
from slvit.segmenter import EncodedPhoto, ReferringSegmenter

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None

AHEAD = 4  # photos decoded while the model answers: only their small resized copies are held
MOST_AT_ONCE = 64  # expressions about one photo that wait together


class ResultsError(ValueError):
    """Results that this run must not add to."""


@dataclass(frozen=True)
class Pair:
    """One line of the list; `wrong` says why it cannot be answered at all."""

    line: int  # counted from 1, empty lines too
    photo: str | None = None
    expression: str | None = None
    id: Any = None
    wrong: str | None = None

    def head(self) -> dict[str, Any]:
        """What a line of the results starts with."""
        head = {"line": self.line, "photo": self.photo, "expression": self.expression}
        return head if self.id is None else {**head, "id": self.id}


def read_list(path: Path) -> Iterator[Pair]:
    """The pairs of a JSON lines file, one after another, however long it is. Empty lines are no pairs."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _read_pair(number, line)


def _read_pair(number: int, line: bytes) -> Pair:
    try:
        content = json.loads(line)
    except ValueError:
        return Pair(number, wrong=f"Line {number} of the list is no JSON.")
    if not isinstance(content, dict):
        return Pair(number, wrong=f"Line {number} of the list is no JSON object.")
    photo, expression = content.get("photo"), content.get("expression")
    if not isinstance(photo, str) or not isinstance(expression, str):
        return Pair(number, id=content.get("id"), wrong=f'Line {number} needs a text "photo" and a text "expression".')
    return Pair(number, photo, expression, content.get("id"))


def answer_list(
    segmenter: ReferringSegmenter, pairs: Iterator[Pair], folder: Path, *, threshold: float, workers: int = 1
) -> Iterator[dict[str, Any]]:
    """One result for each pair, in order; photos are opened and resized ahead by `workers` threads.

    folder: what relative paths start from. Photos and expressions that cannot be answered give a result with "error".
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        waiting: deque[tuple[list[Pair], Future[EncodedPhoto]]] = deque()
        try:
            for group in _by_photo(pairs):
                photo = group[0].photo
                waiting.append((group, pool.submit(segmenter.encode, folder / photo if photo else b"")))
                if len(waiting) > AHEAD * workers:
                    yield from _answer_group(segmenter, *waiting.popleft(), threshold=threshold)
            while waiting:
                yield from _answer_group(segmenter, *waiting.popleft(), threshold=threshold)
        finally:
            for _, future in waiting:
                future.cancel()


def _by_photo(pairs: Iterator[Pair]) -> Iterator[list[Pair]]:
    """Neighbouring pairs about one photo, at most MOST_AT_ONCE together: none waits for the end of the list."""
    for _, neighbours in groupby(pairs, key=lambda pair: pair.photo):
        while group := list(islice(neighbours, MOST_AT_ONCE)):
            yield group


def _answer_group(
    segmenter: ReferringSegmenter, group: list[Pair], future: Future[EncodedPhoto], *, threshold: float
) -> Iterator[dict[str, Any]]:
    for pair in group:
        try:
            if pair.wrong:
                raise ExpressionError(pair.wrong)
            known = facts(segmenter.segment(future.result(), pair.expression), threshold)
        except (PhotoError, ExpressionError) as error:
            yield {**pair.head(), "error": str(error)}
        else:
            del known["timings"]
            yield {**pair.head(), **known}


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


def _check_settings(path: Path, settings: dict[str, Any]) -> None:
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
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


def skip_answered(pairs: Iterator[Pair], results: BinaryIO) -> tuple[int, int]:
    """Moves `pairs` past those that `results` answers; gives their number and how many of them are errors.

    Raises ResultsError when the results are those of another list.
    """
    results.seek(0)
    answered, errors = 0, 0
    for line in results:
        done, pair = json.loads(line), next(pairs, None)
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
    parser.add_argument("--threshold", type=float, default=0.5, help="probability of the mask's pixels (0.5)")
    parser.add_argument("--checkpoint", metavar="FOLDER_OR_ID", default=str(BUNDLED), help="default: the bundled one")
    parser.add_argument("--device", default="auto", help="auto (default), cpu or cuda")
    parser.add_argument("--workers", type=int, default=1, help="threads that open photos ahead of the model (1)")
    args = parser.parse_args(arguments)
    logging.disable_progress_bar()
    try:
        return _run(args)
    except (CheckpointError, ResultsError, OSError) as error:
        print(f"slvit.batch: {error}", file=sys.stderr)
        return 2


def _run(args: argparse.Namespace) -> int:
    total = sum(1 for _ in read_list(args.list))
    segmenter = ReferringSegmenter.from_pretrained(args.checkpoint, device=args.device)
    pairs = read_list(args.list)
    with open_results(args.out, {"checkpoint": segmenter.name, "threshold": args.threshold}) as results:
        answered, errors = skip_answered(pairs, results)
        if answered:
            print(f"{answered} of {total} are answered already.", file=sys.stderr)
        new = answer_list(segmenter, pairs, args.list.parent, threshold=args.threshold, workers=max(1, args.workers))
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


if __name__ == "__main__":
    sys.exit(main())
