"""Figures: colour, marker and order of each variant in one place, and the few functions that draw.

A figure is drawn from one table with a row per variant and number of tasks; the table holds fractions, the
figure shows %. The same table gives the same bytes, whatever a user's own settings of matplotlib are.
"""

import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from active_dendrites.config import PAPER

NEEDED = ("scale", "variant", "label", "num_tasks", "n", "accuracy", "low", "high", "published")
Range = tuple[float, float]
REDUCED = "Reduced scale: not the paper's setting"


class Style(NamedTuple):
    """How a variant looks in every figure."""

    colour: str
    marker: str
    line: str = "-"


PALETTE = sns.color_palette("colorblind").as_hex()
BLUE, ORANGE, GREEN, VERMILION, PINK, BROWN, _, GREY, _, SKY = PALETTE  # the two left out are too pale for lines
INDIGO, WINE, INK, ALARM = "#332288", "#882255", "#333333", "#b3261e"

# In the order of legends. One colour twice: a model with other settings, a method that is run or quoted.
STYLES = {
    "prototype": Style(BLUE, "o"),
    "prototype_corrected": Style(BLUE, "D", "-."),
    "prototype_segments_10": Style(SKY, "s", "--"),
    "construct_prototype": Style(INDIGO, "P"),
    "si_prototype": Style(VERMILION, "s"),
    "sparse_representations_only": Style(WINE, "^"),
    "active_dendrites_only": Style(ORANGE, "v"),
    "three_layer_mlp": Style(GREY, "^"),
    "ten_layer_mlp": Style(INK, "v"),
    "si_mlp": Style(GREEN, "^"),
    "si": Style(GREEN, "^"),
    "xdg": Style(PINK, "v"),
    "si_xdg": Style(BROWN, "D"),
}
# From Paul Tol's schemes.
FALLBACK_COLOURS = ("#44aa99", "#999933", "#117733", "#aa4499", "#ddaa33", "#6699cc")
FALLBACK_MARKERS = ("p", "h", "*", "<", ">", "H")

SIZE = (10.0, 5.6)  # of a figure, inches
PANEL = (500.0, 310.0)  # of the axes, points, about
PITCH = 9.0  # between marks side by side, points
MARKER = 8.0  # points
FADED = 0.5  # opacity of published values at reduced scale
SETTINGS: dict[str, Any] = {
    **sns.axes_style("whitegrid"),
    **sns.plotting_context("notebook"),
    "axes.edgecolor": "#555555",
    "axes.labelcolor": INK,
    "errorbar.capsize": 3,
    "font.family": "DejaVu Sans",
    "grid.color": "#e6e6e6",
    "lines.linewidth": 2,
    "lines.markersize": MARKER,
    "savefig.dpi": 200,
    "svg.fonttype": "path",  # looks the same where DejaVu Sans is not installed
    "svg.hashsalt": "active_dendrites",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def style_of(variant: str) -> Style:
    """The style of a variant; one that is not in `STYLES` gets a style that follows from its name alone."""
    code = crc32(variant.encode())
    colour, marker = code % len(FALLBACK_COLOURS), code // 16 % len(FALLBACK_MARKERS)
    return STYLES.get(variant, Style(FALLBACK_COLOURS[colour], FALLBACK_MARKERS[marker]))


def in_order(variants: Iterable[str]) -> list[str]:
    """Each variant once, in the order of legends; those that are not in `STYLES` last, by name."""
    known = list(STYLES)
    return sorted(set(variants), key=lambda name: (known.index(name) if name in known else len(known), name))


# -- the table ----------------------------------------------------------------------------------------


def read_table(path: str | Path) -> pd.DataFrame:
    """A table of accuracies by variant and number of tasks. Raises: ValueError if the file is not one."""
    table = pd.read_csv(path)
    missing = [column for column in NEEDED if column not in table]
    if missing:
        raise ValueError(f"{path}: columns: found {list(table)}, expected also {missing}")
    if table["scale"].nunique() != 1:
        raise ValueError(f"{path}: scale: found {sorted(table['scale'].unique())}, expected one")
    return table


def is_reduced(table: pd.DataFrame) -> bool:
    """Whether the table's runs are not those of the paper."""
    return bool((table["scale"] != PAPER).any())


def is_quoted(rows: pd.DataFrame) -> bool:
    """Whether the rows of a variant hold no run of ours, only published values."""
    return bool(rows["accuracy"].isna().all())


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table for eyes, a column per number of tasks: a variant's runs in a row, published values below."""
    two_digits = "{:.2f}".format
    halves = ("\u00a0±\u00a0" + (50 * (table["high"] - table["low"])).map(two_digits)).where(table["low"].notna(), "")
    cells = (100 * table[["accuracy", "published"]]).map(two_digits)
    cells["accuracy"] += halves
    lines = {}
    for variant in in_order(table["variant"]):
        rows = table[table["variant"] == variant]
        for column, name in (("accuracy", count_seeds(rows)), ("published", "published")):
            known = rows[rows[column].notna()]
            if not known.empty:
                values = zip(known["num_tasks"], cells.loc[known.index, column], strict=True)
                lines[known["label"].iloc[0], name] = dict(values)
    counts = sorted(table["num_tasks"].unique())
    shown = pd.DataFrame.from_dict(lines, orient="index", columns=counts).fillna("–")
    heading = "Accuracy, % ± 95 % interval, by number of tasks"
    heading = f"{REDUCED}. {heading}" if is_reduced(table) else heading
    return shown.set_axis(pd.MultiIndex.from_product([[heading], counts]), axis="columns")


def count_seeds(table: pd.DataFrame) -> str:
    """The number of seeds of the runs in the table, in words: 8 seeds, 1 to 8 seeds."""
    seeds = table.loc[table["accuracy"].notna(), "n"]
    fewest, most = (int(seeds.min()), int(seeds.max())) if len(seeds) else (0, 0)
    return "1 seed" if most == 1 else f"{most} seeds" if fewest == most else f"{fewest} to {most} seeds"


def caption(table: pd.DataFrame) -> str:
    """What the marks of the figure mean, and how many seeds are behind them."""
    sentences = [f"Mean accuracy over all tasks, after the last one was learned; {count_seeds(table)}."]
    if table["low"].notna().any():
        cut = ", cut at 100 %" if (table["high"] > 1).any() else ""
        single = "; none for a single seed" if (table["n"] == 1).any() else ""
        sentences.append(f"Bars, where wider than the marker: 95 % t-interval over seeds{cut}{single}.")
    if table["published"].notna().any():
        setting = " at full scale, for orientation only" if is_reduced(table) else ""
        sentences.append(f"Hollow: published{setting}, without a spread.")
    sentences.append("Marks that would meet stand side by side.")
    return " ".join(sentences)


# -- the figure ---------------------------------------------------------------------------------------


def draw_accuracy(table: pd.DataFrame, title: str, limits: Range) -> Figure:
    """Accuracy by number of tasks, a curve per variant, published values beside it.

    Args:
        table: as `read_table` gives it.
        limits: of the accuracy axis, %, as in the paper; widened where a value lies outside. At reduced scale
            the data alone decide.
    """
    reduced = is_reduced(table)
    shown = in_percent(table)
    with matplotlib.style.context(["default", SETTINGS]):
        figure = Figure(figsize=SIZE, layout="constrained")
        figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
        axes = figure.subplots()
        scale_axes(axes, shown, None if reduced else limits)
        placed = side_by_side(shown, axes.get_xlim(), axes.get_ylim())
        for variant, rows in placed.groupby("variant", sort=False):
            draw_published(axes, variant, rows, joined=is_quoted(rows), faded=reduced)
            draw_ours(axes, variant, rows)
        figure.legend(handles=legend_handles(shown, reduced), loc="outside right upper", frameon=False)
        label_figure(figure, title, caption(table), reduced)
    return figure


def save_figure(figure: Figure, svg: str | Path, png: str | Path) -> None:
    """Write both files, with title and caption as metadata and without a date."""
    words = {"Title": figure.get_suptitle(), "Description": " ".join(figure.get_supxlabel().split())}
    with matplotlib.style.context(["default", SETTINGS]):
        for path, metadata in ((Path(svg), words | {"Date": None}), (Path(png), words)):
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, metadata=metadata)


def in_percent(table: pd.DataFrame) -> pd.DataFrame:
    """The rows to draw, in the order of legends, in %, intervals cut at 0 and 100.

    At reduced scale published values end at the largest number of tasks of our runs.
    """
    places = table["variant"].map(in_order(table["variant"]).index)
    shown = table.assign(place=places).sort_values(["place", "num_tasks"], ignore_index=True)
    shown[["accuracy", "low", "high", "published"]] *= 100
    shown[["low", "high"]] = shown[["low", "high"]].clip(0, 100)
    ours = shown.loc[shown["accuracy"].notna(), "num_tasks"]
    return shown[shown["num_tasks"] <= ours.max()] if is_reduced(table) and len(ours) else shown


def scale_axes(axes: Axes, shown: pd.DataFrame, limits: Range | None) -> None:
    """Ticks at the numbers of tasks that are there; accuracies within `limits`, or as the data if None."""
    counts = sorted(shown["num_tasks"].unique())
    margin = (counts[-1] / counts[0]) ** 0.1 if len(counts) > 1 else 2
    axes.set_xscale("log")
    axes.set_xlim(counts[0] / margin, counts[-1] * margin)
    axes.xaxis.set_major_locator(FixedLocator(counts))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.set_xlabel("Number of tasks (log scale)")

    values = shown[["accuracy", "low", "high", "published"]].stack()
    bottom, top = 5 * np.floor((values.min() - 1) / 5), 5 * np.ceil((values.max() + 1) / 5)
    if limits is not None:
        bottom, top = min(bottom, limits[0]), max(top, limits[1])
    axes.set_ylim(max(bottom, 0), min(top, 100))
    axes.yaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    axes.set_ylabel("Accuracy, %")
    sns.despine(ax=axes)


def side_by_side(shown: pd.DataFrame, across: Range, along: Range) -> pd.DataFrame:
    """Add `x_accuracy` and `x_published`: the number of tasks, or beside it where a mark would cover another.

    Curves often meet (two are 98.00 % at 2 tasks). Ours come first, nearest to the tick; a published value
    takes the first free place to the right of ours.

    Args:
        across: limits of the axis of tasks, log.
        along: limits of the axis of accuracies, %.
    """
    step = (across[1] / across[0]) ** (PITCH / PANEL[0])
    radius = MARKER / 2 * (along[1] - along[0]) / PANEL[1]
    shown = shown.assign(x_accuracy=np.nan, x_published=np.nan)
    for num_tasks, rows in shown.groupby("num_tasks"):
        taken: dict[int, list[Range]] = defaultdict(list)
        own: dict[str, int] = {}
        for column in ("accuracy", "published"):
            for index, row in rows[rows[column].notna()].iterrows():
                ends = [row["low"], row["high"]] if column == "accuracy" else []
                low, high = np.nanmin([row[column] - radius, *ends]), np.nanmax([row[column] + radius, *ends])
                places = count(own[row["variant"]] + 1) if row["variant"] in own else outwards()
                place = next(p for p in places if all(low > top or high < bottom for bottom, top in taken[p]))
                taken[place].append((low, high))
                own[row["variant"]] = place
                shown.loc[index, f"x_{column}"] = num_tasks * step**place
    return shown


def outwards() -> Iterator[int]:
    """0, 1, -1, 2, -2, ..."""
    yield 0
    for distance in count(1):
        yield from (distance, -distance)


def draw_ours(axes: Axes, variant: str, rows: pd.DataFrame) -> None:
    """Filled markers on a line, with the intervals that are known."""
    rows = rows[rows["accuracy"].notna()]
    if rows.empty:
        return
    style = style_of(variant)
    axes.plot(
        rows["x_accuracy"],
        rows["accuracy"],
        color=style.colour,
        marker=style.marker,
        linestyle=style.line,
        markeredgecolor="white",
        markeredgewidth=0.8,
        zorder=4,
        gid=f"accuracy-{variant}",
    )
    known = rows[rows["low"].notna()]
    if not known.empty:
        axes.errorbar(
            known["x_accuracy"],
            known["accuracy"],
            np.stack([known["accuracy"] - known["low"], known["high"] - known["accuracy"]]),
            fmt="none",
            ecolor=style.colour,
            elinewidth=1.5,
            zorder=3,
        )
        axes.collections[-1].set_gid(f"interval-{variant}")


def draw_published(axes: Axes, variant: str, rows: pd.DataFrame, joined: bool, faded: bool) -> None:
    """Hollow markers; a thin dotted line joins those of a variant that we did not run."""
    rows = rows[rows["published"].notna()]
    if rows.empty:
        return
    style = style_of(variant)
    axes.plot(
        rows["x_published"],
        rows["published"],
        color=style.colour,
        marker=style.marker,
        linestyle=":" if joined else "none",
        linewidth=1.2,
        markerfacecolor="white",
        markeredgewidth=1.5,
        alpha=FADED if faded else 1,
        zorder=5,
        gid=f"published-{variant}",
    )


def legend_handles(shown: pd.DataFrame, reduced: bool) -> list[Line2D]:
    """A handle per variant, named as in the table, and one for what hollow means."""
    hollow = {"mfc": "white", "mew": 1.5, "lw": 1.2, "alpha": FADED if reduced else 1}
    handles = []
    for variant, rows in shown.groupby("variant", sort=False):
        style = style_of(variant)
        look = hollow | {"ls": ":"} if is_quoted(rows) else {"ls": style.line, "mec": "white"}
        label = wrap(rows["label"].iloc[0])
        handles.append(Line2D([], [], color=style.colour, marker=style.marker, label=label, **look))
    if shown["published"].notna().any():
        label = "Published (full scale,\nfor orientation only)" if reduced else "Published"
        handles.append(Line2D([], [], color="#777777", marker="o", ls="none", label=label, **hollow))
    return handles


def wrap(label: str, width: int = 24) -> str:
    """A label on as few lines as `width` characters allow, of about equal length."""
    wrapped = [textwrap.wrap(label, narrower, break_long_words=False) for narrower in range(width, 0, -1)]
    return "\n".join([lines for lines in wrapped if len(lines) == len(wrapped[0])][-1])


def label_figure(figure: Figure, title: str, note: str, reduced: bool) -> None:
    """Title above, note below, and the stamp that no figure of reduced scale goes without."""
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    figure.supxlabel(textwrap.fill(note, 140), x=0.01, ha="left", fontsize=9, color="#555555")
    if reduced:
        box = {"boxstyle": "round,pad=0.35", "facecolor": "#fdecea", "edgecolor": ALARM}
        figure.axes[0].set_title(REDUCED, loc="left", pad=12, color=ALARM, bbox=box, gid="reduced-scale")
