"""SLViT: Scale-Wise Language-Guided Vision Transformer for Referring Image Segmentation, IJCAI 2023.

Written from the paper, equation numbers are its own; the parts marked "ours" are not in it. Reading order is that of
the paper's figure 3: words, four stages of language-guided attention, uncertain region cross-scale enhancement (URCE),
decoder. The light Hamburger head follows Is Attention Better Than Matrix Decomposition?, Geng et al., ICLR 2021, and
SegNeXt, Guo et al., NeurIPS 2022, from which the paper takes its encoder's skeleton and its decoder.

Shapes: B batch, T words, H×W photo (multiples of 32); stage i of 1..4 has C_i channels at H_i×W_i, of stride 2^(i+1);
C_l channels of the text encoder, K patches, C_f channels of URCE, C_d of the decoder.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import AutoConfig, AutoModel, BertModel, PreTrainedModel
from transformers.utils import ModelOutput

from slvit.config import SLViTConfig
from slvit.prior import VisualPrior, prior_channels

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
URCE_HEADS = 8
CELLS_AT_480 = 225  # cells of stage 4 for a 480×480 photo: what `top_k` counts in


@dataclass
class SLViTOutput(ModelOutput):
    """What a forward pass gives; all but `logits` and `evidence` are None unless the insides were asked for.

    logits: B×2×H×W, channel 1 is what the expression means.
    features, enhanced_features: F_i and F̃_i, lists of 4 tensors B×C_i×H_i×W_i.
    word_scores: S_i of each stage's last block, before the softmax (eq. 5), list of 4, B×T×H_i×W_i, padding words 0.
    correlation: R_i, list of 4, B×H_i×W_i. uncertainty: map_U, B×H_4×W_4, not negative.
    patch_index: the K most uncertain cells, row-major in H_4×W_4, in falling order, B×K (K may be 0).
    attention: URCE's attention among the tokens of each patch, B×K×8×N×N, N = 85 when all stages take part.
    evidence: B×(C_d/2 + 2·C_4), what tells whether the thing meant is there at all, see `evidence_of`.
    """

    logits: Tensor | None = None
    features: list[Tensor] | None = None
    enhanced_features: list[Tensor] | None = None
    word_scores: list[Tensor] | None = None
    correlation: list[Tensor] | None = None
    uncertainty: Tensor | None = None
    patch_index: Tensor | None = None
    attention: Tensor | None = None
    evidence: Tensor | None = None


# --- Scale-wise language-guided encoder (sections 3.2 and 3.3) --------------------------------------------------------


class GatedCrossModalAttention(nn.Module):
    """Pixels ask, words answer (eq. 3 to 6)."""

    def __init__(self, channels: int, text_channels: int, *, gate: bool) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, channels, 1)
        self.key = nn.Linear(text_channels, channels)
        self.value = nn.Linear(text_channels, channels)
        self.gate = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.GELU()) if gate else nn.Identity()
        self.scale = text_channels**-0.5

    def forward(self, visual: Tensor, words: Tensor, is_word: Tensor) -> tuple[Tensor, Tensor]:
        """visual: B×C×H×W. words: B×T×C_l. is_word: bool B×T, False for padding. Gives B×C×H×W and S, B×HW×T."""
        B, C, H, W = visual.shape
        query = self.query(visual).flatten(2)  # B×C×HW, eq. 3
        key, value = self.key(words), self.value(words)  # B×T×C, eq. 4
        with torch.autocast(visual.device.type, enabled=False):  # S, its softmax and the norm's statistics in float32
            query = F.layer_norm(
                query.float(), query.shape[2:]
            )  # B×C×HW: instance norm, which one position may have too
            scores = query.transpose(1, 2) @ key.float().transpose(1, 2)  # B×HW×T, eq. 5: URCE reads these
            scores = scores.masked_fill(~is_word[:, None], 0.0)
            weights = (scores * self.scale).masked_fill(~is_word[:, None], -torch.inf).softmax(dim=-1)
            attended = weights @ value.float()  # B×HW×C
        attended = attended.transpose(1, 2).reshape(B, C, H, W).to(visual.dtype)
        return self.gate(attended), scores  # eq. 6


class LMFA(nn.Module):
    """Language-guided multi-scale fusion attention (section 3.3)."""

    def __init__(self, channels: int, text_channels: int, *, kernel_sizes: Iterable[int], gate: bool) -> None:
        super().__init__()
        self.local = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.strips = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, (k, 1), padding=(k // 2, 0), groups=channels),
                nn.Conv2d(channels, channels, (1, k), padding=(0, k // 2), groups=channels),
            )
            for k in kernel_sizes
        )
        self.cross = GatedCrossModalAttention(channels, text_channels, gate=gate)
        self.mix = nn.Conv2d(channels, channels, 1)

    def forward(self, visual: Tensor, words: Tensor, is_word: Tensor) -> tuple[Tensor, Tensor]:
        attended, scores = self.cross(visual, words, is_word)
        total = attended + self.spatial(visual)
        return self.mix(total) * visual, scores  # eq. 7

    def spatial(self, visual: Tensor) -> Tensor:
        """V_local and the strips of eq. 2, summed: B×C×H×W."""
        kind = visual.device.type
        # On a CPU the backward pass of depthwise kernels is slower in bfloat16 than in float32: a sixth of a step.
        halves = torch.is_autocast_enabled(kind) and kind != "cpu"
        with torch.autocast(kind, enabled=halves):
            visual = visual if halves else visual.to(self.local.weight.dtype)
            total = self.local(visual)
            for strip in self.strips:
                total = total + strip(visual)  # eq. 2
        return total


class Block(nn.Module):
    """LMFA between two projections, then a convolutional feed-forward part, both with layer scale (section 3.2)."""

    def __init__(
        self, channels: int, text_channels: int, *, ffn_ratio: int, kernel_sizes: Iterable[int], gate: bool
    ) -> None:
        super().__init__()
        hidden = channels * ffn_ratio
        self.norm1 = nn.BatchNorm2d(channels)
        self.proj_in = nn.Conv2d(channels, channels, 1)
        self.lmfa = LMFA(channels, text_channels, kernel_sizes=kernel_sizes, gate=gate)
        self.proj_out = nn.Conv2d(channels, channels, 1)
        self.layer_scale1 = nn.Parameter(torch.full((channels, 1, 1), 1e-2))
        self.norm2 = nn.BatchNorm2d(channels)
        self.ffn = nn.Sequential(
            nn.Conv2d(channels, hidden, 1),
            nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden),
            nn.GELU(),
            nn.Conv2d(hidden, channels, 1),
        )
        self.layer_scale2 = nn.Parameter(torch.full((channels, 1, 1), 1e-2))

    def forward(self, x: Tensor, words: Tensor, is_word: Tensor) -> tuple[Tensor, Tensor]:
        n = self.norm1(x)  # B×C×H×W
        attended, scores = self.lmfa(F.gelu(self.proj_in(n)), words, is_word)
        x = x + self.layer_scale1 * (self.proj_out(attended) + n)
        x = x + self.layer_scale2 * self.ffn(self.norm2(x))
        return x, scores


class Stage(nn.Module):
    """Downsampling (eq. 1), what the photo alone says (ours), blocks, layer norm: F_i."""

    def __init__(self, config: SLViTConfig, number: int) -> None:
        super().__init__()
        C = config.channels[number]
        if number == 0:  # the embedding: two convolutions of stride 2
            self.downsample = nn.Sequential(
                nn.Conv2d(3, C // 2, 3, stride=2, padding=1),
                nn.BatchNorm2d(C // 2),
                nn.GELU(),
                nn.Conv2d(C // 2, C, 3, stride=2, padding=1),
                nn.BatchNorm2d(C),
            )
        else:
            before = config.channels[number - 1]
            self.downsample = nn.Sequential(nn.Conv2d(before, C, 3, stride=2, padding=1), nn.BatchNorm2d(C))
        if config.visual_prior:
            inside = prior_channels(config.visual_prior)[number]
            self.prior_proj = nn.Sequential(nn.Conv2d(inside, C, 1, bias=False), nn.BatchNorm2d(C))
        if config.coordinates:
            self.coord_proj = nn.Conv2d(2, C, 1, bias=False)
        self.blocks = nn.ModuleList(
            Block(
                C,
                config.text_config.hidden_size,
                ffn_ratio=config.ffn_ratios[number],
                kernel_sizes=config.kernel_sizes,
                gate=config.gate,
            )
            for _ in range(config.depths[number])
        )
        self.norm = nn.LayerNorm(C, eps=1e-6)
        self.gradient_checkpointing = False

    def forward(self, x: Tensor, words: Tensor, is_word: Tensor, prior_feature: Tensor | None) -> tuple[Tensor, Tensor]:
        """Gives F_i (B×C×H×W), which the next stage reads too, and S_i of the last block (B×HW×T)."""
        x = self.downsample(x)  # B×C×H×W, eq. 1
        if prior_feature is not None:
            x = x + self.prior_proj(prior_feature)
        if hasattr(self, "coord_proj"):
            x = x + self.coord_proj(coordinates_of(x))
        for block in self.blocks:
            if self.gradient_checkpointing and self.training:
                x, scores = checkpoint(block, x, words, is_word, use_reentrant=False)
            else:
                x, scores = block(x, words, is_word)
        feature = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # B×C×H×W
        return feature, scores


def coordinates_of(x: Tensor) -> Tensor:
    """x and y of each position of `x` (B×C×H×W), -1..1 from one edge cell's middle to the other's: 1×2×H×W."""
    H, W = x.shape[-2:]
    down, across = (_from_edge_to_edge(count, x) for count in (H, W))
    return torch.stack((across[None].expand(H, W), down[:, None].expand(H, W)))[None]  # 1×2×H×W


def _from_edge_to_edge(count: int, x: Tensor) -> Tensor:
    if torch.compiler.is_exporting():  # where linspace would bind the graph to one shape of photo
        return torch.arange(count, device=x.device, dtype=x.dtype) * (2 / torch.sym_max(count - 1, 1)) - 1
    return torch.linspace(-1, 1, count, device=x.device, dtype=x.dtype)


# --- Uncertain region cross-scale enhancement (section 3.4) -----------------------------------------------------------


def patches_of(config: SLViTConfig, cells: int) -> int:
    """K of a photo whose stage 4 has `cells`: the share that `top_k` is of the 225 cells at 480×480, at least one."""
    # To the nearest whole number; in integers, which an exported graph can carry for every shape of photo.
    return max(1, (2 * config.top_k * cells + CELLS_AT_480) // (2 * CELLS_AT_480)) if config.top_k else 0


def uncertainty_map(correlation: list[Tensor], *, standardized: bool) -> Tensor:
    """map_U (eq. 8) of R_1..R_4 (B×H_i×W_i, float32): where neighbouring scales disagree, B×H_4×W_4."""
    downsampled = []
    for number, R in enumerate(correlation):
        if standardized:  # ours: no stage's scale rules the sum
            R = R / R.flatten(1).std(dim=1, correction=0).clamp_min(1e-6)[:, None, None]
        downsampled.append(F.avg_pool2d(R[:, None], 8 // 2**number)[:, 0])  # B×H_4×W_4
    return sum((later - earlier).abs() for earlier, later in zip(downsampled, downsampled[1:], strict=False))


class URCE(nn.Module):
    """Lets the 85 positions of an uncertain patch, over all four scales, look at each other (eq. 10 to 12)."""

    def __init__(self, config: SLViTConfig) -> None:
        super().__init__()
        C_f = config.fusion_channels
        self.stages = [number - 1 for number in config.urce_stages]
        self.unify = nn.ModuleList(nn.Linear(C, C_f) for C in config.channels)
        self.norm = nn.LayerNorm(C_f)
        self.qkv = nn.Linear(C_f, 3 * C_f)
        self.proj = nn.Linear(C_f, C_f)
        self.reverse = nn.ModuleList(nn.Linear(C_f, C) for C in config.channels)

    def forward(
        self, features: list[Tensor], index: Tensor, *, output_attention: bool
    ) -> tuple[list[Tensor], Tensor | None]:
        """features: F_i, B×C_i×H_i×W_i. index: B×K cells of H_4×W_4. Gives F̃_i and, if asked, B×K×8×N×N."""
        B, K = index.shape
        width = features[-1].shape[-1]  # W_4: rows and columns both come from the width of the grid
        row = index // width  # B×K
        column = index - row * width
        batch = torch.arange(B, device=index.device)[:, None]  # B×1
        sides = [8 // 2**number for number in range(4)]

        tokens = []
        for number in self.stages:
            cells = in_cells(features[number], sides[number])  # B×H_4×W_4×p×p×C_i
            patch = cells[batch, row, column].flatten(2, 3)  # B×K×p²×C_i
            tokens.append(self.unify[number](patch))  # B×K×p²×C_f, eq. 10
        counts = [patch.shape[2] for patch in tokens]
        x = torch.cat(tokens, dim=2)  # B×K×N×C_f, N = 64+16+4+1 = 85
        attended, attention = self.attend(self.norm(x), output_attention=output_attention)
        x = x + attended  # eq. 11

        enhanced = list(features)
        for number, refined in zip(self.stages, x.split(counts, dim=2), strict=True):
            p = sides[number]
            refined = self.reverse[number](refined).unflatten(2, (p, p))  # B×K×p×p×C_i, eq. 12
            copy = features[number].clone()
            in_cells(copy, p)[batch, row, column] = refined.to(copy.dtype)  # replaced; all other positions untouched
            enhanced[number] = copy
        return enhanced, attention

    def attend(self, x: Tensor, *, output_attention: bool) -> tuple[Tensor, Tensor | None]:
        """x: B×K×N×C_f. MSA of eq. 11 within each patch, B×K×N×C_f, and, if asked, its weights B×K×8×N×N."""
        B, K, N, C_f = x.shape
        qkv = self.qkv(x).view(B * K, N, 3, URCE_HEADS, C_f // URCE_HEADS)  # BK×N×3×8×d
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # BK×8×N×d each
        attended = F.scaled_dot_product_attention(query, key, value)  # BK×8×N×d
        attended = attended.transpose(1, 2).reshape(B, K, N, C_f)
        attention = None
        if output_attention:  # recomputed beside the fused kernel, so that asking changes no bit of the answer
            scores = query.float() @ key.float().transpose(-2, -1) / math.sqrt(C_f // URCE_HEADS)
            attention = scores.softmax(dim=-1).view(B, K, URCE_HEADS, N, N)
        return self.proj(attended), attention


def in_cells(feature: Tensor, side: int) -> Tensor:
    """A view of `feature` (B×C×H_i×W_i) by the cells of stage 4's grid: B×H_4×W_4×side×side×C."""
    B, C, H, W = feature.shape
    return feature.unflatten(3, (W // side, side)).unflatten(2, (H // side, side)).permute(0, 2, 4, 3, 5, 1)


# --- Decoder (eq. 13) -------------------------------------------------------------------------------------------------


class NMF(nn.Module):
    """Non-negative matrix factorisation by multiplicative updates from fixed bases (Lee and Seung, 2001)."""

    def __init__(self, channels: int, *, rank: int, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.register_buffer("bases", self.seeded_bases(channels, rank))  # 1×C×r

    @staticmethod
    def seeded_bases(channels: int, rank: int) -> Tensor:
        generator = torch.Generator(device="cpu").manual_seed(0)
        return F.normalize(torch.rand(1, channels, rank, generator=generator, device="cpu"), dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """x: B×C×HW, not negative, float32. Gives its approximation of rank r; gradient by the last update only."""
        bases = self.bases.float().expand(x.shape[0], -1, -1)  # B×C×r
        with torch.no_grad():
            coefficients = (x.transpose(1, 2) @ bases).softmax(dim=-1)  # B×HW×r
            for _ in range(self.steps):
                coefficients = self.update_coefficients(x, bases, coefficients)
                gram = coefficients.transpose(1, 2) @ coefficients  # B×r×r
                bases = bases * (x @ coefficients) / (bases @ gram + 1e-6)
        coefficients = self.update_coefficients(x, bases, coefficients)
        return bases @ coefficients.transpose(1, 2)  # B×C×HW

    @staticmethod
    def update_coefficients(x: Tensor, bases: Tensor, coefficients: Tensor) -> Tensor:
        gram = bases.transpose(1, 2) @ bases  # B×r×r
        return coefficients * (x.transpose(1, 2) @ bases) / (coefficients @ gram + 1e-6)


class Decoder(nn.Module):
    """Four scales into one, light Hamburger, two classes."""

    def __init__(self, config: SLViTConfig) -> None:
        super().__init__()
        C_d = config.decoder_channels
        self.squeeze = nn.ModuleList(nn.Conv2d(C, C_d, 1, bias=False) for C in config.channels)
        self.squeeze_norm = nn.GroupNorm(32, C_d)
        self.ham_in = nn.Conv2d(C_d, C_d, 1)
        self.nmf = NMF(C_d, rank=config.nmf_rank, steps=config.nmf_steps)
        self.ham_out = nn.Sequential(nn.Conv2d(C_d, C_d, 1, bias=False), nn.GroupNorm(32, C_d))
        self.align = nn.Sequential(nn.Conv2d(C_d, C_d // 2, 1, bias=False), nn.GroupNorm(32, C_d // 2))
        self.classifier = nn.Conv2d(C_d // 2, 2, 1)

    def forward(self, features: list[Tensor | None]) -> tuple[Tensor, Tensor]:
        """features: for each stage B×C_i×H_i×W_i, or None where it does not reach the decoder. Gives the logits,
        B×2×H_1×W_1 in stage 1's size, and the features that they are read from, B×C_d/2×H_1×W_1."""
        squeezed = [
            None if feature is None else squeeze(feature)  # B×C_d×H_i×W_i: each at its own size
            for squeeze, feature in zip(self.squeeze, features, strict=True)
        ]
        number, first = next((number, x) for number, x in enumerate(squeezed) if x is not None)
        size = [side * 2**number for side in first.shape[-2:]]  # H_1×W_1
        x = sum(_resize(y, size) for y in squeezed if y is not None)  # B×C_d×H_1×W_1, eq. 13
        x = F.relu(self.squeeze_norm(x))
        ham = F.relu(self.ham_in(x))
        with torch.autocast(x.device.type, enabled=False):  # the products of the updates leave half precision's range
            ham = self.nmf(ham.float().flatten(2)).unflatten(2, size)  # B×C_d×H_1×W_1
        x = F.relu(x + self.ham_out(ham.to(x.dtype)))
        x = F.relu(self.align(x))  # B×C_d/2×H_1×W_1
        return self.classifier(x), x


def _resize(x: Tensor, size: list[int]) -> Tensor:
    if list(x.shape[-2:]) == list(size):
        return x
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


# --- Is it there at all? (ours) ---------------------------------------------------------------------------------------


@torch.no_grad()
def evidence_of(logits: Tensor, aligned: Tensor, deepest: Tensor) -> Tensor:
    """Features under the mask and over the whole photo: `SLViTProcessor.presence` tells by them whether what the words
    mean is there at all, which the mask's own probabilities hardly do.

    logits: B×2×H_1×W_1. aligned: what they are read from, B×C_d/2×H_1×W_1. deepest: F̃_4. Gives float32
    B×(C_d/2 + 2·C_4).
    """
    probability = (logits[:, 1:] - logits[:, :1]).float().sigmoid()  # B×1×H_1×W_1
    coarse = F.avg_pool2d(probability, 8)  # B×1×H_4×W_4
    aligned, deepest = aligned.float(), deepest.float()
    return torch.cat((_under(probability, aligned), _under(coarse, deepest), deepest.mean(dim=(2, 3))), dim=1)


def _under(probability: Tensor, feature: Tensor) -> Tensor:
    """The mean of `feature` (B×C×H×W) weighted by `probability` (B×1×H×W): B×C."""
    return (feature * probability).sum(dim=(2, 3)) / probability.sum(dim=(2, 3)).clamp_min(1e-6)


# --- The whole --------------------------------------------------------------------------------------------------------


class SLViTModel(PreTrainedModel):
    """Photo and expression to the logits of a mask (paper, figure 3)."""

    config_class = SLViTConfig
    base_model_prefix = ""
    main_input_name = "pixel_values"
    supports_gradient_checkpointing = False  # `checkpoint_blocks` below instead
    _supports_sdpa = True

    def __init__(self, config: SLViTConfig) -> None:
        super().__init__(config)
        self.text_encoder = BertModel(config.text_config, add_pooling_layer=False)
        if config.visual_prior:
            self.prior = VisualPrior(config.visual_prior)
        self.stages = nn.ModuleList(Stage(config, number) for number in range(4))
        self.urce = URCE(config) if config.urce else None
        self.decoder = Decoder(config)
        self.frozen_stages = 0  # so many of the first stages give no gradient to anything, see train.optimizer.freeze
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d):
            fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
        elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
        elif isinstance(module, Block):
            nn.init.constant_(module.layer_scale1, 1e-2)
            nn.init.constant_(module.layer_scale2, 1e-2)
        elif isinstance(module, NMF):
            with torch.no_grad():
                module.bases.copy_(NMF.seeded_bases(*module.bases.shape[1:]))

    def checkpoint_blocks(self, enabled: bool) -> None:
        """Whether training recomputes each block's activations in the backward pass to save memory."""
        for stage in self.stages:
            stage.gradient_checkpointing = enabled

    def encode_text(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """L: B×T×C_l of B×T word pieces."""
        return self.text_encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    def encode_photo(self, pixel_values: Tensor) -> list[Tensor] | None:
        """What of a photo (B×3×H×W, 0..1) does not depend on the words: the prior's four features; None without one."""
        return self.prior(pixel_values.to(self.dtype)) if self.config.visual_prior else None

    def forward(
        self,
        pixel_values: Tensor,
        input_ids: Tensor,
        attention_mask: Tensor,
        output_insides: bool = False,
        *,
        prior_features: list[Tensor] | None = None,
        patches: int | None = None,
    ) -> SLViTOutput:
        """Logits of the mask that an expression means, and on request how they came to be.

        pixel_values: B×3×H×W, RGB 0..1, H and W multiples of 32. input_ids, attention_mask: B×T.
        prior_features: the result of `encode_photo`, when it is at hand already.
        patches: K for this call instead of the config's share (0 switches URCE off).
        Raises ValueError for a size that is not a multiple of 32.
        """
        H, W = pixel_values.shape[-2:]
        if H % 32 or W % 32:
            raise ValueError(f"pixel_values are {H}×{W}: both sides must be multiples of 32.")
        config = self.config
        pixel_values = pixel_values.to(self.dtype)  # the processor gives float32, the weights may be of half precision
        is_word = attention_mask.bool()  # B×T
        words = self.encode_text(input_ids, attention_mask)  # B×T×C_l
        if prior_features is None:
            prior_features = self.encode_photo(pixel_values)

        mean, std = (pixel_values.new_tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
        x = (pixel_values - mean) / std  # B×3×H×W
        features, scores, sizes = [], [], []
        for number, stage in enumerate(self.stages):
            with torch.no_grad() if number < self.frozen_stages else nullcontext():
                x, S = stage(x, words, is_word, prior_features[number] if prior_features else None)
            features.append(x)  # B×C_i×H_i×W_i
            scores.append(S)  # B×H_iW_i×T, float32
            sizes.append(x.shape[-2:])

        cells = sizes[3][0] * sizes[3][1]
        patches = patches_of(config, cells) if patches is None else min(patches, cells)
        enhanced, correlation, uncertainty, index, attention = features, None, None, None, None
        if self.urce is not None and patches or output_insides:
            correlation = [S.sum(dim=2).unflatten(1, size) for S, size in zip(scores, sizes, strict=True)]  # B×H_i×W_i
            uncertainty = uncertainty_map(correlation, standardized=config.uncertainty == "standardized")  # eq. 8
            index = uncertainty.flatten(1).topk(patches, dim=1).indices  # B×K, eq. 9
        if self.urce is not None and patches:
            enhanced, attention = self.urce(features, index, output_attention=output_insides)  # eq. 10-12

        reaching = {"enhanced": enhanced, "plain": features, "none": [None] * 4}
        read = [reaching[choice][number] for number, choice in enumerate(config.decoder_features)]
        logits, aligned = self.decoder(read)
        evidence = evidence_of(logits, aligned, enhanced[3])  # B×(C_d/2 + 2·C_4)
        logits = F.interpolate(logits.float(), size=(H, W), mode="bilinear", align_corners=False)  # B×2×H×W
        if not output_insides:
            return SLViTOutput(logits=logits, evidence=evidence)
        return SLViTOutput(
            logits=logits,
            features=features,
            enhanced_features=enhanced,
            word_scores=[
                S.transpose(1, 2).unflatten(2, size) for S, size in zip(scores, sizes, strict=True)
            ],  # B×T×H_i×W_i
            correlation=correlation,
            uncertainty=uncertainty,
            patch_index=index,
            attention=attention,
            evidence=evidence,
        )


AutoConfig.register("slvit", SLViTConfig)
AutoModel.register(SLViTConfig, SLViTModel)
