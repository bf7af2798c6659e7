"""Tables from runs written by hand, and the published values beside them."""

from math import isnan, sqrt
from pathlib import Path

import pandas as pd
import pytest
from project import REPOSITORY

from active_dendrites.config import Declarations
from active_dendrites.metrics import summarise
from active_dendrites.published import DeclaredRow, declared_rows, read_published
from active_dendrites.records import IncompleteRunError
from active_dendrites.tables import COLUMNS, accuracy_file, experiment_table, summary_line, write_table

ROWS = [
    DeclaredRow("one", "The one", 2, 0.9, quoted=False),
    DeclaredRow("other", "The other", 2, None, quoted=False),
    DeclaredRow("si", "SI (quoted)", 2, 0.98, quoted=True),
]


def write_run(runs: Path, variant: str, seed: int, *last: float) -> Path:
    """A run of two tasks with these accuracies after the second."""
    path = accuracy_file(runs, variant, 2, seed)
    path.parent.mkdir(parents=True)
    path.write_text(f"after_task,task,accuracy\n1,1,0.99\n2,1,{last[0]}\n2,2,{last[1]}\n")
    return path


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    write_run(tmp_path, "one", 3, 0.80, 0.90)  # mean over tasks 0.85
    write_run(tmp_path, "one", 4, 0.90, 1.00)  # 0.95
    write_run(tmp_path, "other", 3, 0.50, 0.50)
    write_run(tmp_path, "other", 4, 0.50, 0.50)
    return tmp_path


def test_a_table_holds_mean_and_spread_over_seeds(runs: Path) -> None:
    table = experiment_table("ablation", "quick", ROWS, [3, 4], runs)
    assert list(table.columns) == COLUMNS
    one, other, quoted = table.to_dict("records")
    assert (one["experiment"], one["scale"], one["variant"], one["label"]) == (
        "ablation",
        "quick",
        "one",
        "The one",
    )
    assert (one["num_tasks"], one["n"], one["seeds"], one["published"]) == (2, 2, "3 4", 0.9)
    assert one["accuracy"] == pytest.approx(0.90)
    assert one["std"] == pytest.approx(0.05 * sqrt(2))
    half = 12.7062 * 0.05  # t of 0.975 at one degree of freedom; std / sqrt(2) is 0.05
    assert (one["low"], one["high"]) == (
        pytest.approx(0.90 - half, abs=1e-5),
        pytest.approx(0.90 + half, abs=1e-5),
    )
    assert other["accuracy"] == 0.5
    assert isnan(other["published"])
    assert (quoted["n"], quoted["published"], quoted["label"]) == (0, 0.98, "SI (quoted)")
    assert isnan(quoted["accuracy"])


def test_a_table_is_written_with_empty_cells_for_what_is_not_known(runs: Path, tmp_path: Path) -> None:
    path = tmp_path / "tables" / "ablation.csv"
    write_table(path, experiment_table("ablation", "quick", ROWS, [3], runs))
    assert path.read_text().splitlines() == [
        "experiment,scale,variant,label,num_tasks,n,seeds,accuracy,std,low,high,published",
        "ablation,quick,one,The one,2,1,3,0.85,,,,0.9",
        "ablation,quick,other,The other,2,1,3,0.5,,,,",
        "ablation,quick,si,SI (quoted),2,0,,,,,,0.98",
    ]
    assert [file.name for file in path.parent.iterdir()] == ["ablation.csv"]
    assert pd.read_csv(path).n.tolist() == [1, 1, 0]


def test_a_missing_seed_is_named(runs: Path) -> None:
    with pytest.raises(IncompleteRunError, match=r"one/tasks-2/seed-5/accuracy.csv"):
        experiment_table("ablation", "quick", ROWS, [3, 5], runs)


def test_a_run_cut_off_is_named(runs: Path) -> None:
    path = accuracy_file(runs, "other", 2, 4)
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(IncompleteRunError, match=r"other/tasks-2/seed-4/accuracy.csv: after task 2"):
        experiment_table("ablation", "quick", ROWS, [3, 4], runs)


def test_published_values_are_fractions_in_declared_order() -> None:
    declarations = Declarations(REPOSITORY / "config")
    rows = list(declared_rows(declarations, read_published(declarations), "paper", "comparison"))
    ours = [row for row in rows if not row.quoted]
    assert [(row.variant, row.num_tasks) for row in ours] == list(declarations.runs_of("paper", "comparison"))
    published = {(row.variant, row.num_tasks): row.published for row in rows}
    assert published["prototype", 100] == 0.814206
    assert published["si_prototype", 2] == 0.976512
    assert published["si_xdg", 100] == 0.955
    assert [row.quoted for row in rows] == sorted(row.quoted for row in rows)


def test_a_line_for_a_person() -> None:
    assert summary_line("prototype_2", summarise([0.947, 0.949])) == "prototype_2: 94.80 % ± 0.14 (2 seeds)"
    assert summary_line("prototype_2", summarise([0.947])) == "prototype_2: 94.70 % (1 seed)"
