"""What figures of the hyperparameter searches share (method 7): searched settings, means over seeds, axes, marks.

`rain_clouds` draws single runs, `search_lines` their means. A search table has a row per run and number of
tasks learned.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from active_dendrites.evaluation.metrics import summarise
from active_dendrites.figures import style
from active_dendrites.figures.style import BLUE, GREEN, INK, NOTE, VERMILION, Style
from active_dendrites.settings.yaml_files import fault


class Parameter(NamedTuple):
    """A searched setting: its column, its letter, and the words of an axis."""

    column: str
    letter: str
    words: str

    @property
    def axis(self) -> str:
        return f"{self.words}, {self.letter}"


SEGMENTS = Parameter("segments_per_unit", "S", "Segments per unit")
DENSITY = Parameter("winner_density", "p", "Activation density")
SPARSITY = Parameter("weight_sparsity", "q", "Weight sparsity (fraction of zeros)")
RATE = Parameter("learning_rate", "η", "Learning rate")
STRENGTH = Parameter("strength", "c", "Strength")
DAMPING = Parameter("damping", "ξ", "Damping")
SWEEPS = {"segment_search": SEGMENTS, "kw_sparsity_search": DENSITY, "w_sparsity_search": SPARSITY}

# Of lines in a panel that differ in a number: of tasks, learning rate, damping.
HUES = (Style(BLUE, "o"), Style(VERMILION, "s"), Style(GREEN, "D"), Style(INK, "^"))


# -- the table ----------------------------------------------------------------------------------------


def final_runs(table: pd.DataFrame) -> pd.DataFrame:
    """The rows after the last task, a row per run, accuracies in %; a configuration without runs has a row without one.

    Args:
        table: kind search, as `style.read_table` gives it.
    Raises: ValueError naming a run that was not tested after its last task.
    """
    runs = ["variant", "num_tasks", "seed"]
    final = table[table["after_task"] == table["num_tasks"]]
    missing = set(table.loc[table["accuracy"].notna(), runs].itertuples(index=False, name=None)) - set(
        final[runs].itertuples(index=False, name=None)
    )
    if missing:
        variant, num_tasks, seed = min(missing)
        place = f"{variant}, {num_tasks} tasks, seed {seed}"
        raise fault(place, "accuracy", f"one after task {num_tasks}")
    return in_percent(final)


def with_value(runs: pd.DataFrame, searched: Parameter) -> pd.DataFrame:
    """The runs, each with a value of this setting. Raises: ValueError naming a variant without."""
    empty = runs.loc[runs[searched.column].isna(), "variant"]
    if len(empty):
        raise fault(empty.iloc[0], searched.column, "the searched value")
    return runs


def in_percent(table: pd.DataFrame) -> pd.DataFrame:
    """The table with accuracies and published values in %; without the latter at reduced scale, where none compares."""
    compared = np.nan if style.is_reduced(table) else 100
    published = {column: compared * table[column] for column in ("published", "published_std")}
    return table.assign(accuracy=100 * table["accuracy"], **published)


def means(runs: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Mean over seeds and its 95 % t-interval, by `keys`: keys, n, value, low, high, published, published_std.

    Args:
        runs: as `final_runs` gives them; what it has for the same keys differs by seed alone.
    """
    rows = []
    for values, same in runs.groupby(list(keys)):
        spread = {"n": 0, "value": np.nan, "low": np.nan, "high": np.nan}  # not run
        measured = same["accuracy"].dropna().to_list()
        if measured:
            summary = summarise(measured)
            low, high = np.clip([summary.low, summary.high], 0, 100)
            spread = {"n": summary.n, "value": summary.mean, "low": low, "high": high}
        published = same[["published", "published_std"]].iloc[0].to_dict()
        rows.append(dict(zip(keys, values, strict=True)) | spread | published)
    columns = [*keys, "n", "value", "low", "high", "published", "published_std"]
    return pd.DataFrame(rows, columns=columns)


def of_searches(table: pd.DataFrame, searches: Iterable[str]) -> pd.DataFrame:
    """The rows of these searches. Raises: ValueError if there are none."""
    rows = table[table["search"].isin(list(searches))]
    if rows.empty:
        found = ", ".join(sorted(table["search"].unique()))
        raise fault("search", "", f"one of {', '.join(searches)}", found=found)
    return rows


def as_text(value: float) -> str:
    """A setting as in the paper: 0.05, 10."""
    return f"{value:g}"


def fixed(runs: pd.DataFrame, searched: Parameter) -> str:
    """What is the same in all these runs, of the three searched settings, in letters: S = 10, q = 0.5."""
    others = [parameter for parameter in SWEEPS.values() if parameter != searched]
    same = [(p.letter, runs[p.column].iloc[0]) for p in others if runs[p.column].nunique() == 1]
    return ", ".join(f"{letter} = {as_text(value)}" for letter, value in same)


def fixed_title(runs: pd.DataFrame, searched: Parameter) -> str:
    """The title of a panel: number of tasks, and what is fixed."""
    return "; ".join(filter(None, [f"{runs['num_tasks'].iloc[0]} tasks", fixed(runs, searched)]))


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table as a person reads it, a row per variant: final accuracy by number of tasks, and what is published."""
    runs = final_runs(table)
    order = list(dict.fromkeys(runs["variant"]))
    rows = means(runs, ["variant", "num_tasks"])
    rows = rows.assign(rank=rows["variant"].map(order.index), label=rows["variant"]).sort_values("rank")
    heading = "Accuracy after the last task, % ± 95 % interval, by number of tasks"
    return style.readable(rows, heading, style.is_reduced(table))


# -- captions -----------------------------------------------------------------------------------------


def mean_caption(rows: pd.DataFrame, first: str = "") -> str:
    """What marks of means stand for, and how many seeds are behind them."""
    measured = rows.loc[rows["value"].notna(), "n"]
    sentences = [first or f"Mean accuracy over all tasks, after the last one was learned; {per_setting(measured)}."]
    if rows["low"].notna().any():
        single = "; none for a single seed" if (rows["n"] == 1).any() else ""
        sentences.append(f"Bars, where wider than the marker: 95 % t-interval over seeds{single}.")
    if rows["published"].notna().any():
        sentences.append(published_sentence(rows))
    sentences += missing_words(rows)
    return " ".join(sentences)


def missing_words(rows: pd.DataFrame) -> list[str]:
    """The sentence of a caption on means, as `means` gives them, that were not run."""
    not_run = rows["value"].isna()
    return style.missing_words(not_run, not_run & rows["published"].notna())


def published_sentence(rows: pd.DataFrame) -> str:
    """What hollow means in a figure of a search."""
    spread = "mean and standard deviation" if rows["published_std"].notna().any() else "mean"
    return style.published_words(spread) + "."


def per_setting(counts: pd.Series) -> str:
    return f"{style.count_seeds(counts)} per setting"


# -- axes and marks -----------------------------------------------------------------------------------


def equal_distances(values: Iterable[float]) -> dict[float, int]:
    """Positions at equal distances, in order."""
    return {value: position for position, value in enumerate(sorted(set(values)))}


def number_ticks(axes: Axes, positions: dict[float, int], at_least: int = 1) -> None:
    """An axis with values at equal distances and room for `at_least` as many."""
    axes.set_xticks(list(positions.values()), [as_text(value) for value in positions])
    middle, half = (len(positions) - 1) / 2, max(len(positions), at_least) / 2 + 0.05
    axes.set_xlim(middle - half, middle + half)


def panels(figure: Figure, names: Sequence[str], counts: Sequence[int]) -> Iterator[tuple[Axes, str, int]]:
    """A panel for each search (across) and number of tasks (down)."""
    for line, num_tasks in zip(figure.subplots(len(counts), len(names), squeeze=False), counts, strict=True):
        yield from ((axes, name, num_tasks) for axes, name in zip(line, names, strict=True))


def accuracy_axes(panels: Iterable[Axes], shared: bool = False, margins: bool = True) -> None:
    """A few round ticks, margins, nothing beyond 0 and 100 %; a shared axis is widened and labelled once."""
    for index, axes in enumerate(panels):
        bottom, top = axes.get_ylim()
        margin = 0.0 if (shared and index) or not margins else 0.04 * (top - bottom)
        axes.set_ylim(max(bottom - margin, 0), min(top + margin, 101))
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        axes.set_ylabel("" if shared and index else "Accuracy, %")
        sns.despine(ax=axes)


def sequential(values: Iterable[float]) -> dict[float, str]:
    """A colour for each value, in order from dark to light."""
    known = sorted(set(values))
    shades = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.88, len(known)) if len(known) > 1 else [0.3])
    return {value: to_hex(shade) for value, shade in zip(known, shades, strict=True)}


def draw_spread(axes: Axes, rows: pd.DataFrame, own: Style, name: str, **look: Any) -> None:
    """Published means, hollow, with their standard deviations where known."""
    style.draw_published(axes, rows, own, name, **look)
    known = rows[rows["published_std"].notna() & rows["published"].notna()]
    if not known.empty:
        bars: dict[str, Any] = {
            "fmt": "none",
            "ecolor": own.colour,
            "elinewidth": 1.0,
            "alpha": 1,
        }
        axes.errorbar(known["x"], known["published"], known["published_std"], zorder=3.2, **bars)
        axes.collections[-1].set_gid(f"published-std-{name}")


def no_runs(axes: Axes) -> None:
    """A panel that has nothing to show says so."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, "no runs", ha="center", va="center", color=NOTE, transform=axes.transAxes)


def hues(values: Iterable[float], joined: bool) -> dict[float, Style]:
    """A style for each value, in order; points alone where they are not joined, as at reduced scale: too few runs."""
    styles = {value: HUES[index % len(HUES)] for index, value in enumerate(sorted(set(values)))}
    return styles if joined else {value: own.without_line() for value, own in styles.items()}
