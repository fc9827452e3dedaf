"""Values of the command lines, refused by argparse before any work is done."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from slvit.processor import LARGEST_SIZE, STRIDE, checked_size


def probability(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no probability: it must lie in 0..1")
    return value


SIZE = "the model sees about SIZE² pixels (the checkpoint's own); 256+384: the mean of a look at each"


def sizes(text: str) -> list[int]:
    """Of what the model sees, such as 256 or 256+384, see `SLViTImageProcessor`."""
    try:
        return [checked_size(int(size)) for size in text.split("+")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text} is no size: a whole number of pixels in {STRIDE}..{LARGEST_SIZE}, or several, as 256+384"
        ) from error


def at_least(least: int) -> Callable[[str], int]:
    """The type of a whole number from `least` on."""

    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{text} is too small: it must be at least {least}")
        return value

    return number
