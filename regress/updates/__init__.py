"""Making a new model from an old one: recipes with claims that are checked before anything is kept.

from regress import updates as up

new = up.apply("models/old", [up.grow(mlp="1.5x", heads="+2"), up.insert(every=4)], out="models/new")
new.claim, new.check
up.verify("models/old", "models/made-elsewhere", claim="same")
"""

from __future__ import annotations

import importlib
from typing import Any

_DOOR = "regress.workflows.update"
_HANDED_OUT = ("apply", "plan", "verify")


def __getattr__(name: str) -> Any:
    """Hand out what makes updates, and each verb's class by the verb's name, when it is first asked for."""
    if name in _HANDED_OUT:
        return getattr(importlib.import_module(_DOOR), name)
    from regress.updates.recipe import VERBS, step_class

    if name in VERBS:
        return step_class(name)
    raise AttributeError(f"module 'regress.updates' has no attribute {name!r}")
