"""The page: what stands where, and what happens at each click."""

from __future__ import annotations

import base64
import html
import json
import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from slvit.errors import BusyError, CheckpointError, ExpressionError, FaultError, PhotoError
from slvit.page import compare, examples, overview, result, stages, uncertainty, visit, words
from slvit.page.ask import ask_of, timed_open, with_opening
from slvit.page.endpoints import add_endpoints
from slvit.page.gate import Gate
from slvit.page.log import frames
from slvit.page.photo_input import photo_input
from slvit.page.save import saved_file
from slvit.page.texts import ENGLISH, TEXTS
from slvit.page.turns import Turns
from slvit.photo import open_photo
from slvit.pictures import colour_table
from slvit.segmenter import ReferringSegmenter

HERE = Path(__file__).parent
SCRIPTS = ("draw", "result", "stages", "uncertainty", "words", "compare", "overview", "examples", "visit")
KEPT_ANSWERS = 8  # of one visit: about 0.5 MB each
KEPT_VISITS = 256  # beyond them the one asked longest ago is forgotten
LARGEST_FILE = "120mb"
FORESEEN = (PhotoError, ExpressionError, CheckpointError, BusyError, FaultError)

text = gr.I18n(**TEXTS)


@dataclass(frozen=True)
class Kept:
    """An answer of this visit: what was asked, and what the page showed."""

    photo: str
    expression: str
    checkpoint: str | None
    result: dict[str, Any]
    insides: dict[str, Any]


def build_page(
    segmenters: dict[str, ReferringSegmenter],
    *,
    problem: str = "",
    gpu: Callable[[Callable], Callable] = lambda function: function,
) -> gr.Blocks:
    """The page, to be launched with `launch_options()`.

    segmenters: by the name that the visitor sees; without any, the page says `problem` and answers nothing.
    gpu: decorator that lends a GPU for a call, as `spaces.GPU` does.
    """
    ask = ask_of(segmenters, gpu)
    turns = Turns()
    names = list(segmenters)

    def answer(
        photo: str | None, expression: str, checkpoint: str | None, memory: OrderedDict
    ) -> Iterator[tuple[Any, ...]]:
        """Yields notice, result, insides, memory: first the mask, then its explanations."""
        checkpoint = checkpoint or (names[0] if names else None)
        key = (checkpoint, photo, (expression or "").strip())
        if key in memory:
            memory.move_to_end(key)
            yield "", memory[key].result, memory[key].insides, memory
            return
        yield _notice(ENGLISH["working"], "working", "working"), gr.skip(), gr.skip(), gr.skip()
        try:
            with turns.turn():
                picture, seconds = timed_open(photo)
                segmentation = with_opening(ask(picture, expression, inspect=True, checkpoint=checkpoint), seconds)
        except FORESEEN as error:
            yield _notice(str(error), "error"), gr.skip(), gr.skip(), gr.skip()
            return
        except Exception as error:
            logging.error("The page could not answer:\n%s", frames(error))
            sentence = "Something went wrong here, not with your photo: try once more, or another photo."
            yield _notice(sentence, "error"), gr.skip(), gr.skip(), gr.skip()
            return
        name = secrets.token_hex(6)
        model = f"{checkpoint} · {_device(segmenters[checkpoint])}"
        shown = result.payload(name, picture, key[2], segmentation, model)
        yield "", shown, gr.skip(), gr.skip()
        insides = {
            "answer": name,
            "stages": stages.payload(segmentation.inspection),
            "uncertainty": uncertainty.payload(segmentation.inspection),
            "words": words.payload(segmentation.inspection),
            "correlations": overview.payload(segmentation.inspection),
        }
        memory[key] = Kept(photo, key[2], checkpoint, shown, insides)
        if len(memory) > KEPT_ANSWERS:
            memory.popitem(last=False)
        yield "", gr.skip(), insides, memory

    def compare_lines(photo: str | None, lines: str) -> tuple[Any, str]:
        asked = [line.strip() for line in (lines or "").splitlines() if line.strip()]
        try:
            if not asked:
                raise ExpressionError("There is no expression: write up to six, one a line.")
            if len(asked) > compare.MOST:
                raise ExpressionError(f"There are {len(asked)} expressions: at most {compare.MOST} are compared.")
            with turns.turn():
                picture = open_photo(photo)
                # One at a time, not a list: the probabilities of a large photo take 256 MB.
                pairs = ((line, name) for line in asked for name in names or [None])
                answers = ((line, name, ask(picture, line, checkpoint=name)) for line, name in pairs)
                return compare.payload(picture, answers), ""
        except FORESEEN as error:
            return gr.skip(), _notice(str(error), "error")

    def save(memory: OrderedDict, event: gr.EventData) -> tuple[str, str | None]:
        kept = _kept(memory, event.answer)
        if kept is None:
            return _notice("This answer is no longer kept: press Segment again, then save.", "error"), None
        try:
            look = {
                "threshold": float(event.threshold),
                "opacity": float(event.opacity),
                "colour": tuple(int(channel) for channel in event.colour),
            }
            with turns.turn():
                picture = open_photo(kept.photo)
                # Asked again rather than kept: full-size probabilities of a visit would fill the memory, and the
                # model gives the same bits for the same question.
                segmentation = ask(picture, kept.expression, inspect=event.what == "maps", checkpoint=kept.checkpoint)
                file = saved_file(event.what, picture, segmentation, expression=kept.expression, **look)
        except FORESEEN as error:
            return _notice(str(error), "error"), None
        return "", str(file)

    def take_example(event: gr.EventData) -> tuple[str, str]:
        return str(examples.photo_path(event.photo)), event.expression

    def take_again(memory: OrderedDict, event: gr.EventData) -> tuple[Any, Any, Any, str]:
        kept = _kept(memory, event.answer)
        if kept is None:
            return gr.skip(), gr.skip(), gr.skip(), _notice("This answer is no longer kept: ask again.", "error")
        return kept.photo, kept.expression, kept.checkpoint, ""

    with gr.Blocks(title="SLViT", analytics_enabled=False, fill_width=True, delete_cache=(3600, 7200)) as page:
        memory = gr.State(OrderedDict(), time_to_live=3600)
        gr.HTML(_header(segmenters), js_on_load="slvit.header(element)", apply_default_css=False, elem_id="header")
        if problem or not segmenters:
            how = "" if segmenters else _notice(ENGLISH["no_checkpoint"], "problem", "no_checkpoint")
            gr.HTML(
                (_notice(problem, "problem") if problem else "") + how,
                js_on_load="slvit.translate(element)",
                apply_default_css=False,
                elem_id="problem",
            )
        with gr.Row(elem_id="desk"):
            with gr.Column(elem_id="question", min_width=280):
                photo = photo_input(
                    label=text("photo"),
                    sources=["upload", "webcam", "clipboard"],
                    height=300,
                    elem_id="photo",
                    buttons=["fullscreen"],
                )
                expression = gr.Textbox(
                    label=text("expression"),
                    placeholder=text("placeholder"),
                    lines=1,
                    max_lines=4,
                    elem_id="expression",
                )
                checkpoint = gr.Dropdown(
                    names, value=names[0] if names else None, label=text("checkpoint"), visible=len(names) > 1
                )
                button = gr.Button(text("segment"), variant="primary", elem_id="segment")
                notice = gr.HTML(
                    "",
                    js_on_load="watch('value', () => slvit.translate(element))",
                    apply_default_css=False,
                    elem_id="notice",
                )
                picked = examples.component()
                recalled = visit.component()
            with gr.Column(elem_id="answer", min_width=280):
                shown = result.component()
                insides = gr.HTML(
                    html_template="", js_on_load="slvit.insides(props, watch)", elem_id="insides", visible="hidden"
                )
                overview.component()
                with gr.Tabs(elem_id="tabs"):
                    for name, tab in (("stages", stages), ("uncertainty", uncertainty), ("words", words)):
                        with gr.Tab(text(f"tab_{name}"), id=name, render_children=True):
                            tab.component()
                    with gr.Tab(text("tab_compare"), id="compare", render_children=True):
                        gr.HTML(
                            '<p class="say" data-text="compare_say"></p>',
                            js_on_load="slvit.translate(element)",
                            apply_default_css=False,
                        )
                        lines = gr.Textbox(
                            label=text("expressions"),
                            placeholder="the chicken on the left\nthe grass",
                            lines=3,
                            max_lines=compare.MOST,
                            elem_id="lines",
                        )
                        compare_button = gr.Button(text("compare"), elem_id="compare-button")
                        compare_notice = gr.HTML("", js_on_load=None, apply_default_css=False, elem_id="compare-notice")
                        compared = compare.component()
        file = gr.DownloadButton(visible="hidden", elem_id="file")

        # always_last: who clicks again before the answer is there wants the later one, not silence.
        hidden = {"api_visibility": "private", "show_progress": "hidden", "trigger_mode": "always_last"}
        asked = {
            "fn": answer,
            "inputs": [photo, expression, checkpoint, memory],
            "outputs": [notice, shown, insides, memory],
            "concurrency_id": "model",
            **hidden,
        }
        button.click(**asked)
        expression.submit(**asked)
        compare_button.click(
            compare_lines, [photo, lines], [compared, compare_notice], concurrency_id="model", **hidden
        )
        picked.select(take_example, None, [photo, expression], queue=False, **hidden).then(**asked)
        recalled.select(take_again, [memory], [photo, expression, checkpoint, notice], queue=False, **hidden).success(
            **asked
        )
        shown.submit(save, [memory], [notice, file], concurrency_id="model", **hidden).success(
            None, None, None, js="() => { setTimeout(() => document.querySelector('#file')?.click(), 0); }", **hidden
        )
        add_endpoints(ask, turns)
    return page.queue(max_size=32, default_concurrency_limit=2)


def launch_options() -> dict[str, Any]:
    """Looks, scripts, languages and limits: Gradio takes them at launch."""
    scripts = "\n".join((HERE / f"{name}.js").read_text("utf-8") for name in SCRIPTS)
    colours = base64.b64encode(colour_table().tobytes()).decode()
    return {
        "theme": _theme(),
        "css": _fonts() + (HERE / "style.css").read_text("utf-8"),
        "head": f"<script>const slvitTexts = {_json(TEXTS)};\nconst slvitColours = '{colours}';\n{scripts}</script>",
        "i18n": text,
        "allowed_paths": [str(examples.FOLDER / "examples")],
        "max_file_size": LARGEST_FILE,
        "state_session_capacity": KEPT_VISITS,
        "enable_monitoring": False,
        "run_history": False,
        "app_kwargs": {"middleware": [Middleware(Gate)]},
        "footer_links": ["api", "settings"],
    }


def _theme() -> gr.themes.Base:
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


def _fonts() -> str:
    faces = (
        ("Instrument Sans", "instrument-sans-latin-wght-normal", "400 700", "normal"),
        ("Newsreader", "newsreader-latin-wght-normal", "200 800", "normal"),
        ("Newsreader", "newsreader-latin-wght-italic", "200 800", "italic"),
    )
    rules = []
    for family, file, weight, style in faces:
        data = base64.b64encode((HERE / "fonts" / f"{file}.woff2").read_bytes()).decode()
        rules.append(
            f"@font-face {{ font-family: '{family}'; font-style: {style}; font-weight: {weight}; font-display: swap; "
            f"src: url(data:font/woff2;base64,{data}) format('woff2'); }}\n"
        )
    return "".join(rules)


def _kept(memory: OrderedDict, answer: str) -> Kept | None:
    return next((kept for kept in memory.values() if kept.result["answer"] == answer), None)


def _header(segmenters: dict[str, ReferringSegmenter]) -> str:
    chips = "".join(
        f'<span class="chip"><b>{html.escape(name)}</b> {_device(segmenter)}</span>'
        for name, segmenter in segmenters.items()
    )
    return (
        f'<header><h1>SLViT</h1><p data-text="tagline">{ENGLISH["tagline"]}</p><div class="chips">{chips}'
        '<button class="theme" type="button"><i></i></button></div></header>'
    )


def _device(segmenter: ReferringSegmenter) -> str:
    return {"cpu": "CPU", "cuda": "CUDA"}.get(segmenter.device.type, segmenter.device.type)


def _notice(sentence: str, kind: str, text_key: str | None = None) -> str:
    role = "status" if kind == "working" else "alert"
    key = f' data-text="{text_key}"' if text_key else ""
    return f'<p class="notice {kind}" role="{role}"{key}>{html.escape(sentence)}</p>'


def _json(value: Any) -> str:
    """JSON that may stand inside a script element."""
    return json.dumps(value, ensure_ascii=False).replace("</", "<\\/")
