"""Metrics, records and the choice of a device."""

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from active_dendrites import devices, records
from active_dendrites.engine import DivergedError, duration, train
from active_dendrites.metrics import average_accuracy, summarise

ROOT = Path(__file__).parents[2]
MATRIX = np.array([[0.9, np.nan, np.nan], [0.8, 0.7, np.nan], [0.5, 0.6, 1.0]])


def test_average_accuracy_is_the_mean_of_the_last_row() -> None:
    assert average_accuracy(MATRIX) == pytest.approx(0.7)
    with pytest.raises(ValueError, match="1 of 3 tasks missing"):
        average_accuracy(np.array([[1, 1, 1], [1, 1, 1], [1, np.nan, 1]]))


def test_summary_agrees_with_scipy() -> None:
    values = [0.941, 0.952, 0.947, 0.938, 0.955]
    found = summarise(values)
    assert (found.n, found.mean) == (5, pytest.approx(np.mean(values)))
    assert found.std == pytest.approx(np.std(values, ddof=1))
    expected = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected)


def test_one_seed_has_no_interval_and_none_is_an_error() -> None:
    assert np.isnan(summarise([0.5])[2:]).all()
    with pytest.raises(ValueError, match="expected one number per seed"):
        summarise([])
    with pytest.raises(ValueError, match="expected one number per seed"):
        summarise([0.5, float("nan")])


def test_accuracy_survives_the_file(tmp_path) -> None:
    records.write_accuracy(tmp_path / "accuracy.csv", MATRIX)
    assert (tmp_path / "accuracy.csv").read_text().splitlines()[:3] == [
        "after_task,task,accuracy",
        "1,1,0.9",
        "2,1,0.8",
    ]
    np.testing.assert_array_equal(records.read_accuracy(tmp_path / "accuracy.csv", 3), MATRIX)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "accuracy.csv"),
        (lambda text: "", "accuracy.csv"),
        (lambda text: "\n".join(text.splitlines()[:-1]) + "\n", "after task 3 found 2 tasks, expected 3"),
        (lambda text: text.replace("3,2,0.6", "3,2,1.6"), "outside 0 to 1"),
        (lambda text: text.replace("3,2,0.6", "3,5,0.6"), "outside 3 tasks"),
        (lambda text: text.replace("task", "job"), "found columns"),
    ],
)
def test_damaged_accuracy_is_refused_by_name(tmp_path, damage, message: str) -> None:
    path = tmp_path / "accuracy.csv"
    records.write_accuracy(path, MATRIX)
    path.write_text(damage(path.read_text()))
    with pytest.raises(records.IncompleteRunError, match=message):
        records.read_accuracy(path, 3)


def test_a_file_is_written_whole_or_not_at_all(tmp_path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("before")
    with pytest.raises(RuntimeError), records.whole_file(path) as file:
        file.write("half")
        raise RuntimeError
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("table.csv", "before")]


def test_record_answers_which_settings_gave_this_number(tmp_path, small_run) -> None:
    run = small_run("si_prototype")
    records.write_record(tmp_path / "record.json", run, "paper", torch.device("cpu"), steps=7, wall_seconds=1.5)
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["settings"] == run.settings()
    assert record["steps"] == 7
    assert {"commit", "dirty", "versions", "device", "threads", "wall_seconds", "peak_memory_mib"} <= set(record)


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
    run = small_run("prototype", learning_rate=1e30, num_tasks=1, numerics__precision="float32")
    where = r"seed 1: the loss is \w+ at task 1, epoch \d, within step \d+ at learning rate 1e\+30"
    with pytest.raises(DivergedError, match=where):
        train([run], digits, torch.device("cpu"))


def test_same_seed_same_bits_and_another_seed_others(small_run, digits) -> None:
    first, other = train([small_run("prototype", num_tasks=2, seed=s) for s in (3, 4)], digits, torch.device("cpu"))
    (again,) = train([small_run("prototype", num_tasks=2, seed=3)], digits, torch.device("cpu"))
    for p, q, r in zip(first.network.parameters(), again.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(p, q)
        assert not torch.equal(p, r)


def test_a_gpu_that_is_not_there_is_an_error_not_a_slow_run(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with devices.training_device("auto") as device:
        assert device.type == "cpu"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    with (
        pytest.raises(ValueError, match="no CUDA GPU among CUDA_VISIBLE_DEVICES='7'"),
        devices.training_device("cuda"),
    ):
        pass
    with (
        pytest.raises(ValueError, match="found 'gpu', expected auto, cpu or cuda"),
        devices.training_device("gpu"),
    ):
        pass


def hold(names: list[str], chosen, release) -> None:
    with devices.free_lock(names, patience=0.01) as index:
        chosen.put(index)
        release.wait(30)


def test_two_jobs_on_two_gpus_take_different_ones(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    fork = multiprocessing.get_context("fork")
    chosen, release = fork.Queue(), fork.Event()
    jobs = [fork.Process(target=hold, args=(["a", "b"], chosen, release)) for _ in range(3)]
    for job in jobs:
        job.start()
    assert {chosen.get(timeout=20), chosen.get(timeout=20)} == {0, 1}
    assert chosen.empty()  # the third waits for a free one
    release.set()
    assert chosen.get(timeout=20) in (0, 1)
    for job in jobs:
        job.join(20)


@pytest.mark.parametrize(("seconds", "text"), [(45, "45 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")])
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
