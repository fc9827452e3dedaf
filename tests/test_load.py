"""Many visitors at once: none is lost, none gets another's answer, memory stays flat, who leaves frees a place.

The figures of README.md: python -m pytest tests/test_load.py --long -s
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from serving import App, ask, png, upload

from slvit.errors import BusyError
from slvit.page.turns import Turns

MB = 100  # that memory may grow by from the second fifth of the requests to the last
COLOURS = ("teal", "tomato", "gold", "navy", "plum")


def page_handler(client: httpx.Client) -> int:
    """The number of the page's own handler, which the button calls through the queue."""
    dependencies = client.get("/config").json()["dependencies"]
    return next(entry["id"] for entry in dependencies if len(entry["inputs"]) == len(entry["outputs"]) == 4)


def join(client: httpx.Client, handler: int, session: str, path: str, expression: str) -> None:
    photo = {"path": path, "meta": {"_type": "gradio.FileData"}}
    question = {"data": [photo, expression, None, None], "fn_index": handler, "session_hash": session}
    client.post("/gradio_api/queue/join", json=question).raise_for_status()


def messages(client: httpx.Client, session: str) -> Iterator[dict[str, Any]]:
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line[6:])


def result_in(message: dict[str, Any]) -> dict[str, Any] | None:
    """The page's result in a message of its run, which holds what changed since the one before."""
    if message["msg"] != "process_generating":
        return None
    changes = message["output"]["data"][1]
    if isinstance(changes, dict) and "answer" in changes:
        return changes  # whole, or the name alone of one that this visit has had before
    added = {path[0]: value for way, path, value in changes if way == "add"} if isinstance(changes, list) else {}
    return added if "probability" in added else None


def asked_on_the_page(client: httpx.Client, handler: int, session: str, path: str, expression: str) -> dict[str, Any]:
    """What the page shows in the end."""
    join(client, handler, session, path, expression)
    shown = None
    for message in messages(client, session):
        if message["msg"] == "process_completed":
            assert message["success"], message
        shown = result_in(message) or shown
    assert shown, "The page got no answer."
    return shown


@pytest.mark.timeout(3600)
def test_none_lost_none_mixed_up_memory_flat(app: App, long: bool) -> None:
    clients, rounds = (20, 25) if long else (8, 6)
    memories: list[float] = []
    seconds: list[float] = []

    def visit(number: int) -> int:
        right, first = 0, None
        with app.client() as client:
            handler = page_handler(client)
            for turn in range(rounds):
                on_the_page = turn % 5 == 0  # the same each time: what a visit remembers is not to be taken for a leak
                width, height = 100 + 7 * number, 80 + number + (0 if on_the_page else 3 * turn)
                words = ["the", "dog", f"{number}", "on", "left", *([] if on_the_page else [f"{turn}"])]
                started = time.perf_counter()
                path = upload(client, png(width, height, COLOURS[number % 5]))
                if on_the_page:
                    shown = asked_on_the_page(client, handler, f"visit{number}", path, " ".join(words))
                    again, first = first, first or shown
                    right += first["size"] == [width, height] and first["expression"] == " ".join(words)
                    right -= again is not None and shown != {"answer": first["answer"]}
                else:
                    *_, facts = ask(client, path, " ".join(words))
                    size = facts["segmentation"]["size"]
                    right += facts["words"]["read"] == words and size == [height, width]
                seconds.append(time.perf_counter() - started)
                memories.append(app.memory())
        return right

    with app.client() as client:
        ask(client, upload(client, png(640, 480)), "the dog")
    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        right = list(pool.map(visit, range(clients)))
    took = time.perf_counter() - started
    fifth = len(memories) // 5
    peaks = [max(memories[start : start + fifth]) for start in range(0, 5 * fifth, fifth)]
    print(
        f"\n{sum(right)} of {clients * rounds} right from {clients} clients in {took:.0f} s, longest wait "
        f"{max(seconds):.1f} s, most memory in MB in each fifth of them: {', '.join(f'{peak:.0f}' for peak in peaks)}"
    )
    assert right == [rounds] * clients
    assert peaks[-1] - peaks[1] < MB  # in the first, every thread and visit still takes what it keeps


def test_who_leaves_frees_a_place_in_the_queue(app: App) -> None:
    with app.client() as client:
        handler, path = page_handler(client), upload(client, png(6000, 6000))
        for number in range(12):
            join(client, handler, f"leaver{number}", path, f"dog {number}")
            stream = client.build_request("GET", "/gradio_api/queue/data", params={"session_hash": f"leaver{number}"})
            client.send(stream, stream=True).close()  # waits no longer
        session = "stayer"
        join(client, handler, session, upload(client, png(60, 50)), "the dog")
        ranks = [message["rank"] for message in messages(client, session) if message["msg"] == "estimation"]
        assert ranks[0] <= 3  # before them all but those in the works


def test_who_breaks_off_an_unqueued_request_frees_a_place(app: App) -> None:
    with app.client() as client:
        path = upload(client, png(1500, 1500))
        question = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}, "the dog", 0.5]}
        for _ in range(40):  # more than may wait
            with app.client() as leaver, pytest.raises(httpx.TimeoutException):
                leaver.post("/gradio_api/run/segment", json=question, timeout=httpx.Timeout(5, read=0.001))
        for _ in range(200):
            try:
                *_, facts = ask(client, upload(client, png(60, 50)), "the dog")
                break
            except Exception as refusal:
                assert "Too many visitors" in str(refusal)
                time.sleep(0.5)
        assert facts["width"] == 60


# --- turns ------------------------------------------------------------------------------------------------------------


def test_turns_are_bounded_and_come_back_after_errors() -> None:
    turns = Turns(at_once=1, waiting=0, seconds=0.01)
    with pytest.raises(ZeroDivisionError), turns.turn():
        raise ZeroDivisionError
    with turns.turn(), pytest.raises(BusyError, match="Too many visitors"), turns.turn():
        pass
    with turns.turn():
        pass


def test_nobody_waits_for_longer_than_told() -> None:
    turns = Turns(at_once=1, waiting=1, seconds=0.01)
    with turns.turn(), pytest.raises(BusyError, match="within 0.01 seconds"), turns.turn():
        pass
    with turns.turn():  # the one that gave up holds nothing
        pass


def test_who_waits_gets_the_next_place() -> None:
    turns, order, inside = Turns(at_once=1, waiting=1, seconds=60), [], threading.Event()

    def second() -> None:
        inside.set()
        with turns.turn():
            order.append("second")

    with turns.turn():
        thread = threading.Thread(target=second)
        thread.start()
        inside.wait()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
