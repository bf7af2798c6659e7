"""Files of measured runs that are kept in git beside runs.csv: figures need each task's accuracy, or activities.

A kept run is a run's folder as any other, without its log, in `runs/` of the reference's folder.
"""

from pathlib import Path

from active_dendrites.runs.files import SUMS, atomic_file, read_bytes
from active_dendrites.runs.folders import run_folder, run_of
from active_dendrites.runs.seals import RECORD
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.run import Configuration

FOLDER = "runs"  # in that of the reference
MOST_SEEDS = 3  # of a configuration, the first to be merged: git keeps every byte for ever
FILES = {"matrix": ["accuracy.csv"], "activity": ["activity.npy"]}  # that an experiment of a kind needs


def kept_files(declarations: Declarations) -> dict[Configuration, list[str]]:
    """Which files of a configuration's runs are kept, the record last."""
    needed: dict[Configuration, dict[str, None]] = {}
    for name, declared in declarations.experiments.items():
        for configuration in declarations.configurations_of(PAPER, name) if declared.kind in FILES else ():
            needed.setdefault(configuration, {}).update(dict.fromkeys(["accuracy.csv", *FILES[declared.kind]]))
    return {configuration: [*files, SUMS, RECORD] for configuration, files in needed.items()}


def keep_run(folder: Path, reference: Path, files: dict[Configuration, list[str]]) -> bool:
    """Keep a finished run that was merged, if a figure needs its files and no other of its seeds stands for it.

    Args:
        reference: folder of runs.csv.
        files: from `kept_files`.
    Returns: whether it was kept now. Raises: NoRoomError.
    """
    run = run_of(folder)
    names = [name for name in files.get(Configuration(run.variant, run.num_tasks), ()) if (folder / name).exists()]
    kept = run_folder(reference / FOLDER, run.variant, run.num_tasks, run.seed)
    others = len(list(kept.parent.glob(f"seed-*/{RECORD}")))
    if RECORD not in names or (kept / RECORD).exists() or others >= MOST_SEEDS:
        return False
    for name in names:
        with atomic_file(kept / name, binary=True) as file:
            file.write(read_bytes(folder / name))
    return True
