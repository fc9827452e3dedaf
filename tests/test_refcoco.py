"""RefCOCO's family in the official layout, pickles included, and what is said of a layout with holes."""

from __future__ import annotations

import dataclasses
import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from train.config import TrainConfig
from train.data import refcoco
from train.data.__main__ import main as data_main
from train.data.layout import datasets_in, examples_of, partition_of, splits_of, the_dataset_in
from train.data.pickles import load_plain
from train.data.refcoco import Counts
from train.data.sentences import SentenceSamples
from train.loader import training_samples, validation_examples

PHOTOS = ("COCO_train2014_000000000007.jpg", "COCO_train2014_000000000008.jpg", "COCO_train2014_000000000009.jpg")
SIZE = (20, 30)  # H, W


def square(left: float, top: float, side: float) -> list[float]:
    return [left, top, left + side, top, left + side, top + side, left, top + side]


def run_lengths(top: int, left: int, bottom: int, right: int, *, compressed: bool) -> dict[str, Any]:
    mask = np.zeros(SIZE, np.uint8, order="F")
    mask[top:bottom, left:right] = 1
    if compressed:
        encoded = coco_mask.encode(mask)
        return {"size": encoded["size"], "counts": encoded["counts"].decode("ascii")}
    flat = mask.T.reshape(-1)
    changes = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *changes, flat.size]).tolist()
    return {"size": list(SIZE), "counts": ([0] if flat[0] else []) + counts}


def instances() -> dict[str, Any]:
    annotations = [
        {"id": 11, "image_id": 7, "category_id": 1, "segmentation": [square(2, 3, 4)], "iscrowd": 0},
        {"id": 12, "image_id": 7, "category_id": 1, "segmentation": [square(20, 3, 5), square(2, 14, 3)], "iscrowd": 0},
        {"id": 13, "image_id": 7, "category_id": 2, "segmentation": [square(10, 10, 6)], "iscrowd": 0},
        {"id": 21, "image_id": 8, "category_id": 1, "segmentation": run_lengths(1, 2, 5, 8, compressed=True)},
        {"id": 22, "image_id": 8, "category_id": 3, "segmentation": run_lengths(0, 0, 3, 4, compressed=False)},
        {"id": 31, "image_id": 9, "category_id": 1, "segmentation": [square(5, 5, 8)], "iscrowd": 0},
        {"id": 32, "image_id": 9, "category_id": 1, "iscrowd": 1, "segmentation": [square(15, 5, 8)]},
    ]
    images = [
        {"id": number, "file_name": name, "height": SIZE[0], "width": SIZE[1]}
        for number, name in zip((7, 8, 9), PHOTOS, strict=True)
    ]
    categories = [{"id": number, "name": name} for number, name in ((1, "person"), (2, "dog"), (3, "cup"))]
    return {"images": images, "annotations": annotations, "categories": categories}


def reference(number: int, photo: int, target: int | list[int], split: str, *raw: str) -> dict[str, Any]:
    sentences = [
        {"sent_id": 10 * number + place, "raw": text, "sent": text.lower(), "tokens": text.lower().split()}
        for place, text in enumerate(raw)
    ]
    return {
        "ref_id": number,
        "ann_id": target,
        "image_id": photo,
        "category_id": 1,
        "split": split,
        "file_name": f"COCO_train2014_{photo:012d}_{number}.jpg",  # not a photo's name: that stands in instances.json
        "sent_ids": [sentence["sent_id"] for sentence in sentences],
        "sentences": sentences,
    }


REFS = [
    reference(0, 7, 11, "train", "Left GUY", "boy in red"),
    reference(1, 7, 12, "train", "right guy"),
    reference(2, 7, 13, "val", "the dog"),
    reference(3, 8, 21, "testA", "woman"),
    reference(4, 8, 22, "testB", "cup"),
]
GREFS = [
    reference(0, 7, [11, 12], "train", "both guys"),
    reference(1, 7, [-1], "val", "the cat"),
    reference(2, 9, [31, 32], "val", "the crowd"),
    reference(3, 7, [13], "val", "dog"),
]


def python2_pickle(value: Any) -> bytes:
    """Protocol 2 as Python 2 writes it: every string as its bytes (BINSTRING), which Python 3 never does."""
    out = io.BytesIO()

    def write(item: Any) -> None:
        if isinstance(item, dict):
            out.write(b"}(" if item else b"}")
            for key, of_key in item.items():
                write(key)
                write(of_key)
            out.write(b"u" if item else b"")
        elif isinstance(item, list):
            out.write(b"](" if item else b"]")
            for part in item:
                write(part)
            out.write(b"e" if item else b"")
        elif isinstance(item, str):
            encoded = item.encode("utf-8")
            out.write(b"T" + len(encoded).to_bytes(4, "little") + encoded)
        else:
            out.write(b"J" + int(item).to_bytes(4, "little", signed=True))

    out.write(b"\x80\x02")
    write(value)
    out.write(b".")
    return out.getvalue()


def write_set(root: Path, dataset: str, name: str, refs: list[dict[str, Any]]) -> None:
    folder = root / dataset
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "instances.json").write_text(json.dumps(instances()))
    if name.endswith(".json"):
        (folder / name).write_text(json.dumps(refs))
    else:
        (folder / name).write_bytes(pickle.dumps(refs, protocol=2))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    photos = tmp_path / "images/mscoco/images/train2014"
    photos.mkdir(parents=True)
    for name in PHOTOS:
        Image.new("RGB", SIZE[::-1], "grey").save(photos / name)
    write_set(tmp_path, "refcoco", "refs(unc).p", REFS)
    write_set(tmp_path, "refcoco+", "refs(unc).p", REFS[:3])
    write_set(tmp_path, "refcocog", "refs(umd).p", [reference(0, 9, 31, "test", "a man")])
    write_set(tmp_path, "grefcoco", "grefs(unc).json", GREFS)
    return tmp_path


def test_every_sentence_is_an_example_with_its_mask(root: Path) -> None:
    first, second, third = refcoco.examples(root, "train", dataset="refcoco")
    assert [e.expression for e in (first, second, third)] == ["Left GUY", "boy in red", "right guy"]
    assert first.photo == root / "images/mscoco/images/train2014" / PHOTOS[0] and first.photo.is_file()
    assert first.size == SIZE and first.source == "refcoco"
    assert first.target_id == second.target_id != third.target_id
    expected = np.zeros(SIZE, bool)
    expected[3:7, 2:6] = True
    assert (first.mask() == expected).all()
    expected[...] = False
    expected[3:8, 20:25] = expected[14:17, 2:5] = True
    assert (third.mask() == expected).all()  # both of its polygons


def test_run_lengths_of_both_sorts_are_masks(root: Path) -> None:
    (woman,) = refcoco.examples(root, "testA", dataset="refcoco")
    (cup,) = refcoco.examples(root, "testB", dataset="refcoco")
    expected = np.zeros(SIZE, bool)
    expected[1:5, 2:8] = True
    assert (woman.mask() == expected).all()
    expected[...] = False
    expected[:3, :4] = True
    assert (cup.mask() == expected).all()


def test_the_kind_tells_whether_others_of_the_category_are_there(root: Path) -> None:
    assert {e.kind for e in refcoco.examples(root, "train", dataset="refcoco")} == {"several"}
    assert [e.kind for e in refcoco.examples(root, "val", dataset="refcoco")] == ["only"]


def test_expressions_of_grefcoco_mean_nothing_one_or_many(root: Path) -> None:
    (both,) = refcoco.examples(root, "train", dataset="grefcoco")
    assert both.kind == "group" and both.mask().sum() == 16 + 25 + 9
    nothing, crowd, dog = refcoco.examples(root, "val", dataset="grefcoco")
    assert nothing.kind == "absent" and nothing.segmentation == () and not nothing.mask().any()
    assert crowd.mask().sum() == 64  # without the crowd's own annotation
    assert dog.kind == "only" and dog.mask().sum() == 36


def test_python_2s_pickles_are_read_with_their_accents(root: Path) -> None:
    path = root / "refcoco/refs(unc).p"
    path.write_bytes(python2_pickle([reference(0, 7, 11, "val", "the café’s sign")]))
    (example,) = refcoco.examples(root, "val", dataset="refcoco")
    assert example.expression == "the café’s sign"


def test_a_sentence_without_its_raw_text_is_put_together(root: Path) -> None:
    refs = [reference(0, 7, 11, "val", "left guy", "left man")]
    del refs[0]["sentences"][0]["raw"], refs[0]["sentences"][1]["raw"], refs[0]["sentences"][1]["sent"]
    write_set(root, "refcoco", "refs(unc).p", refs)
    assert [e.expression for e in refcoco.examples(root, "val", dataset="refcoco")] == ["left guy", "left man"]


class _Runs:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_would_run_something_is_refused_unrun(tmp_path: Path, protocol: int) -> None:
    proof, path = tmp_path / "it-ran", tmp_path / "refs(unc).p"
    path.write_bytes(pickle.dumps([_Runs(proof)], protocol=protocol))
    with pytest.raises(ValueError, match=r"refs\(unc\)\.p is no pickle of plain values.*it asks for"):
        load_plain(path)
    assert not proof.exists()


def test_plain_containers_are_admitted(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None, True, ("x", b"y")], "b": {1, 2}, "c": frozenset("d"), 10**20: {}}
    (tmp_path / "value.p").write_bytes(pickle.dumps(value, protocol=4))
    assert load_plain(tmp_path / "value.p") == value


@pytest.mark.parametrize("content", [b"", b"\x80\x02](", b"hello", pickle.dumps(REFS, protocol=2)[:-40]])
def test_a_damaged_pickle_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "refs(unc).p"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"refs\(unc\)\.p"):
        load_plain(path)


@pytest.mark.parametrize(
    "gone, said",
    [
        ("refcoco/refs(unc).p", r"refcoco/refs\(unc\)\.p is missing: the expressions of refcoco"),
        ("refcoco/instances.json", r"refcoco/instances\.json is missing: the masks of refcoco"),
        (f"images/mscoco/images/train2014/{PHOTOS[0]}", rf"train2014/{PHOTOS[0]} is missing"),
    ],
)
def test_what_is_missing_is_named_with_its_place(root: Path, gone: str, said: str) -> None:
    (root / gone).unlink()
    with pytest.raises(FileNotFoundError, match=said):
        refcoco.examples(root, "train", dataset="refcoco")


def test_a_missing_photo_is_one_problem_however_many_speak_of_it(root: Path) -> None:
    (root / "images/mscoco/images/train2014" / PHOTOS[0]).unlink()
    data = refcoco.read(root, "refcoco", "unc")
    assert len(list(refcoco.problems_of(data, data.refs))) == 1


def test_a_missing_photo_folder_is_named_once(root: Path) -> None:
    (root / "images").rename(root / "pictures")
    with pytest.raises(FileNotFoundError, match="images/mscoco/images/train2014 is missing: COCO's train2014 photos"):
        refcoco.examples(root, "train", dataset="refcoco")


def test_grefcocos_own_place_for_photos_does_too(root: Path) -> None:
    (root / "images/mscoco/images/train2014").rename(root / "images/train2014")
    (example,) = refcoco.examples(root, "val", dataset="refcoco")
    assert example.photo == root / "images/train2014" / PHOTOS[0]


@pytest.mark.parametrize(
    "segmentation, said",
    [
        ([], "it has no polygon"),
        ([[1, 2, 3, 4]], "4 coordinates"),
        ([square(1, 1, 3), [1, 2, 3, 4, 5, 6, 7]], "7 coordinates"),
        ([[1, 2, 3, 4, 5, float("nan")]], "no number"),
        ([["a"] * 6], "no list of numbers"),
        (None, "neither polygons nor run lengths"),
        ({"size": [9, 9], "counts": [81]}, "run lengths are for"),
        ({"size": list(SIZE), "counts": [5, 5]}, "do not add up"),
    ],
)
def test_a_broken_mask_is_named_not_skipped(root: Path, segmentation: Any, said: str) -> None:
    content = instances()
    content["annotations"][1]["segmentation"] = segmentation
    (root / "refcoco/instances.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"Annotation 12 of refcoco/instances.json is broken: .*{said}"):
        refcoco.examples(root, "train", dataset="refcoco")
    refcoco.examples(root, "val", dataset="refcoco")  # what is whole goes on


def test_an_annotation_that_is_not_there_is_named(root: Path) -> None:
    write_set(root, "refcoco", "refs(unc).p", [reference(5, 7, 99, "val", "x"), reference(6, 77, 11, "val", "y")])
    with pytest.raises(ValueError, match=r"Annotation 99 is not in .*reference 5 means it.*1 more problem"):
        refcoco.examples(root, "val", dataset="refcoco")


@pytest.mark.parametrize("dataset, partition, split", [("refcoco", None, "test"), ("refcocog", "google", "test")])
def test_a_split_that_does_not_exist_is_refused_with_those_that_do(
    root: Path, dataset: str, partition: str | None, split: str
) -> None:
    with pytest.raises(ValueError, match="has no split 'test': choose one of train, val"):
        refcoco.examples(root, split, dataset=dataset, partition=partition)


def test_photos_of_any_validation_or_test_split_are_kept_out_of_mixed_training(root: Path) -> None:
    assert refcoco.held_out(root) == {7, 8, 9}  # 7 is trained on in RefCOCO, and in its validation split too
    assert refcoco.examples(root, "train", dataset="refcoco", without_photos={7}) == []
    write_set(root, "refcoco", "refs(unc).p", REFS[:2])
    write_set(root, "refcoco+", "refs(unc).p", REFS[3:])
    write_set(root, "grefcoco", "grefs(unc).json", GREFS[:1])
    assert refcoco.held_out(root) == {8, 9}


def test_a_list_of_held_out_photos_with_a_hole_is_refused(root: Path) -> None:
    (root / "refcoco+/refs(unc).p").unlink()
    with pytest.raises(FileNotFoundError, match=r"refcoco\+/refs\(unc\)\.p is missing"):
        refcoco.held_out(root)


def test_the_layout_tells_the_data_set(root: Path, tmp_path: Path) -> None:
    assert datasets_in(root) == ["refcoco", "refcoco+", "refcocog", "grefcoco"]
    with pytest.raises(ValueError, match="holds refcoco, refcoco.*say which with --dataset"):
        the_dataset_in(root)
    (root / "refcoco").rename(root / "elsewhere")
    for name in ("refcoco+", "refcocog"):
        (root / name / "instances.json").unlink()
        next((root / name).iterdir()).unlink()
    assert the_dataset_in(root) == "grefcoco"
    with pytest.raises(ValueError, match="is the folder of one data set: give the one above it"):
        the_dataset_in(root / "grefcoco")
    with pytest.raises(ValueError, match="does not exist"):
        the_dataset_in(root / "nowhere")
    with pytest.raises(ValueError, match=r"holds none of the layouts.*refcoco/refs\(unc\)\.p"):
        the_dataset_in(root / "images")


def test_partitions_and_splits_have_their_usual_names() -> None:
    assert partition_of("refcocog") == "umd" and partition_of("refcocog", "google") == "google"
    with pytest.raises(ValueError, match="refcoco is not split by umd: choose unc"):
        partition_of("refcoco", "umd")
    assert splits_of("refcoco", "unc") == ("val", "testA", "testB")
    assert splits_of("refcocog", "google") == ("val",)


def test_a_split_without_examples_is_an_error(root: Path) -> None:
    with pytest.raises(ValueError, match="no examples of refcocog in split 'val'"):
        examples_of(root, "refcocog", split="val")


def test_counts_are_set_beside_the_published_ones(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setitem(refcoco.PUBLISHED, ("refcoco", "unc", "train"), Counts(1, 2, 3))
    assert data_main(["check", str(root)]) == 0
    out = capsys.readouterr().out
    refcoco_part = out.split("refcoco+ in")[0].splitlines()
    train = next(line for line in refcoco_part if line.split()[:1] == ["train"])
    assert train.split() == ["train", "1", "2", "3", "the", "same"]
    val = next(line for line in refcoco_part if line.split()[:1] == ["val"])
    assert val.split()[1:4] == ["1", "1", "1"] and "1,500 / 3,811 / 10,834" in val
    whole = next(line for line in refcoco_part if line.split()[:1] == ["all"])
    assert whole.split()[1:4] == ["2", "5", "6"] and "19,994 / 50,000 / 142,209" in whole
    grefcoco_val = [line for line in out.split("grefcoco in")[1].splitlines() if line.split()[:1] == ["val"]]
    assert grefcoco_val[0].split()[1:4] == ["2", "3", "3"]  # instances that are meant, nothing is none


def test_check_names_every_problem_and_says_so_to_the_shell(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "images/mscoco/images/train2014" / PHOTOS[1]).unlink()
    content = instances()
    content["annotations"][2]["segmentation"] = [[1, 2]]
    (root / "refcoco/instances.json").write_text(json.dumps(content))
    (root / "refcocog/refs(umd).p").unlink()
    assert data_main(["check", str(root)]) == 1
    out = capsys.readouterr().out
    assert out.count(f"{PHOTOS[1]} is missing") == 1  # RefCOCO alone uses it, twice
    assert "Annotation 13 of refcoco/instances.json is broken" in out
    assert "refcocog/refs(umd).p is missing" in out
    assert data_main(["check", str(root / "nowhere")]) == 2


def test_check_shortens_a_long_list_and_says_how_to_see_all(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_set(root, "refcoco", "refs(unc).p", [reference(n, 7, 100 + n, "val", "x") for n in range(30)])
    assert data_main(["check", str(root)]) == 1
    out = capsys.readouterr().out
    assert "Annotation 119" in out and "Annotation 120" not in out and "and 10 more: --all" in out
    data_main(["check", str(root), "--all"])
    assert "Annotation 129" in capsys.readouterr().out


def test_the_published_splits_add_up_to_the_published_sets() -> None:
    for dataset, rounding in (("refcoco", 1), ("refcoco+", 0)):
        splits = [refcoco.PUBLISHED[dataset, "unc", split] for split in refcoco.SPLITS[dataset, "unc"]]
        whole = refcoco.PUBLISHED_WHOLE[dataset]
        assert sum(split.photos for split in splits) == whole.photos
        assert sum(split.objects for split in splits) == whole.objects
        assert sum(split.expressions for split in splits) == whole.expressions + rounding


# --- Training samples -------------------------------------------------------------------------------------------------


def square_size(_: int) -> tuple[int, int]:
    return 32, 32


def sentences(root: Path, dataset: str, **changes: Any) -> SentenceSamples:
    settings = {"partition": "", "seed": 0, "size_of": square_size, "light": False, "mirrored": False}
    return SentenceSamples(root, dataset=dataset, **(settings | changes))


def test_an_epoch_has_every_object_once_with_one_of_its_sentences(root: Path) -> None:
    samples = sentences(root, "refcoco")
    assert len(samples) == 2
    epochs = [{samples[2 * epoch + place]["text"] for place in range(2)} for epoch in range(30)]
    assert all("right guy" in epoch for epoch in epochs)
    assert {text for epoch in epochs for text in epoch} == {"Left GUY", "boy in red", "right guy"}
    first, again = samples[5], sentences(root, "refcoco")[5]
    assert first["text"] == again["text"] and (first["photo"] == again["photo"]).all()
    assert first["photo"].shape == (32, 32, 3) and 0 < first["mask"].sum() < 32 * 32


def test_a_mirrored_sample_has_left_and_right_and_its_mask_exchanged(root: Path) -> None:
    samples = sentences(root, "refcoco", mirrored=True)
    middles: dict[str, set[bool]] = {}
    for number in range(60):
        sample = samples[number]
        columns = sample["mask"].any(axis=0).nonzero()[0]
        middles.setdefault(sample["text"].lower(), set()).add(bool(columns.mean() < 16))
    assert middles["left guy"] == {True}
    assert "boy in red" in middles and len(middles["boy in red"]) == 2  # the same words on either side


@pytest.mark.parametrize("dataset", ["refcoco", "refcoco+", "refcocog", "grefcoco"])
def test_every_layout_is_trained_on(root: Path, dataset: str) -> None:
    write_set(root, "refcocog", "refs(umd).p", [reference(0, 9, 31, "train", "a man")])
    sample = sentences(root, dataset)[0]
    assert sample["text"] and sample["mask"].any()


# --- Mixes ------------------------------------------------------------------------------------------------------------


def mix_of(root: Path, *others: dict[str, Any], samples: int = 40) -> TrainConfig:
    sources = [{"data": str(root), "dataset": "refcoco"}, *others]
    return TrainConfig(dataset="mix", mix=sources, samples=samples, mirrored=False, light=False)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """One photo of one's own."""
    folder = tmp_path / "own"
    folder.mkdir()
    Image.new("RGB", SIZE[::-1], "red").save(folder / "a.png")
    line = {"photo": "a.png", "text": "my mug", "mask": [square(2, 2, 9)]}
    (folder / "list.jsonl").write_text(json.dumps(line))
    return folder


def free_the_photo_of_training(root: Path) -> None:
    """So that no validation or test split has it."""
    write_set(root, "refcoco", "refs(unc).p", [*REFS[:2], reference(2, 9, 31, "val", "the man")])
    write_set(root, "refcoco+", "refs(unc).p", REFS[3:])
    write_set(root, "grefcoco", "grefs(unc).json", GREFS[:1])


def test_a_mix_draws_by_shares_and_goes_through_each_part_in_its_order(root: Path, own: Path) -> None:
    free_the_photo_of_training(root)
    config = mix_of(root, {"data": str(own), "dataset": "folder", "share": 3}, samples=400)
    sizes: list[int] = []
    samples = training_samples(config, size_of=lambda number: sizes.append(number) or (32, 32))
    texts = [samples[number]["text"] for number in range(400)]
    assert sizes == list(range(400)), "a sample has the size of the batch it gets into, not of its place in its part"
    assert 250 < texts.count("my mug") < 350
    of_refcoco = [text for text in texts if text != "my mug"]
    assert all("right guy" in of_refcoco[at : at + 2] for at in range(0, len(of_refcoco) - 1, 2)), "whole epochs"
    longer = training_samples(dataclasses.replace(config, samples=800), size_of=square_size)
    assert [longer[number]["text"] for number in range(40)] == texts[:40]
    assert {example.source for example in validation_examples(config)} == {"refcoco", "own"}


def test_a_mix_leaves_out_photos_of_any_validation_or_test_split(root: Path, own: Path) -> None:
    with pytest.raises(
        ValueError, match="All photos of refcoco in .* stand in a validation or test split"
    ):  # photo 7, the only one of its training split, is in val too
        training_samples(mix_of(root, {"data": str(own), "dataset": "folder"}), size_of=square_size)
    (root / "refcoco+/refs(unc).p").unlink()
    with pytest.raises(FileNotFoundError, match=r"refcoco\+/refs\(unc\)\.p is missing"):
        training_samples(mix_of(root, {"data": str(own), "dataset": "folder"}), size_of=square_size)


@pytest.mark.parametrize("image", [{"id": 1, "file_name": "a.jpg", "coco_id": 8}, {"id": 1, "file_name": PHOTOS[1]}])
def test_a_coco_folder_with_photos_of_a_validation_split_is_refused(root: Path, image: dict[str, Any]) -> None:
    free_the_photo_of_training(root)
    (root / "instances.json").write_text(json.dumps({"images": [image], "annotations": [], "categories": []}))
    with pytest.raises(ValueError, match=f"1 photos of .*{image['file_name']}, stand in a validation or test split"):
        training_samples(mix_of(root, {"data": str(root), "dataset": "coco"}), size_of=square_size)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dataset": "mix"}, "mix lists the data sets"),
        ({"mix": [{"data": "x"}]}, "mix lists the data sets"),
        ({"dataset": "mix", "mix": [{"date": "x"}]}, "no key 'date' in 'mix': the nearest is 'data'"),
        ({"dataset": "mix", "mix": [{"data": "x", "dataset": "mix"}]}, "a dataset of refcoco"),
        ({"dataset": "mix", "mix": [{"data": "x", "share": 0}]}, "a share above 0"),
    ],
)
def test_a_wrong_mix_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TrainConfig(**changes)
