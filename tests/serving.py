"""The app as visitors meet it: a process of its own, spoken to over HTTP alone."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

ROOT = Path(__file__).parents[1]
SECRET = "nobody-may-read-this"  # stands in the server's environment


class Refused(Exception):
    """The sentence with which the app answers what it cannot."""


@dataclass
class App:
    """A running app.py. uploads: GRADIO_TEMP_DIR. log: all that it has written."""

    process: subprocess.Popen
    url: str
    uploads: Path
    log: Path

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=httpx.Timeout(600))

    def memory(self, what: str = "VmRSS") -> float:
        return memory(self.process.pid, what)

    def files(self) -> list[Path]:
        return [path for path in self.uploads.rglob("*") if path.is_file()]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)


def memory(pid: int | str, what: str = "VmRSS") -> float:
    """Resident memory of a process in MB, or "VmHWM", the most of it since `reset_peak`."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(what)) / 1024


def reset_peak(pid: int | str) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


# app.py, but every connection and every name that it looks up is written to its log.
WATCHED = """
import runpy, socket, sys
connect, look_up = socket.socket.connect, socket.getaddrinfo
def watched_connect(self, address):
    print("CONNECT", address, file=sys.stderr, flush=True)
    return connect(self, address)
def watched_look_up(host, *arguments, **options):
    print("RESOLVE", host, file=sys.stderr, flush=True)
    return look_up(host, *arguments, **options)
socket.socket.connect, socket.getaddrinfo = watched_connect, watched_look_up
runpy.run_path("app.py", run_name="__main__")
"""


def start_app(checkpoint: Path, folder: Path) -> App:
    """Starts app.py and waits until it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    uploads, log = folder / "uploads", folder / "log.txt"
    environment = {**os.environ, "GRADIO_TEMP_DIR": str(uploads), "SLVIT_SECRET": SECRET, "PYTHONPATH": str(ROOT)}
    for name in ("GRADIO_ANALYTICS_ENABLED", "HF_HUB_OFFLINE"):
        environment.pop(name, None)  # nothing is sent by the app's own doing, not by that of the tests
    arguments = ["--checkpoint", str(checkpoint), "--device", "cpu", "--port", str(port)]
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", WATCHED, *arguments], cwd=ROOT, env=environment, stdout=file, stderr=file
        )
    app = App(process, f"http://127.0.0.1:{port}", uploads, log)
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            httpx.get(f"{app.url}/gradio_api/startup-events")
            return app
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"The app did not start: {log.read_text()}")


def upload(client: httpx.Client, content: bytes, name: str = "photo.png") -> str:
    """The path under which the app keeps an uploaded file."""
    response = client.post("/gradio_api/upload", files={"files": (name, content)})
    response.raise_for_status()
    return response.json()[0]


def ask(client: httpx.Client, path: str, expression: Any, endpoint: str = "segment", **file: Any) -> list[Any]:
    """What an endpoint answers about an uploaded photo. Raises Refused with its sentence."""
    photo = {"path": path, "meta": {"_type": "gradio.FileData"}, **file}
    data = [photo, expression, 0.5] if endpoint == "segment" else [photo, expression]
    response = client.post(f"/gradio_api/run/{endpoint}", json={"data": data})
    content = response.json()
    if response.status_code != 200:
        raise Refused(content.get("error") or str(content))
    return content["data"]


def png(width: int, height: int, colour: str = "teal") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, "PNG")
    return file.getvalue()


def events(response: httpx.Response) -> list[dict[str, Any]]:
    """The messages of a stream that has ended."""
    return [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]
