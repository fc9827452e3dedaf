"""The page: what stands where, and what happens at each click."""

from __future__ import annotations

import base64
import html
import json
import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from slvit.errors import BusyError, CheckpointError, ExpressionError, FaultError, PhotoError
from slvit.page import compare, examples, overview, rerun, result, stages, uncertainty, visit, words
from slvit.page.ask import ask_of, looking_closer
from slvit.page.endpoints import add_endpoints
from slvit.page.gate import Gate
from slvit.page.log import frames
from slvit.page.look import font_faces, theme
from slvit.page.photo_input import photo_input
from slvit.page.photos import OpenPhoto, OpenPhotos
from slvit.page.save import saved_file
from slvit.page.sentences import SENTENCES
from slvit.page.shown import ShownAnswer
from slvit.page.texts import ENGLISH, TEXTS
from slvit.page.turns import Turns
from slvit.pictures import colour_table
from slvit.segmenter import ReferringSegmenter, Segmentation

HERE = Path(__file__).parent
SCRIPTS = "draw photo link result stages uncertainty rerun words compare overview examples visit".split()
KEPT_VISITS = 256  # beyond them the one asked longest ago is forgotten
LARGEST_FILE = "120mb"
FORESEEN = (PhotoError, ExpressionError, CheckpointError, BusyError, FaultError)

text = gr.I18n(**TEXTS)


def build_page(
    segmenters: dict[str, ReferringSegmenter],
    *,
    problem: str = "",
    gpu: Callable[[Callable], Callable] = lambda function: function,
    most_waiting: int = 32,
) -> gr.Blocks:
    """The page, to be launched with `launch_options()`.

    segmenters: by the name that the visitor sees; without any, the page says `problem` and answers nothing.
    gpu: decorator that lends a GPU for a call, as `spaces.GPU` does. most_waiting: who asks when so many wait already
    is told to come back later.
    """
    ask = ask_of(segmenters, gpu)
    turns, photos = Turns(), OpenPhotos()
    names = list(segmenters)

    def answer(
        photo: str | None, expression: str, checkpoint: str | None, memory: OrderedDict, closer: bool = False
    ) -> Iterator[tuple[Any, ...]]:
        """Yields notice, result, insides, memory: first the mask, then its explanations."""
        checkpoint, expression = checkpoint or (names[0] if names else None), (expression or "").strip()
        question = checkpoint, photo, expression, closer
        if question in memory:
            yield "", *_known_again(memory, memory[question])
            return
        missing = "no_photo" if not photo else "no_words" if not expression else None
        if missing:
            yield _notice(ENGLISH[missing], "error"), gr.skip(), gr.skip(), gr.skip()
            return
        try:
            with turns.turn():
                opened = photos.open(photo)
                segmentation = ask(opened, expression, inspect=True, checkpoint=checkpoint, closer=closer)
        except FORESEEN as error:
            yield _notice(str(error), "error"), gr.skip(), gr.skip(), gr.skip()
            return
        except Exception as error:
            logging.error("The page could not answer:\n%s", frames(error))
            yield _notice(ENGLISH["sorry"], "error"), gr.skip(), gr.skip(), gr.skip()
            return
        name = secrets.token_hex(6)
        looks = overview.looks(segmentation.inspection)
        model = f"{checkpoint} · {_device(segmenters[checkpoint])} · {looks}"
        own = segmenters[checkpoint].processor.image_processor
        shown = result.payload(
            name,
            opened,
            expression,
            segmentation,
            model=model,
            example=examples.example_of(photo),
            closer=None if looking_closer(own) is own else closer,
        )
        yield "", shown, gr.skip(), gr.skip()
        insides = {
            "answer": name,
            "stages": stages.payload(segmentation.inspection),
            "uncertainty": uncertainty.payload(segmentation.inspection),
            "words": words.payload(
                segmentation.inspection, segmenters[checkpoint].model.config.text_config.hidden_size
            ),
            "correlations": overview.payload(segmentation.inspection),
            "looks": looks,
        }
        kept = visit.Kept(
            answer=name,
            photo=photo,
            expression=expression,
            checkpoint=checkpoint,
            closer=closer,
            model=model,
            shown_size=tuple(shown["shown"]),
            channels=stages.channels(segmentation.inspection),
        )
        visit.keep(memory, kept)
        yield "", gr.skip(), insides, memory

    def look_closer(memory: OrderedDict, event: gr.EventData) -> Iterator[tuple[Any, ...]]:
        kept = visit.find(memory, event.answer)
        if kept is None:
            yield _notice(ENGLISH["forgotten"], "error"), gr.skip(), gr.skip(), gr.skip()
            return
        yield from answer(kept.photo, kept.expression, kept.checkpoint, memory, closer=True)

    def compare_lines(photo: str | None, lines: str) -> tuple[Any, str]:
        asked = list(dict.fromkeys(line.strip() for line in (lines or "").splitlines() if line.strip()))
        try:
            if not asked:
                raise ExpressionError("There is no expression: write up to six, one a line.")
            if len(asked) > compare.MOST:
                raise ExpressionError(f"There are {len(asked)} expressions: at most {compare.MOST} are compared.")
            with turns.turn():
                opened = photos.open(photo)
                # One at a time, not a list: the probabilities of a large photo take 256 MB.
                pairs = ((line, name) for line in asked for name in names or [None])
                answers = ((line, name, ask(opened, line, checkpoint=name)) for line, name in pairs)
                return compare.payload(photo, opened, answers), ""
        except FORESEEN as error:
            return gr.skip(), _notice(str(error), "error")

    def channels_of(memory: OrderedDict, event: gr.EventData) -> Any:
        kept = visit.find(memory, event.answer)
        return {"answer": event.answer, "channels": kept.channels} if kept else gr.skip()

    def ask_again(kept: visit.Kept, **otherwise: Any) -> tuple[OpenPhoto, Segmentation]:
        """The photo and the answer: the model gives the same bits again, and kept at full size all answers of a visit
        would fill the memory."""
        opened = photos.open(kept.photo)
        return opened, ask(opened, kept.expression, checkpoint=kept.checkpoint, closer=kept.closer, **otherwise)

    def run_again(memory: OrderedDict, event: gr.EventData) -> Any:
        kept = visit.find(memory, event.answer)
        if kept is None:
            return rerun.problem(event.answer, ENGLISH["forgotten"])
        patches = max(0, int(event.patches))
        try:
            with turns.turn():
                _, segmentation = ask_again(kept, patches=patches)
        except FORESEEN as error:
            return rerun.problem(event.answer, str(error))
        return rerun.payload(kept.answer, segmentation, patches, size=kept.shown_size)

    def save(memory: OrderedDict, event: gr.EventData) -> tuple[str, str | None]:
        kept = visit.find(memory, event.answer)
        if kept is None:
            return _notice(ENGLISH["forgotten"], "error"), None
        insides = event.what in ("maps", "report")
        try:
            with turns.turn():
                opened, segmentation = ask_again(kept, inspect=insides)
                shown = ShownAnswer(
                    photo=opened.picture,
                    segmentation=segmentation,
                    expression=kept.expression,
                    model=kept.model,
                    language=event.language,
                    threshold=float(event.threshold),
                    opacity=float(event.opacity),
                    colour=tuple(int(channel) for channel in event.colour),
                )
                file = saved_file(event.what, shown)
        except FORESEEN as error:
            return _notice(str(error), "error"), None
        return "", str(file)

    def take_example(event: gr.EventData) -> tuple[str, str, bool]:
        return str(examples.photo_path(event.photo)), event.expression, bool(event.closer)

    def take_again(memory: OrderedDict, event: gr.EventData) -> tuple[Any, ...]:
        kept = visit.find(memory, event.answer)
        if kept is None:
            return _notice(ENGLISH["forgotten"], "error"), *[gr.skip()] * 6
        return "", *_known_again(memory, kept), kept.photo, kept.expression, kept.checkpoint

    with gr.Blocks(title="SLViT", analytics_enabled=False, fill_width=True, delete_cache=(3600, 7200)) as page:
        memory = gr.State(OrderedDict(), time_to_live=3600)
        picked_closer = gr.State(False)  # whether an example's answer is to be a closer look, as a link may say
        gr.HTML(_header(segmenters), js_on_load="slvit.header(element)", apply_default_css=False, elem_id="header")
        if problem or not segmenters:
            how = "" if segmenters else _notice(ENGLISH["no_checkpoint"], "problem")
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
                channels = gr.HTML(
                    html_template="", js_on_load="slvit.channels(props, watch)", elem_id="channels", visible="hidden"
                )
                overview.component()
                tabs = {}
                with gr.Tabs(elem_id="tabs"):
                    for name, tab in (("stages", stages), ("uncertainty", uncertainty), ("words", words)):
                        with gr.Tab(text(f"tab_{name}"), id=name, render_children=True):
                            tabs[name] = tab.component()
                            if tab is uncertainty:
                                again = rerun.component()
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
                        compare_notice = gr.HTML(
                            "",
                            js_on_load="watch('value', () => slvit.translate(element))",
                            apply_default_css=False,
                            elem_id="compare-notice",
                        )
                        compared = compare.component()
        file = gr.DownloadButton(visible="hidden", elem_id="file")

        # always_last: who clicks again before the answer is there wants the later one, not silence. Not where a click
        # says what it wants: Gradio would ask with the first click's wish once more.
        hidden = {"api_visibility": "private", "show_progress": "hidden", "trigger_mode": "always_last"}
        each = hidden | {"trigger_mode": "multiple"}
        in_line = {"concurrency_id": "model"}  # one line for all that asks the model
        asked = {"fn": answer, "inputs": [photo, expression, checkpoint, memory]} | in_line | hidden
        asked["outputs"] = [notice, shown, insides, memory]
        here, busy = {"fn": None, "js": "slvit.working", **hidden}, {"fn": None, "js": "slvit.busy", **hidden}

        # The browser says at once that it asks, and says so when the line was full: the server has no part in either.
        gr.on([button.click, expression.submit, picked.select, shown.expand], outputs=notice, **here)
        gr.on([button.click, expression.submit], **asked).failure(outputs=notice, **busy)
        picked_asked = asked | {"inputs": [*asked["inputs"], picked_closer]}
        picked.select(take_example, None, [photo, expression, picked_closer], queue=False, **each).then(
            **picked_asked
        ).failure(outputs=notice, **busy)
        looked = shown.expand(look_closer, [memory], asked["outputs"], **in_line, **each)
        looked.failure(outputs=notice, **busy)
        looked.then(js="slvit.looked", **each)
        recalled.select(take_again, [memory], [*asked["outputs"], photo, expression, checkpoint], queue=False, **each)

        compare_button.click(outputs=compare_notice, **here)
        compare_button.click(compare_lines, [photo, lines], [compared, compare_notice], **in_line, **hidden).failure(
            outputs=compare_notice, **busy
        )
        photo.change(None, photo, None, js="slvit.photoChanged", **hidden)
        tabs["stages"].select(channels_of, [memory], channels, queue=False, **each)
        again.submit(run_again, [memory], again, **in_line, **each).failure(
            None, None, again, js="slvit.rerunBusy", **hidden
        )
        saved = shown.submit(save, [memory], [notice, file], **in_line, **each)
        saved.success(js="slvit.download", **each)
        saved.failure(outputs=notice, **busy)
        saved.then(js="slvit.written", **each)
        add_endpoints(ask, turns, photos)
    return page.queue(max_size=most_waiting, default_concurrency_limit=2)


def launch_options() -> dict[str, Any]:
    """Looks, scripts, languages and limits: Gradio takes them at launch."""
    scripts = "\n".join((HERE / f"{name}.js").read_text("utf-8") for name in SCRIPTS)
    colours = base64.b64encode(colour_table().tobytes()).decode()
    return {
        "theme": theme(),
        "css": font_faces() + (HERE / "style.css").read_text("utf-8"),
        "head": f"<script>const slvitTexts = {_json(TEXTS)}, slvitSentences = {_json(SENTENCES)};\n"
        f"const slvitColours = '{colours}';\n{scripts}</script>",
        "i18n": text,
        "allowed_paths": [str(examples.FOLDER / "examples")],
        "max_file_size": LARGEST_FILE,
        "state_session_capacity": KEPT_VISITS,
        "enable_monitoring": False,
        "run_history": False,
        "app_kwargs": {"middleware": [Middleware(Gate)]},
        "footer_links": ["api", "settings"],
    }


def _header(segmenters: dict[str, ReferringSegmenter]) -> str:
    chips = "".join(
        f'<span class="chip"><b>{html.escape(name)}</b> {_device(segmenter)}</span>'
        for name, segmenter in segmenters.items()
    )
    return (
        f'<header><h1>SLViT</h1><p data-text="tagline">{ENGLISH["tagline"]}</p><div class="chips">{chips}'
        '<button class="theme" type="button"><i></i></button></div></header>'
    )


def _known_again(memory: OrderedDict, kept: visit.Kept) -> tuple[Any, ...]:
    """Result, insides and memory for an answer that was on the page before: the browser still has the rest."""
    memory.move_to_end(kept.question)
    return {"answer": kept.answer}, {"answer": kept.answer}, memory


def _device(segmenter: ReferringSegmenter) -> str:
    return {"cpu": "CPU", "cuda": "CUDA"}.get(segmenter.device.type, segmenter.device.type)


def _notice(sentence: str, kind: str) -> str:
    """A sentence above the answer; the page says it in the visitor's language where it knows it."""
    role = "status" if kind == "working" else "alert"
    return f'<p class="notice {kind}" role="{role}">{html.escape(sentence)}</p>'


def _json(value: Any) -> str:
    """JSON that may stand inside a script element."""
    return json.dumps(value, ensure_ascii=False).replace("</", "<\\/")
