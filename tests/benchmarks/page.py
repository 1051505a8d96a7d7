"""The HTML report of two full HellaSwag runs: its size, first paint, searching, filtering, scrolling."""

from __future__ import annotations

import shutil
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from .figure import Figure
from .measure import ROOT, regress
from .synthetic import Scene, hellaswag_runs, made_up_scenes, real_scenes

HELLASWAG = ROOT.parent / "shared" / "data" / "hellaswag" / "validation.jsonl"
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")

TYPE = """async (typed) => {
  const took = [], search = document.getElementById("search"), order = document.getElementById("order");
  for (const words of typed) {
    const begun = performance.now();
    search.value = words;
    order.dispatchEvent(new Event("change"));  // filters now, without waiting for another letter
    document.getElementById("list").getBoundingClientRect();
    took.push(performance.now() - begun);
  }
  return took;
}"""
"""Milliseconds from each search to the list as it is laid out."""

PRESS = """async () => {
  const took = [];
  for (const chip of document.querySelectorAll("[data-quadrant]:not([hidden])")) {
    const begun = performance.now();
    chip.click();
    document.getElementById("list").getBoundingClientRect();
    took.push(performance.now() - begun);
  }
  return took;
}"""
"""Milliseconds from each press of a quadrant to the list as it is laid out."""

STEP = """async () => {
  const took = [];
  for (let step = 0; step < 50; step += 1) {
    const begun = performance.now();
    document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "j", bubbles: true}));
    document.getElementById("detail").getBoundingClientRect();
    took.push(performance.now() - begun);
  }
  return took;
}"""
"""Milliseconds from each step to the next instance as it is laid out."""

SCROLL = """async () => {
  const list = document.getElementById("list"), took = [];
  let last = await new Promise(requestAnimationFrame);
  for (let step = 0; step < 120; step += 1) {
    list.scrollTop += 1931;
    const now = await new Promise(requestAnimationFrame);
    took.push(now - last);
    last = now;
  }
  return took;
}"""
"""Milliseconds from one frame to the next while the list moves by 33 rows a frame."""

PAINTED = 'performance.getEntriesByName("first-contentful-paint")[0].startTime'
TYPED = ("kitchen", "kitchen with", "the man", "zzz no such words", "")


def page(*, tiny: bool) -> list[Figure]:
    """The page of two full HellaSwag runs, opened in headless Chromium from disk."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        raise SystemExit("no Chromium is installed, so there is nothing to open a page in")
    with tempfile.TemporaryDirectory() as folder:
        runs = hellaswag_runs(Path(folder), _scenes(tiny=tiny))
        spent = regress("report", *map(str, runs), "--out", folder)
        (file,) = Path(folder).glob("*..*/report.html")
        opened = [_measured(path, file) for _ in range(1 if tiny else 5)]
        size = file.stat().st_size
    details = {"instances": opened[0]["instances"], "real items": not tiny and HELLASWAG.is_file()}
    details = {"instances": opened[0]["instances"], "real items": HELLASWAG.is_file() and not tiny}
    return [
        Figure(name="page, size", value=size / 1e6, unit="MB", samples=[size], details=details),
        Figure(name="page, regress report PATH PATH, wall", value=spent.wall, unit="s", samples=[spent.wall]),
        _of(opened, "first contentful paint", "paint", target=2000.0),
        _of(opened, "every instance unpacked and listed", "ready"),
        _of(opened, "first search over all texts", "first search"),
        _of(opened, "slowest later search", "search"),
        _of(opened, "slowest change of quadrants", "quadrants"),
        _of(opened, "slowest step to another instance", "step"),
        _of(opened, "slowest frame while scrolling", "frame"),
    ]


def _of(opened: Sequence[Mapping[str, float]], name: str, what: str, target: float | None = None) -> Figure:
    samples = [one[what] for one in opened]
    value = statistics.median(samples)
    return Figure(name=f"page, {name}", value=value, unit="ms", target=target, samples=samples)


def _scenes(*, tiny: bool) -> list[Scene]:
    """HellaSwag's own items where the folder of real data is there, else as many that are made up."""
    if tiny or not HELLASWAG.is_file():
        return made_up_scenes(200 if tiny else 10_042)
    return real_scenes(HELLASWAG)


def _measured(path: str, file: Path) -> dict[str, float]:
    """What one fresh browser takes, in milliseconds."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        ready = page.evaluate("performance.now()")
        paint = page.evaluate(PAINTED)
        instances = page.locator("#list [role=option]").first.get_attribute("aria-setsize")
        quadrants = page.evaluate(PRESS)
        first, *later = page.evaluate(TYPE, list(TYPED))
        steps, frames = page.evaluate(STEP), page.evaluate(SCROLL)
        assert page.locator(".place").inner_text().startswith(f"{len(steps) + 1} of "), "the keys did nothing"
        browser.close()
    return {
        "instances": float(instances or 0),
        "paint": paint,
        "ready": ready,
        "quadrants": max(quadrants),
        "first search": first,
        "search": max(later),
        "step": max(steps),
        "frame": max(frames),
    }
