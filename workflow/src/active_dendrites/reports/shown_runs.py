"""A run as the pages show it: from its folder, or from its row in runs.csv."""

import math
import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from active_dendrites.evaluation.metrics import forgetting, summarise
from active_dendrites.reports.reproduction_page import format_number
from active_dendrites.reproduction.counted_runs import RunResult
from active_dendrites.reproduction.reference import ReferenceRow
from active_dendrites.runs.provenance import NoCommitError, ask_git
from active_dendrites.runs.records import read_accuracy, read_record
from active_dendrites.settings.published import ACCURACY

LINKED = ("record.json", "train.log", "accuracy.csv")
LOCK = "envs/requirements.txt"
NOT_RECORDED = "not recorded"


class ShownRun(NamedTuple):
    """A run as it is read: numbers as text."""

    seed: int
    value: str
    lost: float  # its forgetting, a fraction; NaN of a single task
    steps: str
    wall_time: str
    device: str
    pytorch: str
    commit: str
    clean: bool  # whether the commit is all of the code
    links: dict[str, str]  # by file

    @property
    def forgetting(self) -> str:
        """In points of accuracy."""
        return percent(self.lost)


def run_of_folder(run: RunResult, quantity: str, files: Path, page_folder: Path) -> ShownRun:
    """What a run's files say, which `find_runs` could read.

    Args:
        files: the folder of the run.
        page_folder: from which links start.
    """
    record = read_record(files / "record.json")
    side_by_side, versions = record.get("side_by_side"), record.get("versions")
    return ShownRun(
        seed=run.seed,
        value=format_number(run.value(quantity), quantity),
        lost=forgetting(read_accuracy(files / "accuracy.csv", run.num_tasks)),
        steps=number_of_steps(record.get("steps")),
        wall_time=wall_time(record.get("wall_seconds"), len(side_by_side) if isinstance(side_by_side, list) else 1),
        device=str(record.get("device") or NOT_RECORDED),
        pytorch=str(versions.get("torch") or NOT_RECORDED) if isinstance(versions, Mapping) else NOT_RECORDED,
        commit=commit_in_words(record.get("commit"), record.get("dirty")),
        clean=record.get("dirty") is False,
        links=links_to(page_folder, {name: files / name for name in LINKED}),
    )


def run_of_row(row: ReferenceRow, quantity: str, project: Path) -> ShownRun:
    """What runs.csv says of a run; its PyTorch is the one that the lock of its commit names.

    Args:
        row: the last of the run.
        project: whose history has the commit.
    """
    result = RunResult(row.variant, row.num_tasks, row.seed, row.average_accuracy, row.clusters)
    return ShownRun(
        seed=row.seed,
        value=format_number(result.value(quantity), quantity),
        lost=math.nan if row.forgetting is None else row.forgetting,
        steps=number_of_steps(row.steps),
        wall_time=wall_time(row.wall_seconds, row.side_by_side),
        device=row.device,
        pytorch=locked_pytorch(project, row.commit),
        commit=commit_in_words(row.commit, dirty=False),
        clean=True,
        links={},
    )


@cache
def locked_pytorch(project: Path, commit: str) -> str:
    """The version of PyTorch in the lock of a commit, as far as git knows that commit here."""
    try:
        lock = ask_git(project, "show", f"{commit}:{LOCK}")
    except NoCommitError:  # a shallow clone, or no git
        return NOT_RECORDED
    versions = sorted(set(re.findall(r"^torch==([^\s;\\]+)", lock, re.MULTILINE)))
    return f"{', '.join(versions)} (locked)" if versions else NOT_RECORDED


def percent(fraction: float | None) -> str:
    """A fraction in %; empty where it is not defined."""
    return "" if fraction is None or math.isnan(fraction) else format_number(fraction, ACCURACY)


def mean_forgetting(runs: Sequence[ShownRun]) -> str:
    """Mean ± standard deviation over the runs, in points; empty where it is not defined."""
    known = [run.lost for run in runs if not math.isnan(run.lost)]
    if not known:
        return ""
    summary = summarise(known)
    return percent(summary.mean) + (f" ± {percent(summary.std)}" if summary.n > 1 else "")


def number_of_steps(steps: object) -> str:
    return f"{steps:,}" if isinstance(steps, int) else NOT_RECORDED


def wall_time(seconds: object, num_seeds: int) -> str:
    """Of the whole process; seeds that were learned side by side share it."""
    if not isinstance(seconds, int | float):
        return NOT_RECORDED
    if seconds >= 3600:
        text = f"{seconds / 3600:.1f} h"
    else:
        text = f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"
    return f"{text}, {num_seeds} seeds" if num_seeds > 1 else text


def commit_in_words(commit: object, dirty: object) -> str:
    """Which code: 10 hex digits, and whether they are the whole truth."""
    if not isinstance(commit, str):
        return "no commit"
    changes = " and changes" if dirty is True else "" if dirty is False else ", perhaps changed"
    return f"{commit[:10]}{changes}"


def links_to(folder: Path, files: dict[str, Path]) -> dict[str, str]:
    """Paths from a folder to those files that are there, by name."""
    return {name: Path(os.path.relpath(path, folder)).as_posix() for name, path in files.items() if path.exists()}
