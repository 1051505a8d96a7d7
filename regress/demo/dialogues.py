"""Short chats with a one-line summary, in the form of SAMSum, in a plain and in a chatty style.

What the chat settles is often not what was said first: days move, things are refused. Each topic
has a usual summary and another one, so that even a perfect model is not at 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from random import Random

from regress.demo.words import DAYS, Person, other, two_people

Item = dict[str, str]
Chat = list[tuple[Person, str]]
Topic = Callable[[Random, Person, Person], tuple[Chat, list[str]]]
"""Draws a chat between two people and its two right summaries, the usual one first."""

_PLACES = (
    "the cafe", "the park", "the station", "the library", "the cinema", "the pool", "the museum", "the gym",
)  # fmt: skip
_FOODS = (
    "bread", "milk", "cheese", "apples", "rice", "butter",
    "tomatoes", "coffee", "pasta", "salad", "cake", "juice",
)  # fmt: skip
_THINGS = ("bike", "tent", "camera", "drill", "ladder", "guitar", "suitcase", "umbrella", "charger", "notes")
_SPOTS = ("in the kitchen", "under the sofa", "in the car", "on the desk", "by the door", "in the bathroom")
_REASONS = (
    "the bus is late", "the car broke down", "there is a traffic jam", "the meeting is long",
    "the train stopped",
)  # fmt: skip
_USUAL = 0.8
"""Share of chats that have the first, usual summary of their topic."""
_HOURS = tuple(str(hour) for hour in range(1, 10))


def _meet(rng: Random, a: Person, b: Person) -> tuple[Chat, list[str]]:
    day, place, hour = rng.choice(DAYS), rng.choice(_PLACES), rng.choice(_HOURS)
    lines = [
        (a, f"Are you free on {day}?"),
        (b, rng.choice(["Yes, I am.", "Sure, why?", "I think so."])),
        (a, f"Let's meet at {place} at {hour}."),
        (b, rng.choice(["Great, see you there.", "Good idea!", "Perfect."])),
    ]
    return lines, [
        f"{a.name} and {b.name} will meet at {place} on {day} at {hour}.",
        f"{a.name} will meet {b.name} on {day} at {hour} at {place}.",
    ]


def _move(rng: Random, a: Person, b: Person) -> tuple[Chat, list[str]]:
    day, place = rng.choice(DAYS), rng.choice(_PLACES)
    later = other(rng, DAYS, day)
    lines = [
        (a, f"Shall we go to {place} on {day}?"),
        (b, rng.choice([f"Sorry, {day} is bad.", "I can't, I have to work."])),
        (b, f"How about {later}?"),
        (a, rng.choice(["That works too.", f"{later} is fine.", "OK!"])),
    ]
    return lines, [
        f"{a.name} and {b.name} will go to {place} on {later}.",
        f"{b.name} can't go to {place} on {day}, so they will go on {later}.",
    ]


def _borrow(rng: Random, a: Person, b: Person) -> tuple[Chat, list[str]]:
    thing, day = rng.choice(_THINGS), rng.choice(DAYS)
    lines = [(a, f"Can I borrow your {thing}?")]
    if rng.random() < 0.5:
        lines += [
            (b, "Of course. When do you need it?"),
            (a, f"On {day}."),
            (b, rng.choice(["I will bring it.", "No problem."])),
        ]
        return lines, [
            f"{b.name} will lend {a.name} a {thing} on {day}.",
            f"{a.name} will borrow {b.name}'s {thing} on {day}.",
        ]
    lines += [
        (b, rng.choice(["Sorry, it is broken.", "Sorry, I sold it."])),
        (a, "Too bad."),
        (b, f"You can ask me again on {day}."),
    ]
    return lines, [
        f"{a.name} can't borrow {b.name}'s {thing}.",
        f"{b.name} can't lend {a.name} a {thing}.",
    ]


def _shop(rng: Random, a: Person, b: Person) -> tuple[Chat, list[str]]:
    first, second, third = rng.sample(_FOODS, 3)
    lines = [
        (a, rng.choice(["I am at the shop. Do we need anything?", "I am going shopping. What do you want?"])),
        (b, f"We need {first} and {second}."),
        (a, f"What about {third}?"),
    ]
    if rng.random() < 0.5:
        lines += [(b, "Yes, please.")]
        return lines, [
            f"{a.name} will buy {first}, {second} and {third}.",
            f"{b.name} asks {a.name} to buy {first}, {second} and {third}.",
        ]
    lines += [(b, rng.choice(["No, we have enough.", "No, thanks."]))]
    return lines, [
        f"{a.name} will buy {first} and {second}.",
        f"{b.name} asks {a.name} to buy {first} and {second}.",
    ]


def _late(rng: Random, a: Person, b: Person) -> tuple[Chat, list[str]]:
    reason, place, hour = rng.choice(_REASONS), rng.choice(_PLACES), rng.choice(_HOURS)
    lines = [
        (a, f"I am at {place}. Where are you?"),
        (b, f"Sorry, {reason}."),
        (a, "When will you be here?"),
        (b, rng.choice([f"At {hour}, I hope.", f"Around {hour}."])),
    ]
    return lines, [
        f"{b.name} will be late because {reason}.",
        f"{a.name} is waiting at {place}. {b.name} will come at {hour}.",
    ]


def _lost(rng: Random, a: Person, b: Person) -> tuple[Chat, list[str]]:
    thing, spot = rng.choice(_THINGS), rng.choice(_SPOTS)
    wrong = other(rng, _SPOTS, spot)
    lines = [
        (a, f"Have you seen my {thing}?"),
        (b, f"Maybe {wrong}?"),
        (a, rng.choice(["I looked there.", "No, it is not there."])),
        (b, f"Then look {spot}."),
        (a, rng.choice(["Found it, thanks!", "You are right, it is here!"])),
    ]
    return lines, [f"{a.name} found the {thing} {spot}.", f"{a.name}'s {thing} was {spot}."]


_TOPICS: Mapping[str, Topic] = {
    "meet": _meet, "move": _move, "borrow": _borrow, "shop": _shop, "late": _late, "lost": _lost,
}  # fmt: skip

_SLANG = (
    ("Are you", "r u"), ("I am", "im"), ("you", "u"), ("Sorry", "sry"), ("please", "pls"), ("thanks", "thx"),
    ("Yes", "yep"), ("No,", "nope,"), ("Great", "gr8"), ("OK", "k"), ("Can I", "can i"), ("When", "when"),
)  # fmt: skip
_ENDS = ("", " :)", " lol", " haha", " xx", " ;)")
_FILLERS = ("hey!", "hi :)", "<file_photo>", "hmm", "wait a sec", "lol", "omg")


def _chatty(rng: Random, lines: Chat) -> Chat:
    """The same chat as people type it: abbreviations, smileys, lines that say nothing."""
    talk: Chat = []
    for person, line in lines:
        for plain, slang in _SLANG:
            line = line.replace(plain, slang)
        if rng.random() < 0.35:
            talk.append((person, rng.choice(_FILLERS)))
        talk.append((person, line.rstrip(".") + rng.choice(_ENDS)))
    return talk


def _dialogue(topic: str, chatty: bool, rng: Random) -> Item:
    lines, summaries = _TOPICS[topic](rng, *two_people(rng))
    if chatty:
        lines = _chatty(rng, lines)
    return {
        "dialogue": "\n".join(f"{person.name}: {line}" for person, line in lines),
        "summary": summaries[0] if rng.random() < _USUAL else summaries[1],
    }


FAMILIES: Mapping[str, Callable[[Random], Item]] = {
    **{topic: partial(_dialogue, topic, False) for topic in _TOPICS},
    **{f"{topic}, chatty": partial(_dialogue, topic, True) for topic in _TOPICS},
}
