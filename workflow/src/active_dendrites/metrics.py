"""From accuracies of single runs to the numbers of a table.

a[i, j] is the accuracy on task j after learning task i, a fraction, NaN where not measured.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats


def average_accuracy(accuracy: np.ndarray) -> float:
    """Mean over all T tasks of the accuracy after the last one: mean_j a[T-1, j]. Source: method 6.

    Args:
        accuracy: (T, T).
    Raises: ValueError if the last row is not complete.
    """
    last = accuracy[-1]
    if np.isnan(last).any():
        raise ValueError(f"accuracy after the last task: {int(np.isnan(last).sum())} of {len(last)} tasks missing")
    return float(last.mean())


class Summary(NamedTuple):
    """Over seeds: n, mean, standard deviation (n - 1) and the 95 % t-interval of the mean; NaN where n is 1."""

    n: int
    mean: float
    std: float
    low: float
    high: float


def summarise(values: Sequence[float], level: float = 0.95) -> Summary:
    """Mean and spread of one value per seed. Raises: ValueError if there is none or one is NaN."""
    sample = np.asarray(values, dtype=float)
    if sample.size == 0 or np.isnan(sample).any():
        raise ValueError(f"summarise: found {list(values)}, expected one number per seed")
    if sample.size == 1:
        return Summary(1, float(sample[0]), np.nan, np.nan, np.nan)
    std = float(sample.std(ddof=1))
    half = float(stats.t.ppf((1 + level) / 2, sample.size - 1)) * std / np.sqrt(sample.size)
    mean = float(sample.mean())
    return Summary(sample.size, mean, std, mean - half, mean + half)
