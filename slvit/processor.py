"""Photo and expression to tensors, and logits back to the photo's own resolution."""

from __future__ import annotations

import copy
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor, AutoProcessor, BatchFeature, PreTrainedTokenizerBase, ProcessorMixin
from transformers.image_processing_utils import BaseImageProcessor

from slvit.config import SLViTConfig
from slvit.edges import follow_edges, guide_of
from slvit.errors import ExpressionError
from slvit.model import SLViTOutput
from slvit.strays import without_strays

STRIDE = 32  # the model's whole stride: both sides of its input are multiples of it
LARGEST_SIZE = 2048  # of size² pixels: several times what any model here is trained at; a typing error asks for more
MAX_TOKENS = 512  # BERT's table of positions, [CLS] and [SEP] among them; a smaller encoder's may be shorter
EXAMPLE = "type what to look for, such as “the dog on the left”"
MAX_CHARACTERS = 10_000  # far beyond 510 word pieces of any language: nobody waits for a pasted book
LONGEST = 50_000  # characters as given: composing one may make 18 of it, and all visitors would wait for that
# The least share of a vocabulary that is in a script it knows words of. Below it are only its letters: the English
# BERT's is 1.6 % Chinese characters and 0.3 % Cyrillic letters.
KNOWN_SCRIPT = 0.02


def checked_size(size: int) -> int:
    """`size` itself; ValueError for one that no model's input can have."""
    if not isinstance(size, int) or not STRIDE <= size <= LARGEST_SIZE:
        raise ValueError(f"size is {size!r}: it must be a whole number of pixels in {STRIDE}..{LARGEST_SIZE}.")
    return size


def input_size(height: int, width: int, size: int) -> tuple[int, int]:
    """What a photo of height×width pixels is resized to: (H, W), multiples of 32, area near size².

    The aspect is the photo's within that rounding, up to 1:(size/32)²; a narrower photo is squeezed to a strip of 32.
    """
    longest = max(STRIDE, size * size // STRIDE)
    scale = size / math.sqrt(height * width)
    sides = (STRIDE * max(1, round(side * scale / STRIDE)) for side in (height, width))
    H, W = (min(side, longest // STRIDE * STRIDE) for side in sides)
    return H, W


def clean_expression(expression: str) -> str:
    """`expression` with compatibility forms composed, control and invisible characters removed, blanks squeezed."""
    spaced = re.sub(r"\s+", " ", unicodedata.normalize("NFKC", expression))
    # Category C: controls, invisible formatting (zero width, direction marks), lone surrogates, private and unassigned.
    return " ".join("".join(c for c in spaced if unicodedata.category(c)[0] != "C").split())


@dataclass(frozen=True)
class Words:
    """What became of an expression's words.

    read: those the model saw, in order. unread: those beyond its 510 word pieces; a word cut in two stands in both.
    unknown: those among `read` that its vocabulary has nothing of, such as an emoji, or nothing but the letters of,
    such as a word in another script.
    """

    read: list[str]
    unread: list[str]
    unknown: list[str] = field(default_factory=list)


class SLViTImageProcessor(BaseImageProcessor):
    """Photos to B×3×H×W. Its fields stand in preprocessor_config.json.

    size: the model sees about size² pixels. further_sizes: it looks at the photo again at each of these, and the answer
    is the mean of all looks, see `SLViTProcessor.logits`.
    found_threshold: confidence (0..1) from which an answer counts as found.
    follow_edges: whether masks follow the photo's edges where the model is unsure, see slvit/edges.py.
    drop_strays: whether a mask loses pieces that the model is clearly less sure of, see slvit/strays.py.
    presence: the weights of `SLViTProcessor.presence`, its bias last, which `python -m train.presence` fits; or None.
    """

    model_input_names = ["pixel_values"]

    def __init__(
        self,
        *,
        size: int = 256,
        found_threshold: float = 0.6,
        follow_edges: bool = False,
        drop_strays: bool = False,
        presence: Sequence[float] | None = None,
        further_sizes: Sequence[int] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= found_threshold <= 1:
            raise ValueError(f"found_threshold is {found_threshold}: it must lie in 0..1.")
        self.size, self.further_sizes = checked_size(size), [checked_size(further) for further in further_sizes]
        self.found_threshold = found_threshold
        self.follow_edges = follow_edges
        self.drop_strays = drop_strays
        self.presence = None if presence is None else [float(weight) for weight in presence]
        if self.presence is not None and not all(map(math.isfinite, self.presence)):
            raise ValueError("presence holds a weight that is not finite.")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of all looks, `size` first."""
        return self.size, *self.further_sizes

    def at(self, size: int | Sequence[int]) -> SLViTImageProcessor:
        """The same at this size, or with a look at each of these; this one stays as it is.

        Raises ValueError for a size outside 32..2048, or for none.
        """
        other = copy.copy(self)
        other.size, *other.further_sizes = map(checked_size, size if isinstance(size, Sequence) else [size])
        return other

    def guide(self, photo: Image.Image) -> np.ndarray | None:
        """What `SLViTProcessor.probability` needs of an RGB photo to follow its edges; None where it does not."""
        return guide_of(photo) if self.follow_edges else None

    def looks(self, photo: Image.Image) -> list[np.ndarray]:
        """An RGB photo at each of the sizes at which the model sees it: uint8 H×W×3."""
        shapes = [input_size(photo.height, photo.width, size) for size in self.sizes]
        # reducing_gap: whole-number box averages first, then the antialiased filter: 50 megapixels in 50 ms.
        return [np.asarray(photo.resize((W, H), Image.Resampling.BICUBIC, reducing_gap=2.0)) for H, W in shapes]

    def preprocess(self, images: Image.Image | Sequence[Image.Image], **kwargs: Any) -> BatchFeature:
        """RGB photos (one or several of like shape) to pixel_values of the first look: float32 B×3×H×W, RGB 0..1.

        Raises ValueError when their shapes lead to different sizes.
        """
        first = self.at(self.size)
        arrays = [first.looks(photo)[0] for photo in ([images] if isinstance(images, Image.Image) else images)]
        if len({array.shape for array in arrays}) > 1:
            raise ValueError("These photos differ in shape: process them one at a time.")
        return BatchFeature({"pixel_values": self.to_tensor(arrays)})

    @staticmethod
    def to_tensor(arrays: Sequence[np.ndarray]) -> Tensor:
        """Resized photos of one shape (uint8 H×W×3) to float32 B×3×H×W, 0..1."""
        pixels = torch.from_numpy(np.stack(arrays))  # B×H×W×3
        return pixels.permute(0, 3, 1, 2).contiguous().float() / 255  # B×3×H×W


class SLViTProcessor(ProcessorMixin):
    """Everything between a visitor and the model's tensors.

    image_processor: an SLViTImageProcessor. tokenizer: a fast, lower-casing BERT tokenizer.
    `save_pretrained` and `from_pretrained` write and read preprocessor_config.json and the tokenizer's files.
    """

    def __init__(self, image_processor: SLViTImageProcessor, tokenizer: PreTrainedTokenizerBase) -> None:
        super().__init__(image_processor, tokenizer)
        self.most_tokens = MAX_TOKENS  # of an expression, [CLS] and [SEP] among them
        scripts = Counter(script for piece in tokenizer.get_vocab() for script in _scripts(piece))
        self._known_scripts = {script for script, count in scripts.items() if count >= KNOWN_SCRIPT * len(tokenizer)}

    def __call__(self, images: Any = None, text: str | Sequence[str] | None = None, **kwargs: Any) -> BatchFeature:
        """Photos (RGB, see `open_photo`) and expressions, either one or lists of one length, to the model's arguments.

        Gives pixel_values (float32 B×3×H×W, 0..1), input_ids and attention_mask (int64 B×T), of what was given.
        Raises ExpressionError for an expression without words.
        """
        features: dict[str, Tensor] = {}
        if images is not None:
            features.update(self.image_processor(images))
        if text is not None:
            features.update(self.read([text] if isinstance(text, str) else text)[0])
        return BatchFeature(features)

    def read(self, expressions: Sequence[str]) -> tuple[dict[str, Tensor], list[Words]]:
        """Expressions to {input_ids, attention_mask} (int64 B×T each), and which words of each were read.

        Raises ExpressionError, naming the expression, for one with no word in it or with none that the model knows, and
        for one longer than any description.
        """
        cleaned = [_wordful(expression) for expression in expressions]
        # The same settings at every call: changing them would rewrite a tokenizer that other threads are using.
        encoded = self.tokenizer(
            [text[:MAX_CHARACTERS] for text in cleaned],
            padding=True,
            truncation=True,
            max_length=self.most_tokens,
            return_offsets_mapping=True,
            return_tensors="np",
        )
        words = [
            self._words(text, ids, offsets, whole=is_word.sum() < self.most_tokens)
            for text, ids, offsets, is_word in zip(
                cleaned, encoded["input_ids"], encoded["offset_mapping"], encoded["attention_mask"], strict=True
            )
        ]
        for text, of_text in zip(cleaned, words, strict=True):
            if of_text.read == of_text.unknown:
                raise ExpressionError(f'No word of "{_short(text)}" is known here: describe the object in English.')
        tensors = {name: torch.from_numpy(encoded[name]).long() for name in ("input_ids", "attention_mask")}  # B×T
        return tensors, words

    def _words(self, text: str, ids: np.ndarray, offsets: np.ndarray, *, whole: bool) -> Words:
        """ids: T. offsets: T×2, start and end in `text` of what each token stands for, both 0 where it is no word's.

        whole: whether the tokenizer read all that it was given; for an accent at the end it gives no token.
        """
        end = min(len(text), MAX_CHARACTERS) if whole else int(offsets[:, 1].max())
        known = [
            int(start)
            for piece, (start, _) in zip(self.tokens(ids), offsets, strict=True)
            if piece not in self.tokenizer.all_special_tokens and _has_letter_or_digit(piece)
        ]
        read = list(re.finditer(r"\S+", text[:end]))
        return Words(
            read=[word.group() for word in read],
            unread=text[end:].split(),
            unknown=[
                word.group()
                for word in read
                if not any(word.start() <= start < word.end() for start in known) or self._is_foreign(word.group())
            ],
        )

    def _is_foreign(self, word: str) -> bool:
        scripts = _scripts(word)
        return bool(scripts) and not scripts & self._known_scripts

    def tokens(self, ids: Tensor | np.ndarray) -> list[str]:
        """The word pieces of T token numbers, [CLS] and [SEP] among them."""
        return self.tokenizer.convert_ids_to_tokens(ids.tolist())

    @staticmethod
    def logits(*looks: SLViTOutput) -> Tensor:
        """What one or several looks at the same B photos and expressions say: float32 B×2×H×W, on the CPU.

        Of several it is the mean, at the H×W of the one that saw most: each is wrong in places of its own.
        """
        logits = [look.logits.float().cpu() for look in looks]
        size = max((look.shape[-2:] for look in logits), key=math.prod)
        resized = [
            look if look.shape[-2:] == size else F.interpolate(look, size=size, mode="bicubic", align_corners=False)
            for look in logits
        ]  # B×2×H×W each
        return torch.stack(resized).mean(dim=0)

    def probability(self, logits: Tensor, photo_size: tuple[int, int], guide: np.ndarray | None = None) -> np.ndarray:
        """Logits of one photo (2×H×W) to the probability of each of its own pixels: float32 0..1, `photo_size` (H, W).

        guide: the image processor's `guide` of the photo. The difference of the logits is smooth where the probability
        is steep, so that is what is resized.
        """
        difference = (logits[1] - logits[0]).float().cpu().numpy()  # H×W
        if self.image_processor.drop_strays:
            difference = without_strays(difference)
        height, width = photo_size if guide is None else guide.shape
        shrinks = height * width < difference.size
        resized = cv2.resize(difference, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
        probability = torch.from_numpy(resized).sigmoid_().numpy()  # in place: 50 megapixels are 200 MB
        if guide is None:
            return probability
        probability = follow_edges(probability, torch.from_numpy(difference).sigmoid_().numpy(), guide)
        if guide.shape == photo_size:
            return probability
        return cv2.resize(probability, photo_size[::-1], interpolation=cv2.INTER_LINEAR)

    def presence(self, *looks: SLViTOutput) -> list[float | None]:
        """For each of B expressions the probability (0..1) that what it means is there; None where nobody fitted it.

        Of several looks at the same photos, the mean of their log-odds.
        """
        if self.image_processor.presence is None:
            return [None] * len(looks[0].logits)
        logits = [presence_logit(look.evidence.cpu(), self.image_processor.presence) for look in looks]  # B each
        return torch.stack(logits).mean(dim=0).sigmoid().tolist()

    def save_pretrained(self, save_directory: str | Path, push_to_hub: bool = False, **kwargs: Any) -> list[str]:
        """Writes preprocessor_config.json and the tokenizer's files; gives their paths."""
        photo_files = self.image_processor.save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)
        text_files = self.tokenizer.save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)
        return [*photo_files, *text_files]


def presence_logit(evidence: Tensor, weights: Sequence[float]) -> Tensor:
    """B logits of what `evidence` (float32 B×F) is of being there. weights: F, and the bias last."""
    *weight, bias = weights
    return evidence @ evidence.new_tensor(weight) + bias


def _wordful(expression: str) -> str:
    """`expression` cleaned; ExpressionError when nothing in it could be a word, or when it is too long for that."""
    if len(expression) > LONGEST:
        raise ExpressionError(f"The expression has {len(expression)} characters: write at most {LONGEST}.")
    text = clean_expression(expression)
    if not text:
        raise ExpressionError(f"There is no expression: {EXAMPLE}.")
    if not _has_letter_or_digit(text):
        raise ExpressionError(f'"{_short(text)}" has no word in it: {EXAMPLE}.')
    return text


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def _scripts(text: str) -> set[str]:
    """The scripts of the letters in `text`, as their Unicode names begin: LATIN, CYRILLIC, CJK, and so on."""
    return {unicodedata.name(character, "?").split()[0] for character in text if character.isalpha()}


def _has_letter_or_digit(text: str) -> bool:
    return any(character.isalnum() for character in text)


AutoImageProcessor.register(SLViTConfig, slow_image_processor_class=SLViTImageProcessor)
AutoProcessor.register(SLViTConfig, SLViTProcessor)
