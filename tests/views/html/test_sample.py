"""The sample report of the demo pair that is committed, and the pictures of it in the README.

`REGENERATE_SAMPLE=1 pytest tests/views/html/test_sample.py` writes them anew: it evaluates the demo pair
and takes the pictures in the installed Chromium. Look at them before committing.
"""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regress.views.html.page import render

SAMPLE = Path(__file__).resolve().parents[3] / "reports" / "sample"
PAGE = SAMPLE / "report.html"
AGAIN = "the sample is not of today's page: see the docstring of this file"
NOT_ASKED_FOR = os.environ.get("REGENERATE_SAMPLE") != "1"


@pytest.mark.models
@pytest.mark.skipif(NOT_ASKED_FOR, reason="the sample is written anew only with REGENERATE_SAMPLE=1")
def test_the_sample_is_written_anew(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: Callable[..., Any],
    open_page: Callable[..., Any],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REGRESS_STORE", "runs")
    assert command("report", "demo-v1", "demo-v2").code == 0
    SAMPLE.mkdir(exist_ok=True)
    shutil.copyfile("reports/demo-v1..demo-v2/report.html", PAGE)
    text = PAGE.read_text(encoding="utf-8")
    shape = {"viewport": {"width": 1280, "height": 1040}, "color_scheme": "light"}
    page = open_page(text, **shape).page
    page.screenshot(path=SAMPLE / "report.png")
    page.locator(".worst a").first.click()
    page.evaluate("document.getElementById('flips').scrollIntoView()")
    page.screenshot(path=SAMPLE / "flips.png")


def piece(page: str, before: str, after: str) -> str:
    """What stands between two marks of a page."""
    return page.partition(before)[2].partition(after)[0]


def test_the_sample_is_of_todays_page(three_tasks) -> None:
    sample, today = PAGE.read_text(encoding="utf-8"), render(three_tasks)
    for before, after in (("<style>", "</style>"), ("<script>", "</script>"), ("http-equiv=", ">")):
        assert piece(sample, before, after) == piece(today, before, after), AGAIN


def test_the_sample_is_small_and_of_the_demo_pair() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert len(text) < 500_000
    assert "demo-v1 → demo-v2 (demo items, not the benchmarks)" in text
    assert text.count("<svg") >= 10
    for top in ("tmp", "home", "root", "Users"):  # folders of whoever made it
        assert f"/{top}/" not in text


def test_the_sample_opens(open_page: Callable[..., Any]) -> None:
    page = open_page(PAGE.read_text(encoding="utf-8")).page
    lost = int(page.locator("#count").inner_text().split(" of ")[0])
    assert 0 < lost < 1600
    assert "of 1,600 instances" in page.locator("#count").inner_text()


@pytest.mark.parametrize("name", ["report.png", "flips.png"])
def test_the_pictures_are_there_and_small(name: str) -> None:
    raw = (SAMPLE / name).read_bytes()
    assert raw.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", raw[16:24]) == (1280, 1040)
    assert len(raw) < 300_000
