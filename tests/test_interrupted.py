"""Runs on machines that die, disks that fill up and data that rot: nothing is lost, and what is wrong is named.

The figures of README.md: python -m pytest tests/test_interrupted.py --long -s
"""

from __future__ import annotations

import multiprocessing
import random
import resource
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file
from test_train import same
from training import annotated_photos, config_file, finish, start, text_encoder

from train.__main__ import main
from train.config import TrainConfig
from train.loop import train
from train.state import load_state, save_state

FORKS = multiprocessing.get_context("forkserver")  # one process imports all of it, once for all the runs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("interrupted")
    annotated_photos(folder / "data")
    text_encoder(folder / "bert")
    return folder


def run_of(folder: Path, name: str, **changes: object) -> multiprocessing.Process:
    config = TrainConfig.load(config_file(folder, out=str(folder / name), **changes))
    process = FORKS.Process(target=train, args=(config,))
    process.start()
    return process


@pytest.mark.timeout(3600)
def test_killed_at_random_moments_it_ends_as_if_nothing_had_happened(folder: Path, long: bool) -> None:
    FORKS.set_forkserver_preload(["train.loop"])
    kills, chance = 20 if long else 3, random.Random(0)
    run_of(folder, "warm", samples=8).join()
    started = time.perf_counter()
    run_of(folder, "whole").join()
    seconds = time.perf_counter() - started
    whole = load_state(folder / "whole" / "last.pt")
    moments: list[int] = []
    runs = 0
    while len(moments) < kills:
        out = folder / f"killed-{runs}"
        while True:
            process = run_of(folder, out.name)
            process.join(chance.uniform(0, seconds) if len(moments) < kills else None)
            if not process.is_alive():
                assert process.exitcode == 0
                break
            process.kill()
            process.join()
            moments.append(load_state(out / "last.pt")["step"] if (out / "last.pt").exists() else 0)
        runs += 1
        ours = load_state(out / "last.pt")
        for key in ("step", "model", "average", "optimizer", "random", "bad_losses"):
            same(ours[key], whole[key], key)
        same(*(load_file(folder / name / "checkpoint" / "model-trained.safetensors") for name in (out.name, "whole")))
        assert not [path.name for path in out.rglob(".*")]  # nothing half-written stays
    print(f"\n{kills} kills in {runs} runs of 12 steps, with these steps saved: {sorted(moments)}")


def test_a_disk_that_fills_up_leaves_the_last_state(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_state(path, {"step": 1})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))  # no file may grow beyond it
    try:
        with pytest.raises(OSError, match="too large"):
            save_state(path, {"step": 2, "padding": list(range(200_000))})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert load_state(path) == {"step": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["last.pt"]


def test_a_full_disk_ends_the_run_with_a_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("train.loop.train", full)
    monkeypatch.setattr("train.__main__.train", full)
    assert main(["--config", str(config_file(folder))]) == 2
    assert capsys.readouterr().err == "train: [Errno 28] No space left on device\n"


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_photo_is_named_once_and_passed_over(folder: Path, tmp_path: Path, workers: int) -> None:
    data = annotated_photos(tmp_path / "data")
    photo = data / "photos" / "2.png"
    photo.write_bytes(photo.read_bytes()[:200])
    config = config_file(folder, data=str(data), out=str(tmp_path / "run"), samples=32, workers=workers)
    output = finish(start("--config", config))
    assert output.count('unreadable photo 1 of at most 20: "2.png" is damaged') >= 1
    assert output.count("unreadable photo") <= max(1, workers)  # two workers may meet it in the same moment
    assert load_state(tmp_path / "run" / "last.pt")["step"] == 8


@pytest.mark.parametrize("workers", [0, 1])
def test_too_many_unreadable_photos_stop_the_run_in_a_sentence(folder: Path, tmp_path: Path, workers: int) -> None:
    data = annotated_photos(tmp_path / "data")
    for number in (1, 2, 4):
        (data / "photos" / f"{number}.png").write_text("not a photo")
    config = config_file(folder, data=str(data), out=str(tmp_path / "run"), workers=workers, broken_photos=2)
    process = start("--config", config)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 2 and "Traceback" not in output
    assert output.strip().splitlines()[-1].startswith("train: 3 photos cannot be read, the last: ")
    assert all(f'"{number}.png" is not a photo' in output for number in (1, 2, 4))
