"""train.log: what all processes that worked on a run logged."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from active_dendrites.runs.files import atomic_file
from active_dendrites.runs.folders import CHECKPOINTS, LOG

log = logging.getLogger(__name__)


class RunLog:
    """The log of runs that are trained side by side.

    It is kept with the checkpoints of the first run, because Snakemake removes the log of a job at its start.

    Args:
        folders: of the runs.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = folders
        self.path = folders[0] / CHECKPOINTS / LOG
        self.begun_ns = 0  # when this process began to log, by the clock of the file system

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Repeat what earlier processes logged, and keep what is logged until the end of the block."""
        if self.path.exists():
            sys.stderr.write(self.path.read_text(encoding="utf-8"))
        self.path.parent.mkdir(exist_ok=True)
        self.path.touch()
        self.begun_ns = self.path.stat().st_mtime_ns
        root = logging.getLogger()
        handler = logging.FileHandler(self.path, encoding="utf-8")
        handler.setFormatter(root.handlers[0].formatter)
        root.addHandler(handler)
        try:
            yield
        finally:
            root.removeHandler(handler)
            handler.close()

    def leave(self) -> None:
        """Copy what was kept to each run without a log of this training.

        A job of Snakemake writes what it is told to that log, which then is newer than the begin of this one.
        """
        content = self.path.read_bytes()
        for folder in self.folders:
            path = folder / LOG
            try:
                if not path.exists() or path.stat().st_mtime_ns <= self.begun_ns:
                    with atomic_file(path, binary=True) as file:
                        file.write(content)
            except OSError as error:  # which must not cost the results
                log.warning("%s: the log of this run is not complete: %s", path, error)
