"""What was measured at full scale: results/reference/runs.csv, which is kept in git, and which runs it takes up.

A run has a row for each task after which all tasks seen were tested, and the last of them is its result. Metrics are
fractions; what is not known, or not defined, is an empty cell.
"""

import csv
import logging
import math
import re
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from active_dendrites import NUMERICS
from active_dendrites.evaluation.metrics import METRICS, ROUNDING, continual_metrics
from active_dendrites.evaluation.tables import complete_rows
from active_dendrites.reproduction.counted_runs import LeftOut, read_run
from active_dendrites.reproduction.kept_runs import keep_run, kept_files
from active_dendrites.runs.folders import run_folders, run_of
from active_dendrites.runs.locks import only_writer
from active_dendrites.runs.records import (
    IncompleteRunError,
    Record,
    check_images,
    note_unsealed,
    read_accuracy,
    read_record,
)
from active_dendrites.runs.seals import check_file, seal_of, sealed_file
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.run import RunConfig
from active_dendrites.settings.yaml_files import ConfigError, fault, fault_line

FILE = "runs.csv"  # in the folder of the reference

LOG = logging.getLogger(__name__)

RunKey = tuple[str, int, int, str, int]


def none_if_empty(cell: object) -> object:
    return None if cell == "" else cell


Text = Annotated[str, Field(min_length=1)]
IntegerOrEmpty = Annotated[int | None, BeforeValidator(none_if_empty)]
NumberOrEmpty = Annotated[float | None, BeforeValidator(none_if_empty)]


class ReferenceRow(NamedTuple):
    """A row of runs.csv: a run at a task after which all tasks seen were tested; the metrics are of these tasks alone.

    What belongs to the run as a whole (clusters, steps, wall_seconds) is in its last row, that of task num_tasks.
    """

    variant: Text
    num_tasks: int
    seed: int
    after_task: int
    average_accuracy: float
    forgetting: NumberOrEmpty
    backward_transfer: NumberOrEmpty
    learning_accuracy: float
    clusters: IntegerOrEmpty
    steps: IntegerOrEmpty
    wall_seconds: NumberOrEmpty
    side_by_side: int  # seeds that the same process learned in that time
    device: Text
    threads: int
    precision: Text
    numerics: int
    commit: Text
    settings_hash: Text

    @property
    def run_key(self) -> RunKey:
        """Which run: one that was trained again with these has the same numbers."""
        return self.variant, self.num_tasks, self.seed, self.settings_hash, self.numerics

    @property
    def sort_key(self) -> tuple[str, int, int, str, int, int]:
        """By which the file is sorted; it does not depend on the order of declarations."""
        return *self.run_key, self.after_task

    @property
    def is_result(self) -> bool:
        return self.after_task == self.num_tasks


REPEATABLE = (*METRICS, "clusters", "steps")  # the same whenever a run is repeated
CELLS = TypeAdapter(ReferenceRow, config=ConfigDict(allow_inf_nan=False))
EXPECTED = {"int_parsing": "an integer", "float_parsing": "a number", "finite_number": "a finite number"}


# -- the file ---------------------------------------------------------------------------------------------


def read_rows(path: Path) -> list[ReferenceRow]:
    """The rows of runs.csv. Raises: ValueError naming file, line and column of what is wrong."""
    try:
        content = path.read_bytes()
        text = content.decode("utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{path}: {reason}, expected the runs that were measured") from None
    header, *lines = csv.reader(StringIO(text)) if text else [[]]
    if header != list(ReferenceRow._fields):
        expected = repr(",".join(ReferenceRow._fields))
        raise ValueError(fault_line(path, "line 1", expected, value=",".join(header)))
    if not text.endswith("\n"):
        raise ValueError(fault_line(path, "", "a whole line", found=f"{text.splitlines()[-1]!r} at its end"))
    rows: dict[tuple[object, ...], ReferenceRow] = {}
    for number, cells in enumerate(lines, start=2):
        row = read_row(cells, f"{path}: line {number}")
        if row.sort_key in rows:
            found = f"task {row.after_task} of {run_in_words(row)} once more"
            raise ValueError(fault_line(f"{path}: line {number}", "", "each row once", found=found))
        rows[row.sort_key] = row
    if not check_file(path, content):
        LOG.warning("%s: found no %s beside it: it was read unchecked", path, seal_of(path).name)
    return list(rows.values())


def read_row(cells: Sequence[str], where: str) -> ReferenceRow:
    """A row from its cells. Raises: ValueError naming the column of the first cell that is not of its type."""
    if len(cells) != len(ReferenceRow._fields):
        raise ValueError(fault_line(where, "", str(len(ReferenceRow._fields)), found=f"{len(cells)} cells"))
    try:
        return CELLS.validate_python(tuple(cells))
    except ValidationError as error:
        first = error.errors()[0]
        index = first["loc"][0]
        column = ReferenceRow._fields[index] if isinstance(index, int) else index
        raise fault(where, column, EXPECTED.get(first["type"], "text"), value=first["input"]) from None


def write_rows(path: Path, rows: Iterable[ReferenceRow]) -> None:
    """Write runs.csv, sorted and atomically, and its seal; a number is read back as it was. Raises: NoRoomError."""
    with sealed_file(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(ReferenceRow._fields)
        for row in sorted(rows, key=lambda row: row.sort_key):
            writer.writerow(row)


def run_in_words(row: ReferenceRow) -> str:
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

    Rows that are in the file stay as they are. It is made if it is missing. The files of some runs are kept beside it.

    Args:
        runs: of paper scale, as <variant>/tasks-<T>/seed-<s>/.
    Raises: FolderTakenError if another process merges; ValueError if there is no such folder, or if the file is
        damaged, which is then left alone; NoRoomError.
    """
    if not runs.is_dir():
        raise ValueError(fault_line("--runs", "", f"the runs of scale {PAPER}", found=f"no folder {runs}"))
    added = known = unfinished = 0
    refused: list[str] = []
    accepted: list[Path] = []
    with only_writer(path.parent):
        rows = read_rows(path) if path.exists() else []
        of_run = rows_by_run(rows)
        for folder in run_folders(runs):
            if not (folder / "record.json").exists():
                unfinished += 1
                continue
            try:
                measured = rows_of(declarations, folder)
                recorded = of_run.get(measured[0].run_key, [])
                check_same(folder, measured, recorded, path)
            except ValueError as refusal:
                refused.append(" ".join(str(refusal).split()))
                continue
            accepted.append(folder)
            known += bool(recorded)
            added += not recorded
            rows += [] if recorded else measured
        if added or not path.exists():
            write_rows(path, rows)
        files = kept_files(declarations)
        for folder in accepted:
            keep_run(folder, path.parent, files)
    note_unsealed(accepted)
    return Merged(added, known, unfinished, refused)


def check_not_hidden(folder: Path) -> None:
    """Refuse a reference that is missing because a link stands for the folder above it, which git keeps.

    Raises: ValueError. A new file would begin without the runs that were measured before.
    """
    if folder.parent.is_symlink() and not (folder / FILE).exists():
        found = f"nothing, since {folder.parent} is a symbolic link to {folder.parent.readlink()}"
        expected = "what git keeps there: remove the link, git checkout it, name the folder of `results` in config.yaml"
        raise ValueError(fault_line(folder / FILE, "", expected, found=found))


def rows_by_run(rows: Iterable[ReferenceRow]) -> dict[RunKey, list[ReferenceRow]]:
    """The rows of each run, in order."""
    of_run: dict[RunKey, list[ReferenceRow]] = {}
    for row in sorted(rows, key=lambda row: row.sort_key):
        of_run.setdefault(row.run_key, []).append(row)
    return of_run


def rows_of(declarations: Declarations, folder: Path) -> list[ReferenceRow]:
    """The rows of a finished run. Raises: ValueError, in one line, if it is not one that counts."""
    settings, path = settings_of(declarations, folder), folder / "record.json"
    record = read_record(path)
    check_record(path, record, settings)
    check_images(path, record, declarations.datasets[settings.dataset].sha256)
    run = read_run(folder, settings)
    if isinstance(run, LeftOut):
        raise IncompleteRunError(run.why or f"{folder}: {run.kind}")
    recorded = (record.get("metrics") or {}).get("average_accuracy")
    if not isinstance(recorded, float | int) or not is_close(recorded, run.accuracy):
        expected = f"{run.accuracy!r}, as in accuracy.csv"
        raise IncompleteRunError(fault_line(path, "metrics.average_accuracy", expected, value=recorded))
    shared: dict[str, Any] = {key: record[key] for key in ("device", "threads", "numerics", "commit", "settings_hash")}
    shared |= {"side_by_side": len(record["side_by_side"]), "precision": settings.numerics.precision}
    of_run = {"clusters": run.clusters, "steps": record["steps"], "wall_seconds": float(record["wall_seconds"])}
    accuracy = read_accuracy(folder / "accuracy.csv", run.num_tasks)
    rows = []
    for after, _ in complete_rows(accuracy):
        metrics = continual_metrics(accuracy[:after, :after])
        measured: dict[str, Any] = {name: None if math.isnan(value) else value for name, value in metrics.items()}
        measured |= of_run if after == run.num_tasks else dict.fromkeys(of_run)
        rows.append(ReferenceRow(settings.variant, settings.num_tasks, settings.seed, after, **measured, **shared))
    return rows


def settings_of(declarations: Declarations, folder: Path) -> RunConfig:
    """Today's settings of the run that a folder is named after. Raises: ValueError if there is no such run."""
    try:
        return declarations.resolve(PAPER, *run_of(folder))
    except ConfigError as undeclared:
        raise ValueError(f"{folder}: found a run that is not declared: {undeclared}") from None


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
            wanted = f"{value!r}{meaning.get(key, '')}"
            raise IncompleteRunError(fault_line(path, key, wanted, value=record.get(key)))
    kinds = {"steps": int, "wall_seconds": float | int, "threads": int, "device": str, "side_by_side": list}
    for key, kind in kinds.items():
        if not isinstance(record.get(key), kind):
            raise IncompleteRunError(fault_line(path, key, "what was measured", value=record.get(key)))
    if not re.fullmatch(r"[0-9a-f]{40,64}", str(record.get("commit"))):
        raise IncompleteRunError(fault_line(path, "commit", "that of the code that ran", value=record.get("commit")))


def check_same(folder: Path, measured: Sequence[ReferenceRow], recorded: Sequence[ReferenceRow], path: Path) -> None:
    """Refuse a run that runs.csv has with other numbers.

    Args:
        measured: what the folder says of the run.
        recorded: what `path` says of it; nothing if it does not have it.
    Raises: ValueError naming both.
    """
    if not recorded:
        return
    found = [row.after_task for row in measured]
    expected = [row.after_task for row in recorded]
    if found != expected:
        raise ValueError(fault_line(folder, "", f"{expected} as in {path}", found=f"tests after tasks {found}"))
    for new, old in zip(measured, recorded, strict=True):
        for name in REPEATABLE:
            if not is_close(getattr(new, name), getattr(old, name)):
                raise ValueError(
                    f"{folder}: {name} after task {new.after_task}: found {getattr(new, name)!r} ({made_by(new)}),"
                    f" expected {getattr(old, name)!r} as in {path} ({made_by(old)})"
                )


def is_close(one: float | None, other: float | None) -> bool:
    return one == other if one is None or other is None else math.isclose(one, other, rel_tol=0, abs_tol=ROUNDING)


def made_by(row: ReferenceRow) -> str:
    return f"{row.device}, commit {row.commit[:10]}"
