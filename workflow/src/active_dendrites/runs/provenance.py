"""Which code and which machine made a run; PyTorch is loaded by `machine` alone."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import active_dendrites

if TYPE_CHECKING:
    import torch


def machine(device: torch.device) -> dict[str, Any]:
    """Device, threads, peak memory of this process in MiB, and versions."""
    import torch  # here, because it takes seconds

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
    """The processor's model as Linux names it, else what Python knows."""
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
