"""What was measured at full scale: results/reference/runs.csv, which is kept in git, and which runs it takes up.

A run has a row for each task after which all tasks seen were tested, and the last of them is its result. Metrics are
fractions; what is not known, or not defined, is an empty cell.
"""

import csv
import math
import re
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from active_dendrites import NUMERICS
from active_dendrites.evaluation.metrics import METRICS, ROUNDING, continual_metrics
from active_dendrites.evaluation.tables import complete_rows
from active_dendrites.reproduction.counted_runs import LeftOut, read_run
from active_dendrites.runs.files import atomic_file
from active_dendrites.runs.folders import run_folders, run_of
from active_dendrites.runs.locks import only_writer
from active_dendrites.runs.records import IncompleteRunError, Record, check_images, read_accuracy, read_record
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.run import RunConfig
from active_dendrites.settings.yaml_files import ConfigError

FILE = "runs.csv"  # in the folder of the reference

RunKey = tuple[str, int, int, str, int]


class Row(NamedTuple):
    """A run at a task after which all tasks seen were tested; the metrics are of these tasks alone.

    What belongs to the run as a whole (clusters, steps, wall_seconds) is in its last row, that of task num_tasks.
    """

    variant: str
    num_tasks: int
    seed: int
    after_task: int
    average_accuracy: float
    forgetting: float | None
    backward_transfer: float | None
    learning_accuracy: float
    clusters: int | None
    steps: int | None
    wall_seconds: float | None
    side_by_side: int  # seeds that the same process learned in that time
    device: str
    threads: int
    precision: str
    numerics: int
    commit: str
    settings_hash: str

    @property
    def run(self) -> RunKey:
        """Which run: one that was trained again with these has the same numbers."""
        return self.variant, self.num_tasks, self.seed, self.settings_hash, self.numerics

    @property
    def place(self) -> tuple:
        """Its place in the file, which does not depend on the order of declarations."""
        return *self.run, self.after_task

    @property
    def is_result(self) -> bool:
        return self.after_task == self.num_tasks


NUMBERS = (*METRICS, "clusters", "steps")  # the same whenever a run is repeated


# -- the file ---------------------------------------------------------------------------------------------


def read_rows(path: Path) -> list[Row]:
    """The rows of runs.csv. Raises: ValueError naming file, line and column of what is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        found = getattr(error, "strerror", None) or error
        raise ValueError(f"{path}: {found}, expected the runs that were measured") from None
    header, *lines = csv.reader(StringIO(text)) if text else [[]]
    if header != list(Row._fields):
        raise ValueError(f"{path}: line 1: found {','.join(header)!r}, expected {','.join(Row._fields)!r}")
    if not text.endswith("\n"):
        raise ValueError(f"{path}: found {text.splitlines()[-1]!r} at its end, expected a whole line")
    rows: dict[tuple, Row] = {}
    for number, cells in enumerate(lines, start=2):
        row = read_row(cells, f"{path}: line {number}")
        if row.place in rows:
            found = f"found task {row.after_task} of {run_words(row)} once more"
            raise ValueError(f"{path}: line {number}: {found}, expected each row once")
        rows[row.place] = row
    return list(rows.values())


def read_row(cells: Sequence[str], where: str) -> Row:
    if len(cells) != len(Row._fields):
        raise ValueError(f"{where}: found {len(cells)} cells, expected {len(Row._fields)}")
    return Row(*(read_cell(text, name, where) for text, name in zip(cells, Row._fields, strict=True)))


def read_cell(text: str, column: str, where: str) -> Any:
    """A cell by the type of its column; empty is None where that may be."""
    expected = Row.__annotations__[column]
    kind = next(kind for kind in (str, int, float) if kind is expected or expected == kind | None)
    if text == "" and kind is not expected:
        return None
    try:
        value = kind(text)
    except ValueError:
        value = ""
    if value == "" or (kind is float and not math.isfinite(value)):
        raise ValueError(f"{where}: {column}: found {text!r}, expected {kind.__name__}")
    return value


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """runs.csv, sorted, whole or not at all; a number is read back as just that number. Raises: NoRoomError."""
    with atomic_file(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Row._fields)
        writer.writerows(sorted(rows, key=lambda row: row.place))


def run_words(row: Row) -> str:
    return f"{row.variant}, {row.num_tasks} tasks, seed {row.seed}"


# -- merging ----------------------------------------------------------------------------------------------


class Merged(NamedTuple):
    """What became of the runs of a folder."""

    added: int
    known: int  # were in the file already, with the same numbers
    unfinished: int
    refused: list[str]  # a line for each


def merge(path: Path, declarations: Declarations, runs: Path) -> Merged:
    """Take the finished runs of a folder up into runs.csv; a run that is refused does not stop the others.

    Rows that are in the file stay as they are. It is made if it is missing.

    Args:
        runs: of paper scale, as <variant>/tasks-<T>/seed-<s>/.
    Raises: FolderTakenError if another process merges; ValueError if there is no such folder, or if the file is
        damaged, which is then left alone; NoRoomError.
    """
    if not runs.is_dir():
        raise ValueError(f"--runs: found no folder {runs}, expected the runs of scale {PAPER}")
    added, known, unfinished, refused = 0, 0, 0, []
    with only_writer(path.parent):
        rows = read_rows(path) if path.exists() else []
        of_run = rows_by_run(rows)
        for folder in run_folders(runs):
            if not (folder / "record.json").exists():
                unfinished += 1
                continue
            try:
                found = rows_of(declarations, folder)
                there = of_run.get(found[0].run, [])
                check_same(folder, found, there, path)
            except ValueError as fault:
                refused.append(" ".join(str(fault).split()))
                continue
            known += bool(there)
            added += not there
            rows += [] if there else found
        if added or not path.exists():
            write_rows(path, rows)
    return Merged(added, known, unfinished, refused)


def rows_by_run(rows: Iterable[Row]) -> dict[RunKey, list[Row]]:
    """The rows of each run, in order."""
    found: dict[RunKey, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.place):
        found.setdefault(row.run, []).append(row)
    return found


def rows_of(declarations: Declarations, folder: Path) -> list[Row]:
    """The rows of a finished run. Raises: ValueError, in one line, if it is not one that counts."""
    settings, path = settings_of(declarations, folder), folder / "record.json"
    record = read_record(path)
    check_record(path, record, settings)
    check_images(path, record, declarations.datasets[settings.dataset].sha256)
    run = read_run(folder, settings)
    if isinstance(run, LeftOut):
        raise IncompleteRunError(run.why or f"{folder}: {run.kind}")
    said = (record.get("metrics") or {}).get("average_accuracy")
    if not isinstance(said, float | int) or not is_close(said, run.accuracy):
        expected = f"expected {run.accuracy!r}, as in accuracy.csv"
        raise IncompleteRunError(f"{path}: metrics.average_accuracy: found {said!r}, {expected}")
    shared = {key: record[key] for key in ("device", "threads", "numerics", "commit", "settings_hash")}
    shared |= {"side_by_side": len(record["side_by_side"]), "precision": settings.numerics.precision}
    whole = {"clusters": run.clusters, "steps": record["steps"], "wall_seconds": float(record["wall_seconds"])}
    accuracy, rows = read_accuracy(folder / "accuracy.csv", run.num_tasks), []
    for after, _ in complete_rows(accuracy):
        metrics = continual_metrics(accuracy[:after, :after])
        known = {name: None if math.isnan(value) else value for name, value in metrics.items()}
        known |= whole if after == run.num_tasks else dict.fromkeys(whole)
        rows.append(Row(settings.variant, settings.num_tasks, settings.seed, after, **known, **shared))
    return rows


def settings_of(declarations: Declarations, folder: Path) -> RunConfig:
    """Today's settings of the run that a folder is named after. Raises: ValueError if there is no such run."""
    try:
        return declarations.resolve(PAPER, *run_of(folder))
    except ConfigError as fault:
        raise ValueError(f"{folder}: found a run that is not declared: {fault}") from None


def check_record(path: Path, record: Record, settings: RunConfig) -> None:
    """Raises: IncompleteRunError if a record is not that of a run of these settings, of a commit and a clean tree."""
    expected = {
        "scale": PAPER,
        "variant": settings.variant,
        "num_tasks": settings.num_tasks,
        "seed": settings.seed,
        "settings_hash": settings.settings_hash(),
        "numerics": NUMERICS,
        "dirty": False,
    }
    meaning = {
        "settings_hash": " of today's settings",
        "numerics": " of today's arithmetic",
        "dirty": ", a commit that says which code ran",
    }
    for key, value in expected.items():
        if record.get(key) != value:
            found = f"{path}: {key}: found {record.get(key)!r}, expected {value!r}"
            raise IncompleteRunError(found + meaning.get(key, ""))
    kinds = {"steps": int, "wall_seconds": float | int, "threads": int, "device": str, "side_by_side": list}
    for key, kind in kinds.items():
        if not isinstance(record.get(key), kind):
            raise IncompleteRunError(f"{path}: {key}: found {record.get(key)!r}, expected what was measured")
    if not re.fullmatch(r"[0-9a-f]{40,64}", str(record.get("commit"))):
        raise IncompleteRunError(f"{path}: commit: found {record.get('commit')!r}, expected that of the code that ran")


def check_same(folder: Path, found: Sequence[Row], there: Sequence[Row], path: Path) -> None:
    """Raises: ValueError naming both, if a run that is in the file already has other numbers there."""
    if not there:
        return
    tested, expected = ([row.after_task for row in rows] for rows in (found, there))
    if tested != expected:
        raise ValueError(f"{folder}: found tests after tasks {tested}, expected {expected} as in {path}")
    for new, old in zip(found, there, strict=True):
        for name in NUMBERS:
            if not is_close(getattr(new, name), getattr(old, name)):
                raise ValueError(
                    f"{folder}: {name} after task {new.after_task}: found {getattr(new, name)!r} ({made_by(new)}),"
                    f" expected {getattr(old, name)!r} as in {path} ({made_by(old)})"
                )


def is_close(one: float | None, other: float | None) -> bool:
    return one == other if one is None or other is None else math.isclose(one, other, rel_tol=0, abs_tol=ROUNDING)


def made_by(row: Row) -> str:
    return f"{row.device}, commit {row.commit[:10]}"
