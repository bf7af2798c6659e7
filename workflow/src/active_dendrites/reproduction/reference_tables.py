"""Verdicts and tables from runs.csv alone, without the folders of the runs."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import pandas as pd

from active_dendrites import NUMERICS
from active_dendrites.evaluation.metrics import METRICS
from active_dendrites.evaluation.tables import COLUMNS, TableRow, search_settings, summarised_row
from active_dendrites.reproduction.counted_runs import OTHER_NUMERICS, OTHER_SETTINGS, LeftOut, RunResult
from active_dendrites.reproduction.reference import ReferenceRow
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.published import Published, declared_rows
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
    rows_of_kind = summary_rows if kind == "summary" else search_rows
    of_configuration = current_rows(declarations, rows)
    table: list[TableRow] = []
    for declared in declared_rows(declarations, published, PAPER, experiment):
        entry = declared._asdict() | {"experiment": experiment, "scale": PAPER}
        if kind == "search":
            entry["search"] = declarations.sweep_of(declared.variant)
            entry |= search_settings(declarations.resolve(PAPER, declared.variant, declared.num_tasks, 1))
        runs = of_configuration.get(Configuration(declared.variant, declared.num_tasks), [])
        table += [entry | measured for measured in rows_of_kind(runs, declared.num_tasks)]
    frame = pd.DataFrame(table, columns=COLUMNS[kind])
    return frame.astype({"seed": "Int64"}) if kind == "search" else frame  # an integer or nothing


def current_rows(declarations: Declarations, rows: Iterable[ReferenceRow]) -> dict[Configuration, list[ReferenceRow]]:
    """The rows of today's settings and arithmetic, sorted, by configuration."""
    why_outdated = outdated(declarations)
    of_configuration: dict[Configuration, list[ReferenceRow]] = {}
    for row in sorted(rows, key=lambda row: row.sort_key):
        if not why_outdated(row):
            of_configuration.setdefault(Configuration(row.variant, row.num_tasks), []).append(row)
    return of_configuration


def summary_rows(rows: Sequence[ReferenceRow], num_tasks: int) -> Iterator[TableRow]:
    """The row of a configuration, over seeds."""
    results = [row for row in rows if row.is_result]
    if results:
        seeds = " ".join(str(row.seed) for row in results)
        yield {"seeds": seeds} | summarised_row([metrics_of(row) for row in results], clusters_of(results))
    else:
        yield {"n": 0}


def search_rows(rows: Sequence[ReferenceRow], num_tasks: int) -> Iterator[TableRow]:
    """A row for each run and each task after which it was tested on all tasks seen."""
    for row in rows:
        yield {"seed": row.seed, "after_task": row.after_task, "accuracy": row.average_accuracy}
    if not rows:
        yield {"after_task": num_tasks}


def metrics_of(row: ReferenceRow) -> dict[str, float]:
    """The metrics by name; NaN where they are not defined."""
    values = {name: getattr(row, name) for name in METRICS}
    return {name: math.nan if value is None else value for name, value in values.items()}


def clusters_of(runs: Sequence[ReferenceRow]) -> list[int] | None:
    counts = [run.clusters for run in runs if run.clusters is not None]
    return counts or None
