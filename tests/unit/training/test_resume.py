"""A training that is killed, at any step and within any save, ends with the bits of one that was left alone."""

import multiprocessing
import os
import random
import signal
from pathlib import Path

import pytest
from learning import CASES, CPU, DENSE_CASES
from stopping import digest

from active_dendrites.data.images import Images
from active_dendrites.settings.run import RunConfig
from active_dendrites.training import checkpoint_manager, checkpoints
from active_dendrites.training import loop as engine
from active_dendrites.training.attempts import ATTEMPTS
from active_dendrites.training.checkpoint_manager import CheckpointManager
from active_dendrites.training.state import TrainingState

pytestmark = pytest.mark.usefixtures("one_thread")
FORK = multiprocessing.get_context("fork")  # a child is there at once, with all that is imported
SMALL = {"num_tasks": 2, "epochs": 2, "numerics__precision": "float32"}
SAME = [
    "prototype",
    "SI, Adam kept",
    "segments rest and return",
    "prototype inferred",
    "prototype inferred, Adam kept",
    "SI on an MLP",
    "segments consolidated",
    "SI + XdG",
    "SI with dropout",
]
RESUMED = {case: (CASES | DENSE_CASES)[case] for case in SAME}
RESUMED["several tiles"] = ("si_prototype", {"network__hidden_units": [300, 200], "reset_optimizer": True})


class Bomb:
    """Kills this process at one of the events that it counts: before and after steps, writes, syncs and renames."""

    def __init__(self, events_left: int) -> None:
        self.events_left = events_left

    def tick(self) -> None:
        self.events_left -= 1
        if self.events_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def plant(self, owner: object, name: str) -> None:
        work = getattr(owner, name)

        def watched(*arguments, **options):
            self.tick()
            result = work(*arguments, **options)
            self.tick()
            return result

        setattr(owner, name, watched)


def train(runs: list[RunConfig], digits: Images, folder: Path, events: int | None, save_every: float = 0) -> str:
    """In a process of its own: the digest of what was learned; "" if it was killed at one of its events."""
    ours, theirs = FORK.Pipe(duplex=False)
    process = FORK.Process(target=work, args=(runs, digits, folder, events, save_every, theirs))
    process.start()
    theirs.close()
    process.join(120)
    assert process.exitcode == 0 or (events and process.exitcode == -signal.SIGKILL), process.exitcode
    return ours.recv() if process.exitcode == 0 else ""


def work(runs: list[RunConfig], digits: Images, folder: Path, events: int | None, save_every: float, answer) -> None:
    checkpoint_manager.SAVING_SHARE = 1e9  # however long a checkpoint takes here
    if events:
        bomb = Bomb(events)
        bomb.plant(CheckpointManager, "between_steps")
        bomb.plant(checkpoints.Sink, "write")
        bomb.plant(os, "fsync")
        bomb.plant(Path, "replace")
        bomb.plant(Path, "unlink")
    manager = CheckpointManager(runs, [folder / f"seed-{run.seed}" for run in runs], save_minutes=save_every / 60)
    answer.send(digest(engine.train(runs, digits, CPU, manager)))


def train_with_kills(runs: list[RunConfig], digits: Images, folder: Path, draws: random.Random) -> tuple[str, int]:
    """Start a training again and again until one is not killed; its digest, and how many were."""
    found, kills, farthest = "", 0, 300
    while not found:
        found = train(runs, digits, folder, draws.randint(1, farthest), save_every=0.003)
        kills += not found
        farthest += 200  # some of which end where the one before did
        for path in folder.glob(f"seed-*/checkpoint/{ATTEMPTS}"):
            path.unlink()  # that several die at one step is what is wanted here
    return found, kills


@pytest.fixture(scope="module")
def kills() -> list[int]:
    """How many there were of each training below."""
    return []


@pytest.mark.parametrize("case", RESUMED)
def test_killed_at_random_points(case: str, small_run, digits, tmp_path: Path, kills: list[int]) -> None:
    variant, overrides = RESUMED[case]
    runs = [small_run(variant, **overrides | SMALL)]
    wanted = digest(engine.train(runs, digits, CPU))
    found, killed = train_with_kills(runs, digits, tmp_path, random.Random(case))
    assert found == wanted
    kills.append(killed)


@pytest.mark.parametrize("variant", ["si_prototype", "si_mlp", "si_xdg"])
def test_seeds_side_by_side_killed_at_random_points(variant: str, small_run, digits, tmp_path: Path, kills) -> None:
    overrides = DENSE_CASES["SI + XdG"][1] if variant == "si_xdg" else {}
    runs = [small_run(variant, seed=seed, **overrides | SMALL) for seed in (3, 5)]
    wanted = digest(engine.train(runs, digits, CPU))
    found, killed = train_with_kills(runs, digits, tmp_path, random.Random(variant))
    assert found == wanted
    kills.append(killed)


def test_a_generator_that_is_not_restored_is_noticed(small_run, digits, tmp_path: Path, monkeypatch) -> None:
    """So these tests can fail: the order of the batches starts anew."""
    runs = [small_run("prototype", **SMALL)]
    wanted = digest(engine.train(runs, digits, CPU))
    restore = TrainingState.restore

    def forgetful(self: TrainingState, states, changes) -> None:
        restore(self, [state | {"order": self.orders[0].get_state()} for state in states], changes)

    monkeypatch.setattr(TrainingState, "restore", forgetful)
    found, _ = train_with_kills(runs, digits, tmp_path, random.Random(1))
    assert found != wanted


def test_there_were_many(kills: list[int]) -> None:
    assert len(kills) == len(RESUMED) + 3
    assert sum(kills) >= 30 and min(kills) > 0
