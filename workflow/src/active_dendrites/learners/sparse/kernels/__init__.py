"""The compiled inner loops of the sparse learner."""

import os


def check_threads() -> None:
    """Numba's own refusal does not name the variable. Raises: ValueError."""
    value = os.environ.get("NUMBA_NUM_THREADS", "")
    try:
        none = int(value) < 1
    except ValueError:  # which Numba passes over
        none = False
    if none:
        raise ValueError(f"NUMBA_NUM_THREADS: found {value}, expected 1 or more")


check_threads()
