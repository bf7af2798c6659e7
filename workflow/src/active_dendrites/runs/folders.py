"""Where a run's files are."""

import re
from pathlib import Path


def run_folder(runs: Path, variant: str, num_tasks: int, seed: int) -> Path:
    """Where the files of one run are, in the folder of a scale's runs."""
    return runs / variant / f"tasks-{num_tasks}" / f"seed-{seed}"


def seeds_in(folder: Path) -> list[int]:
    """The seeds that have a folder in that of a configuration."""
    names = (path.name for path in folder.glob("seed-*") if path.is_dir())
    return sorted(int(name.removeprefix("seed-")) for name in names if re.fullmatch(r"seed-(0|[1-9]\d*)", name))
