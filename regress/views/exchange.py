"""What was imported, exported or judged again, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regress.views.listing import wrap
from regress.views.numbers import count, number, plural
from regress.views.settings import name
from regress.views.untrusted import visible


def imported_lines(one: Mapping[str, Any], *, width: int = 80) -> str:
    """One imported run: what it is, what it says, where it lies, and what was guessed."""
    unreadable = f", {count(one['unreadable'])} unreadable" if one["unreadable"] else ""
    head = f"{name(one['model'])} · {name(one['task'])}: {plural(one['n'], 'answer')}{unreadable}"
    return "\n".join(
        [
            *wrap(head, width),
            f"  {name(one['metric'])} {number(one['value'], 'level', one['scale'])}",
            f"  {visible(one['path'])}",
            *(f"  {line}" for text in one["remarks"] for line in wrap(visible(text), width - 2)),
        ]
    )


def rescored_lines(one: Mapping[str, Any], *, width: int = 80) -> str:
    """One run judged again: a change of harness, since the model's outputs are the same."""
    head = f"{name(one['model'])} · {name(one['task'])}, the same {plural(one['n'], 'output')} judged again"
    if not one["changed"]:
        return "\n".join([*wrap(f"{head}: nothing changes.", width), f"  {visible(one['path'])}"])
    old, new = (number(one[side], "level", one["scale"]) for side in ("old", "new"))
    words = ("right", "wrong") if one["scale"] == "binary" else ("higher", "lower")
    parts = (
        f"{head}: {name(one['metric'])} {old} → {new}. By the change of harness alone",
        f"{count(one['gained'])} became {words[0]} and {count(one['lost'])} {words[1]};",
        f"something else was read in {count(one['reread'])};",
        f"unreadable {count(one['old_unreadable'])} → {count(one['new_unreadable'])}.",
    )
    told = " ".join(parts)
    return "\n".join([*wrap(told, width), f"  {visible(one['path'])}"])
