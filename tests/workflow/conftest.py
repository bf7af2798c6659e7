"""Fixtures of the workflow tests."""

from collections.abc import Callable

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
