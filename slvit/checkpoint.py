"""From a checkpoint folder to a model and its processor, refusing whatever is not whole and safe."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from safetensors import SafetensorError, safe_open

from slvit.config import SLViTConfig
from slvit.errors import CheckpointError
from slvit.model import SLViTModel
from slvit.processor import MAX_TOKENS, SLViTProcessor

BUNDLED = Path(__file__).resolve().parents[1] / "checkpoints" / "slvit-tiny"
WEIGHTS = "model.safetensors"
SHARDS = "model.safetensors.index.json"
UNSAFE_SUFFIXES = (".bin", ".pth", ".pt", ".pkl", ".ckpt")
FORMAT = 1  # of config.json, under "slvit_format"; without that key it is 1
LFS_POINTER = b"version https://git-lfs"


def load_checkpoint(
    folder_or_hub_id: str | Path, *, device: torch.device, dtype: torch.dtype
) -> tuple[SLViTModel, SLViTProcessor]:
    """The model, in evaluation mode on `device` with weights of type `dtype`, and its processor.

    folder_or_hub_id: a folder with config.json, weights as safetensors (whole or sharded), preprocessor_config.json
    and the tokenizer's files; or OWNER/NAME of such a repository on the Hugging Face hub, which is then downloaded.
    Raises CheckpointError, naming the file that is missing, damaged, unsafe or does not fit the others.
    """
    folder = find_checkpoint(folder_or_hub_id)
    config = _read_config(folder)
    _check_weights(folder)
    try:
        model, info = SLViTModel.from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            ignore_mismatched_sizes=True,  # they are reported below, in a sentence
            output_loading_info=True,
        )
    except Exception as error:
        raise CheckpointError(f"{folder}: the weights cannot be loaded ({_one_line(error)}).") from error
    problems = {
        "lack": sorted(info["missing_keys"]),
        "hold, unknown to the model,": sorted(info["unexpected_keys"]),
        "hold, in another shape,": sorted(key for key, *_ in info["mismatched_keys"]),
    }
    for what, keys in problems.items():
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise CheckpointError(f"{folder}: the weights {what} {keys[0]}{more}, so config.json is not theirs.")
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data = (
            tensor.data.clone()
        )  # still the file's own memory until here: cutting the file would end the process
    processor = _read_processor(folder)
    weights, needed = processor.image_processor.presence, config.decoder_channels // 2 + 2 * config.channels[3] + 1
    if weights is not None and len(weights) != needed:
        raise CheckpointError(
            f"{folder / 'preprocessor_config.json'}: presence has {len(weights)} weights, this model needs {needed}: "
            "fit it again with python -m train.presence."
        )
    needed, here = max(processor.tokenizer.get_vocab().values()) + 1, config.text_config.vocab_size
    if here < needed:
        raise CheckpointError(
            f"{folder}: text_config.vocab_size is {here}, the tokenizer needs {needed}: take both from one checkpoint."
        )
    processor.most_tokens = min(MAX_TOKENS, config.text_config.max_position_embeddings)
    return model.to(device).eval(), processor


def find_checkpoint(folder_or_hub_id: str | Path) -> Path:
    """The folder itself, or the one that the hub's files are downloaded to. CheckpointError where there is none."""
    folder = Path(folder_or_hub_id)
    if folder.is_dir():
        return folder
    name = str(folder_or_hub_id)
    if folder.exists():
        raise CheckpointError(f"{name} is a file: give the folder of the checkpoint.")
    # A path with a typing error must not become a request to the hub: its first part is a folder here.
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name) or folder.parent.is_dir():
        raise CheckpointError(f"There is no checkpoint folder {name}: check the path.")
    try:
        return Path(snapshot_download(name, allow_patterns=["*.json", "*.safetensors", "*.txt"]))
    except Exception as error:
        raise CheckpointError(
            f"There is no folder {name} here, and the Hugging Face hub gave none of that name: check both."
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise CheckpointError(f"{path.parent}: {path.name} is missing, so this is not a whole SLViT checkpoint.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON: copy the checkpoint again.") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds no JSON object: copy the checkpoint again.")
    return content


def _read_config(folder: Path) -> SLViTConfig:
    content = _read_json(folder / "config.json")
    kind = content.get("model_type")
    if kind != SLViTConfig.model_type:
        raise CheckpointError(
            f"{folder / 'config.json'} is of a model of type {kind!r}, not {SLViTConfig.model_type!r}."
        )
    format_here = content.pop("slvit_format", FORMAT)
    if format_here != FORMAT:
        raise CheckpointError(
            f"{folder / 'config.json'} is of format {format_here!r}, this release reads {FORMAT}: install a newer one."
        )
    try:
        return SLViTConfig.from_dict(content)
    except Exception as error:
        raise CheckpointError(f"{folder / 'config.json'}: {_one_line(error)}") from error


def _check_weights(folder: Path) -> None:
    """Every file of weights is there, is safetensors and is as long as its header says."""
    if (folder / WEIGHTS).exists():
        names = {WEIGHTS}
    elif (folder / SHARDS).exists():
        shards = _read_json(folder / SHARDS).get("weight_map")
        whole = isinstance(shards, dict) and shards and all(isinstance(name, str) for name in shards.values())
        if not whole:
            raise CheckpointError(f"{folder / SHARDS} is damaged: copy the checkpoint again.")
        names = set(shards.values())
    else:
        unsafe = sorted(path.name for path in folder.iterdir() if path.suffix in UNSAFE_SUFFIXES)
        if unsafe:
            raise CheckpointError(
                f"{folder / unsafe[0]} is a pickle, which can run any code when loaded: "
                f"only weights saved as safetensors are accepted."
            )
        raise CheckpointError(f"{folder}: {WEIGHTS} is missing, so there are no weights to load.")
    for name in sorted(names):
        path = folder / name
        if Path(name).name != name or not path.is_file():
            raise CheckpointError(f"{folder}: {name} is missing, which {SHARDS} names: copy the checkpoint again.")
        with path.open("rb") as file:
            if file.read(len(LFS_POINTER)) == LFS_POINTER:
                raise CheckpointError(f"{path} is only a Git LFS pointer: run `git lfs pull`.")
        try:
            with safe_open(path, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{path} is damaged or no safetensors file: copy it again.") from error


def _read_processor(folder: Path) -> SLViTProcessor:
    for name in ("preprocessor_config.json", "tokenizer.json", "tokenizer_config.json"):
        _read_json(folder / name)
    try:
        return SLViTProcessor.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise CheckpointError(f"{folder}: the processor's files do not fit ({_one_line(error)}).") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
