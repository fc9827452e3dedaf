"""Pictures of what the network decided and saw: arrays in, PIL images out.

Pure functions, no model and no page in them. The command line, the page's endpoints and the trainer's contact sheets
all draw with these. Sizes of text and lines are in real pixels of the finished picture, so letters stay crisp.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from matplotlib import colormaps
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from slvit.segmenter import Inspection

MASK_COLOUR = (235, 64, 107)  # the page's accent: far from skin, grass, sky and wood
TRUTH_COLOUR = (38, 166, 154)
PALETTE = [MASK_COLOUR, (46, 134, 222), (242, 158, 56), (46, 160, 103), (155, 89, 208), (17, 170, 187)]
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
    levels = np.arange(256)[None, :, None] * (1 - opacity) + np.asarray(colour) * opacity + 0.5  # 1×256×3
    cv2.copyTo(cv2.LUT(pixels, levels.astype(np.uint8)), mask.astype(np.uint8), pixels)
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


def smaller(photo: Image.Image, side: int) -> Image.Image:
    """An RGB photo with a longer side of at most `side` pixels, each the mean of those that it stands for."""
    shrink = side / max(photo.size)
    if shrink >= 1:
        return photo
    size = max(1, round(photo.width * shrink)), max(1, round(photo.height * shrink))
    # OpenCV's average takes a tenth of the time of Pillow's filters, which at 12 megapixels is longer than the answer.
    return Image.fromarray(cv2.resize(np.asarray(photo), size, interpolation=cv2.INTER_AREA))


def smaller_mask(mask: np.ndarray, photo: Image.Image) -> np.ndarray:
    """`mask` (bool H×W) at the size of `photo`, a smaller copy of its own: set where more than half is set."""
    if mask.shape == (photo.height, photo.width):
        return mask
    return cv2.resize(mask.view(np.uint8), photo.size, interpolation=cv2.INTER_AREA) > 0  # a half is rounded to 0


def contact_sheet(
    rows: list[tuple[Image.Image, np.ndarray, np.ndarray, str]], columns: int = 4, *, cell: int = 320
) -> Image.Image:
    """Many answers on one sheet: prediction filled, truth as a contour, the caption under each photo.

    rows: (photo, predicted mask bool H×W, true mask bool H×W, caption). An empty list gives a sheet that says so.
    columns: cells side by side. cell: pixels of a cell's longer photo side. Returns an RGB image.
    """
    font = ImageFont.load_default(15)
    line_height, lines, gap, head = 20, 3, 16, 44
    columns = max(1, min(columns, len(rows)))
    # A row is as high as its highest photo, so a sheet of landscape photos wastes no paper.
    heights = [
        max(round(cell * photo.height / max(photo.size)) for photo, *_ in rows[start : start + columns])
        for start in range(0, len(rows), columns)
    ]
    tops = np.cumsum([head] + [height + lines * line_height + gap for height in heights]).tolist()
    sheet = Image.new("RGB", (max(columns * (cell + gap) + gap, 420), tops[-1] + gap), PAPER)
    draw = ImageDraw.Draw(sheet)
    _legend(draw, [(MASK_COLOUR, "predicted"), (TRUTH_COLOUR, "true contour")], (gap, 14), font)
    if not rows:
        draw.text((gap + 230, 14), "no rows", INK, font)
    for number, (photo, predicted, truth, caption) in enumerate(rows):
        left = gap + number % columns * (cell + gap)
        top, height = tops[number // columns], heights[number // columns]
        small, small_predicted = _shrunk(photo, predicted, cell)
        _, small_truth = _shrunk(photo, truth, cell)
        picture = overlay(small, small_predicted, opacity=0.45)
        picture = outline(picture, small_truth, colour=TRUTH_COLOUR, width=2)
        sheet.paste(picture, (left + (cell - picture.width) // 2, top + (height - picture.height) // 2))
        for row, text in enumerate(_wrapped(caption, font, cell, lines)):
            draw.text((left, top + height + 4 + row * line_height), text, INK, font)
    return sheet


def colours(values: np.ndarray) -> np.ndarray:
    """Values in 0..1 (h×w, clipped) in the project's one colour map: uint8 h×w×3."""
    return colour_table()[(np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)]  # h×w×3


@lru_cache(maxsize=1)
def colour_table() -> np.ndarray:
    """The 256 colours of COLOUR_MAP, dark to bright: uint8 256×3."""
    return (colormaps[COLOUR_MAP](np.arange(256))[:, :3] * 255 + 0.5).astype(np.uint8)


def summary(feature: np.ndarray) -> np.ndarray:
    """One value a position: the mean over channels of the absolute value. C×h×w to float32 h×w."""
    return np.abs(feature).mean(axis=0, dtype=np.float32)


def principal_colours(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The three principal components as red, green and blue: two features C×h×w to two float32 h×w×3 in 0..1.

    The components are those of `first` over its positions, so that one colour means one thing in both pictures. Each
    runs from its 1st to its 99th percentile over both.
    """
    C, height, width = first.shape
    points, others = (feature.reshape(C, -1).T - first.mean(axis=(1, 2)) for feature in (first, second))  # hw×C
    _, axes = np.linalg.eigh(points.T @ points)  # C×C, columns in rising order of variance
    axes = axes[:, :-4:-1]  # C×3
    # An axis may point either way: its largest entry is made positive, so that colours are the same at every call.
    axes = axes * np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0))
    before, after = points @ axes, others @ axes  # hw×3
    low, high = np.percentile(np.concatenate([before, after]), (1, 99), axis=0)  # 3 each
    limits = low, np.maximum(high, low + 1e-6)
    return tuple(scaled(projected, limits).reshape(height, width, 3) for projected in (before, after))


def shared_range(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """The range in which two summaries are shown, one for both so that they compare: the 0.5th to the 99.5th percentile
    of all their values together. It does not start at 0: layer norm lifts every position to about the same level."""
    return _percentiles(np.concatenate([first.ravel(), second.ravel()]), 0.5, 99.5)


def own_range(values: np.ndarray) -> tuple[float, float]:
    """The range in which one map is shown alone: its 1st to 99th percentile, never empty."""
    return _percentiles(values, 1, 99)


def change_range(values: np.ndarray) -> tuple[float, float]:
    """The range in which a change is shown: from 0 to its 99.5th percentile."""
    return 0.0, max(float(np.percentile(values, 99.5)), 1e-6)


def scaled(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """`values` mapped so that `limits` become 0 and 1, clipped: float32."""
    low, high = limits
    return np.clip((values - low) / (high - low), 0, 1).astype(np.float32)


def heat(
    photo: Image.Image,
    values: np.ndarray,
    *,
    limits: tuple[float, float],
    title: str = "",
    opacity: float = 0.65,
    side: int = 640,
    before: np.ndarray | None = None,
    boxes: Sequence[tuple[float, float, float, float]] = (),
) -> Image.Image:
    """A map (h×w, any size) in colours over the photo, with a title above and a colour bar with its `limits` below.

    opacity: 1 shows the map alone. side: longer side in pixels of the photo in the picture. before: h×w, what shows
    outside `boxes` (shares as of `patch_boxes`); smoothed as one, a rewritten patch would seem to have changed its
    neighbours. Returns an RGB image.
    """
    base = _sized(photo.convert("L"), side)  # grey: the photo's own colours would be read as values
    spread = _spread(values, limits, base.size)
    if before is not None:
        inside, spread = spread, _spread(before, limits, base.size)
        for box in boxes:
            corners = tuple(round(edge * length) for edge, length in zip(box, base.size * 2, strict=True))
            spread.paste(inside.crop(corners), corners)
    return _framed(Image.blend(base, spread, opacity), limits, title)


def stage_pictures(
    photo: Image.Image, inspection: Inspection, *, side: int = 480, change: bool = False
) -> list[Image.Image]:
    """F_i and enhanced F_i side by side over the photo, for i = 1..4, each pair in one range: four RGB images.

    change: also how much URCE changed, the mean over channels of the absolute difference, in a range of its own from 0.
    """
    pictures, where = [], {"side": side, "boxes": patch_boxes(inspection)}
    for number, (plain, enhanced) in enumerate(
        zip(inspection.features, inspection.enhanced_features, strict=True), start=1
    ):
        before, after = summary(plain), summary(enhanced)  # H_i×W_i
        limits = shared_range(before, after)
        row = [
            heat(photo, before, limits=limits, title=f"F{number}: before URCE", side=side),
            heat(photo, after, limits=limits, title=f"enhanced F{number}: after URCE", before=before, **where),
        ]
        if change:
            difference = summary(enhanced - plain)
            limits = change_range(difference)
            title = f"F{number}: change"
            nothing = np.zeros_like(difference)
            row.append(heat(photo, difference, limits=limits, title=title, before=nothing, **where))
        pictures.append(_beside(row))
    return pictures


def uncertainty_picture(
    photo: Image.Image, inspection: Inspection, *, show: int | None = None, side: int = 1024
) -> Image.Image:
    """map_U over the photo with a colour bar, its `show` most uncertain patches (all K by default) outlined, numbered.

    Number 1 is the most uncertain. Returns an RGB image.
    """
    limits = own_range(inspection.uncertainty)
    base = _sized(photo.convert("L"), side)
    picture = Image.blend(base, _spread(inspection.uncertainty, limits, base.size), 0.55)
    draw = ImageDraw.Draw(picture)
    boxes = patch_boxes(inspection)[:show]
    cell = min(base.width / inspection.uncertainty.shape[1], base.height / inspection.uncertainty.shape[0])
    font = ImageFont.load_default(max(9, min(20, cell * 0.42)))
    for rank in range(len(boxes), 0, -1):  # the first ones last, so that their numbers lie on top
        left, top, right, bottom = (
            edge * length for edge, length in zip(boxes[rank - 1], (base.width, base.height) * 2, strict=True)
        )
        right, bottom = max(left, right - 1), max(top, bottom - 1)  # of a thin photo a cell may be less than a pixel
        draw.rectangle((left, top, right, bottom), outline=INK, width=3)
        if min(right - left, bottom - top) >= 2:
            draw.rectangle((left + 1, top + 1, right - 1, bottom - 1), outline=PAPER, width=1)
        draw.text(
            ((left + right) / 2, (top + bottom) / 2), str(rank), PAPER, font, "mm", stroke_width=2, stroke_fill=INK
        )
    return _framed(picture, limits, f"map_U and its {len(boxes)} most uncertain patches")


def patch_boxes(inspection: Inspection) -> list[tuple[float, float, float, float]]:
    """The K patches in falling order of uncertainty: (left, top, right, bottom) as shares 0..1 of the photo."""
    height, width = inspection.uncertainty.shape  # H_4×W_4
    rows, columns = np.divmod(inspection.patch_index, width)
    return [
        (column / width, row / height, (column + 1) / width, (row + 1) / height)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
    ]


def word_maps(inspection: Inspection) -> tuple[list[str], list[np.ndarray]]:
    """The words, and for each stage their scores S_i: word pieces joined to words, their maps averaged.

    Returns N words ([CLS] and [SEP] first and last, as the network reads them) and four float32 N×H_i×W_i.
    """
    words, members = _joined(inspection.tokens)
    maps = [np.stack([scores[group].mean(axis=0) for group in members]) for scores in inspection.word_scores]
    return words, maps


def word_shares(inspection: Inspection, text_channels: int) -> list[np.ndarray]:
    """How much of its attention each position gives to each word, the weights of equation 5: four N×H_i×W_i in 0..1.

    text_channels: C_l of the text encoder. Over the words the shares of a position add up to 1; pieces of one word are
    summed.
    """
    _, members = _joined(inspection.tokens)
    shares = []
    for scores in inspection.word_scores:  # T×H_i×W_i
        weights = np.exp((scores - scores.max(axis=0)) * text_channels**-0.5)
        weights /= weights.sum(axis=0)
        shares.append(np.stack([weights[group].sum(axis=0) for group in members]))
    return shares


def word_picture(photo: Image.Image, inspection: Inspection, *, stage: int = 4, side: int = 320) -> Image.Image:
    """Every word's map at `stage` (1..4) over the photo, each in its own range, at most 24 words: one RGB image."""
    words, maps = word_maps(inspection)
    tiles = [
        heat(photo, values, limits=own_range(values), title=word, side=side)
        for word, values in list(zip(words, maps[stage - 1], strict=True))[:24]
    ]
    rows = [_beside(tiles[start : start + 4]) for start in range(0, len(tiles), 4)]
    sheet = Image.new("RGB", (max(row.width for row in rows), sum(row.height for row in rows)), PAPER)
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    return sheet


def inspection_pictures(photo: Image.Image, inspection: Inspection) -> dict[str, Image.Image]:
    """All pictures of the insides by file stem: stage-1 .. stage-4, uncertainty, words."""
    pictures = {f"stage-{n}": picture for n, picture in enumerate(stage_pictures(photo, inspection), start=1)}
    pictures["uncertainty"] = uncertainty_picture(photo, inspection)
    pictures["words"] = word_picture(photo, inspection)
    return pictures


def compared(
    photo: Image.Image,
    masks: list[np.ndarray],
    names: list[str],
    *,
    palette: list[tuple[int, int, int]] | None = None,
    opacity: float = 0.5,
) -> Image.Image:
    """Several masks on one photo, each in its colour, with a legend of `names` below. Returns an RGB image."""
    palette = palette or PALETTE
    picture = photo.convert("RGB")
    for number, mask in enumerate(masks):
        picture = overlay(picture, mask, colour=palette[number % len(palette)], opacity=opacity)
    font = ImageFont.load_default(16)
    line = 26
    framed = Image.new("RGB", (max(picture.width, 240), picture.height + 14 + line * len(names)), PAPER)
    framed.paste(picture, (0, 0))
    draw = ImageDraw.Draw(framed)
    for number, name in enumerate(names):
        top = picture.height + 10 + number * line
        draw.rounded_rectangle((10, top + 3, 24, top + 17), 3, palette[number % len(palette)])
        draw.text((34, top), _clipped(name, font, framed.width - 44), INK, font)
    return framed


def _joined(tokens: list[str]) -> tuple[list[str], list[list[int]]]:
    """Word pieces joined to words, and for each word the positions of its pieces."""
    words: list[str] = []
    members: list[list[int]] = []
    for position, piece in enumerate(tokens):
        if piece.startswith("##") and words:
            words[-1] += piece[2:]
            members[-1].append(position)
        else:
            words.append(piece)
            members.append([position])
    return words, members


def _percentiles(values: np.ndarray, first: float, last: float) -> tuple[float, float]:
    low, high = (float(edge) for edge in np.percentile(values, (first, last)))
    return (low, high) if high > low else (low, low + 1.0)


def _spread(values: np.ndarray, limits: tuple[float, float], size: tuple[int, int]) -> Image.Image:
    """A map (h×w) in colours, `size` (width, height) in pixels."""
    # Bilinear: the map is a sampled field, and blocks would suggest borders that are not in it.
    return Image.fromarray(colours(scaled(values, limits))).resize(size, Image.Resampling.BILINEAR)


def _sized(photo: Image.Image, side: int) -> Image.Image:
    scale = side / max(photo.size)
    size = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
    return photo.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def _framed(picture: Image.Image, limits: tuple[float, float], title: str) -> Image.Image:
    """`picture` with its title above and the colour bar of `limits` below, on paper."""
    font = ImageFont.load_default(15)
    width = max(picture.width, 160)
    framed = Image.new("RGB", (width, picture.height + 28 + 40), PAPER)
    framed.paste(picture, ((width - picture.width) // 2, 28))
    draw = ImageDraw.Draw(framed)
    draw.text((2, 5), _clipped(title, font, width - 4), INK, font)
    top = picture.height + 28 + 8
    bar = Image.fromarray(colour_table()[None]).resize((width, 10), Image.Resampling.BILINEAR)
    framed.paste(bar, (0, top))
    draw.text((2, top + 13), f"{limits[0]:.3g}", INK, font)
    draw.text((width - 2, top + 13), f"{limits[1]:.3g}", INK, font, "ra")
    return framed


def _beside(pictures: list[Image.Image]) -> Image.Image:
    gap = 12
    sheet = Image.new(
        "RGB",
        (sum(picture.width + gap for picture in pictures) + gap, max(picture.height for picture in pictures) + 2 * gap),
        PAPER,
    )
    left = gap
    for picture in pictures:
        sheet.paste(picture, (left, gap))
        left += picture.width + gap
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
    if len(text) <= width and font.getlength(text) <= width:
        return text
    text = text[:width]  # no letter is narrower than a pixel, and measuring a long text takes seconds
    longer = bisect_right(range(len(text) + 1), width, key=lambda letters: font.getlength(text[:letters] + "…"))
    return text[: max(0, longer - 1)] + "…"


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
