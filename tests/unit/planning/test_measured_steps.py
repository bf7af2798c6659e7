"""What plans take from the runs of the reference: the fastest of enough runs, of today's settings."""

from pathlib import Path

import pytest

from active_dendrites.planning.cost_model import count_steps
from active_dendrites.planning.measured_steps import measured_steps, seconds_by_measure
from active_dendrites.reproduction.reference import ReferenceRow, write_rows
from active_dendrites.runs.seals import DamagedFileError
from active_dendrites.settings.declarations import PAPER, Declarations

CPU, GPU = "A processor", "NVIDIA H100"


def row(declarations: Declarations, num_tasks: int, seed: int, seconds: float | None, **other: object) -> ReferenceRow:
    settings = declarations.resolve(PAPER, "prototype", num_tasks, seed).settings_hash()
    result = ReferenceRow(
        "prototype", num_tasks, seed, num_tasks, 0.9, None, None, 0.9, None, 1000, seconds, 1, CPU, 1, "float32", 1,
        "0" * 40, settings,
    )  # fmt: skip
    return result._replace(**other)


def test_a_step_is_that_of_the_fastest_of_three_runs(declarations: Declarations, tmp_path: Path) -> None:
    file = tmp_path / "runs.csv"
    rows = [row(declarations, 10, seed, seconds) for seed, seconds in ((1, 50.0), (2, 20.0), (3, 400.0))]
    rows += [row(declarations, 25, seed, 10.0) for seed in (1, 2)]  # too few
    rows += [row(declarations, 50, seed, 8.0, device=GPU, threads=16, side_by_side=8) for seed in range(1, 9)]
    rows += [row(declarations, 5, seed, 5.0, settings_hash="0123456789abcdef") for seed in (1, 2, 3)]  # of another day
    write_rows(file, [*rows, row(declarations, 2, 1, 1.0, variant="removed"), row(declarations, 2, 1, None)])
    measured = measured_steps(file, declarations)
    assert {variant: [(s.num_tasks, s.on_cpu, s.seconds) for s in steps] for variant, steps in measured.items()} == {
        "prototype": [(10, True, 0.02), (50, False, 0.001)]
    }

    def estimated(num_tasks: int, on_cpu: bool, scale: str = PAPER) -> tuple[float, str] | None:
        run = declarations.resolve(scale, "prototype", num_tasks, 1)
        estimate = seconds_by_measure(run, scale, on_cpu, measured)
        return estimate and (estimate[0] / count_steps(run), estimate[1])

    assert estimated(10, on_cpu=True) == (pytest.approx(0.02), "reference, on A processor")
    assert estimated(100, on_cpu=True) == (pytest.approx(0.02), "reference, 10 tasks, on A processor")
    assert estimated(100, on_cpu=False) == (pytest.approx(0.001), "reference, 50 tasks, on NVIDIA H100")
    assert estimated(10, on_cpu=True, scale="quick") is None
    assert seconds_by_measure(declarations.resolve(PAPER, "xdg", 10, 1), PAPER, True, measured) is None


def test_a_damaged_reference_tells_nothing(declarations: Declarations, tmp_path: Path) -> None:
    file = tmp_path / "runs.csv"
    write_rows(file, [row(declarations, 10, seed, 20.0) for seed in (1, 2, 3)])
    file.write_text(file.read_text().replace("20.0", "2.0"))
    with pytest.raises(DamagedFileError, match=r"runs\.csv"):
        measured_steps(file, declarations)
