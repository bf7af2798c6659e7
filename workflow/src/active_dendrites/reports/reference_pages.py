"""What the README shows of the reference."""

from collections.abc import Iterable

from active_dendrites.reports.reproduction_page import Report, line_of
from active_dendrites.reproduction.reference import FILE
from active_dendrites.reproduction.verdicts import DIFFERS, INCONCLUSIVE, REPRODUCED, Comparison
from active_dendrites.settings.published import CLUSTERS

SIGNS = {REPRODUCED: "✓", DIFFERS: "✗", INCONCLUSIVE: "?"}
BEGIN, END = "<!-- reference:begin -->", "<!-- reference:end -->"  # around what is generated in the README


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
