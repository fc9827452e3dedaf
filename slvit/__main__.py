"""Answer one expression about one photo: python -m slvit PHOTO "EXPRESSION" -o out.png"""

from __future__ import annotations

import argparse
import io
import json
import sys
import warnings
from pathlib import Path
from typing import Any

from PIL import Image
from transformers.utils import logging

from slvit.arguments import SIZE, probability, sizes
from slvit.checkpoint import BUNDLED
from slvit.errors import CheckpointError, ExpressionError, PhotoError
from slvit.facts import facts
from slvit.insides import save_insides
from slvit.photo import open_photo
from slvit.pictures import overlay
from slvit.segmenter import ReferringSegmenter

PICTURES = (".png", ".jpg", ".jpeg", ".webp")


def main(arguments: list[str] | None = None) -> int:
    """Gives the exit code: 0, or 2 after a sentence on stderr for whatever cannot be answered."""
    parser = _parser()
    args = parser.parse_args(arguments)
    _check_output(parser, args.output, args.photo)
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # open_photo refuses such photos in its own words
    logging.disable_progress_bar()
    try:
        segmenter = ReferringSegmenter.from_pretrained(args.checkpoint, device=args.device, size=args.size)
        segmentation = segmenter.segment(args.photo, args.expression, inspect=args.inspect is not None)
        if args.output:
            args.output.parent.mkdir(parents=True, exist_ok=True)
            mask = segmentation.probability >= args.threshold
            _save(overlay(open_photo(args.photo), mask), args.output)
        if args.inspect:
            save_insides(segmentation.inspection, open_photo(args.photo), args.inspect)
    except (PhotoError, ExpressionError, CheckpointError, OSError) as error:
        print(f"slvit: {error}", file=sys.stderr)
        return 2
    known = facts(segmentation, args.threshold)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # not every console can say what was typed
    print(json.dumps(known) if args.json else _sentence(known, args))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m slvit", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("photo", metavar="PHOTO", type=Path, help="JPEG, PNG, WebP, BMP, GIF or TIFF of up to 64 MP")
    parser.add_argument("expression", metavar="EXPRESSION", help='what to look for, such as "the dog on the left"')
    parser.add_argument("-o", "--output", metavar="OUT.png", type=Path, help="write the photo with the mask over it")
    parser.add_argument("--json", action="store_true", help="print all facts as JSON, the mask as COCO RLE")
    parser.add_argument("--inspect", metavar="FOLDER", type=Path, help="write the network's insides there")
    parser.add_argument("--threshold", type=probability, default=0.5, help="probability of the mask's pixels (0.5)")
    parser.add_argument("--checkpoint", metavar="FOLDER_OR_ID", default=BUNDLED, help="default: the bundled one")
    parser.add_argument("--device", default="auto", help="auto (default), cpu or cuda")
    parser.add_argument("--size", type=sizes, help=SIZE)
    return parser


def _check_output(parser: argparse.ArgumentParser, output: Path | None, photo: Path) -> None:
    """Before any work is done: the picture can be written, and not over the photo."""
    if output is None:
        return
    if output.suffix.lower() not in PICTURES:
        parser.error(f"{output} has no ending of a picture: name it {output.stem}.png, .jpg or .webp.")
    if output.is_dir():
        parser.error(f"{output} is a folder: add the name of a picture to it.")
    if output.exists() and output.resolve() == photo.resolve():
        parser.error(f"{output} is the photo itself: write to another file, so that the photo is not lost.")


def _save(picture: Image.Image, path: Path) -> None:
    try:
        picture.save(path, quality=92)
    except ValueError as error:  # a side too long for WebP
        raise OSError(f"{path} cannot be written ({error}): name it {path.stem}.png.") from error


def _sentence(known: dict[str, Any], args: argparse.Namespace) -> str:
    lines = []
    if known["box"] is None:
        lines.append(f"Not found: no pixel reaches a probability of {args.threshold:g}.")
    else:
        x, y, width, height = known["box"]
        share = known["area"] / (known["width"] * known["height"])
        verdict = "Found" if known["found"] else "Probably not there, but nearest to it"
        lines.append(
            f"{verdict}: {known['area']:,} pixels ({share:.1%}) in {width} × {height} at ({x}, {y}), "
            f"confidence {known['confidence']:.2f}, {known['timings']['total']:.2f} s."
        )
    words = known["words"]
    if words["unread"]:
        lines.append(f"Too long: the last {len(words['unread'])} words were not read.")
    if words["unknown"]:
        lines.append(f"Unknown words: {', '.join(words['unknown'])}.")
    lines += [f"Written: {path}" for path in (args.output, args.inspect) if path]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
