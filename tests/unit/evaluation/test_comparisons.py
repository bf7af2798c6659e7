"""Runs as one table, paired tests and Holm's correction, against values by hand and SciPy."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from finished_runs import COMMIT, finished_run, unsealed
from scipy import stats

from active_dendrites.evaluation.comparisons import compare, holm, load_runs, paired_test
from active_dendrites.runs.records import IncompleteRunError
from active_dendrites.settings.declarations import Declarations

ROOT = Path(__file__).parents[3]
MATRIX = np.array([[0.9, np.nan], [0.7, 0.8]])


def test_every_test_of_every_finished_run_is_a_row(tmp_path: Path, declarations: Declarations) -> None:
    finished_run(declarations, tmp_path, "prototype", 2, 1, MATRIX)
    finished_run(declarations, tmp_path, "prototype", 2, 2, 0.5)
    (finished_run(declarations, tmp_path, "xdg", 2, 1, 0.5) / "record.json").unlink()  # under way
    runs = load_runs(tmp_path)
    assert list(runs.seed) == [1, 1, 1, 2, 2, 2]
    assert list(zip(runs.after_task, runs.task, runs.accuracy, strict=True))[:3] == [
        (1, 1, 0.9),
        (2, 1, 0.7),
        (2, 2, 0.8),
    ]
    assert set(runs.variant) == {"prototype"}
    first = runs.iloc[0]
    assert first.average_accuracy == pytest.approx(0.75)
    assert first.forgetting == pytest.approx(0.2)
    assert first.commit == COMMIT
    assert first.settings_hash == declarations.resolve("paper", "prototype", 2, 1).settings_hash()


def test_a_folder_without_a_finished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{tmp_path}: found no finished run, expected <variant>/tasks-<T>/seed-<s>/"):
        load_runs(tmp_path)


@pytest.mark.parametrize("name", ["accuracy.csv", "record.json"])
def test_a_damaged_run_is_named(tmp_path: Path, declarations: Declarations, name: str) -> None:
    finished_run(declarations, tmp_path, "prototype", 2, 2, MATRIX)
    path = finished_run(declarations, tmp_path, "prototype", 2, 1, MATRIX) / name
    path.write_text(path.read_text()[:-8])
    with pytest.raises(IncompleteRunError, match=rf"seed-1/{name}"):
        load_runs(tmp_path)


def test_runs_of_an_earlier_version_are_read_and_said(tmp_path: Path, declarations: Declarations, caplog) -> None:
    unsealed(finished_run(declarations, tmp_path, "prototype", 2, 1, MATRIX))
    assert len(load_runs(tmp_path)) == 3
    assert "1 of 1 runs are of an older format" in caplog.text


def test_the_paired_test_is_that_of_scipy() -> None:
    first, second = np.random.default_rng(1).normal(size=(2, 8))
    found, expected = paired_test(first, second), stats.ttest_rel(first, second)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-12)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-12)
    assert (found.n, found.difference) == (8, pytest.approx(np.mean(first - second)))
    assert found.std == pytest.approx(np.std(first - second, ddof=1))


def test_one_pair_has_a_difference_alone() -> None:
    found = paired_test([0.9], [0.8])
    assert (found.n, found.difference) == (1, pytest.approx(0.1))
    assert all(math.isnan(value) for value in (found.std, found.low, found.high, found.p))


def test_equal_differences_have_no_p(recwarn: pytest.WarningsRecorder) -> None:
    """A t of rounding errors would be significant beyond measure."""
    found = paired_test([0.3, 0.4, 0.7], [0.1, 0.2, 0.5])
    assert found.difference == pytest.approx(0.2)
    assert (found.std, found.low, found.high) == (0, found.difference, found.difference)
    assert math.isnan(found.p)
    assert not recwarn.list


@pytest.mark.parametrize(("first", "second"), [([], []), ([1.0], [1.0, 2.0]), ([1.0, math.nan], [1.0, 2.0])])
def test_what_makes_no_pairs_is_refused(first: list[float], second: list[float]) -> None:
    with pytest.raises(ValueError, match=r"paired_test: found .*, expected as many numbers in both"):
        paired_test(first, second)


def test_holm_by_hand() -> None:
    # 0.01 * 4; max(0.04, 0.02 * 3); 0.03 * 2 = 0.06, not below; 0.5 * 1.
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_what_was_not_tested_does_not_count() -> None:
    first, second = holm([math.nan, 0.02])
    assert math.isnan(first)
    assert second == 0.02


def runs_of(**accuracies: dict[tuple[int, int], float]) -> pd.DataFrame:
    """{variant: {(num_tasks, seed): accuracy}} as a table."""
    rows = [
        {"variant": variant, "num_tasks": num_tasks, "seed": seed, "average_accuracy": accuracy}
        for variant, found in accuracies.items()
        for (num_tasks, seed), accuracy in found.items()
    ]
    return pd.DataFrame(rows)


def test_variants_are_compared_by_the_seeds_that_both_have() -> None:
    table = runs_of(
        a={(2, 1): 0.9, (2, 2): 0.8, (2, 3): 0.1, (5, 1): 0.7},
        b={(2, 2): 0.7, (2, 1): 0.85, (2, 4): 0.2, (5, 1): 0.6},
    )
    small, large = compare(pd.concat([table, table]), [("a", "b")]).itertuples()  # a run may have several rows
    assert (small.num_tasks, small.n, small.seeds) == (2, 2, "1 2")
    assert small.difference == pytest.approx((0.05 + 0.1) / 2)
    assert (small.first_mean, small.second_mean) == pytest.approx((0.85, 0.775))
    assert (large.num_tasks, large.n, large.seeds) == (5, 1, "1")
    assert small.p_holm == small.p  # the other has no p
    assert math.isnan(large.p_holm)


def test_all_rows_count_in_the_correction() -> None:
    draws = np.random.default_rng(2)
    found = {v: {(2, seed): draws.normal() for seed in range(1, 6)} for v in "abc"}
    table = compare(runs_of(**found), [("a", "b"), ("a", "c"), ("b", "c")])
    assert list(table.p_holm) == holm(list(table.p))


@pytest.mark.parametrize(
    ("pair", "metric", "line"),
    [
        (("a", "c"), "average_accuracy", "variant: found 'c', expected one of a, b"),
        (("a", "b"), "average_accuracy", "a and b: found no number of tasks and seed that both have, expected one"),
        (("a", "b"), "accurracy", "metric: found 'accurracy', expected one of average_accuracy, forgetting"),
    ],
)
def test_what_cannot_be_compared_is_one_line(pair: tuple[str, str], metric: str, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        compare(runs_of(a={(2, 1): 0.9}, b={(5, 1): 0.9}), [pair], metric)


def test_two_values_of_one_run_are_refused() -> None:
    table = runs_of(a={(2, 1): 0.9}, b={(2, 1): 0.8})
    other = table.assign(average_accuracy=0.5)
    with pytest.raises(ValueError, match="expected one for each run"):
        compare(pd.concat([table, other]), [("a", "b")])


def test_the_script_compares_the_measured_runs(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "workflow/scripts/compare.py"]
    done = subprocess.run(
        [*command, "prototype", "active_dendrites_only"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "p (Holm)" in done.stdout
    assert any(
        line.split()[:4] == ["prototype", "active_dendrites_only", "10", "8"] for line in done.stdout.splitlines()
    )
    wrong = subprocess.run([*command, "prototype", "nope"], cwd=tmp_path, capture_output=True, text=True)
    assert wrong.stderr.startswith("compare: variant: found 'nope', expected one of ")
    assert wrong.stderr.count("\n") == 1
