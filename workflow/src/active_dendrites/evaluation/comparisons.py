"""Runs as one table, and two variants compared on it: seed by seed, with correction for the number of comparisons.

Seeds are paired because a seed decides the order of batches, the weights of layers of the same shape and the masks, and
all share the permutations: what two variants have in common drops out of their difference.
"""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from active_dendrites.evaluation.metrics import METRICS, ROUNDING, continual_metrics
from active_dendrites.runs.folders import run_folders, run_of
from active_dendrites.runs.records import is_finished, note_unsealed, read_accuracy, read_record
from active_dendrites.settings.yaml_files import fault_line, one_of

RUN = ["variant", "num_tasks", "seed"]
METRIC_NAMES = list(METRICS)
OF_RUN = [*METRIC_NAMES, "clusters", "settings_hash", "commit"]


# -- runs as one table ------------------------------------------------------------------------------------


def load_runs(folder: str | Path) -> pd.DataFrame:
    """Every finished run of a folder such as results/quick/runs, a row for each test; runs under way are passed over.

    Returns: variant, num_tasks, seed, after_task, task (both from 1) and accuracy (a fraction) of each test; then, the
        same in all rows of a run, its metrics (fractions), clusters, settings_hash and commit.
    Raises: ValueError if the folder has no finished run; IncompleteRunError naming a file that is damaged.
    """
    tables = []
    finished = [path for path in run_folders(Path(folder)) if is_finished(path)]
    note_unsealed(finished)
    for path in finished:
        record, run = read_record(path / "record.json"), run_of(path)
        accuracy = read_accuracy(path / "accuracy.csv", run.num_tasks)
        after, task = np.nonzero(~np.isnan(accuracy))  # row by row
        table = pd.DataFrame({"after_task": after + 1, "task": task + 1, "accuracy": accuracy[after, task]})
        known = {"clusters": record.get("clusters"), **continual_metrics(accuracy)}
        known |= {key: record.get(key) for key in ("settings_hash", "commit")}
        tables.append(table.assign(**run._asdict(), **known))
    if not tables:
        raise ValueError(
            fault_line(folder, "", "<variant>/tasks-<T>/seed-<s>/ with record.json", found="no finished run")
        )
    return pd.concat(tables, ignore_index=True)[[*RUN, "after_task", "task", "accuracy", *OF_RUN]]


# -- two variants, seed by seed ---------------------------------------------------------------------------


class PairedTest(NamedTuple):
    """The differences of n pairs: mean, standard deviation (n - 1), interval of the mean, and p of the paired t-test.

    NaN where n is 1; p is NaN as well where all differences are the same to rounding, for which no t is defined.
    """

    n: int
    difference: float
    std: float
    low: float
    high: float
    p: float


def paired_test(first: Sequence[float], second: Sequence[float], level: float = 0.95) -> PairedTest:
    """Whether the first values differ from the second, pair by pair: a two-sided paired t-test and its interval.

    Args:
        level: of the interval.
    Raises: ValueError if there is no pair, the lengths differ, or a value is NaN.
    """
    differences = (
        np.asarray(first, dtype=float) - np.asarray(second, dtype=float) if len(first) == len(second) else None
    )
    if differences is None or not len(differences) or np.isnan(differences).any():
        raise ValueError(
            fault_line("paired_test", "", "as many numbers in both", found=f"{list(first)} and {list(second)}")
        )
    n, mean = len(differences), float(differences.mean())
    if n == 1:
        return PairedTest(1, mean, math.nan, math.nan, math.nan, math.nan)
    if float(np.ptp(differences)) <= ROUNDING:
        return PairedTest(n, mean, 0.0, mean, mean, math.nan)
    test = stats.ttest_1samp(differences, 0)
    interval = test.confidence_interval(level)
    std = float(differences.std(ddof=1))
    return PairedTest(n, mean, std, float(interval.low), float(interval.high), float(test.pvalue))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number by Holm's step-down method; NaN stays, and does not count.

    Source: Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 1979.
    """
    corrected = list(p_values)
    tested = sorted((index for index, p in enumerate(p_values) if not math.isnan(p)), key=lambda index: p_values[index])
    largest = 0.0
    for rank, index in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def compare(
    runs: pd.DataFrame, pairs: Iterable[tuple[str, str]], metric: str = "average_accuracy", level: float = 0.95
) -> pd.DataFrame:
    """Each pair of variants at each number of tasks that both have, by the seeds that both have.

    Args:
        runs: a row for each run, or several with the same values, as `load_runs` gives.
        pairs: (first, second); the difference is first minus second.
        metric: a column of `runs`; a fraction.
        level: of the interval of a difference; intervals are not corrected.
    Returns: first, second, num_tasks, n, seeds, first_mean, second_mean, difference, std, low, high, p, and p_holm: p
        corrected for all rows of the table.
    Raises: ValueError for a metric or a variant that is not there, or a pair that has no seed in common.
    """
    if metric not in runs.columns:
        raise ValueError(fault_line("metric", "", f"one of {', '.join(METRIC_NAMES)}", value=metric))
    values = runs[[*RUN, metric]].drop_duplicates()
    if (again := values[values.duplicated(RUN)]).size:
        raise ValueError(fault_line(metric, "", "one for each run", found=f"two values of {dict(again.iloc[0][RUN])}"))
    table = values.set_index(RUN)[metric].dropna()
    rows = [row for first, second in pairs for row in _rows_of_pair(table, first, second, level)]
    frame = pd.DataFrame(rows)
    return frame.assign(p_holm=holm(frame.p.tolist())) if rows else frame


def _rows_of_pair(table: "pd.Series[float]", first: str, second: str, level: float) -> list[dict[str, object]]:
    there = table.index.get_level_values("variant").unique()
    for variant in (first, second):
        if variant not in there:
            raise ValueError(fault_line("variant", "", one_of(variant, sorted(there)), value=variant))
    both = pd.concat([table.xs(first), table.xs(second)], axis=1, keys=["first", "second"], join="inner").sort_index()
    if both.empty:
        found = "no number of tasks and seed that both have"
        raise ValueError(fault_line(f"{first} and {second}", "", "one", found=found))
    rows: list[dict[str, object]] = []
    for num_tasks, pairs in both.groupby(level="num_tasks"):
        seeds = " ".join(str(seed) for seed in pairs.index.get_level_values("seed"))
        test = paired_test(pairs["first"].tolist(), pairs["second"].tolist(), level)
        means = {"first_mean": pairs["first"].mean(), "second_mean": pairs["second"].mean()}
        names = {"first": first, "second": second, "num_tasks": num_tasks}
        rows.append({**names, "n": test.n, "seeds": seeds, **means, **test._asdict()})
    return rows
