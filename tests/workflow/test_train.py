"""train.py by itself, without Snakemake."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from project import Project

ONE_RUN = ("--variant", "prototype", "--num-tasks", "2", "--scale", "quick", "--device", "cpu", "--threads", "1")
SLOW_IMPORTS = {"pandas", "matplotlib", "seaborn", "snakemake", "torchvision", "scipy.stats", "scipy.special"}


@pytest.fixture(scope="module")
def project(make_project: Callable[[], Project]) -> Project:
    return make_project()


def train(
    project: Project, *options: str, python: tuple[str, ...] = (), folder: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """train.py of a project, on its images and device, in an environment with other variables."""
    images = yaml.safe_load(project.path("config/config.yaml").read_text())["images_folder"]
    command = [sys.executable, *python, project.path("workflow/scripts/train.py"), *ONE_RUN, "--images", images]
    return subprocess.run(
        [*command, *options],
        cwd=folder or project.root,
        env=os.environ | {"PYTHONPATH": str(project.path("workflow/src")), **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def test_a_training_on_a_cpu_imports_nothing_slow_in_vain(project: Project, tmp_path: Path) -> None:
    """A second of each start; Numba's own need of scipy.linalg is not ours."""
    done = train(project, "--run-folder", str(tmp_path / "run"), python=("-X", "importtime"))
    assert done.returncode == 0, done.stderr[-2000:]
    imported = set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE))
    assert {"torch", "numba", "active_dendrites.runs.records"} <= imported
    assert not {name for name in imported if any(f"{name}.".startswith(f"{slow}.") for slow in SLOW_IMPORTS)}
