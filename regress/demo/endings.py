"""Four-way sentence endings in the form of HellaSwag: what does a person do next?

A story is a stretch of a fixed script with one thing in it. The wrong endings are near ones: a step
of the same script that is over or comes too late, the right step with another thing, and a step of
another script.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Any

from regress.demo.words import other

Item = dict[str, Any]

SCRIPTS: Mapping[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "Making an omelette": ("in a kitchen", ("bowl", "pan", "jug"), (
        "puts a {} on the table", "cracks two eggs into the {}", "beats the eggs with a fork",
        "adds salt to the {}", "pours the eggs into hot butter", "folds the omelette over")),
    "Washing a car": ("in a driveway", ("van", "truck", "jeep"), (
        "hoses down the {}", "dips a sponge in soap", "scrubs the roof of the {}",
        "rinses off the foam", "dries the {} with a rag", "waxes the hood")),
    "Painting a fence": ("in a garden", ("brush", "roller", "rag"), (
        "opens a tin of paint", "dips the {} into the tin", "wipes the drips off the {}",
        "covers the first board", "moves the {} up and down", "steps back to look at the fence")),
    "Shaving": ("in a bathroom", ("razor", "blade", "shaver"), (
        "wets the skin", "spreads white foam", "picks up the {}",
        "pulls the {} down the cheek", "rinses the {} in the sink", "pats the face dry")),
    "Playing darts": ("in a bar", ("red dart", "green dart", "black dart"), (
        "walks to the line", "holds up the {}", "aims the {} at the board",
        "throws the {}", "walks over to the board", "writes down the score")),
    "Planting a tree": ("in a field", ("oak", "pine", "maple"), (
        "carries the {} in a pot", "digs a deep hole", "sets the {} into the hole",
        "fills the hole with soil", "ties the {} to a stake", "waters the ground")),
    "Building a snowman": ("in the snow", ("hat", "cap", "scarf"), (
        "rolls a big ball of snow", "puts a smaller ball on top", "takes out a {}",
        "puts the {} on the snowman", "presses a carrot into the face", "takes a picture of it")),
    "Changing a tyre": ("beside a road", ("jack", "lift", "lever"), (
        "takes the {} out of the trunk", "pushes the {} under the car", "raises the car with the {}",
        "removes the flat tyre", "puts on the spare", "lowers the car again")),
    "Making coffee": ("at a counter", ("mug", "cup", "glass"), (
        "grinds some beans", "fills the filter", "places the {} under the spout",
        "switches on the machine", "adds milk to the {}", "sips from the {}")),
    "Wrapping a present": ("at a table", ("book", "doll", "watch"), (
        "lays out shiny paper", "places the {} on the paper", "folds the paper over the {}",
        "tapes the edges down", "ties a bow around the {}", "writes a name on a tag")),
    "Bowling": ("in a bowling hall", ("blue ball", "pink ball", "heavy ball"), (
        "puts on special shoes", "picks up the {}", "swings the {} back",
        "rolls the {} down the lane", "watches the pins fall", "gives a friend a high five")),
    "Fishing": ("on a pier", ("worm", "shrimp", "bug"), (
        "opens a box of bait", "puts a {} on the hook", "casts the {} into the water",
        "waits in a chair", "reels in a fish", "drops the fish in a bucket")),
    "Ironing": ("in a laundry room", ("shirt", "skirt", "dress"), (
        "unfolds the board", "lays the {} on the board", "plugs in the iron",
        "slides the iron over the {}", "turns the {} around", "puts it on a hanger")),
    "Archery": ("on a range", ("long arrow", "short arrow", "yellow arrow"), (
        "lifts the bow", "takes the {} from the quiver", "fits the {} to the string",
        "draws the string back", "lets the {} fly", "lowers the bow")),
    "Making lemonade": ("in a yard", ("pitcher", "bottle", "jar"), (
        "slices six lemons", "squeezes them over the {}", "pours sugar into the {}",
        "fills the {} with water", "stirs with a long spoon", "hands out glasses")),
    "Grooming a dog": ("in a salon", ("poodle", "terrier", "collie"), (
        "lifts the {} into the tub", "sprays the {} with water", "rubs in the shampoo",
        "wraps the {} in a towel", "trims the fur", "gives the {} a treat")),
    "Long jump": ("on a track", ("medal", "flag", "card"), (
        "stretches both legs", "runs down the track", "leaps from the board",
        "lands in the sand", "looks up at the {}", "holds the {} in the air")),
    "Knitting": ("on a couch", ("wool", "yarn", "thread"), (
        "picks a colour of {}", "winds the {} into a ball", "ties the {} to a needle",
        "casts on the stitches", "knits a row", "holds up a small sock")),
    "Baking cookies": ("in a bakery", ("nuts", "raisins", "oats"), (
        "melts some butter", "measures out the {}", "stirs the {} into the dough",
        "shapes little balls", "slides the tray into the oven", "lets the cookies cool")),
    "Putting up a tent": ("in a forest", ("pole", "rod", "stick"), (
        "clears away the leaves", "spreads out the tent", "pushes the {} through the cloth",
        "bends the {} upwards", "hammers in the pegs", "crawls inside")),
}  # fmt: skip

_PEOPLE = (
    ("a man", "he"), ("a woman", "she"), ("a boy", "he"), ("a girl", "she"), ("an old man", "he"),
    ("a young woman", "she"), ("a teenager", "the teenager"), ("a lady", "she"),
)  # fmt: skip
_OPENINGS = ("{} is standing {}.", "{} is seen {}.", "We see {} {}.", "{} is {}.")


def _story(activity: str, rng: Random) -> Item:
    place, things, steps = SCRIPTS[activity]
    thing = rng.choice(things)
    at = rng.randrange(1, len(steps) - 1)
    person, subject = rng.choice(_PEOPLE)
    opening = _upper(rng.choice(_OPENINGS).format(person, place))
    told = [_upper(f"{subject} {step.format(thing)}.") for step in steps[max(0, at - rng.randint(1, 2)) : at]]
    right = steps[at]
    endings = [right.format(thing), *_near_misses(rng, activity, at, thing)]
    order = rng.sample(range(4), 4)
    ctx_a, ctx_b = " ".join([opening, *told]), subject
    return {
        "activity_label": activity,
        "ctx_a": ctx_a,
        "ctx_b": ctx_b,
        "ctx": f"{ctx_a} {ctx_b}",
        "endings": [endings[i] + "." for i in order],
        "label": str(order.index(0)),
    }


def _near_misses(rng: Random, activity: str, at: int, thing: str) -> list[str]:
    """Three wrong endings: a later step, then an earlier step or the wrong thing, then another script."""
    _, things, steps = SCRIPTS[activity]
    later = rng.choice(steps[at + 1 :]).format(thing)
    if "{}" in steps[at]:
        near = steps[at].format(other(rng, things, thing))
    else:
        near = steps[rng.randrange(at)].format(thing)
    _, elsewhere, strange = SCRIPTS[other(rng, list(SCRIPTS), activity)]
    return [later, near, rng.choice(strange).format(rng.choice(elsewhere))]


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


FAMILIES: Mapping[str, Callable[[Random], Item]] = {
    activity: partial(_story, activity) for activity in SCRIPTS
}
