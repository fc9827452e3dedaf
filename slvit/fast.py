"""SLViT for answering on a CPU: the numbers of `SLViTModel` in evaluation mode, in about half of its time.

The layers' weights are copied once, at load, with all that algebra lets one do beforehand: batch norm goes into the
convolution beside it, value projection and gate become one matrix (attention's weights sum to one), every block's keys
and values come out of one product. Maps lie as B×H×W×C, so a 1×1 convolution is a matrix product, layer norm runs over
neighbours and no map is ever copied from one layout to another. What does not depend on the words is computed once a
photo. Reading order, names and equation numbers are those of slvit/model.py, which stays the one to read and to train.

Shapes are those of slvit/model.py; P = H_i·W_i positions of a stage, r the rank of the matrix factorisation.
"""

from __future__ import annotations

import platform
from collections.abc import Container
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.activations import ACT2FN

from slvit.model import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    LMFA,
    NMF,
    URCE,
    Block,
    Decoder,
    SLViTModel,
    SLViTOutput,
    Stage,
    coordinates_of,
    evidence_of,
    patches_of,
    uncertainty_map,
)
from slvit.prior import InvertedResidual, VisualPrior

# oneDNN's linear layer with weights packed beforehand: what torch.compile freezes a linear layer to.
PACKS = (
    platform.machine() in ("x86_64", "AMD64")
    and torch.backends.mkldnn.is_available()
    and all(
        hasattr(torch.ops.mkldnn, name) for name in ("_linear_pointwise", "_reorder_linear_weight")
    )  # PyTorch's own
)
gelu_ = torch.ops.aten.gelu_  # in place: a fresh map of stage 1 costs as much as the function itself


# --- Layers of fixed weights ------------------------------------------------------------------------------------------


class Linear:
    """x @ weight.T + bias, weight O×I: a 1×1 convolution of a map B×H×W×I. A tenth to a half faster than F.linear."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous()) if PACKS else weight
        self.bias = bias

    def __call__(self, x: Tensor) -> Tensor:
        if PACKS:
            return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")
        return F.linear(x, self.weight, self.bias)

    def relu(self, x: Tensor) -> Tensor:
        if PACKS:
            return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "relu", [], "")
        return F.linear(x, self.weight, self.bias).relu_()

    def relu6(self, x: Tensor) -> Tensor:
        if PACKS:
            return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "hardtanh", [0.0, 6.0], "")
        return F.linear(x, self.weight, self.bias).clamp_(0, 6)

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        if PACKS:
            return torch.ops.mkldnn._linear_pointwise.binary(x, other, self.weight, self.bias, "add")
        return F.linear(x, self.weight, self.bias).add_(other)

    def times(self, x: Tensor, other: Tensor) -> Tensor:
        if PACKS:
            return torch.ops.mkldnn._linear_pointwise.binary(x, other, self.weight, self.bias, "mul")
        return F.linear(x, self.weight, self.bias).mul_(other)


class Convolution:
    """A convolution of a map B×H×W×C, with the batch norm behind it, if any."""

    def __init__(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d | None = None) -> None:
        weight, bias = _folded(convolution, norm)
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.bias, self.groups = bias, convolution.groups
        self.stride, self.padding = convolution.stride, convolution.padding

    def __call__(self, x: Tensor) -> Tensor:
        y = F.conv2d(x.permute(0, 3, 1, 2), self.weight, self.bias, self.stride, self.padding, groups=self.groups)
        return y.permute(0, 2, 3, 1)  # B×H×W×C


def _folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d | None) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of a convolution with the batch norm behind it in them."""
    if norm is None:
        return convolution.weight.detach(), None if convolution.bias is None else convolution.bias.detach()
    scale, shift = _affine(norm)
    bias = shift if convolution.bias is None else shift + scale * convolution.bias.detach()
    return convolution.weight.detach() * scale[:, None, None, None], bias


def _affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Scale and shift of each channel that a batch norm is in evaluation mode."""
    scale = norm.weight.detach() * torch.rsqrt(norm.running_var + norm.eps)
    return scale, norm.bias.detach() - norm.running_mean * scale


def _linear(convolution: nn.Conv2d, norm: nn.BatchNorm2d | None = None) -> Linear:
    """A 1×1 convolution, with the batch norm behind it, if any."""
    weight, bias = _folded(convolution, norm)
    return Linear(weight.flatten(1), bias)


# --- Words ------------------------------------------------------------------------------------------------------------


class FastBert:
    """BertModel without its pooler: one product for queries, keys and values of a layer."""

    def __init__(self, bert: nn.Module) -> None:
        self.embeddings = bert.embeddings
        self.heads = bert.config.num_attention_heads
        self.activation = ACT2FN[bert.config.hidden_act]
        self.layers = []
        for layer in bert.encoder.layer:
            attention, out = layer.attention.self, layer.attention.output
            parts = (attention.query, attention.key, attention.value)
            qkv = Linear(*(torch.cat([getattr(part, name).detach() for part in parts]) for name in ("weight", "bias")))
            self.layers.append(
                (qkv, _dense(out.dense), out.LayerNorm, _dense(layer.intermediate.dense), _dense(layer.output.dense))
                + (layer.output.LayerNorm,)
            )

    def __call__(self, input_ids: Tensor, is_word: Tensor) -> Tensor:
        """L: B×T×C_l of B×T word pieces."""
        x = self.embeddings(input_ids=input_ids)  # B×T×C_l
        B, T, C = x.shape
        mask = None if bool(is_word.all()) else is_word[:, None, None]  # B×1×1×T
        for qkv, project, norm1, widen, narrow, norm2 in self.layers:
            query, key, value = qkv(x).view(B, T, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)  # B×h×T×d each
            attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
            x = norm1(project.plus(attended.transpose(1, 2).reshape(B, T, C), x))
            x = norm2(narrow.plus(self.activation(widen(x)), x))
        return x


def _dense(layer: nn.Linear) -> Linear:
    return Linear(layer.weight.detach(), layer.bias.detach())


# --- Encoder ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asking:
    """What a block knows of the photo before it hears a word: V and its spatial part (B×H×W×C), centred queries
    (B×P×C) and their inverse standard deviations over the photo (B×1×C)."""

    visual: Tensor
    spatial: Tensor
    query: Tensor
    inverse_std: Tensor


@dataclass(frozen=True)
class PhotoPart:
    """What of a photo does not depend on the words: stage 1's input (B×H_1×W_1×C_1), what its first block asks, and
    what the visual prior and the coordinates add to stages 2 to 4 (B×H_i×W_i×C_i; None where there are neither)."""

    start: Tensor
    first: Asking
    added: list[Tensor | None]


class FastBlock:
    def __init__(self, block: Block) -> None:
        scale, shift = _affine(block.norm1)
        into = block.proj_in.weight.detach().flatten(1)
        self.proj_in = Linear(into * scale, block.proj_in.bias.detach() + into @ shift)  # BN, then 1×1

        lmfa: LMFA = block.lmfa
        self.local = Convolution(lmfa.local)
        self.strips = [(Convolution(strip[0]), Convolution(strip[1])) for strip in lmfa.strips]
        self.query = Linear(lmfa.cross.query.weight.detach().flatten(1))  # the instance norm takes its bias away
        self.scale = lmfa.cross.scale
        self.gated = isinstance(lmfa.cross.gate, nn.Sequential)
        self.mix = _linear(lmfa.mix)

        s1, s2 = block.layer_scale1.detach().flatten(), block.layer_scale2.detach().flatten()
        out = block.proj_out
        self.proj_out = Linear(
            out.weight.detach().flatten(1) * s1[:, None], s1 * (out.bias.detach() + shift)
        )  # s1·(1×1 + shift of n)
        self.kept = 1 + s1 * scale  # of x, by x + s1·n

        scale, shift = _affine(block.norm2)
        widen, depthwise, _, narrow = block.ffn
        into = widen.weight.detach().flatten(1)
        self.widen = Linear(into * scale, widen.bias.detach() + into @ shift)
        self.depthwise = Convolution(depthwise)
        self.narrow = Linear(narrow.weight.detach().flatten(1) * s2[:, None], s2 * narrow.bias.detach())

    def ask(self, x: Tensor) -> Asking:
        """x: B×H×W×C."""
        visual = gelu_(self.proj_in(x))  # B×H×W×C
        spatial = self.local(visual)
        for down, across in self.strips:
            spatial = spatial.add_(across(down(visual)))  # eq. 2
        query = self.query(visual).flatten(1, 2)  # B×P×C, eq. 3
        query = query.sub_(query.mean(dim=1, keepdim=True))
        inverse_std = torch.rsqrt(query.square().mean(dim=1, keepdim=True) + 1e-5)  # B×1×C
        return Asking(visual, spatial, query, inverse_std)

    def hear(
        self, x: Tensor, asking: Asking, key: Tensor, value: Tensor, padding: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """x: B×H×W×C. key, value: B×T×C, the value gated. padding: B×T×1, True where there is no word, None where
        there are words only. Gives the block's result and S, B×T×P: softmax runs along memory that way."""
        scores = (key * asking.inverse_std) @ asking.query.transpose(1, 2)  # B×T×P, eq. 5
        weights = scores * self.scale
        if padding is not None:
            scores = scores.masked_fill(padding, 0.0)
            weights = weights.masked_fill_(padding, -torch.inf)
        attended = (weights.softmax(dim=1).transpose(1, 2) @ value).view_as(x)  # B×H×W×C
        attended = gelu_(attended) if self.gated else attended  # eq. 6
        fused = self.mix.times(attended.add_(asking.spatial), asking.visual)  # eq. 7
        x = self.proj_out(fused).addcmul_(x, self.kept)
        return self.narrow.plus(gelu_(self.depthwise(self.widen(x))), x), scores


class FastStage:
    def __init__(self, stage: Stage) -> None:
        layers = list(stage.downsample)
        self.downsample = Convolution(*layers[-2:])
        self.embed = Convolution(*layers[:2]) if len(layers) > 2 else None
        self.prior_proj = _linear(*stage.prior_proj) if hasattr(stage, "prior_proj") else None
        self.coord_proj = _linear(stage.coord_proj) if hasattr(stage, "coord_proj") else None
        self.blocks = [FastBlock(block) for block in stage.blocks]
        self.norm = stage.norm

    def added(self, size: tuple[int, int], prior_feature: Tensor | None) -> Tensor | None:
        """What prior (B×H×W×C') and coordinates add to the stage's input: B×H×W×C or 1×H×W×C."""
        added = None if prior_feature is None else self.prior_proj(prior_feature)
        if self.coord_proj is not None:
            places = self.coord_proj(coordinates_of(torch.empty(1, 1, *size)).permute(0, 2, 3, 1).contiguous())
            added = places if added is None else added.add_(places)
        return added


class FastPrior:
    """EfficientNet-Lite with its batch norms folded."""

    def __init__(self, prior: VisualPrior) -> None:
        self.stem = Convolution(prior.stem[0], prior.stem[1])
        self.taps = prior.taps
        self.blocks = []
        for block in prior.blocks:
            block: InvertedResidual
            expand = _linear(*block.expand[:2]) if block.expands else None
            depthwise, project = Convolution(*block.depthwise[:2]), _linear(*block.project)
            self.blocks.append((expand, depthwise, project, block.adds_input))

    def __call__(self, pixels: Tensor) -> list[Tensor]:
        """pixels: B×H×W×3, 0..1. Gives B×H_i×W_i×C' for strides 4 to 32."""
        x = self.stem((pixels * 255 - 127) / 128).clamp_(0, 6)
        features = []
        for number, (expand, depthwise, project, adds_input) in enumerate(self.blocks):
            y = x if expand is None else expand.relu6(x)
            y = depthwise(y).clamp_(0, 6)
            x = project.plus(y, x) if adds_input else project(y)
            if number in self.taps:
                features.append(x)
        return features


# --- URCE -------------------------------------------------------------------------------------------------------------


class FastURCE:
    """Only the K patches are ever read or written."""

    def __init__(self, urce: URCE) -> None:
        self.urce = urce
        self.unify = {number: _dense(urce.unify[number]) for number in urce.stages}
        self.reverse = {number: _dense(urce.reverse[number]) for number in urce.stages}

    def __call__(
        self, features: list[Tensor], index: Tensor, *, kept: Container[int], output_attention: bool
    ) -> tuple[list[Tensor], Tensor | None]:
        """features: F_i, B×H_i×W_i×C_i, written to but for the stages in `kept` (0..3). index: B×K. Gives F̃_i and, if
        asked, B×K×8×N×N."""
        width = features[-1].shape[2]  # W_4
        row, column = index // width, index % width  # B×K
        batch = torch.arange(len(index))[:, None]  # B×1
        sides = [8 // 2**number for number in range(4)]
        tokens = []
        for number in self.urce.stages:
            patch = _cells(features[number], sides[number])[batch, row, column]  # B×K×p×p×C_i
            tokens.append(self.unify[number](patch).flatten(2, 3))  # B×K×p²×C_f, eq. 10
        x = torch.cat(tokens, dim=2)  # B×K×N×C_f
        attended, attention = self.urce.attend(self.urce.norm(x), output_attention=output_attention)
        x = x.add_(attended)  # eq. 11

        enhanced = list(features)
        for number, refined in zip(self.urce.stages, x.split([patch.shape[2] for patch in tokens], dim=2), strict=True):
            p = sides[number]
            if number in kept:
                enhanced[number] = features[number].clone()
            _cells(enhanced[number], p)[batch, row, column] = self.reverse[number](refined).unflatten(2, (p, p))
        return enhanced, attention


def _cells(feature: Tensor, side: int) -> Tensor:
    """A view of `feature` (B×H_i×W_i×C) by the cells of stage 4's grid: B×H_4×W_4×side×side×C."""
    B, H, W, C = feature.shape
    return feature.view(B, H // side, side, W // side, side, C).transpose(2, 3)


# --- Decoder ----------------------------------------------------------------------------------------------------------


class FastDecoder:
    def __init__(self, decoder: Decoder) -> None:
        self.squeeze = [_linear(squeeze) for squeeze in decoder.squeeze]
        self.squeeze_norm, self.ham_norm, self.align_norm = decoder.squeeze_norm, decoder.ham_out[1], decoder.align[1]
        self.ham_in = _linear(decoder.ham_in)
        self.ham_out = decoder.ham_out[0].weight.detach().flatten(1)  # C_d×C_d
        self.align = _linear(decoder.align[0])
        self.classifier = _linear(decoder.classifier)
        nmf: NMF = decoder.nmf
        self.steps = nmf.steps
        self.bases = nmf.bases[0].T.contiguous()  # r×C_d
        self.first_bases, self.first_gram = Linear(self.bases), self.bases @ self.bases.T  # the same for every photo

    def __call__(self, features: list[Tensor | None]) -> tuple[Tensor, Tensor]:
        """features: B×H_i×W_i×C_i, or None where a stage does not reach the decoder. Gives B×2×H_1×W_1 logits, and
        what they are read from, B×C_d/2×H_1×W_1."""
        number, first = next((number, x) for number, x in enumerate(features) if x is not None)
        size = [side * 2**number for side in first.shape[1:3]]  # H_1×W_1
        x = None
        for squeeze, feature in zip(self.squeeze, features, strict=True):
            if feature is None:
                continue
            y = squeeze(feature).permute(0, 3, 1, 2)  # B×C_d×H_i×W_i
            if list(y.shape[2:]) != size:
                y = F.interpolate(y, size=size, mode="bilinear", align_corners=False)
            x = y if x is None else x.add_(y)  # B×C_d×H_1×W_1, eq. 13
        x = self.squeeze_norm(x).relu_().permute(0, 2, 3, 1).flatten(1, 2)  # B×P×C_d
        x = torch.stack([self._hamburger(one) for one in x]) if len(x) > 1 else self._hamburger(x[0])[None]
        x = self.align(x).unflatten(1, size).permute(0, 3, 1, 2)  # B×C_d/2×H_1×W_1
        x = self.align_norm(x).relu_()
        return self.classifier(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), x

    def _hamburger(self, x: Tensor) -> Tensor:
        """x: P×C_d of one photo. Gives ReLU(x + group norm(1×1(factorisation)))."""
        coefficients, bases = self._factors(self.ham_in.relu(x))  # P×r, r×C_d
        # 1×1(coefficients @ bases) = coefficients @ mixed, so its mean and variance follow from the coefficients' own,
        # and the group norm becomes a scale and a shift of `mixed`: P×C_d is written once instead of four times.
        mixed = bases @ self.ham_out.T  # r×C_d
        middle = coefficients.mean(dim=0)  # r
        centred = coefficients - middle
        covariance = centred.T @ centred / len(centred)  # r×r
        norm = self.ham_norm
        mean = (middle @ mixed).view(norm.num_groups, -1)  # groups×channels of one
        variance = ((covariance @ mixed) * mixed).sum(dim=0).view_as(mean)
        group_mean = mean.mean(dim=1, keepdim=True)
        group_variance = (variance + (mean - group_mean).square()).mean(dim=1, keepdim=True)
        scale = norm.weight.detach().view_as(mean) * torch.rsqrt(group_variance + norm.eps)
        shift = norm.bias.detach() - (group_mean * scale).flatten()
        return Linear((mixed * scale.flatten()).T, shift).plus(coefficients, x).relu_()

    def _factors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x: P×C_d, not negative. Coefficients P×r and bases r×C_d whose product is near it; see `NMF`."""
        bases, gram = self.bases, self.first_gram
        x_parts = x.unflatten(0, (8, -1))  # 8×P/8×C_d: the cores share a batch of products better than one over all P
        numerator = self.first_bases(x)  # P×r
        coefficients = numerator.softmax(dim=1)
        for step in range(self.steps + 1):
            denominator = (coefficients @ gram).add_(1e-6)
            coefficients = coefficients.mul_(numerator).div_(denominator)
            if step < self.steps:
                overlap = coefficients.T @ coefficients  # r×r
                projected = (coefficients.unflatten(0, (8, -1)).transpose(1, 2) @ x_parts).sum(dim=0)  # r×C_d
                bases = bases * projected / (overlap @ bases + 1e-6)
                numerator, gram = Linear(bases)(x), bases @ bases.T
        return coefficients, bases


# --- The whole --------------------------------------------------------------------------------------------------------


class FastSLViT(nn.Module):
    """What `SLViTModel` answers, for a CPU in float32, without gradients.

    model: in evaluation mode, float32, on the CPU. Its weights are copied where they change, shared where they do not.
    """

    def __init__(self, model: SLViTModel) -> None:
        super().__init__()
        if model.training or model.dtype != torch.float32 or model.device.type != "cpu":
            raise ValueError("FastSLViT needs a model in evaluation mode, in float32, on the CPU.")
        self.config, self.device, self.dtype = model.config, model.device, model.dtype
        self.read = FastBert(model.text_encoder)
        self.prior = FastPrior(model.prior) if model.config.visual_prior else None
        self.stages = [FastStage(stage) for stage in model.stages]
        self.words_to_blocks, self.split = _words_to_blocks(model)
        self.urce = None if model.urce is None else FastURCE(model.urce)
        self.decoder = FastDecoder(model.decoder)
        self.eval()

    @torch.inference_mode()
    def encode_photo(self, pixel_values: Tensor) -> PhotoPart:
        """What of a photo (B×3×H×W, 0..1) does not depend on the words."""
        pixels = pixel_values.permute(0, 2, 3, 1).contiguous()  # B×H×W×3
        H, W = pixels.shape[1:3]
        features = [None] * 4 if self.prior is None else self.prior(pixels)
        sizes = [(H // 2**shift, W // 2**shift) for shift in (2, 3, 4, 5)]
        added = [stage.added(*pair) for stage, *pair in zip(self.stages, sizes, features, strict=True)]

        x = (pixels - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
        first = self.stages[0]
        x = first.downsample(gelu_(first.embed(x)))  # B×H_1×W_1×C_1, eq. 1
        x = x if added[0] is None else x.add_(added[0])
        return PhotoPart(x, first.blocks[0].ask(x), added[1:])

    @torch.inference_mode()
    def forward(
        self,
        pixel_values: Tensor,
        input_ids: Tensor,
        attention_mask: Tensor,
        output_insides: bool = False,
        *,
        prior_features: PhotoPart | None = None,
        patches: int | None = None,
    ) -> SLViTOutput:
        """See `SLViTModel.forward`; prior_features is the result of this model's own `encode_photo`."""
        H, W = pixel_values.shape[-2:]
        if H % 32 or W % 32:
            raise ValueError(f"pixel_values are {H}×{W}: both sides must be multiples of 32.")
        config = self.config
        photo = self.encode_photo(pixel_values) if prior_features is None else prior_features
        is_word = attention_mask.bool()  # B×T
        padding = None if bool(is_word.all()) else ~is_word[:, :, None]  # B×T×1
        heard = iter(self.words_to_blocks(self.read(input_ids, is_word)).split(self.split, dim=2))  # B×T×C_i each

        x, asking = photo.start, photo.first
        features, scores = [], []
        for stage, added in zip(self.stages, [None, *photo.added], strict=True):
            if features:
                x = stage.downsample(features[-1])  # B×H_i×W_i×C_i, eq. 1
                x = x if added is None else x.add_(added)
            for block in stage.blocks:
                asking = asking or block.ask(x)
                x, S = block.hear(x, asking, next(heard), next(heard), padding)
                asking = None
            features.append(stage.norm(x))  # B×H_i×W_i×C_i
            scores.append(S)  # B×T×P

        sizes = [feature.shape[1:3] for feature in features]
        cells = sizes[3][0] * sizes[3][1]
        patches = patches_of(config, cells) if patches is None else min(patches, cells)
        enhanced, correlation, uncertainty, index, attention = features, None, None, None, None
        if self.urce is not None and patches or output_insides:
            correlation = [S.sum(dim=1).unflatten(1, size) for S, size in zip(scores, sizes, strict=True)]  # B×H_i×W_i
            uncertainty = uncertainty_map(correlation, standardized=config.uncertainty == "standardized")  # eq. 8
            index = uncertainty.flatten(1).topk(patches, dim=1).indices  # B×K, eq. 9
        if self.urce is not None and patches:
            plain = {number for number, choice in enumerate(config.decoder_features) if choice == "plain"}
            kept = range(4) if output_insides else plain
            enhanced, attention = self.urce(features, index, kept=kept, output_attention=output_insides)  # eq. 10-12

        reaching = {"enhanced": enhanced, "plain": features, "none": [None] * 4}
        read = [reaching[choice][number] for number, choice in enumerate(config.decoder_features)]
        logits, aligned = self.decoder(read)
        evidence = evidence_of(logits, aligned, enhanced[3].permute(0, 3, 1, 2))  # B×(C_d/2 + 2·C_4)
        logits = F.interpolate(logits, size=(H, W), mode="bilinear", align_corners=False)  # B×2×H×W
        if not output_insides:
            return SLViTOutput(logits=logits, evidence=evidence)
        return SLViTOutput(
            logits=logits,
            features=[feature.permute(0, 3, 1, 2) for feature in features],  # B×C_i×H_i×W_i
            enhanced_features=[feature.permute(0, 3, 1, 2) for feature in enhanced],
            word_scores=[S.unflatten(2, size) for S, size in zip(scores, sizes, strict=True)],  # B×T×H_i×W_i
            correlation=correlation,
            uncertainty=uncertainty,
            patch_index=index,
            attention=attention,
            evidence=evidence,
        )


def _words_to_blocks(model: SLViTModel) -> tuple[Linear, list[int]]:
    """One product from L to the keys and values of all blocks, in order, and the channels of each.

    Attention's weights sum to one, so the gate's 1×1 convolution may work on the values: T words, not P positions.
    """
    weights, biases = [], []
    for stage in model.stages:
        for block in stage.blocks:
            cross = block.lmfa.cross
            value, shift = cross.value.weight.detach(), cross.value.bias.detach()
            if isinstance(cross.gate, nn.Sequential):
                gate = cross.gate[0].weight.detach().flatten(1)
                value, shift = gate @ value, gate @ shift + cross.gate[0].bias.detach()
            weights += [cross.key.weight.detach(), value]
            biases += [cross.key.bias.detach(), shift]
    return Linear(torch.cat(weights), torch.cat(biases)), [len(bias) for bias in biases]
