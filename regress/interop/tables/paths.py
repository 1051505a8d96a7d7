"""Names that reach into objects: `6b_finetuning.solution`, unless a column bears that very name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Tree = dict[str, Any]
"""Names of columns; under each the names of its fields."""

DEEPEST = 8
"""Objects in objects are looked into so far."""


def tree_of(row: Mapping[str, Any]) -> Tree:
    """The names in one object.

    >>> tree_of({"a": {"b": 1}, "c": 2})
    {'a': {'b': {}}, 'c': {}}
    """
    tree: Tree = {}
    grow(tree, row)
    return tree


def grow(tree: Tree, row: Mapping[str, Any], depth: int = DEEPEST) -> None:
    """Add the names in another object."""
    for name, value in row.items():
        fields = tree.setdefault(name, {})
        if isinstance(value, dict) and depth:
            grow(fields, value, depth - 1)


def path_to(tree: Tree, column: str) -> tuple[str, ...] | None:
    """The names to follow, outermost first, the longest that is there; null if there is no such path.

    >>> path_to({"a": {"b.c": {}}}, "a.b.c"), path_to({"a": {"b": {}}, "a.b": {}}, "a.b")
    (('a', 'b.c'), ('a.b',))
    """
    if column in tree:
        return (column,)
    for place in range(len(column) - 1, 0, -1):
        if column[place] == "." and column[:place] in tree:
            rest = path_to(tree[column[:place]], column[place + 1 :])
            if rest is not None:
                return (column[:place], *rest)
    return None


def dotted(tree: Tree) -> list[str]:
    """Every column that has no fields, and every path to a field that has none.

    >>> dotted({"a": {"b": {}}, "c": {}})
    ['a.b', 'c']
    """
    names = []
    for name, fields in tree.items():
        names += [f"{name}.{one}" for one in dotted(fields)] if fields else [name]
    return names


def getter(path: Sequence[str]) -> Callable[[Mapping[str, Any]], Any]:
    """What takes the value at the end of a path out of a row; null where the path ends early."""
    if len(path) == 1:
        name = path[0]
        return lambda row: row.get(name)

    def reach(row: Any) -> Any:
        for name in path:
            row = row.get(name) if isinstance(row, dict) else None
        return row

    return reach
