"""The compiled inner loops of the sparse learner."""

import logging
import os


def check_threads() -> None:
    """Refuse what Numba, which the kernels load, refuses without naming the variable. Raises: ValueError."""
    value = os.environ.get("NUMBA_NUM_THREADS", "")
    try:
        threads = int(value)
    except ValueError:  # which Numba passes over
        return
    if threads < 1:
        raise ValueError(f"NUMBA_NUM_THREADS: found {value}, expected 1 or more")


check_threads()
if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
    logging.getLogger(__name__).warning("NUMBA_DISABLE_JIT is set: nothing is compiled, and a step takes a minute")
