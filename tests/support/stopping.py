"""A training that ends itself, and what comes out when it goes on."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from learning import CPU

from active_dendrites.data.images import Images
from active_dendrites.settings.run import RunConfig
from active_dendrites.training.checkpoint_manager import CheckpointManager
from active_dendrites.training.loop import Result, train
from active_dendrites.training.state import TrainingState


class StoppingManager(CheckpointManager):
    """Ends a training after so many steps of this process."""

    def __init__(self, *arguments, after: int, **options) -> None:
        super().__init__(*arguments, **options)
        self.steps_left = after

    def between_steps(self, state: TrainingState) -> None:
        self.steps_left -= 1
        if not self.steps_left:
            self.signals.reason = "a test wants it to"
        super().between_steps(state)


def digest(results: Sequence[Result]) -> str:
    """Of the accuracies, the activity and every weight."""
    sha256 = hashlib.sha256()
    for result in results:
        weights = [parameter.detach().numpy() for parameter in result.network.parameters()]
        for array in (result.accuracy, result.activity, *weights):
            sha256.update(array.tobytes())
    return sha256.hexdigest()


def go_on(run: RunConfig, digits: Images, folder: Path, **options) -> str:
    """The digest of a training that goes on from what is saved in the folder of its run."""
    return digest(train([run], digits, CPU, CheckpointManager([run], [folder], **options)))
