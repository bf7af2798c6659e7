"""When a training is saved."""

from pathlib import Path

import pytest
from stopping import go_on

from active_dendrites.settings.run import RunConfig
from active_dendrites.training import checkpoint_manager
from active_dendrites.training.checkpoint_manager import CheckpointManager
from active_dendrites.training.state import TrainingState

pytestmark = pytest.mark.usefixtures("one_thread")


def test_checkpoints_within_a_task_keep_their_distance(run: RunConfig, digits, tmp_path: Path, monkeypatch) -> None:
    """Not more often than asked, nor than pays; after each task in any case."""
    saves: list[int] = []
    save = CheckpointManager.save

    def counted(self: CheckpointManager, state: TrainingState) -> None:
        saves.append(state.steps)
        save(self, state)

    monkeypatch.setattr(CheckpointManager, "save", counted)
    go_on(run, digits, tmp_path / "a")
    assert saves == [12, 24]
    saves.clear()
    monkeypatch.setattr(checkpoint_manager, "SAVING_SHARE", 1e9)
    go_on(run, digits, tmp_path / "b", save_minutes=0)
    assert saves == sorted([*range(1, 37), 12, 24])
    saves.clear()
    monkeypatch.setattr(checkpoint_manager, "SAVING_SHARE", 1e-9)
    go_on(run, digits, tmp_path / "c", save_minutes=0)
    assert saves == [1, 12, 24]  # the first shows what it costs
