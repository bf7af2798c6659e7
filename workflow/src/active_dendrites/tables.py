"""From the runs of an experiment to its table: one row per variant and number of tasks, over all seeds."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from active_dendrites.metrics import Summary, average_accuracy, summarise
from active_dendrites.published import DeclaredRow
from active_dendrites.records import read_accuracy, whole_file

COLUMNS = [
    *("experiment", "scale", "variant", "label", "num_tasks", "n", "seeds"),
    *("accuracy", "std", "low", "high", "published"),
]


def accuracy_file(runs: Path, variant: str, num_tasks: int, seed: int) -> Path:
    """Where the accuracies of one run are."""
    return runs / variant / f"tasks-{num_tasks}" / f"seed-{seed}" / "accuracy.csv"


def summarise_runs(files: Sequence[Path], num_tasks: int) -> Summary:
    """Mean over the tasks of each run, then over runs. Raises: IncompleteRunError naming a file."""
    return summarise([average_accuracy(read_accuracy(file, num_tasks)) for file in files])


def experiment_table(
    experiment: str, scale: str, rows: Iterable[DeclaredRow], seeds: Sequence[int], runs: Path
) -> pd.DataFrame:
    """The table of an experiment.

    Args:
        rows: what is declared, from `published.declared_rows`.
        seeds: of every run; one that is missing is an error.
        runs: folder of the scale's runs.
    Returns: `COLUMNS`; accuracies are fractions, `low` and `high` the 95 % interval of the mean over seeds.
        Quoted rows have n = 0 and only a published value.
    Raises: IncompleteRunError naming a run that is missing or cut off.
    """
    table = []
    for row in rows:
        entry = row._asdict() | {"experiment": experiment, "scale": scale, "n": 0}
        if not row.quoted:
            files = [accuracy_file(runs, row.variant, row.num_tasks, seed) for seed in seeds]
            summary = summarise_runs(files, row.num_tasks)
            spread = {"accuracy": summary.mean, "std": summary.std, "low": summary.low, "high": summary.high}
            entry |= spread | {"n": summary.n, "seeds": " ".join(map(str, seeds))}
        table.append(entry)
    return pd.DataFrame(table, columns=COLUMNS)


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write it whole or not at all; what is not known is an empty cell."""
    with whole_file(path) as file:
        table.to_csv(file, index=False, float_format="%.8g")


def summary_line(name: str, summary: Summary) -> str:
    """One line for a person: prototype_10: 94.86 % ± 0.21 (8 seeds)."""
    spread = f" ± {100 * summary.std:.2f}" if summary.n > 1 else ""
    return f"{name}: {100 * summary.mean:.2f} %{spread} ({summary.n} seed{'s' if summary.n > 1 else ''})"
