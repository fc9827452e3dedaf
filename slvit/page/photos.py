"""Photos that are asked about: opened, and made small for the model, once for all questions that follow."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable
from pathlib import Path

from PIL import Image

from slvit.photo import open_photo
from slvit.pictures import smaller
from slvit.processor import SLViTImageProcessor
from slvit.segmenter import PreparedPhoto, key_of_file, prepared

KEPT_PIXELS = 40_000_000  # of all photos together, 3 bytes each: three from a phone, or fifty from the web


class OpenPhoto:
    """A photo at hand. picture: RGB and upright, never to be changed, for others look at it too."""

    def __init__(self, picture: Image.Image, seconds: float) -> None:
        self.picture = picture
        self._smaller: dict[int, Image.Image] = {}
        self._prepared: dict[tuple[str, tuple[int, ...]], PreparedPhoto] = {}
        self._seconds = {"open": seconds}

    def smaller(self, side: int) -> Image.Image:
        """The picture for looking at, its longer side at most `side` pixels."""
        if side not in self._smaller:
            self._smaller[side] = smaller(self.picture, side)
        return self._smaller[side]

    def prepared(self, checkpoint: str, image_processor: SLViTImageProcessor) -> PreparedPhoto:
        """What the model of that name sees of it by `image_processor`, its own or one of other sizes."""
        key = checkpoint, image_processor.sizes
        if key not in self._prepared:
            started = time.perf_counter()
            self._prepared[key] = prepared(self.picture, image_processor)
            self._seconds["prepare"] = time.perf_counter() - started
        return self._prepared[key]

    def seconds(self) -> dict[str, float]:
        """What opening and preparing took since this was last asked: they belong to one answer each."""
        seconds, self._seconds = self._seconds, {}
        return seconds


class OpenPhotos:
    """The photos asked about last, as many as fit in `most` pixels. May be called from several threads at once."""

    def __init__(self, most: int = KEPT_PIXELS) -> None:
        self._most = most
        self._lock = threading.Lock()
        # By file: what tells its content from an earlier one's, and the photo. Least recently used first.
        self._photos: OrderedDict[Path, tuple[Hashable, OpenPhoto]] = OrderedDict()

    def open(self, path: str | None) -> OpenPhoto:
        """The photo in the file `path`. Raises PhotoError. Photos whose file was deleted are forgotten."""
        key = key_of_file(path) if path else None  # None where there is no such file: open_photo says so
        file = Path(path).resolve() if key else None
        with self._lock:
            for gone in [other for other in self._photos if not other.exists()]:
                del self._photos[gone]
            known, photo = self._photos.pop(file, (None, None))
            if key and known == key:
                self._photos[file] = key, photo
                return photo
        started = time.perf_counter()
        photo = OpenPhoto(open_photo(path), time.perf_counter() - started)
        with self._lock:
            if key and _pixels(photo) <= self._most:
                self._photos[file] = key, photo
            while sum(_pixels(kept) for _, kept in self._photos.values()) > self._most:
                self._photos.popitem(last=False)
        return photo


def _pixels(photo: OpenPhoto) -> int:
    return photo.picture.width * photo.picture.height
