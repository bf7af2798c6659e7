"""Every published number beside ours, and the verdict by the rule of published.yaml.

Accuracies are fractions here and % in what is written; clusters are numbers in both.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from active_dendrites.evaluation.metrics import ROUNDING, Summary, summarise
from active_dendrites.reproduction.counted_runs import (
    OTHER_NUMERICS,
    OTHER_SETTINGS,
    UNREADABLE,
    LeftOut,
    RunResult,
    runs_were,
)
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.published import ACCURACY, CLUSTERS, Published, PublishedNumber
from active_dendrites.settings.run import Configuration

REPRODUCED = "reproduced"
DIFFERS = "differs"
INCONCLUSIVE = "inconclusive (too few seeds)"
NOT_RUN = "not run"
NO_VERDICT = "none (reduced scale)"
VERDICTS = (REPRODUCED, DIFFERS, INCONCLUSIVE, NOT_RUN)

IN_TEXT, IN_NO_FIGURE = "text", "-"  # in place of a figure

COLUMNS = [
    "figure",
    "variant",
    "num_tasks",
    "published",
    "ours",
    "std",
    "n",
    "low",
    "high",
    "verdict",
    "reason",
    "quantity",
    "unit",
    "difference",
    "difference_low",
    "difference_high",
    "margin",
    "p_reproduced",
    "p_differs",
    "published_std",
    "quoted",
    "source",
    "seeds",
]


# -- the verdict ------------------------------------------------------------------------------------------


class Judgement(NamedTuple):
    """A verdict and what it rests on; NaN where there is no spread to judge by.

    `low` and `high` are the interval of (ours - published) whose ends are the two one-sided tests: inside the margins
    it is `reproduced`, outside `differs`.
    """

    verdict: str
    low: float
    high: float
    p_reproduced: float
    p_differs: float


def judge(values: Sequence[float], published: float, margin: float, level: float) -> Judgement:
    """Compare the mean over seeds with a published number that is taken as exact. Source: method 10, its last part.

    reproduced: two one-sided t-tests, against published - margin and published + margin, both reject at `level`;
    `p_reproduced` is the larger p. differs: one of the opposite tests rejects; `p_differs` is the smaller p.
    Where two or more seeds differ by no more than `ROUNDING`, the mean itself decides, and both p are 0 or 1.
    In exact arithmetic p is the same to 1e-13 of itself: the mean minus a bound loses up to three digits.

    Args:
        values: one for each seed.
        margin: > 0, in the unit of the values.
    """
    if not values:
        return Judgement(NOT_RUN, *[np.nan] * 4)
    if len(values) == 1:
        return Judgement(INCONCLUSIVE, *[np.nan] * 4)
    if max(values) - min(values) <= ROUNDING:
        difference = summarise(values).mean - published
        inside = abs(difference) <= margin
        return Judgement(REPRODUCED if inside else DIFFERS, difference, difference, float(not inside), float(inside))

    def p_value(alternative: Literal["less", "greater"], mean: float) -> float:
        return float(stats.ttest_1samp(values, mean, alternative=alternative).pvalue)

    lowest, highest = published - margin, published + margin
    p_reproduced = max(p_value("greater", lowest), p_value("less", highest))
    p_differs = min(p_value("greater", highest), p_value("less", lowest))
    low, high = stats.ttest_1samp(values, published).confidence_interval(1 - 2 * level)
    verdict = REPRODUCED if p_reproduced < level else DIFFERS if p_differs < level else INCONCLUSIVE
    return Judgement(verdict, float(low) - published, float(high) - published, p_reproduced, p_differs)


@dataclass(frozen=True)
class Comparison:
    """One published number beside ours; `ours` is None where nothing was run."""

    number: PublishedNumber
    label: str
    group: str  # under which it stands in tables: its variant, or the sweep that this is one of
    figures: tuple[str, ...]
    ours: Summary | None
    seeds: tuple[int, ...]
    margin: float
    judgement: Judgement
    reasons: tuple[str, ...]

    @property
    def searched(self) -> bool:
        """Whether it is one of a sweep."""
        return self.group != self.number.variant

    @property
    def difference(self) -> float:
        return self.ours.mean - self.number.value if self.ours else np.nan

    @property
    def unit(self) -> str:
        return "%" if self.number.quantity == ACCURACY else CLUSTERS


def compare(
    declarations: Declarations,
    published: Published,
    scale: str,
    runs: Iterable[RunResult],
    left_out: Iterable[LeftOut] = (),
) -> list[Comparison]:
    """Every published number beside ours, in the order of the experiments. At reduced scale without verdicts."""
    of_configuration: dict[Configuration, list[RunResult]] = {}
    for run in sorted(runs, key=lambda run: run.seed):
        of_configuration.setdefault(Configuration(run.variant, run.num_tasks), []).append(run)
    num_left_out = Counter((run.variant, run.num_tasks, run.kind) for run in left_out)
    experiments = experiments_by_configuration(declarations)
    comparisons = []
    for number in published.numbers:
        configuration = Configuration(number.variant, number.num_tasks)
        runs_of_number = of_configuration.get(configuration, [])
        values = [run.value(number.quantity) for run in runs_of_number]
        margin = published.rule.margin(number.quantity, number.num_tasks)
        judgement = judge(values, number.value, margin, published.rule.level)
        comparisons.append(
            Comparison(
                number=number,
                label=declarations.label(number.variant),
                group=declarations.sweep_of(number.variant),
                figures=figures_of(number, experiments.get(configuration, [])),
                ours=summarise(values) if values else None,
                seeds=tuple(run.seed for run in runs_of_number),
                margin=margin,
                judgement=judgement if scale == PAPER else Judgement(NO_VERDICT, *[np.nan] * 4),
                reasons=(*left_out_reasons(configuration, num_left_out), *number.findings, *number.reasons),
            )
        )
    return sorted(comparisons, key=order_of(declarations))


def unexplained(comparisons: Iterable[Comparison]) -> Iterator[str]:
    """A line for each number that differs without a finding that says why."""
    for comparison in comparisons:
        number = comparison.number
        if comparison.judgement.verdict == DIFFERS and not number.findings:
            in_text = f" ({IN_TEXT})" if number.in_text else ""
            yield (
                f"{number.variant}, {number.num_tasks} tasks, {number.quantity}{in_text}: differs, and"
                " config/published.yaml has no finding that says why."
            )


def left_out_reasons(configuration: Configuration, num_left_out: Counter[tuple[str, int, str]]) -> Iterator[str]:
    """A sentence for each kind of its runs that were left out.

    Args:
        num_left_out: by variant, number of tasks and kind.
    """
    for kind in (OTHER_SETTINGS, OTHER_NUMERICS, UNREADABLE):
        if count := num_left_out[*configuration, kind]:
            yield f"{runs_were(count)} left out ({kind})."


def experiments_by_configuration(declarations: Declarations) -> dict[Configuration, list[str]]:
    """The experiments at paper scale that show each configuration, in the order declared."""
    experiments: dict[Configuration, list[str]] = {}
    for experiment in declarations.experiments:
        for configuration in declarations.configurations_of(PAPER, experiment):
            experiments.setdefault(configuration, []).append(experiment)
    return experiments


def figures_of(number: PublishedNumber, experiments: Sequence[str]) -> tuple[str, ...]:
    """Where a number is shown; first an experiment that is named after the quantity, as that of the clusters.

    Args:
        experiments: that show its configuration.
    """
    if number.in_text:
        return (IN_TEXT,)
    return tuple(sorted(experiments, key=lambda experiment: experiment != number.quantity)) or (IN_NO_FIGURE,)


def order_of(declarations: Declarations) -> Callable[[Comparison], tuple[int, ...]]:
    """The key by which tables are sorted: figure, variant or sweep as declared, number of tasks, searched value."""
    variants = list(declarations.variants)
    groups: dict[str, list[str]] = {}  # by figure
    for experiment in declarations.experiments:
        groups[experiment] = [
            declarations.sweep_of(variant) for variant, _ in declarations.configurations_of(PAPER, experiment)
        ]
    groups |= {IN_NO_FIGURE: variants, IN_TEXT: variants}
    figures = list(groups)

    def sort_key(comparison: Comparison) -> tuple[int, ...]:
        figure, number = comparison.figures[0], comparison.number
        group = groups[figure].index(comparison.group)
        return figures.index(figure), group, number.num_tasks, variants.index(number.variant)

    return sort_key


# -- what is written --------------------------------------------------------------------------------------


def comparison_table(comparisons: Iterable[Comparison]) -> pd.DataFrame:
    """`COLUMNS`, a row for each comparison. Accuracies and what is in their unit are %, clusters are numbers."""
    return pd.DataFrame([table_row(comparison) for comparison in comparisons], columns=COLUMNS)


def table_row(comparison: Comparison) -> dict[str, Any]:
    number, ours, judgement = comparison.number, comparison.ours, comparison.judgement
    judged = judgement.verdict != NO_VERDICT
    numbers = {
        "published": number.value,
        "published_std": number.std,
        "ours": ours.mean if ours else None,
        "std": ours.std if ours else None,
        "low": ours.low if ours else None,
        "high": ours.high if ours else None,
        "difference": comparison.difference if judged else None,
        "difference_low": judgement.low,
        "difference_high": judgement.high,
        "margin": comparison.margin if judged else None,
    }
    return {
        "figure": " ".join(comparison.figures),
        "variant": number.variant,
        "num_tasks": number.num_tasks,
        **{column: in_unit(value, number.quantity) for column, value in numbers.items()},
        "n": ours.n if ours else 0,
        "verdict": judgement.verdict,
        "reason": " ".join(comparison.reasons),
        "quantity": number.quantity,
        "unit": comparison.unit,
        "p_reproduced": four_digits(judgement.p_reproduced),
        "p_differs": four_digits(judgement.p_differs),
        "quoted": number.quoted,
        "source": number.source,
        "seeds": " ".join(map(str, comparison.seeds)),
    }


def in_unit(value: float | None, quantity: str) -> float | None:
    """As it is written: % for accuracies, and no more digits than published."""
    return None if value is None else round(float(value) * (100 if quantity == ACCURACY else 1), 4)


def four_digits(p: float) -> float:
    return float(f"{p:.4g}")


def verdicts_in_words(comparisons: Sequence[Comparison], scale: str) -> str:
    """How many comparisons with published numbers have each verdict."""
    of = f"{len(comparisons)} comparisons with published numbers"
    if scale != PAPER:
        num_run = sum(comparison.ours is not None for comparison in comparisons)
        return f"No verdicts: reduced scale ({scale}) is not the paper's setting. Runs for {num_run} of {of}."
    counts = Counter(comparison.judgement.verdict for comparison in comparisons)
    differ = f"{counts[DIFFERS]} {'differs' if counts[DIFFERS] == 1 else 'differ'}"
    others = ", ".join([differ, *(f"{counts[verdict]} {verdict}" for verdict in (INCONCLUSIVE, NOT_RUN))])
    return f"{counts[REPRODUCED]} of {of} reproduced, {others}."
