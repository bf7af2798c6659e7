"""A checkpoint of version 0.1 goes on to the bits of a training that was left alone.

`checkpoints_0.1.tar.xz` holds three that version 0.1.0 wrote five or two steps into the second of two tasks: of the
sparse learner, of inferred prototypes, and of the dense learner. They are never made anew.
"""

import json
import logging
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from learning import CPU
from stopping import StoppingManager

from active_dendrites.settings.run import RunConfig
from active_dendrites.training.checkpoint_manager import CheckpointManager
from active_dendrites.training.checkpoints import digest_of
from active_dendrites.training.interruptions import InterruptedTraining
from active_dendrites.training.loop import Result, train

ARCHIVE = Path(__file__).with_name("checkpoints_0.1.tar.xz")
TINY = {"num_tasks": 2, "epochs": 1, "numerics__precision": "float32"}
STOPPED = {  # after so many steps, with these settings
    "si_prototype": (
        17,
        {"network__hidden_units": [2, 2], "network__winner_density": 0.5, "network__segments_per_unit": 2},
    ),
    "construct_prototype": (
        17,
        {
            "network__hidden_units": [4, 4],
            "network__winner_density": 0.5,
            "context__num_pixels": 60,
            "context__exemplars": 40,
        },
    ),
    "si_xdg": (
        14,
        {"network__hidden_units": [6, 6], "random_batches": 9, "network__task_gate_density": 0.5},
    ),
}


@pytest.fixture(scope="module")
def version_0_1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the folder of each stopped run."""
    folder = tmp_path_factory.mktemp("version_0_1")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    for manifest in folder.glob("*/checkpoint/0*.json"):
        # Checkpoints are refused by another PyTorch. This test outlives the one that they were written with.
        content = json.loads(manifest.read_text())
        content["identity"]["torch"] = torch.__version__
        del content["sha256"]
        manifest.write_text(json.dumps({**content, "sha256": digest_of(content)}))
    return folder


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("variant", STOPPED)
def test_it_goes_on_to_the_same_bits(
    variant: str, version_0_1: Path, small_run, digits, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    steps, overrides = STOPPED[variant]
    run = small_run(variant, **TINY | overrides)
    equal_so_far = same(newest_state(version_0_1 / variant), newest_state(stopped_now(run, digits, tmp_path, steps)))
    caplog.set_level(logging.INFO)
    (resumed,) = train([run], digits, CPU, CheckpointManager([run], [version_0_1 / variant]))
    assert f"going on at task 2, epoch 1, after {steps} steps" in caplog.text
    (undisturbed,) = train([run], digits, CPU)
    if equal_so_far:  # on a processor like the one that wrote it
        assert all(map(np.array_equal, outcome(resumed), outcome(undisturbed)))
    else:  # its steps were rounded otherwise than ours
        for found, expected in zip(outcome(resumed), outcome(undisturbed), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def stopped_now(run: RunConfig, digits, folder: Path, steps: int) -> Path:
    """The folder of the run, stopped where the stored one was."""
    with pytest.raises(InterruptedTraining):
        train([run], digits, CPU, StoppingManager([run], [folder], after=steps))
    return folder


def newest_state(run_folder: Path) -> dict[str, Any]:
    return torch.load(max(run_folder.glob("checkpoint/*-state.pt")), weights_only=True)["course"]["learner"]


def same(one: Any, other: Any) -> bool:
    """Whether two nested states have equal bits."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def outcome(result: Result) -> list[np.ndarray]:
    weights = [parameter.detach().numpy() for parameter in result.network.parameters()]
    return [result.accuracy[~np.isnan(result.accuracy)], result.activity, *weights]
