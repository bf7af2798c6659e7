"""Signals and the clock: whether and why a training has to end."""

import json
import os
import signal
from pathlib import Path

import pytest
from learning import CPU
from stopping import digest, go_on
from test_resume import FORK

from active_dendrites.settings.run import RunConfig
from active_dendrites.training import loop as engine
from active_dendrites.training.attempts import ATTEMPTS
from active_dendrites.training.checkpoint_manager import CheckpointManager
from active_dendrites.training.interruptions import Deadline, InterruptedTraining
from active_dendrites.training.state import TrainingState

pytestmark = pytest.mark.usefixtures("one_thread")


def test_its_own_clock_ends_it(run: RunConfig, digits, tmp_path: Path) -> None:
    """In time, and saved; the next process goes on."""
    manager = CheckpointManager([run], [tmp_path], limit_minutes=0.3)  # 18 seconds, of which at least 20 are kept back
    with pytest.raises(InterruptedTraining, match=r"saved after 1 steps, because its time limit of 0.3 minutes is"):
        engine.train([run], digits, CPU, manager)
    assert go_on(run, digits, tmp_path, limit_minutes=60) == digest(engine.train([run], digits, CPU))


def test_the_deadline_leaves_time_for_what_takes_long() -> None:
    deadline = Deadline(limit_minutes=60)
    begin = deadline.started
    assert not deadline.stop_reason(begin + 54.9 * 60, save_seconds=0)  # five minutes and a little are kept back
    deadline.longest_pause = 100  # a test of all tasks
    assert not deadline.stop_reason(begin + 49.9 * 60, save_seconds=50)
    assert deadline.stop_reason(begin + 50.1 * 60, save_seconds=50)
    assert deadline.stop_reason(begin + 50.1 * 60, save_seconds=0), "once it was near, it stays so"
    assert not Deadline().stop_reason(begin + 1e9, save_seconds=0)


def test_the_deadline_notes_how_long_nobody_looked() -> None:
    deadline = Deadline(limit_minutes=60)
    deadline.last_look -= 10
    deadline.look()
    assert 10 <= deadline.longest_pause < 11
    deadline.last_look -= 20
    deadline.skip_pause()  # for a checkpoint, which is counted apart
    deadline.look()
    assert 10 <= deadline.longest_pause < 11


def signal_itself(run: RunConfig, digits, folder: Path, numbers: list[int], answer) -> None:
    """Train, and get one of the signals at each step from the fifth on."""
    manager, between_steps = CheckpointManager([run], [folder]), CheckpointManager.between_steps

    def signal_and_go_on(self: CheckpointManager, state: TrainingState) -> None:
        if state.steps >= 5:
            for number in numbers:
                os.kill(os.getpid(), number)
        between_steps(self, state)

    CheckpointManager.between_steps = signal_and_go_on
    try:
        with manager.listening():
            engine.train([run], digits, CPU, manager)
    except BaseException as end:
        answer.send((type(end).__name__, str(end)))


@pytest.mark.parametrize(
    ("numbers", "end"),
    [
        ([signal.SIGTERM], "InterruptedTraining"),
        ([signal.SIGUSR1], "InterruptedTraining"),
        ([signal.SIGINT], "InterruptedTraining"),
        ([signal.SIGTERM, signal.SIGTERM], "InterruptedTraining"),
        ([signal.SIGINT, signal.SIGINT], "KeyboardInterrupt"),
    ],
)
def test_a_signal_ends_it(numbers: list[int], end: str, run: RunConfig, digits, tmp_path: Path) -> None:
    ours, theirs = FORK.Pipe(duplex=False)
    process = FORK.Process(target=signal_itself, args=(run, digits, tmp_path, numbers, theirs))
    process.start()
    assert ours.poll(60)
    kind, message = ours.recv()
    process.join(60)
    assert kind == end
    attempts = json.loads((tmp_path / "checkpoint" / ATTEMPTS).read_text())
    assert attempts[-1]["ended"].startswith(end)
    if end == "InterruptedTraining":
        assert message == f"saved after 5 steps, because {numbers[0].name} was received; goes on when started again"
        assert go_on(run, digits, tmp_path) == digest(engine.train([run], digits, CPU))
