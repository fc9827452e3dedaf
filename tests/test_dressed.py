"""Crowds of people whose clothes are known: what is seen of whom, and that what is said holds for one alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from training import annotated_photos

from train.data import coco, dressed
from train.data.dressed import Crowd, Person
from train.data.made import MadeSamples, Recipe
from train.data.scene import Scene
from train.data.worn import WORDS, Dresser

H, W = 160, 240
COLOURS = {"red": (190, 20, 25), "green": (30, 140, 40), "blue": (30, 60, 180), "white": (240, 240, 240)}
COLOURS |= {"yellow": (235, 215, 40), "black": (20, 20, 20)}
SKIN = (220, 170, 140)
NEGATED = {"without", "no", "not"}


def somebody(*clothes: str, called: tuple[str, ...] = ()) -> Person:
    """120 × 48: a head, clothes such as "red coat" above and "blue skirt" below, a hat on top, a bag at the right."""
    pixels = np.full((120, 48, 3), 128, np.uint8)
    masks = {"person": np.zeros((120, 48), dtype=bool)}
    masks["person"][:, 4:36] = True
    pixels[masks["person"]] = SKIN
    for cloth in clothes:
        colour, category = cloth.split()
        box = {"hat": np.s_[:10, 6:34], "bag": np.s_[60:80, 36:48], "hair": np.s_[:20, 6:34]}.get(category)
        upper = category in "coat shirt jacket sweater t-shirt".split()
        box = box or (np.s_[26:70, 4:36] if upper else np.s_[70:114, 4:36])
        masks[category] = np.zeros((120, 48), dtype=bool)
        masks[category][box] = True
        pixels[box] = COLOURS[colour]
    return Person(pixels, masks, called)


def in_a_row(*people: Person, seed: int = 0, close: bool = False) -> Crowd:
    """Before a plain wall where nobody else stands."""
    wall = Scene(np.full((H, W, 3), 128, np.uint8), [], frozenset({"person"}))
    for turn in range(60):
        made = dressed.crowd(wall, list(people), close=close, rng=np.random.default_rng([seed, turn]))
        if made is not None:
            return made
    raise AssertionError("no crowd came about")


def said(crowd: Crowd, at: int, seeds: int = 60) -> set[str]:
    dressers = (Dresser(crowd, np.random.default_rng(seed)) for seed in range(seeds))
    made = [one for dresser in dressers for one in dresser.of(at)]
    assert all(one.targets == (crowd.people[at],) for one in made)
    return {one.text for one in made}


def words_of(*categories: str) -> set[str]:
    return {word for category in categories for word in WORDS[category][0]}


def names_one(text: str, words: set[str]) -> bool:
    return any(f" {word} " in f" {text} " for word in words)


# --- scenes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_masks_lie_where_the_pixels_do(seed: int) -> None:
    crowd = in_a_row(somebody("red coat", "blue skirt", "green bag"), somebody("yellow shirt"), seed=seed)
    photo = crowd.scene.photo.astype(int)
    worn = crowd.worn[0]
    person = crowd.scene.things[crowd.people[0]].mask
    for category, colour in (("coat", "red"), ("skirt", "blue"), ("bag", "green")):
        mask = crowd.scene.things[worn[category]].mask
        near = np.abs(photo - COLOURS[colour]).max(axis=2) < 40
        assert mask.sum() > 40 and near[mask].mean() > 0.8 and (near & ~mask).sum() < 0.25 * mask.sum()
    bag, coat = crowd.scene.things[worn["bag"]].mask, crowd.scene.things[worn["coat"]].mask
    assert (person & bag).sum() < 0.2 * bag.sum() and (coat & ~person).sum() < 0.03 * coat.sum()


def test_of_two_who_overlap_the_later_hides_and_nothing_is_in_two_masks() -> None:
    overlaps = 0
    for seed in range(40):
        crowd = in_a_row(*[somebody("red coat", "blue skirt")] * 4, seed=seed)
        masks = [crowd.scene.things[index].mask for index in crowd.people]
        assert np.sum(masks, axis=0).max() == 1
        overlaps += len({mask.sum() // 50 for mask in masks}) > 1
        for person, worn in zip(masks, crowd.worn, strict=True):
            coat = crowd.scene.things[worn["coat"]].mask
            assert (coat & ~person).sum() < 0.03 * max(coat.sum(), 100)
    assert overlaps > 5


def test_nobody_stays_who_is_hidden_by_more_than_half() -> None:
    wall = Scene(np.full((H, 100, 3), 128, np.uint8), [], frozenset({"person"}))
    thin = somebody("red coat")
    thin.masks["person"][:, :36], thin.masks["person"][:, 36:] = False, True  # at the right, where the other may stand
    made = [
        dressed.crowd(wall, [thin, somebody("blue coat")], close=True, rng=np.random.default_rng(seed))
        for seed in range(120)
    ]
    crowds = [one for one in made if one is not None]
    assert 60 < len(crowds) < 110
    shown = [crowd.scene.things[crowd.people[0]] for crowd in crowds]
    assert all(thing.mask.sum() / thing.height**2 > 0.45 * 12 / 120 * H * H for thing in shown)


def test_close_people_are_cut_by_the_lower_edge_and_what_lay_below_is_not_worn() -> None:
    upper = dressed.upper_part(somebody("red coat", "blue skirt", "green hat", called=("woman",)), 0.5)
    assert upper.pixels.shape[0] == 60 and set(upper.masks) == {"person", "coat", "hat"} and upper.called == ("woman",)
    assert upper.pixels.shape[1] == 32  # without the empty columns
    for seed in range(8):
        crowd = in_a_row(upper, upper, close=True, seed=seed)
        assert [crowd.scene.things[index].box[3] for index in crowd.people] == [1, 1]
    assert crowd.scene.things[crowd.people[0]].called == ("woman",)


def test_a_new_colour_takes_one_garment_and_leaves_the_rest() -> None:
    before = somebody("red coat", "blue skirt", "green bag")
    taken = set()
    for seed in range(40):
        after = dressed.in_new_colour(before, rng=np.random.default_rng(seed))
        changed = (after.pixels != before.pixels).any(axis=2)
        inside = [name for name in ("coat", "skirt", "bag") if (changed & before.masks[name]).any()]
        assert len(inside) <= 1 and not (changed & ~before.masks[inside[0]]).any() if inside else not changed.any()
        taken.update(inside)
    assert taken == {"coat", "skirt", "bag"}


def garment_photos(root: Path) -> Path:
    """The drawn photos, and two more of one person each with a coat and a bag; "person" is absent from the others."""
    annotated_photos(root)
    index = root / "instances.json"
    content = json.loads(index.read_text())
    content["categories"] += [{"id": 7, "name": "person"}, {"id": 8, "name": "coat"}, {"id": 9, "name": "bag"}]
    for image in content["images"]:
        image["exhaustive_category_ids"].append(7)
    for number, colour in ((50, "red"), (51, "blue")):
        person = somebody(f"{colour} coat", "green bag")
        photo = np.full((140, 80, 3), 90, np.uint8)
        photo[10:130, 16:64] = person.pixels
        Image.fromarray(photo).save(root / "photos" / f"{number}.png")
        image = {"id": number, "file_name": f"{number}.png", "width": 80, "height": 140, "source": "ccp"}
        content["images"].append(image | {"split": "train", "exhaustive_category_ids": []})
        for turn, (category, name) in enumerate(((7, "person"), (8, "coat"), (9, "bag"))):
            mask = np.zeros((140, 80), np.uint8)
            mask[10:130, 16:64] = person.masks[name]
            rle = coco_mask.encode(np.asfortranarray(mask))
            of = {"id": 10 * number + turn, "image_id": number, "category_id": category, "area": int(mask.sum())}
            rle = {"size": rle["size"], "counts": rle["counts"].decode()}
            content["annotations"].append(of | {"bbox": coco_mask.toBbox(rle).tolist(), "segmentation": rle})
    index.write_text(json.dumps(content))
    return root


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_person_is_cut_out_with_what_is_carried(tmp_path: Path, mirrored: bool) -> None:
    photos = coco.read(garment_photos(tmp_path / "data"))
    assert [photo.id for photo in photos if dressed.can_be_dressed(photo)] == [50, 51]
    nobody = replace(photos[-1], annotations=photos[-1].annotations[1:])
    assert not dressed.can_be_dressed(nobody)
    photo = photos[-2]
    person = dressed.cut_out(photo, coco.pixels(photo), mirrored=mirrored)
    meant = somebody("red coat", "green bag")
    for name in ("person", "coat", "bag"):
        expected = meant.masks[name][:, 4:]
        assert np.array_equal(person.masks[name], expected[:, ::-1] if mirrored else expected)
    assert person.called == () and np.array_equal(person.whole, person.masks["person"] | person.masks["bag"])
    pixels = meant.pixels[:, 4:]
    assert np.array_equal(person.pixels, pixels[:, ::-1] if mirrored else pixels)


def test_women_are_known_by_what_men_do_not_wear(tmp_path: Path) -> None:
    root = garment_photos(tmp_path / "data")
    index = root / "instances.json"
    index.write_text(index.read_text().replace('"coat"', '"skirt"'))
    photo = coco.read(root)[-1]
    assert dressed.cut_out(photo, coco.pixels(photo), mirrored=False).called == ("woman",)


def test_men_are_known_by_their_photo(tmp_path: Path) -> None:
    root = garment_photos(tmp_path / "data")
    photo = coco.read(root)[-1]
    (root / "photos" / "51.png").rename(root / "photos" / "ccp__0261.png")
    known = replace(photo, file=photo.file.with_name("ccp__0261.png"))
    assert dressed.cut_out(known, coco.pixels(known), mirrored=False).called == ("man",)
    assert not dressed.MEN & {"", "51"} and all(len(number) == 4 for number in dressed.MEN)


# --- words ------------------------------------------------------------------------------------------------------------


def test_one_is_told_by_a_garment_that_nobody_else_has() -> None:
    crowd = in_a_row(somebody("red coat", "blue skirt"), somebody("green shirt", "black pants", "white bag"))
    coat, bag = said(crowd, 0), said(crowd, 1)
    assert {"person in coat", "person in red coat", "person in red"} <= coat
    assert names_one(" ".join(bag), {"bag"}) and any("white bag" in text for text in bag)
    of_other, of_one = words_of("shirt", "pants", "bag"), words_of("coat", "skirt")
    assert not any(names_one(text, of_other) for text in coat if not NEGATED & set(text.split()))
    assert not any(names_one(text, of_one) for text in bag if not NEGATED & set(text.split()))


def test_what_others_may_be_said_to_wear_too_is_not_named_alone() -> None:
    crowd = in_a_row(somebody("red coat", "blue skirt"), somebody("red jacket", "green skirt"))
    texts = said(crowd, 0)
    uppers = words_of("coat", "jacket", "blazer")
    assert not any(names_one(text, uppers) and not names_one(text, {"skirt"}) for text in texts)
    assert any("blue skirt" in text for text in texts)
    third = in_a_row(somebody("red coat"), somebody("red jacket"), somebody("green shirt"))
    assert not any(names_one(text, uppers) for text in said(third, 0))
    # of a like name in another colour the colour tells
    assert any("red coat" in text for text in said(in_a_row(somebody("red coat"), somebody("blue jacket")), 0))


def test_what_several_wear_comes_with_a_place() -> None:
    crowd = in_a_row(*[somebody("red coat")] * 2, somebody("green shirt", "blue pants"))
    order = sorted(range(3), key=lambda at: crowd.scene.things[crowd.people[at]].x)
    first, last = [at for at in order if at != 2]
    for at, side, other in ((first, "left", "right"), (last, "right", "left")):
        coats = [text for text in said(crowd, at) if "coat" in text]
        placed = [text for text in coats if side in text]
        assert placed and not [text for text in coats if f"{other}most" in text or f"far {other}" in text]
        places = {side, "top", "bottom", "upper", "lower", "highest", "lowest", "second", "2nd", "closest", "front"}
        places |= {"back", "nearest", "background", "farthest", "furthest", "foreground", "behind", other}
        assert all(places & set(text.split()) or f"{side}most" in text for text in coats)


def test_two_looks_tell_where_neither_does_alone() -> None:
    crowd = in_a_row(
        somebody("red coat", "blue skirt"), somebody("red coat", "green skirt"), somebody("white coat", "blue skirt")
    )
    both = [text for text in said(crowd, 0) if "red coat" in text and "blue skirt" in text]
    assert any(" and " in text for text in both)
    twins = in_a_row(*[somebody("red coat", "blue skirt")] * 2, somebody("white coat", "green skirt"))
    assert not any("red coat" in text and "blue skirt" in text for text in said(twins, 0))
    alone = [text for text in said(crowd, 1) if "red" in text and "green" not in text and "skirt" not in text]
    assert all(len(text.split()) > 3 for text in alone)  # with a place


def test_what_one_lacks_is_said_where_all_others_have_it() -> None:
    crowd = in_a_row(somebody("red coat"), somebody("red coat", "green hat"), somebody("red coat", "blue hat"))
    texts = said(crowd, 0)
    assert any(NEGATED & set(text.split()) for text in texts)
    assert not any(NEGATED & set(text.split()) for text in said(crowd, 1))
    two = in_a_row(somebody("red coat"), somebody("red coat"), somebody("red coat", "blue hat"))
    assert not any(names_one(text, {"hat", "cap"}) for text in said(two, 0))


def test_hair_is_named_where_that_of_all_is_plain() -> None:
    def with_hair(colour: tuple[int, int, int]) -> Person:
        person = somebody("black hair", "white shirt")
        person.pixels[person.masks["hair"]] = colour
        return person

    blond, dark, gray = with_hair((215, 180, 120)), with_hair((30, 22, 20)), with_hair((120, 118, 116))
    pair = in_a_row(blond, dark)
    assert any("blond" in text for text in said(pair, 0)) and not any("dark" in text for text in said(pair, 0))
    assert any("dark hair" in text for text in said(pair, 1)) and not any("blond" in text for text in said(pair, 1))
    assert not any("blond" in text or "hair" in text for text in said(in_a_row(blond, gray), 0))


def test_somebody_alone_is_described_by_any_look() -> None:
    crowd = in_a_row(somebody("yellow coat", called=("woman",)))
    made = Dresser(crowd, np.random.default_rng(0)).of(0)
    assert made and {one.kind for one in made} == {"only"}
    assert any("yellow coat" in text for text in said(crowd, 0))


def test_nothing_is_counted_by_a_word_that_may_not_mean_all() -> None:
    woman = somebody("red coat", called=("woman",))
    crowd = in_a_row(woman, somebody("red coat"), woman, somebody("green shirt"))
    for at in range(3):
        texts = said(crowd, at)
        ranked = [text for text in texts if names_one(text, {"second", "2nd", "third", "3rd"})]
        assert all(names_one(text, {"person", "one", "people"}) for text in ranked)


def test_garments_are_named_by_their_owner_or_alone() -> None:
    crowd = in_a_row(somebody("red coat", "blue skirt"), somebody("red coat", "green bag"))
    left = min((0, 1), key=lambda at: crowd.scene.things[crowd.people[at]].x)
    made = [one for seed in range(60) for one in Dresser(crowd, np.random.default_rng(seed)).garments(left)]
    assert {one.kind for one in made} == {"garment"}
    coats = {one.text for one in made if one.targets == (crowd.worn[left]["coat"],)}
    assert coats and all("left" in text for text in coats) and any("'s" in text for text in coats)
    made = [one for seed in range(60) for one in Dresser(crowd, np.random.default_rng(seed)).garments(0)]
    skirts = {one.text for one in made if one.targets == (crowd.worn[0]["skirt"],)}
    assert {"skirt", "blue skirt"} <= skirts


def test_what_nobody_wears_means_nothing() -> None:
    crowd = in_a_row(somebody("red coat", "blue skirt"), somebody("green shirt", "white bag"))
    texts = set()
    for seed in range(150):
        (made,) = Dresser(crowd, np.random.default_rng(seed)).unworn(0)
        assert made.targets == () and made.kind == "absent"
        texts.add(made.text)
    worn = words_of("coat", "skirt", "shirt", "bag", "jacket", "dress", "purse", "sweater") - {"top"}
    assert not [text for text in texts if names_one(text, worn)] and any("hat" in text for text in texts)


def test_samples_of_crowds_hold_people_garments_and_nothing(tmp_path: Path) -> None:
    root = garment_photos(tmp_path / "data")
    recipe = Recipe(dressed=1.0, absent=0, groups=0, phrases=0, masked_patches=0, typing_errors=0)
    made = MadeSamples(root, recipe=recipe, seed=5, samples=60, size_of=lambda number: (128, 160))
    samples = [made[number] for number in range(60)]
    assert {"several", "only", "garment", "absent"} <= {sample["kind"] for sample in samples}
    assert all(sample["mask"].any() == (sample["kind"] != "absent") for sample in samples)
    again = MadeSamples(root, recipe=recipe, seed=5, samples=60, size_of=lambda number: (128, 160))[7]
    assert again["text"] == samples[7]["text"] and np.array_equal(again["photo"], samples[7]["photo"])


def test_without_photos_of_garments_the_recipe_goes_on(tmp_path: Path) -> None:
    recipe = Recipe(dressed=1.0, absent=0, groups=0, phrases=0)
    made = MadeSamples(
        annotated_photos(tmp_path / "data"), recipe=recipe, seed=5, samples=4, size_of=lambda number: (96, 128)
    )
    assert all(made[number]["mask"].any() for number in range(4))
