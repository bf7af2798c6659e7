"""What is made of results/reference/runs.csv alone: verdicts, tables, and the README's part."""

import math
from collections.abc import Callable, Iterable, Sequence

import pandas as pd

from active_dendrites import NUMERICS
from active_dendrites.evaluation.metrics import METRICS
from active_dendrites.evaluation.tables import COLUMNS, summarised_row
from active_dendrites.reports.reproduction_page import Report, line_of
from active_dendrites.reproduction.counted_runs import OTHER_NUMERICS, OTHER_SETTINGS, LeftOut, RunResult
from active_dendrites.reproduction.reference import FILE, ReferenceRow
from active_dendrites.reproduction.verdicts import DIFFERS, INCONCLUSIVE, REPRODUCED, Comparison
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.published import CLUSTERS, Published, declared_rows
from active_dendrites.settings.run import Configuration
from active_dendrites.settings.yaml_files import ConfigError, one_of

SIGNS = {REPRODUCED: "✓", DIFFERS: "✗", INCONCLUSIVE: "?"}
BEGIN, END = "<!-- reference:begin -->", "<!-- reference:end -->"  # around what is generated in the README

# -- verdicts and tables ----------------------------------------------------------------------------------


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


def summary_table(
    declarations: Declarations, published: Published, experiment: str, rows: Iterable[ReferenceRow]
) -> pd.DataFrame:
    """The table of an experiment, as `tables.experiment_table`, of those configurations that have runs.

    Args:
        experiment: of kind summary.
    Raises: ConfigError if there is no such experiment.
    """
    known = [name for name, declared in declarations.experiments.items() if declared.kind == "summary"]
    if experiment not in known:
        raise ConfigError(f"experiments.yaml: found no {experiment!r} of kind summary, expected {one_of('', known)}")
    why_outdated = outdated(declarations)
    of_configuration: dict[Configuration, list[ReferenceRow]] = {}
    for row in sorted(rows, key=lambda row: row.sort_key):
        if row.is_result and not why_outdated(row):
            of_configuration.setdefault(Configuration(row.variant, row.num_tasks), []).append(row)
    table = []
    for declared in declared_rows(declarations, published, PAPER, experiment):
        if runs := of_configuration.get(Configuration(declared.variant, declared.num_tasks)):
            entry = declared._asdict() | {"experiment": experiment, "scale": PAPER}
            entry["seeds"] = " ".join(str(run.seed) for run in runs)
            table.append(entry | summarised_row([metrics_of(run) for run in runs], clusters_of(runs)))
    return pd.DataFrame(table, columns=COLUMNS["summary"])


def metrics_of(row: ReferenceRow) -> dict[str, float]:
    """The metrics by name; NaN where they are not defined."""
    values = {name: getattr(row, name) for name in METRICS}
    return {name: math.nan if value is None else value for name, value in values.items()}


def clusters_of(runs: Sequence[ReferenceRow]) -> list[int] | None:
    counts = [run.clusters for run in runs if run.clusters is not None]
    return counts or None


# -- the README -------------------------------------------------------------------------------------------


def status(report: Report, folder: str) -> str:
    """The README's part: how many published numbers were reproduced, and those with runs but the searches, by model.

    Args:
        folder: of the reference, from the README.
    """
    if not report.num_runs:
        return f"No runs yet: none of full scale was merged into `{folder}/{FILE}`."
    shown = [row for row in report.comparisons if row.ours and not row.searched and not row.number.in_text]
    counts = sorted({row.number.num_tasks for row in shown})
    models: dict[str, dict[int, Comparison]] = {}
    for row in shown:
        of_clusters = ": clusters found" if row.number.quantity == CLUSTERS else ""
        models.setdefault(row.label + of_clusters, {})[row.number.num_tasks] = row
    return "\n".join(
        [
            f"**{report.summary}**",
            "",
            f"Made by `snakemake reference` from [`{FILE}`]({folder}/{FILE}); runs: {report.num_runs}. Intervals,",
            f"margins and reasons are in [`reproduction.md`]({folder}/reproduction.md). Average accuracy in %,",
            "mean ± standard deviation (n seeds); below it, the published value.",
            f"{', '.join(f'{sign} {verdict}' for verdict, sign in SIGNS.items())}.",
            "",
            f"| tasks | {' | '.join(map(str, counts))} |",
            f"|---|{'---|' * len(counts)}",
            *(status_line(model, of_model, counts) for model, of_model in models.items()),
        ]
    )


def status_line(model: str, rows: dict[int, Comparison], counts: Iterable[int]) -> str:
    cells = (status_cell(rows[count]) if count in rows else "" for count in counts)
    return f"| {model} | {' | '.join(cells)} |"


def status_cell(row: Comparison) -> str:
    line = line_of(row, dict.fromkeys(row.reasons, 0))
    return f"{SIGNS[line.verdict]} {line.ours} ({line.n})<br>{line.published}"


def with_status(text: str, part: str, name: str) -> str:
    """A README with another generated part. Raises: ValueError if it lacks the marks that the part stands between."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in after or END in after:
        raise ValueError(f"{name}: found no single {BEGIN} ... {END}, expected one, around the generated table")
    return f"{before}{BEGIN}\n\n{part}\n\n{END}{after}"
