"""Which code and which machine made a run; PyTorch is loaded by `machine` alone."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import active_dendrites
from active_dendrites.settings.yaml_files import fault_line

if TYPE_CHECKING:
    import torch

PACKAGES = ("torch", "numpy", "scipy", "numba", "pandas", "triton")  # every one that touches numbers


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
            **{name: package_version(name) for name in PACKAGES},
        },
    }


def check_added_folders(path: str) -> None:
    """Refuse folders of ACTIVE_DENDRITES_PATH that are none, or that hide a package which touches numbers.

    Python looks there before it looks among the locked packages. Raises: ValueError.
    """
    for folder in map(Path, filter(None, path.split(os.pathsep))):
        if not folder.is_dir():
            raise ValueError(fault_line("ACTIVE_DENDRITES_PATH", "", "folders", found=f"{folder}, which is none"))
        for name in PACKAGES:
            for hides in (folder / name, folder / f"{name}.py"):
                if hides.exists():
                    found = f"{hides}, which hides the locked {name}"
                    raise ValueError(fault_line("ACTIVE_DENDRITES_PATH", "", "other packages alone", found=found))


def package_version(name: str) -> str | None:
    """The version of a package: of the module that is loaded, else of what is installed; None if it is not there."""
    if loaded := getattr(sys.modules.get(name), "__version__", None):
        return str(loaded)
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def processor_name() -> str:
    """The processor's model as Linux names it, else what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


class SourceState(NamedTuple):
    """Commit of the code that runs, whether it was changed since, and, where no commit is known, why."""

    commit: str | None
    dirty: bool | None
    reason: str = ""


class NoCommitError(Exception):
    """Why no commit is known, in words."""


def source_state(script: Path) -> SourceState:
    """The commit of a script of this project, from git's word on this checkout alone.

    Not that of a repository around an unpacked archive, nor of one that GIT_DIR and its like name.
    """
    root = script.resolve().parents[2]
    library = Path(active_dendrites.__file__).resolve().parent
    try:
        if not library.is_relative_to(root):
            raise NoCommitError(f"the library is that of {library}")
        top = Path(ask_git(root, "rev-parse", "--show-toplevel")).resolve()
        if top != root:
            raise NoCommitError(f"the repository around {root} is {top}, another one")
        name = script.resolve().relative_to(root)
        if not ask_git(root, "ls-files", "--", str(name)):
            raise NoCommitError(f"git does not track {name} in {root}")
        commit = ask_git(root, "rev-parse", "--verify", "HEAD")
        return SourceState(commit, bool(ask_git(root, "status", "--porcelain", "--", ":/workflow", ":/config")))
    except NoCommitError as fault:
        return SourceState(None, None, str(fault))


def ask_git(folder: Path, *arguments: str) -> str:
    """What git prints. Raises: NoCommitError with its reason."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    except OSError as error:
        raise NoCommitError(f"git cannot be started: {error.strerror}") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"git {arguments[0]} ended with status {done.returncode}"]
        raise NoCommitError(said[0].removeprefix("fatal: "))
    return done.stdout.strip()
