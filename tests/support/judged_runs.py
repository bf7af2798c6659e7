"""Runs with known means and spreads, to be held against published numbers."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from finished_runs import finished_run

from active_dendrites.reproduction.counted_runs import RunResult
from active_dendrites.reproduction.verdicts import Comparison, compare
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.published import Published, read_published


def sample(mean: float, std: float, n: int) -> list[float]:
    """n values with just this mean and standard deviation."""
    values = np.linspace(-1, 1, n) ** 3
    return list(mean + std * (values - values.mean()) / values.std(ddof=1))


def runs_with(
    variant: str, num_tasks: int, values: Iterable[float], clusters: Sequence[int] | None = None
) -> list[RunResult]:
    values = list(values)
    found = clusters or [None] * len(values)
    return [
        RunResult(variant, num_tasks, seed, *both) for seed, both in enumerate(zip(values, found, strict=True), start=1)
    ]


def only(comparisons: Iterable[Comparison], variant: str, num_tasks: int, quantity: str = "accuracy") -> Comparison:
    """The one of a number in a figure."""
    (found,) = [
        row for row in comparisons if row.number.key == (variant, num_tasks, quantity) and not row.number.in_text
    ]
    return found


def mixture_of(declarations: Declarations, published: Published) -> list[Comparison]:
    """Two numbers reproduced, one that differs, three inconclusive; nothing else was run."""
    figures = published.in_figures()

    def near(variant: str, num_tasks: int, shift: float, std: float, n: int) -> list[RunResult]:
        mean = figures[variant, num_tasks, "accuracy"].value + shift
        return runs_with(variant, num_tasks, sample(mean, std, n) if n > 1 else [mean])

    runs = [
        *near("xdg", 100, 0.005, 0.003, 8),
        *near("segment_search-2", 50, -0.01, 0.005, 10),
        *near("ten_layer_mlp", 10, 0.05, 0.01, 8),
        *near("si_mlp", 50, 0.0, 0.0, 1),
        *near("active_dendrites_only", 5, 0.0, 0.05, 8),
        *near("sparse_representations_only", 5, 0.02, 0.03, 2),
    ]
    return compare(declarations, published, PAPER, runs)


def published_alone(declarations: Declarations) -> Published:
    """The published numbers as in config/, but for the findings: what was found so far decides nothing here."""
    published = read_published(declarations)
    return Published(published.rule, tuple(number._replace(findings=()) for number in published.numbers))


def scored_run(
    declarations: Declarations,
    runs: Path,
    variant: str,
    num_tasks: int,
    seed: int,
    accuracy: float = 0.9,
    /,
    **more: object,
) -> Path:
    """A finished run with one accuracy on all tasks after the last, and 0.97 on each when it was learned."""
    matrix = np.full((num_tasks, num_tasks), np.nan)
    np.fill_diagonal(matrix, 0.97)
    matrix[-1] = accuracy
    return finished_run(declarations, runs, variant, num_tasks, seed, matrix, **more)
