"""SegNeXt's ImageNet weights into SLViT's encoder, which the paper starts from.

MSCAN checkpoints (mscan_t.pth, mscan_s.pth, mscan_b.pth, mscan_l.pth) and their key names: SegNeXt, Guo et al., NeurIPS
2022, https://github.com/Visual-Attention-Network/SegNeXt, Apache-2.0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from slvit.model import SLViTModel

# MSCAN applies 1×k before k×1, SLViT k×1 before 1×k: the product of the two is the same kernel.
_RULES = (
    (r"patch_embed1\.proj\.(\d)\.(.+)", r"stages.0.downsample.\1.\2"),
    (r"patch_embed(\d)\.proj\.(weight|bias)", r"stages.{\1}.downsample.0.\2"),
    (r"patch_embed(\d)\.norm\.(.+)", r"stages.{\1}.downsample.1.\2"),
    (r"block(\d)\.(\d+)\.norm([12])\.(.+)", r"stages.{\1}.blocks.\2.norm\3.\4"),
    (r"block(\d)\.(\d+)\.attn\.proj_1\.(.+)", r"stages.{\1}.blocks.\2.proj_in.\3"),
    (r"block(\d)\.(\d+)\.attn\.proj_2\.(.+)", r"stages.{\1}.blocks.\2.proj_out.\3"),
    (r"block(\d)\.(\d+)\.attn\.spatial_gating_unit\.conv0\.(.+)", r"stages.{\1}.blocks.\2.lmfa.local.\3"),
    (r"block(\d)\.(\d+)\.attn\.spatial_gating_unit\.conv([012])_1\.(.+)", r"stages.{\1}.blocks.\2.lmfa.strips.\3.1.\4"),
    (r"block(\d)\.(\d+)\.attn\.spatial_gating_unit\.conv([012])_2\.(.+)", r"stages.{\1}.blocks.\2.lmfa.strips.\3.0.\4"),
    (r"block(\d)\.(\d+)\.attn\.spatial_gating_unit\.conv3\.(.+)", r"stages.{\1}.blocks.\2.lmfa.mix.\3"),
    (r"block(\d)\.(\d+)\.layer_scale_([12])", r"stages.{\1}.blocks.\2.layer_scale\3"),
    (r"block(\d)\.(\d+)\.mlp\.fc1\.(.+)", r"stages.{\1}.blocks.\2.ffn.0.\3"),
    (r"block(\d)\.(\d+)\.mlp\.dwconv\.dwconv\.(.+)", r"stages.{\1}.blocks.\2.ffn.1.\3"),
    (r"block(\d)\.(\d+)\.mlp\.fc2\.(.+)", r"stages.{\1}.blocks.\2.ffn.3.\3"),
    (r"norm(\d)\.(weight|bias)", r"stages.{\1}.norm.\2"),
)
_STRIPS = (7, 11, 21)  # MSCAN's, in the order of their numbers


def renamed(key: str, kernel_sizes: Sequence[int] = _STRIPS) -> str | None:
    """SLViT's name for a key of an MSCAN checkpoint; None for what SLViT has no part for, such as the classifier.

    kernel_sizes: SLViT's strips, which have numbers of their own where they are not MSCAN's.
    """
    key = key.removeprefix("backbone.")
    for pattern, name in _RULES:
        found = re.fullmatch(pattern, key)
        if found:
            name = re.sub(r"\{(\d)\}", lambda stage: str(int(stage[1]) - 1), found.expand(name))
            strip = re.search(r"(?<=\.strips\.)\d", name)
            if strip is None:
                return name
            length = _STRIPS[int(strip[0])]
            if length not in kernel_sizes:
                return None
            return name[: strip.start()] + str(list(kernel_sizes).index(length)) + name[strip.end() :]
    return None


def load_mscan(model: SLViTModel, file: Path) -> str:
    """Puts the weights in `file` into the encoder of `model`; gives a report of what was taken and what was not.

    Strips of a length that MSCAN lacks start anew, as the cross-modal attention does. The file is read with
    weights_only, so that it cannot run code. Raises FileNotFoundError, and ValueError where the file is no MSCAN
    checkpoint, or one of another size than the model.
    """
    if not file.is_file():
        raise FileNotFoundError(f"There is no file {file}: --encoder_weights names an MSCAN checkpoint of SegNeXt.")
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{file} holds more than weights, or is damaged: it is not loaded.") from error
    tensors: dict[str, Tensor] = content.get("state_dict", content)
    mine = model.state_dict()
    taken, left, other = {}, [], []
    for key, tensor in tensors.items():
        name = renamed(key, model.config.kernel_sizes)
        if name is None or name not in mine:
            left.append(key)
            continue
        if "layer_scale" in name:
            tensor = tensor.reshape(-1, 1, 1)
        if mine[name].shape != tensor.shape:
            other.append(f"{key} is {tuple(tensor.shape)}, the model's {name} {tuple(mine[name].shape)}")
            continue
        taken[name] = tensor
    if not taken or other:
        wrong = other[0] if other else "it has none of MSCAN's key names"
        raise ValueError(f"{file} does not fit this model: {wrong}.")
    model.load_state_dict(taken, strict=False)
    wanting = [key for key in mine if key.startswith("stages.") and key not in taken]
    report = f"encoder: {len(taken)} tensors of {file}"
    report += f"; {len(left)} of its keys have no part here, such as {left[0]}" if left else ""
    cross = sum(".lmfa.cross." in key for key in wanting)
    strips = sum(".lmfa.strips." in key for key in wanting)
    report += f"; {len(wanting)} tensors of the encoder start anew, {cross} of them cross-modal attention"
    return report + (f", {strips} of them strips of a length that MSCAN lacks" if strips else "")
