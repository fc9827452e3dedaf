"""The whole inspection of one answer as one HTML page that needs nothing beside it: to keep, send or print."""

from __future__ import annotations

import html
import json
from pathlib import Path

from PIL import Image

from slvit.page.encode import data_url
from slvit.page.overview import looks
from slvit.page.shown import ShownAnswer
from slvit.page.texts import TEXTS
from slvit.pictures import heat, overlay, smaller, smaller_mask, stage_pictures, uncertainty_picture, word_picture

SHOWN_SIDE = 1280  # longer side in pixels of the photo in the page
STYLE = Path(__file__).with_name("report.css").read_text("utf-8")


def report(shown: ShownAnswer) -> str:
    """The page as text: answer, stages, uncertainty, words and facts, every picture within it.

    shown: an answer that has its inspection; English where its language is none of TEXTS.
    """
    photo, segmentation, inspection = shown.photo, shown.segmentation, shown.segmentation.inspection
    language = shown.language if shown.language in TEXTS else "en"
    say = {key: html.escape(text) for key, text in TEXTS[language].items()}
    small = smaller(photo, SHOWN_SIDE)
    laid = overlay(small, smaller_mask(shown.mask, small), colour=shown.colour, opacity=shown.opacity)
    chance = heat(small, segmentation.probability, limits=(0.0, 1.0), side=max(small.size))
    stages = [
        _figure(picture, f"{say['stage']} {number}: {say['before']}, {say['after']}, {say['change']}")
        for number, picture in enumerate(stage_pictures(photo, inspection, side=400, change=True), start=1)
    ]
    words = [
        _figure(word_picture(photo, inspection, stage=number, side=240), f"{say['stage']} {number}")
        for number in range(1, 5)
    ]
    places = f"{len(inspection.patch_index)} {say['of']} {inspection.uncertainty.size}"
    way = f"{say['way_told']} {say['way_told_here'].replace('#', places)}"
    if len(inspection.input_sizes) > 1:
        way += f" {say['way_looks'].replace('#', looks(inspection))}"
    lead = [
        f"{say['confidence']} {segmentation.confidence:.0%}",
        f"{shown.mask.mean():.1%} {say['area']}",
        html.escape(shown.model),
    ]
    if not segmentation.found:
        lead.insert(0, f"<strong>{say['no_match']}</strong>")
    return f"""<!doctype html>
<html lang="{language}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(shown.expression)} · SLViT</title><style>{STYLE}</style></head>
<body><main>
<h1>“{html.escape(shown.expression)}”</h1>
<p class="small">{" · ".join(lead)}</p>
{_figure(laid, f"{say['view_overlay']}, {say['threshold']} {shown.threshold:.2f}")}
<div class="row">{_figure(small, say["photo"])}{_figure(chance, say["view_probability"])}</div>
<h2>{say["way"]}</h2>
<p>{way}</p>
<h2>{say["tab_uncertainty"]}</h2>
<p>{say["way_uncertainty_say"]} {say["way_patches_say"]}</p>
{_figure(uncertainty_picture(small, inspection), say["uncertainty_scale"])}
<h2>{say["tab_stages"]}</h2>
<p>{say["way_features_say"]} {say["way_enhanced_say"]}</p>
{"".join(stages)}
<p class="small">{say["stages_scale_mean"]}</p>
<h2>{say["tab_words"]}</h2>
{"".join(words)}
<p class="small">{say["words_scale"]}</p>
<details><summary>JSON</summary><pre>{html.escape(json.dumps(shown.told, indent=1, ensure_ascii=False))}</pre></details>
</main></body>
</html>
"""


def _figure(picture: Image.Image, caption: str) -> str:
    """caption: HTML already, also the alternative text."""
    address = data_url(picture.convert("RGB"), quality=84)
    return f'<figure><img src="{address}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'
