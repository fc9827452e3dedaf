"""From a trained model to a checkpoint folder that the app, the library and the next run load."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor
from transformers import BertConfig

from slvit.checkpoint import SHARDS, WEIGHTS
from slvit.config import FIELDS
from slvit.model import SLViTModel
from slvit.processor import SLViTProcessor
from train.state import replace_file

FROZEN = "model-frozen.safetensors"  # what was never trained: the same bytes in every version of a checkpoint
TRAINED = "model-trained.safetensors"


def export(
    model: SLViTModel,
    processor: SLViTProcessor,
    folder: Path,
    *,
    frozen: set[str],
    state: dict[str, Tensor] | None = None,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Writes config, processor and weights of `model` to `folder`; a file whose content is there already is left alone.

    frozen: keys of the state dict that were never trained, kept apart. state: weights in place of the model's own,
    such as an average. Floating-point weights are stored as `dtype`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        key: (tensor.to(dtype) if tensor.is_floating_point() else tensor).detach().cpu().contiguous()
        for key, tensor in sorted((state or model.state_dict()).items())
    }
    files = {
        FROZEN: {key: tensor for key, tensor in tensors.items() if key in frozen},
        TRAINED: {key: tensor for key, tensor in tensors.items() if key not in frozen},
    }
    write_weights(folder, files)
    config = model.config.to_diff_dict() | {name: getattr(model.config, name) for name in FIELDS}
    config |= {"architectures": [type(model).__name__], "dtype": str(dtype).removeprefix("torch.")}
    config["text_config"] = {
        key: value
        for key, value in BertConfig(**model.config.text_config.to_dict()).to_diff_dict().items()
        if key not in ("dtype", "architectures", "_name_or_path", "transformers_version")
    }
    write_json(folder / "config.json", config, indent=2)
    processor.save_pretrained(folder)


def write_weights(folder: Path, files: dict[str, dict[str, Tensor]]) -> None:
    """Writes the weights files of a checkpoint, by name, and their index, which a lone model.safetensors needs not.

    A file that holds these very tensors is left alone, one that would hold none is removed.
    """
    for name, part in files.items():
        if not part:
            (folder / name).unlink(missing_ok=True)
        elif not _holds(folder / name, part):
            write_whole(folder / name, save(part, metadata={"format": "pt"}))
    if files.keys() != {WEIGHTS}:
        index = {
            "metadata": {"total_size": sum(tensor.nbytes for part in files.values() for tensor in part.values())},
            "weight_map": {key: name for name, part in files.items() for key in part},
        }
        write_json(folder / SHARDS, index, indent=1)


def export_like(like: Path, out: Path, weights: dict[str, Tensor]) -> None:
    """Copies the checkpoint folder `like` to the new folder `out`, with `weights` (by key) in place of its own.

    Each keeps its precision on disk; a file in which nothing differs is copied as it is.
    Raises FileExistsError where `out` is there.
    """
    shutil.copytree(like, out)
    for file in out.glob("*.safetensors"):
        there = load_file(file)
        moved = {key: weights.get(key, tensor).to(tensor.dtype).contiguous() for key, tensor in there.items()}
        if any(not torch.equal(moved[key], there[key]) for key in there):
            replace_file(file, save(moved, metadata={"format": "pt"}))  # save_file would hide it from other users


def _holds(path: Path, part: dict[str, Tensor]) -> bool:
    """Whether the file has these very tensors: equal ones need not give equal bytes, for the header's order varies."""
    if not path.exists():
        return False
    try:
        there = load_file(path)
    except (SafetensorError, OSError):
        return False
    return there.keys() == part.keys() and all(
        there[key].dtype == tensor.dtype and torch.equal(there[key], tensor) for key, tensor in part.items()
    )


def write_json(path: Path, content: dict[str, Any], *, indent: int) -> None:
    write_whole(path, json.dumps(content, indent=indent, sort_keys=True).encode() + b"\n")


def write_whole(path: Path, content: bytes) -> None:
    """Writes `content` so that `path` holds the old bytes or the new ones, whatever happens in between."""
    if path.exists() and path.stat().st_size == len(content) and path.read_bytes() == content:
        return
    replace_file(path, content)


def never_trained(model: SLViTModel) -> set[str]:
    """Keys of pretrained parts that the run leaves as they are: parameters without gradient, and their buffers."""
    frozen = set()
    for prefix in ("text_encoder", "prior"):
        part = getattr(model, prefix, None)
        if part is None:
            continue
        for name, module in part.named_modules():
            parameters = list(module.parameters(recurse=False))
            if any(parameter.requires_grad for parameter in parameters):
                continue
            keys = [key for key, _ in module.named_parameters(recurse=False)]
            keys += [key for key, _ in module.named_buffers(recurse=False)]
            frozen |= {".".join(filter(None, (prefix, name, key))) for key in keys}
    return frozen & set(model.state_dict())
