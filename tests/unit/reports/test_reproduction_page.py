"""The reproduction report: table, pages and the script that writes them."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from judged_runs import mixture_of, published_alone, runs_with, sample, scored_run
from scipy import stats

from active_dendrites.reports.reproduction_page import Report, format_number, render, write_report
from active_dendrites.reproduction.verdicts import COLUMNS, REPRODUCED, Comparison, compare
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.published import ACCURACY, CLUSTERS, Published

ROOT = Path(__file__).parents[3]
TEMPLATES = ROOT / "workflow" / "report"


@pytest.fixture(scope="module")
def published(declarations: Declarations) -> Published:
    return published_alone(declarations)


@pytest.fixture
def write(declarations: Declarations, tmp_path: Path) -> Callable[..., Path]:
    """Writes a finished run into tmp_path: `judged_runs.scored_run`."""
    return partial(scored_run, declarations, tmp_path)


@pytest.fixture(scope="module")
def mixture(declarations: Declarations, published: Published) -> list[Comparison]:
    return mixture_of(declarations, published)


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


def test_numbers_are_rounded_once() -> None:
    """0.404996 is 0.40; by way of 0.4050 it would be 0.41."""
    assert format_number(0.00404996, ACCURACY) == "0.40"
    assert format_number(-0.00000001, ACCURACY, "+") == "+0.00"
    assert format_number(5.625, CLUSTERS) == "5.625"
