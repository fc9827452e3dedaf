"""Many photos: python -m benchmarks.many [--photos FOLDER] [--pairs 500]

The same list through the single process and through a local Ray. The single process is killed in the middle and started
again; so is Ray, and of its two actors one is killed as well. Both results must be the same line for line. Prints the
rates, and on paper what ten million pairs take on 1, 8 and 64 graphics cards.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import psutil
import torch
from transformers.utils import logging

from benchmarks.timing import machine, row
from slvit import ReferringSegmenter
from slvit.blocks import answer_block, prepare_block, read_blocks
from slvit.checkpoint import BUNDLED
from slvit.facts import facts

EXPRESSIONS = (
    "the dog on the left",
    "all the chickens",
    "a cup",
    "the woman in a red shirt",
    "the sky",
    "the second horse",
)
MANY = 10_000_000
CORES_A_CARD = 16  # of the machine that a card sits in


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("--photos", type=Path, default=BUNDLED.parents[1] / "assets/examples", help="folder of JPEGs")
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--size", type=int, help="the model of the killed runs sees SIZE² pixels, to be quicker (256)")
    parser.add_argument("--only-rates", action="store_true", help="no runs that are killed, only the estimate")
    args = parser.parse_args()
    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "list.jsonl"
        photos = sorted(args.photos.resolve().glob("*.jpg"))
        pairs = [
            {"photo": str(photos[number % len(photos)]), "expression": EXPRESSIONS[number % len(EXPRESSIONS)]}
            for number in range(args.pairs)
        ]
        path.write_text("\n".join(map(json.dumps, pairs)))
        checkpoint = BUNDLED if args.size is None else resized(Path(folder) / "checkpoint", args.size)
        if not args.only_rates and not same_twice(path, Path(folder), args.pairs, checkpoint):
            return 1
        estimate(path)
    return 0


def resized(folder: Path, size: int) -> Path:
    """A copy of the bundled checkpoint that sees size² pixels."""
    shutil.copytree(BUNDLED, folder)
    settings = folder / "preprocessor_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "size": size}))
    return folder


def same_twice(path: Path, folder: Path, pairs: int, checkpoint: Path) -> bool:
    """Runs both ways, kills both; prints what came of it. False when the results differ."""
    single, cluster = folder / "single", folder / "cluster"
    command = [sys.executable, "-m", "slvit.batch", str(path)]
    alone = ["--checkpoint", str(checkpoint), "--threads", "1"]
    killed = run_until(pairs // 3, [*command, str(single), *alone], single, kill)
    start = time.perf_counter()
    subprocess.run([*command, str(single), *alone], check=True, stderr=subprocess.DEVNULL)
    print(f"single process: killed after {killed} lines, went on in {time.perf_counter() - start:.0f} s")

    on_ray = [*alone, "--ray", "local", "--actors", "2"]
    killed = run_until(1, [*command, str(cluster), *on_ray], cluster, kill)
    start = time.perf_counter()
    run_until(killed + 1, [*command, str(cluster), *on_ray], cluster, kill_actor)
    seconds = time.perf_counter() - start
    print(f"local Ray: killed after {killed} lines, went on in {seconds:.0f} s although an actor was killed")

    results = [(out / "results.jsonl").read_bytes() for out in (single, cluster)]
    same, lines = results[0] == results[1], results[0].count(b"\n")
    print(f"{lines} lines each, {'the same to the byte' if same else 'NOT the same'}\n")
    return same and lines == pairs


def run_until(count: int, command: list[str], out: Path, harm: Callable[[psutil.Process], None]) -> int:
    """Starts `command`, does `harm` to it once `out` holds `count` lines, waits for its end; gives the lines then."""
    running = psutil.Popen(command, stderr=subprocess.DEVNULL)
    while lines_of(out) < count and running.poll() is None:
        time.sleep(0.02)
    harm(running)
    running.wait()
    return lines_of(out)


def lines_of(out: Path) -> int:
    results = out / "results.jsonl"
    return results.read_bytes().count(b"\n") if results.exists() else 0


def kill(running: psutil.Process) -> None:
    family = running.children(recursive=True)
    os.kill(running.pid, signal.SIGKILL)
    psutil.wait_procs(family, timeout=60)  # workers end by themselves when their parent is gone


def kill_actor(running: psutil.Process) -> None:
    actors = [child for child in running.children(recursive=True) if child.name().startswith("ray::MapWorker")]
    os.kill(actors[0].pid, signal.SIGKILL)


def estimate(path: Path) -> None:
    """Rates of one core, and from them the days of MANY pairs."""
    torch.set_num_threads(1)
    segmenter = ReferringSegmenter.from_pretrained(BUNDLED, device="cpu")
    (block,) = islice(read_blocks(path), 1)
    seconds = {}
    for _ in range(2):  # the second counts
        start = time.process_time()
        photos = prepare_block(block, segmenter.processor.image_processor)
        seconds["opening and resizing a photo"] = (time.process_time() - start) / len(photos)
        start = time.process_time()
        results = list(answer_block(segmenter, block, photos, threshold=0.5))
        seconds["a pair's answer on a CPU, all of it"] = (time.process_time() - start) / len(results)
    answers = [segmenter.segment(segmenter.encode(photo), "a dog") for photo in photos.values()]
    start = time.process_time()
    for answer in answers:
        json.dumps(facts(answer))
    lines = (time.process_time() - start) / len(answers)
    resizing = sum(answer.timings["resize"] for answer in answers) / len(answers)
    seconds["of it mask, run lengths and JSON"] = lines + resizing
    size = sum(len(json.dumps(result)) for result in results) / len(results)

    print(f"{machine(torch.device('cpu'))}\n\n" + row("one core", "milliseconds") + "\n" + row("---", "---"))
    for what, figure in seconds.items():
        print(row(what, f"{1000 * figure:.1f}"))
    print(row("bytes of a result", f"{size:.0f}") + "\n")
    print(row("10 million pairs, a photo each", "CPU cores alone: hours") + "\n" + row("---", "---"))
    preparing, answering = seconds["opening and resizing a photo"], seconds["a pair's answer on a CPU, all of it"]
    for cores in (2, 16, 128, 1024):
        print(row(f"{cores} cores", f"{MANY * (preparing + answering) / cores / 3600:.1f}"))
    finishing = preparing + seconds["of it mask, run lengths and JSON"]
    print("\n" + row("with cards (not measured)", "hours that its CPUs need", "pairs/s a card to keep them busy"))
    print(row("---", "---", "---"))
    for cards in (1, 8, 64):
        hours = MANY * finishing / (cards * CORES_A_CARD) / 3600
        print(row(f"{cards} × {CORES_A_CARD} cores", f"{hours:.2f}", f"{CORES_A_CARD / finishing:.0f}"))


if __name__ == "__main__":
    sys.exit(main())
