"""Crowds of people of whom all that they wear and carry is known, cut from photos whose every garment is marked.

Street photos seldom say who wears what, and photos of garments show one person each: pasted side by side, such people
can be told apart by a coat, a hat or a bag.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from train.data import augment, coco, recolour
from train.data.augment import CutOut, Window
from train.data.coco import AnnotatedPhoto
from train.data.scene import Scene, Thing

CARRIED = frozenset(("bag", "purse", "wallet"))
FEMALE = frozenset("dress skirt blouse heels pumps stockings tights leggings romper bodysuit bra purse".split())
# Photos of Clothing Co-Parsing that show a man, seen by eye where no garment says woman.
MEN = frozenset(
    "0004 0008 0021 0026 0028 0035 0039 0043 0046 0048 0051 0055 0061 0065 0071 0080 0114 0115 0119 0123 0149 "
    "0191 0207 0208 0217 0225 0231 0233 0237 0240 0241 0245 0252 0261 0288 0292 0295 0307 0311 0320 0342 0356 "
    "0364 0391 0395 0399 0410 0417 0424 0427 0433 0445 0449 0455 0458 0462 0465 0467 0468 0469 0490 0492 0494 "
    "0503 0505 0510 0523 0525 0542 0561 0566 0571 0574 0582 0595 0598 0636 0654 0657 0678 0686 0699 0714 0723 "
    "0737 0739 0744 0775 0788 0789 0791 0810 0816 0818 0820 0822 0831 0843 0844 0861 0862 0866 0868 0873 0882 "
    "0883 0902 0906 0909 0915 0934 0941 0944 0947 0950 0952 0954 0956 0964 0970 0973 0981 0983 0987 0989".split()
)
DYED = frozenset(  # large enough that its colour is what one sees first
    "coat jacket blazer cardigan cape hoodie vest suit shirt t-shirt blouse top sweater sweatshirt dress romper jumper "
    "skirt pants jeans leggings shorts scarf hat bag purse".split()
)
NOT_NAMED = frozenset(("skin", "accessory", "ring", "bracelet", "bra", "earrings", "watch"))
LARGE = 0.04  # share of the person that a garment must cover to be dyed


@dataclass(frozen=True)
class Person:
    """Somebody cut out of a photo. pixels: uint8 h×w×3.

    masks: bool h×w by category: "person", in which all that is worn lies, and each garment and thing carried.
    called: as of Thing.
    """

    pixels: np.ndarray
    masks: dict[str, np.ndarray]
    called: tuple[str, ...] = ()

    @property
    def whole(self) -> np.ndarray:
        """With what is carried: bool h×w."""
        return np.any([self.masks["person"], *(self.masks[name] for name in CARRIED & self.masks.keys())], axis=0)


@dataclass(frozen=True)
class Crowd:
    """people: indices of the dressed among the scene's things. worn: of each, by category, those of what it wears and
    carries, an empty mask where none of it shows.
    """

    scene: Scene
    people: list[int]
    worn: list[dict[str, int]]


def can_be_dressed(photo: AnnotatedPhoto) -> bool:
    """Whether the photo shows one person with all garments marked."""
    return photo.garments and sum(one["category"] == "person" for one in photo.annotations) == 1


def cut_out(photo: AnnotatedPhoto, pixels: np.ndarray, *, mirrored: bool) -> Person:
    """The person of a photo that `can_be_dressed`."""
    stack = coco.masks(photo).astype(bool)  # H×W×N
    masks: dict[str, np.ndarray] = {}
    for number, annotation in enumerate(photo.annotations):
        name = annotation["category"]
        masks[name] = masks[name] | stack[..., number] if name in masks else stack[..., number]
    box, step = augment.box_of(Person(pixels, masks).whole), -1 if mirrored else 1
    return Person(
        np.ascontiguousarray(pixels[box][:, ::step]),
        {name: np.ascontiguousarray(mask[box][:, ::step]) for name, mask in masks.items()},
        ("woman",) if FEMALE & masks.keys() else ("man",) if photo.file.stem.removeprefix("ccp__") in MEN else (),
    )


def upper_part(person: Person, share: float) -> Person:
    """The upper `share` (0..1) of a person, as a close photo shows it. What lies below is not known of any more."""
    rows = max(1, round(share * person.pixels.shape[0]))
    masks = {name: mask[:rows] for name, mask in person.masks.items()}
    columns = np.any(list(masks.values()), axis=0).any(axis=0).nonzero()[0]
    cut = np.s_[:rows, columns[0] : columns[-1] + 1]
    kept = {name: mask[cut] for name, mask in person.masks.items() if name == "person" or mask[cut].any()}
    return Person(person.pixels[cut], kept, person.called)


def in_new_colour(person: Person, *, rng: np.random.Generator) -> Person:
    """The person with one large garment or bag in another colour; unchanged where chance took what cannot be dyed."""
    area = np.count_nonzero(person.masks["person"])
    large = sorted(name for name in DYED & person.masks.keys() if person.masks[name].sum() > LARGE * area)
    if not large:
        return person
    mask = person.masks[large[int(rng.integers(len(large)))]]
    colour = list(recolour.DYES)[int(rng.integers(len(recolour.DYES)))]
    pixels = recolour.in_cloth(person.pixels, mask, mask, recolour.shade(colour, rng))
    return person if pixels is None else replace(person, pixels=pixels)


def crowd(background: Scene, people: list[Person], *, close: bool, rng: np.random.Generator) -> Crowd | None:
    """The people side by side on a photo without any, later ones over earlier ones; close: cut by its lower edge.

    None where somebody is hidden by more than half.
    """
    H, W = background.photo.shape[:2]
    tall = rng.uniform(0.55, 0.92) if close else rng.uniform(0.45, 0.9)
    foot = 1.0 if close else rng.uniform(max(tall + 0.02, 0.75), 1.0)
    slots = (rng.permutation(len(people)) + rng.uniform(0.25, 0.75, len(people))) / len(people)  # middles, 0..1
    laid: list[tuple[CutOut, Window]] = []
    for one, middle in zip(people, slots, strict=True):
        h, w = one.pixels.shape[:2]
        length = H * tall * rng.uniform(0.85, 1.1)
        scale = min(length / h, H / h, 1.3 * W / len(people) / w, W / w)
        height, width = max(6, round(h * scale)), max(6, round(w * scale))
        left = min(max(0, round(middle * W - width / 2)), W - width)
        bottom = H if close else min(H, max(height, round(H * (foot + rng.normal(0, 0.02)))))
        mask = one.whole.astype(np.uint8) * np.uint8(255)
        laid.append((CutOut("person", one.pixels, mask, one.called), (left, bottom - height, left + width, bottom)))
    scene, indices = augment.lay(background, laid, rng=rng)
    if len(indices) < len(people):
        return None
    things, worn = list(scene.things), []
    for index, one, (_, window) in zip(indices, people, laid, strict=True):
        seen = things[index].mask
        masks = {name: _in_scene(mask, window, (H, W)) for name, mask in one.masks.items()}  # H×W each
        person = masks.pop("person")
        if (person & seen).sum() < max(60, 0.5 * person.sum()):
            return None
        things[index] = replace(things[index], mask=person & seen)
        named = sorted(masks.keys() - NOT_NAMED)
        worn.append({name: len(things) + at for at, name in enumerate(named)})
        things += [Thing(name, masks[name] & seen, garment=True) for name in named]
    return Crowd(replace(scene, things=things), indices, worn)


def _in_scene(mask: np.ndarray, window: Window, size: tuple[int, int]) -> np.ndarray:
    """A mask h×w laid into its window: bool H×W."""
    x0, y0, x1, y1 = window
    fitted = augment.resized(mask.astype(np.uint8) * np.uint8(255), (y1 - y0, x1 - x0)) > 127
    return augment.at_window(fitted, window, size)
