"""Verdicts and tables from runs.csv alone: those of the run folders, and what was not run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from finished_runs import rewrite

from active_dendrites import NUMERICS
from active_dendrites.evaluation.tables import experiment_table, write_table
from active_dendrites.reports.reproduction_page import make_report, render
from active_dendrites.reproduction.counted_runs import find_runs, notes_on
from active_dendrites.reproduction.reference import merge, read_rows
from active_dendrites.reproduction.reference_tables import judged_runs, preview_table, reference_table
from active_dendrites.reproduction.verdicts import comparison_table
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.published import Published, declared_rows, read_published

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def published(declarations: Declarations) -> Published:
    return read_published(declarations)


def test_settings_may_change_and_no_row_is_lost(declarations, published, write, runs, file) -> None:
    """Nor mixed with others in the report."""
    write("prototype", 2, 1, 0.9)
    merge(file, declarations, runs)
    settings = declarations.resolve(PAPER, "prototype", 2, 1).settings_hash()
    rewrite(file, lambda text: text.replace(settings, "0" * 16))
    write("prototype", 2, 1, 0.95)
    assert merge(file, declarations, runs) == (1, 0, 0, [])
    rows = read_rows(file)
    assert [row.average_accuracy for row in rows] == [0.9, 0.9, 0.95, 0.95]
    rows += [row._replace(numerics=NUMERICS + 1, seed=2) for row in rows if row.settings_hash == settings]
    rows += [row._replace(variant="of_old") for row in rows]
    counted, left_out = judged_runs(declarations, published, rows)
    assert [(run.seed, run.accuracy) for run in counted] == [(1, 0.95)]
    assert list(notes_on(left_out)) == [
        "1 run was left out: other settings.",
        "1 run was left out: another version of the arithmetic.",
    ]


def test_verdicts_are_those_of_the_run_folders(declarations, published, measured, runs, file) -> None:
    merge(file, declarations, runs)
    pair = find_runs(declarations, published, PAPER, runs), judged_runs(declarations, published, read_rows(file))
    (from_folders, _), (from_rows, left_out) = pair
    assert left_out == []
    assert sorted(from_rows) == sorted(from_folders)
    pages = [
        render(make_report(declarations, published, PAPER, *found), ROOT / "workflow/report/reproduction.md.j2")
        for found in pair
    ]
    assert pages[0] == pages[1]
    # By hand: construct_prototype misses 96.00 by 6 points, its clusters 5.625 by more than 0.5.
    rows = comparison_table(make_report(declarations, published, PAPER, *pair[1]).comparisons)
    found = {(row.variant, row.num_tasks, row.quantity): row.verdict for row in rows.itertuples() if row.n}
    assert found == {
        ("prototype", 10, "accuracy"): "reproduced",
        ("construct_prototype", 5, "accuracy"): "differs",
        ("construct_prototype", 5, "clusters"): "differs",
        ("xdg", 2, "accuracy"): "inconclusive (too few seeds)",
    }


RUN_OF = {  # which configurations of an experiment `measured` has
    "comparison": {("prototype", 10), ("xdg", 2)},
    "clusters": {("construct_prototype", 5)},
    "search_accuracy": {("w_sparsity_search-0.5", 10)},
}


@pytest.mark.parametrize("experiment", RUN_OF)
def test_a_table_is_that_of_the_run_folders(declarations, published, measured, runs, file, experiment: str) -> None:
    merge(file, declarations, runs)
    table = reference_table(declarations, published, experiment, read_rows(file))
    run = table[table["accuracy"].notna()]
    assert set(zip(run["variant"], run["num_tasks"], strict=True)) == RUN_OF[experiment]
    declared = declared_rows(declarations, published, PAPER, experiment)
    rows = [row for row in declared if (row.variant, row.num_tasks) in RUN_OF[experiment]]
    seeds: dict[str, Sequence[int]] = {row.variant: range(1, 5) for row in rows}
    seeds |= {"xdg": [3], "w_sparsity_search-0.5": [1]}
    expected = experiment_table(declarations, PAPER, experiment, rows, seeds, runs)
    write_table(file.with_name("ours.csv"), run)
    write_table(file.with_name("expected.csv"), expected)
    assert file.with_name("ours.csv").read_text() == file.with_name("expected.csv").read_text()


@pytest.mark.parametrize("experiment", RUN_OF)
def test_what_was_not_run_has_a_row_with_its_published_value(
    declarations, published, measured, runs, file, experiment: str
) -> None:
    merge(file, declarations, runs)
    table = reference_table(declarations, published, experiment, read_rows(file))
    missing = table[table["accuracy"].isna()]
    declared = declared_rows(declarations, published, PAPER, experiment)
    expected = [row for row in declared if (row.variant, row.num_tasks) not in RUN_OF[experiment]]
    assert list(zip(missing["variant"], missing["num_tasks"], strict=True)) == [row[0:3:2] for row in expected]
    values = missing["published"].astype(float)
    np.testing.assert_array_equal(values, np.array([row.published for row in expected], dtype=float))
    if experiment == "search_accuracy":
        assert (missing["after_task"] == missing["num_tasks"]).all() and missing["seed"].isna().all()
    else:
        assert (missing["n"] == 0).all()


def test_a_table_that_needs_single_tasks_is_refused(declarations, published) -> None:
    said = "found no 'accuracy_matrix' of kind summary or search, expected one of comparison, "
    with pytest.raises(ValueError, match=said):
        reference_table(declarations, published, "accuracy_matrix", [])


# -- from whichever runs are finished -------------------------------------------------------------------------


@pytest.mark.parametrize("experiment", RUN_OF)
def test_a_preview_is_the_table_of_what_is_finished(declarations, published, measured, runs, file, experiment) -> None:
    """And that of runs.csv, which was made of the same runs."""
    merge(file, declarations, runs)
    expected = reference_table(declarations, published, experiment, read_rows(file))
    table, left_out = preview_table(declarations, published, PAPER, experiment, runs)
    write_table(file.with_name("ours.csv"), table)
    write_table(file.with_name("expected.csv"), expected)
    assert file.with_name("ours.csv").read_text() == file.with_name("expected.csv").read_text()
    assert left_out == []


def test_a_preview_leaves_out_what_does_not_count(declarations, published, measured, runs, write) -> None:
    rewrite(write("prototype", 10, 5, settings_hash="0" * 16) / "record.json", str)
    (write("prototype", 10, 6) / "accuracy.csv").write_text("after_task,task,accuracy\n")
    (write("prototype", 10, 7) / "record.json").unlink()  # it is being trained
    table, left_out = preview_table(declarations, published, PAPER, "accuracy_matrix", runs)
    assert set(table["variant"]) == {"prototype"}
    assert set(table["n"]) == {4}
    other, damaged = notes_on(left_out)
    assert other == "1 run was left out: other settings."
    assert "seed-6/accuracy.csv" in damaged
    table, left_out = preview_table(declarations, published, PAPER, "hidden_activations_per_task", runs)
    assert len(table) == 0
    assert len(left_out) == 6
    assert "activity.npy" in left_out[0].why


def test_the_script_draws_a_preview(script, measured, runs, tmp_path: Path) -> None:
    output = tmp_path / "preview"
    printed, said = script("preview", "--runs", runs, "--output", output)
    assert printed.splitlines()[-1] == f"Open {output}/report.html"
    assert "Not drawn, since none of their variants was run: hidden_activations_per_task, search_lines," in printed
    drawn = {path.stem for path in (output / "figures").glob("*.svg")}
    assert {"comparison", "clusters", "accuracy_matrix", "search_accuracy"} <= drawn
    assert "prototype/tasks-10/seed-4/record.json" in (output / "report.html").read_text()
    assert (output / "searches.html").is_file()
    _, said = script("preview", "--runs", runs / "nowhere")
    assert said == f"reference: --runs: found no folder {runs / 'nowhere'}, expected the runs of scale paper"
