"""What tells people of a crowd apart by clothes, hair and bags, and whose a garment is, in words.

Which garments are named how often follows counts over RefCOCO's and ReferIt's training sentences: shirts first, then
jackets, hats, pants, bags, glasses; two times in three with a colour.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from train.data.colours import MIN_PIXELS, main_colour
from train.data.dressed import CARRIED, Crowd
from train.data.expressions import Describer, Made
from train.data.names import with_article

# By category: what people call it, and how much oftener than other garments it is named.
WORDS: dict[str, tuple[tuple[str, ...], float]] = {
    "shirt": (("shirt", "shirt", "shirt", "top", "button down shirt"), 3.0),
    "t-shirt": (("shirt", "t-shirt", "tshirt", "tee shirt", "top"), 3.0),
    "blouse": (("shirt", "top", "blouse", "blouse"), 2.0),
    "top": (("top", "top", "shirt", "tank top"), 2.0),
    "bodysuit": (("top",), 0.5),
    "sweater": (("sweater", "sweater", "top", "pullover"), 2.0),
    "sweatshirt": (("sweatshirt", "sweater", "shirt"), 2.0),
    "cardigan": (("cardigan", "sweater"), 1.5),
    "hoodie": (("hoodie", "sweatshirt"), 1.5),
    "coat": (("coat", "coat", "coat", "jacket", "overcoat"), 2.0),
    "jacket": (("jacket", "jacket", "jacket", "coat"), 3.0),
    "blazer": (("jacket", "blazer", "suit jacket"), 2.0),
    "cape": (("cape", "shawl"), 0.5),
    "vest": (("vest",), 1.5),
    "suit": (("suit",), 2.0),
    "dress": (("dress",), 2.0),
    "romper": (("romper", "jumpsuit"), 0.7),
    "jumper": (("jumper", "jumpsuit"), 0.7),
    "skirt": (("skirt",), 2.0),
    "pants": (("pants", "pants", "trousers"), 2.0),
    "jeans": (("jeans", "jeans", "blue jeans", "pants"), 1.5),
    "leggings": (("leggings", "tights", "pants"), 1.0),
    "tights": (("tights", "stockings"), 0.7),
    "stockings": (("stockings", "tights"), 0.7),
    "shorts": (("shorts",), 2.0),
    "hat": (("hat", "hat", "hat", "cap"), 3.0),
    "sunglasses": (("sunglasses", "glasses", "shades"), 2.0),
    "glasses": (("glasses",), 2.0),
    "scarf": (("scarf",), 1.5),
    "tie": (("tie",), 1.0),
    "boots": (("boots",), 1.0),
    "bag": (("bag", "bag", "handbag", "purse"), 2.0),
    "purse": (("purse", "bag", "handbag"), 2.0),
    "wallet": (("clutch", "purse"), 0.5),
}
# Others may call any of a set by the same name: a word for one says nothing where another wears one of them.
_TOPS = frozenset("shirt t-shirt blouse top bodysuit sweater sweatshirt cardigan hoodie vest jumper".split())
_COATS = frozenset("coat jacket blazer cape cardigan hoodie vest suit sweater".split())
_LEGS = frozenset("pants jeans leggings tights stockings suit jumper romper socks".split())
_DRESSES = frozenset("dress skirt romper jumper".split())
ALIKE: dict[str, frozenset[str]] = {
    **dict.fromkeys("shirt t-shirt blouse top bodysuit sweatshirt".split(), _TOPS),
    **dict.fromkeys("sweater cardigan hoodie vest".split(), _TOPS | _COATS),
    **dict.fromkeys("coat jacket blazer cape suit".split(), _COATS),
    **dict.fromkeys("pants jeans leggings tights stockings".split(), _LEGS),
    **dict.fromkeys("dress skirt romper jumper".split(), _DRESSES),
    "shorts": frozenset(("shorts", "romper")),
    **dict.fromkeys(("sunglasses", "glasses"), frozenset(("sunglasses", "glasses"))),
    **dict.fromkeys(("bag", "purse", "wallet"), CARRIED),
    "scarf": frozenset(("scarf", "cape")),
    "boots": frozenset("boots shoes heels pumps loafers wedges".split()),
}
LACKED = ("hat", "sunglasses", "bag", "coat", "scarf")  # what one may be said not to have
ON_THE_HEAD = frozenset(("hat", "sunglasses", "glasses"))
PLAIN, DOUBTFUL = 0.45, 0.12  # shares of a garment in a colour from which it has it, and from which it might
SMALL_PIXELS = 14  # glasses in which as many show can be seen
LARGE = 0.22  # share of a person that must be in a colour for "in red"


@dataclass(frozen=True)
class Look:
    """phrase: noun phrase of a person. members: all of the crowd of whom it is true, by their place in it.

    category, word: of the one garment that it names, such as "coat" and "red jacket".
    """

    phrase: str
    members: tuple[int, ...]
    weight: float
    category: str = ""
    word: str = ""


class Dresser:
    """All that clothes say of the people of one crowd. rng decides the wording, never the truth."""

    def __init__(self, crowd: Crowd, rng: np.random.Generator) -> None:
        self.crowd = crowd
        self.describer = Describer(crowd.scene, rng)

    def shares(self, at: int, category: str) -> dict[str, float]:
        """Colours of what the person at `at` wears; empty where too little shows."""
        return self.describer.shares(self.crowd.worn[at][category])

    def of(self, at: int) -> list[Made]:
        """Expressions for the person at `at`: by one look, by two, by a look and a place."""
        index, people = self.crowd.people[at], self.crowd.people
        kind = "only" if len(people) == 1 else "several"
        noun = self.describer.noun(index)
        noun = "one" if len(people) > 1 and self.describer.chance(0.1) else noun
        looks = self.looks(at, noun)
        made = []
        for look in looks:
            if look.members == (at,):
                made.append(Made(self.describer.the(look.phrase), kind, (index,), look.weight))
                continue
            told = [people[member] for member in look.members]
            if len(told) < len(people):
                counted = noun == "one" or self.describer.means_all(noun, told)
                said = self.describer.placed(index, told, look.phrase, counted=counted)
                made += [Made(text, kind, (index,), 0.6 * look.weight / len(said)) for text in said]
        pieces = [look for look in looks if look.category]
        for one in pieces:
            for other in pieces:
                if one.category < other.category and set(one.members) & set(other.members) == {at}:
                    made.append(Made(self._both(noun, one, other), kind, (index,), 0.3 * min(one.weight, other.weight)))
        return made

    def looks(self, at: int, noun: str) -> list[Look]:
        """What can be said of the clothes, hair and bags of the person at `at`, a new wording at every call."""
        found = []
        for category in self._named(at):
            found += self._garment(at, category, noun)
        return [*found, *self._in_colour(at, noun), *self._hair(at, noun), *self._lacking(at, noun)]

    def unworn(self, at: int) -> list[Made]:
        """The person at `at` with something that nobody of the crowd has: an expression that means nothing here."""
        everybody = range(len(self.crowd.people))
        free = [name for name in WORDS if not any(self._may_have(member, name) for member in everybody)]
        if not free:
            return []
        category = self.describer.pick(*free)
        noun, word = self.describer.noun(self.crowd.people[at]), self.describer.pick(*WORDS[category][0])
        return [Made(self.describer.the(self._wearing(noun, category, word)), "absent", ())]

    def garments(self, at: int) -> list[Made]:
        """Expressions for what the person at `at` wears or carries: by its name, or by whose it is."""
        people = self.crowd.people
        noun = self.describer.noun(people[at])
        counted = self.describer.means_all(noun, people)
        whose = self.describer.placed(people[at], people, noun, counted=counted) if len(people) > 1 else []
        whose += [look.phrase for look in self._in_colour(at, noun)]
        made = []
        for category in self._named(at):
            words, weight = WORDS[category]
            word, index = self.describer.pick(*words), self.crowd.worn[at][category]
            if not any(self._may_have(other, category) for other in range(len(people)) if other != at):
                colour = main_colour(self.shares(at, category), least=PLAIN)
                texts = [word, f"the {word}", word if not colour or colour in word else f"{colour} {word}"]
                made.append(Made(self.describer.pick(*texts), "garment", (index,), weight))
            if whose:
                one = self.describer.pick(*whose).removeprefix("the ")
                texts = [f"the {word} of the {one}", f"{word} of {one}", f"{word} on the {one}"]
                texts += [f"{one}'s {word}", f"{one}s {word}", f"the {one}'s {word}"] * one.endswith(noun)
                made.append(Made(self.describer.pick(*texts), "garment", (index,), weight))
        return made

    # --- looks --------------------------------------------------------------------------------------------------------

    def _garment(self, at: int, category: str, noun: str) -> list[Look]:
        words, weight = WORDS[category]
        word = self.describer.pick(*words)
        found = []
        members = self._members(at, category, None)
        if members:
            found.append(Look(self._wearing(noun, category, word), members, weight, category, word))
        colour = main_colour(self.shares(at, category), least=PLAIN)
        members = self._members(at, category, colour) if colour and colour not in word else ()
        if members:
            word = f"{colour} {word}"
            found.append(Look(self._wearing(noun, category, word), members, 2 * weight, category, word))
        return found

    def _members(self, at: int, category: str, colour: str | None) -> tuple[int, ...]:
        """All who wear what `category` (in `colour`) may be called; nobody where one is in doubt."""
        members = []
        for member in range(len(self.crowd.people)):
            if member == at:
                members.append(member)
                continue
            for other in _alike(category) & self.crowd.worn[member].keys():
                shares = self.shares(member, other) if colour else {}
                share = shares.get(colour, 0.0) if colour and shares else 1.0
                if share < DOUBTFUL:
                    continue
                if other != category or share < PLAIN or not self._shows(member, other):
                    return ()
                members.append(member)
        return tuple(members)

    def _may_have(self, at: int, category: str) -> bool:
        """Whether the person at `at` has what might be called a word for `category`."""
        return bool(_alike(category) & self.crowd.worn[at].keys())

    def _named(self, at: int) -> list[str]:
        """What the person at `at` has, as far as it has words and shows."""
        return [name for name in sorted(self.crowd.worn[at]) if name in WORDS and self._shows(at, name)]

    def _shows(self, at: int, category: str) -> bool:
        """Whether enough of it can be seen."""
        pixels = np.count_nonzero(self.crowd.scene.things[self.crowd.worn[at][category]].mask)
        return pixels >= (SMALL_PIXELS if category in ON_THE_HEAD else MIN_PIXELS)

    def _in_colour(self, at: int, noun: str) -> list[Look]:
        """In one colour, by what is most of the clothes."""
        shares = [self.describer.shares(index) for index in self.crowd.people]
        colours = [name for name, share in shares[at].items() if share > LARGE and name not in ("brown", "gray")]
        found = []
        for colour in colours:
            others = [one.get(colour, 0.0) for member, one in enumerate(shares) if member != at]
            if all(share < 0.06 for share in others):
                phrases = [f"{noun} in {colour}"] * 4 + [f"{noun} wearing {colour}", f"{noun} dressed in {colour}"]
                found.append(Look(self.describer.pick(*phrases, f"{noun} in the {colour}"), (at,), 2.0))
        return found

    def _hair(self, at: int, noun: str) -> list[Look]:
        """Blond or dark, where that of all others is plain as well."""
        shades = [self._shade(member) for member in range(len(self.crowd.people))]
        if not shades[at] or "" in shades:
            return []
        members = tuple(member for member, shade in enumerate(shades) if shade == shades[at])
        if shades[at] == "dark":
            phrases = [f"{noun} with dark hair", f"{noun} with black hair", f"dark haired {noun}", f"{noun} dark hair"]
        else:
            phrases = [f"blonde {noun}", f"{noun} with blonde hair", f"{noun} with blond hair", f"{noun} blonde hair"]
        return [Look(self.describer.pick(*phrases), members, 1.5)]

    def _shade(self, at: int) -> str:
        """ "blond", "dark", or "" where the hair is neither plainly, or hidden."""
        if "hair" not in self.crowd.worn[at] or "hat" in self.crowd.worn[at] or not self._shows(at, "hair"):
            return ""
        mask = self.crowd.scene.things[self.crowd.worn[at]["hair"]].mask
        pixels = self.crowd.scene.photo[mask][None]  # 1×N×3
        hue, saturation, value = np.median(cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)[0], axis=0)
        if value < 60:
            return "dark"
        return "blond" if value > 135 and 9 <= hue <= 26 and 50 < saturation < 170 else ""

    def _lacking(self, at: int, noun: str) -> list[Look]:
        """Without what all others have."""
        others = [member for member in range(len(self.crowd.people)) if member != at]
        found = []
        for category in LACKED if others else ():
            worn = all(category in self.crowd.worn[j] and self._shows(j, category) for j in others)
            if worn and not self._may_have(at, category):
                word = self.describer.pick(*WORDS[category][0])
                phrases = [
                    f"{noun} without {with_article(word)}",
                    f"{noun} with no {word}",
                    f"{noun} not wearing {with_article(word)}",
                ]
                phrases = phrases[:2] if category in CARRIED else phrases
                found.append(Look(self.describer.pick(*phrases, f"{noun} without {word}"), (at,), 0.6))
        return found

    # --- words --------------------------------------------------------------------------------------------------------

    def _wearing(self, noun: str, category: str, word: str) -> str:
        if category in CARRIED:
            verb = self.describer.pick("with", "with", "with", "carrying", "holding")
            return self.describer.pick(
                f"{noun} {verb} {word}",
                f"{noun} {verb} {with_article(word)}",
                f"{noun} {verb} the {word}",
                f"{noun} w {word}",
            )
        said = [
            f"{noun} with {word}",
            f"{noun} wearing {with_article(word)}",
            f"{noun} in {word}",
            f"{noun} with the {word}",
        ]
        if category in ON_THE_HEAD or category == "tie":
            return self.describer.pick(
                *said, f"{noun} with {with_article(word)}", f"{noun} {word}", f"{noun} with {word} on"
            )
        said += [
            f"{noun} in {word}",
            f"{noun} in the {word}",
            f"{noun} in the {word}",
            f"{noun} in {with_article(word)}",
        ]
        said += [f"{noun} wearing {word}", f"{noun} who is wearing {with_article(word)}"]
        said += [f"{noun} {word}", f"{noun} {word}", f"{word} {noun}"] if " " in word else []
        return self.describer.pick(*said)

    def _both(self, noun: str, one: Look, other: Look) -> str:
        """ "woman in red coat and blue jeans", "woman in red coat with a bag"."""
        if one.category in CARRIED | ON_THE_HEAD:
            one, other = other, one
        if one.category in CARRIED | ON_THE_HEAD:
            return f"{noun} with {one.word} and {other.word}"
        if other.category in CARRIED | ON_THE_HEAD:
            return f"{noun} in {one.word} {self.describer.pick('with', 'with', 'and')} {other.word}"
        return f"{noun} {self.describer.pick('in', 'in', 'wearing')} {one.word} and {other.word}"


def _alike(category: str) -> frozenset[str]:
    return ALIKE.get(category, frozenset((category,)))
