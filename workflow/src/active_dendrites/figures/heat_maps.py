"""Heat maps: accuracy on each task after each task, and which hidden units each task switches on."""

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import QuadMesh
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from active_dendrites.figures import style
from active_dendrites.figures.style import INK, NOTE
from active_dendrites.settings.yaml_files import fault_line

ACCURACY_COLOURS = "viridis"  # has no white, which is for what was not measured
ACTIVITY_COLOURS = LinearSegmentedColormap.from_list("activity", ["#ffffff", "#7fc97f", "#00441b"])
OVERLAP_COLOURS = LinearSegmentedColormap.from_list("overlap", ["#ffffff", "#9ecae1", "#08519c"])
MOST_IN_A_ROW = 4
PANEL = 2.15  # edge of an accuracy matrix, inches
ACTIVITY_SIZE = (10.0, 7.6)


# -- accuracy matrices --------------------------------------------------------------------------------


def draw_matrices(table: pd.DataFrame, title: str) -> Figure:
    """A heat map per variant, task by after-task, all on one scale of colours; what was not measured is blank.

    Args:
        table: kind matrix, as `style.read_table` gives it.
    """
    reduced = style.is_reduced(table)
    panels = [
        rows for variant in style.in_order(table["variant"]) for _, rows in of_variant(table, variant) if len(rows)
    ]
    columns = min(MOST_IN_A_ROW, len(panels))
    lines = -(-len(panels) // columns)
    norm = Normalize(10 * np.floor(10 * table["accuracy"].min()), 100)
    with style.small_settings():
        figure = style.new_figure((max(PANEL * columns + 1.6, 5.5), (PANEL + 0.45) * lines + 1.5))
        grid = figure.subplots(lines, columns, squeeze=False)
        for axes, rows in zip(grid.flat, panels, strict=False):
            draw_matrix(axes, rows, norm)
            label = rows["label"].iloc[0]
            tasks = f" ({rows['num_tasks'].iloc[0]} tasks)" if table["num_tasks"].nunique() > 1 else ""
            axes.set_title(style.wrap(f"{label}{tasks}", 25), loc="left")
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
        for axes in grid[:, 0]:
            axes.set_ylabel("After task")
        for axes in grid.flat[max(len(panels) - columns, 0) : len(panels)]:
            axes.set_xlabel("Accuracy on task")
        colours = ScalarMappable(norm, ACCURACY_COLOURS)
        figure.colorbar(colours, ax=grid, label="Accuracy, %", shrink=0.6, aspect=25).outline.set_visible(False)
        style.label_figure(figure, title, matrix_caption(table), reduced)
    return figure


def of_variant(table: pd.DataFrame, variant: str) -> list[tuple[int, pd.DataFrame]]:
    """The rows of a variant, for each number of tasks that it learned."""
    return style.groups(table[table["variant"] == variant], "num_tasks")


def draw_matrix(axes: Axes, rows: pd.DataFrame, norm: Normalize) -> None:
    """One matrix in %, the first task above, with the average over all tasks after the last one in its empty half."""
    num_tasks, variant = int(rows["num_tasks"].iloc[0]), rows["variant"].iloc[0]
    accuracy = as_matrix(rows.assign(percent=100 * rows["accuracy"]), "after_task", "task", "percent", num_tasks)
    frame_cells(axes, num_tasks, num_tasks)
    heat_map(axes, accuracy, norm, ACCURACY_COLOURS, f"matrix-{variant}-{num_tasks}")
    last = accuracy[-1]
    if not np.isnan(last).any():
        corner: dict[str, Any] = {"transform": axes.transAxes, "ha": "right", "gid": f"average-{variant}-{num_tasks}"}
        axes.text(0.97, 0.83, f"{last.mean():.1f} %", fontsize=13, fontweight="bold", **corner)
        axes.text(0.97, 0.74, "on average", fontsize=8.5, color=NOTE, **corner | {"gid": None})


def matrix_caption(table: pd.DataFrame) -> str:
    """What colours, blanks and numbers mean."""
    reach = "each task" if table["num_tasks"].nunique() > 1 else f"each of {table['num_tasks'].iloc[0]} tasks"
    seeds = f"{'mean over ' if (table['n'] > 1).any() else ''}{style.count_seeds(table['n'])}"
    sentences = [
        f"Accuracy on {reach} (across) after each task was learned (down); {seeds}, one scale of colours for all.",
        "Number: average accuracy over all tasks after the last one.",
        "White, below the diagonal: not measured; above it: not learned yet.",
    ]
    return " ".join(sentences + style.given_task_words(table))


# -- hidden activations -------------------------------------------------------------------------------


def draw_activity(table: pd.DataFrame, title: str) -> Figure:
    """Which units each task switches on, and how far the subnetworks of two tasks overlap. Source: method 6, figure 6.

    Args:
        table: kind activity, as `style.read_table` gives it, of one variant and number of tasks.
    Raises: ValueError if it holds several.
    """
    if len(table[["variant", "num_tasks"]].drop_duplicates()) != 1:
        configurations = sorted(set(zip(table["variant"], table["num_tasks"].astype(int), strict=True)))
        raise ValueError(fault_line("variant, num_tasks", "", "one", value=configurations))
    num_tasks, reduced = int(table["num_tasks"].iloc[0]), style.is_reduced(table)
    units, pairs = (table[table["panel"] == panel] for panel in ("activity", "overlap"))
    num_units = int(units["column"].max())
    with style.small_settings():
        figure = style.new_figure(ACTIVITY_SIZE)
        grid = figure.add_gridspec(2, 2, height_ratios=[1, 1.55], width_ratios=[1, 1.15])
        above, left, right = (figure.add_subplot(cell) for cell in (grid[0, :], grid[1, 0], grid[1, 1]))
        activity = as_matrix(units, "row", "column", "value", num_tasks, num_units)
        frame_cells(above, num_tasks, num_units)
        mesh = heat_map(above, activity, Normalize(0, np.nanmax(activity) or 1), ACTIVITY_COLOURS, "activity")
        above.set(xlabel=f"Unit of the second hidden layer (the first {num_units})", ylabel="Task", aspect="auto")
        above.set_title("Units that each task switches on", loc="left")
        figure.colorbar(mesh, ax=above, label="Fraction of test images", aspect=12).outline.set_edgecolor(NOTE)
        draw_overlap(left, pairs, num_tasks)
        draw_pairs(right, pairs[pairs["row"] < pairs["column"]])
        style.label_figure(figure, title, activity_caption(table), reduced)
    return figure


def draw_overlap(axes: Axes, pairs: pd.DataFrame, num_tasks: int) -> None:
    """The overlap of all pairs of tasks with its numbers, 1 on the diagonal."""
    overlap = as_matrix(pairs, "row", "column", "value", num_tasks)
    frame_cells(axes, num_tasks, num_tasks)
    heat_map(axes, overlap, Normalize(0, 1), OVERLAP_COLOURS, "overlap")
    size = min(9.0, 85 / num_tasks)
    for (row, column), value in np.ndenumerate(overlap):
        if not np.isnan(value):
            text = "1" if row == column and value == 1 else f"{value:.2f}".removeprefix("0")
            colour = "white" if value > 0.6 else INK
            axes.text(column + 1, row + 1, text, ha="center", va="center", fontsize=size, color=colour)
    axes.set(xlabel="Task", ylabel="Task")
    axes.set_title("Overlap of two tasks' subnetworks, all units", loc="left")


def draw_pairs(axes: Axes, different: pd.DataFrame) -> None:
    """Each pair of different tasks as a point, and their mean, above the overlap by chance."""
    lines = {"value": ("Measured", "#08519c"), "chance": ("By chance", "#777777")}
    for line, (column, (_, colour)) in enumerate(lines.items()):
        values = np.sort(different[column])
        if len(values):
            heights = line - 0.06 * (np.arange(len(values)) % 5)
            marks: dict[str, Any] = {
                "marker": "o",
                "linestyle": "none",
                "markersize": 4,
                "alpha": 0.6,
                "markeredgewidth": 0,
            }
            axes.plot(values, heights, color=colour, gid=f"pairs-{column}", **marks)
            mean = values.mean()
            axes.plot([mean, mean], [line + 0.06, line - 0.3], color=colour, gid=f"mean-{column}")
            words = f"mean {mean:.3f}{spread_words(different) if column == 'value' else ''}"
            axes.text(mean, line + 0.22, words, ha="left" if mean < 0.5 else "right", color=colour, fontsize=10)
    axes.set(xlim=(0, 1), ylim=(1.6, -0.7), xlabel="Overlap of two different tasks (0: none, 1: the same units)")
    axes.set_yticks(range(len(lines)), [label for label, _ in lines.values()])
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_title("All pairs of different tasks", loc="left")
    sns.despine(ax=axes, left=True)


def spread_words(different: pd.DataFrame) -> str:
    """The standard deviation of a pair over seeds, pooled over pairs; empty for one seed."""
    spread = np.sqrt((different["std"] ** 2).mean())
    return "" if np.isnan(spread) else f" ± {spread:.3f}"


def activity_caption(table: pd.DataFrame) -> str:
    """What the two panels show, and how many seeds are behind each."""
    seeds = style.count_seeds(table["n"])
    several = bool((table["n"] > 1).any())
    spread = f"; ±: standard deviation of a pair over {seeds}" if several else ""
    return (
        f"After {table['num_tasks'].iloc[0]} tasks, on each task's whole test set, contexts inferred; a unit is on"
        f" where its output is not zero. Above: {'the first seed' if several else 'one seed'}. Below: each unit's"
        f" fractions for two tasks, the smaller ones summed, over half the sum of both; mean over {seeds}{spread}."
        " By chance: the same fractions on unrelated units."
    )


# -- tables for a person --------------------------------------------------------------------------------


def readable_averages(table: pd.DataFrame) -> pd.DataFrame:
    """A matrix table as a person reads it: average accuracy, %, after each task that was followed by a full test."""
    means = table.groupby(["variant", "label", "num_tasks", "after_task"], sort=False)["accuracy"].agg(["mean", "size"])
    means = means.reset_index()
    complete = means[means["size"] == means["after_task"]]
    lines = {}
    for variant in style.in_order(complete["variant"]):
        for num_tasks, rows in of_variant(complete, variant):
            cells = zip(rows["after_task"], (100 * rows["mean"]).map("{:.2f}".format), strict=True)
            lines[rows["label"].iloc[0], f"{num_tasks} tasks"] = dict(cells)
    after = sorted(complete["after_task"].unique())
    shown = pd.DataFrame.from_dict(lines, orient="index", columns=after).fillna("–")
    return style.with_heading(shown, "Average accuracy, %, after task", style.is_reduced(table))


def readable_overlaps(table: pd.DataFrame) -> pd.DataFrame:
    """An activity table as a person reads it: the overlap of all pairs of tasks."""
    pairs = table[table["panel"] == "overlap"]
    shown = pairs.pivot(index="row", columns="column", values="value").map("{:.3f}".format)
    return style.with_heading(
        shown.rename_axis(index="task"), "Overlap of two tasks' subnetworks", style.is_reduced(table)
    )


# -- cells --------------------------------------------------------------------------------------------


def as_matrix(
    rows: pd.DataFrame, down: str, across: str, value: str, height: int, width: int | None = None
) -> np.ndarray:
    """(height, width): values at their 1-based positions, NaN elsewhere; square without a width."""
    cells = np.full((height, width or height), np.nan)
    cells[rows[down].to_numpy(int) - 1, rows[across].to_numpy(int) - 1] = rows[value]
    return cells


def heat_map(axes: Axes, cells: np.ndarray, norm: Normalize, colours: str | Colormap, name: str) -> QuadMesh:
    """Cells around 1, 2, ... in both directions, the first row above; NaN is blank."""
    height, width = cells.shape
    edges = np.arange(width + 1) + 0.5, np.arange(height + 1) + 0.5
    return axes.pcolormesh(*edges, np.ma.masked_invalid(cells), norm=norm, cmap=colours, gid=name, zorder=2)


def frame_cells(axes: Axes, height: int, width: int) -> None:
    """Square cells, ticks at a few of them, a thin frame and no grid."""
    axes.grid(False)
    axes.set(xlim=(0.5, width + 0.5), ylim=(height + 0.5, 0.5), aspect="equal")
    axes.set_xticks(tick_numbers(width))
    axes.set_yticks(tick_numbers(height))
    axes.tick_params(length=0)
    sns.despine(ax=axes, top=False, right=False)
    axes.spines[:].set(color="#cccccc", linewidth=0.8)


def tick_numbers(count: int) -> list[int]:
    """Up to about eight numbers from 1 to `count`: all, or 1 and round ones."""
    if count <= 10:
        return list(range(1, count + 1))
    step = next(step for step in (5, 8, 10, 20, 25, 50, 100, 250, count) if count / step <= 8)
    return [1, *range(step, count + 1, step)]
