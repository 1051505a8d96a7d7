"""What recipes can say: read off the verbs' own classes and the sentences under their fields."""

from __future__ import annotations

import ast
import inspect
import textwrap

from regress.changes import Argument, Verb, Vocabulary
from regress.updates.families.known import FAMILIES
from regress.updates.recipe import VERBS, arguments, step_class


def vocabulary() -> Vocabulary:
    """All verbs with their arguments, and the families known."""
    return Vocabulary(verbs=tuple(map(_verb, VERBS)), families=tuple(FAMILIES))


def _verb(name: str) -> Verb:
    cls = step_class(name)
    said = _sentences(cls)
    return Verb(
        name=name,
        meaning=_first_line(inspect.getdoc(cls) or ""),
        arguments=tuple(
            Argument(name=each, kind=kind, default=default, meaning=said.get(each, ""))
            for each, (kind, default) in arguments(name).items()
        ),
    )


def _sentences(cls: type) -> dict[str, str]:
    """The string under each field of a class, in one line."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    if not isinstance(body, ast.ClassDef):
        return {}
    found = {}
    for field, after in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            found[field.target.id] = " ".join(str(after.value.value).replace("`", "").split())
    return found


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0].replace("`", "").rstrip(".")
