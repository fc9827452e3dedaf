"""Configuration of SLViT and its presets.

SLViT: Scale-Wise Language-Guided Vision Transformer for Referring Image Segmentation, IJCAI 2023.
Every row of the paper's table 2 is a field here; `visual_prior` and `coordinates` are this project's own additions.
"""

from __future__ import annotations

import difflib
import inspect
from typing import Any

from transformers import BertConfig, PretrainedConfig

KERNEL_SIZES = (5, 7, 11, 15, 21, 23)
DECODER_FEATURES = ("enhanced", "plain", "none")
UNCERTAINTIES = ("raw", "standardized")
VISUAL_PRIORS = (None, "efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")

# The text encoders of the presets: MiniLM-L6 (width 384) for the two demo sizes, BERT-base for the paper's own model.
MINILM = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
BERT_BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}

PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {
        "channels": [32, 64, 160, 256],
        "depths": [3, 3, 5, 2],
        "fusion_channels": 128,
        "decoder_channels": 128,
        "text_config": MINILM,
    },
    "small": {
        "channels": [64, 128, 320, 512],
        "depths": [2, 2, 4, 2],
        "fusion_channels": 256,
        "decoder_channels": 256,
        "text_config": MINILM,
    },
    "base": {
        "channels": [64, 128, 320, 512],
        "depths": [3, 3, 12, 3],
        "fusion_channels": 256,
        "decoder_channels": 512,
        "text_config": BERT_BASE,
    },
}

# What transformers itself writes into a config.json beside the fields of the model.
_LIBRARY_FIELDS = set(inspect.signature(PretrainedConfig.__init__).parameters) | set(PretrainedConfig().to_dict())
_LIBRARY_FIELDS |= {"torch_dtype", "dtype", "name_or_path", "_name_or_path", "_commit_hash"}
_LIBRARY_FIELDS |= {"attn_implementation", "experts_implementation"}
_LIBRARY_FIELDS |= {"model_type", "transformers_version", "architectures", "auto_map", "output_attentions"}


class SLViTConfig(PretrainedConfig):
    """All that defines an SLViT model but its weights.

    An unknown field raises ValueError with the nearest valid name.

    channels: C_1..C_4. depths: N_1..N_4, blocks a stage. ffn_ratios: r of each stage's feed-forward part.
    fusion_channels: C_f of URCE. decoder_channels: C_d of the decoder.
    kernel_sizes: strips of LMFA (eq. 2), a subset of 7, 11, 21, or one of 5, 15, 23 (table 2).
    gate: the gate of eq. 6. urce: uncertain region cross-scale enhancement (section 3.4).
    urce_stages: stages (1..4) whose patches URCE reads and replaces.
    decoder_features: for stages 1..4, what reaches the decoder: "enhanced" (F̃_i), "plain" (F_i), "none".
    top_k: patches that URCE refines, of the 225 cells of a 480×480 photo; other sizes take the same share.
    uncertainty: "raw" (eq. 8) or "standardized" (each R_i over its standard deviation first).
    coordinates: x and y of each position enter every stage. visual_prior: name of a pretrained CNN, or None.
    nmf_rank, nmf_steps: rank and multiplicative updates of the Hamburger's matrix decomposition.
    text_config: a BertConfig or the dict of one.
    """

    model_type = "slvit"
    sub_configs = {"text_config": BertConfig}

    def __init__(
        self,
        *,
        channels: list[int] | None = None,
        depths: list[int] | None = None,
        ffn_ratios: list[int] | None = None,
        fusion_channels: int = 128,
        decoder_channels: int = 128,
        kernel_sizes: list[int] | None = None,
        gate: bool = True,
        urce: bool = True,
        urce_stages: list[int] | None = None,
        decoder_features: list[str] | None = None,
        top_k: int = 32,
        uncertainty: str = "raw",
        coordinates: bool = False,
        visual_prior: str | None = None,
        nmf_rank: int = 64,
        nmf_steps: int = 6,
        text_config: BertConfig | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        for key in kwargs:
            if key not in _LIBRARY_FIELDS:
                near = difflib.get_close_matches(key, FIELDS, n=1, cutoff=0.0)[0]
                raise ValueError(f"SLViTConfig has no field {key!r}: the nearest is {near!r}.")
        if isinstance(text_config, PretrainedConfig):
            text_config = text_config.to_dict()
        self.text_config = BertConfig(**(text_config or MINILM))
        self.channels = list(PRESETS["tiny"]["channels"] if channels is None else channels)
        self.depths = list(PRESETS["tiny"]["depths"] if depths is None else depths)
        self.ffn_ratios = list((8, 8, 4, 4) if ffn_ratios is None else ffn_ratios)
        self.fusion_channels = fusion_channels
        self.decoder_channels = decoder_channels
        self.kernel_sizes = list((7, 11, 21) if kernel_sizes is None else kernel_sizes)
        self.gate = gate
        self.urce = urce
        self.urce_stages = list((1, 2, 3, 4) if urce_stages is None else urce_stages)
        self.decoder_features = list(("enhanced",) * 4 if decoder_features is None else decoder_features)
        self.top_k = top_k
        self.uncertainty = uncertainty
        self.coordinates = coordinates
        self.visual_prior = visual_prior
        self.nmf_rank = nmf_rank
        self.nmf_steps = nmf_steps
        self._check()
        super().__init__(**kwargs)

    @classmethod
    def from_preset(cls, name: str, **changes: Any) -> SLViTConfig:
        """The config of preset `name` ("tiny", "small", "base") with `changes`; ValueError for another name."""
        if name not in PRESETS:
            raise ValueError(f"There is no preset {name!r}: choose one of {', '.join(PRESETS)}.")
        return cls(**{**PRESETS[name], **changes})

    def _get_generation_parameters(self) -> dict[str, Any]:
        """None: transformers takes `top_k` for its sampling of words, and would refuse to save the config."""
        return {}

    def _check(self) -> None:
        for name in ("channels", "depths", "ffn_ratios", "decoder_features"):
            if len(getattr(self, name)) != 4:
                raise ValueError(f"SLViTConfig.{name} needs one value for each of the 4 stages.")
        for name in (
            "channels",
            "depths",
            "ffn_ratios",
            "fusion_channels",
            "decoder_channels",
            "nmf_rank",
            "nmf_steps",
        ):
            value = getattr(self, name)
            for number in value if isinstance(value, list) else [value]:
                if type(number) is not int or number < 1:  # True is an int too
                    raise ValueError(f"SLViTConfig.{name} needs whole numbers from 1 on, not {number!r}.")
        if not set(self.kernel_sizes) <= set(KERNEL_SIZES) or _repeats(self.kernel_sizes):
            raise ValueError(f"SLViTConfig.kernel_sizes may hold each of {KERNEL_SIZES} once, not {self.kernel_sizes}.")
        if not set(self.urce_stages) <= {1, 2, 3, 4} or _repeats(self.urce_stages):
            raise ValueError(f"SLViTConfig.urce_stages may hold each of 1 to 4 once, not {self.urce_stages}.")
        if self.urce and not self.urce_stages:
            raise ValueError("SLViTConfig.urce_stages is empty: name a stage (1..4), or switch off urce.")
        if not set(self.decoder_features) <= set(DECODER_FEATURES) or set(self.decoder_features) == {"none"}:
            raise ValueError(
                f"SLViTConfig.decoder_features may hold {DECODER_FEATURES}, at least one not 'none': "
                f"{self.decoder_features} does not do."
            )
        if self.uncertainty not in UNCERTAINTIES:
            raise ValueError(f"SLViTConfig.uncertainty is one of {UNCERTAINTIES}, not {self.uncertainty!r}.")
        if self.visual_prior not in VISUAL_PRIORS:
            raise ValueError(f"SLViTConfig.visual_prior is one of {VISUAL_PRIORS}, not {self.visual_prior!r}.")
        if not 0 <= self.top_k <= 225:
            raise ValueError(f"SLViTConfig.top_k is a number of the 225 cells of a 480×480 photo, not {self.top_k}.")
        if self.fusion_channels % 8:
            raise ValueError("SLViTConfig.fusion_channels must be divisible by the 8 heads of URCE.")
        if self.decoder_channels % 64:
            raise ValueError("SLViTConfig.decoder_channels must be divisible by 64: half of it has 32 groups.")


def _repeats(numbers: list[int]) -> bool:
    return len(set(numbers)) < len(numbers)


FIELDS = tuple(name for name in inspect.signature(SLViTConfig.__init__).parameters if name not in ("self", "kwargs"))
