"""What may be written to the log: where something went wrong, never what a visitor typed."""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType


def frames(error: BaseException) -> str:
    """The kind of `error` and the lines of code that it passed, without its message, which may quote the visitor."""
    return "".join(traceback.format_tb(error.__traceback__)) + type(error).__name__


def log_without_messages() -> None:
    """Has this process write exceptions, its own and Gradio's, as `frames` does. For the server alone."""

    def print_frames(*_: object, **__: object) -> None:
        error = sys.exc_info()[1]
        if error is not None:
            print(frames(error), file=sys.stderr)

    def format_frames(
        _: logging.Formatter, info: tuple[type[BaseException], BaseException, TracebackType | None]
    ) -> str:
        return frames(info[1])

    traceback.print_exc = print_frames
    logging.Formatter.formatException = format_frames
