"""The batch through a local Ray: the lines of the single process, each once, although a worker is killed."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

from slvit import ReferringSegmenter
from slvit.batch import answer_list
from slvit.blocks import Block, Pair
from slvit.errors import CheckpointError

pytest.importorskip("ray", reason="Ray is not installed: pip install -r requirements-ray.txt")
from slvit import cluster  # noqa: E402
from slvit.cluster import answer_on_cluster  # noqa: E402

ACTOR = "ray::MapWorker"  # how Ray names the process of an actor of `map`


def blocks(folder: Path) -> Iterator[Block]:
    """Forty blocks of three pairs, among them a photo that cannot be opened and an expression without words."""
    for number in range(40):
        photo, text = ("letter.jpg" if number == 7 else f"{number % 2}.png"), ("?" if number == 9 else "red cat")
        yield Block([Pair(3 * number + n, photo, f"{text} {'!' * n}") for n in range(3)], folder)


def actors() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if child.name().startswith(ACTOR)]


def test_a_mistyped_checkpoint_is_no_request_to_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.ray, "init", lambda **_: None)
    options = {"device": "cpu", "threads": 1, "threshold": 0.4, "batch": 2, "actors": 1, "answered": 0}
    with pytest.raises(CheckpointError, match="There is no checkpoint folder"):
        next(answer_on_cluster(blocks(tmp_path), address="local", checkpoint="tests/slvit-tinny", **options))


def test_a_killed_actor_loses_and_doubles_nothing(
    checkpoint: Path, photo: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "BLOCKS_AT_ONCE", 25)  # so that the list is handed over in two parts
    photo.save(tmp_path / "0.png")
    photo.resize((90, 130)).save(tmp_path / "1.png")
    (tmp_path / "letter.jpg").write_text("Dear all")
    options = {"checkpoint": str(checkpoint), "device": "cpu", "threads": 1, "threshold": 0.4, "batch": 2}
    options["size"] = (64, 96)
    found = answer_on_cluster(blocks(tmp_path), address="local", actors=2, answered=1, **options)
    results = [next(found)]
    victims = actors()
    assert len(victims) == 2
    os.kill(victims[0].pid, signal.SIGKILL)
    results += found

    segmenter = ReferringSegmenter.from_pretrained(checkpoint, device="cpu", size=options["size"])
    assert results == list(answer_list(segmenter, blocks(tmp_path), threshold=0.4, batch=2, answered=1))
    assert [result["line"] for result in results] == list(range(1, 120)) and not actors()
