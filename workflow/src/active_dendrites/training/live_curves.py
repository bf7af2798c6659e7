"""What can be watched while a run is trained, beside its log: TensorBoard's curves, a bar on a terminal."""

import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np

from active_dendrites.settings.choices import choose
from active_dendrites.training.state import TrainingState

FOLDER = "tensorboard"  # in the folder of a run
SECONDS = 0.2  # between two pictures of a bar


class LiveCurves(Protocol):
    """What is told as training goes on, of R seeds side by side; steps count those of one seed."""

    def begin(self, steps: int, total: int) -> None:
        """The training starts, or goes on after so many steps of all."""

    def step(self, state: TrainingState) -> None:
        """A step was learned."""

    def epoch(self, steps: int, losses: Sequence[float]) -> None:
        """An epoch has ended, with these mean losses, (R,)."""

    def task(self, steps: int, accuracy: np.ndarray, tested: Sequence[int]) -> None:
        """A task was learned; accuracy (R, N) on the N tasks `tested`, from 0, fractions."""


class NoCurves:
    """Nothing is shown."""

    def begin(self, steps: int, total: int) -> None:
        return None

    def step(self, state: TrainingState) -> None:
        return None

    def epoch(self, steps: int, losses: Sequence[float]) -> None:
        return None

    def task(self, steps: int, accuracy: np.ndarray, tested: Sequence[int]) -> None:
        return None


class TensorBoardCurves:
    """Events in the folder of each run: `loss`, `accuracy/mean` of the tasks tested, `accuracy/task 01` and so on."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = [folder / FOLDER for folder in folders]

    def begin(self, steps: int, total: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # here, because it takes a second

        writer: Any = SummaryWriter  # which has no types
        # What an earlier process wrote of steps that are taken anew is not shown.
        self.writers = [writer(str(folder), purge_step=steps + 1) for folder in self.folders]

    def step(self, state: TrainingState) -> None:
        return None

    def epoch(self, steps: int, losses: Sequence[float]) -> None:
        for writer, loss in zip(self.writers, losses, strict=True):
            writer.add_scalar("loss", loss, steps)
            writer.flush()

    def task(self, steps: int, accuracy: np.ndarray, tested: Sequence[int]) -> None:
        for writer, of_seed in zip(self.writers, accuracy, strict=True):
            writer.add_scalar("accuracy/mean", of_seed.mean(), steps)
            for task, value in zip(tested, of_seed, strict=True):
                writer.add_scalar(f"accuracy/task {task + 1:02d}", value, steps)
            writer.flush()


class ProgressBar:
    """A bar on a terminal, with the time that is left; lines of the log stand above it."""

    def begin(self, steps: int, total: int) -> None:
        from tqdm import tqdm  # type: ignore[import-untyped]  # its types are one package more

        self.bar = tqdm(total=total, initial=steps, unit=" steps", dynamic_ncols=True, file=sys.stderr)
        self.shown = 0.0  # when
        above = SimpleNamespace(write=lambda text: tqdm.write(text, sys.stderr, end=""), flush=sys.stderr.flush)
        for handler in logging.getLogger().handlers:
            if type(handler) is logging.StreamHandler and handler.stream is sys.stderr:
                handler.setStream(above)

    def step(self, state: TrainingState) -> None:
        if (now := time.monotonic()) - self.shown > SECONDS:
            self.shown, self.bar.n = now, round(state.steps)
            self.bar.refresh()

    def epoch(self, steps: int, losses: Sequence[float]) -> None:
        return None

    def task(self, steps: int, accuracy: np.ndarray, tested: Sequence[int]) -> None:
        self.bar.n = steps
        self.bar.refresh()
        if steps == self.bar.total:
            self.bar.close()


class Together:
    """Several of them."""

    def __init__(self, all_of: Sequence[LiveCurves]) -> None:
        self.all_of = all_of

    def begin(self, steps: int, total: int) -> None:
        for each in self.all_of:
            each.begin(steps, total)

    def step(self, state: TrainingState) -> None:
        for each in self.all_of:
            each.step(state)

    def epoch(self, steps: int, losses: Sequence[float]) -> None:
        for each in self.all_of:
            each.epoch(steps, losses)

    def task(self, steps: int, accuracy: np.ndarray, tested: Sequence[int]) -> None:
        for each in self.all_of:
            each.task(steps, accuracy, tested)


def live_curves(kind: str, folders: Sequence[Path]) -> LiveCurves:
    """What `log` asks for, and a bar if this is a terminal. Raises: ConfigError for another word."""
    kinds: dict[str, Callable[[], LiveCurves]] = {"text": NoCurves, "tensorboard": lambda: TensorBoardCurves(folders)}
    curves = choose("log", kind, **kinds)()
    return Together([curves, ProgressBar()]) if sys.stderr.isatty() else curves
