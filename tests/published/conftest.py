"""Only tests and examples are collected; the rest is run by hand, and importing it takes seconds."""

from pathlib import Path

_COLLECTED = ("test_stories.py", "printed.py")
collect_ignore = [path.name for path in Path(__file__).parent.glob("*.py") if path.name not in _COLLECTED]
