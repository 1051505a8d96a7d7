"""The families that steps on the structure can change."""

from __future__ import annotations

from collections.abc import Mapping

from regress.updates.families import llama
from regress.updates.families.family import Family

FAMILIES: Mapping[str, Family] = {family.name: family for family in llama.FAMILIES}
"""By transformers' `model_type`."""
