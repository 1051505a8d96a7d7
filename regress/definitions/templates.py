"""The templates of task definitions, rendered in a sandbox: what lm-eval renders, without lm-eval."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from regress.errors import TaskError

if TYPE_CHECKING:
    from jinja2 import Template

Item = Mapping[str, Any]


def render(template: str, item: Item) -> str:
    """What a template says of an item; a template that is the name of a field says its value.

    Raises:
        TaskError: If it is no template, or names a field that the item lacks.

    >>> render("Question: {{question}}\\nAnswer:", {"question": "2 + 2?"})
    'Question: 2 + 2?\\nAnswer:'
    >>> render("label", {"label": 1})
    '1'
    """
    if template in item:
        return str(item[template])
    from jinja2 import TemplateError

    try:
        return _compiled(template).render(**item)
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise TaskError(
            f"the template {template!r} cannot be filled in: {error}",
            do=f"The item has the fields {', '.join(map(str, item)) or 'none'}.",
        ) from None


def literal(text: str) -> Any:
    """The Python literal that a template wrote out (a list of choices, a number), else the text.

    >>> literal("['a', 'b']"), literal("1"), literal("a [b]")
    (['a', 'b'], 1, 'a [b]')
    """
    try:
        return ast.literal_eval(text) if text[:1] in "['(\"-0123456789" and text else text
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def choices(declared: str | Sequence[str], item: Item) -> tuple[str, ...] | None:
    """The choices of an item: those declared for all, or what a template or field says; null if neither.

    >>> choices("{{[sol1, sol2]}}", {"sol1": "a", "sol2": "b"})
    ('a', 'b')
    """
    if not isinstance(declared, str):
        return tuple(map(str, declared))
    found = item[declared] if declared in item else literal(render(declared, item))
    return tuple(map(str, found)) if isinstance(found, (list, tuple)) else None


@cache
def _compiled(source: str) -> Template:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters["regex_replace"] = _regex_replace
    compiled = environment.from_string(source)
    compiled.globals = dict(compiled.globals)  # as jinja's chain they take longer than most templates
    return compiled


def _regex_replace(text: str, pattern: str, replacement: str, count: int = 0) -> str:
    return re.sub(pattern, replacement, text, count=count)
