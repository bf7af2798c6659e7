"""Who worked on a run, and that processes which die without progress are not started for ever."""

import json
from pathlib import Path

import pytest
from stopping import go_on

from active_dendrites.settings.run import RunConfig
from active_dendrites.training.attempts import Attempts, NoProgressError
from active_dendrites.training.checkpoints import CheckpointError

SILENT = {"host": "h", "process": 1, "started": "2026-01-01 00:00:00", "from_step": 0}


def test_who_dies_without_progress_fails_for_good(run: RunConfig, digits, tmp_path: Path) -> None:
    attempts = Attempts(tmp_path / "checkpoint")
    attempts.path.parent.mkdir()
    attempts.path.write_text(json.dumps([SILENT] * 3))
    with pytest.raises(NoProgressError) as raised:
        go_on(run, digits, tmp_path)
    assert str(raised.value) == (
        f"{attempts.path.parent}: found that the last 3 processes died after 0 steps and said nothing, expected"
        f" progress (too little memory or time?); delete {attempts.path} to try again"
    )
    attempts.path.unlink()
    go_on(run, digits, tmp_path)


@pytest.mark.parametrize(
    ("earlier", "steps"),
    [
        ([SILENT] * 2 + [{**SILENT, "ended": "ValueError"}] + [SILENT] * 2, 0),  # this is the third in a row
        ([SILENT] * 3, 1),  # they came farther
        ([], 0),
    ],
)
def test_it_is_noted_who_goes_on(earlier: list[dict], steps: int, tmp_path: Path) -> None:
    attempts = Attempts(tmp_path)
    attempts.path.write_text(json.dumps(earlier))
    attempts.begin(steps)
    attempts.end("MemoryError: ")
    stored = json.loads(attempts.path.read_text())
    assert stored == attempts.list and stored[:-1] == earlier
    assert stored[-1]["from_step"] == steps and stored[-1]["ended"] == "MemoryError: "


def test_an_end_before_the_begin_is_not_noted(tmp_path: Path) -> None:
    """Nothing is known of the processes before, so nothing is written over them."""
    attempts = Attempts(tmp_path)
    attempts.end("ValueError")
    assert not attempts.path.exists()


def test_a_list_that_is_none_is_one_line(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path)
    attempts.path.write_text("[{")
    with pytest.raises(CheckpointError, match="expected a list of processes; delete it to go on"):
        attempts.begin(0)
