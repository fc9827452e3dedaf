"""What people call the categories of annotated photos.

SYNONYMS: per category the words for one instance, the most usual first; a category not listed is called by its name.
KINDS: hypernyms, usable where no other annotated thing falls under them and all their members are known.
"""

from __future__ import annotations

_TABLE = """
person: person
pedestrian: pedestrian, person, person walking
cyclist: cyclist, person on a bike, bike rider
bicycle: bicycle, bike
motorcycle: motorcycle, motorbike, bike
airplane: airplane, plane, aeroplane, jet
car: car, car, vehicle, auto
bus: bus
train: train
truck: truck, lorry
fire truck: fire truck, fire engine
auto rickshaw: auto rickshaw, rickshaw, tuk tuk
boat: boat, ship
sailing ship: sailing ship, sailboat, ship
traffic light: traffic light, stop light, signal
traffic sign: traffic sign, sign, road sign
fire hydrant: fire hydrant, hydrant
stop sign: stop sign, sign
parking meter: parking meter, meter
bench: bench, seat
bird: bird
cat: cat, cat, kitty
dog: dog, dog, puppy
horse: horse
sheep: sheep, lamb
cow: cow
elephant: elephant
bear: bear
zebra: zebra
giraffe: giraffe
monkey: monkey, ape
deer: deer
turtle: turtle, tortoise
tiger: tiger
hen: hen, chicken
chick: chick, baby chicken
backpack: backpack, bag, rucksack
umbrella: umbrella, parasol
handbag: handbag, bag, purse
purse: purse, bag, handbag
bag: bag
tie: tie, necktie
suitcase: suitcase, luggage, bag
frisbee: frisbee, disc
skis: skis, ski
snowboard: snowboard, board
sports ball: ball
soccer ball: soccer ball, football, ball
kite: kite
baseball bat: baseball bat, bat
baseball glove: baseball glove, glove, mitt
skateboard: skateboard, board
surfboard: surfboard, board
tennis racket: tennis racket, racket, racquet
bottle: bottle
wine glass: wine glass, glass
cup: cup, mug, glass
mug: mug, cup
fork: fork
knife: knife
spoon: spoon
spatula: spatula, turner
bowl: bowl, dish
banana: banana, bananas
apple: apple
sandwich: sandwich
orange: orange
broccoli: broccoli
carrot: carrot
hot dog: hot dog, hotdog
pizza: pizza
donut: donut, doughnut
cake: cake, piece of cake
chair: chair, chair, seat
office chair: office chair, desk chair, chair
couch: couch, sofa
potted plant: potted plant, plant
bed: bed
dining table: table, dining table, table top
table: table
toilet: toilet
tv: tv, television, screen, monitor
laptop: laptop, computer, notebook
mouse: mouse, computer mouse
remote: remote, remote control, controller
keyboard: keyboard
cell phone: cell phone, phone, mobile phone
microwave: microwave, microwave oven
oven: oven, stove
toaster: toaster
sink: sink, basin
refrigerator: refrigerator, fridge
book: book
clock: clock
vase: vase
scissors: scissors, pair of scissors
teddy bear: teddy bear, teddy, stuffed animal, stuffed bear
hair drier: hair dryer, hair drier, blow dryer
toothbrush: toothbrush, brush
sunglasses: sunglasses, shades, glasses
glasses: glasses, eyeglasses, spectacles
t-shirt: t-shirt, tshirt, tee, shirt
pants: pants, trousers
jeans: jeans, pants
shoes: shoes, footwear
pair of shoes: pair of shoes, shoes
sneakers: sneakers, shoes
boots: boots, shoes
heels: heels, high heels, shoes
sandals: sandals, shoes
jumper: jumper, sweater
sweater: sweater, pullover
coat: coat
jacket: jacket
blazer: blazer, jacket
dress: dress
stockings: stockings, tights
tights: tights
hat: hat
hair: hair
skin: skin, bare skin
hard hat: hard hat, helmet, construction helmet
safety vest: safety vest, vest, high-vis vest
earmuffs: earmuffs, ear protection
vegetation: vegetation, greenery, plants
pavement: pavement, sidewalk
sidewalk: sidewalk, pavement
road: road, street
street: street, road
building: building
facade: facade, building, front of the building
balcony railing: balcony railing, balcony, railing
sea: sea, ocean, water
river: river, water
water: water
dirt: dirt, ground, soil
playing field: playing field, field
grass: grass, lawn
tree: tree
sky: sky
wall: wall
floor: floor, ground
rug: rug, carpet
curtain: curtain, drapes
mandarin: mandarin, tangerine, orange
mountain: mountain, mountains, hill
frying pan: frying pan, pan, skillet
trash can: trash can, garbage can, bin
picture frame: picture frame, frame, picture
adjustable wrench: adjustable wrench, wrench, spanner
wrench: wrench, spanner
needle-nose pliers: needle-nose pliers, pliers
water pump pliers: water pump pliers, pliers
cutting pliers: cutting pliers, pliers, cutters
tape measure: tape measure, measuring tape
vehicle: vehicle
light: light, lamp
shop: shop, store
soccer player: soccer player, player
cartoon cat: cartoon cat
cougar face: cougar face, head of the cougar
flamingo head: flamingo head, head of the flamingo
crocodile head: crocodile head, head of the crocodile
bass fish: bass, fish
buddha statue: buddha, buddha statue, statue
inline skate: inline skate, roller blade, skate
grand piano: grand piano, piano
euphonium: euphonium, brass instrument
electric guitar: electric guitar, guitar
mayfly: mayfly, insect
sea horse: sea horse, seahorse
water lily: water lily, flower
wild cat: wild cat, cat
dalmatian: dalmatian, dog, spotted dog
pigeon: pigeon, bird
rooster: rooster, cock
nautilus shell: nautilus, shell
object: thing, object, main thing, main object
"""

SYNONYMS: dict[str, tuple[str, ...]] = {}
for _line in _TABLE.strip().splitlines():
    _category, _words = _line.split(": ", 1)
    SYNONYMS[_category] = tuple(word.strip() for word in _words.split(","))

KINDS: dict[str, tuple[str, ...]] = {
    "animal": (
        "bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, monkey, deer, turtle, tiger, otter"
    ).split(", "),
    "vehicle": "bicycle, motorcycle, airplane, bus, train, truck, boat, car".split(", "),
    "fruit": "banana, apple, orange".split(", "),
    "food": "banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake".split(", "),
    "piece of furniture": "chair, couch, bed, dining table".split(", "),
}

# Names that can mean things of another category too: a photo with both may use neither for "the only one".
SHARED: dict[str, set[str]] = {}
for _category, _words in SYNONYMS.items():
    for _word in _words:
        SHARED.setdefault(_word, set()).add(_category)
for _category in list(SHARED):
    SHARED[_category].add(_category)

# Worn or carried things whose category name is a plural or a mass: no "a", no "one".
PLURALS = set(
    "skis scissors pants jeans shorts shoes boots heels sandals sneakers sunglasses glasses stockings tights leggings "
    "socks gloves loafers pumps flats wedges earmuffs headphones binoculars vegetables stairs pliers bananas trousers "
    "footwear shades eyeglasses spectacles plants mountains drapes cutters greenery hair skin water grass sky sand "
    "snow vegetation dirt gravel rice food smoke fire broccoli fruit meat paper luggage furniture soil lawn sea".split()
)
HELD = set(
    "umbrella, handbag, backpack, suitcase, frisbee, sports ball, kite, baseball bat, baseball glove, skateboard, "
    "surfboard, snowboard, skis, tennis racket, bottle, wine glass, cup, cell phone, book, teddy bear, remote, banana, "
    "apple, sandwich, hot dog, pizza, donut, cake, laptop, tie, knife, fork, spoon, toothbrush".split(", ")
)
RIDDEN = set(
    "bicycle, motorcycle, horse, elephant, skateboard, surfboard, snowboard, skis, bench, couch, chair, bed, "
    "boat".split(", ")
)
# What stands on the ground, so that lower in the photo means nearer.
STANDING = set(
    "person, pedestrian, cyclist, dog, cat, horse, sheep, cow, elephant, bear, zebra, giraffe, deer, monkey, tiger, "
    "bird, car, vehicle, bus, truck, motorcycle, bicycle, chair, couch, bench, suitcase, table, bottle, cup, vase, "
    "bowl, mug".split(", ")
)


def plural(name: str) -> str:
    """The plural of a name; a mass or plural stays as it is."""
    irregular = {"person": "people", "knife": "knives", "sheep": "sheep", "deer": "deer"}
    irregular |= {"mouse": "mice", "fish": "fish", "scissors": "scissors", "skis": "skis"}
    irregular |= {"man": "men", "woman": "women", "child": "children", "leaf": "leaves", "loaf": "loaves"}
    if name in irregular:
        return irregular[name]
    if name in PLURALS or name.split()[-1] in PLURALS:
        return name
    if name.endswith(("s", "sh", "ch", "x")):
        return name + "es"
    if name.endswith("y") and name[-2] not in "aeiou":
        return name[:-1] + "ies"
    return name + "s"


def is_plural(name: str) -> bool:
    return name in PLURALS or name.split()[-1] in PLURALS


def with_article(word: str) -> str:
    """ "a coat", "an umbrella"; a plural as it is."""
    if is_plural(word):
        return word
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def names(category: str) -> tuple[str, ...]:
    """The words for one instance of `category`."""
    return SYNONYMS.get(category, (category,))


# What people call a person, by what can be seen: a word under two heads fits both.
SEXES = {
    "male": set("man guy boy gentleman dude male groom".split()),
    "female": set("woman lady girl female bride".split()),
}
YOUNG = set("boy girl kid child baby toddler".split())
GROWN = set("man woman guy lady gentleman".split())
