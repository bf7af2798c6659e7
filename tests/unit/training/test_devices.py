"""Which device a training takes."""

import multiprocessing

import pytest
import torch

from active_dendrites.training import devices


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
