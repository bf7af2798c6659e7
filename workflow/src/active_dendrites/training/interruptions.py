"""A training that is interrupted goes on where it was: when it is saved, and when it has to end.

It knows its own deadline, because not every cluster sends a signal before it kills. SIGTERM, SIGUSR1 and SIGINT
(Ctrl-C) set a flag that is looked at between steps.
"""

import json
import logging
import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

import active_dendrites
from active_dendrites.models.saving import State
from active_dendrites.runs.files import atomic_file
from active_dendrites.settings.run import RunConfig
from active_dendrites.training.checkpoints import FOLDER, CheckpointError, Checkpoints, DamagedError
from active_dendrites.training.state import Course

EXIT_CODE = 75  # of a training that was saved and wants to go on: in sysexits.h "try again"
SAVE_MINUTES = 5.0  # between checkpoints within a task
COST = 0.02  # the fraction of its time that a training may spend on checkpoints within a task
ATTEMPTS = "attempts.json"  # beside the checkpoints: who worked on this run
MOST_DEATHS = 3  # of processes that said nothing, one after the other, at the same step

log = logging.getLogger(__name__)


class InterruptedTraining(Exception):
    """The training was saved and has to end; the message says why."""


class NoProgressError(ValueError):
    """One process after the other died without getting any further."""


class Keeper:
    """Saves a training in the folders of its runs, and ends it in time.

    Args:
        runs: equal but for the seed.
        folders: of each; this process is their only writer.
        save_minutes: between checkpoints within a task; there is one after each task in any case.
        limit_minutes: after which this process will be killed, from now on; None: never.
    """

    def __init__(
        self,
        runs: Sequence[RunConfig],
        folders: Sequence[Path],
        save_minutes: float = SAVE_MINUTES,
        limit_minutes: float | None = None,
    ) -> None:
        self.runs, self.folders = runs, folders
        self.save_seconds, self.limit = 60 * save_minutes, None if limit_minutes is None else 60 * limit_minutes
        self.started = time.monotonic()
        self.checkpoints: list[Checkpoints] = []
        self.attempts: list[list[dict[str, Any]]] = [[] for _ in runs]
        self.asked: str | None = None  # why to end
        self.serial = 0  # of the last checkpoint
        self.seconds_before = self.saving_before = self.saving = self.last_saving = self.longest_pause = 0.0
        self.last_bytes = 0
        self.saved_at = self.looked_at = self.began = time.monotonic()

    # -- at the start -------------------------------------------------------------------------------------

    def resume(self, course: Course, arithmetic: str) -> None:
        """Go on from the newest whole checkpoint, if there is any.

        Args:
            arithmetic: how the course computes.
        Raises: CheckpointError if checkpoints are of other settings or arithmetic, or all damaged; NoProgressError.
        """
        seed_group = [run.seed for run in self.runs]
        self.checkpoints = [
            Checkpoints(folder, identity(run, arithmetic), seed_group)
            for run, folder in zip(self.runs, self.folders, strict=True)
        ]
        for folder in self.folders:
            remove_rests(folder)
        serials = [checkpoints.serials() for checkpoints in self.checkpoints]
        self.serial = max(map(max, filter(None, serials)), default=0)
        # Some have none at all: either all were never saved together, or one was begun without the others.
        never_all = [] in serials and all(checkpoints.are_of_seed_group() for checkpoints in self.checkpoints)
        if self.serial and never_all:
            log.info("a process died while it saved these seeds for the first time: they start with the first task")
        elif self.serial:
            states, changes = self._load(serials)
            course.restore([state["course"] for state in states], changes)
            self.seconds_before, self.saving_before = states[0]["seconds"], states[0]["saving"]
            log.info("going on at task %d, epoch %d, after %d steps", *course.place, course.steps)
        self._note_attempt(course.steps)
        self.saved_at = self.looked_at = self.began = time.monotonic()

    def _load(self, serials: list[list[int]]) -> tuple[list[State], list[list[State]]]:
        """The newest state that all seeds have, with the changes up to it."""
        found = []
        for serial in sorted(set.intersection(*map(set, serials)), reverse=True):
            try:
                loaded = [checkpoints.load(serial) for checkpoints in self.checkpoints]
            except DamagedError as damage:
                found.append(str(damage))
                log.warning("%s; going back to the checkpoint before", damage)
                continue
            states, changes = zip(*loaded, strict=True)
            return list(states), list(changes)
        folders = ", ".join(str(checkpoints.folder) for checkpoints in self.checkpoints)
        if found:
            raise CheckpointError(
                f"{found[-1]}; found no whole checkpoint, expected one; delete {folders} to start over"
            )
        raise CheckpointError(
            f"{folders}: found checkpoints {serials}, none that all these seeds have, expected one;"
            " train them one by one (--config seeds_per_job=1)"
        )

    def _note_attempt(self, steps: int) -> None:
        """Write down that this process works on the runs. Raises: NoProgressError."""
        for seed, checkpoints in enumerate(self.checkpoints):
            path = checkpoints.folder / ATTEMPTS
            attempts = read_attempts(path)
            silent = [attempt for attempt in attempts[-MOST_DEATHS:] if is_silent(attempt, steps)]
            if len(silent) == MOST_DEATHS:
                raise NoProgressError(
                    f"{path.parent}: found that the last {MOST_DEATHS} processes died after {steps} steps and said"
                    f" nothing, expected progress (too little memory or time?); delete {path} to try again"
                )
            now = datetime.now().isoformat(sep=" ", timespec="seconds")
            me = {"host": socket.gethostname(), "process": os.getpid(), "started": now, "from_step": steps}
            self.attempts[seed] = [*attempts, me]
            self._write_attempts(seed)

    def _write_attempts(self, seed: int) -> None:
        with atomic_file(self.checkpoints[seed].folder / ATTEMPTS) as file:
            json.dump(self.attempts[seed], file, indent=1)

    # -- on the way ---------------------------------------------------------------------------------------

    def between_steps(self, course: Course) -> None:
        """Save if it is time to. Raises: InterruptedTraining, after saving, if the training has to end."""
        now = self._look()
        if self._has_to_end(now) or now - self.saved_at >= max(self.save_seconds, self.last_saving / COST):
            self._save_and_end(course)

    def between_tasks(self, course: Course) -> None:
        """Save. Raises: as `between_steps`."""
        self._look()
        self._save_and_end(course)

    def _look(self) -> float:
        """The time, and how long nobody looked at it."""
        before, self.looked_at = self.looked_at, time.monotonic()
        self.longest_pause = max(self.longest_pause, self.looked_at - before)
        return self.looked_at

    def _has_to_end(self, now: float) -> bool:
        if self.asked is None and self.limit is not None and now - self.started > self.limit - self._reserve():
            self.asked = f"its time limit of {self.limit / 60:g} minutes is near"
        return self.asked is not None

    def _reserve(self) -> float:
        """Seconds: to save, to learn a step or test all tasks unasked, and for what went before this process."""
        in_any_case = min(max(0.1 * self.limit, 20.0), 300.0)
        return in_any_case + 2 * (self.longest_pause + self.last_saving)

    def _save_and_end(self, course: Course) -> None:
        self.save(course)
        if self._has_to_end(time.monotonic()):
            reason = f"saved after {course.steps} steps, because {self.asked}; goes on when started again"
            log.info(reason)
            raise InterruptedTraining(reason)

    def save(self, course: Course) -> None:
        """Write a checkpoint of each run."""
        start = time.monotonic()
        everything = self.checkpoints[0].changes_bytes > 2 * course.learner.changeable_bytes
        times = {"seconds": self.seconds, "saving": self.saving_seconds}
        saved = zip(self.checkpoints, course.states(), course.changes(everything), strict=True)
        written = [
            checkpoints.save(self.serial + 1, {"course": state, **times}, changes, everything)
            for checkpoints, state, changes in saved
        ]
        for checkpoints in self.checkpoints:  # not before all are written: seeds go on from one that all have
            checkpoints.remove_old()
        self.serial, self.last_bytes = self.serial + 1, sum(written)
        self.saved_at = self.looked_at = time.monotonic()
        self.last_saving = self.saved_at - start
        self.saving += self.last_saving
        log.debug("checkpoint %d: %.1f MB, %.2f s", self.serial, self.last_bytes / 1e6, self.last_saving)

    # -- at the end ---------------------------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """That the runs took, but for work that was lost."""
        return self.seconds_before + time.monotonic() - self.began

    @property
    def saving_seconds(self) -> float:
        """Of these, for checkpoints."""
        return self.saving_before + self.saving

    def finish(self) -> None:
        """The runs' results are written: remove the checkpoints."""
        for checkpoints in self.checkpoints:
            try:
                shutil.rmtree(checkpoints.folder)
            except OSError as error:  # which must not cost the results
                log.warning("%s: %s; it is not needed any more", checkpoints.folder, error)

    def _note_end(self, reason: str) -> None:
        """Write down why this process ends without having finished, if the disk allows."""
        for seed, attempts in enumerate(self.attempts):
            if attempts:
                attempts[-1]["ended"] = reason
                with suppress(OSError):
                    self._write_attempts(seed)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take signals as the wish that the training be saved and ended; a second Ctrl-C ends it as it is.

        What ends the block otherwise is noted as the reason why this process did not finish.
        """

        def ask(number: int, frame: Any) -> None:
            if number == signal.SIGINT and self.asked:
                raise KeyboardInterrupt
            self.asked = f"{signal.Signals(number).name} was received"

        numbers = signal.SIGTERM, signal.SIGUSR1, signal.SIGINT
        before = {number: signal.signal(number, ask) for number in numbers}
        try:
            yield
        except BaseException as reason:
            self._note_end(f"{type(reason).__name__}: {reason}")
            raise
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def identity(run: RunConfig, arithmetic: str) -> dict[str, str]:
    """What a checkpoint must have in common with the training that goes on from it, for the same bits to come out."""
    return {
        "settings": run.settings_hash(),
        "seed": str(run.seed),
        "numerics": str(active_dendrites.NUMERICS),
        "arithmetic": arithmetic,
        "torch": torch.__version__,
    }


def read_attempts(path: Path) -> list[dict[str, Any]]:
    """Who worked on a run so far."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}; expected a list of processes; delete it to go on") from None


def is_silent(attempt: dict[str, Any], steps: int) -> bool:
    """Whether a process began after so many steps and died without a word."""
    return attempt["from_step"] == steps and "ended" not in attempt


def remove_rests(folder: Path) -> None:
    """Remove what killed processes had half written."""
    for path in [*folder.glob(".*.*[0-9]"), *(folder / FOLDER).glob(".*.*[0-9]")]:
        path.unlink()
