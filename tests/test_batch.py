"""A list of pairs: each answered exactly once and in order, whatever happens in between."""

import json
import os
import shutil
import signal
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from slvit import ReferringSegmenter
from slvit.batch import ResultsError, answer_list, main, open_results, settings_of
from slvit.blocks import Block, Pair, read_list
from slvit.checkpoint import BUNDLED


@pytest.fixture
def pairs(photo: Image.Image, tmp_path: Path) -> Path:
    """A list with everything that a list may hold, beside its photos."""
    photo.save(tmp_path / "a.png")
    photo.transpose(Image.Transpose.ROTATE_180).save(tmp_path / "b.jpg")
    (tmp_path / "letter.jpg").write_text("Dear all")
    lines = [
        json.dumps({"photo": "a.png", "expression": "the dog", "id": "first"}),
        json.dumps({"photo": "a.png", "expression": "red cat on left", "id": 2}),
        "",
        json.dumps({"photo": "letter.jpg", "expression": "the dog"}),
        json.dumps({"photo": str(tmp_path / "b.jpg"), "expression": "the dog \ud800 犬"}),
        json.dumps({"photo": "b.jpg", "expression": "?"}),
        json.dumps({"photo": "b.jpg", "expression": "left"}),
        '{"photo": "a.png", "expres',
        json.dumps({"photo": "a.png", "id": "no expression"}),
        json.dumps(["a.png", "dog"]),
        json.dumps({"photo": "", "expression": "dog"}),
        json.dumps({"photo": "a.png", "expression": "the dog", "id": "again"}),
    ]
    path = tmp_path / "list.jsonl"
    path.write_text("\n".join(lines))  # no newline at its end
    return path


def run(pairs: Path, out: Path, checkpoint: Path, *arguments: str) -> int:
    """Photos are opened by this process, which no other needs to be started for, unless `arguments` say otherwise."""
    options = ["--checkpoint", str(checkpoint), "--device", "cpu", "--workers", "0", "--threads", "1"]
    return main([str(pairs), str(out), *options, *arguments])


def run_killed(program: str, pairs: Path, out: Path, checkpoint: Path, *, workers: int) -> None:
    """`program` as a process that kills itself, waited for until the last process that has its output ends."""
    options = ["--checkpoint", checkpoint, "--device", "cpu", "--workers", str(workers), "--threads", "1"]
    command = [sys.executable, "-c", program, pairs, out, *options]
    environment = {**os.environ, "PYTHONPATH": str(BUNDLED.parents[1])}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=90)
    assert done.returncode == -signal.SIGKILL


def read(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def test_every_line_is_answered_in_order(
    pairs: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(pairs, tmp_path / "out", checkpoint) == 0
    results = read(tmp_path / "out")
    assert [result["line"] for result in results] == [1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert [result["line"] for result in results if "error" in result] == [4, 6, 8, 9, 10, 11]
    assert [result.get("id") for result in results][:3] == ["first", 2, None]
    by_line = {result["line"]: result for result in results}
    assert "not a photo" in by_line[4]["error"] and "no word" in by_line[6]["error"]
    assert "Line 8 of the list is no JSON." == by_line[8]["error"] and by_line[9]["id"] == "no expression"
    captured = capsys.readouterr()
    assert "5 answered, 6 errors" in captured.out and "11/11" in captured.err

    answer = ReferringSegmenter.from_pretrained(checkpoint, device="cpu").segment(tmp_path / "a.png", "red cat on left")
    assert coco_mask.decode(by_line[2]["segmentation"]).astype(bool).tolist() == answer.mask.tolist()
    assert by_line[2]["confidence"] == round(answer.confidence, 4) and "timings" not in by_line[2]
    assert {**by_line[12], "line": 1, "id": "first"} == by_line[1]


@pytest.mark.parametrize("sizes", ["192", "128+192"])
def test_size_is_what_the_model_sees_and_a_run_goes_on_at_its_own(
    pairs: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], sizes: str
) -> None:
    assert run(pairs, tmp_path / "out", checkpoint, "--size", sizes) == 0
    seen = [int(size) for size in sizes.split("+")]
    closer = ReferringSegmenter.from_pretrained(checkpoint, device="cpu", size=seen)
    answer = closer.segment(tmp_path / "a.png", "red cat on left")
    assert coco_mask.decode(read(tmp_path / "out")[1]["segmentation"]).astype(bool).tolist() == answer.mask.tolist()
    assert run(pairs, tmp_path / "out", checkpoint) == 2 and "other settings" in capsys.readouterr().err


@pytest.mark.parametrize("lines", [64, 2])
def test_goes_on_from_any_torn_end(
    pairs: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: int
) -> None:
    """In the middle of the only block, and of the second and third of six."""
    for module in ("blocks", "batch"):
        monkeypatch.setattr(f"slvit.{module}.LINES", lines)
    run(pairs, tmp_path / "whole", checkpoint)
    whole = (tmp_path / "whole/results.jsonl").read_bytes()
    settings = settings_of(str(checkpoint), threshold=0.5, batch=1)
    ends = [at for at, byte in enumerate(whole) if byte == ord("\n")]
    for cut in (0, 1, ends[0], ends[0] + 1, ends[1] - 5, ends[2] + 1, ends[4] + 9, len(whole) - 1, len(whole)):
        out = tmp_path / f"cut-{cut}"
        open_results(out, settings).close()
        (out / "results.jsonl").write_bytes(whole[:cut])
        assert run(pairs, out, checkpoint) == 0
        assert (out / "results.jsonl").read_bytes() == whole


def test_what_is_answered_is_not_asked_again(
    pairs: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(pairs, tmp_path / "out", checkpoint)
    monkeypatch.setattr(ReferringSegmenter, "segment", lambda *_, **__: pytest.fail("asked again"))
    assert run(pairs, tmp_path / "out", checkpoint) == 0


def test_a_killed_run_loses_and_doubles_nothing(pairs: Path, checkpoint: Path, tmp_path: Path) -> None:
    run(pairs, tmp_path / "whole", checkpoint)
    program = (
        "import os, signal, sys, slvit.batch as batch, slvit.blocks as blocks\n"
        "facts, count = blocks.facts, iter(range(100))\n"
        "def dying(*arguments):\n"
        "    if next(count) == 3: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return facts(*arguments)\n"
        "blocks.facts = dying\n"
        "sys.exit(batch.main(sys.argv[1:]))\n"
    )
    out = tmp_path / "killed"
    run_killed(program, pairs, out, checkpoint, workers=0)
    assert [result["line"] for result in read(out)] == [1, 2, 4, 5, 6]
    assert run(pairs, out, checkpoint) == 0
    assert (out / "results.jsonl").read_bytes() == (tmp_path / "whole/results.jsonl").read_bytes()


def test_a_killed_run_leaves_no_process_behind(photo: Image.Image, checkpoint: Path, tmp_path: Path) -> None:
    """Its worker has photos for it, more than a pipe holds, when it is killed."""
    for number in range(48):
        photo.rotate(number).save(tmp_path / f"{number}.png")
    lines = [json.dumps({"photo": f"{number}.png", "expression": "the dog"}) for number in range(48)]
    (tmp_path / "list.jsonl").write_text("\n".join(lines))
    program = (
        "import os, signal, sys, slvit.batch as batch, slvit.blocks as blocks\n"
        "if __name__ == '__main__':\n"
        "    blocks.LINES = 16\n"
        "    blocks.facts = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    batch.main(sys.argv[1:])\n"
    )
    run_killed(program, tmp_path / "list.jsonl", tmp_path / "out", checkpoint, workers=1)


def test_results_of_another_list_or_other_settings_are_left_alone(
    pairs: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run(pairs, out, checkpoint)
    before = (out / "results.jsonl").read_bytes()
    lines = pairs.read_text().splitlines()
    pairs.write_text("\n".join([lines[0], lines[1].replace("cat", "dog"), *lines[2:]]))
    assert run(pairs, out, checkpoint) == 2
    assert "answers another list from its line 2 on" in capsys.readouterr().err
    pairs.write_text(lines[0])
    assert run(pairs, out, checkpoint) == 2
    pairs.write_text("\n".join(lines))
    assert run(pairs, out, checkpoint, "--threshold", "0.7") == 2
    assert "other settings" in capsys.readouterr().err
    assert (out / "results.jsonl").read_bytes() == before


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "model-trained.safetensors"])
def test_results_of_another_checkpoint_of_that_name_are_left_alone(
    pairs: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    one, other = (Path(shutil.copytree(checkpoint, tmp_path / folder / "small")) for folder in ("one", "other"))
    assert run(pairs, tmp_path / "out", one) == run(pairs, tmp_path / "out", other) == 0
    before = (tmp_path / "out/results.jsonl").read_bytes()
    changed = other / name
    changed.write_bytes(changed.read_bytes() + b" ")
    assert run(pairs, tmp_path / "out", other) == 2
    assert "other settings" in capsys.readouterr().err and (tmp_path / "out/results.jsonl").read_bytes() == before


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000])
def test_a_folder_with_damaged_settings(
    pairs: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    (tmp_path / "settings.json").write_text(content)
    assert run(pairs, tmp_path, checkpoint) == 2
    assert "settings.json is damaged: choose another folder." in capsys.readouterr().err


@pytest.mark.parametrize("line", ["", "{", "[1]", "[" * 100_000])
def test_damaged_results(
    pairs: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    run(pairs, tmp_path / "out", checkpoint)
    results = tmp_path / "out/results.jsonl"
    damaged = results.read_text().splitlines()
    damaged[1] = line
    results.write_text("\n".join(damaged) + "\n")
    assert run(pairs, tmp_path / "out", checkpoint) == 2
    assert "is damaged in its line 2: choose another folder." in capsys.readouterr().err


@pytest.mark.parametrize(
    "option",
    ["--batch 0", "--workers -1", "--threads -1", "--threads 0", "--actors 0", "--threshold 7", "--threshold nan"],
)
def test_impossible_numbers(
    pairs: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(pairs, tmp_path / "out", checkpoint, *option.split())
    assert caught.value.code == 2 and "it must" in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", ["[" * 100_000, '{"id": NaN}', '{"id": [-Infinity]}', '{"id": 1e999}'])
def test_lines_that_are_no_json(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "list.jsonl").write_text(wrong + '\n{"photo": "a", "expression": "b"}')
    first, second = read_list(tmp_path / "list.jsonl")
    assert first.wrong == "Line 1 of the list is no JSON." and first.id is None and second.photo == "a"


def test_a_cluster_is_given_whole_paths(
    pairs: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []
    fake = types.ModuleType("slvit.cluster")
    fake.answer_on_cluster = lambda blocks, **options: given.append((list(blocks), options)) or iter(())
    monkeypatch.setitem(sys.modules, "slvit.cluster", fake)
    monkeypatch.setattr("slvit.batch.find_checkpoint", lambda _: checkpoint)
    monkeypatch.chdir(tmp_path)
    for name in ("here", "owner/name"):
        if name == "here":
            shutil.copytree(checkpoint, tmp_path / name)
        arguments = [pairs.name, f"out-{name[:4]}", "--checkpoint", name, "--ray", "local"]
        assert main(arguments) == 0
    (blocks, here), (_, there) = given
    assert here["checkpoint"] == str(tmp_path / "here") and there["checkpoint"] == "owner/name"
    assert {block.folder for block in blocks} == {tmp_path}


def test_a_list_may_grow(pairs: Path, checkpoint: Path, tmp_path: Path) -> None:
    run(pairs, tmp_path / "out", checkpoint)
    before = (tmp_path / "out/results.jsonl").read_bytes()
    pairs.write_text(pairs.read_text() + '\n{"photo": "a.png", "expression": "right"}\n')
    assert run(pairs, tmp_path / "out", checkpoint) == 0
    after = (tmp_path / "out/results.jsonl").read_bytes()
    assert after.startswith(before) and after.count(b"\n") == before.count(b"\n") + 1


def test_two_runs_do_not_write_to_one_folder(tmp_path: Path) -> None:
    with open_results(tmp_path, {}), pytest.raises(ResultsError, match="Another run is writing"):
        open_results(tmp_path, {})
    open_results(tmp_path, {}).close()


def test_no_list(tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "none.jsonl", tmp_path / "out", checkpoint) == 2
    assert "none.jsonl" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_processes_open_photos_a_little_ahead_and_change_nothing(
    model: object, processor: object, photo: Image.Image, tmp_path: Path
) -> None:
    photo.save(tmp_path / "a.png")
    (tmp_path / "letter.jpg").write_text("Dear all")
    taken = []

    def blocks() -> Iterator[Block]:
        for number in range(20):
            taken.append(number)
            yield Block([Pair(number + 1, "letter.jpg" if number == 3 else "a.png", "dog")], tmp_path)

    segmenter = ReferringSegmenter(model, processor)
    results = answer_list(segmenter, blocks(), threshold=0.5, workers=2)
    ahead = [next(results)]
    assert len(taken) < 8  # a list of millions neither fills the memory nor waits
    assert [*ahead, *results] == list(answer_list(segmenter, blocks(), threshold=0.5, workers=0))


def test_pairs_of_one_shape_share_forward_passes(
    pairs: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Image.open(tmp_path / "a.png") as square:
        square.resize((320, 64)).save(tmp_path / "strip.png")
    lines = pairs.read_text().split("\n")
    lines.insert(2, json.dumps({"photo": "strip.png", "expression": "right"}))  # between those that go together
    pairs.write_text("\n".join(lines))
    run(pairs, tmp_path / "one", checkpoint)
    shares, segment_batch = [], ReferringSegmenter.segment_batch

    def noting(self: ReferringSegmenter, photos: list, expressions: list[str]) -> list:
        shares.append(expressions)
        return segment_batch(self, photos, expressions)

    monkeypatch.setattr(ReferringSegmenter, "segment_batch", noting)
    assert run(pairs, tmp_path / "three", checkpoint, "--batch", "3") == 0
    assert shares == [["the dog", "red cat on left", "the dog \ud800 犬"], ["right"], ["left", "the dog"]]
    for one, three in zip(read(tmp_path / "one"), read(tmp_path / "three"), strict=True):
        assert one.keys() == three.keys() and one["line"] == three["line"] and one.get("error") == three.get("error")
        if "error" not in one:
            assert one["confidence"] == pytest.approx(three["confidence"], abs=1e-3)
            assert one["words"] == three["words"] and one["area"] == pytest.approx(three["area"], abs=20)

    whole = (tmp_path / "three/results.jsonl").read_bytes()
    torn = tmp_path / "torn"
    open_results(torn, settings_of(str(checkpoint), threshold=0.5, batch=3)).close()
    (torn / "results.jsonl").write_bytes(whole[: whole.index(b"\n") + 1])
    shares.clear()
    assert run(pairs, torn, checkpoint, "--batch", "3") == 0  # the same pairs together again, for the same bits
    assert (torn / "results.jsonl").read_bytes() == whole and len(shares[0]) == 3


def test_many_questions_about_one_photo_open_it_once_a_block(
    checkpoint: Path, photo: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo.save(tmp_path / "a.png")
    lines = [json.dumps({"photo": "a.png", "expression": "dog" * (n % 3 + 1)}) for n in range(130)]
    (tmp_path / "list.jsonl").write_text("\n".join(lines))
    opened = []
    monkeypatch.setattr("slvit.segmenter.open_photo", lambda path: opened.append(path) or photo)
    assert run(tmp_path / "list.jsonl", tmp_path / "out", checkpoint) == 0
    assert len(read(tmp_path / "out")) == 130 and len(opened) == 3


def test_empty_list(tmp_path: Path, checkpoint: Path) -> None:
    (tmp_path / "list.jsonl").write_text("\n\n")
    assert list(read_list(tmp_path / "list.jsonl")) == []
    assert run(tmp_path / "list.jsonl", tmp_path / "out", checkpoint) == 0
    assert read(tmp_path / "out") == []
