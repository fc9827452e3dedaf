"""The one door between the model and everything else: a photo and an expression in, a mask and its reasons out."""

from __future__ import annotations

import gc
import hashlib
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from slvit.checkpoint import load_checkpoint
from slvit.errors import CheckpointError, PhotoError
from slvit.fast import FastSLViT, PhotoPart
from slvit.model import SLViTModel, SLViTOutput
from slvit.photo import PhotoSource, open_photo
from slvit.processor import STRIDE, SLViTImageProcessor, SLViTProcessor, Words

MASK_COUNTS = 3  # of presence and mask in a confidence: chosen on the validation split, see the model card
REMEMBERED_PHOTOS = 8  # photos whose text-free part is kept: about 5 MB each at 256×256
PHOTO_STEPS = ("open", "prepare", "prior")
SMALLEST_INPUT = 64  # sides below which a model sees nothing: memory is not to be saved further

T = TypeVar("T")


@dataclass(frozen=True)
class Inspection:
    """The network's insides for one photo and expression; arrays are float32 on the CPU unless said.

    features, enhanced_features: F_i and F̃_i of the 4 stages, C_i×H_i×W_i. tokens: the T word pieces, [CLS] and [SEP]
    among them. word_scores: S_i, T×H_i×W_i, before the softmax. correlation: R_i, H_i×W_i. uncertainty: map_U, H_4×W_4.
    patch_index: the K most uncertain cells in falling order, int64, row-major in H_4×W_4.
    attention: URCE's attention among the tokens of each patch, K×8×85×85; None for a model without URCE.
    input_sizes: (H, W) of each of the model's looks at the photo; all else is of the last one.
    """

    features: list[np.ndarray]
    enhanced_features: list[np.ndarray]
    tokens: list[str]
    word_scores: list[np.ndarray]
    correlation: list[np.ndarray]
    uncertainty: np.ndarray
    patch_index: np.ndarray
    attention: np.ndarray | None
    input_sizes: list[tuple[int, int]]

    @property
    def input_size(self) -> tuple[int, int]:
        """(H, W) of what the model saw, at its last look."""
        return self.input_sizes[-1]


@dataclass(frozen=True)
class Segmentation:
    """The answer to one expression about one photo of H×W pixels.

    mask: bool H×W, where the probability is at least 0.5. probability: float32 H×W in 0..1.
    confidence: 0..1, mean probability over the mask, or the largest anywhere when the mask is empty; where the
    checkpoint tells it, together with the probability that what is meant is there at all, see `confidence_of`.
    found: whether there is a mask and its confidence reaches the checkpoint's threshold.
    timings: seconds by step: open, prepare, prior, text, model, resize, and total, their sum. A photo that is still
    remembered is neither opened nor prepared again, which shows as 0. words: what was read of the expression.
    inspection: None unless asked for.
    """

    mask: np.ndarray
    probability: np.ndarray
    confidence: float
    found: bool
    timings: dict[str, float]
    words: Words
    inspection: Inspection | None = None


@dataclass(frozen=True)
class PreparedPhoto:
    """A photo opened and resized, by whichever process. size: its height and width in pixels. looks: what the model
    sees, uint8 H×W×3 for each of the image processor's sizes. guide: what the mask's edges follow, see
    `SLViTImageProcessor.guide`."""

    size: tuple[int, int]
    looks: list[np.ndarray]
    guide: np.ndarray | None

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of the looks: photos of the same can share a forward pass."""
        return tuple(look.shape for look in self.looks)


def prepare_photo(photo: PhotoSource, image_processor: SLViTImageProcessor) -> PreparedPhoto:
    """Opens and resizes `photo`. Raises PhotoError."""
    return prepared(open_photo(photo), image_processor)


def prepared(image: Image.Image, image_processor: SLViTImageProcessor) -> PreparedPhoto:
    """What the model and the mask need of an open RGB photo."""
    return PreparedPhoto((image.height, image.width), image_processor.looks(image), image_processor.guide(image))


@dataclass(frozen=True)
class Look:
    """What of a photo, seen at one size, does not depend on the words, on the segmenter's device.

    pixel_values: 1×3×H×W, what the model sees. prior_features: see `SLViTModel.encode_photo` or
    `FastSLViT.encode_photo`.
    """

    pixel_values: Tensor
    prior_features: list[Tensor] | PhotoPart | None


@dataclass(frozen=True)
class EncodedPhoto:
    """All of a photo that does not depend on the words. size, guide: as of PreparedPhoto. looks: one for each there."""

    size: tuple[int, int]
    looks: list[Look]
    guide: np.ndarray | None


class ReferringSegmenter:
    """Finds in a photo what an expression means. May be called from several threads at once."""

    def __init__(self, model: SLViTModel | FastSLViT, processor: SLViTProcessor, *, name: str = "SLViT") -> None:
        self.model = model.eval()
        self.processor = processor
        self.name = name
        self.device = model.device
        self._lock = threading.Lock()  # one forward pass at a time: two would only share the same cores and memory
        self._photos: OrderedDict[Hashable, EncodedPhoto] = OrderedDict()  # least recently used first

    @classmethod
    def from_pretrained(
        cls,
        folder_or_hub_id: str | Path,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        *,
        size: int | Sequence[int] | None = None,
    ) -> ReferringSegmenter:
        """Loads a checkpoint folder, or a repository of the Hugging Face hub.

        device: None or "auto" takes a CUDA device when there is one. dtype: of the weights, None is float32 whatever
        the files hold. size: the model sees about size² pixels instead of as many as the checkpoint is set to: more of
        them show smaller things and finer edges, in as much more time. Of several sizes, such as (256, 384), the answer
        is the mean of a look at each, in the time of all: each is wrong in places of its own, see the model card.
        Raises CheckpointError for what cannot be loaded or for a device that is not there, ValueError for a size
        outside 32..2048.
        """
        chosen, dtype = choose_device(device), dtype or torch.float32
        model, processor = load_checkpoint(folder_or_hub_id, device=chosen, dtype=dtype)
        if size is not None:
            processor.image_processor = processor.image_processor.at(size)
        if chosen.type == "cpu" and dtype == torch.float32:
            model = FastSLViT(model)
        return cls(model, processor, name=Path(folder_or_hub_id).resolve().name)

    def segment(
        self,
        photo: PhotoSource | PreparedPhoto | EncodedPhoto,
        expression: str,
        *,
        inspect: bool = False,
        patches: int | None = None,
    ) -> Segmentation:
        """Mask of what `expression` means in `photo`.

        photo: whatever `open_photo` opens (a path, bytes, a file, a PIL image of any mode), or the result of
        `prepare_photo` or `encode`.
        expression: any text; at most 510 word pieces are read. inspect: also give the network's insides.
        patches: K for this call instead of the checkpoint's; 0 switches URCE off.
        Raises PhotoError, ExpressionError with a sentence for the visitor.
        """
        return self.segment_many(photo, [expression], inspect=inspect, patches=patches)[0]

    def segment_many(
        self,
        photo: PhotoSource | PreparedPhoto | EncodedPhoto,
        expressions: Sequence[str],
        *,
        inspect: bool = False,
        patches: int | None = None,
    ) -> list[Segmentation]:
        """The same for several expressions about one photo, whose text-free part is computed once.

        Each answer equals that of `segment` to the bit. Time spent on the photo counts to the first of them.
        """
        timings = dict.fromkeys(PHOTO_STEPS, 0.0)
        encoded = photo if isinstance(photo, EncodedPhoto) else self._encode(photo, timings)
        segmentations = []
        for expression in expressions:
            segmentations.append(self._answer(encoded, expression, timings, inspect=inspect, patches=patches))
            timings = dict.fromkeys(PHOTO_STEPS, 0.0)
        return segmentations

    def segment_batch(self, photos: Sequence[PreparedPhoto], expressions: Sequence[str]) -> list[Segmentation]:
        """The masks of several pairs by one forward pass: what a graphics card is fast at.

        All photos must have the same `shapes`. The answers' timings hold the batch's time, shared out.
        Where the GPU's memory runs out, the pairs are answered one at a time, as by `segment`.
        Raises ExpressionError, naming the expression, when one of them cannot be read, and what `segment` raises.
        """
        try:
            return self._segment_batch(photos, expressions)
        except torch.OutOfMemoryError:
            pass  # freed below, not here: the exception holds tensors
        with self._lock:
            self._free()
        return [self.segment(photo, text) for photo, text in zip(photos, expressions, strict=True)]

    def _segment_batch(self, photos: Sequence[PreparedPhoto], expressions: Sequence[str]) -> list[Segmentation]:
        timings = dict.fromkeys((*PHOTO_STEPS, "text", "model"), 0.0)
        with self._lock, torch.inference_mode():
            with _timed(timings, "text"):
                tokens, words = self.processor.read(expressions)
            with _timed(timings, "model"):
                words_in = [x.to(self.device) for x in tokens.values()]
                outputs = []
                for look in zip(*(photo.looks for photo in photos), strict=True):
                    pixel_values = self.processor.image_processor.to_tensor(look)  # B×3×H×W
                    outputs.append(self.model(pixel_values.to(self.device, self.model.dtype), *words_in))
                logits, presences = self.processor.logits(*outputs), self.processor.presence(*outputs)  # B×2×H×W
        shares = {step: seconds / len(photos) for step, seconds in timings.items()}
        return [
            self._segmentation(one, presence, photo, dict(shares), read)
            for one, presence, photo, read in zip(logits, presences, photos, words, strict=True)
        ]

    def encode(self, photo: PhotoSource | PreparedPhoto) -> EncodedPhoto:
        """The text-free part of `photo`, for any number of calls of `segment`. Raises PhotoError.

        The last few photos are remembered, so that asking again about the same file or pixels costs next to nothing.
        """
        return self._encode(photo, {})

    def _encode(self, photo: PhotoSource | PreparedPhoto, timings: dict[str, float]) -> EncodedPhoto:
        key = key_of_file(photo)
        with self._lock:
            encoded = self._remembered(key)
        if encoded is not None:
            return encoded

        if not isinstance(photo, PreparedPhoto):
            with _timed(timings, "open"):
                image = open_photo(photo)
            with _timed(timings, "prepare"):
                photo = prepared(image, self.processor.image_processor)
        size, guide = photo.size, photo.guide
        digest = hashlib.sha256(b"" if guide is None else guide)
        for pixels in photo.looks:
            digest.update(pixels)
        key = key or (*size, photo.shapes, digest.digest())
        with self._lock, torch.inference_mode():
            encoded = self._remembered(key)
            if encoded is None:
                with _timed(timings, "prior"):
                    encoded = EncodedPhoto(size, [self._look(pixels) for pixels in photo.looks], guide)
                self._photos[key] = encoded
                if len(self._photos) > REMEMBERED_PHOTOS:
                    self._photos.popitem(last=False)
        return encoded

    def _look(self, pixels: np.ndarray) -> Look:
        """pixels: uint8 H×W×3."""
        pixel_values = self.processor.image_processor.to_tensor([pixels]).to(self.device, self.model.dtype)  # 1×3×H×W
        return self._in_memory(lambda seen: Look(seen, self.model.encode_photo(seen)), pixel_values)

    def _remembered(self, key: Hashable) -> EncodedPhoto | None:
        if key in self._photos:
            self._photos.move_to_end(key)
        return self._photos.get(key)

    def _answer(
        self,
        encoded: EncodedPhoto,
        expression: str,
        timings: dict[str, float],
        *,
        inspect: bool,
        patches: int | None,
    ) -> Segmentation:
        with self._lock, torch.inference_mode():
            with _timed(timings, "text"):
                tokens, (words,) = self.processor.read([expression])
            with _timed(timings, "model"):
                last = encoded.looks[-1]
                seen = [
                    self._forward(look, tokens, inspect=inspect and look is last, patches=patches)
                    for look in encoded.looks
                ]
                outputs = [output for _, output in seen]
                (logits,) = self.processor.logits(*outputs)  # 2×H×W
                (presence,) = self.processor.presence(*outputs)
        inspection = None
        if inspect:
            sizes = [(pixel_values.shape[-2], pixel_values.shape[-1]) for pixel_values, _ in seen]
            inspection = _inspection(outputs[-1], self.processor.tokens(tokens["input_ids"][0]), sizes)
        return self._segmentation(logits, presence, encoded, timings, words, inspection)

    def _segmentation(
        self,
        logits: Tensor,
        presence: float | None,
        photo: PreparedPhoto | EncodedPhoto,
        timings: dict[str, float],
        words: Words,
        inspection: Inspection | None = None,
    ) -> Segmentation:
        """logits: 2×H×W as the model sees the photo. presence: of `SLViTProcessor.presence`."""
        with _timed(timings, "resize"):
            probability = self.processor.probability(logits, photo.size, photo.guide)  # H×W of the photo
            mask = probability >= 0.5
            confidence = confidence_of(probability, mask, presence)
        found = bool(mask.any()) and confidence >= self.processor.image_processor.found_threshold
        timings["total"] = sum(timings.values())
        return Segmentation(mask, probability, confidence, found, timings, words, inspection)

    def _forward(
        self,
        look: Look,
        tokens: dict[str, Tensor],
        *,
        inspect: bool,
        patches: int | None,
    ) -> tuple[Tensor, SLViTOutput]:
        """What the model saw of the photo (1×3×H×W: `look`'s pixels, or fewer) and its output."""

        def forward(pixel_values: Tensor) -> tuple[Tensor, SLViTOutput]:
            whole = pixel_values is look.pixel_values
            return pixel_values, self.model(
                pixel_values,
                tokens["input_ids"].to(self.device),
                tokens["attention_mask"].to(self.device),
                output_insides=inspect,
                prior_features=look.prior_features if whole else self.model.encode_photo(pixel_values),
                patches=patches,
            )

        return self._in_memory(forward, look.pixel_values)

    def _in_memory(self, work: Callable[[Tensor], T], pixel_values: Tensor) -> T:
        """`work(pixel_values)` (1×3×H×W); where the GPU's memory runs out, again with all that was kept freed, then
        with half as many pixels each way, and so on. Raises PhotoError when even the smallest does not fit.
        """
        freed = False
        while True:
            try:
                return work(pixel_values)
            except torch.OutOfMemoryError:
                pass  # freed below, not here: the exception holds tensors
            if freed:
                pixel_values = _halved(pixel_values)
            self._free()
            freed = True

    def _free(self) -> None:
        """Gives back all memory that is kept for later; with the lock held."""
        self._photos.clear()
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def choose_device(device: str | torch.device | None) -> torch.device:
    """None and "auto" are a CUDA device when there is one, else the CPU. CheckpointError for one that is not there."""
    if device is None or device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise CheckpointError(f"There is no device {str(device)!r} here: use 'cpu' or 'auto'.") from error
    return chosen


def key_of_file(photo: PhotoSource | PreparedPhoto) -> Hashable | None:
    """What tells one photo file from another without decoding; None where only the pixels can tell."""
    if isinstance(photo, bytes):
        return hashlib.sha256(photo).digest()
    if isinstance(photo, (str, Path)):
        try:
            path = Path(photo).resolve()
            status = path.stat()
        except (OSError, ValueError):
            return None  # open_photo will say what is wrong
        return path, status.st_mtime_ns, status.st_size
    return None


def _halved(pixel_values: Tensor) -> Tensor:
    """1×3×H×W at about half of each side, in multiples of the model's stride."""
    H, W = pixel_values.shape[-2:]
    if min(H, W) <= SMALLEST_INPUT:
        raise PhotoError("There is too little memory on the GPU for this photo: try again later, or use --device cpu.")
    size = [max(STRIDE, round(side / 2 / STRIDE) * STRIDE) for side in (H, W)]
    return torch.nn.functional.interpolate(pixel_values, size=size, mode="area")  # 1×3×size


def confidence_of(probability: np.ndarray, mask: np.ndarray, presence: float | None = None) -> float:
    """The mean probability (H×W) over `mask`, or the largest where it is empty: 0..1.

    Where the checkpoint tells `presence` (0..1), the two as one, by the mean of their log-odds, the mask's counting
    `MASK_COUNTS` times: each knows of mistakes that the other does not.
    """
    sure = float(np.mean(probability, where=mask, dtype=np.float64)) if mask.any() else float(probability.max())
    if presence is None:
        return sure
    log_odds = (_log_odds(presence) + MASK_COUNTS * _log_odds(sure)) / (1 + MASK_COUNTS)
    return 1 / (1 + math.exp(-log_odds))


def _log_odds(probability: float) -> float:
    probability = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(probability / (1 - probability))


def _inspection(output: SLViTOutput, tokens: list[str], input_sizes: list[tuple[int, int]]) -> Inspection:
    """The insides of a batch of one, without the batch."""
    return Inspection(
        features=[_array(x) for x in output.features],
        enhanced_features=[_array(x) for x in output.enhanced_features],
        tokens=tokens,
        word_scores=[_array(x) for x in output.word_scores],
        correlation=[_array(x) for x in output.correlation],
        uncertainty=_array(output.uncertainty),
        patch_index=output.patch_index[0].cpu().numpy(),
        attention=None if output.attention is None else _array(output.attention),
        input_sizes=input_sizes,
    )


def _array(x: Tensor) -> np.ndarray:
    return x[0].float().cpu().numpy()


@contextmanager
def _timed(timings: dict[str, float], step: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[step] = time.perf_counter() - start
