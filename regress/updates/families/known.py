"""The families that steps on the structure can change."""

from __future__ import annotations

from collections.abc import Mapping

from regress.updates.families import gpt2, gpt_neo, gpt_neox, llama, opt
from regress.updates.families.family import Family

FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (*llama.FAMILIES, gpt2.FAMILY, gpt_neo.FAMILY, gpt_neox.FAMILY, opt.FAMILY)
}
"""By transformers' `model_type`."""
