"""What is said while runs are trained, from the files that trainings leave."""

import io
import os
import time
from pathlib import Path

import pytest

from active_dendrites.planning.plan import PlannedRun
from active_dendrites.planning.progress import Position, Progress, Reporter, last_position
from active_dendrites.settings.declarations import Declarations

LOG = """\
11:29:00 xdg, 2 tasks, seed 1, quick scale -> results
11:29:07 task 1/2 epoch 1/2: loss 0.7826, 117 steps, 27.9 ms a step, 10 s left
11:29:09 task 1/2 epoch 2/2: loss 0.3468, 234 steps, 25.5 ms a step, 6 s left
11:29:10 task 1/2 learned: accuracy 91.32%
11:29:12 task 2/2 epoch 1/2: loss 0.8121, 351 steps, 25.3 ms a step, 3 s left
"""


@pytest.fixture
def runs(tmp_path: Path, declarations: Declarations) -> list[PlannedRun]:
    settings = declarations.resolve("quick", "xdg", 2, 1)
    folders = [tmp_path / f"seed-{seed}" for seed in range(1, 5)]
    for folder in folders:
        folder.mkdir()
    return [PlannedRun("quick_xdg_2", "quick", 1 + i, 1, folder, settings, "") for i, folder in enumerate(folders)]


def test_the_last_position_of_a_log_is_told(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    assert last_position(log) is None
    log.write_text(LOG)
    assert last_position(log) == Position(2, 2, 1, 2)
    assert last_position(log).share == 0.75
    log.write_text("\n".join(LOG.splitlines()[:4]))
    assert (str(last_position(log)), last_position(log).share) == ("task 1", 0.5)
    log.write_text("11:29:00 xdg, 2 tasks, seed 1, quick scale -> results\n")
    assert last_position(log) is None


def test_a_line_says_what_is_done_running_and_left(runs: list[PlannedRun]) -> None:
    progress = Progress(runs, [60] * 4, started=time.time())
    assert progress.line(time.time()).endswith(" 0 of 4 runs done")
    (runs[0].folder / "record.json").touch()
    (runs[1].folder / "train.log").write_text(LOG)
    (runs[1].folder / ".lock").touch()
    for run in runs[2:]:
        (run.folder / "train.log").touch()
        (run.folder / ".lock").touch()
    # 1.75 of 4 runs in 70 seconds, hence the other 2.25 in 90.
    assert progress.line(progress.started + 70)[9:] == (
        "1 of 4 runs done, 3 running (quick_xdg_2, seed 2: task 2, epoch 1; quick_xdg_2, seeds 3, 4: starting),"
        " about 90 s of training left"
    )


def test_what_was_there_before_does_not_count(runs: list[PlannedRun]) -> None:
    for run in runs:
        (run.folder / "record.json").touch()
        (run.folder / "train.log").write_text(LOG)
        (run.folder / ".lock").touch()
        for name in ("record.json", "train.log"):
            os.utime(run.folder / name, (1e9, 1e9))
    assert Progress(runs, [60] * 4, started=time.time()).line(time.time()).endswith(" 0 of 4 runs done")


def test_what_was_learned_before_an_interruption_costs_no_time_now(runs: list[PlannedRun]) -> None:
    (runs[0].folder / "checkpoint").mkdir()
    (runs[0].folder / "checkpoint" / "train.log").write_text("\n".join(LOG.splitlines()[:4]))  # half of it
    progress = Progress(runs[:1], [60], started=time.time())
    (runs[0].folder / "train.log").write_text(LOG)
    assert progress.line(progress.started + 30).endswith("about 30 s of training left")  # a quarter in 30 s


def test_the_end_names_what_is_left(runs: list[PlannedRun]) -> None:
    progress = Progress(runs, [60] * 4, started=time.time())
    for run in runs:
        (run.folder / "record.json").touch()
    assert progress.line(time.time()).endswith(" 4 of 4 runs done, tables, figures and pages are left")


def test_a_reporter_writes_until_it_is_stopped() -> None:
    stream = io.StringIO()
    reporter = Reporter(lambda now: f"{now:.0f}", seconds=0.02, stream=stream)
    reporter.start()
    while stream.getvalue().count("\n") < 2:
        time.sleep(0.01)
    reporter.stop()
    assert not reporter.is_alive()
