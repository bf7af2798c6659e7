"""A training that is interrupted goes on where it was: what is saved when, and from what it goes on."""

import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

import active_dendrites
from active_dendrites.models.saving import State
from active_dendrites.runs.folders import CHECKPOINTS
from active_dendrites.settings.run import RunConfig
from active_dendrites.settings.yaml_files import fault_line
from active_dendrites.training.attempts import Attempts
from active_dendrites.training.checkpoints import CheckpointError, Checkpoints, DamagedError
from active_dendrites.training.interruptions import Deadline, InterruptedTraining, StopSignals
from active_dendrites.training.state import TrainingState

SAVE_MINUTES = 5.0  # between checkpoints within a task
SAVING_SHARE = 0.02  # the fraction of its time that a training may spend on checkpoints within a task

log = logging.getLogger(__name__)


class SaveSchedule:
    """When a checkpoint within a task is due, and what checkpoints took so far.

    Args:
        save_minutes: between two of them; more where saving takes long.
    """

    def __init__(self, save_minutes: float) -> None:
        self.interval = 60 * save_minutes  # seconds
        self.last_save = time.monotonic()
        self.save_seconds = 0.0  # that the last one took
        self.total_seconds = 0.0  # that all took

    def is_due(self, now: float) -> bool:
        return now - self.last_save >= max(self.interval, self.save_seconds / SAVING_SHARE)

    def saved(self, start: float) -> None:
        """Note that a save that began at `start` is done."""
        self.last_save = time.monotonic()
        self.save_seconds = self.last_save - start
        self.total_seconds += self.save_seconds


class CheckpointManager:
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
        self.runs = runs
        self.folders = folders
        self.signals = StopSignals()
        self.deadline = Deadline(limit_minutes)
        self.schedule = SaveSchedule(save_minutes)
        self.attempts = [Attempts(folder / CHECKPOINTS) for folder in folders]
        self.checkpoints: list[Checkpoints] = []  # of each run, from `resume` on
        self.serial = 0  # of the last checkpoint
        self.last_bytes = 0  # that it took
        self.began = time.monotonic()
        self.earlier_seconds = 0.0  # that earlier processes took, but for work that was lost
        self.earlier_saving_seconds = 0.0  # of these, for checkpoints

    # -- at the start -------------------------------------------------------------------------------------

    def resume(self, state: TrainingState, arithmetic: str) -> None:
        """Go on from the newest intact checkpoint, if there is any.

        Args:
            arithmetic: how the learner computes.
        Raises: CheckpointError if checkpoints are of other settings or arithmetic, or all damaged; NoProgressError.
        """
        seed_group = [run.seed for run in self.runs]
        self.checkpoints = [
            Checkpoints(folder, identity(run, arithmetic), seed_group)
            for run, folder in zip(self.runs, self.folders, strict=True)
        ]
        for folder in self.folders:
            remove_partial_files(folder)
        serials = [checkpoints.serials() for checkpoints in self.checkpoints]
        self.serial = max(map(max, filter(None, serials)), default=0)
        # Some have none at all: either all were never saved together, or one was begun without the others.
        never_all = [] in serials and all(checkpoints.are_of_seed_group() for checkpoints in self.checkpoints)
        if self.serial and never_all:
            log.info("a process died while it saved these seeds for the first time: they start with the first task")
        elif self.serial:
            saved, changes = self._load(serials)
            state.restore([of_seed["course"] for of_seed in saved], changes)
            self.earlier_seconds = saved[0]["seconds"]
            self.earlier_saving_seconds = saved[0]["saving"]
            log.info("going on at task %d, epoch %d, after %d steps", state.task + 1, state.epoch + 1, state.steps)
        for attempts in self.attempts:
            attempts.begin(state.steps)
        self.began = self.schedule.last_save = time.monotonic()
        self.deadline.skip_pause()

    def _load(self, serials: list[list[int]]) -> tuple[list[State], list[list[State]]]:
        """The newest state that all seeds have, with the changes up to it."""
        damages = []
        for serial in sorted(set.intersection(*map(set, serials)), reverse=True):
            try:
                loaded = [checkpoints.load(serial) for checkpoints in self.checkpoints]
            except DamagedError as damage:
                damages.append(str(damage))
                log.warning("%s; going back to the checkpoint before", damage)
                continue
            states, changes = zip(*loaded, strict=True)
            return list(states), list(changes)
        folders = ", ".join(str(checkpoints.folder) for checkpoints in self.checkpoints)
        if damages:
            raise CheckpointError(
                f"{damages[-1]}; found no intact checkpoint, expected one; delete {folders} to start over"
            )
        found = f"checkpoints {serials}, none that all these seeds have"
        expected = "one; train them one by one (--config seeds_per_job=1)"
        raise CheckpointError(fault_line(folders, "", expected, found=found))

    # -- on the way ---------------------------------------------------------------------------------------

    def between_steps(self, state: TrainingState) -> None:
        """Save if it is time to. Raises: InterruptedTraining, after saving, if the training has to end."""
        now = self.deadline.look()
        if self._stop_reason(now) or self.schedule.is_due(now):
            self._save_and_stop(state)

    def between_tasks(self, state: TrainingState) -> None:
        """Save. Raises: as `between_steps`."""
        self.deadline.look()
        self._save_and_stop(state)

    def _stop_reason(self, now: float) -> str | None:
        return self.signals.reason or self.deadline.stop_reason(now, self.schedule.save_seconds)

    def _save_and_stop(self, state: TrainingState) -> None:
        self.save(state)
        if reason := self._stop_reason(time.monotonic()):
            message = f"saved after {state.steps} steps, because {reason}; goes on when started again"
            log.info(message)
            raise InterruptedTraining(message)

    def save(self, state: TrainingState) -> None:
        """Write a checkpoint of each run."""
        start = time.monotonic()
        everything = self.checkpoints[0].changes_bytes > 2 * state.learner.changeable_bytes
        times = {"seconds": self.seconds, "saving": self.saving_seconds}
        seeds = zip(self.checkpoints, state.states(), state.changes(everything), strict=True)
        written = [
            checkpoints.save(self.serial + 1, {"course": of_seed, **times}, changes, everything)
            for checkpoints, of_seed, changes in seeds
        ]
        for checkpoints in self.checkpoints:  # not before all are written: seeds go on from one that all have
            checkpoints.remove_old()
        self.serial += 1
        self.last_bytes = sum(written)
        self.schedule.saved(start)
        self.deadline.skip_pause()
        log.debug("checkpoint %d: %.1f MB, %.2f s", self.serial, self.last_bytes / 1e6, self.schedule.save_seconds)

    # -- at the end ---------------------------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """That the runs took, but for work that was lost."""
        return self.earlier_seconds + time.monotonic() - self.began

    @property
    def saving_seconds(self) -> float:
        """Of these, for checkpoints."""
        return self.earlier_saving_seconds + self.schedule.total_seconds

    def finish(self) -> None:
        """The runs' results are written: remove the checkpoints."""
        for checkpoints in self.checkpoints:
            try:
                shutil.rmtree(checkpoints.folder)
            except OSError as error:  # which must not cost the results
                log.warning("%s: %s; it is not needed any more", checkpoints.folder, error)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Heed signals until the end of the block. An error that ends it is noted with the attempts."""
        with self.signals.handled():
            try:
                yield
            except BaseException as error:
                for attempts in self.attempts:
                    attempts.end(f"{type(error).__name__}: {error}")
                raise


def identity(run: RunConfig, arithmetic: str) -> dict[str, str]:
    """What a checkpoint must have in common with the training that goes on from it, for the same bits to come out."""
    return {
        "settings": run.settings_hash(),
        "seed": str(run.seed),
        "numerics": str(active_dendrites.NUMERICS),
        "arithmetic": arithmetic,
        "torch": torch.__version__,
    }


def remove_partial_files(folder: Path) -> None:
    """Remove what processes that were killed had begun to write."""
    for path in [*folder.glob(".*.*[0-9]"), *(folder / CHECKPOINTS).glob(".*.*[0-9]")]:
        path.unlink()
