"""Where a run's files are: <runs>/<variant>/tasks-<T>/seed-<s>/, written and parsed here alone.

`runs` is the folder of a scale's runs.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CHECKPOINTS = "checkpoint"  # folder of a run that is being trained: its checkpoints, its log
LOG = "train.log"  # there, and in the folder of a finished run
NETWORK = "network.safetensors"  # there, where networks are kept
TASKS = re.compile(r"tasks-([1-9]\d*)")
SEED = re.compile(r"seed-(0|[1-9]\d*)")


class RunName(NamedTuple):
    """What the path of a run's folder says of it."""

    variant: str
    num_tasks: int
    seed: int


def configuration_folder(runs: Path, variant: str, num_tasks: int | str) -> Path:
    """The folder of all seeds of a configuration; a number may be a pattern's wildcard."""
    return runs / variant / f"tasks-{num_tasks}"


def run_folder(runs: Path, variant: str, num_tasks: int | str, seed: int | str) -> Path:
    """The folder of one run; a number may be a pattern's wildcard."""
    return configuration_folder(runs, variant, num_tasks) / f"seed-{seed}"


def run_of(folder: Path) -> RunName:
    """The run that a folder is named after. Raises: ValueError if it is not named as `run_folder` does."""
    *_, variant, tasks, seed = ("", "", "", *folder.parts)
    num_tasks, number = TASKS.fullmatch(tasks), SEED.fullmatch(seed)
    if not variant or num_tasks is None or number is None:
        raise ValueError(f"found {folder}, expected .../<variant>/tasks-<T>/seed-<s>")
    return RunName(variant, int(num_tasks[1]), int(number[1]))


def seed_folders(configuration: Path) -> dict[int, Path]:
    """The folder of each seed in that of a configuration, in the order of the seeds; anything else is passed over."""
    matches = ((SEED.fullmatch(path.name), path) for path in configuration.glob("seed-*") if path.is_dir())
    return dict(sorted((int(match[1]), path) for match, path in matches if match))


def run_folders(runs: Path) -> Iterator[Path]:
    """The folders of runs, by variant, folder of the number of tasks, and seed; anything else is passed over."""
    for folder in sorted(runs.glob("*/tasks-*")):
        if TASKS.fullmatch(folder.name):
            yield from seed_folders(folder).values()
