"""The example photos and their expressions, drawn by examples.js; one click answers."""

from __future__ import annotations

import filecmp
import json
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from slvit.page.encode import data_url

FOLDER = Path(__file__).resolve().parents[2] / "assets"


def read_examples(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """The examples of examples.json: photo (file name), alt, expressions. An installation without them has none."""
    listing = folder / "examples.json"
    return json.loads(listing.read_text("utf-8")) if listing.is_file() else []


def photo_path(name: str, folder: Path = FOLDER) -> Path:
    """The file of an example's photo; ValueError for a name that is not an example's."""
    if name not in {example["photo"] for example in read_examples(folder)}:
        raise ValueError(f"There is no example photo {name}: choose one of those shown.")
    return folder / "examples" / name


def example_of(path: str | Path) -> str | None:
    """The name of the example photo that the file at `path` is a copy of, None for any other photo."""
    name = Path(path).name
    is_one = name in {example["photo"] for example in read_examples()}
    return name if is_one and filecmp.cmp(path, photo_path(name), shallow=False) else None


def component() -> gr.HTML:
    examples = read_examples()
    for example in examples:
        with Image.open(photo_path(example["photo"])) as photo:
            photo.thumbnail((320, 320))
            example["thumbnail"] = data_url(photo.convert("RGB"), quality=80)
    return gr.HTML(
        value=examples,
        html_template='<div class="slvit-examples"></div>',
        js_on_load="slvit.examples(element, props, trigger, 'select')",
        apply_default_css=False,
        elem_id="examples",
    )
