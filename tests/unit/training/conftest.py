"""What tests of trainings share."""

import pytest

from active_dendrites.settings.run import RunConfig


@pytest.fixture
def run(small_run) -> RunConfig:
    """Three tasks of 12 steps."""
    return small_run("prototype", num_tasks=3, epochs=1)
