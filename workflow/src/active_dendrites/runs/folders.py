"""Where a run's files are."""

from pathlib import Path


def run_folder(runs: Path, variant: str, num_tasks: int, seed: int) -> Path:
    """Where the files of one run are, in the folder of a scale's runs."""
    return runs / variant / f"tasks-{num_tasks}" / f"seed-{seed}"
