"""What all figures share: colour, marker and order of each variant, tables, marks, title, caption and files.

`curves` draws by number of tasks, `heat_maps` matrices, `rain_clouds` and `search_lines` the hyperparameter searches.
A figure is drawn from one table; the table holds fractions, the figure shows %. The
same table gives the same bytes, whatever a user's own settings of matplotlib are.
"""

import textwrap
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, NamedTuple
from zlib import crc32

import matplotlib
import matplotlib.style
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.text import Annotation, Text
from matplotlib.ticker import FixedLocator, NullLocator

from active_dendrites.evaluation.tables import COLUMNS, table_bytes
from active_dendrites.runs.files import atomic_file
from active_dendrites.settings.declarations import PAPER
from active_dendrites.settings.yaml_files import fault

# The columns a figure needs of each kind of table.
_KEY = ("scale", "variant", "label", "num_tasks")
NEEDED = {
    "summary": (
        *(*_KEY, "n", "accuracy", "low", "high", "published", "quoted"),
        *(f"{metric}{end}" for metric in ("forgetting", "clusters") for end in ("", "_low", "_high")),
        "published_clusters",
    ),
    "matrix": (*_KEY, "n", "after_task", "task", "accuracy"),
    "activity": (*_KEY, "n", "panel", "row", "column", "value", "std", "chance"),
    "search": (
        *(*_KEY, "search", "segments_per_unit", "winner_density", "weight_sparsity", "learning_rate"),
        *("strength", "damping", "seed", "after_task", "accuracy", "published", "published_std"),
    ),
}
TEXT = ("experiment", "scale", "variant", "label", "seeds", "panel", "search")  # columns; the others are numbers
Range = tuple[float, float]
REDUCED = "Reduced scale: not the paper's setting"
GIVEN_TASK = ("xdg", "si_xdg")  # variants that are told the task at test (method 9.2)
LineStyle = Literal["-", "--", "-.", ":", "none"]


class Style(NamedTuple):
    """How a variant looks in every figure."""

    colour: str
    marker: str
    line: LineStyle = "-"

    def size(self, points: float) -> float:
        """Of its marker, points, so that all cover about the same area: a triangle fills half of its square."""
        return SIZES.get(self.marker, 1.0) * points

    def without_line(self) -> "Style":
        return self._replace(line="none")


PALETTE = sns.color_palette("colorblind").as_hex()
BLUE, ORANGE, GREEN, VERMILION, PINK, BROWN, _, GREY, _, SKY = PALETTE  # the two left out are too pale for lines
INDIGO, WINE, INK, ALARM = "#332288", "#882255", "#333333", "#b3261e"
NOTE = "#555555"  # of captions and remarks

# In the order of legends. One colour twice: a model with other settings.
STYLES = {
    "prototype": Style(BLUE, "o"),
    "prototype_corrected": Style(BLUE, "D", "-."),
    "prototype_segments_10": Style(SKY, "s", "--"),
    "construct_prototype": Style(INDIGO, "s"),
    "si_prototype": Style(VERMILION, "s"),
    "sparse_representations_only": Style(WINE, "^"),
    "active_dendrites_only": Style(ORANGE, "v"),
    "three_layer_mlp": Style(GREY, "^"),
    "ten_layer_mlp": Style(INK, "v"),
    "si_mlp": Style(GREEN, "^"),
    "xdg": Style(PINK, "v"),
    "si_xdg": Style(BROWN, "D"),
}
# Of variants that are not above: as strong as theirs, on markers that none of theirs has.
FALLBACK_COLOURS = ("#4455cc", "#7a6a00", "#117733", "#aa4499", "#008b8b", "#663300")
FALLBACK_MARKERS = ("p", "h", "*", "<", ">", "H")
SIZES = {"^": 1.15, "v": 1.15, "<": 1.15, ">": 1.15, "D": 0.85, "p": 1.15, "h": 1.1, "H": 1.1, "*": 1.65}  # factors

FONT = "DejaVu Sans"  # which matplotlib brings along
MARKER = 7.5  # points
RING = 11.0  # of a published value, which stands around ours where they are equal, points
SETTINGS: dict[str, Any] = {
    **sns.axes_style("whitegrid"),
    **sns.plotting_context("notebook"),
    "axes.edgecolor": NOTE,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "errorbar.capsize": 3,
    "font.family": FONT,
    "grid.color": "#e6e6e6",
    "lines.linewidth": 2,
    "lines.markersize": MARKER,
    "savefig.dpi": 200,
    "svg.fonttype": "path",  # looks the same where DejaVu Sans is not installed
    "svg.hashsalt": "active_dendrites",
    "pdf.fonttype": 42,  # TrueType: text can be found, copied and edited
    "text.color": INK,
    "text.parse_math": False,  # a label with dollars is no formula
    "xtick.color": INK,
    "ytick.color": INK,
}
SMALL = {"font": 9.0, "label": 10.0, "title": 10.0}  # in figures of several panels, points


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


def read_table(path: str | Path, kind: str = "summary") -> pd.DataFrame:
    """A table of one experiment.

    Args:
        kind: summary, matrix, activity or search: what the table must hold.
    Raises: ValueError if the file is damaged, or not such a table of one scale.
    """
    numbers = {column for columns in COLUMNS.values() for column in columns} - set(TEXT)
    table = pd.read_csv(  # a label is text, whatever it says: None, NA, 10
        BytesIO(table_bytes(Path(path))),
        dtype=dict.fromkeys(TEXT, str),
        keep_default_na=False,
        na_values={column: [""] for column in numbers},
    )
    missing = [column for column in NEEDED[kind] if column not in table]
    if missing:
        raise fault(path, "columns", f"also {', '.join(missing)}", found=", ".join(map(str, table)))
    if table["scale"].nunique() != 1:
        raise fault(path, "scale", "one", found=", ".join(sorted(table["scale"].unique())) or "none")
    return table


def groups(rows: pd.DataFrame, columns: str | list[str], sort: bool = True) -> list[tuple[Any, pd.DataFrame]]:
    """The rows of each value of a column, or of each combination; pandas does not declare the types of values."""
    return [(value, same) for value, same in rows.groupby(columns, sort=sort)]


def is_reduced(table: pd.DataFrame) -> bool:
    """Whether the table's runs are not those of the paper."""
    return bool((table["scale"] != PAPER).any())


def count_seeds(counts: pd.Series) -> str:
    """Numbers of seeds in words: 8 seeds, 1 to 8 seeds."""
    fewest, most = (int(counts.min()), int(counts.max())) if len(counts) else (0, 0)
    return "1 seed" if most == 1 else f"{most} seeds" if fewest == most else f"{fewest} to {most} seeds"


def join_names(names: Iterable[str]) -> str:
    """Names in a sentence: one, two and three."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def short_labels(labels: pd.Series) -> str:
    """Labels in a sentence, each once, without what they say in brackets."""
    return join_names(dict.fromkeys(label.partition(" (")[0] for label in labels))


def given_task_words(rows: pd.DataFrame) -> list[str]:
    """The sentence of a caption on variants that are told the task at test; none if the rows have none."""
    told = rows.loc[rows["variant"].isin(GIVEN_TASK), "label"]
    if told.empty:
        return []
    verb = "is" if told.nunique() == 1 else "are"
    others = ", the others are not" if rows["variant"].nunique() > told.nunique() else ""
    return [f"{short_labels(told)} {verb} told at test which task an image is from{others}."]


def missing_words(not_run: pd.Series, alone: pd.Series) -> list[str]:
    """The sentence of a caption on points that were not run; none if all were.

    Args:
        not_run: of each point, whether it was not run.
        alone: of each point that is drawn, whether it is a published value alone.
    """
    if not not_run.any():
        return []
    marked = "; their published values stand alone" if alone.any() else ""
    return [f"{int(not_run.sum())} of {len(not_run)} points were not run yet{marked}."]


def readable(rows: pd.DataFrame, heading: str, reduced: bool, digits: int = 2) -> pd.DataFrame:
    """Rows as a person reads them, a column per number of tasks: a variant's runs in a line, published values below.

    Args:
        rows: variant, label, num_tasks, n, value, low, high, published, in the units of the figure and in order.
    """
    as_text = f"{{:.{digits}f}}".format
    halves = ("\u00a0±\u00a0" + ((rows["high"] - rows["low"]) / 2).map(as_text)).where(rows["low"].notna(), "")
    cells = {"value": rows["value"].map(as_text) + halves, "published": rows["published"].map(as_text)}
    lines = {}
    for _, own in rows.groupby("variant", sort=False):
        for column, name in (("value", count_seeds(own.loc[own["value"].notna(), "n"])), ("published", "published")):
            known = own[own[column].notna()]
            if not known.empty:
                texts = zip(known["num_tasks"], cells[column].loc[known.index], strict=True)
                lines[known["label"].iloc[0], name] = dict(texts)
    counts = sorted(rows["num_tasks"].unique())
    shown = pd.DataFrame.from_dict(lines, orient="index", columns=counts).fillna("–")
    return with_heading(shown, heading, reduced)


def with_heading(shown: pd.DataFrame, heading: str, reduced: bool) -> pd.DataFrame:
    """A table for a person with a heading above its columns, stamped at reduced scale."""
    heading = f"{REDUCED}. {heading}" if reduced else heading
    return shown.set_axis(pd.MultiIndex.from_product([[heading], shown.columns]), axis="columns")


# -- marks --------------------------------------------------------------------------------------------


def draw_ours(
    axes: Axes, rows: pd.DataFrame, style: Style, name: str, joined: pd.DataFrame | None = None, **look: Any
) -> None:
    """Filled markers, the line that joins them, and the intervals that are known.

    Args:
        rows: x, value, low, high; a row without a value is a gap in the line.
        name: of the markers; line-<name> and interval-<name> are those of the other parts.
        joined: the rows that the line joins, where not those of the markers.
        look: over the markers' properties.
    """
    joined = rows if joined is None else joined
    rows = rows[rows["value"].notna()]
    if rows.empty:
        return
    colour = style.colour
    axes.plot(joined["x"], joined["value"], color=colour, linestyle=style.line, zorder=3, gid=f"line-{name}")
    marks = filled(style)
    axes.plot(rows["x"], rows["value"], linestyle="none", zorder=5, gid=name, **marks | look)
    rows = rows[rows["low"].notna()]
    if not rows.empty:
        bars = np.stack([rows["value"] - rows["low"], rows["high"] - rows["value"]])
        axes.errorbar(rows["x"], rows["value"], bars, fmt="none", ecolor=colour, elinewidth=1.5, zorder=4)
        axes.collections[-1].set_gid(f"interval-{name}")


def draw_published(axes: Axes, rows: pd.DataFrame, style: Style, name: str, **look: Any) -> None:
    """Hollow markers, not joined: around ours where the values are equal.

    Args:
        rows: x, published; rows without are left out.
        name: the markers are published-<name>.
        look: over the markers' properties.
    """
    rows = rows[rows["published"].notna()]
    if rows.empty:
        return
    marks = hollow(style) | {"linestyle": "none", "zorder": 3.5}
    axes.plot(rows["x"], rows["published"], gid=f"published-{name}", **marks | look)


def filled(style: Style) -> dict[str, Any]:
    """How the marker of a value of ours looks."""
    edge = {"markeredgecolor": "white", "markeredgewidth": 0.7}
    return {"color": style.colour, "marker": style.marker, "markersize": style.size(MARKER)} | edge


def hollow(style: Style) -> dict[str, Any]:
    """How the marker of a published value looks."""
    ring = {"markerfacecolor": "white", "markeredgewidth": 1.5, "markersize": style.size(RING)}
    return {"color": style.colour, "marker": style.marker, "alpha": 1} | ring


def published_handle(**look: Any) -> Line2D:
    """The entry of a legend that says what hollow means."""
    return Line2D([], [], linestyle="none", label="Published", **hollow(Style("#777777", "o")) | look)


def published_words(spread: str = "without a spread") -> str:
    """The beginning of the sentence of a caption that says what hollow means; no full stop."""
    return f"Hollow: published, {spread}"


# -- the figure ---------------------------------------------------------------------------------------


@contextmanager
def own_settings() -> Iterator[None]:
    """Matplotlib as the figures want it, whatever the user's own settings are."""
    with matplotlib.style.context(["default", SETTINGS]):
        yield


@contextmanager
def small_settings() -> Iterator[None]:
    """Likewise for figures of several panels."""
    sizes: dict[Any, float] = {
        "font.size": SMALL["font"],
        "axes.labelsize": SMALL["label"],
        "axes.titlesize": SMALL["title"],
    }
    ticks: dict[Any, float] = {f"{axis}tick.labelsize": SMALL["font"] for axis in "xy"}
    legend: dict[Any, float] = {
        "legend.fontsize": SMALL["font"],
        "legend.title_fontsize": SMALL["font"],
        "figure.titlesize": 14,
    }
    with own_settings(), matplotlib.rc_context(sizes | ticks | legend | {"errorbar.capsize": 2}):
        yield


def new_figure(size: Range) -> Figure:
    """An empty figure of that size in inches that makes room for its words."""
    return Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08))


def save_figure(figure: Figure, svg: str | Path, png: str | Path) -> None:
    """Write both files, and beside the SVG a PDF whose text is text; warns of characters without a glyph.

    Title and caption are metadata; there is no date, so that equal figures are equal files.
    """
    words = {"Title": figure.get_suptitle().strip(), "Description": " ".join(figure.get_supxlabel().split())}
    with own_settings(), warnings.catch_warnings():
        missing = without_glyph(text.get_text() for text in figure.findobj(Text) if isinstance(text, Text))
        if missing:
            warnings.warn(f"font {FONT}: found no glyph for {missing}, drawn as boxes, expected others", stacklevel=2)
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # matplotlib's, once for each and file
        files: list[tuple[Path, dict[str, Any]]] = [
            (Path(svg), words | {"Date": None}),
            (Path(png), words),
            (
                Path(svg).with_suffix(".pdf"),
                {"Title": words["Title"], "Subject": words["Description"], "CreationDate": None},
            ),
        ]
        for path, metadata in files:
            with atomic_file(path, binary=True) as file:
                figure.savefig(file, format=path.suffix[1:], metadata=metadata)


def without_glyph(texts: Iterable[str]) -> str:
    """The characters, each once and in order, that the figures' font lacks."""
    known = get_font(findfont(FONT)).get_charmap()
    return "".join(sorted(char for char in set("".join(texts)) if ord(char) not in known and not char.isspace()))


def log_ticks(axes: Axes, values: Iterable[float], room: float) -> None:
    """A log axis with ticks at the values that are there, and `room` of their span at each side."""
    known = sorted(set(values))
    margin = (known[-1] / known[0]) ** room if len(known) > 1 else 2
    axes.set_xscale("log")
    axes.set_xlim(known[0] / margin, known[-1] * margin)
    axes.xaxis.set_major_locator(FixedLocator(known))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")


def label_figure(figure: Figure, title: str, note: str, reduced: bool) -> None:
    """Title above, note below, and the stamp that no figure of reduced scale goes without."""
    width = round(14 * figure.get_figwidth())  # characters
    figure.supxlabel(textwrap.fill(note, width), x=0.01, ha="left", fontsize=9, color=NOTE)
    # The stamp stands on a second line of the title, for which the layout keeps room in every figure.
    heading = figure.suptitle(f"{title}\n" if reduced else title, x=0.01, ha="left", fontweight="bold", linespacing=1.8)
    if reduced:
        box = {"boxstyle": "round,pad=0.35", "facecolor": "#fdecea", "edgecolor": ALARM}
        stamp = Annotation(REDUCED, (0, 0), (5, 3), xycoords=heading, textcoords="offset points", bbox=box)
        stamp.set(color=ALARM, fontsize=10.5, va="bottom", gid="reduced-scale")
        figure.add_artist(stamp)


def wrap(label: str, width: int = 24) -> str:
    """A label on as few lines as `width` characters allow, of about equal length."""
    wrapped = [textwrap.wrap(label, narrower, break_long_words=False) for narrower in range(width, 0, -1)]
    return "\n".join([lines for lines in wrapped if len(lines) == len(wrapped[0])][-1])
