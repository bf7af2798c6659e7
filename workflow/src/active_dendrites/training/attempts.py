"""Which processes worked on a run, and how each ended: `attempts.json` beside the run's checkpoints."""

import json
import os
import socket
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from active_dendrites.runs.files import atomic_file
from active_dendrites.training.checkpoints import CheckpointError

ATTEMPTS = "attempts.json"
MOST_DEATHS = 3  # of processes that left no reason, one after the other, at the same step

Attempt = dict[str, Any]


class NoProgressError(ValueError):
    """One process after the other died without getting any further."""


class Attempts:
    """The processes that worked on one run.

    Args:
        folder: of the checkpoints.

    Attributes:
        list: host, process, start and first step of each, with the reason why it ended where it left one. Empty until
            `begin`; the last is this process.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / ATTEMPTS
        self.list: list[Attempt] = []

    def begin(self, steps: int) -> None:
        """Note that this process goes on after so many steps.

        Raises: NoProgressError if the last ones all died right there; CheckpointError if the file cannot be read.
        """
        earlier = self._read()
        if len(earlier) >= MOST_DEATHS and all(died_silently(attempt, steps) for attempt in earlier[-MOST_DEATHS:]):
            raise NoProgressError(
                f"{self.path.parent}: found that the last {MOST_DEATHS} processes died after {steps} steps and said"
                f" nothing, expected progress (too little memory or time?); delete {self.path} to try again"
            )
        now = datetime.now().isoformat(sep=" ", timespec="seconds")
        this = {"host": socket.gethostname(), "process": os.getpid(), "started": now, "from_step": steps}
        self.list = [*earlier, this]
        self._write()

    def end(self, reason: str) -> None:
        """Note why this process ends without having finished, if the disk allows."""
        if self.list:
            self.list[-1]["ended"] = reason
            with suppress(OSError):
                self._write()

    def _read(self) -> list[Attempt]:
        try:
            attempts: list[Attempt] = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        except ValueError as error:
            raise CheckpointError(f"{self.path}: {error}; expected a list of processes; delete it to go on") from None
        return attempts

    def _write(self) -> None:
        with atomic_file(self.path) as file:
            json.dump(self.list, file, indent=1)


def died_silently(attempt: Attempt, steps: int) -> bool:
    """Whether a process began after so many steps and left no reason for its end."""
    return attempt["from_step"] == steps and "ended" not in attempt
