"""Which items belong together, as a definition's `metadata` says: `{cluster: …, tags: […]}`.

A cluster is named by a field or template; tags by a list of fields, or by name with a field or template.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regress.definitions import templates
from regress.errors import TaskError


def cluster(metadata: Mapping[str, Any], item: templates.Item) -> str | None:
    """What an item was sampled together with; null where that is blank or nothing is declared.

    Raises:
        TaskError: If it is declared in a way that cannot be read.

    >>> cluster({"cluster": "goal"}, {"goal": "open a jar"}), cluster({}, {"goal": "open a jar"})
    ('open a jar', None)
    """
    return _value(metadata["cluster"], item) if "cluster" in metadata else None


def tags(metadata: Mapping[str, Any], item: templates.Item) -> dict[str, str]:
    """The fixed strata of an item, without those that are blank.

    Raises:
        TaskError: If they are declared in a way that cannot be read.

    >>> tags({"tags": {"topic": "{{subject | lower}}", "level": "grade"}}, {"subject": "Law", "grade": ""})
    {'topic': 'law'}
    """
    declared = metadata.get("tags", {})
    if isinstance(declared, list):
        declared = {name: name for name in declared}
    if not isinstance(declared, Mapping):
        raise TaskError(f"`metadata: tags` is {declared!r}", allowed="a list of fields, or name: field")
    values = {str(name): _value(field, item) for name, field in declared.items()}
    return {name: value for name, value in values.items() if value is not None}


def _value(field: Any, item: templates.Item) -> str | None:
    if not isinstance(field, str):
        raise TaskError(f"`metadata` names the field {field!r}", allowed="a field or a template, as text")
    value = templates.render(field, item) if "{{" in field or "{%" in field else item.get(field)
    return None if value is None or not str(value).strip() else str(value)
