"""The training loop: forward, loss, backward, step; saved every few minutes, resumed to the bit."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from accelerate import Accelerator
from huggingface_hub import HfApi
from torch import Tensor, nn

from slvit.model import SLViTModel
from slvit.processor import SLViTProcessor
from train.average import Average
from train.board import Board
from train.card import card
from train.config import TrainConfig
from train.data.layout import examples_of
from train.evaluate import evaluate
from train.export import export, never_trained, write_whole
from train.loader import loader, samples_of_epochs
from train.losses import segmentation_loss
from train.metrics import Scores
from train.optimizer import freeze, learning_rate, make_optimizer, training_mode
from train.start import start_model
from train.state import BEST, LAST, load_state, random_states, restore_random_states, save_state

# May differ between the state on disk and the run that continues it.
CHANGEABLE = {"out", "data", "workers", "threads", "device", "save_every", "log_every", "keep_every", "validate_every"}
CHANGEABLE |= {"validate_on", "samples", "tensorboard", "pictures", "push_to_hub", "weights", "epochs", "size", "recipe"}


def train(config: TrainConfig) -> Path:
    """Starts the run of `config`, or continues it from its folder; gives the folder of the exported checkpoint.

    Stops cleanly after the step at hand on SIGTERM or SIGINT. Raises ValueError or FileNotFoundError naming what does
    not fit, and RuntimeError after `bad_losses` losses that were not finite.
    """
    if config.epochs:
        config = dataclasses.replace(config, samples=samples_of_epochs(config))
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    accelerator = Accelerator(
        mixed_precision=config.precision,
        cpu=config.device == "cpu",
        gradient_accumulation_steps=1,  # counted below, so that a saved position is a whole step
    )
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
    model.checkpoint_blocks(config.checkpoint_blocks)
    if config.channels_last:
        model = model.to(memory_format=torch.channels_last)
    if accelerator.num_processes > 1:
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model) if accelerator.device.type == "cuda" else model
    model.to(accelerator.device)
    optimizer = make_optimizer(model, config, accelerator.device)
    average = Average(model, config.average)
    run = _Run(config, accelerator, model, processor, optimizer, average, frozen, out)
    if (out / LAST).exists():
        run.resume(load_state(out / LAST))
        say(f"continued from step {run.step}, {run.seen:,} samples seen")
    effective = config.batch_size * config.accumulate * accelerator.num_processes
    say(f"{config.samples:,} samples, effective batch {effective} "
        f"({config.batch_size} × {config.accumulate} steps × {accelerator.num_processes} processes), "
        f"{run.steps:,} steps on {accelerator.device}")  # fmt: skip
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
        self.together = config.batch_size * config.accumulate * accelerator.num_processes
        self.steps = config.samples // self.together
        self.step = 0
        self.bad_losses = 0
        self.best = -1.0
        self.seconds = 0.0
        self.stopping = False
        self.scores: Scores | None = None  # of the last validation
        self.board = Board(out) if config.tensorboard and accelerator.is_main_process else None

    @property
    def seen(self) -> int:
        return self.step * self.together

    # --- steps --------------------------------------------------------------------------------------------------------

    def go(self) -> None:
        """Steps until the run is through or is told to stop."""
        handlers = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            self._go()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

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
        training_mode(self.model)
        began, window = time.monotonic(), []
        while self.step < self.steps and not self.stopping:
            lr = learning_rate(config, step=self.step, steps=self.steps)
            loss, norm = self._one_step(batches, lr)
            self.step += 1
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
                training_mode(self.model)
                began = time.monotonic()
            if self.step % config.save_every == 0:
                self.save(LAST)
        self.save(LAST)

    def _one_step(self, batches: Any, lr: float) -> tuple[float, float]:
        """One update of the weights from `accumulate` batches; gives mean loss and gradient norm."""
        config = self.config
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group["scale"]
        total = 0.0
        for turn in range(config.accumulate):
            batch = {key: tensor.to(self.accelerator.device) for key, tensor in next(batches).items()}
            last = turn == config.accumulate - 1
            with self.accelerator.no_sync(self.wrapped) if not last else contextlib.nullcontext():
                loss = self._loss(batch) / config.accumulate
                self.accelerator.backward(loss)
            total += float(loss.detach())
        total = float(self.accelerator.reduce(torch.tensor(total, device=self.accelerator.device), "mean"))
        norm = 0.0
        if config.clip:
            norm = float(self.accelerator.clip_grad_norm_(self.model.parameters(), config.clip))
        if torch.isfinite(torch.tensor([total, norm])).all():
            self.optimizer.step()
            if config.average:
                self.average.update(self.model, self.step)
        else:
            self.bad_losses += 1
            self.accelerator.print(f"step {self.step}: loss {total}, gradient norm {norm}: skipped")
            if self.bad_losses > config.bad_losses:
                raise RuntimeError(
                    f"{self.bad_losses} steps had a loss that is not finite: lower --lr, or use --precision no."
                )
        self.optimizer.zero_grad(set_to_none=True)
        return total, norm

    def _loss(self, batch: dict[str, Tensor]) -> Tensor:
        pixels = batch["pixel_values"].float() / 255  # B×3×H×W, 0..1
        if self.config.channels_last:
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        with self.accelerator.autocast():
            logits = self.wrapped(pixels, batch["input_ids"], batch["attention_mask"]).logits  # B×2×H×W
        return segmentation_loss(logits, batch["mask"], dice_weight=self.config.dice)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    # --- what stays ---------------------------------------------------------------------------------------------------

    def _log(self, **values: float) -> None:
        if not self.accelerator.is_main_process:
            return
        left = (self.steps - self.step) * self.together / max(1e-9, values["samples_per_second"])
        line = {"step": self.step, "samples": self.seen, **{key: float(f"{v:.5g}") for key, v in values.items()}}
        if self.board:
            self.board.curves(self.step, values)
        line |= {"seconds": round(self.seconds), "seconds_left": round(left)}
        self.write(line)
        print(
            f"step {self.step}/{self.steps}  loss {values['loss']:.4f}  lr {values['lr']:.2e}  "
            f"{values['samples_per_second']:.1f} samples/s  {left / 60:.0f} min left",
            flush=True,
        )

    def write(self, line: dict[str, Any]) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        with (self.out / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def save(self, name: str) -> None:
        if self.accelerator.is_main_process:
            save_state(self.out / name, self.state())
        self.accelerator.wait_for_everyone()

    def state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "together": self.together,
            "model": {key: value for key, value in self.model.state_dict().items() if key not in self.frozen},
            "average": self.average.state,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.accelerator.scaler.state_dict() if self.accelerator.scaler else {},
            "random": random_states(),
            "bad_losses": self.bad_losses,
            "best": self.best,
            "seconds": self.seconds,
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
        self.model.load_state_dict(state["model"], strict=False)
        self.average.state = {key: value.to(self.accelerator.device) for key, value in state["average"].items()}
        self.optimizer.load_state_dict(state["optimizer"])
        if self.accelerator.scaler and state["scaler"]:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        restore_random_states(state["random"])
        self.step, self.bad_losses = state["step"], state["bad_losses"]
        self.best, self.seconds = state["best"], state["seconds"]

    # --- scores -------------------------------------------------------------------------------------------------------

    def validate(self) -> Scores:
        """Scores of the averaged weights on a fixed part of the validation split; the best are exported."""
        config = self.config
        examples = examples_of(
            Path(config.data), config.dataset, split=config.validate_split, partition=config.split_by
        )
        stride = max(1, len(examples) // self.config.validate_on)
        random = random_states()  # scoring must not change what training does next
        self.model.eval()
        with self.average.in_place_of(self.model):
            scores = evaluate(self.model, self.processor, examples[::stride], bfloat16=self.config.precision == "bf16")
            if self.board:
                shown = examples[:: max(1, len(examples) // max(1, config.pictures))][: config.pictures]
                self.board.pictures(self.step, self.model, self.processor, shown)
                self.board.curves(
                    self.step, {"validation/mIoU": scores.overall.miou, "validation/oIoU": scores.overall.oiou}
                )
        restore_random_states(random)
        self.scores = scores
        summary = scores.overall
        is_best = summary.miou > self.best
        self.best = max(self.best, summary.miou)
        if self.accelerator.is_main_process:
            self.write({"step": self.step, "samples": self.seen, "validation": scores.to_dict()})
            print(f"step {self.step}: validation mIoU {summary.miou:.1f}, oIoU {summary.oiou:.1f}", flush=True)
            if is_best:
                self.export(self.out / "best")
                save_state(self.out / BEST, self.state())
        return scores

    def export(self, folder: Path) -> None:
        """The averaged weights as a checkpoint folder."""
        state = self.average.whole_state(self.model) if self.config.average else None
        export(self.model, self.processor, folder, frozen=self.frozen, state=state)

    def finish(self) -> Path:
        folder = self.out / "checkpoint"
        if self.accelerator.is_main_process:
            self.export(folder)
            text = card(self.config, samples=self.seen, seconds=self.seconds, scores=self.scores)
            write_whole_text(folder / "README.md", text)
            if self.config.push_to_hub and not self.stopping:
                HfApi().create_repo(self.config.push_to_hub, exist_ok=True)
                HfApi().upload_folder(repo_id=self.config.push_to_hub, folder_path=folder)
            print(
                f"{'stopped' if self.stopping else 'done'} at step {self.step}: averaged weights in {folder}",
                flush=True,
            )
        self.accelerator.wait_for_everyone()
        return folder


def write_whole_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.encode())
