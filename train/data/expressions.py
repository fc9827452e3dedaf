"""Referring expressions made from an annotated scene, each true of its target and of nothing else there.

Manner and order of words follow measurements on RefCOCO's and ReferIt's training sentences: 3.6 words on average,
articles mostly dropped, "guy on left", "2nd from left", "lady in red". An expression is made only where what is
annotated proves it; margins keep away what two people could see differently.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from train.data import wordings
from train.data.colours import COLOURS, colour_names, colour_shares, main_colour
from train.data.names import (
    GROWN,
    HELD,
    KINDS,
    RIDDEN,
    SEXES,
    SHARED,
    STANDING,
    YOUNG,
    is_plural,
    names,
    plural,
    with_article,
)
from train.data.scene import Scene, Thing
from train.data.wordings import ORDINALS

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six")
PEOPLE = set(
    "man woman boy girl guy lady kid child baby toddler player skier surfer snowboarder skateboarder batter catcher "
    "umpire pitcher gentleman cyclist biker rider person adult male female worker officer bride groom teenager".split()
)
PLACE_WORDS = set("left right middle center centre front back top bottom behind near far first second third".split())
MIRRORED = {"left": "right", "leftmost": "rightmost", "lft": "rt", "lefthand": "righthand"}
MIRRORED |= {"right": "left", "rightmost": "leftmost", "rt": "lft", "rite": "lft", "righthand": "lefthand"}
CLOTHES = {"upper": (0.2, 0.48), "lower": (0.56, 0.85)}  # where they surely are, in shares of a person's height
GAP = 0.06  # share of the photo that two things must lie apart to be ordered


@dataclass(frozen=True)
class Made:
    """text: the expression. kind: as in Example. targets: indices of the scene's things that it means."""

    text: str
    kind: str
    targets: tuple[int, ...]
    weight: float = 1.0


def swap_sides(text: str) -> str:
    """`text` for the mirrored photo: left and right trade places."""
    return re.sub(rf"\b({'|'.join(MIRRORED)})\b", lambda word: MIRRORED[word.group()], text)


class Describer:
    """All that can be said of the things of one scene. rng decides only the wording, never the truth."""

    def __init__(self, scene: Scene, rng: np.random.Generator) -> None:
        self.scene = scene
        self.rng = rng
        self._colours: np.ndarray | None = None
        self._dilated: dict[int, np.ndarray] = {}

    # --- what is known ------------------------------------------------------------------------------------------------

    def rivals(self, name: str) -> list[int]:
        """All things that `name` could mean."""
        categories = SHARED.get(name, {name})
        return [i for i, thing in enumerate(self.scene.things) if thing.category in categories and thing.area > 0]

    def sure(self, index: int) -> bool:
        """Whether all instances of the thing's category are known."""
        return self.scene.things[index].category in self.scene.complete

    def shares(self, index: int, part: str = "all") -> dict[str, float]:
        """Colours of a thing, or of a person's "upper" or "lower" clothes."""
        thing = self.scene.things[index]
        if part not in thing.colours:
            if self._colours is None:
                self._colours = colour_names(self.scene.photo)
            mask = thing.mask if part == "all" else thing.between(*CLOTHES[part])
            thing.colours[part] = colour_shares(self._colours, mask)
        return thing.colours[part]

    def touches(self, one: int, other: int) -> bool:
        if one not in self._dilated:
            mask = self.scene.things[one].mask
            side = max(3, round(0.015 * max(mask.shape)) * 2 + 1)
            self._dilated[one] = cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)).astype(bool)
        return int((self._dilated[one] & self.scene.things[other].mask).sum()) >= 4

    def pick(self, *choices: str) -> str:
        return wordings.pick(self.rng, *choices)

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    # --- words --------------------------------------------------------------------------------------------------------

    def the(self, noun: str) -> str:
        """A noun phrase with or without article: people type it without two times in three."""
        if self.chance(0.35):
            return f"the {noun}"
        if self.chance(0.06) and not is_plural(noun):
            return with_article(noun)
        return noun

    def noun(self, index: int) -> str:
        """A word for the thing; of a person sometimes what people called it."""
        called = self.called(index)
        if called and self.chance(0.7):
            return self._said(self.pick(*called))
        return self.pick(*names(self.scene.things[index].category))

    def called(self, index: int) -> list[str]:
        """What people called a person: "man", "girl", "skier"; empty where nobody did, and for all but people."""
        thing = self.scene.things[index]
        return called_in(thing.phrases or thing.called) if thing.category == "person" else []

    def _said(self, word: str) -> str:
        """A word for a person, or another of the same meaning."""
        if word in ("man", "boy") and self.chance(0.35):
            return self.pick("guy", "dude", "guy")
        if word == "woman" and self.chance(0.4):
            return self.pick("lady", "lady", "girl")
        return self.pick("kid", "child") if word in ("child", "kid", "toddler") else word

    # --- one target ---------------------------------------------------------------------------------------------------

    def of(self, index: int) -> list[Made]:
        """Expressions for one thing, none where nothing safe can be said."""
        thing = self.scene.things[index]
        made = [self._made(text, index, "human", 5.0 / len(thing.phrases)) for text in thing.phrases]
        if thing.region:
            return made + self._region(index)
        noun = self.noun(index)
        same = self._same(index)
        if not same:
            return made
        kind = "garment" if thing.garment else "only" if len(same) == 1 else "several"
        if len(same) == 1:
            made += [Made(self._only(index, noun), kind, (index,), 3.0)]
            made += self._kind_of(index)
            return made
        if not self.sure(index) or len(same) > 14:
            return made
        prominent = [j for j in same if j == index or self.scene.things[j].area > 0.06 * thing.area]
        if len(prominent) > 9:
            return made
        if len(prominent) == 1:  # the others are specks beside it
            if sum(self.scene.things[j].area for j in same if j != index) < 0.05 * thing.area:
                made.append(Made(self.the(noun), kind, (index,), 1.5))
            texts = self._sized(index, same, noun) + self._depth(index, same, noun)
            return made + [self._made(text, index, kind, 1.0 / len(texts)) for text in texts]
        sayings: list[tuple[Callable[[int, list[int], str], list[str]], float]] = [
            (self._ordered, 4.0),
            (self._up_and_down, 1.2),
            (self._sized, 1.2),
            (self._depth, 1.6),
            (self._coloured, 2.0),
            (self._clothed, 3.0),
            (self._alone_called, 3.0),
            (self._holding, 3.0),
            (self._related, 2.5),
            (self._negated, 0.8),
            (self._combined, 3.0),
            (self._beside_kin, 1.2),
        ]
        for say, weight in sayings:
            texts = say(index, prominent, noun)
            made += [self._made(text, index, kind, weight / len(texts)) for text in texts]
        places = self._ordered(index, prominent, "{}") if thing.phrases else []
        if places:
            bare = [text for text in thing.phrases if not PLACE_WORDS & set(text.split())]
            places = [place.removeprefix("the ") for place in places]
            behind = [place.removeprefix("{} ") for place in places if place.startswith("{} ")]
            if bare and behind:
                made.append(self._made(f"{self.pick(*bare)} {self.pick(*behind)}", index, "several", 2.5))
        return made

    def _made(self, text: str, index: int, kind: str, weight: float) -> Made:
        return Made(text, kind, (index,), weight)

    def _same(self, index: int) -> list[int]:
        """The things that a word for `index` could mean, itself among them; empty where others may be unmarked."""
        thing = self.scene.things[index]
        same = sorted({j for name in names(thing.category) for j in self.rivals(name)} | {index})
        if self.sure(index):
            return same if len(same) > 1 or all(self._absent_or_known(name) for name in names(thing.category)) else []
        return same if self.scene.plain and len(same) == 1 else []

    def _absent_or_known(self, name: str) -> bool:
        return True if len(SHARED.get(name, ())) < 2 else bool(SHARED[name] & self.scene.complete)

    def _only(self, index: int, noun: str) -> str:
        """The only one of its kind: its name, sometimes with a colour or place that is true as well."""
        thing = self.scene.things[index]
        colour = None if thing.category == "person" else main_colour(self.shares(index), least=0.6)
        if thing.garment:
            owner = self.pick("person's ", "", "", "", "")
            noun = f"{colour} {noun}" if colour and self.chance(0.5) else noun
            if owner:
                return owner + noun
            return self.the(noun)
        if colour and self.chance(0.2):
            noun = f"{colour} {noun}"
        place = "on left" if thing.x < 0.3 else "on right" if thing.x > 0.7 else ""
        if place and self.chance(0.2):
            return f"{self.the(noun)} {self.pick(place, place.replace('on', 'on the'))}"
        if self.chance(0.15):
            anchored = self._related(index, [index], noun)
            if anchored:
                return self.pick(*anchored)
        return self.the(noun)

    def _kind_of(self, index: int) -> list[Made]:
        """A hypernym, where the photo holds nothing else of that kind and all of it is known."""
        thing = self.scene.things[index]
        made = []
        for kind, members in KINDS.items():
            if thing.category in members and set(members) & self.scene.complete:
                others = [j for j, other in enumerate(self.scene.things) if j != index and other.category in members]
                if not others and len(set(members) & self.scene.complete) >= 3:
                    made.append(Made(self.the(kind), "only", (index,), 0.4))
        return made

    def _region(self, index: int) -> list[Made]:
        thing = self.scene.things[index]
        noun = self.pick(*names(thing.category))
        same = sorted({j for name in names(thing.category) for j in self.rivals(name)} | {index})
        if len(same) == 1:
            return [Made(self.the(noun), "region", (index,), 3.0)]
        texts = self._sideways(index, same, noun) if len(same) <= 5 and thing.area > 0.01 else []
        texts = [
            text for text in texts if noun in text and not any(word in text for words in ORDINALS for word in words)
        ]
        return [Made(text, "region", (index,), 1.0 / len(texts)) for text in texts]

    # --- one of several: each returns wordings of one difference, or none ---------------------------------------------

    def _ordered(self, index: int, same: list[int], noun: str) -> list[str]:
        """Order from left to right, where a rank counts all of `same`, so by a noun that means them all."""
        texts = self._sideways(index, same, noun)
        if self.means_all(noun, same):
            return texts
        common = [name for name in names(self.scene.things[index].category) if self.means_all(name, same)]
        counted = self._sideways(index, same, self.pick(*common)) if common else []
        return [text for text in texts if not _is_ranked(text)] + [text for text in counted if _is_ranked(text)]

    def means_all(self, noun: str, same: list[int]) -> bool:
        """Whether `noun` may be said of each of `same`."""
        return set(same) <= set(self.rivals(noun)) or all(noun in self.called(j) for j in same)

    def _sideways(self, index: int, same: list[int], noun: str) -> list[str]:
        """Order from left to right."""
        things = self.scene.things
        order = sorted(same, key=lambda j: things[j].x)
        at, n = order.index(index), len(order)
        gaps = [things[b].x - things[a].x for a, b in zip(order, order[1:], strict=False)]
        before = gaps[at - 1] if at else 1.0
        after = gaps[at] if at < n - 1 else 1.0
        if min(before, after) < (GAP if n == 2 else GAP * 0.75):
            return []
        one = self._one(index, same)
        texts = []
        for side, rank, edge in (("left", at, "box0"), ("right", n - 1 - at, "box1")):
            if rank == 0 and self._outermost(index, same, edge):
                there = things[index].x < 0.45 if side == "left" else things[index].x > 0.55
                texts += wordings.at_the_side(noun, side, self.rng, there=there)
                if one:
                    far = f"far {side}" if there else side
                    texts.append(self.pick(f"{side} one", f"the one on the {side}", far, f"{side}most", side))
            elif 1 <= rank <= 3 and n >= 3 and min(gaps) > 0.035:
                texts += wordings.in_order(noun, side, rank, self.rng)
                if one:
                    texts.append(f"{self.pick(*ORDINALS[rank])} from {self.pick(side, 'the ' + side)}")
        if n in (3, 5) and at == n // 2:
            texts += wordings.in_the_middle(noun, self.rng)
            texts += ["middle one"] if one else []
            texts += [f"the {noun} between the other two"] if n == 3 else []
        return texts

    def _outermost(self, index: int, same: list[int], edge: str) -> bool:
        things = self.scene.things
        others = [j for j in same if j != index]
        if edge == "box0":
            return all(things[index].box[0] <= things[j].box[0] + 0.03 for j in others)
        return all(things[index].box[2] >= things[j].box[2] - 0.03 for j in others)

    def _one(self, index: int, same: list[int]) -> bool:
        """Whether "the left one" needs no noun: this kind is what the photo is about."""
        total = sum(self.scene.things[j].area for j in same)
        others = [t for j, t in enumerate(self.scene.things) if j not in same and not t.region]
        return total > 0.08 and all(t.area < 0.5 * self.scene.things[index].area for t in others)

    def _up_and_down(self, index: int, same: list[int], noun: str) -> list[str]:
        """Top and bottom, and corners."""
        things, me = self.scene.things, self.scene.things[index]
        others = [things[j] for j in same if j != index]
        texts = []
        if all(me.y < t.y - 1.5 * GAP and me.box[3] < t.box[3] - 0.04 for t in others):
            texts += wordings.on_top(noun, self.rng)
        if all(me.y > t.y + 1.5 * GAP and me.box[1] > t.box[1] + 0.04 for t in others):
            texts += wordings.at_the_bottom(noun, self.rng)
        if len(same) >= 3:
            for vertical, up in (("top", True), ("bottom", False)):
                for side, left in (("left", True), ("right", False)):
                    mine = (me.x if left else 1 - me.x) + (me.y if up else 1 - me.y)
                    theirs = [(t.x if left else 1 - t.x) + (t.y if up else 1 - t.y) for t in others]
                    inside = (me.x < 0.42 if left else me.x > 0.58) and (me.y < 0.42 if up else me.y > 0.58)
                    if inside and mine < min(theirs) - 0.15:
                        texts += wordings.in_the_corner(noun, vertical, side, self.rng)
        return texts

    def _sized(self, index: int, same: list[int], noun: str) -> list[str]:
        things, me = self.scene.things, self.scene.things[index]
        others = [things[j] for j in same if j != index]
        two = len(same) == 2
        texts = []
        if all(me.area > 1.5 * t.area and me.height > 1.05 * t.height for t in others):
            texts += [
                f"biggest {noun}",
                f"largest {noun}",
                f"big {noun}",
                f"the {'bigger' if two else 'biggest'} {noun}",
            ]
            texts += [f"the {'larger' if two else 'largest'} {noun}"]
        if all(me.area < t.area / 1.5 and me.height < t.height / 1.05 for t in others):
            texts += [f"smallest {noun}", f"small {noun}", f"the {'smaller' if two else 'smallest'} {noun}"]
            texts += [f"little {noun}"]
        if me.category == "person" and all(me.height > 1.25 * t.height for t in others) and me.box[3] < 0.97:
            texts += [f"tallest {noun}"]
        return texts

    def _depth(self, index: int, same: list[int], noun: str) -> list[str]:
        """Front and back: of what stands on the ground the lower and larger is nearer."""
        things, me = self.scene.things, self.scene.things[index]
        if me.category not in STANDING:
            return []
        others = [things[j] for j in same if j != index]
        if all(me.box[3] > t.box[3] + 0.03 and me.area > 1.3 * t.area for t in others):
            return wordings.in_front(noun, self.rng)
        if all(me.box[3] < t.box[3] - 0.03 and me.area < t.area / 1.3 for t in others):
            return wordings.in_back(noun, self.rng)
        return []

    def _coloured(self, index: int, same: list[int], noun: str) -> list[str]:
        if self.scene.things[index].category == "person":
            return []
        colour = main_colour(self.shares(index))
        if not colour or any(self.shares(j).get(colour, 0.0) > 0.2 for j in same if j != index):
            return []
        if any(not self.shares(j) for j in same if j != index):
            return []
        return [f"{colour} {noun}", f"the {colour} {noun}", f"{colour} {noun}", f"the {noun} that is {colour}"]

    def _clothed(self, index: int, same: list[int], noun: str) -> list[str]:
        """The colour of a person's clothes, above and below apart."""
        if self.scene.things[index].category != "person":
            return []
        texts = []
        for part, garment in (("upper", "shirt"), ("lower", "pants")):
            colour = self._worn(index, part)
            others = [self.shares(j, part) for j in same if j != index]
            if not colour or any(not shares or shares.get(colour, 0.0) > 0.15 for shares in others):
                continue
            texts += [wordings.clothed(noun, colour, part, self.rng) for _ in range(4 if part == "upper" else 2)]
            texts += [f"{colour} {garment}", f"{colour} {garment}"] if part == "upper" else [f"{colour} pants"]
            texts += [f"the {noun} in the {colour} {garment}"]
        return texts

    def colour(self, index: int) -> str | None:
        """The colour that people would name of a thing; of a person that of the upper clothes."""
        if self.scene.things[index].category == "person":
            return self._worn(index, "upper")
        return main_colour(self.shares(index))

    def by_colour(self, index: int, part: str, colour: str) -> list[Made]:
        """Expressions for one thing that name `colour`, if its clothes ("upper", "lower") or itself ("all") have it.

        Where it is the only one of its kind too, for people say more than they need.
        """
        measured = main_colour(self.shares(index)) if part == "all" else self._worn(index, part)
        if measured != colour:
            return []
        made = [one for one in self.of(index) if colour in one.text.split() and one.kind != "human"]
        if not made and self._same(index) == [index]:
            noun = self.noun(index)
            text = f"{colour} {noun}" if part == "all" else wordings.clothed(noun, colour, part, self.rng)
            made = [Made(self.the(text), "only", (index,))]
        return made

    def _worn(self, index: int, part: str) -> str | None:
        thing = self.scene.things[index]
        H, W = thing.mask.shape
        slender = thing.height * H > 1.5 * thing.width * W
        if thing.height * H < 40 or (part == "lower" and not slender) or thing.box[1] < 0.005:
            return None
        return main_colour(self.shares(index, part), least=0.45)

    def _combined(self, index: int, same: list[int], noun: str) -> list[str]:
        """Two differences at once: a place among those of one look ("second man in red from left"), or both of one."""
        texts: list[str] = []
        for phrase, members in self._told_by(index, same, noun):
            if 2 <= len(members) < len(same):
                counts = noun not in phrase or self.means_all(noun, members)
                texts += self.placed(index, members, phrase, counted=counts)
            elif len(members) == 1:  # one difference would do: people give another that is true as well
                x = self.scene.things[index].x
                side = "left" if x < 0.36 else "right" if x > 0.64 else ""
                if side:
                    texts += [f"{phrase} on {side}", f"{phrase} on the {side}", f"{side} {phrase}", f"{phrase} {side}"]
        return texts

    def placed(self, index: int, members: list[int], phrase: str, *, counted: bool) -> list[str]:
        """`phrase` with a place by which the thing differs from all other `members`, of whom it is true as well.

        counted: whether it may be "second {phrase} from left", that is whether it means all members.
        """
        texts: list[str] = []
        for say in (self._sideways, self._up_and_down, self._depth):
            said = [text for text in say(index, members, phrase) if phrase in text]
            texts += said if counted else [text for text in said if not _is_ranked(text)]
        return texts

    def _told_by(self, index: int, same: list[int], noun: str) -> list[tuple[str, list[int]]]:
        """Noun phrases with all of `same` that they fit, the thing itself among them; none where one is in doubt."""
        things = self.scene.things
        found = []
        if things[index].category == "person":
            looks = [("upper", self._worn(index, "upper")), ("lower", self._worn(index, "lower"))]
        else:
            looks = [("all", main_colour(self.shares(index)))]
        for part, colour in looks:
            shares = {j: self.shares(j, part).get(colour, 0.0) if self.shares(j, part) else -1.0 for j in same}
            if not colour or any(share < 0 or 0.12 < share < 0.42 for j, share in shares.items() if j != index):
                continue
            members = [j for j in same if j == index or shares[j] > 0.12]
            worn = part != "all"
            phrase = wordings.clothed(noun, colour, part, self.rng) if worn else f"{colour} {noun}"
            found.append((phrase, members))
        word, members = self._alike(index, same)
        if 2 <= len(members) < len(same):
            found.append((word, members))
        front = self._row(index, same)
        if front:
            row, members = front
            found += [(self.pick(f"{row} {noun}", f"{noun} in {row}", f"{noun} in the {row}"), members)]
        return found

    def _alone_called(self, index: int, same: list[int], noun: str) -> list[str]:
        """The only man, woman or child of several people."""
        word, members = self._alike(index, same)
        return [word, f"the {word}", self.the(word)] if members == [index] else []

    def _alike(self, index: int, same: list[int]) -> tuple[str, list[int]]:
        """A word for a person by sex or age, and all of `same` that it fits; none where one is not known by both."""
        called = {j: set(self.called(j)) for j in same}
        for either, other in ((SEXES["male"], SEXES["female"]), (SEXES["female"], SEXES["male"]), (YOUNG, GROWN)):
            known = all(bool(words & either) != bool(words & other) for words in called.values())
            if known and called[index] & either:
                word = self._said(self.pick(*sorted(called[index] & either)))
                if either is not YOUNG or word not in SEXES["male"] | SEXES["female"]:
                    return word, [j for j in same if called[j] & either]
        return "", []

    def _row(self, index: int, same: list[int]) -> tuple[str, list[int]] | None:
        """ "front" or "back" with those of `same` in that row, where a clear step parts two rows of several."""
        things = self.scene.things
        if things[index].category not in STANDING or len(same) < 3:
            return None
        order = sorted(same, key=lambda j: things[j].box[3])  # the farthest first
        steps = [things[b].box[3] - things[a].box[3] for a, b in zip(order, order[1:], strict=False)]
        at = int(np.argmax(steps)) + 1
        back, front = order[:at], order[at:]
        smallest = min(things[j].area for j in front)
        unclear = sorted(steps)[-2] > steps[at - 1] / 1.5
        if unclear or steps[at - 1] < 0.1 or any(things[j].area > smallest / 1.3 for j in back):
            return None
        return ("front", front) if index in front else ("back", back)

    def _beside_kin(self, index: int, same: list[int], noun: str) -> list[str]:
        """Beside one of the same kind that its look alone tells from all others."""
        things, me = self.scene.things, self.scene.things[index]
        texts = []
        for j in same:
            if j == index:
                continue
            word = self.pick(*names(things[j].category)) if things[j].category != "person" else self.noun(j)
            looks = self._clothed(j, same, word) if things[j].category == "person" else self._coloured(j, same, word)
            looks = [look.removeprefix("the ") for look in looks if word in look]
            if not looks:
                continue
            the = self.pick("the ", "the ", "") + self.pick(*looks)
            others = [things[k] for k in same if k not in (index, j)]
            gap = _gap(me, things[j])
            if gap < 0.04 and all(_gap(t, things[j]) > 0.12 for t in others):
                texts += [f"{noun} next to {the}", f"{noun} by {the}", f"the {noun} beside {the}"]
            for side, sign in (("left", 1), ("right", -1)):
                beside = sign * (things[j].x - me.x) > 0.5 * max(GAP, 0.5 * (me.width + things[j].width)) and gap < 0.3
                if beside and all(sign * (things[j].x - t.x) < 0 for t in others):
                    texts += [f"{noun} left of {the}" if side == "left" else f"{noun} right of {the}"]
                    texts += [f"the {noun} to the {side} of {the}", f"{noun} on the {side} of {the}"]
        return texts

    def _holding(self, index: int, same: list[int], noun: str) -> list[str]:
        """What a person alone holds, carries, rides or sits on."""
        things = self.scene.things
        if things[index].category != "person":
            return []
        texts = []
        for category in sorted({t.category for t in things if t.category in HELD | RIDDEN} & self.scene.complete):
            ones = [j for j, t in enumerate(things) if t.category == category]
            mine = [j for j in ones if self.touches(index, j)]
            if not mine or any(self.touches(other, j) for other in same if other != index for j in ones):
                continue
            thing = self.pick(*names(category))
            article = "" if is_plural(thing) else "an " if thing[0] in "aeiou" else "a "
            if category in RIDDEN and self._is_on(index, mine[0]):
                verb = "riding" if category in ("bicycle", "motorcycle", "horse", "elephant") else "on"
                texts += [
                    f"{noun} on {thing}",
                    f"{noun} on the {thing}",
                    f"the {noun} {verb} {article or 'the '}{thing}",
                ]
                texts += [f"{noun} sitting on {thing}"] if category in ("bench", "couch", "chair", "bed") else []
            elif category in HELD:
                small = any(things[j].area < 0.6 * things[index].area for j in mine)
                texts += [f"{noun} with {thing}", f"{noun} with {article}{thing}", f"the {noun} with the {thing}"]
                if small and category not in ("tie", "backpack", "skis", "kite", "laptop", "cake", "pizza"):
                    texts += [f"{noun} holding {thing}", f"the {noun} holding {article or 'the '}{thing}"]
                if category in ("tie", "backpack"):
                    texts += [f"{noun} wearing {article}{thing}"]
        return texts

    def _is_on(self, upper: int, lower: int) -> bool:
        one, other = self.scene.things[upper], self.scene.things[lower]
        overlap = min(one.box[2], other.box[2]) - max(one.box[0], other.box[0])
        return (
            overlap > 0.5 * min(one.width, other.width)
            and one.y < other.y
            and one.box[3] > other.box[1] + 0.1 * other.height
        )

    def _related(self, index: int, same: list[int], noun: str) -> list[str]:
        """Place beside a thing that is alone of its kind."""
        things, me = self.scene.things, self.scene.things[index]
        texts = []
        for j, anchor in enumerate(things):
            if j in same or anchor.region or anchor.garment or not self.sure(j) or anchor.area < 0.006:
                continue
            if len(self._same(j)) != 1 or (me.category == "person" and anchor.category in HELD):
                continue
            word = self.noun(j)
            the = self.pick(f"the {word}", word)
            others = [things[k] for k in same if k != index]
            gap = _gap(me, anchor)
            if gap < 0.04 and others and all(_gap(t, anchor) > 0.14 for t in others):
                texts += [f"{noun} next to {the}", f"{noun} by {the}", f"the {noun} near {the}", f"{noun} beside {the}"]
            level = min(me.box[3], anchor.box[3]) - max(me.box[1], anchor.box[1]) > 0.3 * min(me.height, anchor.height)
            for side, sign in (("left", 1), ("right", -1)):
                beside = level and sign * (anchor.x - me.x) > 0.4 * (me.width + anchor.width) and gap < 0.3
                if beside and all(sign * (anchor.x - t.x) < 0.02 for t in others):
                    texts += [f"{noun} to the {side} of {the}", f"{noun} {side} of {the}"]
            over = min(me.box[2], anchor.box[2]) - max(me.box[0], anchor.box[0]) > 0.4 * min(me.width, anchor.width)
            if over and me.box[3] < anchor.y and all(t.y > anchor.y for t in others):
                texts += [f"{noun} above {the}"]
            if over and me.box[1] > anchor.y and me.y > anchor.box[3] and all(t.y < anchor.y for t in others):
                texts += [f"{noun} below {the}"]
        return texts

    def _negated(self, index: int, same: list[int], noun: str) -> list[str]:
        """Of two the one that is not like the other."""
        if len(same) != 2:
            return []
        other = next(j for j in same if j != index)
        texts = []
        me, them = self.scene.things[index], self.scene.things[other]
        for side, sign in (("left", 1), ("right", -1)):
            if sign * (me.x - them.x) > 2 * GAP:
                texts += [f"the {noun} that is not on the {side}", f"{noun} not on the {side}"]
        if me.category == "person":
            colour = self._worn(other, "upper")
            mine = self.shares(index, "upper")
            if colour and mine and mine.get(colour, 0.0) < 0.1:
                texts += [f"the {noun} not in {colour}", f"the {noun} who is not wearing {colour}"]
            for text in self._holding(other, same, noun):
                if " on the " in text or " with the " in text:
                    texts.append(text.replace(" on ", " not on ").replace(" with ", " without "))
        else:
            colour = main_colour(self.shares(other))
            if colour and self.shares(index) and self.shares(index).get(colour, 0.0) < 0.1:
                texts += [f"the {noun} that is not {colour}", f"not the {colour} {noun}"]
        return texts

    # --- several targets, no target -----------------------------------------------------------------------------------

    def groups(self) -> list[Made]:
        """Expressions that mean two things or more together."""
        made = [
            Made(text, "human", targets, 3.0 / len(phrases))
            for targets, phrases in self.scene.groups
            for text in phrases
        ]
        things = self.scene.things
        for category in sorted({t.category for t in things if not t.region and not t.garment} & self.scene.complete):
            first = next(j for j, t in enumerate(things) if t.category == category)
            same = self._same(first)
            n = len(same)
            if not 2 <= n <= 6 or any(things[j].category != category for j in same):
                continue
            many = plural(self.pick(*names(category)))
            number = NUMBERS[n]
            texts = [f"all {many}", f"all the {many}", many, f"the {many}", f"the {number} {many}", f"{number} {many}"]
            texts += [f"both {many}", f"both of the {many}", f"both {many}"] if n == 2 else []
            texts += [f"all {number} {many}"] if n > 2 else []
            made.append(Made(self.pick(*texts), "group", tuple(same), 1.0))
            if n >= 3:
                made += self._side_groups(same, many)
        return made

    def _side_groups(self, same: list[int], many: str) -> list[Made]:
        """Two on one side, clearly apart from the rest."""
        things = self.scene.things
        made = []
        for side, sign in (("left", 1), ("right", -1)):
            order = sorted(same, key=lambda j: sign * things[j].x)
            inner, outer = things[order[1]], things[order[2]]
            if sign * (outer.x - inner.x) > 2.5 * GAP and things[order[1]].area > 0.2 * outer.area:
                texts = (f"the two {many} on the {side}", f"two {many} on {side}", f"{side} two {many}")
                made.append(Made(self.pick(*texts), "group", tuple(sorted(order[:2])), 1.0))
        return made

    def absent(self) -> Made | None:
        """An expression for what is certainly not there, sometimes close to what is."""
        things = self.scene.things
        ways = []
        away = self.away()
        if away:
            ways += ["category"] * 4
        known = [j for j, t in enumerate(things) if self.sure(j) and not t.region and t.category != "person"]
        persons = [j for j, t in enumerate(things) if t.category == "person" and t.area > 0.01]
        counted = known + [j for j in persons if self.sure(j)]  # elsewhere people may stand unmarked in the background
        ways += ["colour"] if known else []
        ways += ["count"] if counted else []
        gone = [c for c in away if c in HELD]
        ways += ["clothes"] * 2 if persons and self._unworn() else []
        ways += ["holding"] if persons and gone else []
        if not ways:
            return None
        way = self.pick(*ways)
        if way == "category":
            noun = self.pick(*names(self.pick(*away)))
            suffix = self.pick("", "", "", " on the left", " on right", " in the middle", " in front")
            return Made(self.the(noun) + suffix, "absent", ())
        if way == "clothes":
            return self.in_no_colour(persons[0])
        if way == "holding":
            noun, held = self.noun(persons[0]), self.pick(*names(self.pick(*gone)))
            verb = self.pick("with", "holding", "with the")
            return Made(f"{self.the(noun)} {verb} {held}", "absent", ())
        if way == "count":
            index = counted[int(self.rng.integers(len(counted)))]
            same = self._same(index)
            if not same or len(same) > 3:
                return None
            word = self.pick(*ORDINALS[min(4, len(same) + 1)])
            side = self.pick("left", "right")
            return Made(f"{word} {self.noun(index)} from {self.pick(side, 'the ' + side)}", "absent", ())
        return self.in_no_colour(known[int(self.rng.integers(len(known)))])

    def in_no_colour(self, index: int) -> Made | None:
        """The name of a thing with a colour that none of its kind has here, of a person that of the upper clothes."""
        if self.scene.things[index].category == "person":
            unworn = self._unworn()
            if not unworn:
                return None
            worn = wordings.clothed(self.noun(index), self.pick(*unworn), "upper", self.rng)
            return Made(self.the(worn), "absent", ())
        same = self._same(index)
        shares = [self.shares(j) for j in same]
        if not same or any(not one for one in shares):
            return None
        free = [
            c for c in ("red", "yellow", "green", "blue", "purple", "pink") if all(s.get(c, 0) < 0.01 for s in shares)
        ]
        if not free:
            return None
        return Made(self.the(f"{self.pick(*free)} {self.noun(index)}"), "absent", ())

    def _unworn(self) -> list[str]:
        """Colours that nobody wears here; none where somebody may be unmarked, or too small to tell."""
        worn = [self.shares(j, "upper") for j, t in enumerate(self.scene.things) if t.category == "person"]
        if "person" not in self.scene.complete or not all(worn) or len(worn) > 5:
            return []
        vivid = ("red", "yellow", "green", "blue", "pink", "orange", "purple")
        return [c for c in vivid if all(s.get(c, 0.0) < 0.02 for s in worn)]

    def away(self) -> list[str]:
        """Categories of which certainly nothing is there, nor anything that could be taken for it."""
        present = {thing.category for thing in self.scene.things}
        return sorted(c for c in self.scene.complete - present if not self._confusable(c))

    def _confusable(self, category: str) -> bool:
        """Whether something present could be taken for an absent category."""
        present = {t.category for t in self.scene.things}
        if any(SHARED.get(name, set()) & present - {category} for name in names(category)):
            return True
        alike = ({"car", "truck", "bus"}, {"couch", "chair", "bench"}, {"bicycle", "motorcycle"}, {"tv", "laptop"})
        alike += ({"handbag", "backpack", "suitcase"}, {"cup", "bowl", "vase", "bottle", "wine glass"})
        alike += ({"cake", "pizza", "sandwich", "donut", "hot dog"}, {"oven", "microwave"}, {"dining table", "bench"})
        return any(category in group and group & present for group in alike)


def called_in(phrases: Iterable[str]) -> list[str]:
    """The words for a person that head `phrases`."""
    return [head for head in map(head_noun, phrases) if head in PEOPLE]


def head_noun(phrase: str) -> str:
    """The last word before a phrase's first preposition, participle or relative pronoun."""
    words = phrase.split()
    for at, word in enumerate(words):
        if at and (word in _BREAKS or (word.endswith("ing") and len(word) > 4)):
            return words[at - 1]
    return words[-1] if words else ""


_BREAKS = set("in on with at by of who that which and to from under near behind next wearing dressed is about".split())


def _is_ranked(text: str) -> bool:
    """Whether it counts: "second from left". The first and the last are the outermost, by whatever word."""
    return any(word in text.split() for words in ORDINALS[1:] for word in words)


def _gap(one: Thing, other: Thing) -> float:
    """The distance between two boxes, in shares of the photo."""
    across = max(one.box[0] - other.box[2], other.box[0] - one.box[2], 0.0)
    down = max(one.box[1] - other.box[3], other.box[1] - one.box[3], 0.0)
    return float(np.hypot(across, down))


def choose(made: list[Made], rng: np.random.Generator) -> Made:
    """One of `made`, by weight."""
    weights = np.array([one.weight for one in made])
    return made[int(rng.choice(len(made), p=weights / weights.sum()))]


def has_colour(text: str) -> bool:
    return bool(set(text.split()) & set(COLOURS))
