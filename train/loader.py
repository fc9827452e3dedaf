"""Batches for a run: which samples, at which size, in which order, all a function of the config and the position."""

from __future__ import annotations

import signal
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from slvit.processor import SLViTProcessor
from train.config import Source, TrainConfig
from train.data import refcoco
from train.data.example import Example
from train.data.layout import examples_of
from train.data.made import MadeSamples, Recipe
from train.data.mix import MixedSamples, SizeInMix, numbers_of_parts, refuse_photos
from train.data.sentences import SentenceSamples

# Width over height of a batch beside square ones, as steps of 32 pixels allow.
WIDER = {160: (128, 192), 192: (160, 224), 224: (192, 256), 256: (224, 288), 320: (256, 384), 384: (320, 448)}
AHEAD = 6  # batches that each worker makes before they are asked for


@dataclass(frozen=True)
class SizeOf:
    """The size (H, W) of sample `number`: the phase's side; shapes: shares of square, wider and taller batches."""

    phases: tuple[tuple[float, int], ...]
    samples: int
    together: int  # samples that share a size: those of one step, over all processes
    shapes: tuple[float, ...]
    seed: int

    def __call__(self, number: int) -> tuple[int, int]:
        past = number // self.together * self.together / self.samples
        ends = np.cumsum([share for share, _ in self.phases])
        side = self.phases[min(int((past >= ends - 1e-9).sum()), len(self.phases) - 1)][1]
        if side not in WIDER:
            return side, side
        low, high = WIDER[side]
        drawn = np.random.default_rng([self.seed, 1, number // self.together]).random()
        square, wider, _ = self.shapes
        return (side, side) if drawn < square else (low, high) if drawn < square + wider else (high, low)


class Positions(Sampler[list[int]]):
    """Numbers of the samples of each batch of this process, from sample `start` on."""

    def __init__(self, *, start: int, samples: int, batch_size: int, process: int, processes: int) -> None:
        self.start, self.samples, self.batch_size = start, samples, batch_size
        self.process, self.processes = process, processes

    def __iter__(self) -> Iterator[list[int]]:
        step = self.batch_size * self.processes
        for first in range(self.start, self.samples - step + 1, step):
            begin = first + self.process * self.batch_size
            yield list(range(begin, begin + self.batch_size))

    def __len__(self) -> int:
        return max(0, (self.samples - self.start) // (self.batch_size * self.processes))


@dataclass(frozen=True)
class Collate:
    """Samples to tensors: photos 0..1, masks, word pieces; some words masked."""

    processor: SLViTProcessor
    max_words: int
    masked_words: float
    seed: int

    def __call__(self, samples: list[dict[str, Any]]) -> dict[str, Tensor]:
        photos = torch.from_numpy(np.stack([sample["photo"] for sample in samples]))  # B×H×W×3, uint8
        texts = self.processor.tokenizer(
            [sample["text"] for sample in samples],
            padding=True,
            truncation=True,
            max_length=self.max_words,
            return_tensors="pt",
        )
        input_ids = texts["input_ids"]  # B×T
        if self.masked_words:
            generator = np.random.default_rng([self.seed, 2, samples[0]["number"]])
            for row, length in enumerate(texts["attention_mask"].sum(1).tolist()):
                if length > 4 and generator.random() < self.masked_words:
                    input_ids[row, int(generator.integers(1, length - 1))] = self.processor.tokenizer.mask_token_id
        return {
            "pixel_values": photos.permute(0, 3, 1, 2),  # B×3×H×W, uint8: made 0..1 on the device
            "mask": torch.from_numpy(np.stack([sample["mask"] for sample in samples])),  # B×H×W
            "input_ids": input_ids,
            "attention_mask": texts["attention_mask"],
        }


class Numbered(Dataset):
    """Samples that know their number."""

    def __init__(self, samples: Dataset) -> None:
        self.inner = samples

    def __getitem__(self, number: int) -> dict[str, Any]:
        return {**self.inner[number], "number": number}


def training_samples(config: TrainConfig, *, size_of: Callable[[int], tuple[int, int]]) -> Dataset:
    """The data set, or mix of them, that `config` names.

    Photos of any validation or test split of RefCOCO and its kin are left out of a mix with one of them.
    Raises FileNotFoundError or ValueError naming what is missing and where.
    """
    sources = config.sources
    for source in sources:
        if not source.data or not (Path(source.data).is_dir() or source.data.endswith(".jsonl")):
            raise FileNotFoundError(f"There is no data folder {source.data!r}: give one with --data FOLDER.")
    if len(sources) == 1:
        return _samples_of(sources[0], config, size_of=size_of, seed=config.seed)
    kin = {Path(source.data) for source in sources if source.dataset in refcoco.DATASETS}
    held_out = set().union(*map(refcoco.held_out, sorted(kin)))
    numbers = numbers_of_parts([source.share for source in sources], samples=config.samples, seed=config.seed)
    parts = [
        _samples_of(
            source, config, size_of=SizeInMix(size_of, of_part), seed=config.seed + place, without_photos=held_out
        )
        for place, (source, of_part) in enumerate(zip(sources, numbers, strict=True))
    ]
    return MixedSamples(parts, numbers)


def _samples_of(
    source: Source,
    config: TrainConfig,
    *,
    size_of: Callable[[int], tuple[int, int]],
    seed: int,
    without_photos: Collection[int] = (),
) -> Dataset:
    root = Path(source.data)
    if source.dataset == "coco":
        if without_photos:
            refuse_photos(root, without_photos)
        return MadeSamples(
            root,
            recipe=Recipe.of(config.recipe),
            seed=seed,
            samples=config.samples,
            size_of=size_of,
            broken_photos=config.broken_photos,
        )
    return SentenceSamples(
        root,
        dataset=source.dataset,
        partition=source.split_by,
        seed=seed,
        size_of=size_of,
        light=config.light,
        mirrored=config.mirrored,
        broken_photos=config.broken_photos,
        without_photos=without_photos,
    )


def samples_of_epochs(config: TrainConfig) -> int:
    """How many samples the config's epochs have. Raises ValueError where samples are made without end, or mixed."""
    if config.dataset in ("coco", "mix"):
        raise ValueError("epochs: neither made expressions nor a mix have an end, so give --samples instead.")
    samples = training_samples(config, size_of=lambda number: (32, 32))
    return config.epochs * len(samples)


def validation_examples(config: TrainConfig) -> list[Example]:
    """The validation split of every data set of the run. Raises FileNotFoundError or ValueError."""
    return [
        example
        for source in config.sources
        for example in examples_of(
            Path(source.data), source.dataset, split=config.validate_split, partition=source.split_by
        )
    ]


def loader(
    config: TrainConfig, processor: SLViTProcessor, *, start: int, process: int = 0, processes: int = 1
) -> DataLoader:
    """Batches of this process from sample `start` on; the same whatever number of workers makes them."""
    together = config.batch_size * processes
    size_of = SizeOf(
        tuple((float(share), int(side)) for share, side in config.phases),
        config.samples,
        together * config.accumulate,
        tuple(config.shapes),
        config.seed,
    )
    return DataLoader(
        Numbered(training_samples(config, size_of=size_of)),
        batch_sampler=Positions(
            start=start,
            samples=config.samples,
            batch_size=config.batch_size,
            process=process,
            processes=processes,
        ),
        collate_fn=Collate(processor, config.max_words, config.masked_words, config.seed),
        num_workers=config.workers,
        prefetch_factor=AHEAD if config.workers else None,
        generator=torch.Generator(),  # the global one's state belongs to the run and is restored with it
        worker_init_fn=one_thread if config.workers else None,
    )


def one_thread(_: int) -> None:
    """A worker that does not take the cores from training, and leaves stopping to the main process."""
    import cv2

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def stop_workers(batches: Iterator[dict[str, Tensor]]) -> None:
    """Ends the workers that make `batches`, now.

    After an error nothing else would: they take no SIGTERM, and Python waits for them at the end of the process.
    """
    if hasattr(batches, "_shutdown_workers"):  # one without workers has no such method
        batches._shutdown_workers()
