"""The app as its visitors meet it: python -m benchmarks.app [--visitors 10]

Seconds from the start of app.py to the first byte of the page and to the first answer; memory at rest and at its peak;
the share of a request that is not the model's forward pass, by plain HTTP (the photo sent, both pictures fetched) and
through gradio_client; a photo as phones take them, and the next question about it; and how long each of ten visitors
waits who ask at once.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import httpx
import psutil
import torch
from gradio_client import Client, handle_file
from PIL import Image

from benchmarks.timing import machine, row
from slvit.checkpoint import BUNDLED

ROOT = Path(__file__).resolve().parents[1]
PHOTO = ROOT / "assets/examples/chickens.jpg"
FORWARD = ("prior", "text", "model")  # steps of an answer that are the network's
EXPRESSIONS = ("the chicken on the left", "all the chickens", "the grass", "the chicken on the right", "the fence")
MB = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.app", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("--checkpoint", default=str(BUNDLED), metavar="FOLDER_OR_ID", help="default: the bundled one")
    parser.add_argument("--visitors", type=int, default=10)
    parser.add_argument("--repeat", type=int, default=7, help="requests of one visitor (7)")
    args = parser.parse_args()

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "app.py", "--checkpoint", args.checkpoint, "--device", "cpu", "--port", str(port)]
    start = time.perf_counter()
    app = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        first_byte = wait_for_page(url, app) - start
        memory = Memory(app.pid)
        client = httpx.Client(base_url=f"{url}/gradio_api", timeout=60)
        ask(client, EXPRESSIONS[0])
        first_answer = time.perf_counter() - start
        at_rest = memory.now()

        requests = [ask(client, EXPRESSIONS[n % len(EXPRESSIONS)]) for n in range(args.repeat)]
        python = Client(url, verbose=False)
        by_python = [ask_by_python(python, EXPRESSIONS[n % len(EXPRESSIONS)]) for n in range(args.repeat)]
        clients = [httpx.Client(base_url=client.base_url, timeout=60) for _ in range(args.visitors)]
        begin = time.perf_counter()
        with ThreadPoolExecutor(args.visitors) as pool:
            waits = list(
                pool.map(
                    lambda n: (ask(clients[n], EXPRESSIONS[n % len(EXPRESSIONS)]), time.perf_counter() - begin)[1],
                    range(args.visitors),
                )
            )
        peak = memory.stop()
        large = [ask_twice(client, large_photo(n)) for n in range(args.repeat)]
    finally:
        app.terminate()
        app.wait()

    print(f"{Path(args.checkpoint).name} on {machine(torch.device('cpu'))}\n\n" + row("what", "figure"))
    print(row("---", "---"))
    print(row("start to first byte of the page", f"{first_byte:.1f} s"))
    print(row("start to first answer", f"{first_answer:.1f} s"))
    print(row("memory after the first answer, at the peak", f"{at_rest / MB:.0f} MB, {peak / MB:.0f} MB"))
    for how, asked in (("by HTTP", requests), ("through gradio_client", by_python)):
        print(row(f"a request of the only visitor, {how}", f"{median(total for total, _ in asked):.3f} s"))
        print(row("of it outside the forward pass", f"{median(1 - forward / total for total, forward in asked):.0%}"))
    print(row("a photo of 12 megapixels, by HTTP", f"{median(first for first, _ in large):.3f} s"))
    print(row("the next question about it", f"{median(second for _, second in large):.3f} s"))
    print(
        row(
            f"{args.visitors} visitors at once, answered after",
            ", ".join(f"{wait:.2f}" for wait in sorted(waits)) + " s",
        )
    )


def wait_for_page(url: str, app: subprocess.Popen[bytes]) -> float:
    """The time at which the page's first byte came. Raises RuntimeError when the app ends before."""
    while app.poll() is None:
        try:
            with urlopen(url, timeout=30) as page:
                page.read(1)
                return time.perf_counter()
        except (URLError, ConnectionError):
            time.sleep(0.02)
    raise RuntimeError("app.py ended before it served the page: start it by hand to see why.")


def ask(client: httpx.Client, expression: str) -> tuple[float, float]:
    """Seconds of a request, from the photo's file to both pictures, and of the forward pass in it."""
    start = time.perf_counter()
    facts = answer(client, send(client, PHOTO.read_bytes()), expression)
    return time.perf_counter() - start, forward_pass(facts)


def ask_twice(client: httpx.Client, photo: bytes) -> tuple[float, float]:
    """Seconds of a request with a photo's sending, and of a second one about it."""
    start = time.perf_counter()
    sent = send(client, photo)
    answer(client, sent, EXPRESSIONS[0])
    between = time.perf_counter()
    answer(client, sent, EXPRESSIONS[1])
    return between - start, time.perf_counter() - between


def send(client: httpx.Client, photo: bytes) -> dict[str, Any]:
    """The photo as the server knows it from then on."""
    path = client.post("/upload", files={"files": (PHOTO.name, photo)}).json()[0]
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def answer(client: httpx.Client, photo: dict[str, Any], expression: str) -> dict[str, Any]:
    """The facts of an answer whose two pictures were fetched."""
    overlay, mask, facts = client.post("/run/segment", json={"data": [photo, expression, 0.5]}).json()["data"]
    for picture in (overlay, mask):
        client.get(picture["url"])
    return facts


def large_photo(number: int) -> bytes:
    """The photo at 12 megapixels as a JPEG, another one for each number."""
    with Image.open(PHOTO) as photo:
        large = photo.convert("RGB").resize((4032, 3024 - number))
    file = io.BytesIO()
    large.save(file, "JPEG", quality=90)
    return file.getvalue()


def ask_by_python(client: Client, expression: str) -> tuple[float, float]:
    """The same through gradio_client, which waits in steps of its own."""
    start = time.perf_counter()
    *_, facts = client.predict(handle_file(str(PHOTO)), expression, 0.5, api_name="/segment")
    return time.perf_counter() - start, forward_pass(facts)


def forward_pass(facts: dict[str, Any]) -> float:
    return sum(facts["timings"][step] for step in FORWARD)


class Memory:
    """Resident memory of a process, watched from a thread."""

    def __init__(self, pid: int) -> None:
        self.process = psutil.Process(pid)
        self.peak, self.watching = 0, True
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def now(self) -> int:
        return self.process.memory_info().rss

    def _watch(self) -> None:
        while self.watching:
            self.peak = max(self.peak, self.now())
            time.sleep(0.02)

    def stop(self) -> int:
        """Bytes at the peak."""
        self.watching = False
        self.thread.join()
        status = Path(f"/proc/{self.process.pid}/status")
        if status.exists():  # Linux remembers the peak itself, however short
            self.peak = max(self.peak, 1024 * int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]))
        return self.peak


if __name__ == "__main__":
    main()
