"""Two-way questions of everyday physics in the form of PIQA: the tool, the order, the time.

The wrong solution is a near one: a tool that does the same to other things, the same two steps the
other way round, or another length of time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Any

from regress.demo.words import other

Item = dict[str, Any]

TOOLS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "cut": {
        "a bread knife": ("loaf of bread", "cake", "bun"),
        "scissors": ("sheet of paper", "ribbon", "photo"),
        "a saw": ("plank", "log", "branch"),
        "tin snips": ("metal sheet", "tin lid", "piece of wire"),
    },
    "clean": {
        "a wet sponge": ("plate", "pan", "bath tub"),
        "a broom": ("garage floor", "porch", "path"),
        "a soft cloth": ("pair of glasses", "mirror", "phone screen"),
        "a vacuum": ("carpet", "sofa", "car seat"),
    },
    "mend": {
        "clear tape": ("torn page", "torn map", "ripped envelope"),
        "strong glue": ("broken mug", "cracked vase", "chipped plate"),
        "needle and thread": ("torn shirt", "loose button", "ripped sock"),
        "a patch kit": ("flat tyre", "leaky raft", "punctured ball"),
    },
    "dry": {
        "a towel": ("wet dog", "wet hand", "wet bowl"),
        "a clothes line": ("wet shirt", "wet sheet", "wet sock"),
        "a mop": ("wet floor", "flooded hall", "puddle in the kitchen"),
        "a hair dryer": ("wet fringe", "damp wig", "wet beard"),
    },
    "open": {
        "a can opener": ("can of beans", "can of soup", "can of corn"),
        "a corkscrew": ("bottle of wine", "corked jug", "bottle of port"),
        "a key": ("locked door", "padlock", "safe"),
        "a paper knife": ("letter", "sealed envelope", "parcel"),
    },
    "heat": {
        "a kettle": ("cup of water", "pot of tea", "litre of water"),
        "an oven": ("pizza", "pie", "tray of buns"),
        "a toaster": ("slice of bread", "bagel", "waffle"),
        "a saucepan": ("bowl of soup", "can of stew", "sauce"),
    },
    "carry": {
        "a bucket": ("heap of sand", "gallon of water", "load of gravel"),
        "a tray": ("set of cups", "dinner", "row of glasses"),
        "a backpack": ("pile of books", "laptop", "tent"),
        "a leash": ("playful puppy", "strong dog", "curious goat"),
    },
    "measure": {
        "a ruler": ("line on paper", "pencil", "short stick"),
        "a kitchen scale": ("heap of flour", "bag of sugar", "lump of dough"),
        "a thermometer": ("fever", "hot bath", "roast"),
        "a stopwatch": ("sprint", "lap", "race"),
    },
    "remove": {
        "an eraser": ("pencil mark", "pencil sketch", "grey smudge"),
        "tweezers": ("splinter", "thorn", "stray hair"),
        "a plunger": ("clog in the sink", "blocked drain", "clog in the toilet"),
        "a claw hammer": ("bent nail", "rusty nail", "nail in a board"),
    },
    "hang up": {
        "a hook and nail": ("picture", "clock", "calendar"),
        "a coat hanger": ("jacket", "dress", "suit"),
        "a long rope": ("swing", "hammock", "punch bag"),
        "a curtain rod": ("curtain", "shower screen", "drape"),
    },
}

ORDER: tuple[tuple[str, str, str], ...] = (
    ("make tea", "boil the water", "pour it over the leaves"),
    ("paint a wall", "cover the floor", "roll on the paint"),
    ("bake a cake", "mix the batter", "put it in the oven"),
    ("plant a seed", "dig a hole", "cover the seed with soil"),
    ("wash a car", "rinse off the dirt", "wax the paint"),
    ("post a letter", "seal the envelope", "drop it in the box"),
    ("eat a banana", "peel off the skin", "take a bite"),
    ("make toast", "toast the bread", "spread the butter"),
    ("fix a flat tyre", "take off the wheel", "patch the hole"),
    ("iron a shirt", "heat the iron", "press the cloth"),
    ("cook pasta", "boil the pasta", "drain the pot"),
    ("take a photo", "remove the lens cap", "press the button"),
    ("light a fire", "stack the wood", "strike a match"),
    ("fry an egg", "crack the shell", "flip the egg"),
    ("wash your hair", "rub in the shampoo", "rinse out the foam"),
    ("hang a picture", "hammer in a nail", "put the frame on it"),
    ("wrap a gift", "fold the paper", "tie the ribbon"),
    ("make juice", "cut the oranges", "press out the juice"),
    ("sharpen a pencil", "put it in the sharpener", "turn it"),
    ("draw a bath", "put in the plug", "turn on the tap"),
    ("put on boots", "pull on the socks", "tie the laces"),
    ("make a salad", "wash the lettuce", "add the dressing"),
    ("park a car", "stop the car", "take out the key"),
    ("brush your teeth", "put paste on the brush", "spit out the foam"),
)

TIME: tuple[tuple[str, str], ...] = (
    ("boil an egg", "seven minutes"), ("roast a chicken", "two hours"), ("cook rice", "twenty minutes"),
    ("toast a slice of bread", "two minutes"), ("let dough rise", "one hour"), ("blink", "one second"),
    ("steep black tea", "four minutes"), ("let paint dry", "one day"), ("grow cress", "one week"),
    ("grow an apple tree", "five years"), ("charge a phone", "two hours"), ("sneeze", "one second"),
    ("bake a pizza", "ten minutes"), ("sleep well", "eight hours"), ("hatch a chicken egg", "three weeks"),
    ("read a short poem", "one minute"), ("age hard cheese", "one year"), ("grow a beard", "two months"),
    ("brush your teeth", "three minutes"), ("freeze ice cubes", "four hours"),
)  # fmt: skip

_KINDS = ("", "small ", "big ", "new ", "old ", "nice ", "plain ", "cheap ")
_GOALS = ("How do you {}?", "What is the best way to {}?", "How can I {} at home?", "To {},", "{}")
_USES = ("Use {}.", "Take {} and go slowly.", "Get {} and start at one end.", "You will need {}.")
_ORDERS = ("First {}, then {}.", "{} and after that {}.", "Begin with this: {}. Next, {}.")
_TIMES = ("Allow {} for it.", "Plan about {}.", "It takes {}.", "Wait {}.")


def _two(rng: Random, goal: str, right: str, wrong: str) -> Item:
    label = rng.randrange(2)
    first, second = (right, wrong) if label == 0 else (wrong, right)
    goal = rng.choice(_GOALS).format(goal)
    return {"goal": goal[0].upper() + goal[1:], "sol1": first, "sol2": second, "label": label}


def _tool(verb: str, rng: Random) -> Item:
    tools = TOOLS[verb]
    right = rng.choice(list(tools))
    wrong = other(rng, list(tools), right)
    use = rng.choice(_USES)
    goal = f"{verb} a {rng.choice(_KINDS)}{rng.choice(tools[right])}"
    for vowel in "aeiou":
        goal = goal.replace(f" a {vowel}", f" an {vowel}")
    return _two(rng, goal, use.format(right), use.format(wrong))


def _order(rng: Random) -> Item:
    goal, first, second = rng.choice(ORDER)
    form = rng.choice(_ORDERS)
    return _two(rng, goal, _sentence(form, first, second), _sentence(form, second, first))


def _time(rng: Random) -> Item:
    goal, right = rng.choice(TIME)
    unit = right.split()[1].rstrip("s")
    wrong = rng.choice(sorted({time for _, time in TIME if unit not in time}))
    form = rng.choice(_TIMES)
    return _two(rng, goal, form.format(right), form.format(wrong))


def _sentence(form: str, *parts: str) -> str:
    text = form.format(*parts)
    return text[0].upper() + text[1:]


FAMILIES: Mapping[str, Callable[[Random], Item]] = {
    **{verb: partial(_tool, verb) for verb in TOOLS},
    "order": _order,
    "time": _time,
}
