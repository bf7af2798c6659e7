"""Curves to watch while a run is trained: loss and accuracies as TensorBoard's events, beside its log."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from active_dendrites.settings.choices import choose

FOLDER = "tensorboard"  # in the folder of a run


class LiveCurves(Protocol):
    """What is told as training goes on, of R seeds side by side; steps count those of one seed."""

    def begin(self, steps: int) -> None:
        """The training starts, or goes on after so many steps."""

    def epoch(self, steps: int, losses: Sequence[float]) -> None:
        """An epoch has ended, with these mean losses, (R,)."""

    def task(self, steps: int, accuracy: np.ndarray, tested: Sequence[int]) -> None:
        """A task was learned; accuracy (R, N) on the N tasks `tested`, from 0, fractions."""


class NoCurves:
    """Nothing is written."""

    def begin(self, steps: int) -> None:
        return None

    def epoch(self, steps: int, losses: Sequence[float]) -> None:
        return None

    def task(self, steps: int, accuracy: np.ndarray, tested: Sequence[int]) -> None:
        return None


class TensorBoardCurves:
    """Events in the folder of each run: `loss`, `accuracy/mean` of the tasks tested, `accuracy/task 01` and so on."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = [folder / FOLDER for folder in folders]

    def begin(self, steps: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # here, because it takes a second

        writer: Any = SummaryWriter  # which has no types
        # What an earlier process wrote of steps that are taken anew is not shown.
        self.writers = [writer(str(folder), purge_step=steps + 1) for folder in self.folders]

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


def live_curves(kind: str, folders: Sequence[Path]) -> LiveCurves:
    """What `log` asks for beside the log in words. Raises: ConfigError for another word."""
    kinds: dict[str, Callable[[], LiveCurves]] = {"text": NoCurves, "tensorboard": lambda: TensorBoardCurves(folders)}
    return choose("log", kind, **kinds)()
