"""Scores of a model on examples: the app's own answers, each example once, whatever the batch and the processes."""

from __future__ import annotations

import dataclasses
import json
import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco_mask

from slvit import ReferringSegmenter, SLViTModel, SLViTProcessor
from slvit.errors import PhotoError
from train import published
from train.data.example import Example
from train.evaluate import View, batches_of, evaluate, main, open_annotated, sheet, spread, worst
from train.metrics import Record, Scores, measure

ROOT = Path(__file__).parents[1]
TEXTS = ("the red dog", "cat on left", "right", "the word")


def run_lengths(mask: np.ndarray) -> dict[str, Any]:
    encoded = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": encoded["size"], "counts": encoded["counts"].decode("ascii")}


def example(photo: Path, size: tuple[int, int], text: str, **changes: Any) -> Example:
    H, W = size
    mask = np.zeros(size, bool)
    mask[H // 4 : H // 2, W // 3 : W] = True
    fields = {"segmentation": (run_lengths(mask),), "kind": "only", "source": "made", "target_id": "1"}
    return Example(photo=photo, size=size, expression=text, **(fields | changes))


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    """Expressions on four photos, two of which the model sees at one size; the last expression means nothing."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    shapes = [(90, 120), (120, 90), (91, 121), (200, 60)]
    for number, shape in enumerate(shapes):
        blocks = rng.integers(0, 256, (5, 5, 3), np.uint8)
        Image.fromarray(blocks).resize(shape[::-1], Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    made = [
        example(
            folder / f"{number}.png", shape, text, kind="several" if text == "right" else "only", source=f"s{number}"
        )
        for text in TEXTS
        for number, shape in enumerate(shapes)
    ]
    return [*made, example(folder / "0.png", shapes[0], "a cat", segmentation=(), kind="absent")]


def test_it_scores_what_the_app_would_answer(
    segmenter: ReferringSegmenter, model: SLViTModel, processor: SLViTProcessor, examples: list[Example]
) -> None:
    scores = evaluate(model, processor, examples, batch=5)
    for number, (record, of) in enumerate(zip(scores.records, examples, strict=True)):
        answer = segmenter.segment(of.photo, of.expression)
        said = {"number": number, "photo": of.photo.name, "kind": of.kind, "source": of.source}
        said["absent"] = not of.segmentation
        expected = measure(answer.probability, of.mask(), **said)
        assert said.items() <= dataclasses.asdict(record).items()
        assert record.target == of.mask().sum()
        assert abs(record.intersection - expected.intersection) <= 2  # a pixel at 0.5 may fall to either side
        assert record.confidence == pytest.approx(answer.confidence, abs=1e-4)
    assert len({record.predicted for record in scores.records}) > 8  # the answers do differ


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_the_batch_changes_nothing(
    model: SLViTModel, processor: SLViTProcessor, examples: list[Example], batch: int
) -> None:
    one, other = (evaluate(model, processor, examples, batch=size) for size in (2, batch))
    for mine, theirs in zip(one.records, other.records, strict=True):
        assert mine.confidence == pytest.approx(theirs.confidence, abs=1e-4)
        assert abs(mine.predicted - theirs.predicted) <= 2


def test_a_batch_has_one_size_and_keeps_a_photos_expressions_together(examples: list[Example]) -> None:
    view = View("own", (128,))
    batches = batches_of(examples, view, batch=3)
    assert sorted(number for batch in batches for number in batch) == list(range(len(examples)))
    assert all(1 <= len(batch) <= 3 for batch in batches)
    assert all(len({tuple(view.input_sizes(examples[number])) for number in batch}) == 1 for batch in batches)
    order = [examples[number].photo for batch in batches for number in batch]
    assert sum(a != b for a, b in zip(order, order[1:], strict=False)) == 3  # each of the 4 photos in one stretch
    assert any(len({examples[number].photo for number in batch}) == 2 for batch in batches)


def test_a_photos_text_free_part_is_computed_once_a_batch(
    model: SLViTModel, processor: SLViTProcessor, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    encode = model.encode_photo
    monkeypatch.setattr(model, "encode_photo", lambda pixels: seen.append(len(pixels)) or encode(pixels))
    evaluate(model, processor, examples, batch=64)
    assert sum(seen) == 4


def test_the_model_is_left_as_it_came(model: SLViTModel, processor: SLViTProcessor, examples: list[Example]) -> None:
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    try:
        model.train()
        evaluate(model, processor, examples[:2])
        assert model.training
    finally:
        model.eval()
    evaluate(model, processor, examples[:2])
    assert not model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert processor.image_processor.size == 128


def test_size_is_the_models_view_and_changes_its_answers(
    model: SLViTModel, processor: SLViTProcessor, examples: list[Example]
) -> None:
    own, larger = evaluate(model, processor, examples), evaluate(model, processor, examples, size=192)
    assert "128²" in own.protocol and "192²" in larger.protocol
    assert [record.target for record in own.records] == [record.target for record in larger.records]
    assert own.records != larger.records


def test_several_sizes_are_scored_as_the_app_would_answer_by_them(
    segmenter: ReferringSegmenter, model: SLViTModel, processor: SLViTProcessor, examples: list[Example]
) -> None:
    """Of two photos that look alike at the first size and not at the second, too."""
    sizes = (32, 160)
    view = View.of(processor, protocol="own", size=sizes)
    assert view.input_sizes(examples[0])[0] == view.input_sizes(examples[1])[0]
    assert view.input_sizes(examples[0])[1] != view.input_sizes(examples[1])[1]
    scores = evaluate(model, processor, examples, size=sizes, batch=64)
    assert "32² and 160²" in scores.protocol
    processor = SLViTProcessor(segmenter.processor.image_processor.at(sizes), segmenter.processor.tokenizer)
    app = ReferringSegmenter(segmenter.model, processor)
    for record, of in zip(scores.records, examples, strict=True):
        answer = app.segment(of.photo, of.expression)
        assert abs(record.predicted - answer.mask.sum()) <= 2
        assert record.confidence == pytest.approx(answer.confidence, abs=1e-4)


def test_protocol_lavt_squashes_and_scores_at_480(
    model: SLViTModel, processor: SLViTProcessor, examples: list[Example]
) -> None:
    tall = [e for e in examples if e.size == (200, 60)]
    view = View("lavt", (128,))
    assert view.input_sizes(tall[0]) == [(128, 128)]
    assert view.photo(tall[0]).size == (128, 128)
    assert view.truth(tall[0]).shape == (480, 480)
    assert view.truth(tall[0]).mean() == pytest.approx(tall[0].mask().mean(), abs=0.005)
    scores = evaluate(model, processor, tall, protocol="lavt", size=128)
    assert "480×480" in scores.protocol and "lavt" in scores.protocol
    assert scores.records[0].target == view.truth(tall[0]).sum()
    assert "480×480" in str(View.of(processor, protocol="lavt", size=None)).split("scored")[0]
    with pytest.raises(ValueError, match="choose one of own, lavt"):
        evaluate(model, processor, tall, protocol="theirs")


def test_an_expression_that_cannot_be_read_is_an_empty_answer_and_named(
    model: SLViTModel, processor: SLViTProcessor, examples: list[Example], caplog: pytest.LogCaptureFixture
) -> None:
    bad = [example(examples[0].photo, examples[0].size, text) for text in ("???", "", "the dog")]
    scores = evaluate(model, processor, bad)
    assert [record.predicted for record in scores.records[:2]] == [0, 0]
    assert scores.records[0].confidence == 0
    alone = evaluate(model, processor, bad[2:]).records[0]
    assert scores.records[2].predicted == alone.predicted and scores.records[2].confidence == alone.confidence
    assert '"???"' in caplog.text and "0.png" in caplog.text
    assert evaluate(model, processor, bad[:2]).overall.miou == 0  # a batch in which nothing can be read


def test_bfloat16_answers_much_the_same(model: SLViTModel, processor: SLViTProcessor, examples: list[Example]) -> None:
    exact, rough = (evaluate(model, processor, examples, bfloat16=on) for on in (False, True))
    assert exact.records != rough.records
    differences = [abs(a.confidence - b.confidence) for a, b in zip(exact.records, rough.records, strict=True)]
    assert max(differences) < 0.1


def test_a_photo_is_turned_as_its_annotation_has_it(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a viewer turns it by 90 degrees
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, :30] = 255
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    upright = np.asarray(open_annotated(example(tmp_path / "turned.png", (60, 40), "x")))
    assert upright.shape == (60, 40, 3) and upright[0, 0, 0] == 255 and upright[-1, 0, 0] == 0
    stored = np.asarray(open_annotated(example(tmp_path / "turned.png", (40, 60), "x")))
    assert (stored == pixels).all()
    with pytest.raises(ValueError, match=r"turned.png has 40 × 60 pixels, its annotation is for 70 × 50"):
        open_annotated(example(tmp_path / "turned.png", (50, 70), "x"))


def test_a_photo_that_cannot_be_opened_stops_with_its_name(
    model: SLViTModel, processor: SLViTProcessor, examples: list[Example], tmp_path: Path
) -> None:
    with pytest.raises(PhotoError, match="gone.png"):
        evaluate(model, processor, [*examples, example(tmp_path / "gone.png", (90, 120), "dog")])


def test_a_sample_is_spread_evenly_and_always_the_same(examples: list[Example]) -> None:
    assert spread(examples, None) == spread(examples, 99) == examples
    assert spread(list(range(10)), 4) == [0, 2, 5, 7]


def record(number: int, **changes: Any) -> Record:
    fields = {"kind": "only", "source": "a", "absent": False, "point": True, "boundary": 0.5, "predicted": 10}
    fields |= {"number": number, "photo": "a.webp", "intersection": 5, "union": 10, "pixels": 99, "confidence": 0.8}
    return Record(**(fields | changes))


def test_the_worst_are_the_surest_among_the_wrong() -> None:
    records = [
        record(0, intersection=1),
        record(1, intersection=0, confidence=0.7),
        record(2, intersection=0, confidence=0.9),
        record(3, intersection=9),
        record(4, absent=True, intersection=0, confidence=0.55),  # rightly told absent
        record(5, absent=True, intersection=0, confidence=0.8),
    ]
    scores = Scores.gathered(records, count=6, found_threshold=0.6, protocol="own")
    assert worst(scores, 4) == [2, 5, 1, 0]
    assert worst(scores, 99)[-1] == 4


def test_a_contact_sheet_shows_the_chosen_in_their_order(
    model: SLViTModel, processor: SLViTProcessor, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = evaluate(model, processor, examples)
    rows: list[Any] = []
    monkeypatch.setattr("train.evaluate.contact_sheet", lambda given: rows.extend(given) or Image.new("RGB", (1, 1)))
    chosen = [16, 3, 9, 0]
    sheet(model, processor, examples, scores, chosen, view=View("own", (128,)))
    assert [row[3].split(" · ")[0] for row in rows] == [examples[number].expression for number in chosen]
    for (photo, predicted, truth, caption), number in zip(rows, chosen, strict=True):
        assert (photo.height, photo.width) == predicted.shape == truth.shape == examples[number].size
        assert (truth == examples[number].mask()).all()
        assert abs(predicted.sum() - scores.records[number].predicted) <= 2
        assert examples[number].source in caption
    assert "nothing is meant" in rows[0][3] and f"IoU {scores.records[3].iou:.2f}" in rows[1][3]


# --- The command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, examples: list[Example]) -> Path:
    """The examples as a folder of one's own."""
    lines = []
    for of in examples:
        mask = of.segmentation[0] if of.segmentation else None
        lines.append({"photo": str(of.photo), "text": of.expression, "mask": mask, "source": of.source})
    (tmp_path / "val.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


def test_the_command_prints_and_writes_what_evaluate_gives(
    checkpoint: Path,
    model: SLViTModel,
    processor: SLViTProcessor,
    examples: list[Example],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sheets, out = folder / "sheets", folder / "scores.json"
    asked = ["--checkpoint", checkpoint, "--data", folder, "--device", "cpu", "--json", out]
    drawn = ["--worst", 3, "--random", 2, "--sheet", sheets]
    assert main([str(word) for word in (*asked, *drawn)]) == 0
    printed = capsys.readouterr().out
    scores = evaluate(model, processor, examples)
    report = json.loads(out.read_text())["results"]["folder val"]
    assert report["all"]["miou"] == pytest.approx(scores.overall.miou, abs=0.5)
    assert report["all"]["count"] == len(examples) and len(report["records"]) == len(examples)
    assert report["records"][2]["expression"] == examples[2].expression
    assert report["records"][2]["photo"].endswith("2.png")
    assert f"{len(examples)} expressions on 4 photos" in printed and "by source" in printed
    assert "RefCOCO" not in printed
    for name in ("folder-val-worst.png", "folder-val-random.png"):
        with Image.open(sheets / name) as picture:
            assert picture.width > 500


def test_refcocos_table_has_the_run_beside_the_published_rows(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "images/train2014"
    photos.mkdir(parents=True)
    Image.new("RGB", (60, 40), "red").save(photos / "a.jpg")
    ref = {"ref_id": 1, "ann_id": 1, "image_id": 1, "sentences": [{"raw": "the dog"}]}
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 40, "width": 60}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[0, 0, 60, 0, 60, 40, 0, 40]]}],
    }
    (tmp_path / "refcoco").mkdir()
    (tmp_path / "refcoco/instances.json").write_text(json.dumps(content))
    refs = [ref | {"split": split} for split in ("val", "testA", "testB", "train")]
    (tmp_path / "refcoco/refs(unc).p").write_bytes(pickle.dumps(refs, protocol=2))
    assert main(["--checkpoint", str(checkpoint), "--data", str(tmp_path), "--device", "cpu", "--split", "all"]) == 0
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    slvit = next(line for line in lines if line.startswith("SLViT (published)")).split()
    assert slvit[2:] == ["74.02", "76.91", "70.62", "64.07", "69.28", "56.14", "62.75", "63.57"]
    mine = next(line for line in lines if "this run" in line).split()
    assert mine[-5:] == ["-"] * 5 and mine[-6] == mine[-7] == mine[-8]
    assert 0 <= float(mine[-6]) <= 100
    assert [line for line in lines if line.startswith("refcoco unc ")][0].startswith("refcoco unc val")
    assert "refcoco unc train" not in printed and "expressions a split" not in printed


def test_table_1_puts_each_figure_under_its_split() -> None:
    text = published.table_1({("refcoco", "unc", "testB"): 11.111, ("refcocog", "umd", "test"): 22.2}, name="mine")
    heads, splits, *_, mine = text.splitlines()
    assert mine.split() == ["mine", "-", "-", "11.11", "-", "-", "-", "-", "22.20"]
    for figure, split in (("11.11", "testB"), ("22.20", "test(U)")):
        assert mine.index(figure) + len(figure) == splits.index(split) + len(split)
    assert heads.split() == ["oIoU", "RefCOCO", "RefCOCO+", "G-Ref"]


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--data", "nowhere"], "nowhere does not exist"),
        (["--worst", "3"], "--sheet"),
        (["--checkpoint", "nowhere"], "no checkpoint folder nowhere"),
        (["--dataset", "refcoco"], r"refcoco/refs(unc).p is missing"),
        (["--dataset", "refcoco", "--split-by", "umd"], "refcoco is not split by umd"),
        (["--device", "quantum"], "quantum"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_exit_code_2(
    checkpoint: Path, folder: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--checkpoint", str(checkpoint), "--data", str(folder), *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error.splitlines()[-1]


def test_each_process_answers_its_share(
    model: SLViTModel, processor: SLViTProcessor, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: list[list[Record]] = []

    def evaluate_as(rank: int) -> None:
        state = SimpleNamespace(process_index=rank, num_processes=2, is_main_process=rank == 0)
        monkeypatch.setattr("train.evaluate.PartialState", lambda: state)
        with pytest.raises(ValueError, match="were not scored"):  # what the other one would send is not there
            evaluate(model, processor, examples, batch=3)

    monkeypatch.setattr("train.evaluate.gather_object", lambda mine: shares.append(mine) or mine)
    evaluate_as(0)
    evaluate_as(1)
    numbers = [{record.number for record in share} for share in shares]
    assert numbers[0] | numbers[1] == set(range(len(examples))) and not numbers[0] & numbers[1]


def test_two_processes_count_each_example_once(checkpoint: Path, folder: Path) -> None:
    """On CPUs (gloo): the figures of one process, printed once."""
    shared_file = folder / "shared.json"
    words = ["--checkpoint", checkpoint, "--data", folder, "--device", "cpu", "--batch", "3"]
    launch = ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "--num_cpu_threads_per_process", "1"]
    launch += ["--main_process_port", "0", "-m", "train.evaluate"]
    command = [sys.executable, "-m", *launch, *map(str, words), "--json", str(shared_file)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("by source") == 1 and "2 processes" in ran.stdout

    alone = folder / "alone.json"
    assert main([*map(str, words), "--json", str(alone)]) == 0
    shared, single = (json.loads(file.read_text()) for file in (shared_file, alone))
    shared, single = shared["results"]["folder val"], single["results"]["folder val"]
    assert [r["number"] for r in shared["records"]] == [r["number"] for r in single["records"]]
    assert shared["all"] == pytest.approx(single["all"], abs=0.2)
