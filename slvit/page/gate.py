"""What the server answers at all: the routes that page, API and assistants use, and bodies of bounded size."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

from gradio.utils import get_upload_folder
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# All of Gradio that is used. The rest of its routes (fetching web addresses for a visitor, converting recordings,
# keeping states for links, run histories, monitoring, its editor) is closed, and so is whatever a release may add.
OPEN = re.compile(
    r"""/ | /config/? | /theme\.css | /favicon\.ico | /manifest\.json | /robots\.txt | /pwa_icon(/\d+)?
    | /(static|assets|svelte)/.+
    | /gradio_api/( theme\.css | info/? | openapi\.json | startup-events | app_id/? | user/? | token/? | login_check/?
        | heartbeat/[^/]+ | upload | upload_progress | file=.+ | queue/(join|data) | (call|run|api)/.+
        | cancel | reset/? | mcp(/.*)? )""",
    re.VERBOSE,
)
WEB_ADDRESS = re.compile(r"/gradio_api/file=\s*[\w+.-]{2,}:", re.IGNORECASE)
UPLOAD = "/gradio_api/upload"
LARGEST_UPLOAD = 121 * 2**20  # bytes of a whole request: one photo as large as the page takes, and what surrounds it
LARGEST_BODY = 32_000_000  # of any other request: an assistant sends its photo inside the question
LEAST_FREE = 1_000_000_000  # bytes of disk that uploads leave to everything else
KEPT = 2 * 3600  # seconds that an upload, or what is left of one that broke off, stays


class _TooLarge(Exception):
    pass


class Gate:
    """ASGI middleware around the whole server."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if not OPEN.fullmatch(path) or WEB_ADDRESS.match(path):
            return await PlainTextResponse("There is nothing at this address.", 404)(scope, receive, send)
        if path == UPLOAD and not await run_in_threadpool(make_room):
            return await PlainTextResponse("The disk is full: try again later.", 507)(scope, receive, send)
        await self._answer(scope, receive, send, largest=LARGEST_UPLOAD if path == UPLOAD else LARGEST_BODY)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, *, largest: int) -> None:
        received, started = 0, False

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > largest:
                raise _TooLarge
            return message

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            length = dict(scope["headers"]).get(b"content-length", b"0")
            if int(length) > largest:
                raise _TooLarge
            await self.app(scope, counted, noted)
        except _TooLarge:
            if not started:
                sentence = f"This is larger than the {largest // 10**6} MB that are taken: make it smaller first."
                await PlainTextResponse(sentence, 413)(scope, receive, send)


def make_room(*, now: float | None = None) -> bool:
    """Deletes what has lain in the upload folder for KEPT seconds; False when the disk is all but full even so.

    Gradio deletes the uploads that it knows of; those that broke off half-way it has forgotten.
    """
    folder = Path(get_upload_folder())
    folder.mkdir(parents=True, exist_ok=True)
    before = (now or time.time()) - KEPT
    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder before the folder
        try:
            if path.lstat().st_mtime >= before:
                continue
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink()
        except OSError:
            continue  # not empty yet, or deleted by someone else
    return shutil.disk_usage(folder).free >= LEAST_FREE
