"""A graphics card: python -m benchmarks.gpu [--preset base] [--side 480] [--batch 1 8 32]

Base at 480×480 in float32, by autocast in bfloat16 and float16, compiled, and from CUDA graphs, with two floors beside
each figure: the model's operations over the rate of a large matrix product in the same type, and the bytes that every
layer reads and writes at least (weights and outputs) over the rate of a large copy, both measured here.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.ratios import question
from benchmarks.timing import machine, row, take_turns
from slvit import SLViTConfig, SLViTModel

TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("--preset", default="base")
    parser.add_argument("--side", type=int, default=480, help="of the photo, pixels (480)")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    if not torch.cuda.is_available():
        print("There is no CUDA device here: not measured.")
        return 0
    device = torch.device("cuda")
    torch.manual_seed(0)
    model = SLViTModel(SLViTConfig.from_preset(args.preset)).eval().to(device, memory_format=torch.channels_last)

    print(
        f"{args.preset} at {args.side}×{args.side} on {machine(device)}, milliseconds a pair, best of {args.rounds}\n"
    )
    print(row("batch", "type", "how", "ready after, s", "a pair", "floor: operations", "floor: bytes"))
    print(row(*["---"] * 7))
    for batch in args.batch:
        asked = tuple(tensor.to(device) for tensor in question(args.side, batch=batch))
        operations, elements = work_of(model, asked)
        for name, dtype in TYPES.items():
            floors = operations / matmul_rate(dtype), elements * dtype.itemsize / copy_rate()
            for how, prepare in {"eager": eager, "compiled": compiled, "CUDA graph": captured}.items():
                start = time.perf_counter()
                run = prepare(model, asked, dtype)
                run()
                torch.cuda.synchronize()
                ready = time.perf_counter() - start
                best = take_turns({how: run}, rounds=args.rounds)[how].best
                cells = (f"{1000 * seconds / batch:.2f}" for seconds in (best, *floors))
                print(row(batch, name, how, f"{ready:.0f}", *cells), flush=True)
    return 0


def eager(model: SLViTModel, asked: tuple[Tensor, ...], dtype: torch.dtype) -> Callable[[], Tensor]:
    def run() -> Tensor:
        with torch.inference_mode(), torch.autocast("cuda", dtype=dtype, enabled=dtype != torch.float32):
            return model(*asked).logits

    return run


def compiled(model: SLViTModel, asked: tuple[Tensor, ...], dtype: torch.dtype) -> Callable[[], Tensor]:
    """By torch.compile, which captures CUDA graphs itself in this mode; three calls warm it up."""
    faster = torch.compile(model, mode="reduce-overhead", dynamic=False)

    def run() -> Tensor:
        with torch.inference_mode(), torch.autocast("cuda", dtype=dtype, enabled=dtype != torch.float32):
            return faster(*asked).logits

    for _ in range(3):
        run()
    return run


def captured(model: SLViTModel, asked: tuple[Tensor, ...], dtype: torch.dtype) -> Callable[[], None]:
    """The eager kernels replayed from one CUDA graph."""
    run = eager(model, asked, dtype)
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def work_of(model: SLViTModel, asked: tuple[Tensor, ...]) -> tuple[int, int]:
    """Operations of a forward pass, and elements that its layers read as weights and write as outputs."""
    elements = sum(parameter.numel() for parameter in model.parameters())
    handles = []

    def count(module: nn.Module, inputs: tuple, output: object) -> None:
        nonlocal elements
        if isinstance(output, Tensor):
            elements += output.numel()

    for module in model.modules():
        if not list(module.children()):
            handles.append(module.register_forward_hook(count))
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(*asked)
    for handle in handles:
        handle.remove()
    return counter.get_total_flops(), elements


def matmul_rate(dtype: torch.dtype, side: int = 8192) -> float:
    """Operations a second of a large product."""
    one, other = (torch.randn(side, side, device="cuda", dtype=dtype) for _ in range(2))
    seconds = take_turns({"product": lambda: one @ other}, rounds=10)["product"].best
    return 2 * side**3 / seconds


def copy_rate(elements: int = 2**28) -> float:
    """Bytes a second that a large copy reads and writes, together."""
    source = torch.empty(elements, device="cuda")
    target = torch.empty_like(source)
    seconds = take_turns({"copy": lambda: target.copy_(source)}, rounds=10)["copy"].best
    return 2 * source.nbytes / seconds


if __name__ == "__main__":
    raise SystemExit(main())
