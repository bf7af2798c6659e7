"""Verdicts against SciPy and exact arithmetic, comparisons and their summary, of runs with known means."""

from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from judged_runs import mixture_of, only, published_alone, runs_with, sample
from scipy import stats

from active_dendrites.reproduction.verdicts import (
    DIFFERS,
    INCONCLUSIVE,
    NO_VERDICT,
    NOT_RUN,
    REPRODUCED,
    Comparison,
    compare,
    comparison_table,
    judge,
    unexplained,
    verdicts_in_words,
)
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.published import Published

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def published(declarations: Declarations) -> Published:
    return published_alone(declarations)


# -- the verdict ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("difference", "std", "n", "verdict"),
    [
        (0.0, 0.3, 8, REPRODUCED),
        (0.7, 0.3, 8, REPRODUCED),
        (-0.7, 0.3, 8, REPRODUCED),
        (0.9, 0.3, 8, INCONCLUSIVE),  # 0.9 ± 0.20 reaches out of the margin of 1
        (1.1, 0.3, 8, INCONCLUSIVE),  # 1.1 ± 0.20 reaches into it
        (1.3, 0.3, 8, DIFFERS),
        (-1.3, 0.3, 8, DIFFERS),
        (0.0, 0.3, 2, INCONCLUSIVE),  # 0 ± 1.34
        (0.0, 0.1, 2, REPRODUCED),  # 0 ± 0.45
        (0.0, 5.0, 8, INCONCLUSIVE),  # reaches out at both ends
        (-9.0, 0.1, 2, DIFFERS),
    ],
)
def test_a_verdict_is_that_of_one_sided_tests_and_of_the_interval(
    difference: float, std: float, n: int, verdict: str
) -> None:
    values, margin, level = sample(50 + difference, std, n), 1.0, 0.05
    found = judge(values, 50, margin, level)
    assert found.verdict == verdict

    def p(end: float, alternative: str) -> float:
        return stats.ttest_1samp(values, 50 + end, alternative=alternative).pvalue

    assert found.p_reproduced == pytest.approx(max(p(-margin, "greater"), p(margin, "less")), rel=1e-9)
    assert found.p_differs == pytest.approx(min(p(-margin, "less"), p(margin, "greater")), rel=1e-9)
    interval = stats.t.interval(1 - 2 * level, n - 1, loc=np.mean(values) - 50, scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx(interval, rel=1e-9)


def test_tests_and_interval_always_agree() -> None:
    draws = np.random.default_rng(5)
    seen = set()
    for _ in range(500):
        n, level = int(draws.integers(2, 9)), float(draws.choice([0.01, 0.05, 0.1]))
        values = draws.normal(draws.normal(0, 1.2), draws.choice([0.1, 0.5]), n).tolist()
        found = judge(values, 0.0, 1.0, level)
        low, high = stats.t.interval(1 - 2 * level, n - 1, loc=np.mean(values), scale=stats.sem(values))
        inside, outside = low > -1 and high < 1, low > 1 or high < -1
        assert found.verdict == (REPRODUCED if inside else DIFFERS if outside else INCONCLUSIVE)
        seen.add(found.verdict)
    assert seen == {REPRODUCED, DIFFERS, INCONCLUSIVE}


def test_one_seed_has_no_spread_and_is_inconclusive() -> None:
    found = judge([50.0], 50, 1.0, 0.05)
    assert found.verdict == INCONCLUSIVE == "inconclusive (too few seeds)"
    assert np.isnan(found[1:]).all()


def test_without_seeds_nothing_was_run() -> None:
    assert judge([], 50, 1.0, 0.05).verdict == NOT_RUN == "not run"


@pytest.mark.parametrize(
    ("value", "verdict", "p_reproduced", "p_differs"),
    [(50.9, REPRODUCED, 0, 1), (49.0, REPRODUCED, 0, 1), (51.1, DIFFERS, 1, 0), (48.9, DIFFERS, 1, 0)],
)
def test_seeds_that_all_agree_are_a_point(value: float, verdict: str, p_reproduced: int, p_differs: int) -> None:
    found = judge([value] * 3, 50, 1.0, 0.05)
    assert found.verdict == verdict
    assert (found.low, found.high) == pytest.approx((value - 50, value - 50))
    assert (found.p_reproduced, found.p_differs) == (p_reproduced, p_differs)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [0.1, 0.93, 0.9451237, 50.9])
@pytest.mark.parametrize("steps", [(0, 0, 1), (0, 1), (-2, 0, 1, 5, 0, 0, 3, 1)])
def test_seeds_that_differ_by_rounding_are_a_point(value: float, steps: Sequence[int]) -> None:
    """As sums of the same accuracies in another order do; SciPy would warn that nothing of the spread is left."""
    values = [value + step * np.spacing(value) for step in steps]
    for published, verdict in ((value + 0.009, REPRODUCED), (value + 0.011, DIFFERS)):
        found = judge(values, published, 0.01, 0.05)
        assert found.verdict == verdict
        assert (found.low, found.high) == pytest.approx((value - published, value - published))
        assert (found.p_reproduced, found.p_differs) == ((0, 1) if verdict == REPRODUCED else (1, 0))


def test_one_image_is_a_spread() -> None:
    """Of the 10 000 of a task, at 100 tasks the least difference that there can be."""
    found = judge([0.945, 0.945, 0.945001], 0.945, 0.01, 0.05)
    assert found.low < found.high
    assert 0 < found.p_reproduced < 1e-8


def test_p_values_are_those_of_exact_arithmetic() -> None:
    """The t of both bounds in rational numbers; the tail of Student's t for 8 degrees of freedom in 50 digits.

    Source of the tail: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.4.
    """
    values = [Fraction(value) for value in sample(0.9507, 0.0031, 9)]
    mean = sum(values) / 9
    variance = sum((value - mean) ** 2 for value in values) / 8

    def p_beyond(bound: float) -> Decimal:
        """The probability of a mean as far from the bound as ours, or farther, to the same side."""
        t_squared = 9 * (mean - Fraction(bound)) ** 2 / variance
        cosine_squared = 8 / (8 + t_squared)
        terms = 1 + Fraction(1, 2) * cosine_squared + Fraction(3, 8) * cosine_squared**2
        terms += Fraction(15, 48) * cosine_squared**3
        with localcontext(prec=50):
            sine = ((1 - cosine_squared).numerator / Decimal((1 - cosine_squared).denominator)).sqrt()
            return (1 - sine * terms.numerator / terms.denominator) / 2

    found = judge(list(map(float, values)), 0.9455, 0.01, 0.05)
    below, above = p_beyond(0.9455 - 0.01), p_beyond(0.9455 + 0.01)
    assert found.p_reproduced == pytest.approx(float(max(below, above)), rel=1e-12)
    assert found.p_differs == pytest.approx(float(1 - max(below, above)), rel=1e-12)


# -- comparisons ------------------------------------------------------------------------------------------


def test_ours_and_its_interval_are_those_of_scipy(declarations: Declarations, published: Published) -> None:
    values = sample(0.9500, 0.004, 5)
    row = only(compare(declarations, published, PAPER, runs_with("prototype", 10, values)), "prototype", 10)
    assert row.ours.n == 5
    assert row.ours.mean == pytest.approx(0.95)
    assert row.ours.std == pytest.approx(0.004)
    interval = stats.t.interval(0.95, 4, loc=0.95, scale=stats.sem(values))
    assert (row.ours.low, row.ours.high) == pytest.approx(interval)
    assert row.difference == pytest.approx(0.95 - 0.945509)
    assert row.seeds == (1, 2, 3, 4, 5)


@pytest.mark.parametrize(("num_tasks", "verdict"), [(25, DIFFERS), (50, REPRODUCED), (100, REPRODUCED)])
def test_the_margin_follows_the_number_of_tasks(
    declarations: Declarations, published: Published, num_tasks: int, verdict: str
) -> None:
    mean = published.in_figures()["si_prototype", num_tasks, "accuracy"].value + 0.015
    comparisons = compare(declarations, published, PAPER, runs_with("si_prototype", num_tasks, sample(mean, 0.001, 8)))
    row = only(comparisons, "si_prototype", num_tasks)
    assert row.judgement.verdict == verdict
    assert row.margin == (0.01 if num_tasks == 25 else 0.02)


@pytest.mark.parametrize(
    ("num_tasks", "clusters", "verdict"),
    [
        (2, [2, 2, 2, 2], REPRODUCED),  # published 2.25, margin 0.5
        (5, [5, 5, 5, 5], DIFFERS),  # 5.625, 0.5
        (25, [27, 27, 27, 27], REPRODUCED),  # 28.125, 1.25
        (100, [107, 108, 110, 108], REPRODUCED),  # 110.5, 5
        (100, [100, 100, 101, 100], DIFFERS),
        (100, [100, 120, 110, 100], INCONCLUSIVE),
        (100, [110], INCONCLUSIVE),
    ],
)
def test_clusters_are_counts_with_a_margin_of_their_own(
    declarations: Declarations, published: Published, num_tasks: int, clusters: list[int], verdict: str
) -> None:
    runs = runs_with("construct_prototype", num_tasks, [0.5] * len(clusters), clusters)
    row = only(compare(declarations, published, PAPER, runs), "construct_prototype", num_tasks, "clusters")
    assert row.judgement.verdict == verdict
    assert row.ours.mean == np.mean(clusters)
    assert row.figures[0] == "clusters"


def test_a_number_is_shown_by_the_figures_of_its_run(declarations: Declarations, published: Published) -> None:
    comparisons = compare(declarations, published, PAPER, [])
    assert only(comparisons, "prototype_segments_10", 2).figures == ("mlp_comparison", "forgetting")
    assert only(comparisons, "segment_search-14", 10).figures[0] == "search_accuracy"
    assert only(comparisons, "construct_prototype", 2).figures[0] == "inferred_prototypes"
    assert {row.figures for row in comparisons if row.number.in_text} == {("text",)}


def test_what_no_figure_shows_is_still_compared(published: Published) -> None:
    declarations = Declarations(ROOT / "config")
    for experiment in declarations.experiments.values():
        experiment.variants.pop("ten_layer_mlp", None)
    row = only(compare(declarations, published, PAPER, []), "ten_layer_mlp", 10)
    assert row.figures == ("-",)


def test_rows_stand_in_the_order_of_figures_variants_and_values(
    declarations: Declarations, published: Published
) -> None:
    rows = [
        (row.figures[0], row.number.variant, row.number.num_tasks)
        for row in compare(declarations, published, PAPER, [])
    ]
    figures = [*declarations.experiments, "-", "text"]
    assert [figures.index(figure) for figure, _, _ in rows] == sorted(figures.index(figure) for figure, _, _ in rows)
    comparison = [row[1:] for row in rows if row[0] == "comparison"]
    assert comparison == list(declarations.configurations_of(PAPER, "comparison"))
    searched = [(num_tasks, variant) for _, variant, num_tasks in rows if variant.startswith("segment_search")]
    counts, values = zip(*((num_tasks, int(variant.split("-")[1])) for num_tasks, variant in searched), strict=True)
    assert list(zip(counts, values, strict=True)) == sorted(zip(counts, values, strict=True))


def test_the_same_runs_are_held_against_figure_and_text(declarations: Declarations, published: Published) -> None:
    comparisons = compare(declarations, published, PAPER, runs_with("prototype", 10, sample(0.9455, 0.002, 8)))
    rows = [row for row in comparisons if (row.number.variant, row.number.num_tasks) == ("prototype", 10)]
    assert [row.judgement.verdict for row in rows] == [REPRODUCED, REPRODUCED]
    assert [row.number.value for row in rows] == [0.945509, 0.946]


def test_known_reasons_stand_beside_the_verdict(declarations: Declarations, published: Published) -> None:
    comparisons = compare(declarations, published, PAPER, runs_with("prototype", 2, sample(0.948, 0.002, 8)))
    row = only(comparisons, "prototype", 2)
    assert row.judgement.verdict == DIFFERS
    assert "1 epoch" in row.reasons[0]


def test_a_finding_stands_first_and_changes_no_verdict(declarations: Declarations, published: Published) -> None:
    said = ("Found by prototype_corrected: 1 epoch is too short.",)
    numbers = tuple(
        number._replace(findings=said if number.key == ("prototype", 2, "accuracy") else ())
        for number in published.numbers
    )
    runs = runs_with("prototype", 2, sample(0.948, 0.002, 8)) + runs_with("xdg", 2, sample(0.5, 0.002, 8))
    without, found = (
        compare(declarations, Published(published.rule, which), PAPER, runs) for which in (published.numbers, numbers)
    )
    assert [str(row.judgement) for row in found] == [str(row.judgement) for row in without]
    row = only(found, "prototype", 2)
    assert row.judgement.verdict == DIFFERS
    assert row.reasons == (*said, *only(without, "prototype", 2).reasons)
    left = "xdg, 2 tasks, accuracy: differs, and config/published.yaml has no finding that says why."
    assert list(unexplained(found)) == [left]
    assert list(unexplained(without)) == [left.replace("xdg", "prototype"), left]


# -- the summary ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mixture(declarations: Declarations, published: Published) -> list[Comparison]:
    return mixture_of(declarations, published)


def test_the_summary_counts_every_verdict(published: Published, mixture: list[Comparison]) -> None:
    total = len(published.numbers)
    assert verdicts_in_words(mixture, PAPER) == (
        f"2 of {total} comparisons with published numbers reproduced, 1 differs, 3 inconclusive (too few seeds),"
        f" {total - 6} not run."
    )


def test_every_published_number_has_its_row(published: Published, mixture: list[Comparison]) -> None:
    assert sorted(row.number for row in mixture) == sorted(published.numbers)


def test_reduced_scale_claims_no_verdict(declarations: Declarations, published: Published) -> None:
    runs = runs_with("prototype", 10, sample(0.945509, 0.001, 8))
    comparisons = compare(declarations, published, "quick", runs)
    assert {row.judgement.verdict for row in comparisons} == {NO_VERDICT} == {"none (reduced scale)"}
    row = comparison_table(comparisons).set_index(["variant", "num_tasks", "figure"]).sort_index()
    row = row.loc[("prototype", 10)].iloc[0]
    assert row.ours == 94.5509
    assert row[["difference", "difference_low", "margin", "p_reproduced", "p_differs"]].isna().all()
    line = verdicts_in_words(comparisons, "quick")
    assert line.startswith("No verdicts: reduced scale (quick)")
    assert "reproduced" not in line
    assert f"2 of {len(published.numbers)} " in line  # the curve and the claim of the text
