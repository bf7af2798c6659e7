"""The pages of the reference, and what the README shows of it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from active_dendrites.reports.reproduction_page import Report, line_of, markdown_text
from active_dendrites.reports.results_page import Page, asked_numbers, page_of
from active_dendrites.reports.shown_runs import ShownRun, run_of_row
from active_dendrites.reproduction.counted_runs import RunResult
from active_dendrites.reproduction.reference import FILE, ReferenceRow
from active_dendrites.reproduction.reference_tables import KINDS, current_rows, judged_runs
from active_dendrites.reproduction.verdicts import DIFFERS, INCONCLUSIVE, REPRODUCED, Comparison
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.published import CLUSTERS, Published

SIGNS = {REPRODUCED: "✓", DIFFERS: "✗", INCONCLUSIVE: "?"}
NO_TASKS = "not drawn: no run of its variants was kept with the files that it needs"
NO_RUNS = "not drawn: none of its variants was run"
BEGIN, END = "<!-- reference:begin -->", "<!-- reference:end -->"  # around what is generated in the README


def make_reference_page(
    declarations: Declarations,
    published: Published,
    part: str,
    rows: Sequence[ReferenceRow],
    folder: Path,
    project: Path,
) -> Page:
    """The page of a part, as `results_page.make_page`, from the rows of runs.csv.

    Args:
        folder: of the page, beside which figures and tables are.
        project: whose history has the commits of the runs.
    """
    asked = asked_numbers(declarations, published, PAPER, part)
    results, left_out = judged_runs(declarations, asked, rows)
    current = current_rows(declarations, rows)
    row_of_run = {row.run_key[:3]: row for of_one in current.values() for row in of_one if row.is_result}

    def show(run: RunResult, quantity: str) -> ShownRun:
        return run_of_row(row_of_run[run.variant, run.num_tasks, run.seed], quantity, project)

    kinds = {name: declared.kind for name, declared in declarations.experiments.items()}
    why_not_drawn = {name: NO_RUNS if kind in KINDS else NO_TASKS for name, kind in kinds.items()}
    return page_of(declarations, asked, PAPER, part, folder, results, left_out, show, why_not_drawn)


def status(report: Report, folder: str) -> str:
    """The README's part: how many published numbers were reproduced, and those with runs but the searches, by model.

    Args:
        folder: of the reference, from the README.
    """
    if not report.num_runs:
        return f"No runs yet: none of full scale was merged into `{folder}/{FILE}`."
    in_table = [row for row in report.comparisons if row.ours and not row.searched and not row.number.in_text]
    counts = sorted({row.number.num_tasks for row in in_table})
    models: dict[str, dict[int, Comparison]] = {}
    for row in in_table:
        of_clusters = ": clusters found" if row.number.quantity == CLUSTERS else ""
        models.setdefault(markdown_text(row.label) + of_clusters, {})[row.number.num_tasks] = row
    return "\n".join(
        [
            f"**{report.summary}**",
            "",
            f"Made by `snakemake reference` from [`{FILE}`]({folder}/{FILE}); runs: {report.num_runs}. Intervals,",
            f"margins and reasons are in [`reproduction.md`]({folder}/reproduction.md). Average accuracy in %,",
            "mean ± standard deviation (n seeds); below it, the published value.",
            f"{', '.join(f'{sign} {verdict}' for verdict, sign in SIGNS.items())}.",
            "",
            quoted_in_words(report.comparisons),
            "",
            f"| tasks | {' | '.join(map(str, counts))} |",
            f"|---|{'---|' * len(counts)}",
            *(status_line(model, of_model, counts) for model, of_model in models.items()),
        ]
    )


def quoted_in_words(comparisons: Iterable[Comparison]) -> str:
    """How many of the numbers that the paper quotes were run here, and which."""
    quoted = [row for row in comparisons if row.number.quoted]
    counts: dict[str, list[str]] = {}
    for row in quoted:
        if row.ours:
            counts.setdefault(markdown_text(row.label.partition(" (")[0]), []).append(str(row.number.num_tasks))
    of = f"the {len(quoted)} numbers that the paper quotes from the literature"
    if not counts:
        return f"Of {of} none was run here."
    which = "; ".join(f"{label} at {in_words(at)} tasks" for label, at in counts.items())
    return f"Of {of}, {sum(map(len, counts.values()))} were run here:\n{which}."


def in_words(items: Sequence[str]) -> str:
    """One, two and three."""
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last


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
