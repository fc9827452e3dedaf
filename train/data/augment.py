"""Training samples from annotated photos: crops, mirror images, pasted objects, light, masked patches.

Everything here changes the scene first; the expression is made afterwards, so that it is true of what is seen.
Careless flips, crops and colour shifts are known to hurt this task (MaskRIS, Lee et al., 2024), masking patches helps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from train.data import coco
from train.data.coco import AnnotatedPhoto
from train.data.expressions import called_in, swap_sides
from train.data.rle import rle
from train.data.scene import Scene, Thing

SLIVER = 0.12  # a thing of which less is left in the crop is not there
Window = tuple[int, int, int, int]


def fitting(photo: AnnotatedPhoto, size: tuple[int, int]) -> float:
    """Share of the photo in the largest window of the aspect of `size` (H, W): at that size, a larger one is stretched.

    Its inverse is how much the whole photo's sides are stretched against each other.
    """
    aspects = photo.size[1] / photo.size[0], size[1] / size[0]
    return min(aspects) / max(aspects)


def window_around(
    photo: AnnotatedPhoto,
    box: list[float],
    *,
    size: tuple[int, int],
    least: float,
    most: float = 1.0,
    stretched: float = 1.2,
    rng: np.random.Generator,
) -> Window:
    """A crop (x0, y0, x1, y1) around `box` (x, y, w, h): `least` to `most` of the photo, near the aspect of size.

    stretched: by how much their sides are stretched against each other at most, where the photo has room.
    """
    H, W = photo.size
    share = rng.uniform(least, max(least, most))
    meant = size[1] / size[0]
    aspect = meant * float(np.clip(np.exp(rng.normal(0, 0.12)), 1 / stretched, stretched))
    width = min(W, np.sqrt(share * H * W * aspect))
    height = min(H, np.sqrt(share * H * W / aspect))
    width, height = max(width, min(W, box[2] * 1.05)), max(height, min(H, box[3] * 1.05))
    width, height = (  # what was widened for the box grows the other way too
        max(width, min(W, height * meant / stretched)),
        max(height, min(H, width / meant / stretched)),
    )
    x0 = _start(box[0], box[2], width, W, rng)
    y0 = _start(box[1], box[3], height, H, rng)
    return x0, y0, min(W, x0 + max(1, round(width))), min(H, y0 + max(1, round(height)))


def _start(low: float, length: float, window: float, side: int, rng: np.random.Generator) -> int:
    first, last = max(0.0, low + length - window), min(low, side - window)
    return int(round(rng.uniform(min(first, last), max(first, last)))) if side > window else 0


def cut(
    photo: AnnotatedPhoto, pixels: np.ndarray, window: Window, *, size: tuple[int, int], mirrored: bool
) -> tuple[Scene, list[int]]:
    """The window of a photo at `size` (H, W), and for each of its things the number of its annotation."""
    x0, y0, x1, y1 = window
    whole = (x1 - x0) * (y1 - y0) > 0.97 * pixels.shape[0] * pixels.shape[1]
    planes = coco.masks(photo).transpose(2, 1, 0)  # N×W×H: as they lie in memory
    picture = resized(pixels[y0:y1, x0:x1], size)
    things, numbers = [], []
    at_number: dict[int, int] = {}
    for number, annotation in enumerate(photo.annotations):
        part = planes[number, x0:x1, y0:y1]
        left = cv2.countNonZero(part)
        if not left:
            continue
        mask = np.ascontiguousarray((resized(part * np.uint8(255), (size[1], size[0])) > 127).T)
        thing = coco.thing(photo, annotation, mask, phrases=whole)
        whole_area = max(1, annotation["area"])
        if not thing.area or (left < SLIVER * whole_area and thing.area < 0.004 and not thing.region):
            continue
        at_number[number] = len(things)
        things.append(thing)
        numbers.append(number)
    groups = [
        (tuple(at_number[j] for j in members), phrases)
        for members, phrases in coco.groups(photo)
        if whole and all(j in at_number for j in members)
    ]
    scene = Scene(picture, things, photo.complete, groups, photo.plain)
    return (mirror(scene) if mirrored else scene), numbers


def mirror(scene: Scene) -> Scene:
    """The scene from behind: left and right trade places, in phrases too."""
    things = [
        Thing(
            category=thing.category,
            mask=np.ascontiguousarray(thing.mask[:, ::-1]),
            region=thing.region,
            garment=thing.garment,
            phrases=tuple(map(swap_sides, thing.phrases)),
            called=thing.called,
        )
        for thing in scene.things
    ]
    groups = [(members, tuple(map(swap_sides, phrases))) for members, phrases in scene.groups]
    return replace(scene, photo=np.ascontiguousarray(scene.photo[:, ::-1]), things=things, groups=groups)


def resized(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    smaller = array.shape[0] * array.shape[1] > size[0] * size[1]
    return cv2.resize(array, (size[1], size[0]), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)


# --- pasting ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CutOut:
    """An object taken from a photo. pixels: uint8 h×w×3. mask: uint8 0 or 255, h×w. called: as of Thing."""

    category: str
    pixels: np.ndarray
    mask: np.ndarray
    called: tuple[str, ...] = ()


def cut_out(photo: AnnotatedPhoto, pixels: np.ndarray, number: int, *, mirrored: bool) -> CutOut:
    """One annotated object, cropped to its box."""
    annotation = photo.annotations[number]
    mask = coco_mask.decode(rle(annotation["segmentation"], photo.size))
    box, step = box_of(mask), -1 if mirrored else 1
    return CutOut(
        annotation["category"],
        np.ascontiguousarray(pixels[box][:, ::step]),
        np.ascontiguousarray(mask[box][:, ::step] * np.uint8(255)),
        tuple(called_in(annotation.get("expressions", ()))),
    )


def box_of(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of the smallest box around what is set, which must be something: mask is H×W."""
    rows, columns = mask.any(axis=1).nonzero()[0], mask.any(axis=0).nonzero()[0]
    return np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def can_be_cut_out(photo: AnnotatedPhoto, annotation: dict) -> bool:
    """Whether the object is whole, large and drawn well enough to look right elsewhere."""
    x, y, w, h = annotation["bbox"]
    H, W = photo.size
    inside = x > 1 and y > 1 and x + w < W - 1 and y + h < H - 2
    solid = annotation["area"] > 0.3 * w * h
    return (
        inside
        and solid
        and not annotation.get("region")
        and not photo.garments
        and annotation["area"] > 2200
        and photo.source not in ("camvid", "building_facades", "fire_smoke", "msrc21", "human_seg_290", "ecssd")
        and "cartoon" not in annotation["category"]
        and annotation["category"] not in ("dining table", "table", "bed", "window", "door")
    )


def paste(scene: Scene, objects: list[CutOut], *, like: bool, rng: np.random.Generator) -> tuple[Scene, list[int]]:
    """The scene with objects pasted onto it at random, and their indices among its things.

    like: at like sizes, as of one kind. An object that would cover another pasted one by half, or for which there is
    no room, is left out.
    """
    H, W = scene.photo.shape[:2]
    common = rng.uniform(0.22, 0.55)
    laid: list[tuple[CutOut, Window]] = []
    taken: list[np.ndarray] = []
    for one in objects:
        tall, wide = one.mask.shape
        share = common * rng.uniform(0.75, 1.3) if like else rng.uniform(0.2, 0.6)
        long = share * (H * W) ** 0.5 * (1.25 if tall > 1.6 * wide else 1.0)
        scale = min(long / max(tall, wide), 0.9 * H / tall, 0.9 * W / wide)
        h, w = max(6, round(tall * scale)), max(6, round(wide * scale))
        for _ in range(6):
            top, left = int(rng.integers(0, H - h + 1)), int(rng.integers(0, W - w + 1))
            window = (left, top, left + w, top + h)
            full = at_window(resized(one.mask, (h, w)) > 127, window, (H, W))
            if all((full & other).sum() < 0.35 * min(full.sum(), other.sum()) for other in taken):
                laid.append((one, window))
                taken.append(full)
                break
    return lay(scene, laid, rng=rng)


def lay(scene: Scene, objects: list[tuple[CutOut, Window]], *, rng: np.random.Generator) -> tuple[Scene, list[int]]:
    """The scene with each object pasted into its window, later ones over earlier ones, and their indices.

    What is left of a thing below stays in the scene where it is a third or more; an object of less than 20 pixels is
    left out.
    """
    H, W = scene.photo.shape[:2]
    picture = scene.photo.astype(np.float32)
    pasted: list[np.ndarray] = []
    added: list[Thing] = []
    for one, window in objects:
        w, h = window[2] - window[0], window[3] - window[1]
        shape = resized(one.mask, (h, w))
        full = at_window(shape > 127, window, (H, W))
        if full.sum() < 20:
            continue
        alpha = at_window(shape / np.float32(255), window, (H, W))
        alpha = cv2.GaussianBlur(alpha, (3, 3), float(rng.uniform(0.4, 1.0)))[..., None]
        picture = picture * (1 - alpha) + at_window(resized(one.pixels, (h, w)), window, (H, W)) * alpha
        for other in pasted:
            other &= ~full
        pasted.append(full)
        added.append(Thing(category=one.category, mask=full, called=one.called))
    covered = np.any(pasted, axis=0) if pasted else np.zeros((H, W), dtype=bool)

    things, complete = [], set(scene.complete)
    for thing in scene.things:
        left = thing.mask & ~covered
        if thing.region or left.sum() > 0.35 * thing.mask.sum():
            phrases = thing.phrases if left.sum() > 0.8 * thing.mask.sum() and not added else ()
            things.append(
                Thing(thing.category, left, thing.region, thing.garment, phrases, tuple(called_in(thing.phrases)))
            )
        elif left.any():
            complete.discard(thing.category)  # a rest of it shows, and nothing can be said of its kind
    indices = list(range(len(things), len(things) + len(added)))
    complete |= {thing.category for thing in added if _could_not_be_there(thing.category, scene)}
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    return Scene(picture, things + added, frozenset(complete), [], scene.plain and not added), indices


def window_of(one: CutOut, box: tuple[float, float, float, float], size: tuple[int, int]) -> Window:
    """Where in a scene of `size` (H, W) an object lies at `box` (shares: x0, y0, x1, y1): its shape and the box's area
    and foot are kept, and it stays inside.
    """
    H, W = size
    tall, wide = one.mask.shape
    scale = ((box[2] - box[0]) * W * (box[3] - box[1]) * H / (tall * wide)) ** 0.5
    scale = min(scale, H / tall, W / wide)
    h, w = min(H, max(6, round(tall * scale))), min(W, max(6, round(wide * scale)))
    left = min(max(0, round((box[0] + box[2]) / 2 * W - w / 2)), W - w)
    top = min(max(0, round(box[3] * H) - h), H - h)
    return left, top, left + w, top + h


def at_window(patch: np.ndarray, window: Window, size: tuple[int, int]) -> np.ndarray:
    """`patch` at its window in zeros of `size` (H, W)."""
    full = np.zeros((*size, *patch.shape[2:]), dtype=patch.dtype)
    full[window[1] : window[3], window[0] : window[2]] = patch
    return full


def _could_not_be_there(category: str, scene: Scene) -> bool:
    """Whether a background whose list of known kinds lacks `category` surely shows none of it."""
    return (
        category in scene.complete or "person" in scene.complete or category not in ("person", "car", "chair", "bottle")
    )


# --- light and masks --------------------------------------------------------------------------------------------------


def light(picture: np.ndarray, rng: np.random.Generator, *, keeps_colours: bool) -> np.ndarray:
    """Brightness, contrast and saturation changed; hue never. Gentle where the expression names a colour."""
    low, high = (0.9, 1.1) if keeps_colours else (0.78, 1.25)
    x = picture.astype(np.float32) * rng.uniform(low, high)
    mean = x.mean()
    x = (x - mean) * rng.uniform(low, high) + mean
    grey = x @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    x = grey[..., None] + (x - grey[..., None]) * np.float32(rng.uniform(low, high))
    return np.clip(x, 0, 255).astype(np.uint8)


def mask_patches(picture: np.ndarray, rng: np.random.Generator, *, share: float, side: int = 16) -> np.ndarray:
    """`share` of the side×side patches painted in ImageNet's mean colour."""
    H, W = picture.shape[:2]
    hidden = rng.random((-(-H // side), -(-W // side))) < share
    hidden = np.repeat(np.repeat(hidden, side, axis=0), side, axis=1)[:H, :W]
    picture = picture.copy()
    picture[hidden] = (124, 116, 104)
    return picture
