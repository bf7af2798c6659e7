"""Why a training ends before it is finished: a signal, or its own clock, as not every cluster warns before it kills."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODE = 75  # of a training that was saved and is to be started again: EX_TEMPFAIL of sysexits.h


class InterruptedTraining(Exception):
    """The training was saved and has to end; the message says why."""


class StopSignals:
    """SIGTERM, SIGUSR1 and SIGINT (Ctrl-C) ask a training to be saved and to end; a second Ctrl-C ends it at once.

    Attributes:
        reason: why to end; None as long as no signal was received.
    """

    NUMBERS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)

    def __init__(self) -> None:
        self.reason: str | None = None

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Until the end of the block, signals set `reason`, which is looked at between steps."""
        before = {number: signal.signal(number, self._handle) for number in self.NUMBERS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.reason:
            raise KeyboardInterrupt
        self.reason = f"{signal.Signals(number).name} was received"


class Deadline:
    """When this process has to end, with time left to save.

    Args:
        limit_minutes: after which the process will be killed, from now on; None: never.
    """

    def __init__(self, limit_minutes: float | None = None) -> None:
        self.limit = None if limit_minutes is None else 60 * limit_minutes  # seconds
        self.started = self.last_look = time.monotonic()
        self.longest_pause = 0.0  # seconds between two looks at the clock, without those for checkpoints
        self.reason: str | None = None  # why to end, once the limit was near

    def look(self) -> float:
        """The time, in seconds; how long nobody looked is noted."""
        now = time.monotonic()
        self.longest_pause = max(self.longest_pause, now - self.last_look)
        self.last_look = now
        return now

    def skip_pause(self) -> None:
        """Start the present pause anew: what went before is not part of it."""
        self.last_look = time.monotonic()

    def stop_reason(self, now: float, save_seconds: float) -> str | None:
        """Why to end, if the limit is near. Once it was, it stays so.

        Args:
            save_seconds: that the last checkpoint took.
        """
        if self.limit is not None and now - self.started > self.limit - self._reserve(self.limit, save_seconds):
            self.reason = f"its time limit of {self.limit / 60:g} minutes is near"
        return self.reason

    def _reserve(self, limit: float, save_seconds: float) -> float:
        """Seconds to save, to learn a step or test all tasks without a look, and for what went before this process."""
        return min(max(0.1 * limit, 20.0), 300.0) + 2 * (self.longest_pause + save_seconds)
