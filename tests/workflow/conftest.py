"""Fixtures of the workflow tests."""

import fcntl
import os
from collections.abc import Callable, Iterator

import pytest
from project import Project, make_tiny, write_images


@pytest.fixture(scope="session")
def make_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Project]:
    """Makes tiny projects that share their images."""
    images = tmp_path_factory.mktemp("images") / "mnist"
    sums = write_images(images)

    def make() -> Project:
        project = Project(tmp_path_factory.mktemp("project"))
        make_tiny(project, images, sums)
        return project

    return make


@pytest.fixture(scope="module")
def slurm_turn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A machine has room for one cluster, and pytest runs files of tests side by side: they take turns."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        yield
        return
    with (tmp_path_factory.getbasetemp().parent / "slurm.lock").open("a") as file:  # a folder of this run of pytest
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
