"""Only the tests here are collected; the rest is run by hand, and importing it takes seconds."""

from pathlib import Path

collect_ignore = [path.name for path in Path(__file__).parent.glob("*.py") if path.stem[:5] != "test_"]
