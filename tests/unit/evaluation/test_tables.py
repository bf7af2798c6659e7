"""A line for each variant among the accuracies of runs."""

from pathlib import Path

import numpy as np
import pytest

from active_dendrites.evaluation.tables import summary_lines
from active_dendrites.runs.records import write_accuracy


@pytest.mark.parametrize("name", ["prototype/2/1/accuracy.csv", "prototype/tasks-2/seed-1/accuracies.csv"])
def test_a_file_that_is_not_that_of_a_run_is_named(tmp_path: Path, name: str) -> None:
    write_accuracy(tmp_path / name, np.array([[0.9, np.nan], [0.8, 0.9]]))
    with pytest.raises(ValueError, match=rf"found {tmp_path}/prototype/.*, expected .*(seed-<s>|of a run)"):
        list(summary_lines("prototype_2", [tmp_path / name], 2))
