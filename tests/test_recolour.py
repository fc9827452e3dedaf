"""Clothes and things dyed in another colour: what changes, what stays, and what is then said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from training import annotated_photos

from train.data.colours import colour_names, colour_shares, main_colour
from train.data.expressions import CLOTHES, Describer
from train.data.made import MadeSamples, Recipe
from train.data.recolour import DYES, dyed
from train.data.scene import Scene, Thing

H, W = 120, 160
BOX = (20, 10, 60, 110)  # x0, y0, x1, y1 of the person on the left
SKIN, GRAY = (220, 170, 140), (128, 128, 128)


def people(*shirts: tuple[int, int, int]) -> Scene:
    """Up to two people before a blue wall: a head of skin, a shirt that is darker on its left, gray trousers."""
    photo = np.full((H, W, 3), (40, 60, 160), np.uint8)
    things = []
    for place, shirt in enumerate(shirts):
        x0, y0, x1, y1 = (side + (80 * place if at % 2 == 0 else 0) for at, side in enumerate(BOX))
        photo[y0:24, x0:x1], photo[24:64, x0:x1], photo[64:y1, x0:x1] = SKIN, shirt, GRAY
        photo[24:64, x0 : x0 + 20] = np.array(shirt) * 0.8
        mask = np.zeros((H, W), dtype=bool)
        mask[y0:y1, x0:x1] = True
        things.append(Thing("person", mask, phrases=("woman in a gray shirt",)))
    return Scene(photo, things, frozenset({"person"}), [((0, 1), ("two in gray",))])


def dye(scene: Scene, colour: str, part: str = "upper", index: int = 0, seed: int = 0) -> Scene | None:
    return dyed(scene, index, part, colour, rng=np.random.default_rng(seed))


@pytest.mark.parametrize("part", ["upper", "lower"])
@pytest.mark.parametrize("colour", DYES)
def test_clothes_take_the_colour_that_is_measured_and_nothing_else_changes(colour: str, part: str) -> None:
    before = people((120, 120, 128))
    kept = before.photo.copy()
    for seed in range(12):
        after = dye(before, colour, part, seed=seed)
        worn = after.things[0].between(*CLOTHES[part])
        assert main_colour(colour_shares(colour_names(after.photo), worn)) == colour
        assert np.array_equal(after.photo[~before.things[0].mask], kept[~before.things[0].mask])
        assert np.array_equal(after.photo[BOX[1] : 24], kept[BOX[1] : 24])  # the head
        assert np.array_equal(before.photo, kept)


def test_light_and_shade_stay() -> None:
    after = dye(people((150, 150, 160)), "yellow").photo.astype(int).sum(axis=2)
    assert after[30:60, 22:38].mean() < 0.93 * after[30:60, 42:58].mean()


def test_skin_and_patchwork_are_left_as_they_are() -> None:
    assert dye(people(SKIN), "green") is None
    assert dye(people((110, 70, 50)), "green") is None  # dark skin
    patchwork = people(GRAY)
    colours = np.random.default_rng(0).integers(0, 255, (40, 40, 3))
    patchwork.photo[24:64, 20:60] = colours
    assert dye(patchwork, "green") is None


def test_phrases_that_may_name_the_old_colour_are_left_out() -> None:
    before = people(GRAY, GRAY)
    after = dye(before, "red")
    assert after.things[0].phrases == () and after.things[0].called == ("woman",)
    assert after.things[1].phrases == before.things[1].phrases and after.groups == []
    again = dye(after, "pink")
    assert again.things[0].called == ("woman",)


def test_a_colour_measured_before_is_measured_anew() -> None:
    before = people(GRAY)
    assert Describer(before, np.random.default_rng(0)).colour(0) == "gray"
    assert Describer(dye(before, "purple"), np.random.default_rng(0)).colour(0) == "purple"


def said(scene: Scene, index: int, part: str, colour: str) -> set[str]:
    describers = (Describer(scene, np.random.default_rng(seed)) for seed in range(40))
    return {made.text for describer in describers for made in describer.by_colour(index, part, colour)}


def test_the_colour_is_named_of_one_among_two_and_of_one_alone() -> None:
    pair, alone = dye(people(GRAY, GRAY), "yellow"), dye(people(GRAY), "yellow")
    for scene, kinds in ((pair, {"several"}), (alone, {"only"})):
        made = Describer(scene, np.random.default_rng(1)).by_colour(0, "upper", "yellow")
        assert {one.kind for one in made} == kinds and all(one.targets == (0,) for one in made)
        texts = said(scene, 0, "upper", "yellow")
        assert all("yellow" in text.split() for text in texts) and any(text.endswith("in yellow") for text in texts)
    assert not said(pair, 1, "upper", "yellow") and not said(pair, 0, "upper", "green")
    assert not said(alone, 0, "lower", "yellow")


def test_a_thing_is_dyed_whole_and_told_by_it() -> None:
    photo, mask = np.full((H, W, 3), 90, np.uint8), np.zeros((H, W), dtype=bool)
    mask[30:90, 40:120] = True
    photo[mask] = (200, 30, 30)
    cup = dye(Scene(photo, [Thing("cup", mask)], frozenset({"cup"})), "blue", part="all")
    assert main_colour(colour_shares(colour_names(cup.photo), mask), least=0.99) == "blue"
    assert all("blue" in text.split() for text in said(cup, 0, "all", "blue")) and said(cup, 0, "all", "blue")


def test_a_colour_that_nobody_has_is_meant_by_nothing() -> None:
    pair = dye(people(GRAY, (20, 150, 40)), "yellow")
    for seed in range(40):
        made = Describer(pair, np.random.default_rng(seed)).in_no_colour(1)
        assert made.targets == () and made.kind == "absent"
        assert set(made.text.split()) & set(DYES) and not set(made.text.split()) & {"yellow", "green"}
    unmarked = Scene(pair.photo, pair.things, frozenset())
    assert Describer(unmarked, np.random.default_rng(0)).in_no_colour(1) is None


def test_samples_name_the_colour_that_lies_under_their_mask(tmp_path: Path) -> None:
    root = annotated_photos(tmp_path / "data", count=12)
    recipe = Recipe(dyed=1.0, absent=0, groups=0, phrases=0, masked_patches=0, typing_errors=0)
    made = MadeSamples(root, recipe=recipe, seed=5, samples=80, size_of=lambda number: (96, 128))
    named, absent = [], 0
    for number in range(80):
        sample = made[number]
        (colour,) = set(sample["text"].split()) & set(DYES)
        mask = sample["mask"].astype(bool)
        shares = colour_shares(colour_names(sample["photo"]), mask)
        if mask.any():
            named.append(colour)
            assert shares.get(colour, 0) > 0.4
        absent += not mask.any()
    assert len(set(named)) >= 7 and 2 <= absent <= 30


def test_no_colour_is_denied_where_passers_by_are_unmarked(tmp_path: Path) -> None:
    root = annotated_photos(tmp_path / "data", count=12)
    index = root / "instances.json"
    content = json.loads(index.read_text())
    for image in content["images"]:
        image["source"] = "street_people"
    index.write_text(json.dumps(content))
    recipe = Recipe(dyed=1.0, other_colour=0.9, absent=0, groups=0, phrases=0)
    made = MadeSamples(root, recipe=recipe, seed=5, samples=30, size_of=lambda number: (96, 128))
    assert all(made[number]["mask"].any() for number in range(30))
