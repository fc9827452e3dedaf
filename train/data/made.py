"""Training samples made from annotated photos: sample number i is the same at every call, whoever asks for it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from slvit.errors import PhotoError
from train.data import augment, coco, dressed, recolour, remade, written
from train.data.augment import CutOut
from train.data.broken import BrokenPhotos
from train.data.coco import AnnotatedPhoto
from train.data.expressions import PEOPLE, Describer, Made, called_in, choose, has_colour, swap_sides
from train.data.names import names
from train.data.remade import Sentence
from train.data.scene import Scene
from train.data.worn import Dresser

CACHED_PHOTOS = 5000  # decoded photos a worker keeps, about 0.4 MB each
SMALLEST = 0.002  # a target's share of the sample's area: below it is a dozen pixels at 160×160
TRIES = 12
KIN = 0.7  # of pairs whose picture shows another of the kind, those that mean it


@dataclass(frozen=True)
class Recipe:
    """How samples are made. Shares are 0..1 of all samples unless said.

    people: targets are people among people. everyday: any target in photos whose kinds are fully known (these two
    come from photos with "person" among the complete categories); the rest comes from all other photos.
    phrases: samples drawn among the things that people described, with their words. human: of all other draws in
    which the thing has such phrases. whole: uncropped photos. stretched: the most by which the sides of a photo or crop
    are stretched against each other to fill a batch's shape; beyond it a smaller part is taken (more only where the
    target fills its photo from side to side), or, where the words are true of the whole photo only, another photo.
    pasted: scenes with pasted objects; one_kind: of these, with objects of one kind at like sizes. crowds: of these
    again, with people whom somebody called man, woman or child, where nobody else is.
    dyed: scenes in which clothes or a thing have got another colour, with expressions that name it (see
    train.data.recolour); other_colour: of these, expressions for a colour that nothing of the kind there has.
    dressed: crowds of people cut from photos whose every garment is marked, told apart by what they wear and carry (see
    train.data.dressed).
    remade: scenes made for the sentences in the file `sentences` (see train.data.remade), where one is named.
    told: of all, things in the words of the file `written` (see train.data.written), where one is named; denied: of
    these, the words said of a photo that shows nothing of the kind.
    paired: of all, samples 2i and 2i + 1 that are one picture with another thing meant in it, wherever it shows one.
    groups, absent: samples whose target is several things, or nothing. masked_patches: of samples, some patches grey.
    sources_left_out: names of sources that are not used. emphasis: by source, how much oftener than by the rule its
    things are drawn among `everyday` and the rest.
    """

    people: float = 0.27
    everyday: float = 0.33
    phrases: float = 0.14
    human: float = 0.3
    whole: float = 0.4
    stretched: float = 1.2
    pasted: float = 0.3
    one_kind: float = 0.6
    crowds: float = 0.3
    groups: float = 0.06
    absent: float = 0.09
    dyed: float = 0.0
    other_colour: float = 0.15
    dressed: float = 0.0
    remade: float = 0.08
    told: float = 0.0
    denied: float = 0.1
    paired: float = 0.0
    masked_patches: float = 0.12
    typing_errors: float = 0.03
    sources_left_out: tuple[str, ...] = ()
    emphasis: dict[str, float] = field(default_factory=dict)
    sentences: str = ""
    written: str = ""

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Recipe:
        """From a config's JSON, in which tuples are lists."""
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()})


@dataclass(frozen=True)
class Drawn:
    """A scene, and what can be said of one thing in it. also: what somebody said of another; none: not known."""

    scene: Scene
    made: list[Made]
    also: list[Made] = field(default_factory=list)


class MadeSamples(Dataset):
    """Sample i: {"photo": uint8 H×W×3, "mask": uint8 H×W, "text": str, "kind": str}, a function of (seed, i) alone.

    sizes: (H, W) of each batch, in order, cycled by the caller's batch number through `size_of`.
    For an unreadable photo another takes the place; more than `broken_photos` of them raise TooManyBrokenError.
    """

    def __init__(
        self,
        root: Path,
        *,
        recipe: Recipe,
        seed: int,
        samples: int,
        size_of: Any,
        broken_photos: int = 20,
        split: str = "train",
    ) -> None:
        self.recipe = recipe
        self.seed = seed
        self.samples = samples
        self.size_of = size_of  # sample number → (H, W)
        self.photos = [
            photo
            for photo in coco.read(root)
            if photo.split == split and photo.annotations and photo.source not in recipe.sources_left_out
        ]
        if not self.photos:
            raise ValueError(f"{root} holds no annotated photo of split {split!r}: nothing can be made.")
        if unknown := sorted(recipe.emphasis.keys() - {photo.source for photo in self.photos}):
            raise ValueError(f"recipe: emphasis names {unknown[0]!r}, but no {split} photo of {root} is from there.")
        self._weigh()
        self._cache: OrderedDict[int, np.ndarray] = OrderedDict()
        self._pair: tuple[int, list[dict[str, Any]]] = (-1, [])  # the last, by its first number
        self._places = {photo.id: at for at, photo in enumerate(self.photos)}
        self.broken = BrokenPhotos(len(self.photos), limit=broken_photos)

    def __len__(self) -> int:
        return self.samples

    def _weigh(self) -> None:
        """Pools of (photo, annotation), each drawn by 1/√(count of its category + 5), see Recipe."""
        counts: dict[str, int] = {}
        for photo in self.photos:
            for annotation in photo.annotations:
                counts[annotation["category"]] = counts.get(annotation["category"], 0) + 1
        pools: dict[str, list[tuple[int, int, float]]] = {"people": [], "everyday": [], "other": [], "phrases": []}
        donors: dict[str, list[tuple[int, int]]] = {}
        backgrounds = []
        self.lacking: dict[str, list[int]] = {}  # by category the photos known to show none of it
        self.owners: dict[str, list[tuple[int, int]]] = {}  # by category all that can be described
        self.called: list[tuple[int, int]] = []  # donors of whom it is known whether they are man, woman or child
        for at, photo in enumerate(self.photos):
            H, W = photo.size
            everyday = "person" in photo.complete
            several: dict[str, int] = {}
            for annotation in photo.annotations:
                if annotation["area"] > 0.004 * H * W:
                    several[annotation["category"]] = several.get(annotation["category"], 0) + 1
            for number, annotation in enumerate(photo.annotations):
                category = annotation["category"]
                if augment.can_be_cut_out(photo, annotation):
                    donors.setdefault(category, []).append((at, number))
                    if category == "person" and called_in(annotation.get("expressions", ())):
                        self.called.append((at, number))
                if annotation["area"] < 0.0015 * H * W:
                    continue
                self.owners.setdefault(category, []).append((at, number))
                described = 3.0 if annotation.get("expressions") else 1.0
                if annotation.get("expressions"):
                    bare = all(" " not in phrase for phrase in annotation["expressions"])
                    pools["phrases"].append((at, number, 0.5 if bare else 1.0))
                weight = described * self.recipe.emphasis.get(photo.source, 1.0) / (counts[category] + 5) ** 0.5
                if everyday and category == "person" and several.get("person", 0) >= 2:
                    large = min(1.0, annotation["area"] / (0.02 * H * W))
                    pools["people"].append((at, number, large * described / min(6, several["person"])))
                pools["everyday" if everyday else "other"].append((at, number, weight))
            if everyday:
                backgrounds.append(at)
                for category in photo.complete - {annotation["category"] for annotation in photo.annotations}:
                    self.lacking.setdefault(category, []).append(at)
        self.pools = {name: [(at, number) for at, number, _ in pool] for name, pool in pools.items() if pool}
        self.totals = {name: np.cumsum([weight for *_, weight in pools[name]]) for name in self.pools}
        self.donors = {category: found for category, found in donors.items() if len(found) >= 3}
        self.donor_names = sorted(self.donors)
        weights = np.array([len(self.donors[name]) ** 0.5 for name in self.donor_names])
        self.donor_totals = np.cumsum(weights)
        self.backgrounds, self.deserted = backgrounds, self.lacking.get("person", [])
        self.wardrobe = [at for at, photo in enumerate(self.photos) if dressed.can_be_dressed(photo)]
        self.deniers = [at for at in backgrounds if self.photos[at].can_deny]
        with_groups = [at for at, photo in enumerate(self.photos) if photo.groups]
        many = [at for at, photo in enumerate(self.photos) if 2 <= len(photo.annotations) <= 12 and photo.complete]
        self.group_photos = with_groups * 2 + many
        told = remade.read(Path(self.recipe.sentences)) if self.recipe.sentences and self.recipe.remade else []
        meant = [(one, self._donors_of(one)) for one in told if one.category in self.lacking]
        self.sentences = [(one, donors) for one, donors in meant if donors]
        self.said = self._said_of_these(Path(self.recipe.written)) if self.recipe.written and self.recipe.told else []
        self.lines: dict[int, list[int]] = {}  # by photo, places in `said`
        for line, (at, _, _) in enumerate(self.said):
            self.lines.setdefault(at, []).append(line)

    def _said_of_these(self, path: Path) -> list[tuple[int, int, str]]:
        """(photo, annotation, text) for each line of `path` that speaks of the photos at hand."""
        at_name = {photo.file.name: at for at, photo in enumerate(self.photos)}
        found = []
        for said in written.read(path):
            if said.photo not in at_name:
                continue
            at = at_name[said.photo]
            number = written.place(said, self.photos[at])
            if number is None:
                raise ValueError(f"recipe: {path} speaks of annotation {said.annotation} of {said.photo}: it has none.")
            found.append((at, number, said.text))
        if not found:
            raise ValueError(f"recipe: nothing in {path} speaks of a photo that is used here.")
        return found

    # --- one sample ---------------------------------------------------------------------------------------------------

    def __getitem__(self, number: int) -> dict[str, Any]:
        first, size = number - number % 2, self.size_of(number)
        if self._starts_pair(first):
            if self._pair[0] != first:
                self._pair = first, self._samples(first, size, pair=True)
            if number - first < len(self._pair[1]):
                return self._pair[1][number - first]
        return self._samples(number, size)[0]

    def _starts_pair(self, first: int) -> bool:
        """Whether samples `first` and the next may be of one picture."""
        if not self.recipe.paired or first + 1 >= self.samples or self.size_of(first) != self.size_of(first + 1):
            return False
        return bool(np.random.default_rng([self.seed, first, 1]).random() < self.recipe.paired)

    def _samples(self, number: int, size: tuple[int, int], *, pair: bool = False) -> list[dict[str, Any]]:
        """Sample `number`; pair: and the one after it, of the same picture, where something else can be meant there."""
        rng = np.random.default_rng([self.seed, number])
        last: Exception | None = None
        for _ in range(TRIES * 4):
            try:
                drawn = self._drawn(rng, size)
            except PhotoError as error:  # noted already
                last = error
                continue
            samples = self._finished(drawn, rng, pair=pair) if drawn else []
            if samples:
                return samples
        raise ValueError(f"No expression could be made in {TRIES * 4} tries: the data fit the recipe badly.") from last

    def _drawn(self, rng: np.random.Generator, size: tuple[int, int]) -> Drawn | None:
        recipe = self.recipe
        if self.said and rng.random() < recipe.told:
            return self._told(rng, size)
        drawn = rng.random()
        if drawn < recipe.absent and self.deniers:
            return self._absent(rng, size)
        if drawn < recipe.absent + recipe.groups and self.group_photos:
            return self._group(rng, size)
        if drawn < recipe.absent + recipe.groups + recipe.phrases and "phrases" in self.pools:
            at, number = self._drawn_fitting(lambda: self._drawn_from("phrases", rng), size)
            return self._plain(rng, size, at, number, whole=True, human=True)
        if drawn > 1 - recipe.remade and self.sentences:
            return self._remade(rng, size)
        if recipe.dressed and self.deserted and self.wardrobe and rng.random() < recipe.dressed:
            return self._dressed(rng, size)
        if recipe.dyed and rng.random() < recipe.dyed:
            return self._dyed(rng, size)
        if rng.random() < recipe.pasted and self.backgrounds and self.donors:
            return self._pasted(rng, size)
        whole = rng.random() < recipe.whole
        at, number = self._drawn_fitting(lambda: self._target(rng), size) if whole else self._target(rng)
        described = bool(self.photos[at].annotations[number].get("expressions"))
        human = described and rng.random() < recipe.human
        return self._plain(rng, size, at, number, whole=whole or human, human=human)

    def _plain(
        self, rng: np.random.Generator, size: tuple[int, int], at: int, number: int, *, whole: bool, human: bool
    ) -> Drawn | None:
        """A thing of a photo, cropped around it or whole; human: in the words that people wrote of it, if it fits."""
        photo = self.photos[at]
        annotation = photo.annotations[number]
        scene, numbers = self._cut(photo, annotation["bbox"], rng, size, whole=whole)
        if number not in numbers:
            return None
        index = numbers.index(number)
        describer = Describer(scene, rng)
        made = describer.of(index)
        if human:
            made = [one for one in made if one.kind == "human"] or made
        return Drawn(scene, made)

    def _told(self, rng: np.random.Generator, size: tuple[int, int]) -> Drawn | None:
        """A thing in its whole photo, in words that somebody wrote of it; or these words where nothing of it is."""
        at, line = self._drawn_fitting(lambda: self._line(rng), size)
        _, number, text = self.said[line]
        photo, meant = self.photos[at], self.photos[at].annotations[number]
        elsewhere = self.lacking.get(meant["category"], [])
        if elsewhere and _names_its_kind(text, meant["category"]) and rng.random() < self.recipe.denied:
            scene, _ = self._cut(self.photos[self._fitting_one(elsewhere, rng, size)], None, rng, size, whole=True)
            denied = meant["category"] in Describer(scene, rng).away()
            return Drawn(scene, [Made(text, "absent", ())] if denied else [])
        annotations = list(photo.annotations)
        annotations[number] = {**meant, "expressions": [text]}
        others = [other for other in self.lines[at] if self.said[other][1] != number] if self.recipe.paired else []
        other = None
        if others:
            _, other, text = self.said[others[int(rng.integers(len(others)))]]
            annotations[other] = {**annotations[other], "expressions": [text]}
        scene, numbers = self._cut(replace(photo, annotations=tuple(annotations)), meant["bbox"], rng, size, whole=True)

        def said_of(one: int | None) -> list[Made]:
            if one not in numbers:
                return []
            index = numbers.index(one)
            return [Made(phrase, "human", (index,)) for phrase in scene.things[index].phrases]

        return Drawn(scene, said_of(number), said_of(other))

    def _line(self, rng: np.random.Generator) -> tuple[int, int]:
        """The photo of one of `said`, and which one it is."""
        line = int(rng.integers(len(self.said)))
        return self.said[line][0], line

    def _group(self, rng: np.random.Generator, size: tuple[int, int]) -> Drawn | None:
        photo = self.photos[self._fitting_one(self.group_photos, rng, size)]
        scene, _ = self._cut(photo, None, rng, size, whole=bool(photo.groups) or rng.random() < 0.6 or None)
        return Drawn(scene, Describer(scene, rng).groups())

    def _absent(self, rng: np.random.Generator, size: tuple[int, int]) -> Drawn | None:
        photo = self.photos[self._fitting_one(self.deniers, rng, size)]
        scene, _ = self._cut(photo, None, rng, size, whole=rng.random() < 0.6 or None)
        describer = Describer(scene, rng)
        made = self._said_elsewhere(describer.away(), rng, size) if rng.random() < 0.5 else describer.absent()
        return Drawn(scene, [made] if made else [])

    def _said_elsewhere(self, away: list[str], rng: np.random.Generator, size: tuple[int, int]) -> Made | None:
        """What is true of a thing in another photo, one of the categories `away` here: no wording alone tells that an
        expression means nothing."""
        away = [category for category in away if category in self.owners]
        if not away:
            return None
        owners = self.owners[away[int(rng.integers(len(away)))]]
        at, number = owners[int(rng.integers(len(owners)))]
        elsewhere, numbers = self._cut(self.photos[at], self.photos[at].annotations[number]["bbox"], rng, size)
        made = Describer(elsewhere, rng).of(numbers.index(number)) if number in numbers else []
        return Made(choose(made, rng).text, "absent", ()) if made else None

    def _pasted(self, rng: np.random.Generator, size: tuple[int, int]) -> Drawn | None:
        """A scene with objects from other photos on it."""
        at, number = self._drawn_fitting(lambda: self._target(rng), size)
        photo = self.photos[at]
        if not photo.complete and not photo.plain:
            photo, number = self.photos[self._fitting_one(self.backgrounds, rng, size)], None
        like = rng.random() < self.recipe.one_kind
        crowd = like and bool(self.called and self.deserted) and rng.random() < self.recipe.crowds
        if crowd:
            photo, number = self.photos[self._fitting_one(self.deserted, rng, size)], None
        box = photo.annotations[number]["bbox"] if number is not None else None
        scene, numbers = self._cut(photo, box, rng, size)
        kinds = [self._donor_kind(rng)] if like else [self._donor_kind(rng) for _ in range(3)]
        count = int(rng.integers(2, 5)) if like else int(rng.integers(1, 4))
        objects = []
        for turn in range(count):
            kind = kinds[turn % len(kinds)]
            donors = self.called if crowd else self.donors[kind]
            objects.append(self._cut_out(donors[int(rng.integers(len(donors)))], rng))
        before = len(scene.things)
        kept_target = scene.things[numbers.index(number)].category if number in numbers else None
        scene, indices = augment.paste(scene, objects, like=like, rng=rng)
        if not indices:
            return None
        targets = indices if rng.random() < 0.7 or before == 0 else list(range(len(scene.things)))
        if kept_target and targets is not indices:
            targets = [j for j, thing in enumerate(scene.things) if thing.category == kept_target] or targets
        describer = Describer(scene, rng)
        if rng.random() < 0.06:
            return Drawn(scene, describer.groups())
        made = describer.of(int(targets[int(rng.integers(len(targets)))]))
        return Drawn(scene, [one for one in made if one.kind != "human"])

    def _remade(self, rng: np.random.Generator, size: tuple[int, int]) -> Drawn | None:
        """A scene made for a sentence that somebody wrote of another photo; None where chance made none that fits."""
        sentence, matching = self.sentences[int(rng.integers(len(self.sentences)))]
        others = remade.places_of_others(sentence, sentence.box, rng)
        if not others:
            return None
        below = self.lacking[sentence.category]
        scene, _ = self._cut(self.photos[self._fitting_one(below, rng, size)], None, rng, size)
        boxes = [sentence.box, *others]
        order = sorted(range(len(boxes)), key=lambda at: boxes[at][3])  # the nearer over the farther
        donors = [matching, *[self.donors[sentence.category]] * len(others)]
        for _ in range(6 if sentence.colour else 1):
            objects = [self._cut_out(donor[int(rng.integers(len(donor)))], rng) for donor in donors]
            windows = [(objects[at], augment.window_of(objects[at], boxes[at], size)) for at in order]
            made, indices = augment.lay(scene, windows, rng=rng)
            if len(indices) < len(boxes):
                return None
            target = indices[order.index(0)]
            around = [made.things[j].box for j in indices if j != target]
            if not sentence.fits(made.things[target].box, around):
                continue
            if sentence.colour and Describer(made, rng).colour(target) != sentence.colour:
                continue
            text = sentence.text
            if rng.random() < 0.5:
                made, text = augment.mirror(made), swap_sides(text)
            return Drawn(made, [Made(text, "several", (target,))])
        return None

    def _dyed(self, rng: np.random.Generator, size: tuple[int, int]) -> Drawn | None:
        """A scene where a person's clothes, or another thing, and sometimes one of its kind, have another colour."""
        at, number = self._drawn_from("people" if rng.random() < 0.5 else "everyday", rng)
        photo = self.photos[at]
        if photo.annotations[number].get("region") or photo.garments:
            return None
        scene, numbers = self._cut(photo, photo.annotations[number]["bbox"], rng, size)
        if number not in numbers:
            return None
        index = numbers.index(number)
        part = "all" if scene.things[index].category != "person" else "upper" if rng.random() < 0.75 else "lower"
        colours = [str(colour) for colour in rng.permutation(list(recolour.DYES))]
        made = recolour.dyed(scene, index, part, colours[0], rng=rng)
        if made is None:
            return None
        kin = [j for j, t in enumerate(made.things) if j != index and t.category == made.things[index].category]
        if kin and rng.random() < 0.4:
            made = recolour.dyed(made, int(rng.choice(kin)), part, colours[1], rng=rng) or made
        describer = Describer(made, rng)
        if photo.can_deny and rng.random() < self.recipe.other_colour:
            other = describer.in_no_colour(index)
            return Drawn(made, [other] if other else [])
        return Drawn(made, describer.by_colour(index, part, colours[0]))

    def _dressed(self, rng: np.random.Generator, size: tuple[int, int]) -> Drawn | None:
        """People side by side, whole or from the waist up, one of them or a garment meant by what they wear."""
        background, _ = self._cut(self.photos[self._fitting_one(self.deserted, rng, size)], None, rng, size)
        close = rng.random() < 0.35
        people = []
        for _ in range(int(rng.choice([1, 2, 3, 4], p=[0.15, 0.45, 0.3, 0.1]))):
            photo = self.photos[self.wardrobe[int(rng.integers(len(self.wardrobe)))]]
            person = dressed.cut_out(photo, self._pixels(photo), mirrored=rng.random() < 0.5)
            person = dressed.upper_part(person, rng.uniform(0.3, 0.7)) if close else person
            people.append(dressed.in_new_colour(person, rng=rng) if rng.random() < 0.6 else person)
        crowd = dressed.crowd(background, people, close=close, rng=rng)
        if crowd is None:
            return None
        at, dresser, drawn = int(rng.integers(len(people))), Dresser(crowd, rng), rng.random()
        if drawn < 0.12:
            made = dresser.unworn(at)
        elif drawn < 0.28:
            made = dresser.garments(at)
        elif drawn < 0.4:
            made = dresser.describer.of(crowd.people[at])
        else:
            made = dresser.of(at)
        return Drawn(crowd.scene, made)

    # --- parts --------------------------------------------------------------------------------------------------------

    def _target(self, rng: np.random.Generator) -> tuple[int, int]:
        drawn = rng.random()
        name = "people" if drawn < self.recipe.people else "other"
        if self.recipe.people <= drawn < self.recipe.people + self.recipe.everyday:
            name = "everyday"
        return self._drawn_from(name, rng)

    def _drawn_from(self, name: str, rng: np.random.Generator) -> tuple[int, int]:
        """One of a pool, of the first that there is where that one is empty."""
        name = name if name in self.pools else next(iter(self.pools))
        totals = self.totals[name]
        return self.pools[name][int(np.searchsorted(totals, rng.random() * totals[-1], side="right"))]

    def _drawn_fitting(self, draw: Callable[[], tuple[int, int]], size: tuple[int, int]) -> tuple[int, int]:
        """What `draw` gives, (photo, annotation), anew until the whole photo may fill `size`, or TRIES are spent."""
        for _ in range(TRIES):
            at, number = draw()
            if self._fits(self.photos[at], size):
                break
        return at, number

    def _fitting_one(self, photos: list[int], rng: np.random.Generator, size: tuple[int, int]) -> int:
        return self._drawn_fitting(lambda: (photos[int(rng.integers(len(photos)))], 0), size)[0]

    def _donor_kind(self, rng: np.random.Generator) -> str:
        if rng.random() < 0.25 and "person" in self.donors:
            return "person"
        return self.donor_names[int(np.searchsorted(self.donor_totals, rng.random() * self.donor_totals[-1]))]

    def _donors_of(self, sentence: Sentence) -> list[tuple[int, int]]:
        """Objects that may be what the sentence means."""
        if not sentence.called:
            return self.donors.get(sentence.category, [])
        phrases = [self.photos[at].annotations[number]["expressions"] for at, number in self.called]
        return [donor for donor, of in zip(self.called, phrases, strict=True) if sentence.called & set(called_in(of))]

    def _cut_out(self, donor: tuple[int, int], rng: np.random.Generator) -> CutOut:
        photo = self.photos[donor[0]]
        return augment.cut_out(photo, self._pixels(photo), donor[1], mirrored=rng.random() < 0.5)

    def _cut(
        self,
        photo: AnnotatedPhoto,
        box: list[float] | None,
        rng: np.random.Generator,
        size: tuple[int, int],
        *,
        whole: bool | None = None,
    ) -> tuple[Scene, list[int]]:
        """The photo whole or cropped around a box (x, y, w, h), for None by the recipe, at `size`; as augment.cut."""
        H, W = photo.size
        whole = rng.random() < self.recipe.whole if whole is None else whole
        if whole and self._fits(photo, size):
            window = (0, 0, W, H)
        else:
            around = box or [rng.uniform(0, 0.7) * W, rng.uniform(0, 0.7) * H, 0.3 * W, 0.3 * H]
            fitting = augment.fitting(photo, size)
            least, most = (fitting, fitting) if whole else (0.25, min(1.0, fitting * self.recipe.stretched))
            window = augment.window_around(
                photo, around, size=size, least=least, most=most, stretched=self.recipe.stretched, rng=rng
            )
        return augment.cut(photo, self._pixels(photo), window, size=size, mirrored=rng.random() < 0.5)

    def _fits(self, photo: AnnotatedPhoto, size: tuple[int, int]) -> bool:
        """Whether the whole photo may fill `size`."""
        return augment.fitting(photo, size) * self.recipe.stretched >= 1

    def _pixels(self, photo: AnnotatedPhoto) -> np.ndarray:
        if photo.id in self._cache:
            self._cache.move_to_end(photo.id)
            return self._cache[photo.id]
        try:
            pixels = coco.pixels(photo)
            if pixels.shape[:2] != photo.size:
                raise PhotoError(f"{photo.file} is {pixels.shape[:2]}, its annotation says {photo.size}.")
        except PhotoError as error:
            self.broken.note(self._places[photo.id], error)
            raise
        self._cache[photo.id] = pixels
        if len(self._cache) > CACHED_PHOTOS:
            self._cache.popitem(last=False)
        return pixels

    def _finished(self, drawn: Drawn, rng: np.random.Generator, *, pair: bool) -> list[dict[str, Any]]:
        """The sample of what was drawn, if it makes one; pair: and another of the same picture, if there is one."""
        if not drawn.made:
            return []
        said = [choose(drawn.made, rng)]
        if (mask := self._mask(drawn.scene, said[0])) is None:
            return []
        masks = [mask]
        other = self._another(drawn, said[0], rng) if pair else None
        if other and (mask := self._mask(drawn.scene, other)) is not None:
            said, masks = [*said, other], [*masks, mask]
        picture = augment.light(drawn.scene.photo, rng, keeps_colours=any(has_colour(one.text) for one in said))
        if rng.random() < self.recipe.masked_patches:
            picture = augment.mask_patches(picture, rng, share=float(rng.uniform(0.05, 0.25)))
        texts = [typed(one.text, rng) if rng.random() < self.recipe.typing_errors else one.text for one in said]
        return [
            {"photo": picture, "mask": mask, "text": text, "kind": one.kind}
            for one, text, mask in zip(said, texts, masks, strict=True)
        ]

    @staticmethod
    def _mask(scene: Scene, one: Made) -> np.ndarray | None:
        """What an expression means, uint8 H×W; None where so little of it shows that nothing is to be learnt."""
        mask = np.zeros(scene.photo.shape[:2], dtype=bool)
        for index in one.targets:
            mask |= scene.things[index].mask
        return None if one.targets and mask.mean() < SMALLEST else mask.astype(np.uint8)

    @staticmethod
    def _another(drawn: Drawn, first: Made, rng: np.random.Generator) -> Made | None:
        """An expression for something else in the scene, rather of the same kind. People's words stay with photos as
        they were, so but for what was said of this very photo they are left out."""
        if drawn.also:
            return choose(drawn.also, rng)
        things = drawn.scene.things
        meant = {things[index].category for index in first.targets}
        left = [j for j, thing in enumerate(things) if j not in first.targets and thing.area >= SMALLEST]
        kin = [j for j in left if things[j].category in meant]
        describer = Describer(drawn.scene, rng)
        for j in rng.permutation(kin if kin and rng.random() < KIN else left)[:3]:
            made = [one for one in describer.of(int(j)) if one.kind != "human" and one.targets != first.targets]
            if made:
                return choose(made, rng)
        return None


def _names_its_kind(text: str, category: str) -> bool:
    """Whether a sentence says what it speaks of: "far right" may be said of anything."""
    words = set(text.lower().split())
    return bool(words & (PEOPLE if category == "person" else {name.split()[-1] for name in names(category)}))


def typed(text: str, rng: np.random.Generator) -> str:
    """`text` with one typing error: a letter left out, doubled, or swapped with the next."""
    at = int(rng.integers(max(1, len(text) - 1)))
    if not text[at : at + 2].isalpha():
        return text
    way = int(rng.integers(3))
    if way == 0:
        return text[:at] + text[at + 1 :]
    if way == 1:
        return text[:at] + text[at] + text[at:]
    return text[:at] + text[at + 1 : at + 2] + text[at] + text[at + 2 :]
