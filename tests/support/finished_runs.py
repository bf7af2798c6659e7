"""Finished runs of full scale, as the report and the reference take them up."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from active_dendrites.evaluation.metrics import continual_metrics
from active_dendrites.runs.files import SUMS
from active_dendrites.runs.folders import run_folder
from active_dendrites.runs.provenance import machine
from active_dendrites.runs.records import write_accuracy, write_record
from active_dendrites.runs.seals import RECORD, digest, seal_run, write_seal
from active_dendrites.settings.declarations import PAPER, Declarations

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def finished_run(
    declarations: Declarations,
    runs: Path,
    variant: str,
    num_tasks: int,
    seed: int,
    accuracy: float | np.ndarray = 0.9,
    /,
    **more: Any,
) -> Path:
    """The folder of a finished run of a clean tree with this matrix, or one accuracy; its record has `more` instead."""
    folder = run_folder(runs, variant, num_tasks, seed)
    if isinstance(accuracy, float):
        accuracy = np.where(np.tri(num_tasks, dtype=bool), accuracy, np.nan)
    write_accuracy(folder / "accuracy.csv", accuracy)
    measured = {"metrics": continual_metrics(accuracy), "clusters": None, "steps": 468, "wall_seconds": 10.25}
    measured["images"] = declarations.datasets[declarations.dataset].sha256
    run = declarations.resolve(PAPER, variant, num_tasks, seed)
    path = folder / "record.json"
    write_record(path, run, PAPER, machine(torch.device("cpu")), **measured, side_by_side=[seed])
    known = {"commit": COMMIT, "dirty": False, "device": "A processor", "threads": 1}
    content = json.dumps(json.loads(path.read_text()) | known | more)
    seal_run(folder, content.encode())
    path.write_text(content)
    return folder


def unsealed(folder: Path) -> Path:
    """A finished run as versions before the seals left it."""
    path = folder / "record.json"
    record = json.loads(path.read_text())
    for key in ("format", "images"):
        record.pop(key, None)
    path.write_text(json.dumps(record))
    (folder / SUMS).unlink()
    return folder


def rewrite(path: Path, change: Callable[[str], str]) -> None:
    """Another text in a sealed file, as if it had been written so: a record, or a CSV that is none of a run."""
    path.write_text(change(path.read_text()))
    if path.name == RECORD:
        seal_run(path.parent, path.read_bytes())
    else:
        write_seal(path, [digest(path.read_bytes())])
