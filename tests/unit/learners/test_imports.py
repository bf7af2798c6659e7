"""What a learner loads."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["learners.dense.learner", "training.loop"])
def test_dense_learner_does_not_load_numba(module: str) -> None:
    code = f"import sys, active_dendrites.{module}; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
