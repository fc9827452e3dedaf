"""Made expressions single out their target: checked by readers that know nothing of how they were made."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from training import SHAPES, annotated_photos

from train.data import coco
from train.data.augment import CutOut, cut, light, mask_patches, mirror, paste, window_around
from train.data.colours import colour_names, colour_shares, main_colour
from train.data.expressions import Describer, choose, head_noun, swap_sides
from train.data.made import MadeSamples, Recipe, typed
from train.data.names import plural
from train.data.scene import Scene, Thing

H, W = 120, 160
PAINT = {"red": (200, 20, 20), "blue": (20, 40, 210), "green": (20, 150, 40), "gray": (128, 128, 128)}


def scene(*things: tuple[str, tuple[int, int, int, int], str], complete: str = "dog cat person", **fields) -> Scene:
    """A grey photo with boxes: (category, (x0, y0, x1, y1), colour)."""
    photo = np.full((H, W, 3), 128, np.uint8)
    made = []
    for category, (x0, y0, x1, y1), colour in things:
        mask = np.zeros((H, W), dtype=bool)
        mask[y0:y1, x0:x1] = True
        photo[mask] = PAINT[colour]
        made.append(Thing(category, mask))
    return Scene(photo, made, frozenset(complete.split()), **fields)


def texts(scene: Scene, index: int, seeds: int = 30) -> set[str]:
    """All that is said of a thing over many draws of the wording."""
    return {made.text for seed in range(seeds) for made in Describer(scene, np.random.default_rng(seed)).of(index)}


LEFT, MIDDLE, RIGHT = (5, 40, 35, 80), (65, 40, 95, 80), (125, 40, 155, 80)


def test_the_only_one_is_named_and_one_of_two_never_bare() -> None:
    one = scene(("dog", LEFT, "gray"), ("cat", RIGHT, "gray"))
    assert {"dog", "the dog"} <= texts(one, 0)
    two = scene(("dog", LEFT, "gray"), ("dog", RIGHT, "gray"))
    said = texts(two, 0)
    assert said and not said & {"dog", "the dog", "a dog", "puppy", "the puppy"}


def test_nothing_is_said_where_others_of_the_kind_may_be_unmarked() -> None:
    assert texts(scene(("dog", LEFT, "gray"), complete="cat"), 0) == set()
    assert "dog" in texts(scene(("dog", LEFT, "gray"), complete="cat", plain=True), 0)


def test_left_right_and_order() -> None:
    row = scene(("dog", LEFT, "gray"), ("dog", MIDDLE, "gray"), ("dog", RIGHT, "gray"))
    left, middle, right = (texts(row, index) for index in range(3))
    assert {"left dog", "dog on left", "the dog on the left"} <= left
    assert {"right dog", "dog on the right"} <= right
    assert any("second" in text or "2nd" in text for text in middle) and "middle dog" in middle
    for words, others in (("left", right), ("right", left)):
        ranked = {"from", "to", "second", "2nd", "third", "3rd", "not"}
        assert not any(words in text.split() and not ranked & set(text.split()) for text in others)


def test_things_too_close_to_order_are_not_ordered() -> None:
    close = scene(("dog", (60, 20, 90, 60), "gray"), ("dog", (64, 70, 94, 110), "gray"))
    assert not any("left" in text or "right" in text for text in texts(close, 0) | texts(close, 1))


def test_size_colour_and_depth() -> None:
    pair = scene(("dog", (5, 20, 65, 110), "red"), ("dog", (110, 30, 140, 60), "blue"))
    big, small = texts(pair, 0), texts(pair, 1)
    assert {"biggest dog", "red dog", "front dog"} <= big
    assert {"smallest dog", "blue dog", "back dog"} <= small
    of_another = {"not", "next", "by", "beside", "of"}
    assert not any("red" in text.split() and not of_another & set(text.split()) for text in small)
    assert any(text.startswith("dog") and "red dog" in text for text in small)  # told by the one beside it


def test_a_colour_that_others_share_singles_nothing_out() -> None:
    pair = scene(("dog", LEFT, "red"), ("dog", RIGHT, "red"))
    assert not any("red" in text for text in texts(pair, 0))


def test_what_one_person_alone_holds() -> None:
    people = scene(
        ("person", (10, 20, 40, 110), "gray"),
        ("person", (110, 20, 140, 110), "gray"),
        ("umbrella", (38, 10, 60, 40), "gray"),
        complete="person umbrella",
    )
    holder, other = texts(people, 0, 60), texts(people, 1, 60)
    assert any("umbrella" in text or "parasol" in text for text in holder)
    assert not any(
        ("umbrella" in text or "parasol" in text)
        and "without" not in text
        and "right of" not in text
        and "right" not in text
        for text in other
    )


def test_clothes_above_and_below_apart() -> None:
    people = scene(("person", (10, 10, 40, 110), "gray"), ("person", (110, 10, 140, 110), "gray"))
    people.photo[10:60, 10:40], people.photo[60:110, 10:40] = PAINT["red"], PAINT["blue"]
    people.photo[10:60, 110:140], people.photo[60:110, 110:140] = PAINT["green"], PAINT["gray"]
    first = texts(people, 0, 60)
    assert {"person in red", "red shirt"} <= first
    assert any("blue pants" in text or "blue trousers" in text for text in first)
    assert not any("red pants" in text or "blue shirt" in text or "green shirt" in text for text in first)


def test_groups_and_their_number() -> None:
    pair = scene(("dog", LEFT, "gray"), ("dog", RIGHT, "gray"), ("cat", MIDDLE, "gray"))
    made = [one for seed in range(20) for one in Describer(pair, np.random.default_rng(seed)).groups()]
    assert {one.targets for one in made} == {(0, 1)} and {one.kind for one in made} == {"group"}
    assert any("both" in one.text for one in made)
    assert not any("three" in one.text for one in made)


def test_two_differences_together_single_out() -> None:
    """Two in red and one in blue: the place counts among those in red."""
    boxes = ((5, 10, 30, 110), (65, 10, 90, 110), (125, 10, 150, 110))
    people = scene(*(("person", box, "gray") for box in boxes))
    for (x0, _, x1, _), colour in zip(boxes, ("blue", "red", "red"), strict=True):
        people.photo[10:60, x0:x1] = PAINT[colour]
    blue, left_red, right_red = (texts(people, index, 80) for index in range(3))
    assert {"left person in red", "person in red on left"} & left_red
    assert {"right person in red", "person in red on right"} & right_red
    assert "person in blue on left" in blue
    for others, words in ((blue | right_red, "left person in red"), (blue | left_red, "right person in red")):
        assert words not in others


def test_man_and_woman_only_where_all_are_known() -> None:
    people = scene(*(("person", box, "gray") for box in (LEFT, MIDDLE, RIGHT)))
    for thing, word in zip(people.things, ("woman", "man", "man"), strict=True):
        thing.called = (word,)
    woman, left_man, right_man = (texts(people, index, 80) for index in range(3))
    assert {"the woman", "lady"} & woman and not {"woman", "man", "the man", "guy"} & (left_man | right_man)
    assert {"left man", "man on left"} & left_man and {"right man", "man on right", "right guy"} & right_man
    assert not {"left man", "left guy", "man on left", "man left"} & (woman | right_man)
    people.things[2].called = ()
    assert not {"woman", "the woman", "lady"} & texts(people, 0, 80)


@pytest.mark.parametrize(
    ("kinds", "all_of_them", "not_the_first"),
    [
        (("motorcycle", "bicycle", "bicycle"), "bike", {"bicycle"}),
        (("cup", "wine glass", "wine glass"), "glass", {"wine"}),
        (("person", "person", "person"), "person", {"man", "guy", "dude"}),
    ],
)
def test_a_rank_counts_all_that_its_noun_means(kinds: tuple, all_of_them: str, not_the_first: set[str]) -> None:
    """Of a motorcycle and two bicycles the first bicycle is the second bike, and not the second bicycle."""
    row = replace(scene(*zip(kinds, (LEFT, MIDDLE, RIGHT), ("gray",) * 3, strict=True)), complete=frozenset(kinds))
    if kinds[0] == "person":
        for thing, word in zip(row.things, ("woman", "man", "man"), strict=True):
            thing.called = (word,)
    ranked = [text.split() for text in texts(row, 1, 80) if {"second", "2nd"} & set(text.split())]
    assert any(all_of_them in words for words in ranked)
    assert not any(not_the_first & set(words) for words in ranked)


def test_places_of_the_picture_are_said_only_of_what_lies_there() -> None:
    right_half = scene(("dog", (85, 40, 105, 80), "gray"), ("dog", RIGHT, "gray"))
    said = texts(right_half, 0, 80)
    assert {"left dog", "dog on left"} <= said
    assert not any("far left" in text or "side" in text or "all the way" in text for text in said)
    whole = texts(scene(("dog", LEFT, "gray"), ("dog", RIGHT, "gray")), 0, 80)
    assert any("far left" in text for text in whole) and any("side" in text for text in whole)


def test_absent_clothes_are_worn_by_nobody() -> None:
    people = scene(("person", (10, 10, 40, 110), "red"), ("person", (110, 10, 140, 110), "blue"), complete="person")
    made = [Describer(people, np.random.default_rng(seed)).absent() for seed in range(80)]
    said = [one.text for one in made if one and ("shirt" in one.text or " in " in one.text or "wearing" in one.text)]
    assert said and not any({"red", "blue"} & set(text.split()) for text in said)


def test_absent_things_are_absent() -> None:
    one = scene(("dog", LEFT, "red"), complete="dog cat horse")
    for seed in range(80):
        made = Describer(one, np.random.default_rng(seed)).absent()
        if made is None:
            continue
        assert made.kind == "absent" and made.targets == ()
        named = set(made.text.split())
        if named & {"dog", "puppy"}:
            assert named & {"2nd", "second", "3rd", "third", "yellow", "green", "blue", "purple", "pink"}, made.text


def test_people_are_counted_only_where_all_are_known() -> None:
    """A photo may be plainly about one person, and others stand in its background."""
    for complete, counts in (("person", True), ("", False)):
        one = scene(("person", (60, 10, 90, 110), "red"), complete=complete)
        one.plain = True
        made = [Describer(one, np.random.default_rng(seed)).absent() for seed in range(60)]
        assert any(a is not None and "from" in a.text.split() for a in made) is counts


def test_random_scenes_are_read_back_by_plain_rules() -> None:
    """Two hundred rows of dogs: a reader who knows only left, right, order and size finds each target."""
    rng = np.random.default_rng(0)
    read = 0
    for _ in range(200):
        n = int(rng.integers(2, 5))
        boxes = []
        for _ in range(n):
            w, h = rng.integers(14, 40, 2)
            x, y = rng.integers(0, W - w), rng.integers(0, H - h)
            boxes.append((int(x), int(y), int(x + w), int(y + h)))
        dogs = scene(*(("dog", box, "gray") for box in boxes))
        centre = [(x0 + x1) / 2 for x0, _, x1, _ in boxes]
        area = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in boxes]
        bottom = sorted(range(n), key=lambda j: boxes[j][3])  # the farthest first
        steps = [boxes[b][3] - boxes[a][3] for a, b in zip(bottom, bottom[1:], strict=False)]
        rows = {"back": bottom[: int(np.argmax(steps)) + 1], "front": bottom[int(np.argmax(steps)) + 1 :]}
        for index in range(n):
            for made in Describer(dogs, rng).of(index):
                words = made.text.split()
                ranks = [
                    k
                    for k, forms in enumerate((("second", "2nd"), ("third", "3rd"), ("fourth", "4th")), 1)
                    if set(forms) & set(words)
                ]
                if "not" in words or "corner" in words or {"top", "bottom", "upper", "lower"} & set(words):
                    continue
                row = next((rows[word] for word in ("front", "back") if word in words), range(n))
                order = sorted(row, key=lambda j: centre[j])
                if ranks:
                    expected = order[ranks[0]] if "left" in words else order[-1 - ranks[0]]
                elif {"left", "leftmost"} & set(words):
                    expected = order[0]
                elif {"right", "rightmost"} & set(words):
                    expected = order[-1]
                elif {"biggest", "largest", "bigger", "larger", "big"} & set(words):
                    expected = int(np.argmax(area))
                elif {"smallest", "smaller", "small", "little"} & set(words):
                    expected = int(np.argmin(area))
                else:
                    continue
                assert index == expected, (made.text, boxes)
                read += 1
    assert read > 300


def test_words_for_the_mirrored_photo() -> None:
    assert swap_sides("second from left to the rightmost") == "second from right to the leftmost"
    assert swap_sides("guy on left, in red, not the right.") == "guy on right, in red, not the left."
    assert swap_sides("2nd frm rt (left-hand)") == "2nd frm lft (right-hand)" and swap_sides("bright") == "bright"
    row = scene(("dog", LEFT, "gray"), ("dog", RIGHT, "gray"))
    row.things[0].phrases = ("dog on the left",)
    back = mirror(row)
    assert back.things[0].phrases == ("dog on the right",)
    assert back.things[0].x == pytest.approx(1 - row.things[0].x)
    assert "right dog" in texts(back, 0)


def test_heads_plurals_and_typing_errors() -> None:
    assert head_noun("young man in a red shirt holding a racquet") == "man"
    assert head_noun("woman riding a horse") == "woman"
    assert [plural(word) for word in ("person", "bus", "puppy", "knife", "skis", "cat")] == [
        "people", "buses", "puppies", "knives", "skis", "cats",
    ]  # fmt: skip
    assert all(typed("left dog", np.random.default_rng(seed)) for seed in range(20))


def test_colours_of_plain_paint() -> None:
    for name, colour in {**PAINT, "black": (10, 10, 10), "white": (250, 250, 250), "yellow": (240, 220, 30)}.items():
        photo = np.full((30, 30, 3), colour, np.uint8)
        shares = colour_shares(colour_names(photo), np.ones((30, 30), dtype=bool))
        assert main_colour(shares) == name
    half = np.full((30, 30, 3), PAINT["red"], np.uint8)
    half[:, :15] = PAINT["blue"]
    assert main_colour(colour_shares(colour_names(half), np.ones((30, 30), dtype=bool))) is None


# --- samples ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return annotated_photos(tmp_path_factory.mktemp("made") / "data", count=12)


def samples(root: Path, **fields) -> MadeSamples:
    return MadeSamples(root, recipe=Recipe(**fields), seed=3, samples=100, size_of=lambda number: (64, 96))


def test_a_sample_is_a_function_of_seed_and_number(root: Path) -> None:
    one, other = samples(root), samples(root)
    for number in (7, 2, 7):
        a, b = one[number], other[number]
        assert (
            a["text"] == b["text"] and np.array_equal(a["photo"], b["photo"]) and np.array_equal(a["mask"], b["mask"])
        )
    assert any(one[0]["text"] != one[number]["text"] for number in range(1, 9))


def test_paired_samples_show_one_picture_and_mean_two_things(root: Path) -> None:
    shares = {"typing_errors": 0, "masked_patches": 0.5}
    one, other = samples(root, paired=1.0, **shares), samples(root, paired=1.0, **shares)
    alike = 0
    for number in range(0, 40, 2):
        first, second = one[number], one[number + 1]
        backwards = other[number + 1]  # asked for alone, or before its first, it is the same
        assert backwards["text"] == second["text"] and np.array_equal(backwards["photo"], second["photo"])
        assert np.array_equal(other[number]["photo"], first["photo"])
        assert not np.array_equal(first["mask"], second["mask"])
        alike += np.array_equal(first["photo"], second["photo"])
        if first["mask"].any() and first["kind"] != "group":  # the two things lie apart on these photos
            assert np.logical_and(first["mask"], second["mask"]).sum() < 0.5 * first["mask"].sum()
    assert alike >= 15
    half = samples(root, paired=0.5, **shares)
    assert 3 < sum(np.array_equal(half[2 * i]["photo"], half[2 * i + 1]["photo"]) for i in range(20)) < alike - 3
    plain = samples(root, **shares)
    assert not any(np.array_equal(plain[2 * i]["photo"], plain[2 * i + 1]["photo"]) for i in range(20))


def test_a_pair_keeps_within_one_size_and_the_run(root: Path) -> None:
    """Samples 2 and 3 are of two batches; the last, without a next, stands alone."""
    sizes = [(64, 96)] * 3 + [(96, 64)] * 2
    made = MadeSamples(root, recipe=Recipe(paired=1.0), seed=3, samples=5, size_of=sizes.__getitem__)
    assert [made[number]["photo"].shape[:2] for number in (4, 3, 2, 1, 0)] == sizes[::-1]


def test_an_emphasised_source_is_drawn_oftener(tmp_path: Path) -> None:
    root = annotated_photos(tmp_path / "data", count=12)
    index = root / "instances.json"
    content = json.loads(index.read_text())
    for image in content["images"]:
        image["source"] = "round" if image["id"] % 2 else "angular"
    index.write_text(json.dumps(content))
    plain = {"absent": 0, "groups": 0, "pasted": 0, "typing_errors": 0}
    shares = []
    for emphasis in ({}, {"round": 30.0}):
        made = samples(root, emphasis=emphasis, **plain)
        drawn = [made[number]["text"] for number in range(60)]
        shares.append(sum(SHAPES[1] in text for text in drawn) / sum(any(s in text for s in SHAPES) for text in drawn))
    assert 0.25 < shares[0] < 0.75 and shares[1] > 0.9
    with pytest.raises(ValueError, match="emphasis names 'rund'"):
        samples(root, emphasis={"rund": 2.0})


def test_the_mask_lies_on_the_thing_after_crop_and_flip(root: Path) -> None:
    made = samples(root, absent=0, groups=0, pasted=0, masked_patches=0, typing_errors=0)
    sides = set()
    for number in range(40):
        sample = made[number]
        mask, photo = sample["mask"].astype(bool), sample["photo"].astype(int)
        assert sample["photo"].shape == (64, 96, 3) and mask.any()
        inside, outside = photo[mask].std(axis=1).mean(), photo[~mask].std(axis=1).mean()
        assert inside > 40 > outside or inside > outside  # the target is colourful, most of the rest is grey
        assert photo[mask].max(axis=1).mean() - photo[mask].min(axis=1).mean() > 60
        words = set(sample["text"].split())
        x = np.nonzero(mask)[1].mean() / 96
        if "not" not in words and words & {"left", "leftmost"}:
            sides.add("left")
            assert x < 0.55
        if "not" not in words and words & {"right", "rightmost"}:
            sides.add("right")
            assert x > 0.45
    assert sides == {"left", "right"}


def turned(root: Path) -> None:
    """Every second photo of `root` on its side, with all that is on it."""
    index = root / "instances.json"
    content = json.loads(index.read_text())
    of = {image["id"]: image for image in content["images"] if image["id"] % 4 < 2}
    for image in of.values():
        file = root / "photos" / image["file_name"]
        Image.open(file).transpose(Image.Transpose.TRANSPOSE).save(file)
        image["width"], image["height"] = image["height"], image["width"]
    for annotation in content["annotations"]:
        if annotation["image_id"] in of:
            mask = coco_mask.decode(annotation["segmentation"])
            rle = coco_mask.encode(np.asfortranarray(mask.T))
            annotation["segmentation"] = {"size": rle["size"], "counts": rle["counts"].decode()}
            annotation["bbox"] = coco_mask.toBbox(rle).tolist()
    index.write_text(json.dumps(content))


def test_things_keep_their_shape_as_far_as_the_recipe_says(tmp_path: Path) -> None:
    root = annotated_photos(tmp_path / "data", count=16)
    turned(root)
    settings = {"absent": 0, "groups": 0, "pasted": 0, "whole": 1}
    for size in ((160, 208), (208, 160), (192, 192)):
        stretches: dict[float, list[float]] = {1.1: [], 2.5: []}
        for stretched, found in stretches.items():
            recipe = Recipe(**settings, stretched=stretched)
            made = MadeSamples(root, recipe=recipe, seed=3, samples=100, size_of=lambda number, size=size: size)
            for number in range(30):
                rows, columns = np.nonzero(made[number]["mask"])
                if min(rows.min(), columns.min(), size[0] - 1 - rows.max(), size[1] - 1 - columns.max()) > 0:
                    found.append(abs(np.log(np.ptp(rows) + 1) - np.log(np.ptp(columns) + 1)))
        assert np.median(stretches[1.1]) < np.log(1.1)
        assert np.quantile(stretches[2.5], 0.8) > np.log(1.25), "squares and discs may be squeezed"
        if size != (192, 192):  # for which no photo is made: they are cropped
            assert np.quantile(stretches[1.1], 0.9) < np.log(1.1), "the photos of the batch's shape are taken"


def test_validation_examples_are_the_same_at_every_call_and_never_predicted(root: Path) -> None:
    once, again = coco.examples(root, "val"), coco.examples(root, "val")
    assert once and once == again
    assert {example.kind for example in once} <= {"only", "several", "group", "region", "garment", "human", "absent"}
    photo = next(photo for photo in coco.read(root) if photo.split == "val")
    for annotation in photo.annotations:
        annotation["predicted"] = True
    assert all(example.kind == "absent" for example in coco._examples_of(photo, np.random.default_rng(0), 3, False))


def test_nothing_is_denied_where_passers_by_are_unmarked(tmp_path: Path) -> None:
    root = annotated_photos(tmp_path / "data", count=12)
    index = root / "instances.json"
    content = json.loads(index.read_text())
    person = {"id": 99, "name": "person"}
    content["categories"].append(person)
    for image in content["images"]:
        image |= {"source": "elsewhere", "exhaustive_category_ids": [*image["exhaustive_category_ids"], person["id"]]}
    denials, rng = [], np.random.default_rng(0)
    for source in ("elsewhere", "street_people"):
        for image in content["images"][::2]:
            image["source"] = source
        index.write_text(json.dumps(content))
        streets = [photo for photo in coco.read(root) if photo.source == source]
        kinds = [one.kind for photo in streets * 8 for one in coco._examples_of(photo, rng, 3, False)]
        made = samples(root, absent=1.0)
        drawn = [made.photos[at].source for at in made.deniers]
        denials.append((kinds.count("absent"), drawn.count(source)))
    assert min(denials[0]) > 0 and denials[1] == (0, 0)


def test_pasted_things_cover_what_is_below_and_stand_in_the_list() -> None:
    below = scene(("cat", (0, 0, W, H), "green"))
    dog = CutOut("dog", np.full((30, 20, 3), PAINT["red"], np.uint8), np.full((30, 20), 255, np.uint8))
    made, indices = paste(below, [dog] * 3, like=True, rng=np.random.default_rng(1))
    assert indices and all(made.things[index].category == "dog" for index in indices)
    together = np.sum([thing.mask for thing in made.things], axis=0)
    assert together.max() == 1, "no pixel belongs to two things"
    for index in indices:
        assert made.photo[made.things[index].mask].mean(axis=0)[0] > 150
    assert "dog" in made.complete


def test_crops_hold_their_target_and_drop_what_is_outside(root: Path) -> None:
    photo = next(photo for photo in coco.read(root) if len(photo.annotations) == 2)
    pixels = coco.pixels(photo)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        box = photo.annotations[0]["bbox"]
        x0, y0, x1, y1 = window_around(photo, box, size=(64, 64), least=0.25, rng=rng)
        assert 0 <= x0 <= box[0] and x1 >= min(box[0] + box[2], photo.size[1]) - 1 and y1 <= photo.size[0]
        made, numbers = cut(photo, pixels, (x0, y0, x1, y1), size=(64, 64), mirrored=False)
        assert 0 in numbers and made.photo.shape == (64, 64, 3)
        share = made.things[numbers.index(0)].area * (x1 - x0) * (y1 - y0)
        assert share == pytest.approx(photo.annotations[0]["area"], rel=0.15)


def test_a_crop_around_a_wide_box_is_not_stretched(root: Path) -> None:
    photo = replace(next(iter(coco.read(root))), size=(400, 400))
    for seed in range(50):
        rng = np.random.default_rng(seed)
        x0, y0, x1, y1 = window_around(photo, [20, 180, 300, 20], size=(64, 64), least=0.1, most=0.2, rng=rng)
        assert 1 / 1.22 < (x1 - x0) / (y1 - y0) < 1.22 and x0 <= 20 and x1 >= 320 and y0 <= 180 and y1 >= 200


def test_light_keeps_hues_and_masked_patches_their_share() -> None:
    photo = np.zeros((96, 96, 3), np.uint8)
    photo[:, :48], photo[:, 48:] = PAINT["red"], PAINT["blue"]
    for seed in range(10):
        lit = light(photo, np.random.default_rng(seed), keeps_colours=True)
        names = colour_names(lit)
        assert main_colour(colour_shares(names, np.arange(96)[None].repeat(96, 0) < 48)) == "red"
    hidden = mask_patches(photo, np.random.default_rng(0), share=0.5)
    share = (hidden == (124, 116, 104)).all(axis=2).mean()
    assert 0.2 < share < 0.8 and share * 36 == round(share * 36)


def test_choose_follows_the_weights() -> None:
    made = Describer(scene(("dog", LEFT, "gray"), ("dog", RIGHT, "gray")), np.random.default_rng(0)).of(0)
    drawn = [choose(made, np.random.default_rng(seed)) for seed in range(50)]
    assert all(one in made for one in drawn) and len({one.text for one in drawn}) > 3
