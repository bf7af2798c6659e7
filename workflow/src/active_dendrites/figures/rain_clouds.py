"""Rain clouds of the hyperparameter searches: every run's final accuracy by searched value (method 7, figure i)."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import gaussian_kde

from active_dendrites.figures import searches, style
from active_dendrites.figures.searches import SWEEPS, Parameter
from active_dendrites.figures.style import BLUE, INK, PALETTE, Style

FEWEST = 5  # runs that make a box and a cloud
COLOURS = dict(zip(SWEEPS, (BLUE, PALETTE[1], PALETTE[2]), strict=True))
PUBLISHED = Style(INK, "D")
# Positions within the room of one value, which is 1 wide.
RAIN, BOX, CLOUD, CLOUD_WIDTH, QUOTE = -0.16, 0.03, 0.12, 0.36, -0.36


def draw_clouds(table: pd.DataFrame, title: str) -> Figure:
    """Final accuracy of every run, a panel per search (across) and number of tasks (down). Figure (i).

    Half a violin, a box and the runs themselves for each searched value; too few or equal runs are points alone.

    Args:
        table: kind search, as `style.read_table` gives it.
    Raises: ValueError if it has none of the three searches.
    """
    runs = searches.final_runs(searches.of_searches(table, SWEEPS))
    known = runs[runs[["accuracy", "published"]].notna().any(axis=1)]
    names = [name for name in SWEEPS if name in set(known["search"])]
    counts = sorted(known["num_tasks"].unique())
    with style.small_settings():
        figure = style.new_figure((max(4.2 * len(names), 6.5), 3.1 * len(counts) + 1.4))
        for axes, name, num_tasks in searches.panels(figure, names, counts):
            of_search = searches.with_value(runs[runs["search"] == name], SWEEPS[name])
            positions = searches.equal_distances(of_search[SWEEPS[name].column])
            draw_panel(axes, of_search[of_search["num_tasks"] == num_tasks], SWEEPS[name], positions)
        if runs["published"].notna().any():
            handle = style.published_handle(marker="D", markersize=6, color=INK)
            figure.legend(handles=[handle], loc="outside upper right", frameon=False)
        style.label_figure(figure, title, caption(runs), style.is_reduced(table))
    return figure


def draw_panel(axes: Axes, runs: pd.DataFrame, searched: Parameter, positions: dict[float, int]) -> None:
    """The runs of one search and number of tasks, by searched value."""
    if runs[["accuracy", "published"]].isna().all(axis=None):
        searches.no_runs(axes)
        return
    search, num_tasks = runs["search"].iloc[0], runs["num_tasks"].iloc[0]
    colour = COLOURS[search]
    drops = [np.empty((2, 0))]
    measured = runs[runs["accuracy"].notna()]
    for value, same in style.groups(measured, searched.column):
        accuracies = np.sort(same["accuracy"].to_numpy())
        enough = len(accuracies) >= FEWEST
        drops.append(rain(accuracies, positions[value] + (RAIN if enough else 0)))
        if enough:
            draw_cloud(axes, accuracies, positions[value] + CLOUD, colour, f"cloud-{search}-{num_tasks}-{value:g}")
            draw_box(axes, accuracies, positions[value] + BOX)
    x, y = np.concatenate(drops, axis=1)
    look: dict[str, Any] = {"marker": "o", "markersize": 3.2, "alpha": 0.75, "markeredgewidth": 0, "zorder": 4}
    look |= {} if (measured.groupby(searched.column).size() >= FEWEST).any() else {"markersize": 6.5, "alpha": 1}
    axes.plot(x, y, linestyle="none", color=colour, gid=f"runs-{search}-{num_tasks}", **look)
    rows = searches.means(runs, [searched.column])
    rows = rows.assign(x=rows[searched.column].map(positions) + QUOTE)
    searches.draw_spread(axes, rows, PUBLISHED, f"{search}-{num_tasks}", markersize=4.5)
    searches.number_ticks(axes, positions, at_least=5)
    axes.grid(False, axis="x")
    axes.set_xlabel(searched.axis)
    axes.set_title(searches.fixed_title(runs, searched), loc="left")
    searches.accuracy_axes([axes])


def rain(accuracies: np.ndarray, position: float) -> np.ndarray:
    """(2, runs): positions and values of single runs, sorted, by turns beside each other so that none meet."""
    turns = np.resize([0.0, 0.07, -0.07], len(accuracies)) if len(accuracies) > 1 else np.zeros(1)
    return np.stack([position + turns, accuracies])


def draw_cloud(axes: Axes, accuracies: np.ndarray, position: float, colour: str, name: str) -> None:
    """Half a violin, as wide as its room, within 0 to 100 %; nothing where all runs are equal."""
    if np.ptp(accuracies) < 1e-9:
        return
    density = gaussian_kde(accuracies)
    reach = np.sqrt(density.covariance.item())
    levels = np.linspace(max(accuracies.min() - reach, 0), min(accuracies.max() + reach, 100), 100)
    widths = density(levels)
    edge = position + CLOUD_WIDTH * widths / widths.max()
    axes.fill_betweenx(levels, position, edge, color=colour, alpha=0.45, linewidth=0, zorder=2, gid=name)


def draw_box(axes: Axes, accuracies: np.ndarray, position: float) -> None:
    """Median, quartiles, and whiskers to the last run within 1.5 times their distance."""
    line = {"color": INK, "linewidth": 0.9}
    axes.boxplot(
        [accuracies],
        positions=[position],
        widths=0.12,
        manage_ticks=False,
        showfliers=False,
        boxprops=line,
        whiskerprops=line,
        capprops=line | {"linewidth": 0},
        medianprops=line | {"linewidth": 1.6},
    )


def caption(runs: pd.DataFrame) -> str:
    """What points, boxes, clouds and hollow marks mean."""
    sizes = runs[runs["accuracy"].notna()].groupby(["variant", "num_tasks"]).size()
    rows = searches.means(runs, ["variant", "num_tasks"])
    sentences = [
        f"Point: a run's mean accuracy over all tasks, after the last one was learned; {searches.per_setting(sizes)}."
    ]
    if (sizes >= FEWEST).any():
        sentences.append(
            f"Where there are {FEWEST} or more: density, and a box of median and quartiles with whiskers within 1.5"
            " quartile distances."
        )
    if rows["published"].notna().any():
        sentences.append(searches.published_sentence(rows))
    sentences += searches.missing_words(rows)
    return " ".join([*sentences, "Values at equal distances; panels have scales of their own."])
