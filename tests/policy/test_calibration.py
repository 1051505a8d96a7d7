"""The gate keeps its promises: error rates at the limits, and the fast rule that shows them is `judge`'s.

The whole of it, with its tables, is `make calibration`; here is what is exact, and a little simulation.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from regress.comparison.rows import SEED, stream
from regress.policy.case import Case
from regress.policy.judge import judge
from regress.statistics.bootstrap import RESAMPLES
from regress.statistics.passing import pass_probability_drop, pass_probability_rate
from regress.verdicts import Measure, Policy, Rule, RuleResult, Terms, Verdict

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # pytest itself does not put it there
    sys.path.insert(0, str(ROOT))

from tests.calibration import cases, clusters, coverage, decisions, draws, gates, limits, naive, unchanged  # noqa: E402
from tests.calibration.decisions import Tests  # noqa: E402
from tests.calibration.findings import Table  # noqa: E402

OUTCOMES = {decisions.PASS: "pass", decisions.FAIL: "fail", decisions.UNDECIDED: "undecided"}
RULES: tuple[tuple[Measure, float], ...] = tuple(zip(gates.RULES, gates.LIMITS, strict=True))  # type: ignore[arg-type]


def policy(rules: Sequence[tuple[Measure, float]]) -> Policy:
    terms = Terms(rules=tuple(Rule(measure=measure, limit=limit, tau=0.1) for measure, limit in rules))
    return Policy(name="calibration", default=terms)


def statistical(verdict: Verdict) -> list[RuleResult]:
    return [result for result in verdict.results if result.rule.startswith("max_")]


def same(cases: list[Case], held: Policy, tests: list[Tests]) -> set[str]:
    """Assert that the fast rule says of every rule and of the gate what `judge` says; what that is."""
    verdict = judge(cases, held)
    results = statistical(verdict)
    assert len(results) == len(tests)
    for result, (p_pass, p_fail) in zip(results, tests, strict=True):
        assert result.p_pass == pytest.approx(float(p_pass[0]), rel=1e-9, abs=1e-12)
        assert result.p_fail == pytest.approx(float(p_fail[0]), rel=1e-9, abs=1e-12, nan_ok=True)
    decided = decisions.outcomes(tests)
    assert [result.outcome for result in results] == [OUTCOMES[int(one)] for one in decided[:, 0]]
    assert verdict.outcome == OUTCOMES[int(decisions.gate(decided)[0])]
    return {verdict.outcome, *(result.outcome for result in results)}


# ── the fast rule is the rule ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("worse", [0.0, 1.0, 2.5], ids=["harmless", "at the limits", "harmful"])
def test_four_measures_of_two_tasks_are_decided_as_judge_decides_them(worse: float) -> None:
    rng, said = np.random.default_rng(int(10 * worse)), set()
    pair, excess, rates = gates.one_task()
    flip = np.concatenate([pair.flip, [0, 0]])
    differing = np.concatenate([pair.differing, [0, 0]])
    lost_kind = int(np.flatnonzero((pair.flip == 1) & (pair.differing == 0))[0])
    rates = rates.copy()
    rates[0] -= (worse - 1) * rates[lost_kind]
    rates[lost_kind] *= worse
    for _ in range(12):
        built: list[Case] = []
        tests: list[Tests] = []
        n = int(rng.integers(250, 1500))
        for name in ("one", "two"):
            counts = rng.multinomial(n, rates)
            lost, gained, otherwise = int(counts @ flip), int(counts[-2]), int(counts[-1])
            # pairs in the order in which `cases.binary` has them: lost, gained, wrong otherwise, kept
            kinds = np.repeat(np.arange(counts.size), counts)
            rank = np.where(flip == 1, 0, 3)
            rank[-2:] = 1, 2
            kinds = kinds[np.argsort(rank[kinds], kind="stable")]
            built.append(cases.binary(name, lost, gained, n, otherwise=otherwise, differing=differing[kinds]))
            found = {
                "max_accuracy_drop": decisions.drop(np.array([lost]), np.array([gained]), n, gates.LIMITS[0]),
                "max_nfr": decisions.rate(np.array([lost]), n, gates.LIMITS[1]),
                "max_nfr_mc": decisions.rate(np.array([lost + otherwise]), n, gates.LIMITS[2]),
                "max_excess_nfr": decisions.excess(
                    counts[None],
                    excess,
                    flip,
                    gates.LIMITS[3],
                    stream(SEED, name, "", "max_excess_nfr"),
                    resamples=RESAMPLES,
                ),
            }
            tests += [found[measure] for measure, _ in RULES]
        said |= same(built, policy(RULES), tests)
    expected = {0.0: "pass", 1.0: "undecided", 2.5: "fail"}[worse]
    assert expected in said


@pytest.mark.parametrize("pattern", [(5,), draws.UNEQUAL], ids=str)
@pytest.mark.parametrize("churn", [0.02, 0.10, 0.30])
def test_clusters_are_decided_as_judge_decides_them(pattern: tuple[int, ...], churn: float) -> None:
    rng, limit = np.random.default_rng(len(pattern)), 0.02
    rules: list[tuple[Measure, float]] = [("max_accuracy_drop", limit), ("max_nfr", 0.05)]
    for n in (100, 231, 819):
        sizes = draws.sizes(n, pattern)
        assert sizes.sum() == n
        for counts in next(draws.clustered(sizes, (churn * 0.6, churn * 0.4, 1 - churn), 4, rng)):
            lost, gained = counts[:, 0], counts[:, 1]
            cluster, order = _places(sizes, counts)
            built = cases.binary("toy", int(lost.sum()), int(gained.sum()), n, cluster=cluster, order=order)
            tests = [
                decisions.clustered_drop(lost[None], gained[None], sizes, limit),
                decisions.clustered_rate(lost[None], sizes, 0.05),
            ]
            same([built], policy(rules), tests)


def _places(sizes: draws.Ints, counts: draws.Ints) -> tuple[draws.Ints, draws.Ints]:
    """[n] clusters in their order, and where the pairs, first all that were lost, then gained, go."""
    cluster = np.repeat(np.arange(sizes.size), sizes)
    kind = np.concatenate([np.repeat(np.arange(counts.shape[1]), row) for row in counts])
    return cluster, np.argsort(kind, kind="stable")


@pytest.mark.parametrize("n", [60, 400])
@pytest.mark.parametrize(
    "made", [draws.tied(0.02), draws.tied(0.02, changed=0.1), draws.skewed(0.02)], ids=str
)
def test_scores_are_decided_as_judge_decides_them(n: int, made: draws.Scores) -> None:
    rng, limit = np.random.default_rng(n), 0.02
    rules: list[tuple[Measure, float]] = [("max_score_drop", limit), ("max_nfr", 0.10)]
    sizes = draws.sizes(n, (5,))
    for falls in made.drawn((3, n), rng):
        drawn = stream(SEED, "toy", "", "max_score_drop")
        alone = [
            decisions.score_drop(falls[None], limit, drawn, resamples=RESAMPLES),
            decisions.rate(np.array([(falls > 0.1).sum()]), n, 0.10),
        ]
        same([cases.bounded("toy", falls)], policy(rules), alone)
        cluster = np.repeat(np.arange(sizes.size), sizes)
        sums, worse, fell = (
            np.bincount(cluster, weights=values)[None] for values in (falls, falls > 0, falls > 0.1)
        )
        drawn = stream(SEED, "toy", "", "max_score_drop")
        together = [
            decisions.clustered_score_drop(sums, worse, sizes, limit, drawn, resamples=RESAMPLES),
            decisions.clustered_rate(fell, sizes, 0.10),
        ]
        same([cases.bounded("toy", falls, cluster=cluster)], policy(rules), together)


def test_clustered_excess_is_decided_as_judge_decides_it() -> None:
    rng, limit = np.random.default_rng(3), 0.02
    pair, sizes = draws.noisy(limit, 0.03), draws.sizes(300, (5,))
    for counts in next(draws.clustered(sizes, pair.rates.tolist(), 4, rng)):
        cluster, kinds = (
            np.repeat(np.arange(sizes.size), sizes),
            np.concatenate([np.repeat(np.arange(pair.rates.size), row) for row in counts]),
        )
        order = np.argsort(-pair.flip[kinds], kind="stable")
        built = cases.binary(
            "toy",
            int(pair.flip[kinds].sum()),
            0,
            300,
            cluster=cluster,
            order=order,
            differing=pair.differing[kinds],
        )
        drawn = stream(SEED, "toy", "", "max_excess_nfr")
        tests = decisions.clustered_excess(
            counts[None], pair.excess, pair.flip, limit, drawn, resamples=RESAMPLES
        )
        same([built], policy([("max_excess_nfr", limit)]), [tests])


@pytest.mark.parametrize(("lost", "outcome"), [(0, "pass"), (1, "pass"), (2, "undecided"), (12, "fail")])
def test_where_nothing_was_gained_losses_are_tested_exactly(lost: int, outcome: str) -> None:
    """P(X ≤ 2) is 6.02 % at 2 % of 300: the score test would pass two losses."""
    tests = decisions.drop(np.array([lost]), np.array([0]), 300, 0.02)
    said = same([cases.binary("toy", lost, 0, 300)], policy([("max_accuracy_drop", 0.02)]), [tests])
    assert said == {outcome}


# ── the guarantees ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "make",
    [*limits.TABLES[:2], *coverage.TABLES[:2], coverage.wilson, naive.losses],
    ids=lambda make: f"{make.__module__}.{make.__name__}".removeprefix("tests.calibration."),
)
def test_what_can_be_enumerated_holds_exactly(make) -> None:
    holds(make(1, np.random.default_rng(0)))


@pytest.mark.parametrize(
    "make",
    [limits.excess, clusters.flip_rate, gates.failing],
    ids=lambda make: f"{make.__module__}.{make.__name__}".removeprefix("tests.calibration."),
)
def test_what_is_simulated_holds_within_its_error(make) -> None:
    holds(make(500, np.random.default_rng(0)))


def holds(table: Table) -> None:
    assert table.checks
    assert not [check for check in table.checks if not check.holds], table.text()


def test_a_promise_that_is_broken_is_found() -> None:
    rng = np.random.default_rng(0)
    lost = rng.binomial(1319, 0.06, size=2000)
    p_pass, p_fail = decisions.rate(lost, 1319, 0.05)  # one point more than the limit: it must fail often
    broken = limits.held_to("", ("flips",), [(["6 %"], (p_pass, p_fail))], 0.05)
    assert [check.holds for check in broken.checks] == [True, False]
    assert "1 of 2 guarantees DO NOT hold" in broken.text()


def test_data_have_the_harm_they_claim() -> None:
    rng = np.random.default_rng(0)
    for made in (draws.tied(0.02), draws.tied(0.02, changed=0.15), draws.skewed(0.02)):
        assert made.drawn((400_000,), rng).mean() == pytest.approx(0.02, abs=0.001)
    pair = draws.noisy(0.03, 0.0137)
    assert pair.rates.sum() == pytest.approx(1.0)
    assert pair.rates @ pair.excess == pytest.approx(0.03)
    assert pair.rates @ pair.differing / 6 == pytest.approx(0.0137)
    sizes = draws.sizes(1000, draws.UNEQUAL)
    counts = np.concatenate(list(draws.clustered(sizes, (0.1, 0.9), 4000, rng)))[..., 0]
    assert counts.sum(axis=1).mean() / 1000 == pytest.approx(0.1, abs=0.002)
    size = 15
    variance = counts[:, sizes == size].var()
    assert variance / (size * 0.09) == pytest.approx(1 + (size - 1) * draws.ICC, rel=0.05)


# ── what a harmless update meets ─────────────────────────────────────────────────────────────────


def readme_table() -> list[tuple[float, str, dict[str, float]]]:
    """Churn, preset and the percentages by task, as the README has them."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| answers that change"))
    rows, churn = [], 0.0
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        changed, name, *shares = (cell.strip() for cell in line.strip("|").split("|"))
        churn = float(changed.split("%")[0]) / 100 if changed else churn
        rows.append((churn, name, dict(zip(unchanged.TASKS, map(float, shares), strict=False))))
    return rows


@pytest.mark.parametrize(("churn", "name", "shown"), readme_table())
def test_the_readme_says_how_often_an_unchanged_model_passes(
    churn: float, name: str, shown: dict[str, float]
) -> None:
    """To the last digit where it is enumerated; what is simulated (SAMSum) is for `make calibration`."""
    preset = name.split()[0]
    rules = unchanged.blocking(preset, "binary")
    if preset != name:
        rules = [rule for rule in rules if rule.measure != "max_nfr"]
    for task, n in unchanged.TASKS.items():
        if task != "samsum":
            found = 100 * unchanged.exact(rules, n, churn)[0]
            assert abs(found - shown[task]) <= 0.5 + 1e-9, f"{task}: {found:.2f}"


@pytest.mark.parametrize(("n", "limit", "passes"), [(1319, 0.01, 0.308), (1838, 0.02, 0.854)])
def test_an_unchanged_model_passes_as_often_as_planning_says(n: int, limit: float, passes: float) -> None:
    found = unchanged.exact([Rule(measure="max_accuracy_drop", limit=limit)], n, 0.10)[0]
    assert found == pytest.approx(passes, abs=5e-4)
    assert found == pytest.approx(pass_probability_drop(n, 0.10, limit), abs=1e-9)
    rate = unchanged.exact([Rule(measure="max_nfr", limit=0.08)], n, 0.10)[0]
    assert rate == pytest.approx(pass_probability_rate(n, 0.05, 0.08), abs=1e-9)


def test_not_significantly_worse_passes_28_in_100_losses_of_two_points() -> None:
    row = next(row for row in naive.losses(1, np.random.default_rng(0)).rows if row[0] == "2 points")
    assert row[1:] == pytest.approx([0.283, 0.0026], abs=5e-4)


def test_wilson_covers_91_in_100_where_half_a_flip_is_expected() -> None:
    cell = str(coverage.wilson(1, np.random.default_rng(0)).rows[0][1])
    assert cell == "91.02 *"


# ── the script ───────────────────────────────────────────────────────────────────────────────────


def test_the_script_prints_its_tables_and_writes_them_down(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "tests.calibration",
        "--tiny",
        "--out",
        str(tmp_path),
        "unchanged",
        "naive",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("*-tiny.json")
    written = json.loads(file.read_text(encoding="utf-8"))
    assert written["holds"] is True
    assert all(table["title"] in done.stdout for table in written["tables"])
    assert len(written["tables"]) == len(unchanged.TABLES) + len(naive.TABLES)


def test_an_unknown_part_is_refused() -> None:
    command = [sys.executable, "-m", "tests.calibration", "power"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "limits, clusters, gates, unchanged, coverage, naive" in done.stderr
