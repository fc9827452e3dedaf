"""The batch on a cluster, by Ray Data: python -m slvit.batch LIST.jsonl OUT/ --ray ADDRESS|local

Tasks open a block's photos, actors hold the model and answer; Ray scales the two apart, holds the first back while the
second is busy, and repeats what was lost with a worker. Blocks come back in the list's order to this process, which
alone writes, so each line of the results is written once whatever died. Every machine must see the photos and the
checkpoint under the same paths.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
from collections.abc import Iterator, Sequence
from typing import Any

import ray
import torch
from ray.data import ActorPoolStrategy, DataContext

from slvit.blocks import Block, answer_block, prepare_block
from slvit.checkpoint import find_checkpoint
from slvit.processor import SLViTProcessor
from slvit.segmenter import ReferringSegmenter

BLOCKS_AT_ONCE = 4096  # handed to Ray together: a list of millions is read as it is answered


class Answerer:
    """An actor with the model."""

    def __init__(
        self, checkpoint: str, device: str, size: Sequence[int] | None, threads: int, threshold: float, batch: int
    ) -> None:
        torch.set_num_threads(threads)
        self.segmenter = ReferringSegmenter.from_pretrained(checkpoint, device=device, size=size)
        self.threshold, self.batch = threshold, batch

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        block, photos = pickle.loads(row["prepared"])
        results = answer_block(
            self.segmenter, block, photos, threshold=self.threshold, batch=self.batch, answered=row["answered"]
        )
        return {"results": [json.dumps(result) for result in results]}


def answer_on_cluster(
    blocks: Iterator[Block],
    *,
    address: str,
    checkpoint: str,
    device: str,
    threads: int,
    threshold: float,
    batch: int,
    size: Sequence[int] | None = None,
    answered: int,
    actors: int,
) -> Iterator[dict[str, Any]]:
    """One result for each pair of `blocks`, in order, but the first `answered` of the first block.

    address: of a running cluster, or "local" for one of this machine's own processes. actors: how many hold a model;
    each takes `threads` cores, or a graphics card when `device` is "cuda". Raises ConnectionError where no cluster is.
    """
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    quiet = {"log_to_driver": False, "logging_level": logging.WARNING}
    if address == "local":  # a core for each model's thread, and one for opening photos
        ray.init(num_cpus=max(os.cpu_count() or 1, actors * threads + 1), include_dashboard=False, **quiet)
    else:
        ray.init(address=address, **quiet)
    try:
        image_processor = SLViTProcessor.from_pretrained(find_checkpoint(checkpoint)).image_processor
        if size is not None:
            image_processor = image_processor.at(size)
        context = DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        on_gpu = device == "cuda"

        def prepare(row: dict[str, Any]) -> dict[str, Any]:
            block = pickle.loads(row["block"])
            return {
                "prepared": pickle.dumps((block, prepare_block(block, image_processor))),
                "answered": row["answered"],
            }

        while rows := _rows(blocks, answered):
            answered = 0
            answers = (
                ray.data.from_items(rows, override_num_blocks=len(rows))
                .map(prepare, num_cpus=0.5)  # not an actor's share, or Ray would make one step of both
                .map(
                    Answerer,
                    fn_constructor_args=(checkpoint, device, size, threads, threshold, batch),
                    compute=ActorPoolStrategy(size=actors),
                    num_gpus=1 if on_gpu else None,
                    num_cpus=None if on_gpu else threads,
                )
            )
            for row in answers.iter_rows():
                yield from map(json.loads, row["results"])
    finally:
        ray.shutdown()


def _rows(blocks: Iterator[Block], answered: int) -> list[dict[str, Any]]:
    rows = []
    for block in blocks:
        rows.append({"block": pickle.dumps(block), "answered": 0 if rows else answered})
        if len(rows) == BLOCKS_AT_ONCE:
            break
    return rows
