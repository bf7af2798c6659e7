"""From accuracies and activities of single runs to the numbers of a table.

a[i, j] is the accuracy on task j after learning task i, a fraction, NaN where not measured. Some rows are complete,
j = 0..i, always the last; every other row holds at least a[i, i], the accuracy right after learning.

Letters: T tasks, U units.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from active_dendrites.settings.yaml_files import fault_line

# Values that differ by no more are equal: one test image of 100 tasks changes a metric by 1e-6, another order of a sum
# by less than 1e-15.
ROUNDING = 1e-9

# -- continual learning -----------------------------------------------------------------------------------


def average_accuracy(accuracy: np.ndarray) -> float:
    """Mean over all T tasks of the accuracy after the last one: mean_j a[T-1, j]. Source: method 6.

    Args:
        accuracy: (T, T).
    Raises: ValueError if the last row is not complete.

    >>> average_accuracy(np.array([[0.875, np.nan], [0.5, 0.75]]))
    0.625
    """
    return float(complete(accuracy[-1], "accuracy after the last task").mean())


def learning_accuracy(accuracy: np.ndarray) -> float:
    """Mean accuracy on a task right after it was learned: mean_j a[j, j].

    Source: Riemer et al., Learning to learn without forgetting by maximizing transfer and minimizing interference,
    ICLR 2019.

    Args:
        accuracy: (T, T).
    Raises: ValueError if the diagonal is not complete.

    >>> learning_accuracy(np.array([[0.875, np.nan], [0.5, 0.75]]))
    0.8125
    """
    return float(complete(accuracy.diagonal(), "accuracy right after learning").mean())


def backward_transfer(accuracy: np.ndarray) -> float:
    """What later tasks did to earlier ones: mean over j < T-1 of a[T-1, j] - a[j, j]; below 0 where those suffered.

    Source: Lopez-Paz and Ranzato, Gradient episodic memory for continual learning, NeurIPS 2017.

    Args:
        accuracy: (T, T).
    Returns: a fraction, -1 to 1; NaN for a single task.
    Raises: ValueError if the last row or the diagonal is not complete.

    >>> backward_transfer(np.array([[0.875, np.nan], [0.5, 0.75]]))
    -0.375
    """
    last = complete(accuracy[-1], "accuracy after the last task")
    learned = complete(accuracy.diagonal(), "accuracy right after learning")
    return float((last - learned)[:-1].mean()) if len(accuracy) > 1 else np.nan


def forgetting(accuracy: np.ndarray) -> float:
    """How far tasks fell from their best: mean over j < T-1 of max_i a[i, j] - a[T-1, j], with i from j to T-2.

    Source: Chaudhry et al., Riemannian walk for incremental learning: understanding forgetting and intransigence,
    ECCV 2018. The maximum is over what was measured: more tests between a task's first and its last can only raise
    it. Tests of a task before it is learned, which the source counts as well, are not made here.

    Args:
        accuracy: (T, T).
    Returns: a fraction, -1 to 1, never less than minus the backward transfer; NaN for a single task.
    Raises: ValueError if the last row or the diagonal is not complete.

    >>> forgetting(np.array([[0.875, np.nan], [0.5, 0.75]]))
    0.375
    """
    last = complete(accuracy[-1], "accuracy after the last task")
    complete(accuracy.diagonal(), "accuracy right after learning")  # no column without a number
    if len(accuracy) == 1:
        return np.nan
    best = np.nanmax(accuracy[:-1, :-1], axis=0)  # (T-1,)
    return float((best - last[:-1]).mean())


# By their keys in record.json, which are also columns of tables and of runs.csv.
METRICS: dict[str, Callable[[np.ndarray], float]] = {
    "average_accuracy": average_accuracy,
    "forgetting": forgetting,
    "backward_transfer": backward_transfer,
    "learning_accuracy": learning_accuracy,
}


def continual_metrics(accuracy: np.ndarray) -> dict[str, float]:
    """All metrics of a run, by name.

    Args:
        accuracy: (T, T).
    Raises: ValueError if the last row or the diagonal is not complete.
    """
    return {name: metric(accuracy) for name, metric in METRICS.items()}


def complete(values: np.ndarray, what: str) -> np.ndarray:
    """The same values. Raises: ValueError if one of them is NaN: not measured."""
    missing = int(np.isnan(values).sum())
    if missing:
        raise ValueError(f"{what}: {missing} of {len(values)} tasks missing")
    return values


# -- subnetworks ------------------------------------------------------------------------------------------
#
# Of a task: how often its images switch each unit of a layer on, a vector f of U fractions.


def subnetwork_overlap(activity: np.ndarray) -> np.ndarray:
    """How much two tasks share of their subnetworks: sum_u min(f_u, g_u) / ((sum f + sum g) / 2). Source: our own.

    It is one minus the Bray-Curtis dissimilarity: 1 for the same activities, 0 for units of which each serves one
    task alone.

    Args:
        activity: (T, U), fractions.
    Returns: (T, T), symmetric; NaN for two tasks that switch on nothing.

    >>> subnetwork_overlap(np.array([[1.0, 0.0], [0.5, 0.5]]))
    array([[1. , 0.5],
           [0.5, 1. ]])
    """
    shared = np.stack([np.minimum(f, activity).sum(axis=1, dtype=float) for f in activity])  # (T, T)
    return as_fraction_of_mean(shared, activity)


def chance_overlap(activity: np.ndarray) -> np.ndarray:
    """The overlap that would be expected if each task's activities were dealt to its units at random.

    A unit of one task then meets each unit of the other with the same probability:
    U * mean_{u,v} min(f_u, g_v) / ((sum f + sum g) / 2). Also for a task with itself.

    Args:
        activity: (T, U), fractions.
    Returns: (T, T), symmetric; NaN for two tasks that switch on nothing.

    >>> chance_overlap(np.array([[1.0, 0.0], [0.5, 0.5]]))
    array([[0.5, 0.5],
           [0.5, 1. ]])
    """
    num_tasks, num_units = activity.shape
    ascending = np.sort(activity.astype(float), axis=1)  # (T, U)
    sums = np.pad(ascending.cumsum(axis=1), ((0, 0), (1, 0)))  # (T, U + 1): of the smallest 0, 1, .. U
    shared = np.empty((num_tasks, num_tasks))
    for task, g in enumerate(ascending):
        for other, f in enumerate(ascending[: task + 1]):
            smaller = np.searchsorted(g, f)  # (U,): how many of g lie below each of f and are the minimum
            total = sums[task, smaller].sum() + ((num_units - smaller) * f).sum()
            shared[task, other] = shared[other, task] = total / num_units
    return as_fraction_of_mean(shared, activity)


def as_fraction_of_mean(shared: np.ndarray, activity: np.ndarray) -> np.ndarray:
    """What two tasks share, (T, T), by the mean size of their subnetworks."""
    sizes = activity.sum(axis=1, dtype=float)  # (T,)
    means = (sizes[:, None] + sizes) / 2
    fractions = np.full_like(shared, np.nan)
    np.divide(shared, means, out=fractions, where=means > 0)
    return fractions


# -- over seeds -------------------------------------------------------------------------------------------


class Summary(NamedTuple):
    """Over seeds: n, mean, standard deviation (n - 1) and the 95 % t-interval of the mean; NaN where n is 1."""

    n: int
    mean: float
    std: float
    low: float
    high: float


def summarise(values: Sequence[float] | np.ndarray, level: float = 0.95) -> Summary:
    """Mean and spread over seeds: mean ± t * std / sqrt(n), where t is a quantile of Student's t with n - 1 degrees.

    Args:
        values: one for each seed.
        level: of the interval.
    Raises: ValueError if there is no value or one is NaN.

    >>> "{}: {} ± {}, interval {:.2f} to {:.2f}".format(*summarise([1.0, 2.0, 3.0]))
    '3: 2.0 ± 1.0, interval -0.48 to 4.48'
    """
    from scipy import stats  # here, because it takes a second, and a training has no use for it

    sample = np.asarray(values, dtype=float)
    if sample.size == 0 or np.isnan(sample).any():
        raise ValueError(fault_line("summarise", "", "one number per seed", value=list(values)))
    if sample.size == 1:
        return Summary(1, float(sample[0]), np.nan, np.nan, np.nan)
    std = float(sample.std(ddof=1))
    half = float(stats.t.ppf((1 + level) / 2, sample.size - 1)) * std / np.sqrt(sample.size)
    mean = float(sample.mean())
    return Summary(sample.size, mean, std, mean - half, mean + half)
