"""Which device a training runs on: jobs of one machine take different GPUs.

The workflow manager counts GPUs but does not assign them; a cluster does, by CUDA_VISIBLE_DEVICES. Here each
training holds a lock on the GPU it uses, so that both cases end with one training on one GPU.
"""

import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from active_dendrites.runs.locks import locked
from active_dendrites.settings.yaml_files import fault_line

log = logging.getLogger(__name__)


@contextmanager
def training_device(wanted: str) -> Iterator[torch.device]:
    """The device of one training, held until the end of the block.

    Args:
        wanted: "cpu", "cuda", or "auto" for a GPU if there is one, else the CPU.
    Raises: ValueError if a GPU is wanted and there is none.
    """
    if wanted not in ("auto", "cpu", "cuda"):
        raise ValueError(fault_line("device", "", "auto, cpu or cuda", value=wanted))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count() if wanted != "cpu" else 0
    if wanted == "cuda" and count == 0:
        found = "no CUDA GPU" if visible is None else f"no CUDA GPU among CUDA_VISIBLE_DEVICES={visible!r}"
        raise ValueError(fault_line("device", "", "one (or device: auto, or cpu)", found=found))
    if count == 0:
        yield torch.device("cpu")
        return
    names = [str(torch.cuda.get_device_properties(i).uuid) for i in range(count)]
    with free_lock(names) as index:
        yield torch.device("cuda", index)


@contextmanager
def free_lock(names: list[str], patience: float = 2.0) -> Iterator[int]:
    """Hold the first name that no other process of this user holds, waiting until there is one; its index.

    The kernel drops the lock when the process ends, however it ends.
    """
    folder = Path(tempfile.gettempdir()) / f"active-dendrites-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    waiting = False
    while True:
        for index, name in enumerate(names):
            with (folder / f"{name}.lock").open("a") as file:
                if locked(file):
                    yield index
                    return
        if not waiting:
            log.info("all %d GPUs are taken by other trainings; waiting for one", len(names))
            waiting = True
        time.sleep(patience)
