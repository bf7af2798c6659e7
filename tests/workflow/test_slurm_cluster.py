"""The cluster of the tests leaves nothing behind, however it ends, and touches no other cluster."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import slurm_cluster
from project import REPOSITORY, heed_ctrl_c
from slurm_cluster import CONFIGURATION, FILES, ClusterUnavailableError, SlurmCluster, only_cluster, processes

pytestmark = pytest.mark.usefixtures("slurm_turn")


@contextmanager
def by_hand() -> Iterator[tuple[subprocess.Popen, Path]]:
    """The script, as a process of its own, and the folder of its cluster, with a job that runs."""
    command = [sys.executable, REPOSITORY / "tests/support/slurm_cluster.py"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "workflow/src")}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, env=environment, preexec_fn=heed_ctrl_c, **pipes) as script:
        first, second = script.stdout.readline(), script.stdout.readline()
        if not second:  # it has said why it cannot start, and may not have ended yet
            pytest.skip(first.strip())
        folder = Path(second.removeprefix("Its files and logs: ").strip())
        job = ["sbatch", "--gpus", "1", "--output", "/dev/null", "--wrap", "touch $SLURM_JOB_ID; exec sleep 600"]
        try:
            subprocess.run(job, cwd=folder, check=True, capture_output=True)
            while not (folder / "1").exists():
                assert script.poll() is None
            yield script, folder
        finally:
            script.send_signal(signal.SIGTERM)


def left(folder: Path) -> list:
    """What is left of a cluster."""
    links = [CONFIGURATION / name for name in (*FILES, ".lock") if (CONFIGURATION / name).is_symlink()]
    return [*processes(folder), *links, *([folder] if folder.exists() else [])]


@pytest.mark.slurm
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left(end: signal.Signals) -> None:
    with by_hand() as (script, folder):
        assert len(processes(folder)) > 4
        script.send_signal(end)
        assert "stopped" in script.communicate(timeout=30)[0]
        assert script.returncode == 0
    assert left(folder) == []


@pytest.mark.slurm
def test_after_a_kill_the_next_cluster_clears_up() -> None:
    with by_hand() as (script, folder):
        script.kill()
        script.wait(30)
        assert len(left(folder)) > 4
        with SlurmCluster() as cluster:
            assert left(folder) == [CONFIGURATION / name for name in FILES]
    assert left(folder) == left(cluster.folder) == []


@pytest.mark.slurm
def test_there_is_one_cluster_at_a_time() -> None:
    with by_hand() as (script, _), pytest.raises(ClusterUnavailableError, match=f"in use by process {script.pid} "):
        SlurmCluster().start()


@pytest.mark.parametrize("name", FILES)
def test_a_configuration_that_is_there_stays(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_cluster, "CONFIGURATION", tmp_path)
    (tmp_path / name).write_text("mine")
    with pytest.raises(ClusterUnavailableError, match=f"found {tmp_path / name}, expected none"), only_cluster():
        pass
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: "mine"}


def test_a_folder_that_was_not_there_goes_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_cluster, "CONFIGURATION", tmp_path / "slurm")
    with only_cluster():
        assert (tmp_path / "slurm").exists()
    assert not (tmp_path / "slurm").exists()


def test_without_slurm_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_cluster, "found_program", lambda name: None)
    with pytest.raises(ClusterUnavailableError, match="found no slurmctld, slurmd, munge, slurm-client, expected"):
        SlurmCluster().start()
