"""What the running app gives away: answers about uploaded photos, and nothing else of this machine."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sys
import time
from pathlib import Path
from urllib.parse import quote

import gradio.mcp
import gradio.route_utils
import gradio.routes
import httpx
import pytest
from serving import ROOT, SECRET, App, Refused, ask, png, upload
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from slvit.page import build_page, gate
from slvit.page.uploads import private_uploads


def private_files(checkpoint: Path) -> list[str]:
    return [str(checkpoint / "config.json"), str(ROOT / "app.py"), str(ROOT / "pyproject.toml"), "/proc/self/environ"]


def secrets_in(text: str) -> list[str]:
    """Pieces of the files that nobody may have, as far as they stand in `text`."""
    return [piece for piece in (SECRET, "fusion_channels", "ReferringSegmenter", "[tool.ruff") if piece in text]


def test_no_route_gives_a_file_that_was_not_uploaded(client: httpx.Client, checkpoint: Path) -> None:
    routes = ("gradio_api/file=", "file=", "gradio_api/file/", "static/", "assets/", "svelte/", "gradio_api/proxy=", "")
    tried = 0
    for path in private_files(checkpoint):
        relative = "../" * 12 + path.lstrip("/")
        ways = {path, relative, f"file://{path}", f"{ROOT}/assets/examples/../../{Path(path).name}"}
        ways |= {quote(way, safe="") for way in ways} | {quote(quote(way, safe=""), safe="") for way in ways}
        ways |= {relative.replace("../", "..%2f"), relative.replace("/", "\\")}
        for route in routes:
            for way in ways:
                # As raw as a hostile client would send it: httpx would resolve the dots.
                raw = f"/{route}" + quote(way, safe="/%.:=\\")
                response = client.get(httpx.URL(client.base_url).copy_with(raw_path=raw.encode()))
                tried += 1
                assert not secrets_in(response.text), raw
    assert tried > 400
    photo = ROOT / "assets" / "examples" / "cow.jpg"
    assert client.get(f"/gradio_api/file={photo}").content == photo.read_bytes()  # what is meant to be served is


def test_a_link_in_the_upload_folder_leads_nowhere(app: App, client: httpx.Client, checkpoint: Path) -> None:
    folder = Path(upload(client, png(40, 40))).parent
    link = folder / "link.json"
    link.symlink_to(checkpoint / "config.json")
    assert client.get(f"/gradio_api/file={link}").status_code == 403
    with pytest.raises(Refused):
        ask(client, str(link), "dog")
    link.unlink()


@pytest.mark.parametrize(
    "name", ["../../../evil.png", "/etc/evil.png", "..\\..\\evil.png", "evil.png\0", "a" * 5000, ""], ids=str.__len__
)
def test_an_upload_stays_in_its_folder(app: App, client: httpx.Client, name: str) -> None:
    response = client.post("/gradio_api/upload", files={"files": (name, b"text" + name.encode())})
    assert response.status_code in (200, 400, 413, 500)
    for path in response.json() if response.status_code == 200 else []:
        assert Path(path).resolve().is_relative_to(app.uploads.resolve())
    assert not list(app.uploads.parent.glob("evil*")) and not list(ROOT.glob("evil*"))


@pytest.mark.parametrize("endpoint", ["segment", "inspect", "compare"])
def test_no_endpoint_opens_a_path_that_was_not_uploaded(
    app: App, client: httpx.Client, checkpoint: Path, endpoint: str
) -> None:
    photo = ROOT / "assets" / "screenshots" / "phone.webp"  # a photo that could be opened, were the path let through
    paths = [str(photo), "assets/screenshots/phone.webp", *private_files(checkpoint), f"file://{photo}"]
    paths += [f"{upload(client, png(40, 40))}/../../../../../../../..{photo}", f"/gradio_api/file={photo}"]
    for path in paths:
        for extra in ({}, {"is_stream": True}, {"url": f"{app.url}/gradio_api/file={path}"}, {"orig_name": "x.png"}):
            with pytest.raises(Refused) as refusal:
                ask(client, path, "dog", endpoint, **extra)
            assert not secrets_in(str(refusal.value))


@pytest.mark.parametrize("endpoint", ["segment", "inspect", "compare"])
def test_no_web_address_is_fetched(client: httpx.Client, endpoint: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0.2)
        address = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/photo.png"
        for path in (address, "https://example.org/photo.png"):
            with pytest.raises(Refused, match="web address: download it and send the file"):
                ask(client, path, "dog", endpoint)
        for path in (address.upper(), ""):
            with pytest.raises(Refused):
                ask(client, path, "dog", endpoint, url=address)
        for route in ("gradio_api/file=", "gradio_api/file= ", "gradio_api/proxy=", "gradio_api/file=%68ttp%3A//"):
            assert client.get(f"/{route}{address}").status_code in (403, 404)
        with pytest.raises(TimeoutError):
            elsewhere.accept()


def test_routes_that_nobody_needs_are_closed(client: httpx.Client) -> None:
    for path in (
        "/gradio_api/deep_link?session_hash=x",
        "/monitoring",
        "/monitoring/summary",
        "/gradio_api/runs",
        "/gradio_api/run-history/buckets",
        "/gradio_api/vibe-code",
        "/gradio_api/profiling/summary",
        "/gradio_api/dev/reload",
        "/docs",
        "/openapi.json",
    ):
        assert client.get(path).status_code == 404, path
    recording = client.post("/gradio_api/process_recording", files={"video": ("a.mp4", b"video")})
    assert recording.status_code == 404


def test_the_gate_stands_below_a_prefix_too() -> None:
    client = TestClient(gate.Gate(PlainTextResponse("open")), root_path="/under")
    assert client.get("/under/config").text == "open"
    for path in ("/under/monitoring", "/under/gradio_api/file=http://x/y", "/under/gradio_api/deep_link", "/config/x"):
        assert client.get(path).status_code == 404


def test_the_page_tells_nothing_of_this_machine(client: httpx.Client, app: App, checkpoint: Path) -> None:
    told = client.get("/").text + client.get("/config").text + client.get("/gradio_api/info").text
    for path in (str(ROOT), str(checkpoint.parent), str(app.uploads), str(Path.home())):
        assert path not in told


def test_bodies_are_bounded(app: App, client: httpx.Client) -> None:
    before = app.files()
    for path, size in (("upload", gate.LARGEST_UPLOAD), ("run/segment", gate.LARGEST_BODY)):
        headers = {"Content-Length": str(size + 1), "Content-Type": "application/json"}
        with socket.create_connection((client.base_url.host, client.base_url.port)) as raw:
            lines = [f"POST /gradio_api/{path} HTTP/1.1", "Host: x", *(f"{k}: {v}" for k, v in headers.items())]
            raw.sendall("\r\n".join([*lines, "", ""]).encode())
            assert b" 413 " in raw.recv(1000)  # before any of it was sent
    chunks = (b" " * 1_000_000 for _ in range(gate.LARGEST_BODY // 1_000_000 + 2))  # its length is not told
    response = client.post("/gradio_api/run/segment", content=chunks, headers={"Content-Type": "application/json"})
    assert response.status_code in (400, 413)
    assert app.files() == before


def test_an_upload_that_breaks_off_is_swept_away(
    app: App, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port)) as raw:
        part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n' + b"half of it" * 1000
        head = "POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n"
        raw.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode() + part)
    upload(client, png(40, 40))  # comes after
    (folder,) = app.uploads.glob("slvit-*")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    assert gate.make_room(now=2e9 * 2)
    assert list(folder.iterdir()) == []  # what had been uploaded, and the half


def test_a_full_disk_refuses_uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    assert gate.make_room()
    monkeypatch.setattr(gate, "LEAST_FREE", 10**18)
    assert not gate.make_room()


def test_nothing_typed_is_logged(app: App, client: httpx.Client) -> None:
    path = upload(client, png(200, 100))
    word = "xylophonist"
    ask(client, path, f"the {word}")
    ask(client, path, f"the {word}", "inspect")
    ask(client, path, f"the {word}\nred", "compare")
    with pytest.raises(Refused):
        ask(client, path, f"{word}\n" * 9, "compare")
    with pytest.raises(Refused):
        ask(client, f"/{word}.png", "the dog")
    for data in ([word], [word] * 9, {"a": word}, [{"path": path}, {"text": word}, word], [[word], word, 0.5]):
        client.post("/gradio_api/run/segment", json={"data": data})
        client.post("/gradio_api/call/segment", json={"data": data})
        client.post("/gradio_api/queue/join", json={"data": data, "fn_index": 0, "session_hash": word})
    client.get(f"/gradio_api/call/segment/{word}")
    log = app.log.read_text()
    assert word not in log
    assert "Traceback" not in log or "line" in log  # where it went wrong may stand there


def test_every_answer_after_all_this_is_right(client: httpx.Client) -> None:
    *_, facts = ask(client, upload(client, png(120, 90)), "the dog on left")
    assert (facts["width"], facts["height"]) == (120, 90) and facts["words"]["read"] == ["the", "dog", "on", "left"]


def test_no_request_has_left_the_machine(app: App, client: httpx.Client) -> None:
    ask(client, upload(client, png(64, 64)), "the dog")
    asked = re.findall(r"(?:CONNECT \('|RESOLVE )([^',\n]+)", app.log.read_text())
    assert asked and set(asked) <= {"127.0.0.1", "localhost", "None"}
    page = client.get("/").text
    loaded = re.findall(r"""<(?:script|link|img|iframe)[^>]+(?:src|href)=["'](?:https?:)?//([^/"']+)""", page)
    assert set(loaded) <= {app.url.rpartition("/")[2]}


def test_only_this_machine_is_served_and_nothing_is_told_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import app

    launched = {}

    class Page:
        def launch(self, **options: object) -> None:
            launched.update(options)

    monkeypatch.setattr(app, "build_page", lambda *_, **__: Page())
    monkeypatch.setattr(app, "private_uploads", contextlib.nullcontext)
    monkeypatch.setattr(app, "log_without_messages", lambda: None)
    monkeypatch.setattr(sys, "argv", ["app.py", "--checkpoint", "nowhere/at/all"])
    monkeypatch.delenv("GRADIO_SERVER_NAME", raising=False)
    app.main()
    assert launched["server_name"] == "127.0.0.1" and not launched["share"]
    assert launched["max_file_size"] == "120mb" and launched["run_history"] is launched["enable_monitoring"] is False


def test_the_pages_queue_is_bounded() -> None:
    assert build_page({})._queue.max_size == 32


def test_when_it_ends_no_file_is_left(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    for module in (gradio.mcp, gradio.routes, gradio.route_utils):
        monkeypatch.setattr(module, "DEFAULT_TEMP_DIR", "/as/it/was")
    stopped = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit), private_uploads() as folder:
        (folder / "photo.png").write_bytes(b"x")
        assert os.environ["GRADIO_TEMP_DIR"] == str(folder) == gradio.mcp.DEFAULT_TEMP_DIR and folder.parent == tmp_path
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)  # the signal comes first
    signal.signal(signal.SIGTERM, stopped)
    assert list(tmp_path.iterdir()) == []
