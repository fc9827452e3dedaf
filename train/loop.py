"""The training loop: forward, loss, backward, step; saved every few minutes, resumed to the bit."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, gather_object
from huggingface_hub import HfApi
from torch import Tensor, nn
from tqdm import tqdm

from slvit.model import SLViTModel
from slvit.processor import SLViTProcessor
from train.average import Average
from train.board import Board
from train.card import card
from train.config import TrainConfig
from train.data.example import Example
from train.depthwise import with_fast_gradient
from train.evaluate import evaluate, spread
from train.export import export, never_trained, write_whole
from train.frozen_prior import frozen_prior
from train.loader import loader, samples_of_epochs, stop_workers, validation_examples
from train.losses import segmentation_loss
from train.memory import keep_freed_memory
from train.metrics import Scores
from train.optimizer import freeze, learning_rate, make_optimizer, training_mode, without_gradient
from train.precision import with_precision
from train.start import start_model
from train.state import BEST, LAST, load_state, random_states, restore_random_states, save_state

# May differ between the state on disk and the run that continues it.
CHANGEABLE = {"out", "data", "workers", "threads", "device", "save_every", "log_every", "keep_every", "validate_every"}
CHANGEABLE |= {"validate_on", "samples", "tensorboard", "pictures", "push_to_hub", "weights", "epochs", "size"}
CHANGEABLE |= {"recipe", "shapes", "broken_photos", "precision"}


class BadLossesError(RuntimeError):
    """Too many steps had a loss or a gradient that is not finite."""


@dataclass(frozen=True)
class Outcome:
    """checkpoint: the exported folder. stopped: by a signal, before the last step."""

    checkpoint: Path
    stopped: bool


def train(config: TrainConfig) -> Outcome:
    """Starts the run of `config`, or continues it from its folder.

    Stops cleanly after the step at hand on SIGTERM or SIGINT. Raises ValueError or FileNotFoundError naming what does
    not fit, OSError where the run's folder cannot be written, and BadLossesError.
    """
    if config.epochs:
        config = dataclasses.replace(config, samples=samples_of_epochs(config))
    config = with_precision(config)
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    accelerator = Accelerator(
        mixed_precision=config.precision,
        cpu=config.device == "cpu",
        gradient_accumulation_steps=1,  # counted below, so that a saved position is a whole step
    )
    on_cpu = accelerator.device.type == "cpu"
    if on_cpu:
        keep_freed_memory()
    out = Path(config.out)
    say = accelerator.print
    model, processor, report = start_model(
        preset=config.preset,
        changes=config.model,
        text_encoder=config.text_encoder,
        weights=config.weights,
        encoder_weights=config.encoder_weights,
        size=config.size,
    )
    say(*report, sep="\n")
    freeze(model, config.freeze)
    frozen = never_trained(model)
    if accelerator.num_processes > 1:  # processes wait for the gradient of every parameter that could have one
        for name in without_gradient(model):
            model.get_parameter(name).requires_grad_(False)
    model.checkpoint_blocks(config.checkpoint_blocks)
    if config.channels_last:
        model = model.to(memory_format=torch.channels_last)
    if on_cpu:
        with_fast_gradient(model)
    if accelerator.num_processes > 1:
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model) if accelerator.device.type == "cuda" else model
    model.to(accelerator.device)
    optimizer = make_optimizer(model, config, accelerator.device)
    average = Average(model, config.average)
    torch.manual_seed(config.seed + accelerator.process_index)  # each process drops out units of its own
    run = _Run(config, accelerator, model, processor, optimizer, average, frozen, out)
    if (out / LAST).exists():
        run.resume(load_state(out / LAST))
        say(f"continued from step {run.step}, {run.seen:,} samples seen")
    effective = config.batch_size * config.accumulate * accelerator.num_processes
    say(f"{config.samples:,} samples, effective batch {effective} "
        f"({config.batch_size} × {config.accumulate} steps × {accelerator.num_processes} processes), "
        f"{run.steps:,} steps on {accelerator.device}, precision {config.precision}")  # fmt: skip
    if accelerator.is_main_process:
        write_whole_text(out / "config.json", config.to_json())
    run.go()
    return run.finish()


class _Run:
    """What changes while a run goes on."""

    def __init__(
        self,
        config: TrainConfig,
        accelerator: Accelerator,
        model: SLViTModel,
        processor: SLViTProcessor,
        optimizer: torch.optim.Optimizer,
        average: Average,
        frozen: set[str],
        out: Path,
    ) -> None:
        self.config, self.accelerator, self.processor = config, accelerator, processor
        self.model = model
        self.wrapped, self.optimizer = accelerator.prepare(model, optimizer)
        self.average, self.frozen, self.out = average, frozen, out
        self.frozen_digest = digest({key: value for key, value in model.state_dict().items() if key in frozen})
        self.frozen_prior = frozen_prior(model, config.precision)
        self.together = config.batch_size * config.accumulate * accelerator.num_processes
        self.steps = config.samples // self.together
        if not self.steps:
            raise ValueError(f"{config.samples:,} samples make no step of {self.together}: raise --samples.")
        self.step = 0
        self.bad_losses = 0
        self.best = -1.0
        self.seconds = 0.0
        self.told_to_stop = self.stopping = False
        self.scored: dict[str, Any] | None = None  # by the last validation: {"count": int, "table": str}
        self.examples: list[Example] | None = None  # of the validation split
        self.board = Board(out) if config.tensorboard and accelerator.is_main_process else None
        self.bar: tqdm | None = None  # on a terminal; a log gets lines

    @property
    def seen(self) -> int:
        return self.step * self.together

    # --- steps --------------------------------------------------------------------------------------------------------

    def go(self) -> None:
        """Steps until the run is through or is told to stop."""
        handlers = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            with tqdm(total=self.steps, initial=self.step, unit="step", disable=self._bar_disabled()) as self.bar:
                self._go()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _bar_disabled(self) -> bool | None:
        """None: only a terminal gets the bar."""
        return None if self.accelerator.is_main_process else True

    def _go(self) -> None:
        config = self.config
        batches = iter(
            loader(
                config,
                self.processor,
                start=self.seen,
                process=self.accelerator.process_index,
                processes=self.accelerator.num_processes,
            )
        )
        try:
            self._steps(batches)
        finally:
            stop_workers(batches)
        self.save(LAST)

    def _steps(self, batches: Iterator[dict[str, Tensor]]) -> None:
        config = self.config
        training_mode(self.model, as_answering=config.as_answering)
        began, window = time.monotonic(), []
        while self.step < self.steps and not self.stopping:
            lr = learning_rate(config, step=self.step, steps=self.steps)
            loss, norm = self._one_step(batches, lr)
            self.step += 1
            self.bar.update()
            window.append(loss)
            if self.step % config.log_every == 0:
                self.seconds += time.monotonic() - began
                rate = len(window) * self.together / max(1e-9, time.monotonic() - began)
                began = time.monotonic()
                self._log(loss=sum(window) / len(window), lr=lr, gradient_norm=norm, samples_per_second=rate)
                window = []
            if config.keep_every and self.step % config.keep_every == 0:
                self.save(f"step-{self.step}.pt")
            if config.validate_every and self.step % config.validate_every == 0:
                self.validate()
                training_mode(self.model, as_answering=config.as_answering)
                began = time.monotonic()
            if self.step % config.save_every == 0:
                self.save(LAST)

    def _one_step(self, batches: Any, lr: float) -> tuple[float, float]:
        """One update of the weights from `accumulate` batches; gives mean loss and gradient norm."""
        config = self.config
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group["scale"]
        total = 0.0
        statistics = self._statistics()
        before = [buffer.clone() for buffer in statistics]
        for turn in range(config.accumulate):
            batch = {key: tensor.to(self.accelerator.device) for key, tensor in next(batches).items()}
            last = turn == config.accumulate - 1
            with self.accelerator.no_sync(self.wrapped) if not last else contextlib.nullcontext():
                loss = self._loss(batch) / config.accumulate
                self.accelerator.backward(loss)
            total += float(loss.detach())
        # Told to stop in one process, all stop after the same step.
        here = torch.tensor([total, float(self.told_to_stop)], device=self.accelerator.device)
        total, stopping = self.accelerator.reduce(here, "mean").tolist()
        self.stopping = stopping > 0
        norm = float(self.accelerator.clip_grad_norm_(self.model.parameters(), config.clip or math.inf))
        finite = math.isfinite(total) and math.isfinite(norm)
        scaled = self.accelerator.scaler is not None
        if finite or scaled:
            self.optimizer.step()  # in fp16 the scaler skips it by itself where gradients overflow, and scales less
        if not finite:  # the forward passes of a skipped step leave no trace: one NaN would stay in them for good
            for buffer, value in zip(statistics, before, strict=True):
                buffer.copy_(value)
        if finite and config.average:
            self.average.update(self.model, self.step)
        if not finite and not (scaled and math.isfinite(total)):
            self._count_bad_loss(total, norm)
        self.optimizer.zero_grad(set_to_none=True)
        return total, norm

    def _statistics(self) -> list[Tensor]:
        """What a forward pass changes in the model: the buffers of the batch norms that train."""
        norms = (nn.BatchNorm2d, nn.SyncBatchNorm)
        training = [module for module in self.model.modules() if isinstance(module, norms) and module.training]
        return [buffer for module in training for buffer in module.buffers(recurse=False)]

    def _count_bad_loss(self, loss: float, norm: float) -> None:
        self.bad_losses += 1
        self._say(f"step {self.step}: loss {loss}, gradient norm {norm}: skipped")
        if self.bad_losses > self.config.bad_losses:
            raise BadLossesError(
                f"{self.bad_losses} steps had a loss that is not finite: lower --lr, or use --precision no."
            )

    def _loss(self, batch: dict[str, Tensor]) -> Tensor:
        pixels = batch["pixel_values"].float() / 255  # B×3×H×W, 0..1
        if self.config.channels_last:
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        prior = self.frozen_prior(pixels) if self.frozen_prior else None
        with self.accelerator.autocast():
            output = self.wrapped(pixels, batch["input_ids"], batch["attention_mask"], prior_features=prior)
        return segmentation_loss(output.logits, batch["mask"], dice_weight=self.config.dice)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.told_to_stop = True

    # --- what stays ---------------------------------------------------------------------------------------------------

    def _log(self, **values: float) -> None:
        if not self.accelerator.is_main_process:
            return
        left = (self.steps - self.step) * self.together / max(1e-9, values["samples_per_second"])
        rounded = {key: float(f"{value:.5g}") if math.isfinite(value) else None for key, value in values.items()}
        line = {"step": self.step, "samples": self.seen, **rounded}
        if self.board:
            self.board.curves(self.step, values)
        line |= {"seconds": round(self.seconds), "seconds_left": round(left)}
        self.write(line)
        shown = f"loss {values['loss']:.4f}  lr {values['lr']:.2e}"
        if self.bar.disable:
            rate = f"{values['samples_per_second']:.1f} samples/s  {left / 60:.0f} min left"
            self._say(f"step {self.step}/{self.steps}  {shown}  {rate}")
        else:
            self.bar.set_postfix_str(shown)

    def _say(self, text: str) -> None:
        """One line, above the bar where there is one, from one process."""
        if self.bar.disable:
            self.accelerator.print(text, flush=True)
        else:
            self.bar.write(text)

    def write(self, line: dict[str, Any]) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        with (self.out / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def save(self, name: str) -> None:
        """Saves the state under `name`; every process calls this."""
        state = self.state()
        if self.accelerator.is_main_process:
            save_state(self.out / name, state)
        self.accelerator.wait_for_everyone()

    def state(self) -> dict[str, Any]:
        """All that exact resumption needs; every process calls this, for the random states of all are in it."""
        random = random_states()
        others = gather_object([random])[1:] if self.accelerator.num_processes > 1 else []
        return {
            "step": self.step,
            "together": self.together,
            "model": {key: value for key, value in self.model.state_dict().items() if key not in self.frozen},
            "frozen": self.frozen_digest,
            "average": self.average.state,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.accelerator.scaler.state_dict() if self.accelerator.scaler else {},
            "random": random,
            "random_of_others": others,
            "bad_losses": self.bad_losses,
            "best": self.best,
            "seconds": self.seconds,
            "scored": self.scored,
            "config": dataclasses.asdict(self.config),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Takes up `state`; ValueError where its run was set up in another way."""
        mine, theirs = dataclasses.asdict(self.config), state["config"]
        other = [key for key in mine if key not in CHANGEABLE and key in theirs and mine[key] != theirs[key]]
        if other:
            raise ValueError(
                f"{self.out} holds a run with {other[0]} = {theirs[other[0]]!r}, not {mine[other[0]]!r}: "
                f"give another --out, or the same {other[0]}."
            )
        if state["together"] != self.together:
            raise ValueError(
                f"{self.out} holds a run with an effective batch of {state['together']}, not {self.together}: "
                "continue it with as many processes."
            )
        if state.get("frozen", self.frozen_digest) != self.frozen_digest:  # older states say nothing of it
            raise ValueError(
                f"{self.out} holds a run with other frozen weights than these: give the --weights and the "
                "--text_encoder that it started from, or another --out."
            )
        self.model.load_state_dict(state["model"], strict=False)
        self.average.state = {key: value.to(self.accelerator.device) for key, value in state["average"].items()}
        self.optimizer.load_state_dict(state["optimizer"])
        if self.accelerator.scaler and state["scaler"]:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        mine = self.accelerator.process_index
        restore_random_states([state["random"], *state.get("random_of_others", [])][mine])
        self.step, self.bad_losses = state["step"], state["bad_losses"]
        self.best, self.seconds = state["best"], state["seconds"]
        self.scored = state.get("scored")  # older states lack it

    # --- scores -------------------------------------------------------------------------------------------------------

    def validate(self) -> Scores:
        """Scores of the averaged weights on a fixed part of the validation split; the best are exported."""
        config = self.config
        if self.examples is None:
            self.examples = validation_examples(config)
        random = random_states()  # scoring must not change what training does next
        self.model.eval()
        averaged = self.average.in_place_of(self.model) if config.average else contextlib.nullcontext()
        with averaged:
            if self.accelerator.num_processes > 1:
                broadcast(list(self.model.buffers()))  # each process has its own statistics: score one model
            scores = evaluate(
                self.model,
                self.processor,
                spread(self.examples, config.validate_on),
                bfloat16=config.precision == "bf16",
            )
            if self.board:
                self.board.pictures(self.step, self.model, self.processor, spread(self.examples, config.pictures))
                self.board.validation(self.step, scores)
        restore_random_states(random)
        summary = scores.overall
        self.scored = {"count": summary.count, "table": scores.table()}
        miou = summary.miou or 0.0
        is_best = miou > self.best
        self.best = max(self.best, miou)
        if self.accelerator.is_main_process:
            self.write({"step": self.step, "samples": self.seen, "validation": scores.to_dict()})
            self._say(f"step {self.step}: validation mIoU {miou:.1f}, oIoU {summary.oiou or 0.0:.1f}")
            if is_best:
                self.export(self.out / "best")
        if is_best:
            self.save(BEST)
        return scores

    def export(self, folder: Path) -> None:
        """The averaged weights as a checkpoint folder."""
        state = self.average.whole_state(self.model) if self.config.average else None
        export(self.model, self.processor, folder, frozen=self.frozen, state=state)

    def finish(self) -> Outcome:
        folder = self.out / "checkpoint"
        if self.accelerator.is_main_process:
            self.export(folder)
            text = card(self.config, samples=self.seen, seconds=self.seconds, scored=self.scored)
            write_whole_text(folder / "README.md", text)
            if self.config.push_to_hub and not self.stopping:
                HfApi().create_repo(self.config.push_to_hub, exist_ok=True)
                HfApi().upload_folder(repo_id=self.config.push_to_hub, folder_path=folder)
            print(
                f"{'stopped' if self.stopping else 'done'} at step {self.step}: averaged weights in {folder}",
                flush=True,
            )
        self.accelerator.wait_for_everyone()
        return Outcome(folder, self.stopping)


def digest(tensors: dict[str, Tensor]) -> str:
    """Sixteen digits that tell whether two sets of named tensors are the same: SHA-256 over names and values."""
    total = hashlib.sha256()
    for key, tensor in sorted(tensors.items()):
        total.update(key.encode())
        total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:16]


def write_whole_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.encode())
