"""From the runs of an experiment to its table. What a row is depends on the experiment's kind:

    summary   a variant and number of tasks: accuracy and the other metrics, over seeds
    matrix    a test of a task after learning another, over seeds
    activity  a task and a unit of the last hidden layer; two tasks and the overlap of their subnetworks, over seeds
    search    a run and a number of tasks learned so far, with the settings that a search varies

Every number but clusters is a fraction. A run that is missing or incomplete is an error that names its file.

Letters: S seeds, T tasks, U units.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from active_dendrites.evaluation.metrics import (
    Summary,
    average_accuracy,
    chance_overlap,
    continual_metrics,
    subnetwork_overlap,
    summarise,
)
from active_dendrites.runs.files import read_bytes
from active_dendrites.runs.folders import run_folder, run_of
from active_dendrites.runs.records import (
    IncompleteRunError,
    note_unsealed,
    read_accuracy,
    read_activity,
    read_clusters,
)
from active_dendrites.runs.seals import check_file, seal_of, sealed_file
from active_dendrites.settings.declarations import Declarations
from active_dendrites.settings.published import DeclaredRow
from active_dendrites.settings.run import RunConfig
from active_dendrites.settings.yaml_files import fault_line

LOG = logging.getLogger(__name__)

TableRow = dict[str, Any]  # by column

SHOWN_UNITS = 64  # of a layer, the first so many, as in the paper's figure 6 (method 6)
SUMMARISED = ("forgetting", "backward_transfer", "learning_accuracy", "clusters")
IDENTITY = ["experiment", "scale", "variant", "label", "num_tasks"]
SEARCHED = [
    "segments_per_unit",
    "winner_density",
    "weight_sparsity",
    "learning_rate",
    "strength",
    "damping",
    "include_segments",
]
COLUMNS = {
    "summary": IDENTITY
    + ["n", "seeds", "accuracy", "std", "low", "high", "published", "quoted"]
    + [f"{metric}{spread}" for metric in SUMMARISED for spread in ("", "_std", "_low", "_high")]
    + ["published_clusters"],
    "matrix": [*IDENTITY, "n", "after_task", "task", "accuracy", "std"],
    "activity": [*IDENTITY, "n", "panel", "row", "column", "value", "std", "chance"],
    "search": [*IDENTITY, "search", *SEARCHED, "seed", "after_task", "accuracy", "published", "published_std"],
}


# -- runs -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SeededRuns:
    """The runs of one configuration, a folder for each seed. What is read raises IncompleteRunError."""

    num_tasks: int
    folders: Sequence[Path]

    def accuracies(self) -> np.ndarray:
        """(S, T, T), NaN where not measured."""
        files = [folder / "accuracy.csv" for folder in self.folders]
        return read_all(files, self.num_tasks, read_accuracy, tests_in_words)

    def activities(self) -> np.ndarray:
        """(S, T, U)."""
        files = [folder / "activity.npy" for folder in self.folders]
        return read_all(files, self.num_tasks, read_activity, np.shape)

    def clusters(self) -> list[int] | None:
        """How many prototypes each run inferred; None if they infer none."""
        of_seeds = {folder / "record.json": read_clusters(folder / "record.json") for folder in self.folders}
        counts = [count for count in of_seeds.values() if count is not None]
        if not counts:
            return None
        for path, count in of_seeds.items():
            if count is None:
                raise IncompleteRunError(
                    fault_line(path, "clusters", "a number, as with the other seeds", found="null")
                )
        return counts


def read_all(
    files: Sequence[Path],
    num_tasks: int,
    read: Callable[[Path, int], np.ndarray],
    describe: Callable[[np.ndarray], Any],
) -> np.ndarray:
    """What the files of all seeds hold, (S, ...).

    Args:
        describe: what must be the same for all seeds.
    Raises: IncompleteRunError naming a file that is not as the first.
    """
    arrays = [read(file, num_tasks) for file in files]
    for file, array in zip(files, arrays, strict=True):
        found, expected = describe(array), describe(arrays[0])
        if found != expected:
            raise IncompleteRunError(fault_line(file, "", f"{expected}, as in {files[0]}", found=str(found)))
    return np.stack(arrays)


def tests_in_words(accuracy: np.ndarray) -> str:
    """After which tasks all tasks seen were tested."""
    tested = [str(after) for after, _ in complete_rows(accuracy)]
    return f"tests of all tasks after {', '.join(tested)}"


def complete_rows(accuracy: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(after_task, accuracy on each task seen) where all were tested; 1-based."""
    for after in range(1, len(accuracy) + 1):
        seen = accuracy[after - 1, :after]
        if not np.isnan(seen).any():
            yield after, seen


# -- the rows of each kind --------------------------------------------------------------------------------


def summary_row(accuracies: np.ndarray, clusters: Sequence[int] | None) -> TableRow:
    """Metrics over seeds, from (S, T, T) and the number of clusters of each seed."""
    return summarised_row([continual_metrics(accuracy) for accuracy in accuracies], clusters)


def summarised_row(runs: Sequence[Mapping[str, float]], clusters: Sequence[int] | None) -> TableRow:
    """The same from the metrics of each seed by name, NaN where one is not defined."""
    values: dict[str, list[float]] = {name: [run[name] for run in runs] for name in runs[0]}
    values["clusters"] = [np.nan] if clusters is None else [float(count) for count in clusters]
    accuracy = summarise(values["average_accuracy"])
    row: TableRow = {
        "n": accuracy.n,
        "accuracy": accuracy.mean,
        "std": accuracy.std,
        "low": accuracy.low,
        "high": accuracy.high,
    }
    for name in SUMMARISED:
        if not np.isnan(values[name]).any():  # a single task is not forgotten, and not every variant has clusters
            over_seeds = summarise(values[name])
            row[name] = over_seeds.mean
            row[f"{name}_std"] = over_seeds.std
            row[f"{name}_low"] = over_seeds.low
            row[f"{name}_high"] = over_seeds.high
    return row


def matrix_rows(accuracies: np.ndarray) -> Iterator[TableRow]:
    """Each cell of (S, T, T) that was measured, over seeds; tasks are 1-based."""
    for after, task in np.argwhere(~np.isnan(accuracies[0])):
        cell = summarise(accuracies[:, after, task])
        yield {"n": cell.n, "after_task": after + 1, "task": task + 1, "accuracy": cell.mean, "std": cell.std}


def activity_rows(activities: np.ndarray) -> Iterator[TableRow]:
    """Each task and unit, of the first seed and the first units as in the paper; each pair of tasks, over seeds.

    Args:
        activities: (S, T, U).
    """
    num_seeds = len(activities)
    for (task, unit), value in np.ndenumerate(activities[0, :, :SHOWN_UNITS]):
        yield {"n": num_seeds, "panel": "activity", "row": task + 1, "column": unit + 1, "value": value}
    overlaps = np.stack([subnetwork_overlap(activity) for activity in activities])  # (S, T, T)
    chances = np.stack([chance_overlap(activity) for activity in activities])
    for task, other in np.ndindex(overlaps.shape[1:]):
        pair = {"n": num_seeds, "panel": "overlap", "row": task + 1, "column": other + 1}
        values = overlaps[:, task, other]
        if not np.isnan(values).any():  # two tasks that switch on no unit have nothing to share
            overlap, chance = summarise(values), summarise(chances[:, task, other])
            pair |= {"value": overlap.mean, "std": overlap.std, "chance": chance.mean}
        yield pair


def search_rows(accuracies: np.ndarray, seeds: Sequence[int]) -> Iterator[TableRow]:
    """Each seed's accuracy over the tasks seen so far, from (S, T, T), where all of them were tested."""
    for seed, accuracy in zip(seeds, accuracies, strict=True):
        for after, seen in complete_rows(accuracy):
            yield {"seed": seed, "after_task": after, "accuracy": seen.mean()}


def search_settings(run: RunConfig) -> TableRow:
    """The settings that the searches vary; None for the winners of a ReLU and for what SI alone has."""
    network, consolidation = run.network, run.consolidation
    protects = consolidation.protects
    return {
        "segments_per_unit": network.segments_per_unit,
        "winner_density": network.winner_density,
        "weight_sparsity": network.weight_sparsity,
        "learning_rate": run.learning_rate,
        "strength": consolidation.strength if protects else None,
        "damping": consolidation.damping if protects else None,
        "include_segments": protects and consolidation.include_segments,
    }


# -- the table --------------------------------------------------------------------------------------------


def experiment_table(
    declarations: Declarations,
    scale: str,
    experiment: str,
    rows: Iterable[DeclaredRow],
    seeds: Mapping[str, Sequence[int]],
    runs: Path,
) -> pd.DataFrame:
    """The table of an experiment, of its kind.

    Args:
        rows: what is declared, from `published.declared_rows`.
        seeds: of each variant; a run that is missing is an error.
        runs: folder of the scale's runs.
    Returns: the `COLUMNS` of the kind; `low` and `high` are the 95 % t-interval of the mean over seeds. What is not
        known, or not defined, is empty.
    Raises: IncompleteRunError naming a file, or all that are missing; ValueError for a variant without seeds.
    """
    kind = declarations.experiments[experiment].kind
    rows = list(rows)
    for row in rows:
        if not seeds.get(row.variant):
            expected = f"those of each variant of {experiment}"
            raise ValueError(fault_line("seeds", "", expected, found=f"none for {row.variant}"))
    folders = [run_folder(runs, row.variant, row.num_tasks, seed) for row in rows for seed in seeds[row.variant]]
    check_all_there(kind, folders)
    note_unsealed(folders)
    return table_of(
        declarations, scale, experiment, rows, lambda row: rows_of_kind(kind, row, seeds[row.variant], runs)
    )


def table_of(
    declarations: Declarations,
    scale: str,
    experiment: str,
    rows: Iterable[DeclaredRow],
    measured: Callable[[DeclaredRow], Iterable[TableRow]],
) -> pd.DataFrame:
    """The table of an experiment, given what was measured of each configuration, as rows of its kind."""
    kind = declarations.experiments[experiment].kind
    table: list[TableRow] = []
    for row in rows:
        entry = row._asdict() | {"experiment": experiment, "scale": scale}
        if kind == "search":
            entry["search"] = declarations.sweep_of(row.variant)
            entry |= search_settings(declarations.resolve(scale, row.variant, row.num_tasks, 1))
        table += [entry | of_row for of_row in measured(row)]
    frame = pd.DataFrame(table, columns=COLUMNS[kind])
    return frame.astype({"seed": "Int64"}) if kind == "search" else frame  # an integer or nothing


def missing_rows(kind: str, num_tasks: int) -> list[TableRow]:
    """The rows of a configuration that was not run: one without an accuracy where a figure marks what is missing."""
    match kind:
        case "summary":
            return [{"n": 0}]
        case "search":
            return [{"after_task": num_tasks}]
        case "matrix" | "activity":
            return []
    raise AssertionError(kind)


def check_all_there(kind: str, folders: Sequence[Path]) -> None:
    """Raises: IncompleteRunError with the list of the runs that lack the file which a kind of table is made from."""
    files = [folder / ("activity.npy" if kind == "activity" else "accuracy.csv") for folder in folders]
    missing = [str(file) for file in files if not file.exists()]
    if missing:
        raise IncompleteRunError(f"missing {len(missing)} of {len(files)} runs, expected all: {', '.join(missing)}")


def rows_of_kind(kind: str, row: DeclaredRow, seeds: Sequence[int], runs: Path) -> Iterable[TableRow]:
    """What was measured in the runs of one configuration, as rows of a kind of table."""
    of_seeds = SeededRuns(row.num_tasks, [run_folder(runs, row.variant, row.num_tasks, seed) for seed in seeds])
    match kind:
        case "summary":
            return [summary_row(of_seeds.accuracies(), of_seeds.clusters()) | {"seeds": " ".join(map(str, seeds))}]
        case "matrix":
            return matrix_rows(of_seeds.accuracies())
        case "activity":
            return activity_rows(of_seeds.activities())
        case "search":
            return search_rows(of_seeds.accuracies(), seeds)
    raise AssertionError(kind)


def write_table(path: Path, table: pd.DataFrame) -> None:
    """A table as CSV, atomically, and its seal; what is not known is an empty cell."""
    with sealed_file(path) as file:
        table.to_csv(file, index=False, float_format="%.8g")


def table_bytes(path: Path) -> bytes:
    """What `write_table` wrote, held against its seal; a table of an earlier version has none, which is said.

    Raises: DamagedFileError if it is damaged.
    """
    content = read_bytes(path)
    if not check_file(path, content):
        LOG.warning("%s: found no %s beside it: it was read unchecked", path, seal_of(path).name)
    return content


# -- a line for a person ----------------------------------------------------------------------------------


def result_lines(name: str, files: Sequence[Path], num_tasks: int) -> Iterator[str]:
    """A line for each variant among the accuracy.csv of runs, in their order; `name` is enough where it is one.

    Raises: ValueError for a file that is not where `run_folder` has it; IncompleteRunError naming a file.
    """
    folders: dict[str, list[Path]] = {}
    for file in files:
        if file.name != "accuracy.csv":
            raise ValueError(f"found {file}, expected .../<variant>/tasks-<T>/seed-<s>/accuracy.csv")
        folders.setdefault(run_of(file.absolute().parent).variant, []).append(file.parent)
    note_unsealed(folder for of_variant in folders.values() for folder in of_variant)
    for variant, of_variant in folders.items():
        runs = SeededRuns(num_tasks, of_variant)
        accuracy = summarise([average_accuracy(accuracy) for accuracy in runs.accuracies()])
        clusters = runs.clusters()
        yield result_line(name if len(folders) == 1 else f"{name}, {variant}", accuracy, clusters)


def result_line(name: str, accuracy: Summary, clusters: Sequence[int] | None = None) -> str:
    """prototype_10: 94.86 % ± 0.21 (8 seeds); and the mean number of clusters where prototypes were inferred."""
    spread = f" ± {100 * accuracy.std:.2f}" if accuracy.n > 1 else ""
    inferred = f", {np.mean(clusters):.2f} clusters" if clusters else ""
    return f"{name}: {100 * accuracy.mean:.2f} %{spread} ({accuracy.n} seed{'s' if accuracy.n > 1 else ''}){inferred}"
