"""How pictures and maps travel to the browser: photos as data addresses, maps as bytes that it colours itself."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from slvit.pictures import scaled


def data_url(picture: Image.Image, *, quality: int | None = None) -> str:
    """`picture` as a data: address, JPEG when a `quality` is given, else PNG."""
    file = io.BytesIO()
    if quality:
        picture.save(file, "JPEG", quality=quality)
    else:
        picture.save(file, "PNG", compress_level=3)
    kind = "jpeg" if quality else "png"
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def packed_map(values: np.ndarray, limits: tuple[float, float]) -> dict[str, Any]:
    """A map (h×w) in 256 steps between `limits`: height, width, both limits, and its bytes row by row in base64."""
    height, width = values.shape
    return {"h": height, "w": width, "low": limits[0], "high": limits[1], "data": packed(scaled(values, limits))}


def packed_colours(shares: np.ndarray) -> dict[str, Any]:
    """A picture (h×w×3, shares 0..1 of red, green, blue): height, width, and its bytes row by row in base64."""
    height, width, _ = shares.shape
    return {"h": height, "w": width, "colours": packed(shares)}


def packed(shares: np.ndarray) -> str:
    """Shares 0..1 of any shape as bytes in base64."""
    return base64.b64encode((shares * 255 + 0.5).astype(np.uint8).tobytes()).decode()
