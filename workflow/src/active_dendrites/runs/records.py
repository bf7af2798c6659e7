"""A run's files: accuracy.csv, activity.npy and record.json, atomic and sealed; refused if incomplete or damaged.

Letters: T tasks, U units of the last hidden layer.
"""

import csv
import json
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np

import active_dendrites
from active_dendrites.runs.files import SUMS, atomic_file
from active_dendrites.runs.folders import run_folder
from active_dendrites.runs.seals import RECORD, DamagedFileError, check_run_file, seal_run
from active_dendrites.settings.declarations import Declarations
from active_dendrites.settings.run import RunConfig
from active_dendrites.settings.yaml_files import fault_line

Record = Mapping[str, Any]  # what record.json says

FORMAT, UNSEALED = 2, 1  # of a run's folder, as its record says; records of the first format do not say

LOG = logging.getLogger(__name__)

ACCURACY_COLUMNS = {"after_task": int, "task": int, "accuracy": float}


class IncompleteRunError(ValueError):
    """A run's file that is missing, cut off or not what its settings promise."""


def read_sealed(path: Path) -> bytes:
    """A run's file as it was sealed; of the older format, without seals, as it is.

    Raises: IncompleteRunError naming what is missing or damaged.
    """
    try:
        content = path.read_bytes()
        if check_run_file(path, content):
            return content
        record = path.with_name(RECORD)
        due = record.exists() and parse_record(record, record.read_bytes()).get("format", UNSEALED) != UNSEALED
    except DamagedFileError as fault:
        raise IncompleteRunError(str(fault)) from None
    except OSError as error:
        raise IncompleteRunError(f"{path}: {str(error).strip()}") from None
    if due:
        raise IncompleteRunError(
            fault_line(path.with_name(SUMS), "", "the seal of its run's files", found="no such file")
        )
    return content


def note_unsealed(folders: Iterable[Path]) -> None:
    """Say of which runs the format is older: without seals, so that no damage would be noticed."""
    folders = list(folders)
    unsealed = [folder for folder in folders if not (folder / SUMS).exists()]
    if unsealed:
        more = ", ..." if len(unsealed) > 1 else ""
        LOG.warning(
            "%d of %d runs are of an older format, without seals and sums of images, and were read as they are: %s%s",
            len(unsealed),
            len(folders),
            unsealed[0],
            more,
        )


# -- accuracy.csv -----------------------------------------------------------------------------------------


def write_accuracy(path: Path, accuracy: np.ndarray) -> None:
    """accuracy.csv from the matrix (T, T): a row for each task that was tested, after each task; both 1-based."""
    assert not list(untested(accuracy))
    rows = [
        (after + 1, task + 1, float(accuracy[after, task]))
        for after in range(len(accuracy))
        for task in range(after + 1)
        if not np.isnan(accuracy[after, task])
    ]
    with atomic_file(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(ACCURACY_COLUMNS)
        writer.writerows(rows)


def read_accuracy(path: Path, num_tasks: int) -> np.ndarray:
    """The matrix (T, T) from accuracy.csv, NaN where not measured.

    Raises: IncompleteRunError naming the file if it is missing or cut off, or if a test is not there: of each task
        right after it was learned, of all tasks after the last, of all tasks seen where there are more than that one.
    """
    import pandas as pd  # here, because it takes half a second, and a training only writes

    content = read_sealed(path)
    try:
        text = content.decode("utf-8")
        table = pd.read_csv(StringIO(text), dtype=ACCURACY_COLUMNS)
    except ValueError as error:
        raise IncompleteRunError(f"{path}: {str(error).strip()}") from None
    expected = list(ACCURACY_COLUMNS)
    if list(table.columns) != expected or table.isna().any().any():
        found = f"columns {list(table.columns)} or empty cells"
        raise IncompleteRunError(fault_line(path, "", str(expected), found=found))
    if not text.endswith("\n"):
        raise IncompleteRunError(fault_line(path, "", "a whole line", found=f"{text.splitlines()[-1]!r} at its end"))
    inside = table.after_task.between(1, num_tasks) & table.task.between(1, table.after_task)
    if not inside.all() or not table.accuracy.between(0, 1).all():
        found = f"rows outside {num_tasks} tasks or fractions outside 0 to 1"
        raise IncompleteRunError(fault_line(path, "", "none", found=found))
    if table.duplicated(expected[:2]).any():
        second = table[table.duplicated(expected[:2])].iloc[0]
        found = f"task {second.task:.0f} after task {second.after_task:.0f} twice"
        raise IncompleteRunError(fault_line(path, "", "it once", found=found))
    matrix = np.full((num_tasks, num_tasks), np.nan)
    matrix[table.after_task - 1, table.task - 1] = table.accuracy
    for fault in untested(matrix):
        raise IncompleteRunError(f"{path}: {fault}")
    return matrix


def untested(accuracy: np.ndarray) -> Iterator[str]:
    """What a matrix (T, T) lacks of what every run tests, in words."""
    for after, row in enumerate(accuracy, start=1):
        num_tested = int((~np.isnan(row[:after])).sum())
        if np.isnan(row[after - 1]):
            yield f"after task {after} found no accuracy of task {after}, expected one"
        elif num_tested < after and (num_tested > 1 or after == len(accuracy)):
            alone = "" if after == len(accuracy) else f" or task {after} alone"
            yield f"after task {after} found {num_tested} tasks, expected {after}{alone}"


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
    file = BytesIO(read_sealed(path))
    try:
        activity = np.lib.format.read_array(file, allow_pickle=False)
        trailing = file.read(1)
    except Exception as error:  # whatever NumPy's parser trips over in a damaged header
        raise IncompleteRunError(f"{path}: {str(error).strip()}") from None
    has_shape = activity.ndim == 2 and len(activity) == num_tasks and activity.size
    if not has_shape or activity.dtype != np.float32 or trailing:
        found = f"{activity.dtype} {activity.shape}{' and more after it' if trailing else ''}"
        raise IncompleteRunError(fault_line(path, "", f"float32 ({num_tasks}, units)", found=found))
    if not ((activity >= 0) & (activity <= 1)).all():
        found = f"values from {activity.min():g} to {activity.max():g}"
        raise IncompleteRunError(fault_line(path, "", "fractions", found=found))
    return activity


# -- record.json ------------------------------------------------------------------------------------------


def write_record(path: Path, run: RunConfig, scale: str, machine: Mapping[str, Any], **measured: Any) -> None:
    """record.json, the last of a run's files: which settings, code and machine gave its numbers. Seals them all.

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
        "format": FORMAT,
        "numerics": active_dendrites.NUMERICS,
        "settings_hash": run.settings_hash(),
        "settings": run.settings(),
    }
    content = json.dumps(without_nan(record), indent=2, allow_nan=False) + "\n"
    seal_run(path.parent, content.encode())
    with atomic_file(path) as file:
        file.write(content)


def without_nan(recorded: Any) -> Any:
    """The same with None for NaN, which JSON does not know."""
    if isinstance(recorded, Mapping):
        return {key: without_nan(inner) for key, inner in recorded.items()}
    if isinstance(recorded, list | tuple):
        return [without_nan(inner) for inner in recorded]
    return None if isinstance(recorded, float) and math.isnan(recorded) else recorded


def read_record(path: Path) -> Record:
    """What record.json says.

    Raises: IncompleteRunError naming the file if it is missing, damaged or of a later version.
    """
    record = parse_record(path, read_sealed(path))
    if record.get("format", UNSEALED) not in (UNSEALED, FORMAT):
        expected = f"at most {FORMAT}: a later version wrote it"
        raise IncompleteRunError(fault_line(path, "format", expected, value=record["format"]))
    return record


def parse_record(path: Path, content: bytes) -> Record:
    try:
        record = json.loads(content)
    except ValueError as error:
        raise IncompleteRunError(f"{path}: {str(error).strip()}") from None
    if not isinstance(record, dict):
        raise IncompleteRunError(fault_line(path, "", "the record of a run", found=type(record).__name__))
    return record


def record_in(folder: Path) -> Record | None:
    """The record of a run's folder; None if there is none that can be read, or it is damaged."""
    try:
        return read_record(folder / "record.json")
    except IncompleteRunError:
        return None


def finished_record(folder: Path) -> Record | None:
    """The record of a run that is finished; None if it cannot be read or is damaged."""
    return record_in(folder) if is_finished(folder) else None


def is_finished(folder: Path) -> bool:
    """Whether a run has written all, whatever became of its files since."""
    return (folder / RECORD).exists() and (folder / "accuracy.csv").exists()


def check_images(path: Path, record: Record, sha256: Mapping[str, str] | None) -> None:
    """Refuse a run of other images than declared; of a dataset without sums, and of an older record, nothing is known.

    Raises: IncompleteRunError naming the record and the file of images.
    """
    learned = record.get("images")
    if sha256 is None or learned is None:
        return
    if not isinstance(learned, dict):
        raise IncompleteRunError(fault_line(path, "images", "the SHA-256 of each file", value=learned))
    for name, expected in sha256.items():
        if learned.get(name) != expected:
            declared = f"{expected!r} of config/datasets.yaml"
            raise IncompleteRunError(fault_line(path, f"images.{name}", declared, value=learned.get(name)))


def check_runs(
    declarations: Declarations, scale: str, experiment: str, seeds: Mapping[str, Sequence[int]], runs: Path
) -> None:
    """Refuse runs of other settings or images than today's, which Snakemake does not notice where its notes are gone.

    Raises: IncompleteRunError naming the record.
    """
    for variant, num_tasks in declarations.configurations_of(scale, experiment):
        for seed in seeds.get(variant, ()):
            path = run_folder(runs, variant, num_tasks, seed) / "record.json"
            today = declarations.resolve(scale, variant, num_tasks, seed).settings_hash()
            record = read_record(path) if path.exists() else {}
            check_images(path, record, declarations.datasets[declarations.dataset].sha256)
            recorded = record.get("settings_hash")
            if recorded not in (None, today):
                expected = f"{today} of today's settings; delete its folder to train it again"
                raise IncompleteRunError(fault_line(path, "settings_hash", expected, found=str(recorded)))


def read_clusters(path: Path) -> int | None:
    """How many prototypes the run of a record.json inferred while training; None if it inferred none.

    Raises: IncompleteRunError naming the file.
    """
    clusters: int | None = read_record(path).get("clusters", "nothing")
    if clusters is not None and (type(clusters) is not int or clusters < 1):
        raise IncompleteRunError(fault_line(path, "clusters", "an integer from 1, or null", value=clusters))
    return clusters
