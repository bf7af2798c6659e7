"""What a step took in the runs of the reference: for plans, before any run has finished here."""

import csv
import math
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from active_dendrites.planning.cost_model import count_steps
from active_dendrites.runs.seals import check_file
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.run import RunConfig
from active_dendrites.settings.yaml_files import ConfigError

FEWEST_RUNS = 3  # of a configuration, for its steps to count as measured
GPU_MAKER = "NVIDIA"  # with which the name of every GPU begins that PyTorch calls CUDA


class MeasuredStep(NamedTuple):
    """What a step of one seed takes, its share of the tests included."""

    num_tasks: int
    settings_hash: str
    on_cpu: bool
    device: str
    seconds: float  # of a core, or of a GPU


MeasuredSteps = Mapping[str, Sequence[MeasuredStep]]  # of each variant


def measured_steps(reference: Path, declarations: Declarations) -> MeasuredSteps:
    """The fastest of three runs or more of a configuration on a device, since some shared their processor with others.

    Runs of other settings than today's are passed over.

    Args:
        reference: runs.csv, in git.
    Raises: DamagedFileError; OSError.
    """
    content = reference.read_bytes()
    check_file(reference, content)
    runs: dict[tuple[str, MeasuredStep], list[float]] = {}
    for row in csv.DictReader(StringIO(content.decode("utf-8"))):
        if not row["wall_seconds"] or not row["steps"]:
            continue
        on_cpu = not row["device"].startswith(GPU_MAKER)
        threads = int(row["threads"]) if on_cpu else 1
        seconds = float(row["wall_seconds"]) * threads / int(row["side_by_side"]) / int(row["steps"])
        key = row["variant"], MeasuredStep(int(row["num_tasks"]), row["settings_hash"], on_cpu, row["device"], 0)
        runs.setdefault(key, []).append(seconds)
    steps: dict[str, list[MeasuredStep]] = {}
    for (variant, step), of_runs in runs.items():
        if len(of_runs) >= FEWEST_RUNS and is_declared(declarations, variant, step):
            steps.setdefault(variant, []).append(step._replace(seconds=min(of_runs)))
    return steps


def is_declared(declarations: Declarations, variant: str, step: MeasuredStep) -> bool:
    """Whether the settings that were measured are those of today."""
    try:
        run = declarations.resolve(PAPER, variant, step.num_tasks, 1)
    except ConfigError:  # there is no such variant any more
        return False
    return run.settings_hash() == step.settings_hash


def seconds_by_measure(run: RunConfig, scale: str, on_cpu: bool, measured: MeasuredSteps) -> tuple[float, str] | None:
    """Seconds of a core, or GPU, by steps that were measured, and where; None if none tells.

    A variant's step takes about as long at any number of tasks: the nearest that was measured is taken.
    """
    steps = [step for step in measured.get(run.variant, ()) if step.on_cpu == on_cpu] if scale == PAPER else []
    if not steps:
        return None
    nearest = min(steps, key=lambda step: abs(math.log(step.num_tasks / run.num_tasks)))
    at = "" if nearest.num_tasks == run.num_tasks else f", {nearest.num_tasks} tasks"
    return count_steps(run) * nearest.seconds, f"reference{at}, on {nearest.device}"
