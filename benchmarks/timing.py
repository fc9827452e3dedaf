"""Times that can be compared: cases take turns in one process, so whatever else the machine does meets them all."""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeVar

import torch

Case = TypeVar("Case")


@dataclass(frozen=True)
class Seconds:
    """Of one case: its fastest round and the median of its rounds."""

    best: float
    middle: float


def take_turns(cases: dict[Case, Callable[[], object]], *, rounds: int, cpu_time: bool = False) -> dict[Case, Seconds]:
    """Each case once a round, after a round that does not count. Without gradients.

    cpu_time: the process's own processor seconds instead of the clock's: meant for one thread on a busy machine.
    """
    clock = time.process_time if cpu_time else time.perf_counter
    seconds: dict[Case, list[float]] = {name: [] for name in cases}
    with torch.inference_mode():
        for _ in range(rounds + 1):
            for name, case in cases.items():
                start = clock()
                case()
                if torch.cuda.is_available():
                    torch.cuda.synchronize()
                seconds[name].append(clock() - start)
    return {name: Seconds(min(times[1:]), median(times[1:])) for name, times in seconds.items()}


def add_arguments(parser: argparse.ArgumentParser, *, rounds: int) -> None:
    parser.add_argument("--rounds", type=int, default=rounds, help=f"of the cases in turn ({rounds})")
    parser.add_argument("--threads", type=int, help="cores (all)")
    parser.add_argument("--cpu-time", action="store_true", help="processor seconds, for a busy machine; use one thread")


def machine(device: torch.device) -> str:
    """The processor or graphics card, its threads, and PyTorch's version."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, PyTorch {torch.__version__}"
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {torch.get_num_threads()} threads, PyTorch {torch.__version__}"


def row(*cells: object) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"
