"""The reproduction report as pages: what stands in them; how they look is in the templates."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import jinja2

from active_dendrites.reproduction.counted_runs import LeftOut, RunResult, notes_on
from active_dendrites.reproduction.verdicts import (
    IN_NO_FIGURE,
    IN_TEXT,
    VERDICTS,
    Comparison,
    compare,
    comparison_table,
    verdicts_in_words,
)
from active_dendrites.runs.files import atomic_file
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.published import ACCURACY, Published, Rule

REACH = 3.0  # how many margins the picture of a difference shows to each side
MINUS = "\N{MINUS SIGN}"


class Line(NamedTuple):
    """A comparison as it is read: numbers as text, empty where there is none."""

    name: str  # what tells it apart in its block
    published: str
    ours: str
    n: int
    interval: str
    difference: str
    margin: str
    verdict: str
    notes: tuple[int, ...]  # numbers of its reasons
    positions: dict[str, float]  # of the difference and its interval in the picture


class Block(NamedTuple):
    """Lines of a table under one heading: a variant, or a sweep at one number of tasks."""

    name: str
    heading: str
    unit: str
    source: str
    lines: list[Line]


class FigureTable(NamedTuple):
    """What a figure shows, as a table; each comparison stands in the first figure that shows it."""

    name: str
    title: str
    blocks: list[Block]


@dataclass(frozen=True)
class Report:
    """What the pages are made from."""

    scale: str
    rule: Rule
    comparisons: Sequence[Comparison]
    num_runs: int
    left_out: Sequence[str]  # a sentence for each kind of run that was left out
    titles: dict[str, str]  # of experiments

    @property
    def reduced(self) -> bool:
        return self.scale != PAPER

    @property
    def summary(self) -> str:
        return verdicts_in_words(self.comparisons, self.scale)

    @property
    def counts(self) -> dict[str, int]:
        counts = Counter(comparison.judgement.verdict for comparison in self.comparisons)
        return {verdict: counts[verdict] for verdict in VERDICTS}

    @property
    def reasons(self) -> list[str]:
        """Each reason once, in the order of the tables, which refer to them by number."""
        return list(dict.fromkeys(reason for comparison in self.comparisons for reason in comparison.reasons))

    @property
    def figures(self) -> list[FigureTable]:
        numbers = {reason: number for number, reason in enumerate(self.reasons, start=1)}
        titles = self.titles | {IN_TEXT: "Claims in the text", IN_NO_FIGURE: "In no figure"}
        by_figure = groupby(self.comparisons, key=lambda comparison: comparison.figures[0])
        return [FigureTable(name, titles[name], list(blocks_of(shown, numbers))) for name, shown in by_figure]

    @property
    def explanations(self) -> list[str]:
        """How to read the tables, a paragraph each."""
        return [*([] if self.reduced else rule_in_words(self.rule)), *caveats(self.comparisons)]


def make_report(
    declarations: Declarations, published: Published, scale: str, runs: Sequence[RunResult], left_out: Sequence[LeftOut]
) -> Report:
    """What runs say about the published numbers."""
    return Report(
        scale,
        published.rule,
        compare(declarations, published, scale, runs, left_out),
        num_runs=len(runs),
        left_out=list(notes_on(left_out)),
        titles={name: declared.title for name, declared in declarations.experiments.items()},
    )


def blocks_of(comparisons: Iterable[Comparison], numbers: dict[str, int]) -> Iterator[Block]:
    def heading(comparison: Comparison) -> tuple[str, str]:
        return comparison.group, tasks_of(comparison) if comparison.searched else comparison.label

    for (name, text), of_block in groupby(comparisons, key=heading):
        rows = list(of_block)
        yield Block(name, text, rows[0].unit, rows[0].number.source, [line_of(row, numbers) for row in rows])


def line_of(row: Comparison, numbers: dict[str, int]) -> Line:
    ours = row.ours

    def text(value: float | None, sign: str = "") -> str:
        if value is None or math.isnan(value):
            return ""
        return format_number(value, row.number.quantity, sign)

    def with_spread(mean: str, std: str) -> str:
        return f"{mean} ± {std}" if std else mean

    return Line(
        name=row.label if row.searched else tasks_of(row),
        published=with_spread(text(row.number.value), text(row.number.std)),
        ours=with_spread(text(ours.mean), text(ours.std)) if ours else "",
        n=ours.n if ours else 0,
        interval=f"{text(ours.low)} to {text(ours.high)}" if ours and ours.n > 1 else "",
        difference=text(row.difference, "+"),
        margin=text(row.margin),
        verdict=row.judgement.verdict,
        notes=tuple(numbers[reason] for reason in row.reasons),
        positions=positions_of(row),
    )


def format_number(value: float, quantity: str, sign: str = "") -> str:
    """97.47 for an accuracy; 5.625 for clusters, as many digits as an eighth needs."""
    scale, decimals = (100, 2) if quantity == ACCURACY else (1, 3)
    text = f"{round(float(value) * scale, decimals) + 0.0:{sign}.{decimals}f}"  # + 0.0: no -0.00
    return (text if quantity == ACCURACY else text.rstrip("0").rstrip(".")).replace("-", MINUS)


def tasks_of(comparison: Comparison) -> str:
    count = comparison.number.num_tasks
    return f"{count} task{'' if count == 1 else 's'}"


def positions_of(row: Comparison) -> dict[str, float]:
    """Difference and interval, in margins of the published number; what is out of reach is at its end."""
    values = {"low": row.judgement.low, "high": row.judgement.high, "mean": row.difference}
    inside = {name: max(-REACH, min(value / row.margin, REACH)) for name, value in values.items()}
    return {name: value for name, value in inside.items() if not math.isnan(values[name])}


def rule_in_words(rule: Rule) -> Iterator[str]:
    margins = ", ".join(
        f"{margin:g} point{'' if margin == 1 else 's'} from {start} task{'' if start == 1 else 's'} on"
        for start, margin in sorted(rule.accuracy_margin.items())
    )
    clusters = rule.clusters_margin
    yield (
        f"The rule was fixed beforehand, in config/published.yaml. The margin is {margins}; for clusters"
        f" {clusters.least:g} or {100 * clusters.share_of_tasks:g} % of the number of tasks, whichever is larger."
    )
    yield (
        f"A number is reproduced where two one-sided t-tests over our seeds, each at level {rule.level:g}, place our"
        f" mean inside the margin, so that the {100 * (1 - 2 * rule.level):g} % interval of the difference lies within"
        " it. It differs where such a test places our mean outside. Otherwise there are too few seeds to tell. The"
        " published number is taken as exact, since most have no spread, and a level is that of one number, not of all"
        " together."
    )


def caveats(comparisons: Sequence[Comparison]) -> Iterator[str]:
    yield (
        "All seeds share the permutations, as in the paper, so the spread covers initialisation, masks and the order of"
        " batches, not the choice of tasks."
    )
    yield "XdG and SI + XdG are told the task at test, which no other model is."
    quoted = dict.fromkeys(comparison.number.variant for comparison in comparisons if comparison.number.quoted)
    if quoted:
        yield (
            f"Published values of {', '.join(quoted)} are the literature's, quoted by the paper; ours are runs by the"
            " protocols of their authors."
        )
    again = [row for row in comparisons if row.number.published_for != row.number.variant]
    if again:
        names = ", ".join(dict.fromkeys(row.number.variant for row in again))
        yield (
            f"Of {len(comparisons) - len(again)} published numbers {len(again)} are compared twice, the second time"
            f" with {names}, because the published configuration cannot reach them."
        )


# -- files ------------------------------------------------------------------------------------------------


def render(report: Report, template: Path) -> str:
    """A page from its template."""
    return load_template(template).render(report=report, reach=REACH)


def load_template(template: Path) -> jinja2.Template:
    """One in which an undefined name is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        autoescape=jinja2.select_autoescape(["html.j2"], default=False),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["markdown"] = markdown_text
    return environment.get_template(template.name)


def markdown_text(text: str) -> str:
    """A label as Markdown shows it as it is, in a table too: nothing in it is emphasis, code, a link or mathematics."""
    return re.sub(r"([\\`*_\[\]<>$|])", r"\\\1", text)


def write_report(report: Report, templates: Path, prefix: Path) -> None:
    """Write <prefix>.csv, .md and .html, each atomically.

    Args:
        templates: folder of reproduction.md.j2 and reproduction.html.j2.
    """
    texts = {
        "csv": comparison_table(report.comparisons).to_csv(index=False),
        "md": render(report, templates / "reproduction.md.j2"),
        "html": render(report, templates / "reproduction.html.j2"),
    }
    for suffix, text in texts.items():
        with atomic_file(Path(f"{prefix}.{suffix}")) as file:
            file.write(text)
