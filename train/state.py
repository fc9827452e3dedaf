"""The state of a run on disk: whole or not at all, and all that exact resumption needs."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import torch

LAST, BEST = "last.pt", "best.pt"


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Writes `state`; `path` is always whole. Raises OSError, and leaves what was there, when the disk is full."""
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    replace_file(path, buffer.getbuffer())


def replace_file(path: Path, content: bytes | memoryview) -> None:
    """Writes under a temporary name, flushes to the disk, then renames: `path` holds the old bytes or the new ones.

    The temporary name is always the same, so that what a kill leaves behind is overwritten by the next attempt.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_state(path: Path) -> dict[str, Any]:
    """The state in `path`; ValueError where it cannot be read. Tensors and plain values only, never code."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path} cannot be read: remove it to start again, or put an earlier state there.") from error


def random_states() -> dict[str, Any]:
    states: dict[str, Any] = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state_all()
    return states


def restore_random_states(states: dict[str, Any]) -> None:
    torch.set_rng_state(states["torch"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["cuda"])
