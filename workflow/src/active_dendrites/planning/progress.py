"""What is said while runs are trained: how many are done, where the others are, how long the rest will take.

All of it is read from the files of the runs, which are the same whether they are trained here or on a cluster.
"""

import re
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from threading import Event, Thread
from typing import IO, NamedTuple

from active_dendrites.planning.plan import PlannedRun, duration, listed
from active_dendrites.runs.folders import CHECKPOINTS, LOG
from active_dendrites.runs.locks import LOCK

SHOWN = 4  # configurations that are named
POSITION = re.compile(r"task (\d+)/(\d+) (?:epoch (\d+)/(\d+)|learned)")


class Progress:
    """How far the planned runs of a workflow are.

    Args:
        runs: those that are to be trained.
        seconds: of each, what it is expected to take, of one core or GPU.
        started: when the workflow began, as `time.time()` says; what is older was there before.
    """

    def __init__(self, runs: Sequence[PlannedRun], seconds: Sequence[float], started: float) -> None:
        self.runs, self.seconds, self.started = list(runs), list(seconds), started
        # What an interrupted training had learned before, which costs no time now.
        before = [last_position(run.folder / CHECKPOINTS / LOG) for run in runs]
        self.before = [position.share if position else 0.0 for position in before]

    def line(self, now: float) -> str:
        """A line for a person: runs done, running and left, and the time left where it can be told."""
        shares = [self._share(run.folder) for run in self.runs]
        done = sum(share == 1 for share in shares)
        running = [run for run, share in zip(self.runs, shares, strict=True) if share < 1 and self._is_running(run)]
        words = [f"{done} of {len(self.runs)} runs done"]
        if running:
            words.append(f"{len(running)} running ({describe_running(running)})")
        expected = sum((1 - before) * seconds for before, seconds in zip(self.before, self.seconds, strict=True))
        gains = [max(0, share - before) for share, before in zip(shares, self.before, strict=True)]
        learned = sum(gain * seconds for gain, seconds in zip(gains, self.seconds, strict=True))
        if done == len(self.runs):
            words.append("tables, figures and pages are left")
        elif learned:
            left = (now - self.started) * (expected - learned) / learned
            words.append(f"about {duration(left)} of training left")
        return f"{datetime.fromtimestamp(now):%H:%M:%S} {', '.join(words)}"

    def _share(self, folder: Path) -> float:
        """How much of a run is learned, from 0 to 1, in this workflow or in one that was interrupted."""
        if self._is_new(folder / "record.json"):
            return 1
        position = last_position(folder / LOG) if self._is_new(folder / LOG) else None
        return min(position.share, 0.999) if position else 0  # the last line is written before the record

    def _is_running(self, run: PlannedRun) -> bool:
        return (run.folder / LOCK).exists() and self._is_new(run.folder / LOG)

    def _is_new(self, path: Path) -> bool:
        try:
            return path.stat().st_mtime >= self.started - 1  # some file systems keep whole seconds
        except OSError:
            return False


class Position(NamedTuple):
    """Where a training is, by the last line of its log that says so: task and epoch, from 1, of how many."""

    task: int
    num_tasks: int
    epoch: int | None  # None: the task is learned
    epochs: int | None

    @property
    def share(self) -> float:
        """How much of the run is learned, from 0 to 1."""
        of_task = 1 if self.epoch is None or self.epochs is None else self.epoch / self.epochs
        return (self.task - 1 + of_task) / self.num_tasks

    def __str__(self) -> str:
        epoch = "" if self.epoch is None else f", epoch {self.epoch}"
        return f"task {self.task}{epoch}"


def last_position(log: Path) -> Position | None:
    """The last position that a log tells; None if it tells none, or cannot be read."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        if match := POSITION.search(line):
            task, num_tasks, epoch, epochs = match.groups()
            return Position(int(task), int(num_tasks), int(epoch) if epoch else None, int(epochs) if epochs else None)
    return None


def describe_running(runs: Sequence[PlannedRun]) -> str:
    """xdg_10, seeds 1 to 3: task 7, epoch 1; si_prototype_5, seed 1: starting; ..."""
    seeds: dict[tuple[str, str], list[int]] = {}  # that stand at the same position, as those of one job do
    for run in runs:
        position = str(last_position(run.folder / LOG) or "starting")
        seeds.setdefault((run.name, position), []).append(run.seed)
    words = [f"{name}, {listed(of_name)}: {position}" for (name, position), of_name in seeds.items()]
    return "; ".join([*words[:SHOWN], *(["..."] if len(words) > SHOWN else [])])


class Reporter(Thread):
    """Writes a line at once after the first interval, and then one an interval, until it is stopped.

    Args:
        line: gives the line of a moment.
        seconds: between two lines.
        stream: stderr by default.
    """

    def __init__(self, line: Callable[[float], str], seconds: float = 60, stream: IO[str] | None = None) -> None:
        super().__init__(name="progress", daemon=True)
        self.line, self.seconds, self.stream = line, seconds, stream or sys.stderr
        self.stopped = Event()

    def run(self) -> None:
        while not self.stopped.wait(self.seconds):
            print(self.line(time.time()), file=self.stream, flush=True)

    def stop(self) -> None:
        self.stopped.set()
        self.join()
