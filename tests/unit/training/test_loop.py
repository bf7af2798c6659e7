"""Which runs the loop refuses or stops, and that equal settings give equal bits."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from active_dendrites.training.loop import DivergedError, duration, train

ROOT = Path(__file__).parents[3]


def refusal(*options: object) -> str:
    """What train.py says when it refuses these options."""
    script = [sys.executable, ROOT / "workflow/scripts/train.py", "--config", ROOT / "config", "--variant", "prototype"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow/src")}
    command = [*script, "--num-tasks", "2", *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    return done.stderr


def test_a_run_refuses_settings_it_was_not_planned_with(tmp_path) -> None:
    """The YAML files could be edited between the plan and the start of a job."""
    said = refusal("--run-folder", tmp_path / "run", "--settings-hash", "0123456789abcdef")
    assert "expected 0123456789abcdef; start the workflow again" in said.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_each_seed_wants_a_run_folder(tmp_path) -> None:
    said = refusal("--seed", 1, 2, "--run-folder", tmp_path / "run")
    assert said == "train: --run-folder: found 1 folders, expected one for each seed [1, 2]\n"


def test_runs_side_by_side_differ_in_their_seed_alone(small_run, digits) -> None:
    one, other = small_run("prototype", seed=1), small_run("prototype", seed=2, learning_rate=0.5)
    assert one.settings_hash() == one.model_copy(update={"seed": 2}).settings_hash() != other.settings_hash()
    with pytest.raises(ValueError, match=r"found different settings for seeds \[1, 2\], expected equal ones"):
        train([one, other], digits, torch.device("cpu"))
    with pytest.raises(ValueError, match=r"seeds: found \[1, 1\], expected one or more, each once"):
        train([one, one], digits, torch.device("cpu"))


def test_a_loss_that_is_no_number_stops_the_run(small_run, digits) -> None:
    run = small_run("prototype", num_tasks=1, numerics__precision="float32").model_copy(update={"learning_rate": 1e30})
    where = r"seed 1: the loss is \w+ at task 1, epoch \d, within step \d+ at learning rate 1e\+30"
    with pytest.raises(DivergedError, match=where):
        train([run], digits, torch.device("cpu"))


def test_same_seed_same_bits_and_another_seed_others(small_run, digits) -> None:
    first, other = train([small_run("prototype", num_tasks=2, seed=s) for s in (3, 4)], digits, torch.device("cpu"))
    (again,) = train([small_run("prototype", num_tasks=2, seed=3)], digits, torch.device("cpu"))
    for p, q, r in zip(first.network.parameters(), again.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(p, q)
        assert not torch.equal(p, r)


@pytest.mark.parametrize(("seconds", "text"), [(45, "45 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")])
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
