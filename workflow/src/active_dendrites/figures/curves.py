"""Figures by number of tasks, a curve per variant: accuracy, forgetting, and the number of clusters found."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from active_dendrites.figures import style
from active_dendrites.figures.style import MARKER, NOTE, RING, Range, style_of
from active_dendrites.settings.yaml_files import fault

SIZE = (10.0, 5.6)  # of a figure, inches
CLUSTERS_SIZE = (10.0, 5.2)
PANEL = (500.0, 310.0)  # of the axes, points, about
HALF_PANEL = (260.0, 270.0)  # of one of two axes
GAP = 1.5  # between marks side by side, points
FAINT = 0.35  # opacity of what another variant stands in for
# Variants with settings that can reach the published values, where those of another are published and cannot.
STAND_INS = {"prototype_corrected": "prototype"}
PUBLISHED_SETTINGS = "settings as published: 1 epoch,\ntoo little for the published values"
QUOTED = "quoted by the paper from the literature, not measured by it"


class Measure(NamedTuple):
    """A quantity of a summary table, and how figures show it."""

    column: str
    axis: str
    words: str  # the first sentence of the caption
    low: str
    high: str
    published: str | None = None  # column of published values
    factor: float = 100.0  # from the table to the figure
    bounds: Range = (0.0, 100.0)  # of what is possible, in units of the figure
    cut: str = " at 100 %"  # where intervals are cut, in words


ACCURACY = Measure(
    column="accuracy",
    axis="Accuracy, %",
    words="Mean accuracy over all tasks, after the last one was learned",
    low="low",
    high="high",
    published="published",
)
FORGETTING = Measure(
    column="forgetting",
    axis="Forgetting, percentage points",
    words="How much accuracy a task has lost since it was known best, after the last task was learned; mean over all"
    " tasks but the last",
    low="forgetting_low",
    high="forgetting_high",
    bounds=(-100.0, 100.0),
    cut=" at ±100 points",
)
CLUSTERS = Measure(
    column="clusters",
    axis="Clusters found",
    words="Number of prototypes that online clustering found in the training images of all tasks, without being told"
    " where one task ends; right, as a multiple of the number of tasks",
    low="clusters_low",
    high="clusters_high",
    published="published_clusters",
    factor=1.0,
    bounds=(0.0, np.inf),
    cut=" at 0",
)


# -- the table ----------------------------------------------------------------------------------------


def select(table: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    """The rows of a summary table that have this quantity, in the order of legends and in units of the figure.

    A row without runs (n = 0) has no value of ours. At reduced scale no value is published: none can be compared.

    Args:
        table: as `style.read_table` gives it.
    Returns: variant, label, num_tasks, n, value, low, high, published, quoted.
    Raises: ValueError if no row has it.
    """
    ranks = table["variant"].map(style.in_order(table["variant"]).index)
    in_order = table.assign(rank=ranks).sort_values(["rank", "num_tasks"], ignore_index=True)
    rows = in_order[["variant", "label", "num_tasks", "n"]].copy()
    for name, column in (("value", measure.column), ("low", measure.low), ("high", measure.high)):
        rows[name] = measure.factor * in_order[column]
    compared = measure.published and not style.is_reduced(table)
    rows["published"] = measure.factor * in_order[measure.published] if compared else np.nan
    rows["quoted"] = in_order["quoted"].astype(bool)
    if rows["value"].isna().all():
        raise fault("table", measure.column, "a value in some row", found="no value")
    shown = rows["value"].notna() | ((rows["n"] == 0) & rows["published"].notna())
    gap = (rows["n"] == 0) & rows["variant"].isin(rows.loc[shown, "variant"])
    return rows[shown | gap].reset_index(drop=True)


def readable(table: pd.DataFrame, measure: Measure = ACCURACY) -> pd.DataFrame:
    """The table as a person reads it: a column per number of tasks."""
    unit = f"{measure.axis} ± 95 % interval, by number of tasks"
    return style.readable(select(table, measure), unit, style.is_reduced(table))


def caption(table: pd.DataFrame, measure: Measure = ACCURACY) -> str:
    """What the marks of the figure mean, and how many seeds are behind them."""
    rows = select(table, measure)
    sentences = [f"{measure.words}; {style.count_seeds(rows.loc[rows['value'].notna(), 'n'])}."]
    if rows["low"].notna().any():
        low, high = measure.bounds
        cut = f", cut{measure.cut}" if (rows["high"] > high).any() or (rows["low"] < low).any() else ""
        single = "; none for a single seed" if (rows["n"] == 1).any() else ""
        sentences.append(f"Bars, where wider than the marker: 95 % t-interval over seeds{cut}{single}.")
    if rows["published"].notna().any():
        quoted = rows.loc[rows["quoted"] & rows["published"].notna(), "label"]
        note = f"; those of {style.short_labels(quoted)} are {QUOTED}" if len(quoted) else ""
        sentences.append(f"{style.published_words()}{note}.")
    sentences += style.missing_words(table["n"] == 0, rows["value"].isna() & rows["published"].notna())
    sentences += style.given_task_words(rows)
    if measure is not CLUSTERS:
        sentences.append("Marks that would meet stand side by side.")
    return " ".join(sentences)


# -- the figures --------------------------------------------------------------------------------------


def draw_accuracy(table: pd.DataFrame, title: str, limits: Range) -> Figure:
    """Accuracy by number of tasks, a curve per variant, published values beside it.

    Args:
        table: kind summary, as `style.read_table` gives it.
        limits: of the accuracy axis, %, as in the paper; widened where a value lies outside. At reduced scale
            the data alone decide.
    """
    return draw_curves(table, title, ACCURACY, None if style.is_reduced(table) else limits)


def draw_forgetting(table: pd.DataFrame, title: str) -> Figure:
    """Forgetting by number of tasks, a curve per variant. Raises: ValueError if all runs have one task."""
    return draw_curves(table, title, FORGETTING, None)


def draw_curves(table: pd.DataFrame, title: str, measure: Measure, limits: Range | None) -> Figure:
    """A quantity by number of tasks; `limits` as in `draw_accuracy`, None if the data alone decide."""
    reduced = style.is_reduced(table)
    shown = within(select(table, measure), measure.bounds)
    if measure.published and not reduced:
        shown = with_stand_ins(shown)
    with style.own_settings():
        figure = style.new_figure(SIZE)
        axes = figure.subplots()
        scale_tasks(axes, shown)
        scale_values(axes, shown, measure, limits)
        beside = side_by_side(shown, axes.get_xlim(), axes.get_ylim())
        for variant, rows in style.groups(beside, "variant", sort=False):
            style.draw_published(axes, rows, style_of(variant), variant)
            draw_variant(axes, rows, beside, f"{measure.column}-{variant}")
        add_legend(axes, shown)
        style.label_figure(figure, title, caption(table, measure), reduced)
    return figure


def draw_clusters(table: pd.DataFrame, title: str) -> Figure:
    """Clusters found by number of tasks with the identity line, and as a multiple of the number of tasks.

    Source: method 6 and 8.4. Raises: ValueError if no variant of the table infers its prototypes.
    """
    reduced = style.is_reduced(table)
    shown = within(select(table, CLUSTERS), CLUSTERS.bounds)
    columns = ["value", "low", "high", "published"]
    per_task = shown.assign(**{column: shown[column] / shown["num_tasks"] for column in columns})
    with style.own_settings(), matplotlib.rc_context({"axes.labelsize": 11, "legend.fontsize": 10}):
        figure = style.new_figure(CLUSTERS_SIZE)
        left, right = figure.subplots(1, 2)
        for axes in (left, right):
            scale_tasks(axes, shown)
        ends = left.get_xlim()
        left.plot(ends, ends, color=NOTE, linestyle=":", linewidth=1.5, gid="identity", label="One cluster per task")
        right.axhline(1, color=NOTE, linestyle=":", linewidth=1.5, gid="identity-per-task")
        scale_counts(left, shown)
        scale_ratios(right, per_task)
        at_ticks = shown.assign(x=shown["num_tasks"])  # a mark moved to the side would leave the identity line
        beside = side_by_side(per_task, right.get_xlim(), right.get_ylim(), HALF_PANEL)
        for axes, rows, name in ((left, at_ticks, "clusters"), (right, beside, "clusters-per-task")):
            for variant, own in style.groups(rows, "variant", sort=False):
                style.draw_published(axes, own, style_of(variant), f"{name}-{variant}")
                style.draw_ours(axes, own, style_of(variant), f"{name}-{variant}")
        handles = variant_handles(shown) + left.get_lines()[:1]
        handles += [style.published_handle()] if shown["published"].notna().any() else []
        left.legend(handles=handles, loc="upper left", frameon=False)
        style.label_figure(figure, title, caption(table, CLUSTERS), reduced)
    return figure


def with_stand_ins(shown: pd.DataFrame) -> pd.DataFrame:
    """Add `faint`: whether another variant stands in for this one at a number of tasks, as published.yaml says.

    A published value that both have is drawn once, around the stand-in.
    """
    faint = pd.Series(False, index=shown.index)
    twice = faint.copy()
    for stand_in, variant in STAND_INS.items():
        replacing = shown[(shown["variant"] == stand_in) & shown["value"].notna()]
        replaced = (shown["variant"] == variant) & shown["value"].notna()
        faint |= replaced & shown["num_tasks"].isin(replacing["num_tasks"])
        twice |= replaced & shown["num_tasks"].isin(replacing.loc[replacing["published"].notna(), "num_tasks"])
    return shown.assign(faint=faint, published=shown["published"].mask(twice))


def draw_variant(axes: Axes, rows: pd.DataFrame, shown: pd.DataFrame, name: str) -> None:
    """Ours of a variant. Its line goes through what stands in for it; what that replaces is faint, with a reason.

    Args:
        rows: of the variant.
        shown: of all variants.
    """
    variant = rows["variant"].iloc[0]
    faint = rows["faint"] if "faint" in rows else pd.Series(False, index=rows.index)
    own = style_of(variant)
    if not faint.any():
        style.draw_ours(axes, rows, own.without_line() if variant in with_faint(shown) else own, name)
        return
    stand_ins = [stand_in for stand_in, of in STAND_INS.items() if of == variant]
    replacing = shown[shown["variant"].isin(stand_ins) & shown["value"].notna()]
    joined = pd.concat([rows[~faint], replacing]).sort_values("num_tasks")
    style.draw_ours(axes, rows[~faint], own, name, joined)
    replaced = rows[faint]
    look: dict[str, Any] = style.filled(own) | {"linestyle": ":", "linewidth": 1.5, "alpha": FAINT, "zorder": 2.5}
    axes.plot(replaced["x"], replaced["value"], gid=f"{name}-replaced", **look)
    bars = np.stack([replaced["value"] - replaced["low"], replaced["high"] - replaced["value"]])
    axes.errorbar(replaced["x"], replaced["value"], bars, fmt="none", ecolor=own.colour, alpha=FAINT, zorder=2.4)
    first = replaced.iloc[0]
    pointer = {"arrowstyle": "-", "color": own.colour, "alpha": FAINT, "relpos": (0, 1), "shrinkA": 0, "shrinkB": 6}
    # At the bottom left, where no curve of accuracies comes.
    axes.annotate(
        PUBLISHED_SETTINGS,
        (first["x"], first["value"]),
        (first["x"], 0.05),
        textcoords=axes.get_xaxis_transform(),
        arrowprops=pointer,
        color=own.colour,
        fontsize=9,
        gid="published-settings",
    )


def with_faint(shown: pd.DataFrame) -> set[str]:
    """The variants that stand in for rows that are there."""
    if "faint" not in shown:
        return set()
    return {stand_in for stand_in, of in STAND_INS.items() if of in set(shown.loc[shown["faint"], "variant"])}


def within(shown: pd.DataFrame, bounds: Range) -> pd.DataFrame:
    """The rows with intervals cut at what is possible."""
    return shown.assign(low=shown["low"].clip(*bounds), high=shown["high"].clip(*bounds))


# -- axes ---------------------------------------------------------------------------------------------


def scale_tasks(axes: Axes, shown: pd.DataFrame) -> None:
    """Ticks at the numbers of tasks that are there."""
    style.log_ticks(axes, shown["num_tasks"], room=0.1)
    axes.set_xlabel("Number of tasks (log scale)")
    sns.despine(ax=axes)


def scale_values(axes: Axes, shown: pd.DataFrame, measure: Measure, limits: Range | None) -> None:
    """Values within `limits`, or as the data if None."""
    values = shown[["value", "low", "high", "published"]].stack()
    bottom, top = 5 * np.floor((values.min() - 1) / 5), 5 * np.ceil((values.max() + 1) / 5)
    if limits is not None:
        bottom = bottom if values.min() < limits[0] else limits[0]
        top = top if values.max() > limits[1] else limits[1]
    axes.set_ylim(max(bottom, measure.bounds[0]), min(top, measure.bounds[1]))
    axes.yaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    axes.set_ylabel(measure.axis)


def scale_counts(axes: Axes, shown: pd.DataFrame) -> None:
    """Numbers of clusters on a log scale with room for the legend, ticks at the numbers of tasks."""
    values = shown[["value", "high", "published"]].stack().dropna().to_numpy(dtype=float)
    bottom, top = axes.get_xlim()
    axes.set_yscale("log")
    axes.set_ylim(min(bottom, values.min() / 1.2), max(top, 1.2 * values.max()))
    axes.yaxis.set_major_locator(axes.xaxis.get_major_locator())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:.0f}")
    axes.set_ylabel(f"{CLUSTERS.axis} (log scale)")


def scale_ratios(axes: Axes, per_task: pd.DataFrame) -> None:
    """Clusters per task, with 1 in the picture."""
    values = per_task[["value", "low", "high", "published"]].stack().dropna().to_numpy(dtype=float)
    lowest, highest = min(values.min(), 1.0), max(values.max(), 1.0)
    margin = max(0.15 * (highest - lowest), 0.02)
    axes.set_ylim(lowest - margin, highest + margin)
    axes.set_ylabel("Clusters per task")


def side_by_side(shown: pd.DataFrame, across: Range, along: Range, panel: Range = PANEL) -> pd.DataFrame:
    """Add `x`: the number of tasks, or beside it where a mark would cover that of another variant.

    Curves often meet (two are 98.00 % at 2 tasks). The first in the order of legends stands at the tick, the others
    take the nearest free position for their two marks, ours and the published value around or near it.

    Args:
        across: limits of the axis of tasks, log.
        along: limits of the axis of values.
        panel: width and height of the axes, points.
    """
    pitch = (RING if shown["published"].notna().any() else MARKER) + GAP
    step = (across[1] / across[0]) ** (pitch / panel[0])
    point = (along[1] - along[0]) / panel[1]
    shown = shown.assign(x=np.nan)
    for num_tasks, rows in shown.groupby("num_tasks"):
        occupied: dict[int, list[Range]] = defaultdict(list)
        for index, row in rows.iterrows():
            marks = extents(row, point)
            shift = next(p for p in outwards() if all(a > d or b < c for a, b in marks for c, d in occupied[p]))
            occupied[shift] += marks
            shown.loc[index, "x"] = num_tasks * step**shift
    return shown


def extents(row: pd.Series, point: float) -> list[Range]:
    """From where to where on the axis of values the marks of a row reach; `point` is the height of one point."""
    half, around = (point / 2 * style_of(row["variant"]).size(size) for size in (MARKER, RING))
    marks = []
    if not np.isnan(row["value"]):
        ours = [row["value"] - half, row["value"] + half, row["low"], row["high"]]
        marks.append((float(np.nanmin(ours)), float(np.nanmax(ours))))
    if not np.isnan(row["published"]):
        marks.append((row["published"] - around, row["published"] + around))
    return marks


def outwards() -> Iterator[int]:
    """0, 1, -1, 2, -2, ..."""
    yield 0
    for distance in count(1):
        yield from (distance, -distance)


# -- the legend ---------------------------------------------------------------------------------------


def variant_handles(shown: pd.DataFrame) -> list[Line2D]:
    """A handle per variant, named as in the table."""
    handles = []
    stand_ins = with_faint(shown)
    for variant, rows in style.groups(shown, "variant", sort=False):
        own = style_of(variant).without_line() if variant in stand_ins else style_of(variant)
        label = style.wrap(rows["label"].iloc[0])
        handles.append(Line2D([], [], linestyle=own.line, label=label, **style.filled(own)))
    return handles


def add_legend(axes: Axes, shown: pd.DataFrame) -> None:
    """The variants, then what hollow means; values that the paper quotes are named by their markers."""
    entries: list[tuple[Any, Any]] = [(handle, handle.get_label()) for handle in variant_handles(shown)]
    published = shown[shown["published"].notna()]
    quoted = published[published["quoted"]]
    if len(published) > len(quoted):
        handle = style.published_handle()
        entries.append((handle, handle.get_label()))
    if not quoted.empty:
        looks = [style.hollow(style_of(variant)) for variant in quoted["variant"].drop_duplicates()]
        marks = tuple(Line2D([], [], linestyle="none", **look | {"markersize": MARKER}) for look in looks)
        entries.append((marks, style.wrap(f"Published: {QUOTED}", 26)))
    handles, labels = zip(*entries, strict=True)
    corner: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.02, 1), "borderaxespad": 0, "frameon": False}
    together = {tuple: HandlerTuple(ndivide=None, pad=0.3)}
    axes.legend(handles, labels, handler_map=together, fontsize=10.5, labelspacing=0.7, **corner)
