"""What else was tried to be faster on a CPU: python -m benchmarks.backends [--data ROOT --limit 100]

The bundled checkpoint through torch.compile, ONNX Runtime (float32 and int8), OpenVINO and bfloat16, beside the fast
path: time, time to get ready, the largest difference of a logit, and with --data the mIoU that it costs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers.utils import logging

from benchmarks.ratios import CPU, question
from benchmarks.timing import add_arguments, machine, row, take_turns
from slvit.checkpoint import BUNDLED, load_checkpoint
from slvit.export import INPUTS, export_program, write
from slvit.fast import FastSLViT
from slvit.model import SLViTModel, SLViTOutput

Answering = Callable[[Tensor, Tensor, Tensor], Tensor]  # pixel_values, input_ids, attention_mask to logits


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backends", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BACKENDS)} (all)")
    parser.add_argument("--checkpoint", default=BUNDLED, metavar="FOLDER_OR_ID", help="default: the bundled one")
    parser.add_argument("--onnx", type=Path, help="what slvit.export wrote of the checkpoint (else written here)")
    parser.add_argument("--data", type=Path, help="root of data that train.evaluate reads: its validation split")
    parser.add_argument("--limit", type=int, default=100, help="expressions to score, evenly spread (100)")
    add_arguments(parser, rounds=7)
    args = parser.parse_args()
    logging.disable_progress_bar()
    if args.threads:
        torch.set_num_threads(args.threads)
    model, processor = load_checkpoint(args.checkpoint, device=CPU, dtype=torch.float32)
    asked = question(processor.image_processor.size)
    with torch.inference_mode():
        expected = model(*asked).logits

    print(f"{Path(args.checkpoint).name} on {machine(CPU)}, best of {args.rounds}\n")
    print(row("what", "ready after, s", "answer, s", "of the fast path", "logits differ by", "mIoU"))
    print(row(*["---"] * 6))
    fast = FastSLViT(model)
    chosen = args.names or list(BACKENDS)
    with tempfile.TemporaryDirectory() as folder:
        graph = args.onnx or Path(folder) / "model.onnx"
        if not graph.exists() and {"onnx", "onnx-int8", "openvino"} & set(chosen):
            write(export_program(model), graph)
        for name in chosen:
            start = time.perf_counter()
            try:
                answering = BACKENDS[name](model, graph)
                with torch.inference_mode():
                    differs = float((answering(*asked) - expected).abs().max())
            except Exception as error:
                print(row(name, "does not run: " + " ".join(str(error).split())[:160], "", "", "", ""), flush=True)
                continue
            ready = time.perf_counter() - start
            cases = {"fast": lambda: fast(*asked), name: lambda ask=answering: ask(*asked)}
            seconds = take_turns(cases, rounds=args.rounds, cpu_time=args.cpu_time)
            own = seconds[name].best
            score = f"{miou(model, processor, answering, args):.1f}" if args.data else "-"
            ratio = own / seconds["fast"].best
            print(row(name, f"{ready:.0f}", f"{own:.3f}", f"{ratio:.2f}", f"{differs:.1e}", score), flush=True)


def fast_path(model: SLViTModel, graph: Path) -> Answering:
    fast = FastSLViT(model)
    return lambda *asked: fast(*asked).logits


def plain(model: SLViTModel, graph: Path) -> Answering:
    return lambda *asked: model(*asked).logits


def compiled(model: SLViTModel, graph: Path) -> Answering:
    run = torch.compile(model, dynamic=False)
    return lambda *asked: run(*asked).logits


def bfloat16(model: SLViTModel, graph: Path) -> Answering:
    def answer(*asked: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return model(*asked).logits

    return answer


def onnx(model: SLViTModel, graph: Path) -> Answering:
    return onnx_session(graph)


def onnx_session(path: Path) -> Answering:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # else it slows the others' turns
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda *asked: torch.from_numpy(session.run(None, arrays(asked))[0])


def onnx_int8(model: SLViTModel, graph: Path) -> Answering:
    """Convolutions and products with weights and inputs in 8 bits, their ranges from a few example photos."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Examples(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter([arrays(question(256)) for _ in range(4)])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.left, None)

    small = graph.with_name("int8.onnx")
    quantize_static(
        graph,
        small,
        Examples(),
        weight_type=QuantType.QInt8,
        per_channel=True,
        op_types_to_quantize=["Conv"],
    )
    return onnx_session(small)


def openvino(model: SLViTModel, graph: Path) -> Answering:
    import openvino

    core = openvino.Core()
    precise = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": "f32"}
    run = core.compile_model(core.read_model(graph), "CPU", precise)
    return lambda *asked: torch.from_numpy(run(arrays(asked))[0])


def arrays(asked: tuple[Tensor, ...]) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in zip(INPUTS, asked, strict=True)}


BACKENDS = {
    "fast": fast_path,
    "plain": plain,
    "bfloat16": bfloat16,
    "onnx": onnx,
    "onnx-int8": onnx_int8,
    "openvino": openvino,
    "compile": compiled,
}


def miou(model: SLViTModel, processor: object, answering: Answering, args: argparse.Namespace) -> float:
    """mIoU (percent) on `--limit` expressions of the validation split, by train.evaluate."""
    from train.data.layout import examples_of, the_dataset_in
    from train.evaluate import evaluate, spread

    examples = spread(examples_of(args.data, the_dataset_in(args.data), split="val"), args.limit)
    forward = model.forward

    def answer(pixel_values: Tensor, input_ids: Tensor, attention_mask: Tensor, **_: object) -> SLViTOutput:
        model.forward = forward
        try:
            return SLViTOutput(logits=answering(pixel_values, input_ids, attention_mask))
        finally:
            model.forward = answer

    model.forward = answer
    processor.image_processor.presence = None  # it takes more than logits
    try:
        return evaluate(model, processor, examples, size=processor.image_processor.size, batch=1).overall.miou
    finally:
        model.forward = forward


if __name__ == "__main__":
    main()
