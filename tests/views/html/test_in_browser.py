"""The page in a real browser, opened from disk without a network; errors of any kind fail each test."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from regress.policy.parse import parse
from regress.views.html.page import render

Open = Callable[..., Any]


def rows(page: Any) -> list[str]:
    return page.locator("#list [role=option]").all_inner_texts()


def chosen_id(page: Any) -> str:
    return page.locator("#detail h3").inner_text()


def shown(page: Any) -> str:
    return page.locator("#count").inner_text()


def counts(page: Any, text: str) -> None:
    """Wait until the line above the list says this."""
    page.locator("#count", has_text=text).wait_for()


def press(page: Any, quadrant: str) -> None:
    page.locator(".chip", has_text=quadrant).click()


# ── the list and its filters ─────────────────────────────────────────────────────────────────────


def test_negative_flips_are_what_one_sees_first(open_page: Open, three_tasks) -> None:
    page = open_page(three_tasks).page
    assert shown(page) == "6 of 19 instances"
    assert len(rows(page)) == 6
    assert page.locator("#loading").is_hidden()
    chips = {chip.split(" ", 1)[1] for chip in page.locator(".chip").all_inner_texts()}
    assert chips == {
        "both right 4",
        "positive flip 3",
        "negative flip 6",
        "both wrong, same 2",
        "both wrong, different 2",
        "score unchanged 2",
    }


def test_the_largest_change_comes_first(open_page: Open, three_tasks) -> None:
    page = open_page(three_tasks).page
    page.select_option("#task", label="samsum (5)")
    assert ["−70.0" in rows(page)[0], "−10.0" in rows(page)[1]] == [True, True]
    page.select_option("#order", "index")
    assert chosen_id(page) == "samsum/s0"


@pytest.mark.parametrize(
    ("control", "label", "count"),
    [("#task", "hellaswag (8)", 2), ("#kind", "truncated (1)", 1), ("#slice", "Baking (4)", 1)],
)
def test_each_filter_counts_right(open_page: Open, three_tasks, control: str, label: str, count: int) -> None:
    page = open_page(three_tasks).page
    page.select_option(control, label=label)
    assert shown(page) == f"{count} of 19 instances"
    assert len(rows(page)) == count


def test_quadrants_add_up(open_page: Open, three_tasks) -> None:
    page = open_page(three_tasks).page
    for name, together in (("positive flip", 9), ("both right", 13), ("score unchanged", 15)):
        press(page, name)
        assert shown(page) == f"{together} of 19 instances"
    press(page, "negative flip")
    assert shown(page) == "9 of 19 instances"
    page.click("#reset")
    assert shown(page) == "6 of 19 instances"


@pytest.mark.parametrize(
    ("words", "count"),
    [("WHAT IS 1 + 7", 1), ("so it is 8", 1), ("ending 2 of 1", 1), ("q0", 1), ("baking", 1), ("nowhere", 0)],
)
def test_search_looks_at_everything_whatever_its_case(
    open_page: Open, three_tasks, words: str, count: int
) -> None:
    page = open_page(three_tasks).page
    page.fill("#search", words)
    counts(page, f"{count} of 19 instances")
    assert len(rows(page)) == count
    if not count:
        assert "No instance passes" in page.locator("#detail").inner_text()
        assert page.locator("#copy").is_disabled()


def test_worked_examples_are_not_searched(open_page: Open, three_tasks) -> None:
    """They stand before every question, so that they tell none from another."""
    page = open_page(three_tasks).page
    page.fill("#search", "What is 1 + 1")
    counts(page, "0 of 19 instances")


def test_only_rows_in_sight_are_in_the_page(open_page: Open, compare_runs, chosen) -> None:
    page = open_page(compare_runs(chosen([(i % 4, i % 4, (i + 1) % 4) for i in range(3000)]))).page
    assert shown(page) == "3,000 of 3,000 instances"
    assert len(rows(page)) < 60
    page.evaluate("document.getElementById('list').scrollTop = 1e9")
    page.wait_for_selector("#option-2999")
    assert len(rows(page)) < 60
    assert page.locator("#option-2999").get_attribute("aria-setsize") == "3000"


# ── one instance ─────────────────────────────────────────────────────────────────────────────────


def test_a_generated_answer_is_shown_with_what_changed(open_page: Open, three_tasks) -> None:
    page = open_page(three_tasks, "#gsm8k/q0").page
    detail = page.locator("#detail")
    assert detail.locator("del").all_inner_texts() == ["7.", "7"]
    assert detail.locator("ins").all_inner_texts() == ["8.", "8"]
    text = detail.inner_text()
    for words in ("Question: What is 0 + 7?", "#### 7", "✓ right", "✗ wrong", "stop", "negative flip"):
        assert words in text
    assert "What is 1 + 1" not in text
    detail.locator("summary").click()
    assert "What is 1 + 1" in detail.inner_text()


def test_choices_are_shown_as_bars(open_page: Open, three_tasks) -> None:
    page = open_page(three_tasks, "#hellaswag/h0").page
    choices = page.locator(".choice")
    assert choices.count() == 4
    badges = [choices.nth(place).locator(".badge").all_inner_texts() for place in range(4)]
    assert badges == [["✓ right", "old chose it"], ["new chose it"], [], []]
    widths = page.eval_on_selector_all(".fill", "all => all.map(one => parseFloat(one.style.width))")
    assert widths[:4] == [100.0, 8.0, pytest.approx(69.3, abs=0.1), 100.0]
    assert "−8.000" in choices.nth(0).inner_text()


def test_a_score_is_shown_in_words(open_page: Open, three_tasks) -> None:
    text = open_page(three_tasks, "#samsum/s0").page.locator("#detail").inner_text()
    assert "lower score" in text
    assert re.search(r"judged by rouge1\s+90\.0\s+20\.0", text)


def test_outputs_that_are_the_same_are_shown_once(open_page: Open, three_tasks) -> None:
    page = open_page(three_tasks, "#gsm8k/q3").page
    assert "Output, the same from both" in page.locator("#detail").inner_text()


def test_texts_that_differ_over_too_many_words_do_not_stop_the_page(
    open_page: Open, compare_runs, generated
) -> None:
    words = [f"{' '.join(f'{side}{i}' for i in range(4000))} #### 7" for side in "ab"]
    page = open_page(compare_runs(generated([("Q", "7", words[0], words[1] + "8")])), "#gsm8k/q0").page
    assert "too many words to be aligned" in page.locator("#detail").inner_text()


# ── addresses and keys ───────────────────────────────────────────────────────────────────────────


def test_a_link_opens_its_instance_whatever_the_filter(open_page: Open, three_tasks) -> None:
    page = open_page(three_tasks, "#hellaswag/h3").page
    assert chosen_id(page) == "hellaswag/h3"
    assert page.locator("[aria-selected=true]").count() == 1
    assert page.locator(".chip[aria-pressed=true]").inner_text().startswith("✓ both right")


def test_an_address_that_leads_nowhere_is_left_alone(open_page: Open, three_tasks) -> None:
    for fragment in ("#gsm8k/none", "#none/q0", "#%E0%A4%A/x", "#notes"):
        assert chosen_id(open_page(three_tasks, fragment).page) == "gsm8k/q0"


def test_ids_with_anything_in_them_have_links(
    open_page: Open, compare_runs, generated, make_prediction
) -> None:
    strange = "a/b #1?&\u202e<b>é%2F"
    fields, old, new, _ = generated([("Q", "7", "7", "8")], name="my/task")
    renamed = [[replace(row, instance_id=strange) for row in side] for side in (old, new)]
    page = open_page(compare_runs((fields, *renamed, None))).page
    page.locator("#detail h3 a").click()
    fragment = page.evaluate("location.hash")
    assert re.fullmatch(r"#my%2Ftask/[\w%.~()'!*-]+", fragment)
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert page.evaluate("decodeURIComponent(location.hash.split('/')[1])") == strange


def test_back_and_forward_walk_through_what_was_looked_at(open_page: Open, three_tasks) -> None:
    page = open_page(three_tasks).page
    page.locator("#option-2").click()
    third = chosen_id(page)
    page.locator("#option-4").click()
    fifth = chosen_id(page)
    page.go_back()
    page.get_by_role("heading", name=third).wait_for()
    page.go_forward()
    page.get_by_role("heading", name=fifth).wait_for()


def test_keys_walk_search_and_stay_out_of_fields(open_page: Open, three_tasks) -> None:
    page = open_page(three_tasks).page
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.locator(".place").inner_text() == "2 of 6"
    page.focus("#list")
    for key, place in (("ArrowDown", 3), ("ArrowUp", 2), ("End", 6), ("Home", 1)):
        page.keyboard.press(key)
        assert page.locator(".place").inner_text() == f"{place} of 6"
        assert page.locator("#list").get_attribute("aria-activedescendant") == f"option-{place - 1}"
    page.keyboard.press("/")
    page.keyboard.type("jck")
    assert page.locator("#search").input_value() == "jck"
    counts(page, "0 of 19 instances")


def test_letters_can_be_switched_off(open_page: Open, three_tasks) -> None:
    page = open_page(three_tasks).page
    page.locator("#keys summary").click()
    page.locator("#letters").uncheck()
    page.locator("h1").click()
    page.keyboard.press("j")
    assert page.locator(".place").inner_text() == "1 of 6"


# ── copying ──────────────────────────────────────────────────────────────────────────────────────

NO_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', {value: undefined})"


def test_copied_ids_are_a_policy(open_page: Open, three_tasks) -> None:
    page = open_page(three_tasks, permissions=["clipboard-read", "clipboard-write"]).page
    page.keyboard.press("c")
    counts(page, "6 ids copied, as tables of a policy")
    tables = tomllib.loads(page.evaluate("navigator.clipboard.readText()"))
    policy = parse({"preset": "balanced", **tables}, name="copied")
    assert {name: terms.must_not_flip for name, terms in policy.tasks.items()} == {
        "gsm8k": ("q0", "q1"),
        "hellaswag": ("h0", "h1"),
        "samsum": ("s0", "s1"),
    }


def test_without_a_clipboard_the_lines_are_shown_selected(open_page: Open, three_tasks) -> None:
    page = open_page(three_tasks).page
    page.evaluate(NO_CLIPBOARD)
    page.click("#copy")
    assert page.locator("#copying").is_visible()
    lines = page.evaluate("getSelection().toString() || document.activeElement.value")
    assert tomllib.loads(lines)["tasks"]["gsm8k"]["must_not_flip"] == ["q0", "q1"]
    page.click("#close")
    assert page.locator("#copying").is_hidden()


# ── what is hostile ──────────────────────────────────────────────────────────────────────────────

ATTACKS = (
    "<script>window.__pwned = 1</script>",
    "<img src=x onerror='window.__pwned = 1'>",
    "</script><script>window.__pwned = 1</script>",
    "<svg onload=window.__pwned=1><a href='javascript:window.__pwned=1'>x</a>",
    "\x1b[31mred\x1b[0m \x1b]0;owned\x07",
    "\u202edetrevni\u202c zero\u200bwidth \u2066isolated\u2069",
    "Z" + "\u0321" * 40 + " \ufff9 \U000e0041 \x7f",
    "x" * 1_000_000,
)


@pytest.fixture
def attacked(compare_runs, generated, chosen) -> Any:
    rows = [(attack, "7", f"{attack} 7", f"{attack} 8") for attack in ATTACKS]
    name = "<img src=x onerror=window.__pwned=1>\u202e"
    fields, old, new, items = chosen([(0, 0, 1)], name="<b>choices")
    evil = "<script>window.__pwned = 1</script>"
    items = [replace(items[0], choices=(evil,) * 4, tags={evil: evil}, target=evil)]
    return compare_runs(generated(rows, name=name), (fields, old, new, items), old=name)


def test_what_models_write_is_shown_and_never_run(open_page: Open, attacked) -> None:
    page = open_page(attacked).page
    for place in range(len(ATTACKS) + 1):
        page.keyboard.press("j" if place else "k")
        assert page.locator(".place").inner_text() == f"{place + 1} of 9"
        assert page.evaluate("window.__pwned") is None
        inside = page.eval_on_selector_all("#detail *, #list *", "all => all.map(one => one.localName)")
        assert set(inside).isdisjoint({"script", "img", "svg", "iframe"})
    page.keyboard.press("k")
    assert "1,000,000" not in page.locator("#detail").inner_text()
    assert "980,002 characters left out" in page.locator("#detail").inner_text()
    assert page.evaluate("window.__pwned") is None


def test_what_hides_is_shown_by_its_name(open_page: Open, attacked) -> None:
    page = open_page(attacked).page
    marks = {}
    for attack in (4, 5, 6):
        page.locator(f"#option-{attack}").click()
        marks[attack] = page.locator("#detail .prose .hidden-character").all_inner_texts()
    assert {"␛", "␇"} == set(marks[4])
    assert {"U+202E", "U+202C", "U+200B", "U+2066", "U+2069"} == set(marks[5])
    assert {"U+321", "U+FFF9", "U+E0041", "␡"} == {mark.replace("U+0", "U+") for mark in marks[6]}
    hidden = re.compile("[\x00-\x08\x0b-\x1f\x7f\u200b\u202a-\u202e\u2066-\u2069]")
    assert not hidden.search(page.evaluate("document.body.innerText"))


# ── people ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(open_page: Open, three_tasks, width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = open_page(
        three_tasks,
        "#hellaswag/h0",
        viewport={"width": width, "height": 800},
        color_scheme=scheme,
        bypass_csp=True,
    ).page
    found = axe.Axe().run(page).response["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert [(one["id"], [node["html"][:200] for node in one["nodes"]][:3]) for one in serious] == []


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_makes_the_page_scroll_sideways(open_page: Open, attacked, width: int) -> None:
    page = open_page(attacked, "", viewport={"width": width, "height": 800}).page
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_colours_can_be_turned_around(open_page: Open, three_tasks) -> None:
    page = open_page(three_tasks, color_scheme="light").page
    colour = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(colour)
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate(colour) != before
    page.get_by_role("button", name="Light").click()
    assert page.evaluate(colour) == before


def test_without_a_script_the_summary_is_there(open_page: Open, three_tasks) -> None:
    page = open_page(three_tasks, java_script_enabled=False).page
    text = page.locator("body").inner_text()
    assert "needs JavaScript" in text
    assert "2 lost" in text
    assert "So it is 8." in text
    assert page.locator("svg").count() == 8
    assert page.locator("#filters").is_hidden()


def test_in_print_the_browser_is_left_out(open_page: Open, three_tasks) -> None:
    page = open_page(three_tasks).page
    page.emulate_media(media="print")
    assert page.locator("#flips").is_hidden()
    assert page.locator(".worst").first.is_visible()
    assert page.pdf().startswith(b"%PDF")


def test_a_page_without_instances_opens(open_page: Open, three_tasks) -> None:
    """As of a comparison that was made without its pairs."""
    page = open_page(replace(three_tasks, pairs={}, instances={})).page
    assert shown(page) == "0 of 0 instances"


def test_the_page_says_so_where_its_data_cannot_be_read(three_tasks, open_page: Open) -> None:
    broken = render(three_tasks).replace('id="data">H4sI', 'id="data">AAAA')
    opened = open_page(broken, wait="text=The instances cannot be unpacked here")
    assert opened.problems.pop().startswith("error:")
