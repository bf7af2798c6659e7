"""Verdicts and tables from what is there: from runs.csv alone, or from whichever runs of a folder are finished."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from active_dendrites import NUMERICS
from active_dendrites.evaluation.metrics import METRICS
from active_dendrites.evaluation.tables import TableRow, missing_rows, rows_of_kind, summarised_row, table_of
from active_dendrites.reproduction.counted_runs import (
    OTHER_NUMERICS,
    OTHER_SETTINGS,
    UNREADABLE,
    LeftOut,
    RunResult,
    read_run,
)
from active_dendrites.reproduction.reference import ReferenceRow
from active_dendrites.runs.folders import configuration_folder, seed_folders
from active_dendrites.runs.records import IncompleteRunError, is_finished, read_activity
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.published import DeclaredRow, Published, declared_rows
from active_dendrites.settings.run import Configuration
from active_dendrites.settings.yaml_files import ConfigError, one_of

KINDS = ("summary", "search")  # of experiments whose tables runs.csv is enough for


def judged_runs(
    declarations: Declarations, published: Published, rows: Iterable[ReferenceRow]
) -> tuple[list[RunResult], list[LeftOut]]:
    """The runs that have a published number, and those of them that are left out, as `reproduction.find_runs`."""
    configurations = {(number.variant, number.num_tasks) for number in published.numbers}
    why_outdated = outdated(declarations)
    runs: list[RunResult] = []
    left_out: list[LeftOut] = []
    for row in rows:
        if not row.is_result or (row.variant, row.num_tasks) not in configurations:
            continue
        if kind := why_outdated(row):
            left_out.append(LeftOut(row.variant, row.num_tasks, kind))
        else:
            runs.append(RunResult(row.variant, row.num_tasks, row.seed, row.average_accuracy, row.clusters))
    return runs, left_out


def outdated(declarations: Declarations) -> Callable[[ReferenceRow], str | None]:
    """Tells why a row is not one of today's settings and arithmetic; None if it is."""
    hashes: dict[Configuration, str | None] = {}

    def hash_today(variant: str, num_tasks: int, seed: int) -> str | None:
        try:
            return declarations.resolve(PAPER, variant, num_tasks, seed).settings_hash()
        except ConfigError:  # a variant that there is no more
            return None

    def why_outdated(row: ReferenceRow) -> str | None:
        configuration = Configuration(row.variant, row.num_tasks)
        if configuration not in hashes:
            hashes[configuration] = hash_today(*configuration, row.seed)
        if row.settings_hash != hashes[configuration]:
            return OTHER_SETTINGS
        return OTHER_NUMERICS if row.numerics != NUMERICS else None

    return why_outdated


def reference_table(
    declarations: Declarations, published: Published, experiment: str, rows: Iterable[ReferenceRow]
) -> pd.DataFrame:
    """The table of an experiment, as `tables.experiment_table`; what was not run has a row without an accuracy.

    Args:
        experiment: of a kind of `KINDS`; the others need what runs.csv does not hold.
    Raises: ConfigError if there is no such experiment.
    """
    known = [name for name, declared in declarations.experiments.items() if declared.kind in KINDS]
    if experiment not in known:
        kinds = " or ".join(KINDS)
        raise ConfigError(f"experiments.yaml: found no {experiment!r} of kind {kinds}, expected {one_of('', known)}")
    kind = declarations.experiments[experiment].kind
    rows_of_runs = summary_rows if kind == "summary" else search_rows
    of_configuration = current_rows(declarations, rows)

    def measured(declared: DeclaredRow) -> Iterable[TableRow]:
        runs = of_configuration.get(Configuration(declared.variant, declared.num_tasks))
        return rows_of_runs(runs) if runs else missing_rows(kind, declared.num_tasks)

    declared_of_mnist = declared_rows(declarations, published, PAPER, experiment)
    return table_of(declarations, PAPER, experiment, declared_of_mnist, measured)


def preview_table(
    declarations: Declarations, published: Published, scale: str, experiment: str, runs: Path
) -> tuple[pd.DataFrame, list[LeftOut]]:
    """The table of an experiment from whichever runs are finished, and the runs that are left out.

    Args:
        runs: folder of the scale's runs.
    """
    kind = declarations.experiments[experiment].kind
    left_out: list[LeftOut] = []

    def measured(declared: DeclaredRow) -> Iterable[TableRow]:
        seeds = []
        for seed, folder in seed_folders(configuration_folder(runs, declared.variant, declared.num_tasks)).items():
            if not is_finished(folder):
                continue
            result = read_run(folder, declarations.resolve(scale, declared.variant, declared.num_tasks, seed))
            if kind == "activity" and not isinstance(result, LeftOut):
                result = with_activity(folder, result)
            if isinstance(result, LeftOut):
                left_out.append(result)
            else:
                seeds.append(seed)
        return rows_of_kind(kind, declared, seeds, runs) if seeds else missing_rows(kind, declared.num_tasks)

    rows = declared_rows(declarations, published, scale, experiment)
    return table_of(declarations, scale, experiment, rows, measured), left_out


def with_activity(folder: Path, run: RunResult) -> RunResult | LeftOut:
    """The run, if its activities can be read too."""
    try:
        read_activity(folder / "activity.npy", run.num_tasks)
    except IncompleteRunError as error:
        return LeftOut(run.variant, run.num_tasks, UNREADABLE, " ".join(str(error).split()))
    return run


def current_rows(declarations: Declarations, rows: Iterable[ReferenceRow]) -> dict[Configuration, list[ReferenceRow]]:
    """The rows of today's settings and arithmetic, sorted, by configuration."""
    why_outdated = outdated(declarations)
    of_configuration: dict[Configuration, list[ReferenceRow]] = {}
    for row in sorted(rows, key=lambda row: row.sort_key):
        if not why_outdated(row):
            of_configuration.setdefault(Configuration(row.variant, row.num_tasks), []).append(row)
    return of_configuration


def summary_rows(rows: Sequence[ReferenceRow]) -> Iterator[TableRow]:
    """The row of a configuration, over seeds."""
    results = [row for row in rows if row.is_result]
    seeds = " ".join(str(row.seed) for row in results)
    yield {"seeds": seeds} | summarised_row([metrics_of(row) for row in results], clusters_of(results))


def search_rows(rows: Sequence[ReferenceRow]) -> Iterator[TableRow]:
    """A row for each run and each task after which it was tested on all tasks seen."""
    for row in rows:
        yield {"seed": row.seed, "after_task": row.after_task, "accuracy": row.average_accuracy}


def metrics_of(row: ReferenceRow) -> dict[str, float]:
    """The metrics by name; NaN where they are not defined."""
    values = {name: getattr(row, name) for name in METRICS}
    return {name: math.nan if value is None else value for name, value in values.items()}


def clusters_of(runs: Sequence[ReferenceRow]) -> list[int] | None:
    counts = [run.clusters for run in runs if run.clusters is not None]
    return counts or None
