"""A run's files: accuracy.csv, activity.npy and record.json, written whole or not at all, and refused if incomplete.

Letters: T tasks, U units of the last hidden layer.
"""

import json
import math
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import active_dendrites
from active_dendrites.runs.files import atomic_file
from active_dendrites.settings.run import RunConfig

Record = Mapping[str, Any]  # what record.json says

ACCURACY_COLUMNS = {"after_task": int, "task": int, "accuracy": float}


class IncompleteRunError(ValueError):
    """A run's file that is missing, cut off or not what its settings promise."""


# -- accuracy.csv -----------------------------------------------------------------------------------------


def write_accuracy(path: Path, accuracy: np.ndarray) -> None:
    """accuracy.csv from the matrix (T, T): a row for each task that was tested, after each task; both 1-based."""
    assert not list(untested(accuracy))
    rows = [
        (after + 1, task + 1, accuracy[after, task])
        for after in range(len(accuracy))
        for task in range(after + 1)
        if not np.isnan(accuracy[after, task])
    ]
    with atomic_file(path) as file:
        pd.DataFrame(rows, columns=list(ACCURACY_COLUMNS)).to_csv(file, index=False)


def read_accuracy(path: Path, num_tasks: int) -> np.ndarray:
    """The matrix (T, T) from accuracy.csv, NaN where not measured.

    Raises: IncompleteRunError naming the file if it is missing or cut off, or if a test is not there: of each task
        right after it was learned, of all tasks after the last, of all tasks seen where there are more than that one.
    """
    try:
        text = path.read_text(encoding="utf-8")
        table = pd.read_csv(StringIO(text), dtype=ACCURACY_COLUMNS)
    except (OSError, ValueError) as error:
        raise IncompleteRunError(f"{path}: {str(error).strip()}") from None
    expected = list(ACCURACY_COLUMNS)
    if list(table.columns) != expected or table.isna().any().any():
        raise IncompleteRunError(f"{path}: found columns {list(table.columns)} or empty cells, expected {expected}")
    if not text.endswith("\n"):
        raise IncompleteRunError(f"{path}: found {text.splitlines()[-1]!r} at its end, expected a whole line")
    inside = table.after_task.between(1, num_tasks) & table.task.between(1, table.after_task)
    if not inside.all() or not table.accuracy.between(0, 1).all():
        raise IncompleteRunError(f"{path}: found rows outside {num_tasks} tasks or fractions outside 0 to 1")
    if table.duplicated(expected[:2]).any():
        again = table[table.duplicated(expected[:2])].iloc[0]
        raise IncompleteRunError(
            f"{path}: found task {again.task:.0f} after task {again.after_task:.0f} twice, expected it once"
        )
    matrix = np.full((num_tasks, num_tasks), np.nan)
    matrix[table.after_task - 1, table.task - 1] = table.accuracy
    for fault in untested(matrix):
        raise IncompleteRunError(f"{path}: {fault}")
    return matrix


def untested(accuracy: np.ndarray) -> Iterator[str]:
    """What a matrix (T, T) lacks of what every run tests, in words."""
    for after, row in enumerate(accuracy, start=1):
        found = int((~np.isnan(row[:after])).sum())
        if np.isnan(row[after - 1]):
            yield f"after task {after} found no accuracy of task {after}, expected one"
        elif found < after and (found > 1 or after == len(accuracy)):
            alone = "" if after == len(accuracy) else f" or task {after} alone"
            yield f"after task {after} found {found} tasks, expected {after}{alone}"


# -- activity.npy -----------------------------------------------------------------------------------------


def write_activity(path: Path, activity: np.ndarray) -> None:
    """activity.npy, float32 (T, U): the fraction of each task's test images that switch on each unit."""
    assert activity.ndim == 2 and ((activity >= 0) & (activity <= 1)).all()
    with atomic_file(path, binary=True) as file:
        np.save(file, np.ascontiguousarray(activity, dtype=np.float32), allow_pickle=False)


def read_activity(path: Path, num_tasks: int) -> np.ndarray:
    """The activities of the last hidden layer after the last task, float32 (T, U), fractions. Source: method 6.

    Raises: IncompleteRunError naming the file if it is missing, cut off or something else.
    """
    try:
        with path.open("rb") as file:
            activity = np.lib.format.read_array(file, allow_pickle=False)
            rest = file.read(1)
    except Exception as error:  # whatever NumPy's parser trips over in a damaged header
        raise IncompleteRunError(f"{path}: {str(error).strip()}") from None
    if activity.ndim != 2 or len(activity) != num_tasks or not activity.size or activity.dtype != np.float32 or rest:
        more = " and more after it" if rest else ""
        raise IncompleteRunError(
            f"{path}: found {activity.dtype} {activity.shape}{more}, expected float32 ({num_tasks}, units)"
        )
    if not ((activity >= 0) & (activity <= 1)).all():
        raise IncompleteRunError(
            f"{path}: found values from {activity.min():g} to {activity.max():g}, expected fractions"
        )
    return activity


# -- record.json ------------------------------------------------------------------------------------------


def write_record(path: Path, run: RunConfig, scale: str, machine: Mapping[str, Any], **measured: Any) -> None:
    """record.json: which settings, which code and which machine gave this run's numbers.

    Args:
        machine: what `provenance.machine` says of the one that computed it.
        measured: what else is known of the run: metrics, clusters, steps, seconds, and the `source_state` of its start;
            NaN is written as null.
    """
    record = {
        "variant": run.variant,
        "num_tasks": run.num_tasks,
        "seed": run.seed,
        "dataset": run.dataset,
        "scale": scale,
        **measured,
        **machine,
        "numerics": active_dendrites.NUMERICS,
        "settings_hash": run.settings_hash(),
        "settings": run.settings(),
    }
    with atomic_file(path) as file:
        json.dump(without_nan(record), file, indent=2, allow_nan=False)
        file.write("\n")


def without_nan(value: Any) -> Any:
    """The same with None for NaN, which JSON does not know."""
    if isinstance(value, Mapping):
        return {key: without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def read_record(path: Path) -> Record:
    """What record.json says. Raises: IncompleteRunError naming the file if it is missing or cut off."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise IncompleteRunError(f"{path}: {str(error).strip()}") from None
    if not isinstance(record, dict):
        raise IncompleteRunError(f"{path}: found {type(record).__name__}, expected the record of a run")
    return record


def record_in(folder: Path) -> Record | None:
    """The record of a run's folder; None if there is none that can be read."""
    try:
        return read_record(folder / "record.json")
    except IncompleteRunError:
        return None


def finished_record(folder: Path) -> Record | None:
    """The record of a run that is finished: it can be read, and the accuracies are there."""
    record = record_in(folder)
    return record if (folder / "accuracy.csv").exists() else None


def check_images(path: Path, record: Record, sha256: Mapping[str, str] | None) -> None:
    """Refuse a run of other images than declared; of a dataset without sums, and of an older record, nothing is known.

    Raises: IncompleteRunError naming the record and the file of images.
    """
    found = record.get("images")
    if sha256 is None or found is None:
        return
    if not isinstance(found, dict):
        raise IncompleteRunError(f"{path}: images: found {found!r}, expected the SHA-256 of each file")
    for name, expected in sha256.items():
        if found.get(name) != expected:
            raise IncompleteRunError(
                f"{path}: images.{name}: found {found.get(name)!r}, expected {expected!r} of config/datasets.yaml"
            )


def read_clusters(path: Path) -> int | None:
    """How many prototypes the run of a record.json inferred while training; None if it inferred none.

    Raises: IncompleteRunError naming the file.
    """
    clusters: int | None = read_record(path).get("clusters", "nothing")
    if clusters is not None and (type(clusters) is not int or clusters < 1):
        raise IncompleteRunError(f"{path}: clusters: found {clusters!r}, expected an integer from 1, or null")
    return clusters
