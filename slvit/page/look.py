"""How the page looks in Gradio's own terms: its theme, and the fonts that travel with the page."""

from __future__ import annotations

import base64
from pathlib import Path

import gradio as gr

FONTS = Path(__file__).parent / "fonts"


def theme() -> gr.themes.Base:
    """Paper and ink; style.css has the same colours as variables."""
    sans = ("Instrument Sans", "system-ui", "sans-serif")
    return gr.themes.Base(
        font=sans, font_mono=("ui-monospace", "monospace"), radius_size="md", neutral_hue="stone", primary_hue="pink"
    ).set(
        body_background_fill="#f6f3ec",
        body_background_fill_dark="#14161b",
        body_text_color="#1d1f27",
        body_text_color_dark="#ece9e2",
        block_background_fill="#fffdf8",
        block_background_fill_dark="#1b1e25",
        block_border_color="#e2dccf",
        block_border_color_dark="#2d313b",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_text_color="#62636d",
        block_label_text_color_dark="#a9aab3",
        block_title_text_color="#1d1f27",
        block_title_text_color_dark="#ece9e2",
        input_background_fill="#fffdf8",
        input_background_fill_dark="#14161b",
        input_border_color="#cfc8b8",
        input_border_color_dark="#3a3f4b",
        body_text_color_subdued="#62636d",
        body_text_color_subdued_dark="#a9aab3",
        button_primary_background_fill="#b81f54",
        button_primary_background_fill_dark="#ff7ba1",
        button_primary_background_fill_hover="#9d1745",
        button_primary_background_fill_hover_dark="#ff9ab7",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#250611",
    )


def font_faces() -> str:
    """CSS that carries the fonts itself: nothing is fetched from elsewhere."""
    faces = (
        ("Instrument Sans", "instrument-sans-latin-wght-normal", "400 700", "normal"),
        ("Newsreader", "newsreader-latin-wght-normal", "200 800", "normal"),
        ("Newsreader", "newsreader-latin-wght-italic", "200 800", "italic"),
    )
    rules = []
    for family, file, weight, style in faces:
        data = base64.b64encode((FONTS / f"{file}.woff2").read_bytes()).decode()
        rules.append(
            f"@font-face {{ font-family: '{family}'; font-style: {style}; font-weight: {weight}; font-display: swap; "
            f"src: url(data:font/woff2;base64,{data}) format('woff2'); }}\n"
        )
    return "".join(rules)
