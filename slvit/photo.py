"""The one way a photo enters: page, API, command line, batch and training all open photos here."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from slvit.errors import PhotoError

try:
    import pillow_heif
except ImportError:
    pillow_heif = None
else:
    pillow_heif.register_heif_opener()

Image.init()  # registers every format now: which ones are known must not depend on what was opened before

PhotoSource = str | Path | bytes | BinaryIO | Image.Image

# The formats' names in Pillow; MPO, which some phones write, opens as JPEG.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF") + (("HEIF",) if pillow_heif else ())
READABLE = "JPEG, PNG, WebP, BMP, GIF" + (", TIFF or HEIC" if pillow_heif else " or TIFF")
MAX_PIXELS = 64_000_000  # a decoded photo of this size takes 192 MB, its probabilities 256 MB
MAX_BYTES = 512_000_000  # as large as an uncompressed file of that many pixels gets
MIN_SIDE = 16
# A progressive JPEG is decoded once for each of its scans: encoders write about ten. A file of 30 bytes a scan, with a
# million of them, would be decoded for a day.
MAX_SCANS = 30
JPEG_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")  # of those that are followed by the length of a segment

# Values that may be meant as white, by PIL mode: 16-bit, 32-bit and float grey say nothing of it themselves.
SIXTEEN_BIT = dict.fromkeys(("I;16", "I;16L", "I;16B", "I;16N"), (65535,))
WHITES = {**SIXTEEN_BIT, "I": (255, 65535), "F": (1, 255, 65535)}
# EXIF's orientations, each undone. 1, and anything else, is upright.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def open_photo(source: PhotoSource) -> Image.Image:
    """The photo in `source`, as a viewer shows it: PIL image of mode RGB, turned upright, any transparency over white.

    source: a path, the bytes of a file, a binary file object, or a PIL image of any mode (an RGB image that needs no
    turning is given back as it is). Of an animation the first frame is taken. A file is known by what is in it, not by
    its name. Raises PhotoError with a sentence for the visitor, before decoding where the header tells enough.
    """
    image = source if isinstance(source, Image.Image) else _identify(source)
    _check_size(*image.size)
    try:
        image.load()
    except Exception as error:  # decoders of damaged files raise nearly anything
        raise PhotoError(f"{_name(source)} is damaged or cut short: save or download it again.") from error
    _check_size(*image.size)  # a file whose header lied
    return _to_rgb(_upright(image))


def _identify(source: str | Path | bytes | BinaryIO) -> Image.Image:
    """`source` with its header read and not yet decoded."""
    name = _name(source)
    try:
        file = _open_file(source)
        start = file.read(12)
        file.seek(0)
    except PhotoError:
        raise
    except Exception as error:
        raise PhotoError(f"{name} cannot be read: check the path and its permissions.") from error
    if not start:
        raise PhotoError(f"{name} is empty: save or download it again.")

    try:
        image = Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise PhotoError(f"{name} is too large: at most {MAX_PIXELS // 1_000_000} megapixels are answered.") from error
    except UnidentifiedImageError as error:
        if start[4:8] == b"ftyp" and start[8:12] in HEIC_BRANDS:
            raise PhotoError(
                f"{name} is a HEIC photo, which needs the package pillow-heif: install it, or save the photo as JPEG."
            ) from error
        raise PhotoError(f"{name} is not a photo that can be read: choose a {READABLE} file.") from error
    except Exception as error:
        raise PhotoError(f"{name} is damaged: save or download it again.") from error
    if image.format in ("JPEG", "MPO") and _scans(file) > MAX_SCANS:
        raise PhotoError(f"{name} is made so that decoding it takes very long: save it anew first.")
    return image


def _scans(file: BinaryIO) -> int:
    """The scans of a JPEG file, whose position in the end is what it was; at most one more than MAX_SCANS."""
    position = file.seek(0, io.SEEK_CUR)
    file.seek(0)
    content = file.read()
    file.seek(position)
    scans, at = 0, 2
    while scans <= MAX_SCANS and (marker := JPEG_MARKER.search(content, at)):
        at = marker.end()
        if content[at - 1] == 0xD9:  # the end of the picture: phones append whole films after it
            break
        scans += content[at - 1] == 0xDA
        at += int.from_bytes(content[at : at + 2], "big")
    return scans


def _open_file(source: str | Path | bytes | BinaryIO) -> BinaryIO:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(source)
    if hasattr(source, "read") and hasattr(source, "seek"):
        source.seek(0)
        return source
    if not isinstance(source, (str, Path)) or not str(source).strip():
        raise PhotoError("There is no photo: choose one first.")
    if str(source).startswith(("http://", "https://")):
        raise PhotoError(f"{source} is a web address: download the photo and give its path.")
    path = Path(source)
    if path.is_dir():
        raise PhotoError(f"{_name(source)} is a folder: give the path of one photo.")
    if not path.is_file():
        raise PhotoError(f"There is no file {_name(source)}: check the path.")
    if path.stat().st_size > MAX_BYTES:
        raise PhotoError(f"{_name(source)} is a file of more than {MAX_BYTES // 1_000_000} MB: make it smaller first.")
    return io.BytesIO(path.read_bytes())


def _name(source: object) -> str:
    return f'"{Path(source).name or source}"' if isinstance(source, (str, Path)) else "This file"


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise PhotoError(
            f"This photo has {width} × {height} pixels: at most {MAX_PIXELS // 1_000_000} megapixels are answered, "
            "so make it smaller first."
        )
    if min(width, height) < MIN_SIDE:
        raise PhotoError(
            f"This photo has {width} × {height} pixels: at least {MIN_SIDE} × {MIN_SIDE} are needed to see anything, "
            "so choose a larger one."
        )


def _upright(image: Image.Image) -> Image.Image:
    """`image` turned as its metadata says; the result no longer carries any that say so, so nothing turns it twice."""
    try:
        turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation))
    except Exception:  # unreadable metadata is no reason to refuse a photo whose pixels are whole
        return image
    if turn is None:
        return image
    # Not ImageOps.exif_transpose: it writes the metadata anew, and fails where any other field of it is wrong.
    upright = image.transpose(turn)
    upright.info = {key: image.info[key] for key in ("icc_profile", "transparency") if key in image.info}
    return upright


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode in WHITES:  # PIL's own conversion would cut these at 255
        return Image.fromarray(_to_8_bits(np.asarray(image), whites=WHITES[image.mode])).convert("RGB")
    try:
        if image.has_transparency_data:
            image = image.convert("RGBA")
            white = Image.new("RGB", image.size, "white")
            white.paste(image, mask=image.getchannel("A"))
            return white
        return image.convert("RGB")
    except (ValueError, OSError) as error:
        raise PhotoError(f"This photo's colour mode ({image.mode}) cannot be read: save it as RGB first.") from error


def _to_8_bits(grey: np.ndarray, *, whites: tuple[int, ...]) -> np.ndarray:
    """H×W of any number type to uint8: white is the smallest of `whites` that no value exceeds, or else the maximum."""
    grey = np.nan_to_num(grey.astype(np.float32), posinf=0, neginf=0)  # H×W
    brightest = float(grey.max())
    white = next((white for white in whites if brightest <= white), brightest)
    return (grey.clip(0, white) * (255 / white)).round().astype(np.uint8)
