"""Files that a hostile visitor might send: whole photos damaged at random, and bombs."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator
from functools import cache

import numpy as np
from PIL import Image

NAMES = (
    "a.png",
    "a.jpg",
    "a.gif",
    "a.webp",
    "a.tiff",
    "a.bmp",
    "a.heic",
    "a.svg",
    "a.txt",
    "a",
    "a.png.exe",
    "ä 雪.jpg",
)


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def whole_photos() -> list[bytes]:
    """One small photo in every way that formats offer."""
    rows, columns = np.mgrid[:72, :96]
    photo = Image.fromarray(np.stack([rows * 3, columns * 2, (rows + columns) % 256], axis=-1).astype(np.uint8))
    frames = [photo.transpose(turn) for turn in (Image.Transpose.ROTATE_180, Image.Transpose.FLIP_LEFT_RIGHT)]
    several = {"save_all": True, "append_images": frames}
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    return [
        saved(photo, "PNG", exif=exif),
        saved(photo.convert("P"), "PNG", transparency=3),
        saved(photo.convert("I;16"), "PNG"),
        saved(photo.convert("RGBA"), "PNG", **several),
        saved(photo, "JPEG", exif=exif),
        saved(photo, "JPEG", progressive=True),
        saved(photo.convert("CMYK"), "JPEG"),
        saved(photo, "GIF", **several),
        saved(photo, "WEBP", exif=exif),
        saved(photo, "WEBP", lossless=True),
        saved(photo, "WEBP", **several),
        saved(photo, "TIFF", compression="tiff_lzw"),
        saved(photo, "TIFF", compression="tiff_adobe_deflate", **several),
        saved(photo, "TIFF", compression="jpeg"),
        saved(photo.convert("F"), "TIFF"),
        saved(photo, "BMP"),
    ]


def damaged(chance: random.Random, photos: list[bytes]) -> bytes:
    """One of `photos` with bits flipped, bytes drawn anew, pieces cut, doubled or taken from another."""
    content = bytearray(chance.choice(photos))
    way = chance.randrange(6)
    start = chance.randrange(len(content))
    if way == 0:
        for _ in range(chance.choice((1, 2, 8, 64))):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    elif way == 1:  # where sizes and offsets stand
        for _ in range(chance.choice((1, 4))):
            content[chance.randrange(min(64, len(content)))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
    elif way == 2:
        del content[start:]
    elif way == 3:
        del content[start : start + chance.randrange(1, 64)]
    elif way == 4:
        content[start:start] = content[max(0, start - chance.randrange(1, 256)) : start] * chance.choice((1, 50))
    else:
        other = chance.choice(photos)
        content[start:] = other[chance.randrange(len(other)) :]
    return bytes(content)


@cache
def bombs() -> dict[str, bytes]:
    """Small files that claim, or decode to, far more than they are."""
    flat = Image.new("RGB", (64, 64), "teal")
    pixels, text = zlib.compress(bytes(64 * 193)), zlib.compress(bytes(10**8))
    huge = Image.new("L", (8000, 8000), 90)  # 64 megapixels: the most that is answered
    progressive = saved(Image.new("L", (4000, 4000), 90), "JPEG", progressive=True)
    last = progressive.rfind(b"\xff\xda")
    gif = bytearray(saved(flat.convert("P"), "GIF"))
    gif[6:10] = struct.pack("<HH", 65535, 65535)
    tiff = bytearray(saved(flat, "TIFF"))
    jpeg = bytearray(saved(flat, "JPEG"))
    size = jpeg.find(b"\xff\xc0") + 5
    jpeg[size : size + 4] = struct.pack(">HH", 65500, 65500)
    return {
        "png-claims": _png(60_000, 60_000, zlib.compress(bytes(1_000_000))),
        "png-decodes": _png(30_000, 30_000, zlib.compress(bytes(200_000_000), 9)),
        "png-short": _png(7_900, 8_000, zlib.compress(bytes(10))),
        "png-text": _png(64, 64, pixels, _chunk(b"zTXt", b"k\0\0" + text)),
        "png-profile": _png(64, 64, pixels, _chunk(b"iCCP", b"k\0\0" + text)),
        "png-largest": saved(huge, "PNG"),
        "gif-claims": bytes(gif),
        "gif-frames": saved(flat, "GIF", save_all=True, append_images=[flat, flat.rotate(90, expand=True)] * 500),
        "webp-canvas": saved(flat, "WEBP", lossless=True)[:12]
        + b"VP8X\x0a\0\0\0\x02\0\0\0" + b"\xfe\x3f\0" * 2 + bytes(40),
        "webp-largest": saved(huge.convert("RGB"), "WEBP", quality=1, method=0),
        "tiff-claims": _tiff_of_size(tiff, 1_000_000, 1_000_000),
        "tiff-decodes": saved(Image.new("L", (20_000, 10_000)), "TIFF", compression="tiff_adobe_deflate"),
        "tiff-largest": saved(huge, "TIFF", compression="tiff_lzw"),
        "jpeg-claims": bytes(jpeg),
        "jpeg-largest": saved(huge, "JPEG", quality=1),
        "jpeg-scans": progressive[:-2] + progressive[last:-2] * 20_000 + b"\xff\xd9",
    }  # fmt: skip


def files(count: int, *, seed: int = 0, largest: bool = True) -> Iterator[tuple[str, bytes]]:
    """`count` names and contents, the bombs among them, those that are whole photos of 64 megapixels if `largest`."""
    chance, photos = random.Random(seed), whole_photos()
    waiting = [bomb for name, bomb in bombs().items() if largest or not name.endswith("-largest")]
    every = max(1, count // len(waiting))
    for number in range(count):
        content = waiting.pop() if number % every == 0 and waiting else damaged(chance, photos)
        yield chance.choice(NAMES), content


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(width: int, height: int, pixels: bytes, *others: bytes) -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(others) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _tiff_of_size(tiff: bytearray, width: int, height: int) -> bytes:
    """`tiff` (little-endian) with its tags 256 and 257 rewritten."""
    (at,) = struct.unpack_from("<I", tiff, 4)
    (entries,) = struct.unpack_from("<H", tiff, at)
    for entry in range(at + 2, at + 2 + 12 * entries, 12):
        (tag,) = struct.unpack_from("<H", tiff, entry)
        if tag in (256, 257):
            struct.pack_into("<HHII", tiff, entry, tag, 4, 1, width if tag == 256 else height)
    return bytes(tiff)
