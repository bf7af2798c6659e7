"""Figures of the hyperparameter searches: accuracy after each task, and final accuracy by searched value (method 7)."""

from collections.abc import Iterable
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from active_dendrites.figures import searches, style
from active_dendrites.figures.searches import (
    DAMPING,
    DENSITY,
    RATE,
    SEGMENTS,
    SPARSITY,
    STRENGTH,
    SWEEPS,
    as_text,
)
from active_dendrites.figures.style import BLUE, VERMILION, Style

LINES = ("segment_search", "kw_sparsity_search")  # the searches with published lines
OPTIMAL = "optimal"
BOTH, CONTROL, ALONE = "si_prototype_hp", "si_prototype_hp_control", "si_prototype_test_with_si"
SI_LABELS = {
    BOTH: "SI on feed-forward and dendritic weights",
    CONTROL: "SI on feed-forward weights only",
    ALONE: "SI on both, one configuration of its own",
}
SI_APART = {BOTH: 0.955, CONTROL: 1.045, ALONE: 1.0}  # factors of S, so that marks do not meet
SI_STYLES = {BOTH: Style(VERMILION, "s"), CONTROL: Style(BLUE, "o", "--"), ALONE: Style(VERMILION, "*")}
STAR = 15.0  # points


# -- after each task ----------------------------------------------------------------------------------


def draw_search_curves(table: pd.DataFrame, title: str) -> Figure:
    """Accuracy after each task, a panel per search and number of tasks, a colour per searched value. Figure (ii).

    Args:
        table: kind search, as `style.read_table` gives it.
    Raises: ValueError if it has none of the three searches.
    """
    declared = searches.of_searches(table, SWEEPS)
    shown = searches.in_percent(declared[declared["accuracy"].notna()])
    names = [name for name in SWEEPS if name in set(shown["search"])]
    counts = sorted(shown["num_tasks"].unique())
    with style.small_settings():
        figure = style.new_figure((max(4.0 * len(names), 6.0), 3.0 * len(counts) + 1.3))
        for axes, name, num_tasks in searches.panels(figure, names, counts):
            of_search = shown[shown["search"] == name]
            colours = searches.sequential(declared.loc[declared["search"] == name, SWEEPS[name].column])
            draw_over_tasks(axes, of_search[of_search["num_tasks"] == num_tasks], SWEEPS[name], colours)
        seeds = shown.groupby(["variant", "num_tasks"])["seed"].nunique()
        note = (
            f"Mean accuracy over the tasks learned so far; {searches.per_setting(seeds)}. Dots: where it was measured."
        )
        not_run = declared.groupby(["variant", "num_tasks"])["accuracy"].count() == 0
        note = " ".join([note, *style.missing_words(not_run, not_run & False)])
        style.label_figure(figure, title, note, style.is_reduced(table))
    return figure


def draw_over_tasks(axes: Axes, rows: pd.DataFrame, searched: searches.Parameter, colours: dict[float, str]) -> None:
    """One panel: a line per value of the searched setting."""
    if rows.empty:
        searches.no_runs(axes)
        return
    name, num_tasks = rows["search"].iloc[0], rows["num_tasks"].iloc[0]
    for value, line in style.groups(searches.means(rows, [searched.column, "after_task"]), searched.column):
        look: dict[str, Any] = {
            "color": colours[value],
            "linewidth": 1.5,
            "marker": "o",
            "markersize": 3.5 if len(line) < 16 else 2.0,
        }
        gid = f"curve-{name}-{num_tasks}-{as_text(value)}"
        axes.plot(line["after_task"], line["value"], label=as_text(value), gid=gid, **look)
    axes.set_title(f"{searched.axis}\n{searches.fixed_title(rows, searched)}", loc="left")
    axes.set_xlabel("Tasks learned")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    searches.accuracy_axes([axes])
    corner: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.03), "borderaxespad": 0, "frameon": False}
    axes.legend(title=searched.letter, handlelength=1.2, labelspacing=0.25, **corner)


# -- lines: segments and activation density -----------------------------------------------------------


def draw_search_lines(table: pd.DataFrame, title: str) -> Figure:
    """Final accuracy by segments per unit and by activation density, a line per number of tasks. Figure (iv).

    Args:
        table: kind search, as `style.read_table` gives it; rows of `optimal` become a star in the first panel.
    Raises: ValueError if it has neither search.
    """
    reduced = style.is_reduced(table)
    styles = searches.hues(table["num_tasks"], joined=not reduced)
    runs = searches.final_runs(searches.of_searches(table, LINES))
    names = [name for name in LINES if name in set(runs["search"])]
    optimal = searches.final_runs(table[table["search"] == OPTIMAL])
    star = optimal[optimal["accuracy"].notna()]
    drawn = []
    with style.small_settings():
        figure = style.new_figure((max(4.1 * len(names) + 2.2, 6.0), 4.8))
        panels = figure.subplots(1, len(names), squeeze=False)[0]
        for axes, name in zip(panels, names, strict=True):
            more: Iterable[float] = optimal[SWEEPS[name].column] if axes is panels[0] else []
            drawn.append(draw_search_line(axes, runs[runs["search"] == name], SWEEPS[name], more, styles))
        draw_optimal(panels[0], star, SWEEPS[names[0]], styles)
        searches.accuracy_axes(panels)
        rows = pd.concat([*drawn, searches.means(optimal, ["num_tasks"])], ignore_index=True)
        add_line_legend(panels[-1], rows, styles, star)
        style.label_figure(figure, title, searches.mean_caption(rows), reduced)
    return figure


def draw_search_line(
    axes: Axes,
    runs: pd.DataFrame,
    searched: searches.Parameter,
    more: Iterable[float],
    styles: dict[float, Style],
) -> pd.DataFrame:
    """A line per number of tasks with published values around it; returns the means that are drawn.

    Args:
        more: values that the axis shows as well.
    """
    name = runs["search"].iloc[0]
    rows = searches.means(searches.with_value(runs, searched), ["num_tasks", searched.column])
    rows = rows.assign(x=rows[searched.column])
    for num_tasks, line in style.groups(rows, "num_tasks"):
        searches.draw_spread(axes, line, styles[num_tasks], f"{name}-{num_tasks}")
        style.draw_ours(axes, line, styles[num_tasks], f"{name}-{num_tasks}")
    if searched is DENSITY:
        axes.set(xlim=(-0.04, 1.04), xlabel=searched.axis)
    else:
        style.log_ticks(axes, [*rows["x"], *more], room=0.08)
        axes.set_xlabel(f"{searched.axis} (log scale)")
    fixed = {count: searches.fixed(same, searched) for count, same in style.groups(runs, "num_tasks")}
    differ = [f"{count} tasks: {words}" for count, words in fixed.items()] if len(set(fixed.values())) > 1 else []
    axes.set_title("\n".join(differ) or next(iter(fixed.values())), loc="left")
    return rows


def draw_optimal(axes: Axes, optimal: pd.DataFrame, searched: searches.Parameter, styles: dict[float, Style]) -> None:
    """The configuration that joins the best values, as a star behind what else is there."""
    for (num_tasks, x), same in style.groups(optimal, ["num_tasks", searched.column]):
        look: dict[str, Any] = {
            "marker": "*",
            "markersize": STAR,
            "markeredgecolor": "white",
            "markeredgewidth": 0.8,
            "zorder": 2.8,
        }
        look |= {"color": styles[num_tasks].colour, "linestyle": "none", "gid": f"optimal-{num_tasks}"}
        axes.plot([x], [same["accuracy"].mean()], **look)


def add_line_legend(axes: Axes, rows: pd.DataFrame, styles: dict[float, Style], optimal: pd.DataFrame) -> None:
    """Numbers of tasks, the star with its settings, and what hollow means."""
    handles = [
        Line2D([], [], linestyle=styles[count].line, label=f"{count} tasks", **style.filled(styles[count]))
        for count in sorted(rows["num_tasks"].unique())
    ]
    for num_tasks, same in style.groups(optimal, "num_tasks"):
        values = ", ".join(f"{p.letter} = {as_text(same[p.column].iloc[0])}" for p in (SEGMENTS, DENSITY, SPARSITY))
        star: dict[str, Any] = {
            "marker": "*",
            "markersize": STAR - 2,
            "color": styles[num_tasks].colour,
            "markeredgecolor": "white",
        }
        handles.append(Line2D([], [], linestyle="none", label=f"optimal, {num_tasks} tasks:\n{values}", **star))
    if rows["published"].notna().any():
        handles.append(style.published_handle())
    beside(axes, handles)


def beside(axes: Axes, handles: list[Line2D], title: str | None = None) -> None:
    """A legend to the right of a panel."""
    corner: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.03, 1), "borderaxespad": 0, "frameon": False}
    axes.legend(handles=handles, title=title, alignment="left", labelspacing=0.7, **corner)


# -- Synaptic Intelligence on dendrites or not --------------------------------------------------------


def draw_si_search(table: pd.DataFrame, title: str) -> Figure:
    """Final accuracy by segments per unit with SI on dendritic weights or not, a panel per number of tasks.

    Figure (iii). The one configuration that is not of a search (50 tasks) is a star.

    Args:
        table: kind search, as `style.read_table` gives it.
    Raises: ValueError if it has none of them.
    """
    runs = searches.with_value(searches.final_runs(searches.of_searches(table, SI_LABELS)), SEGMENTS)
    rows = searches.means(runs, ["num_tasks", "search", SEGMENTS.column])
    rows = rows.assign(x=rows[SEGMENTS.column] * rows["search"].map(SI_APART))
    widths = [4 + same[SEGMENTS.column].nunique() for _, same in style.groups(rows, "num_tasks")]
    reduced = style.is_reduced(table)
    styles = {name: own.without_line() if reduced or name == ALONE else own for name, own in SI_STYLES.items()}
    with style.small_settings():
        figure = style.new_figure((min(5.0 + 2.2 * len(widths), 11.0), 4.8))
        panels = figure.subplots(1, len(widths), squeeze=False, sharey=True, width_ratios=widths)[0]
        for axes, (num_tasks, same) in zip(panels, style.groups(rows, "num_tasks"), strict=True):
            for name, line in style.groups(same, "search"):
                look: dict[str, Any] = {"markersize": STAR} if name == ALONE else {}
                searches.draw_spread(axes, line, styles[name], f"{name}-{num_tasks}")
                style.draw_ours(axes, line, styles[name], f"{name}-{num_tasks}", **look)
            style.log_ticks(axes, same[SEGMENTS.column], room=0.08)
            axes.set(xlabel=f"{SEGMENTS.axis}{' (log scale)' if same[SEGMENTS.column].nunique() > 1 else ''}")
            axes.set_title(f"{num_tasks} tasks", loc="left")
        searches.accuracy_axes(panels, shared=True)
        beside(panels[-1], si_handles(rows, styles))
        note = " The two searches stand a little apart." if {BOTH, CONTROL} <= set(rows["search"]) else ""
        style.label_figure(figure, title, searches.mean_caption(rows) + note, reduced)
    return figure


def si_handles(rows: pd.DataFrame, styles: dict[str, Style]) -> list[Line2D]:
    """The searches that are there, by what Synaptic Intelligence protects, and what hollow means."""
    handles = []
    for name in (name for name in SI_LABELS if name in set(rows["search"])):
        own = styles[name]
        look = style.filled(own) | ({"markersize": STAR - 2} if name == ALONE else {})
        handles.append(Line2D([], [], linestyle=own.line, label=style.wrap(SI_LABELS[name], 28), **look))
    return handles + ([style.published_handle()] if rows["published"].notna().any() else [])


# -- the cross search and the strength of Synaptic Intelligence ----------------------------------------


def draw_cross_search(table: pd.DataFrame, title: str) -> Figure:
    """Final accuracy by activation density, a column per number of segments, a row per sparsity, a line per rate.

    Args:
        table: kind search, as `style.read_table` gives it. Raises: ValueError if it lacks the search.
    """
    runs = searches.final_runs(searches.of_searches(table, ["cross_search"]))
    for parameter in (SEGMENTS, DENSITY, SPARSITY, RATE):
        searches.with_value(runs, parameter)
    facets = ["num_tasks", SPARSITY.column]
    rows = searches.means(runs, [*facets, SEGMENTS.column, RATE.column, DENSITY.column])
    positions, styles = (
        searches.equal_distances(rows[DENSITY.column]),
        searches.hues(rows[RATE.column], joined=not style.is_reduced(table)),
    )
    rows = rows.assign(x=rows[DENSITY.column].map(positions))
    down, across = [key for key, _ in style.groups(rows, facets)], sorted(rows[SEGMENTS.column].unique())
    with style.small_settings():
        size = (max(2.3 * len(across) + 1.6, 6.5), max(2.1 * len(down) + 1.6, 4.2))
        figure = style.new_figure(size)
        grid = figure.subplots(len(down), len(across), squeeze=False, sharey=True)
        for line, (num_tasks, sparsity) in zip(grid, down, strict=True):
            for axes, segments in zip(line, across, strict=True):
                here = (rows["num_tasks"] == num_tasks) & (rows[SPARSITY.column] == sparsity)
                draw_hues(axes, rows[here & (rows[SEGMENTS.column] == segments)], RATE, styles, positions)
                axes.set_title(f"S = {as_text(segments)}, q = {as_text(sparsity)}, {num_tasks} tasks", loc="left")
        for index, line in enumerate(grid):
            searches.accuracy_axes(line, shared=True, margins=index == 0)
        for axes in grid[-1]:
            axes.set_xlabel(DENSITY.axis)
        beside(grid[0, -1], hue_handles(styles), RATE.words)
        note = "S: segments per unit; q: weight sparsity (fraction of zeros); activation densities at equal distances."
        style.label_figure(figure, title, f"{searches.mean_caption(rows)} {note}", style.is_reduced(table))
    return figure


def draw_strengths(table: pd.DataFrame, title: str) -> Figure:
    """Final accuracy by strength of Synaptic Intelligence, a line per damping, a panel per number of tasks.

    Args:
        table: kind search, as `style.read_table` gives it. Raises: ValueError if it lacks the search.
    """
    runs = searches.final_runs(searches.of_searches(table, ["si_masse"]))
    for parameter in (STRENGTH, DAMPING):
        searches.with_value(runs, parameter)
    rows = searches.means(runs, ["num_tasks", DAMPING.column, STRENGTH.column])
    positions, styles = (
        searches.equal_distances(rows[STRENGTH.column]),
        searches.hues(rows[DAMPING.column], joined=not style.is_reduced(table)),
    )
    rows = rows.assign(x=rows[STRENGTH.column].map(positions))
    counts = sorted(rows["num_tasks"].unique())
    with style.small_settings():
        figure = style.new_figure((min(4.6 * len(counts) + 2.6, 12.0), 4.6))
        panels = figure.subplots(1, len(counts), squeeze=False, sharey=True)[0]
        for axes, num_tasks in zip(panels, counts, strict=True):
            draw_hues(axes, rows[rows["num_tasks"] == num_tasks], DAMPING, styles, positions)
            axes.set_title(f"{num_tasks} tasks", loc="left")
            axes.set_xlabel(f"{STRENGTH.axis} (0: without Synaptic Intelligence)")
        searches.accuracy_axes(panels, shared=True)
        beside(panels[-1], hue_handles(styles), DAMPING.axis)
        note = f"{searches.mean_caption(rows)} Strengths stand at equal distances."
        style.label_figure(figure, title, note, style.is_reduced(table))
    return figure


def draw_hues(
    axes: Axes, rows: pd.DataFrame, hue: searches.Parameter, styles: dict[float, Style], positions: dict[float, int]
) -> None:
    """A line per value of `hue` over values at equal distances."""
    searches.number_ticks(axes, positions)
    for value, line in style.groups(rows, hue.column):
        where = [column for column in ("num_tasks", SEGMENTS.column, SPARSITY.column) if column in rows]
        name = "-".join(as_text(item) for item in (*line.iloc[0][where], value))
        style.draw_ours(axes, line, styles[value], f"{hue.column}-{name}", markersize=6)


def hue_handles(styles: dict[float, Style]) -> list[Line2D]:
    return [
        Line2D([], [], linestyle=own.line, label=as_text(value), **style.filled(own)) for value, own in styles.items()
    ]
