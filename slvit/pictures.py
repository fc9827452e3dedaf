"""Pictures of what the network decided and saw: arrays in, PIL images out.

Pure functions, no model and no page in them. The command line, the page's endpoints and the trainer's contact sheets
all draw with these. Sizes of text and lines are in real pixels of the finished picture, so letters stay crisp.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from matplotlib import colormaps
from PIL import Image, ImageDraw, ImageFont

MASK_COLOUR = (235, 64, 107)  # the page's accent: far from skin, grass, sky and wood
TRUTH_COLOUR = (38, 166, 154)
COLOUR_MAP = "viridis"  # perceptually uniform, readable in grey and by the colour-blind

INK = (28, 30, 38)
PAPER = (250, 248, 244)


def overlay(
    photo: Image.Image,
    mask: np.ndarray,
    *,
    colour: tuple[int, int, int] = MASK_COLOUR,
    opacity: float = 0.5,
) -> Image.Image:
    """The photo with the mask laid over it in `colour`, and the mask's contour drawn in full strength.

    photo: RGB image of W×H. mask: bool H×W. opacity: 0 (contour only) to 1 (plain colour).
    Returns an RGB image of the photo's size. Raises ValueError when mask and photo differ in size.
    """
    pixels = np.array(photo.convert("RGB"))  # H×W×3
    mask = _fitting(mask, photo)
    tint = np.asarray(colour, np.float32)
    pixels[mask] = (pixels[mask] * (1 - opacity) + tint * opacity + 0.5).astype(np.uint8)
    width = line_width(photo.size)
    return Image.fromarray(_draw_contours(pixels, mask, colour, width))


def outline(
    photo: Image.Image, mask: np.ndarray, *, colour: tuple[int, int, int] = MASK_COLOUR, width: int | None = None
) -> Image.Image:
    """The photo with only the mask's contour on it, `width` pixels wide (chosen from the photo's size by default)."""
    pixels = np.array(photo.convert("RGB"))
    return Image.fromarray(_draw_contours(pixels, _fitting(mask, photo), colour, width or line_width(photo.size)))


def cutout(photo: Image.Image, mask: np.ndarray) -> Image.Image:
    """What the mask covers, on a transparent ground: RGBA image of the photo's size, alpha 0 or 255.

    The colours under alpha 0 are black: nothing of the photo outside the mask travels with the file.
    """
    mask = _fitting(mask, photo)
    pixels = np.dstack([np.array(photo.convert("RGB")), mask.astype(np.uint8) * 255])  # H×W×4
    pixels[~mask] = 0
    return Image.fromarray(pixels, "RGBA")


def mask_picture(mask: np.ndarray) -> Image.Image:
    """The mask alone: 8-bit grey image, 0 outside and 255 inside."""
    return Image.fromarray(np.asarray(mask, bool).astype(np.uint8) * 255, "L")


def contact_sheet(
    rows: list[tuple[Image.Image, np.ndarray, np.ndarray, str]], columns: int = 4, *, cell: int = 320
) -> Image.Image:
    """Many answers on one sheet: prediction filled, truth as a contour, the caption under each photo.

    rows: (photo, predicted mask bool H×W, true mask bool H×W, caption). An empty list gives an empty sheet that says so.
    columns: cells side by side. cell: pixels of a cell's longer photo side. Returns an RGB image.
    """
    font = ImageFont.load_default(15)
    line_height, lines, gap, head = 20, 3, 16, 44
    columns = max(1, min(columns, len(rows)))
    height = cell + lines * line_height + gap
    count = -(-len(rows) // columns)
    sheet = Image.new("RGB", (max(columns * (cell + gap) + gap, 420), head + count * height + gap), PAPER)
    draw = ImageDraw.Draw(sheet)
    _legend(draw, [(MASK_COLOUR, "predicted"), (TRUTH_COLOUR, "true contour")], (gap, 14), font)
    if not rows:
        draw.text((gap, head), "no rows", INK, font)
    for number, (photo, predicted, truth, caption) in enumerate(rows):
        left = gap + number % columns * (cell + gap)
        top = head + number // columns * height
        small, small_predicted = _shrunk(photo, predicted, cell)
        _, small_truth = _shrunk(photo, truth, cell)
        picture = overlay(small, small_predicted, opacity=0.45)
        picture = outline(picture, small_truth, colour=TRUTH_COLOUR, width=2)
        sheet.paste(picture, (left + (cell - picture.width) // 2, top + (cell - picture.height) // 2))
        for row, text in enumerate(_wrapped(caption, font, cell, lines)):
            draw.text((left, top + cell + 4 + row * line_height), text, INK, font)
    return sheet


def line_width(size: tuple[int, int]) -> int:
    """Contour width in pixels that looks alike on any photo: about 1/400 of the longer side, at least 1."""
    return max(1, round(max(size) / 400))


def _fitting(mask: np.ndarray, photo: Image.Image) -> np.ndarray:
    mask = np.asarray(mask, bool)
    if mask.shape != (photo.height, photo.width):
        raise ValueError(
            f"The mask is {mask.shape[1] if mask.ndim == 2 else mask.shape}×{mask.shape[0]} pixels and the photo "
            f"{photo.width}×{photo.height}: give both in the same size."
        )
    return mask


def _draw_contours(pixels: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int], width: int) -> np.ndarray:
    # A dark hairline under the coloured one keeps the contour visible on any ground.
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    pixels = np.ascontiguousarray(pixels)
    cv2.drawContours(pixels, found, -1, INK, width + 2, cv2.LINE_AA)
    cv2.drawContours(pixels, found, -1, colour, width, cv2.LINE_AA)
    return pixels


def _shrunk(photo: Image.Image, mask: np.ndarray, side: int) -> tuple[Image.Image, np.ndarray]:
    scale = side / max(photo.size)
    size = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
    small = photo.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    small_mask = mask_picture(mask).resize(size, Image.Resampling.BOX)
    return small, np.array(small_mask) > 127


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: int, lines: int) -> list[str]:
    """`text` broken between words to `width` pixels, at most `lines` of them, the last ending in … when cut."""
    rows = [""]
    words = text.split()
    for word in words:
        longer = f"{rows[-1]} {word}".strip()
        if font.getlength(longer) <= width or not rows[-1]:
            rows[-1] = longer
        else:
            rows.append(word)
    if len(rows) > lines:
        rows = rows[:lines]
        rows[-1] += " …"
    return [_clipped(row, font, width) for row in rows]


def _clipped(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _legend(
    draw: ImageDraw.ImageDraw,
    entries: list[tuple[tuple[int, int, int], str]],
    at: tuple[int, int],
    font: ImageFont.FreeTypeFont,
) -> None:
    left, top = at
    for colour, name in entries:
        draw.rounded_rectangle((left, top + 2, left + 14, top + 16), 3, colour)
        draw.text((left + 22, top), name, INK, font)
        left += 22 + int(font.getlength(name)) + 24
