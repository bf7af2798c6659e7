"""A run's files: accuracy.csv and record.json, written whole or not at all, and refused if incomplete."""

import json
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import torch

import active_dendrites
from active_dendrites.config import RunConfig

ACCURACY_COLUMNS = ["after_task", "task", "accuracy"]


class IncompleteRunError(ValueError):
    """A run's file that is missing, cut off or not what its settings promise."""


@contextmanager
def whole_file(path: Path) -> Iterator[IO[str]]:
    """Write a text file whole or not at all: a temporary file beside it, synced, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_accuracy(path: Path, accuracy: np.ndarray) -> None:
    """accuracy.csv from the matrix (T, T): a row for each task seen, after each evaluated task; both 1-based."""
    rows = [
        (after + 1, task + 1, accuracy[after, task])
        for after in range(len(accuracy))
        for task in range(after + 1)
        if not np.isnan(accuracy[after, task])
    ]
    with whole_file(path) as file:
        pd.DataFrame(rows, columns=ACCURACY_COLUMNS).to_csv(file, index=False)


def read_accuracy(path: Path, num_tasks: int) -> np.ndarray:
    """The matrix (T, T) from accuracy.csv, NaN where not measured.

    Raises: IncompleteRunError naming the file if it is missing, cut off, or lacks a task seen.
    """
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise IncompleteRunError(f"{path}: {error}") from None
    if list(table.columns) != ACCURACY_COLUMNS or table.isna().any().any():
        raise IncompleteRunError(
            f"{path}: found columns {list(table.columns)} or empty cells, expected {ACCURACY_COLUMNS}"
        )
    matrix = np.full((num_tasks, num_tasks), np.nan)
    inside = table.after_task.between(1, num_tasks) & table.task.between(1, table.after_task)
    if not inside.all() or not table.accuracy.between(0, 1).all():
        raise IncompleteRunError(f"{path}: found rows outside {num_tasks} tasks or fractions outside 0 to 1")
    matrix[table.after_task - 1, table.task - 1] = table.accuracy
    for after in sorted({num_tasks, *table.after_task}):
        missing = int(np.isnan(matrix[after - 1, :after]).sum())
        if missing:
            raise IncompleteRunError(f"{path}: after task {after} found {after - missing} tasks, expected {after}")
    return matrix


def write_record(path: Path, run: RunConfig, scale: str, device: torch.device, **measured: Any) -> None:
    """record.json: which settings, which code and which machine gave this run's numbers."""
    record = {
        "variant": run.variant,
        "num_tasks": run.num_tasks,
        "seed": run.seed,
        "scale": scale,
        **measured,
        **machine(device),
        **source_state(Path(__file__).parent),
        "numerics": active_dendrites.NUMERICS,
        "settings_hash": run.settings_hash(),
        "settings": run.settings(),
    }
    with whole_file(path) as file:
        json.dump(record, file, indent=2)
        file.write("\n")


def machine(device: torch.device) -> dict[str, Any]:
    """Device, threads, peak memory of this process in MiB, and versions."""
    on_gpu = device.type == "cuda"
    unit = 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes, Linux KiB
    return {
        "device": torch.cuda.get_device_name(device) if on_gpu else processor_name(),
        "device_type": device.type,
        "threads": torch.get_num_threads(),
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1),
        "peak_gpu_memory_mib": round(torch.cuda.max_memory_allocated(device) / 2**20, 1) if on_gpu else None,
        "versions": {
            "python": platform.python_version(),
            "active_dendrites": active_dendrites.__version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }


def processor_name() -> str:
    """The processor's model as Linux tells it, else what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def source_state(folder: Path) -> dict[str, Any]:
    """Commit of the code that ran and whether it was changed since; null outside a git checkout."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.strip()

    commit, status = git("rev-parse", "HEAD"), git("status", "--porcelain", "--", ":/workflow", ":/config")
    return {"commit": commit, "dirty": None if status is None else bool(status)}
