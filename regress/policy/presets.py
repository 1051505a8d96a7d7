"""The three presets, written as a policy file would write them.

Published updates of base models lose 8 to 11 % of the HellaSwag and PIQA answers; an NFR limit that
blocks by default would be switched off, so only `strict` has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEFAULT_PRESET = "balanced"
"""What holds where no policy is given."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "strict": {
        "undecided": "block",
        "default": {
            "max_accuracy_drop": 0.01,
            "max_score_drop": 0.01,
            "max_nfr": {"binary": 0.05, "bounded": 0.10, "tau": 0.10},
            "max_unreadable": 0.05,
            "max_truncated": 0.05,
            "minimum_n": 300,
        },
    },
    "balanced": {
        "undecided": "block",
        "default": {
            "max_accuracy_drop": 0.02,
            "max_score_drop": 0.02,
            "max_nfr": {"binary": 0.05, "bounded": 0.20, "tau": 0.10, "tier": "advisory"},
            "max_unreadable": 0.10,
            "max_truncated": 0.10,
            "minimum_n": 200,
        },
    },
    "permissive": {
        "undecided": "warn",
        "default": {
            "max_accuracy_drop": 0.03,
            "max_score_drop": 0.03,
            "max_nfr": {"binary": 0.10, "bounded": 0.30, "tau": 0.10, "tier": "advisory"},
            "max_unreadable": 0.20,
            "max_truncated": 0.20,
            "minimum_n": 100,
        },
    },
}
