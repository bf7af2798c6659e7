"""Verdicts against SciPy, which runs count, and the report's files, from runs with known means and spreads."""

import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from finished_runs import finished_run
from scipy import stats

import active_dendrites
from active_dendrites.reports.reproduction_page import Report, render, write_report, written
from active_dendrites.reproduction.verdicts import (
    COLUMNS,
    DIFFERS,
    INCONCLUSIVE,
    NO_VERDICT,
    NOT_RUN,
    REPRODUCED,
    Comparison,
    Run,
    compare,
    comparison_table,
    find_runs,
    judge,
    notes_on,
    unexplained,
    verdicts_in_words,
)
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.published import ACCURACY, CLUSTERS, Published, read_published

ROOT = Path(__file__).parents[3]
TEMPLATES = ROOT / "workflow" / "report"


@pytest.fixture(scope="module")
def published(declarations: Declarations) -> Published:
    """As in config/, but for the findings: what was found so far decides nothing here."""
    found = read_published(declarations)
    return Published(found.rule, tuple(number._replace(findings=()) for number in found.numbers))


def sample(mean: float, std: float, n: int) -> list[float]:
    """n values with just this mean and standard deviation."""
    values = np.linspace(-1, 1, n) ** 3
    return list(mean + std * (values - values.mean()) / values.std(ddof=1))


def runs_with(
    variant: str, num_tasks: int, values: Iterable[float], clusters: Sequence[int] | None = None
) -> list[Run]:
    values = list(values)
    found = clusters or [None] * len(values)
    return [Run(variant, num_tasks, seed, *both) for seed, both in enumerate(zip(values, found, strict=True), start=1)]


def only(comparisons: Iterable[Comparison], variant: str, num_tasks: int, quantity: str = "accuracy") -> Comparison:
    """The one of a number in a figure."""
    (found,) = [
        row for row in comparisons if row.number.key == (variant, num_tasks, quantity) and not row.number.in_text
    ]
    return found


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
    assert comparison == list(declarations.runs_of(PAPER, "comparison"))
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
    """Two numbers reproduced, one that differs, three inconclusive; nothing else was run."""
    figures = published.in_figures()

    def near(variant: str, num_tasks: int, shift: float, std: float, n: int) -> list[Run]:
        mean = figures[variant, num_tasks, "accuracy"].value + shift
        return runs_with(variant, num_tasks, sample(mean, std, n) if n > 1 else [mean])

    runs = [
        *near("xdg", 100, 0.005, 0.003, 8),
        *near("segment_search-2", 50, -0.01, 0.005, 10),
        *near("ten_layer_mlp", 10, 0.05, 0.01, 8),
        *near("si_mlp", 50, 0.0, 0.0, 1),
        *near("active_dendrites_only", 5, 0.0, 0.05, 8),
        *near("sparse_representations_only", 5, 0.02, 0.03, 2),
    ]
    return compare(declarations, published, PAPER, runs)


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


# -- which runs count -------------------------------------------------------------------------------------


@pytest.fixture
def write(declarations: Declarations, tmp_path: Path) -> Callable[..., Path]:
    """Writes the files of a run with one accuracy on all tasks after the last, and 0.97 on each when it was learned."""

    def write_run(variant: str, num_tasks: int, seed: int, accuracy: float = 0.9, **more: object) -> Path:
        matrix = np.full((num_tasks, num_tasks), np.nan)
        np.fill_diagonal(matrix, 0.97)
        matrix[-1] = accuracy
        return finished_run(declarations, tmp_path, variant, num_tasks, seed, matrix, **more)

    return write_run


def test_whatever_seeds_are_there_count(declarations, published, write, tmp_path: Path) -> None:
    write("prototype", 2, 11, 0.94)
    write("prototype", 2, 2, 0.95)
    write("construct_prototype", 5, 0, 0.96, clusters=6)
    write("w_sparsity_search-0.5", 10, 1)  # has no published number
    (tmp_path / "prototype/tasks-2/seed-02").mkdir()
    runs, left_out = find_runs(declarations, published, PAPER, tmp_path)
    assert left_out == []
    assert runs == [
        Run("prototype", 2, 2, pytest.approx(0.95), None),
        Run("prototype", 2, 11, pytest.approx(0.94), None),
        Run("construct_prototype", 5, 0, pytest.approx(0.96), 6),
    ]


def test_runs_of_other_settings_or_arithmetic_are_left_out_and_counted(
    declarations, published, write, tmp_path: Path, monkeypatch
) -> None:
    for seed in (1, 2):
        record = write("prototype", 2, seed, 0.5) / "record.json"
        settings_hash = declarations.resolve(PAPER, "prototype", 2, seed).settings_hash()
        record.write_text(record.read_text().replace(settings_hash, "0123456789abcdef"))
    monkeypatch.setattr(active_dendrites, "NUMERICS", active_dendrites.NUMERICS + 1)
    write("prototype", 2, 3, 0.6)
    monkeypatch.undo()
    write("prototype", 2, 4, 0.94)
    runs, left_out = find_runs(declarations, published, PAPER, tmp_path)
    assert [run.seed for run in runs] == [4]
    assert list(notes_on(left_out)) == [
        "2 runs were left out: other settings.",
        "1 run was left out: another version of the arithmetic.",
    ]
    row = only(compare(declarations, published, PAPER, runs, left_out), "prototype", 2)
    assert (row.ours.n, row.ours.mean) == (1, pytest.approx(0.94))
    assert row.reasons[:2] == (
        "2 runs were left out (other settings).",
        "1 run was left out (another version of the arithmetic).",
    )
    left_out = [run._replace(num_tasks=5) for run in left_out]
    comparisons = compare(declarations, published, PAPER, runs, left_out)
    told = {row.number.key for row in comparisons if "left out" in " ".join(row.reasons)}
    assert told == {("prototype", 5, "accuracy")}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda run: (run / "accuracy.csv").write_text("after_task,task,accuracy\n1,1,0.97\n"), "accuracy.csv: "),
        (lambda run: (run / "accuracy.csv").unlink(), "accuracy.csv: "),
        (lambda run: (run / "record.json").unlink(), "no record.json"),
        (lambda run: (run / "record.json").write_text('{"seed": 1'), "record.json: "),
        (
            lambda run: (run / "record.json").write_text(
                (run / "record.json").read_text().replace('"seed": 1', '"seed": 2', 1)
            ),
            "record.json: seed: found 2, expected 1",
        ),
        (
            lambda run: (run / "record.json").write_text(
                (run / "record.json").read_text().replace('"clusters": 2', '"clusters": null')
            ),
            "record.json: clusters: found None",
        ),
    ],
)
def test_a_run_that_cannot_be_read_is_named_and_never_averaged(
    declarations, published, write, tmp_path: Path, damage, said: str
) -> None:
    damage(write("construct_prototype", 2, 1, 0.5, clusters=2))
    write("construct_prototype", 2, 2, 0.97, clusters=2)
    runs, left_out = find_runs(declarations, published, PAPER, tmp_path)
    assert [run.seed for run in runs] == [2]
    (note,) = notes_on(left_out)
    assert note.startswith("1 run was left out: ")
    assert "construct_prototype/tasks-2/seed-1" in note
    assert said in note
    row = only(compare(declarations, published, PAPER, runs, left_out), "construct_prototype", 2)
    assert (row.ours.n, row.ours.mean) == (1, pytest.approx(0.97))
    assert row.reasons[0] == "1 run was left out (unreadable)."


# -- the files --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report(declarations: Declarations, published: Published, mixture: list[Comparison]) -> Report:
    titles = {name: declared.title for name, declared in declarations.experiments.items()}
    left_out = ["2 runs were left out: other settings.", "1 run was left out: <runs>/record.json: cut off."]
    return Report(PAPER, published.rule, mixture, num_runs=37, left_out=left_out, titles=titles)


def test_the_table_has_a_row_for_each_number_in_percent(report: Report, tmp_path: Path) -> None:
    write_report(report, TEMPLATES, tmp_path / "reproduction")
    table = pd.read_csv(tmp_path / "reproduction.csv", keep_default_na=False)
    assert list(table.columns) == COLUMNS
    assert ",".join(COLUMNS[:11]) == "figure,variant,num_tasks,published,ours,std,n,low,high,verdict,reason"
    assert len(table) == len(report.comparisons)
    row = table[(table.variant == "xdg") & (table.num_tasks == 100)].iloc[0]
    assert (row.figure, row.published, row.ours, row["std"]) == ("comparison forgetting", 62, "62.5", "0.3")
    assert (row.n, row.verdict, row.quantity, row.unit) == (8, REPRODUCED, "accuracy", "%")
    assert (row.difference, row.margin, row.quoted) == ("0.5", 2, True)
    low, high = stats.t.interval(0.95, 7, loc=62.5, scale=0.3 / np.sqrt(8))
    assert (float(row.low), float(row.high)) == pytest.approx((low, high), abs=1e-4)
    assert row.seeds == "1 2 3 4 5 6 7 8"
    assert row.reason.startswith("Uncertain: ")
    clusters = table[(table.quantity == "clusters") & (table.num_tasks == 5)].iloc[0]
    assert (clusters.published, clusters.margin, clusters.ours, clusters.n) == (5.625, 0.5, "", 0)
    searched = table[table.variant == "segment_search-2"].iloc[0]
    assert searched.published_std == "0.38"


class Page(HTMLParser):
    """Every tag closed in its turn; what the page loads; the cells of its tables."""

    VOID = ("meta", "col", "br", "img", "link", "input", "rect", "path", "circle")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.rows: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append("")
        if tag in ("script", "link", "img", "iframe"):
            self.loads.append(tag)
        self.loads += [value for name, value in attrs if name in ("src", "href") and not value.startswith("#")]

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "tr" in self.open:
            self.rows[-1] += data.strip() + "|"


def test_the_pages_show_summary_notes_and_every_number(report: Report) -> None:
    html, markdown = (render(report, TEMPLATES / f"reproduction.{suffix}.j2") for suffix in ("html", "md"))
    page = Page(html)
    assert page.loads == []  # one file that needs no other
    of_html = [
        row for row in page.rows if "|tasks|" in row or " tasks|" in row or " segments|" in row or " win|" in row
    ]
    of_markdown = [line for line in markdown.splitlines() if line.startswith("| ") and not line.startswith("| | ")]
    assert len(of_html) == len(of_markdown) == len(report.comparisons)
    for text in (html, markdown):
        assert report.summary in text
        assert all(reason.split("(")[0] in text for reason in report.reasons if "'" not in reason)
        assert "Reduced scale" not in text
        assert "level 0.05" in text
        assert "All seeds share the permutations" in text
        assert "XdG and SI + XdG are told the task at test" in text
        assert "quoted by the paper" in text
    assert "1 run was left out: <runs>/record.json" in markdown
    assert "1 run was left out: &lt;runs&gt;/record.json" in html
    note = next(reason for reason in report.reasons if "read off a plot" in reason)
    number = report.reasons.index(note) + 1
    row = "| 100 tasks | 62.00 | 62.50 ± 0.30 | 8 | 62.25 to 62.75 | +0.50 | 2.00 | reproduced"
    assert number > 1
    assert f"{row} | {number} |\n" in markdown
    assert f"\n{number}. {note}\n" in markdown
    assert f'<a href="#note-{number}">{number}</a>' in html
    assert f'<li id="note-{number}">{note}</li>' in html
    assert "| 5 tasks | 5.625 |  | 0 |  |  | 0.5 | not run | " in markdown


def test_verdicts_are_words_and_not_colours_alone(report: Report) -> None:
    rows = Page(render(report, TEMPLATES / "reproduction.html.j2")).rows
    counts = {verdict: sum(f"|{verdict.partition(' (')[0]}|" in row for row in rows) for verdict in report.counts}
    assert counts == report.counts


def test_pages_of_reduced_scale_carry_a_banner_and_no_verdict(
    declarations: Declarations, published: Published, report: Report
) -> None:
    runs = runs_with("prototype", 10, sample(0.7, 0.01, 3))
    comparisons = compare(declarations, published, "quick", runs)
    reduced = Report("quick", published.rule, comparisons, num_runs=3, left_out=[], titles=report.titles)
    for suffix in ("html", "md"):
        text = render(reduced, TEMPLATES / f"reproduction.{suffix}.j2")
        assert "Reduced scale (quick)" in text
        assert "70.00 ± 1.00" in text
        assert not any(word in text for word in (">verdict<", "| verdict", "inconclusive (", "not run<", "not run |"))


def test_a_fault_in_a_page_leaves_the_files_as_they_were(report: Report, tmp_path: Path) -> None:
    (tmp_path / "reproduction.md.j2").write_text("{{ report.summary }}")
    (tmp_path / "reproduction.html.j2").write_text("{{ report.sumary }}")
    (tmp_path / "out.csv").write_text("before")
    with pytest.raises(Exception, match="sumary"):
        write_report(report, tmp_path, tmp_path / "out")
    assert (tmp_path / "out.csv").read_text() == "before"
    assert not (tmp_path / "out.md").exists()


# -- the script -------------------------------------------------------------------------------------------


def script(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "workflow/scripts/reproduction.py", "--config", ROOT / "config", *arguments]
    environment = {"PYTHONPATH": str(ROOT / "workflow/src"), "PATH": ""}
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment)


def test_the_script_writes_three_files_and_says_the_summary(write, published: Published, tmp_path: Path) -> None:
    for seed, accuracy in enumerate(sample(0.948, 0.001, 4), start=1):
        write("prototype", 2, seed, accuracy)
    (write("prototype", 5, 1) / "accuracy.csv").unlink()
    done = script("--scale", PAPER, "--runs", tmp_path, "--output", tmp_path / "made" / "reproduction")
    assert done.returncode == 0, done.stderr
    summary, note = done.stdout.splitlines()
    total = len(published.numbers)
    assert summary.startswith(f"0 of {total} comparisons with published numbers reproduced, 1 differs, 0 inconclusive")
    assert note.startswith("1 run was left out: ")
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == [
        f"reproduction.{suffix}" for suffix in ("csv", "html", "md")
    ]


def test_the_script_refuses_in_one_line(tmp_path: Path) -> None:
    done = script("--scale", PAPER, "--runs", "nowhere", "--output", tmp_path / "reproduction")
    said = "reproduction: --runs: found no folder nowhere, expected the runs of scale paper\n"
    assert (done.returncode, done.stderr) == (1, said)
    assert list(tmp_path.iterdir()) == []


def test_a_scale_that_nobody_declares_is_refused(declarations, published: Published, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--scale: found 'papr', expected 'paper'"):
        find_runs(declarations, published, "papr", tmp_path)


def test_numbers_are_rounded_once() -> None:
    """0.404996 is 0.40; by way of 0.4050 it would be 0.41."""
    assert written(0.00404996, ACCURACY) == "0.40"
    assert written(-0.00000001, ACCURACY, "+") == "+0.00"
    assert written(5.625, CLUSTERS) == "5.625"
