"""Figures by number of tasks: the same data give the same bytes, every value is drawn and none twice, reduced scale
is named, and what is hollow is published."""

import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import drawing
import matplotlib
import numpy as np
import pandas as pd
import pytest
from drawing import found, make_table, part, row, saved, values
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from active_dendrites.figures import curves, style
from active_dendrites.settings.declarations import Declarations

LIMITS = (60.0, 100.0)
QUOTED = "quoted by the paper from the literature, not measured by it"


@pytest.fixture
def table() -> pd.DataFrame:
    return make_table(
        row("prototype", 2, 0.945, published=0.974744),
        row("prototype", 10, 0.9455, published=0.945509),
        row("prototype_corrected", 2, 0.9752, published=None),
        row("si_prototype", 2, 0.9765, published=0.976512),
        row("si_prototype", 10, 0.97, published=0.972305),
        row("si_mlp", 2, 0.979, published=0.98, quoted=True),
        row("si_mlp", 10, 0.968, published=0.971, quoted=True),
        row("xdg", 2, 0.981, published=0.98, quoted=True),
        row("xdg", 10, 0.971, published=0.972, quoted=True),
    )


@pytest.fixture
def quick(table: pd.DataFrame) -> pd.DataFrame:
    wide = {"low": table["accuracy"] - 0.3, "high": table["accuracy"] + 0.3}
    return table.assign(scale="quick", n=2, **wide)


@pytest.fixture
def counts() -> pd.DataFrame:
    return make_table(found(2, 2.0, 2.25, half=0.0), found(5, 5.5, 5.625), found(10, 12.0, None))


def draw(table: pd.DataFrame) -> Figure:
    return curves.draw_accuracy(table, "A title", LIMITS)


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


# -- styles -----------------------------------------------------------------------------------------------


def test_each_variant_of_the_papers_figures_has_its_own_style(declarations: Declarations) -> None:
    """The corrected settings are the same model and share its colour; searches have colours of their own."""
    paper = [declared for declared in declarations.experiments.values() if declared.part == "paper"]
    variants = {variant for declared in paper for variant in declared.variants}
    assert variants == set(style.STYLES)
    assert len({style.style_of(variant)[:2] for variant in variants}) == len(variants)
    colours = {style.style_of(variant).colour for variant in variants - {"prototype_corrected"}}
    assert len(colours) == len(variants) - 1
    assert style.style_of("prototype_corrected").colour == style.style_of("prototype").colour
    assert style.style_of("prototype_segments_10").line == "--"


def test_an_unknown_variant_has_a_style_that_lasts() -> None:
    """By its name alone: not by the order of drawing, nor by Python's salted hash."""
    own = style.style_of("dendrites_of_mine")
    assert own == style.Style("#117733", "<")
    assert own.marker not in {known.marker for known in style.STYLES.values()}
    assert part(draw(make_table(row("dendrites_of_mine", 2, 0.9))), "accuracy-dendrites_of_mine")


def test_unknown_variants_come_last() -> None:
    assert style.in_order(["zeta", "xdg", "alpha", "prototype", "xdg"]) == [
        "prototype",
        "xdg",
        "alpha",
        "zeta",
    ]


# -- bytes ------------------------------------------------------------------------------------------------


def test_the_same_data_give_the_same_bytes(table: pd.DataFrame, tmp_path: Path) -> None:
    first = saved(draw(table), tmp_path, "first")
    with matplotlib.rc_context(
        {"font.size": 30, "svg.hashsalt": None, "svg.fonttype": "none", "savefig.facecolor": "red"}
    ):
        shuffled = table.sample(frac=1, random_state=1)
        assert saved(draw(shuffled), tmp_path, "second") == first
    assert b"dc:date" not in first[0]


def test_another_process_gives_the_same_bytes(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_csv(tmp_path / "table.csv", index=False)
    code = (
        "from active_dendrites.figures import style as p, curves as c;"
        " p.save_figure(c.draw_accuracy(p.read_table('table.csv'), 'A title', (60, 100)), 'b.svg', 'b.png')"
    )
    library = str(Path(style.__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": library, "PYTHONHASHSEED": "17"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    here = saved(draw(style.read_table(tmp_path / "table.csv")), tmp_path, "a")
    assert here == ((tmp_path / "b.svg").read_bytes(), (tmp_path / "b.png").read_bytes())


def test_other_data_give_other_bytes(table: pd.DataFrame, tmp_path: Path) -> None:
    other = table.copy()
    other.loc[0, ["accuracy", "low", "high"]] += 0.01
    svg, png = saved(draw(table), tmp_path)
    other_svg, other_png = saved(draw(other), tmp_path)
    assert svg != other_svg and png != other_png


# -- what is drawn ----------------------------------------------------------------------------------------


def test_every_value_is_drawn_in_percent(table: pd.DataFrame) -> None:
    figure = draw(table)
    assert values(figure, "accuracy-si_prototype") == values(figure, "line-accuracy-si_prototype") == [97.65, 97.0]
    assert values(figure, "accuracy-prototype_corrected") == [97.52]
    assert values(figure, "accuracy-xdg") == [98.1, 97.1]
    assert values(figure, "published-prototype") == [97.4744, 94.5509]
    assert values(figure, "published-si_mlp") == [98.0, 97.1]
    bars = part(figure, "interval-accuracy-si_prototype")
    assert isinstance(bars, LineCollection)
    ends = [sorted(end[1] for end in bar) for bar in bars.get_segments()]
    assert ends == [pytest.approx([97.25, 98.05]), pytest.approx([96.6, 97.4])]


def test_the_corrected_settings_are_on_the_line_and_the_published_ones_faint(
    table: pd.DataFrame, declarations: Declarations
) -> None:
    figure = draw(table)
    assert values(figure, "line-accuracy-prototype") == [97.52, 94.55]
    assert values(figure, "accuracy-prototype") == [94.55]
    assert values(figure, "accuracy-prototype-replaced") == [94.5]
    assert part(figure, "accuracy-prototype-replaced").get_alpha() == curves.FAINT
    assert part(figure, "line-accuracy-prototype_corrected").get_linestyle() == "None"
    notes = [text for text in figure.axes[0].texts if text.get_gid() == "published-settings"]
    assert [note.get_text() for note in notes] == [curves.PUBLISHED_SETTINGS]
    for num_tasks in (2, 5):
        assert declarations.resolve("paper", "prototype", num_tasks, 1).epochs == 1  # as the note says
    both = table.assign(published=table["published"].mask(table["variant"] == "prototype_corrected", 0.974744))
    assert values(draw(both), "published-prototype") == [94.5509]
    assert values(draw(both), "published-prototype_corrected") == [97.4744]


@pytest.mark.parametrize("change", ["reduced scale", "nothing corrected"])
def test_without_a_stand_in_every_point_is_on_its_line(table: pd.DataFrame, quick: pd.DataFrame, change: str) -> None:
    figure = draw(quick if change == "reduced scale" else table[table["variant"] != "prototype_corrected"])
    assert values(figure, "line-accuracy-prototype") == [94.5, 94.55]
    assert not figure.axes[0].texts


@pytest.fixture
def partly_run(table: pd.DataFrame) -> pd.DataFrame:
    """SI was run at 2 and 10 tasks, not at 5; nothing of sparse representations, which have no published value here."""
    missing = {"n": 0, "half": None}
    more = make_table(
        row("si_mlp", 5, np.nan, published=0.979, **missing),
        row("sparse_representations_only", 5, np.nan, published=None, **missing),
        row("xdg", 5, np.nan, published=None, **missing),
    )
    return pd.concat([table, more], ignore_index=True)


def test_what_was_not_run_is_a_gap_and_a_published_value_alone(partly_run: pd.DataFrame) -> None:
    figure = draw(partly_run)
    assert values(figure, "accuracy-si_mlp") == [97.9, 96.8]
    assert values(figure, "published-si_mlp") == [98.0, 97.9, 97.1]
    line = part(figure, "line-accuracy-si_mlp").get_ydata()
    assert np.isnan(line).tolist() == [False, True, False]
    assert "The sparse_representations_only" not in legend(figure)
    said = "3 of 12 points were not run yet; their published values stand alone."
    assert said in curves.caption(partly_run)
    assert "1 to 8" not in curves.caption(partly_run) and "8 seeds" in curves.caption(partly_run)
    assert curves.readable(partly_run).to_string().count("nan") == 0


def test_missing_points_of_forgetting_are_said_and_nothing_stands_for_them(partly_run: pd.DataFrame) -> None:
    figure = curves.draw_forgetting(partly_run.assign(forgetting=0.98 - partly_run["accuracy"]), "A title")
    assert np.isnan(part(figure, "line-forgetting-xdg").get_ydata()).tolist() == [False, True, False]
    assert "3 of 12 points were not run yet." in curves.caption(partly_run, curves.FORGETTING)


def test_hollow_means_published_and_nothing_else(table: pd.DataFrame) -> None:
    figure = draw(table)
    assert drawing.hollow(figure) == {f"published-{v}" for v in ("prototype", "si_prototype", "si_mlp", "xdg")}
    assert part(figure, "published-prototype_corrected") is None


def test_ours_are_joined_and_published_values_are_not(table: pd.DataFrame) -> None:
    figure = draw(table)
    assert part(figure, "line-accuracy-xdg").get_linestyle() == "-"
    assert part(figure, "published-xdg").get_linestyle() == "None"
    assert part(figure, "accuracy-xdg").get_color() == part(figure, "published-xdg").get_color()


def test_quoted_values_say_so(table: pd.DataFrame) -> None:
    """By the markers of just those variants in the legend, and by name in the caption."""
    figure = draw(table)
    *_, published, quoted = legend(figure)
    assert published == "Published" and " ".join(quoted.split()) == f"Published: {QUOTED}"
    marks = figure.axes[0].get_legend().findobj(Line2D)
    hollow = [mark.get_color() for mark in marks if to_hex(mark.get_markerfacecolor()) == "#ffffff"]
    assert hollow == ["#777777", *(style.style_of(variant).colour for variant in ("si_mlp", "xdg"))]
    assert f"those of The si_mlp and XdG are {QUOTED}." in curves.caption(table)


def test_nothing_is_called_quoted_that_was_measured(table: pd.DataFrame) -> None:
    own = table[~table["quoted"]]
    assert "quoted" not in drawing.words(draw(own))
    unpublished = table.assign(published=table["published"].mask(table["quoted"]))
    assert "quoted" not in drawing.words(draw(unpublished))
    alone = table[table["quoted"]]
    assert "Published" not in legend(draw(alone)) and QUOTED in curves.caption(alone)


def test_it_is_plain_who_is_told_the_task(table: pd.DataFrame) -> None:
    assert "XdG (told the\ntask at test)" in legend(draw(table))
    told = "XdG is told at test which task an image is from, the others are not."
    assert told in curves.caption(table)
    both = make_table(row("xdg", 2, 0.9), row("si_xdg", 2, 0.9, label="SI + XdG (told the task at test)"))
    assert "XdG and SI + XdG are told at test which task an image is from." in curves.caption(both)
    assert "told" not in curves.caption(table[table["variant"] != "xdg"])


def test_one_seed_is_a_point_without_interval() -> None:
    figure = draw(make_table(row("prototype", 2, 0.9, half=None, n=1), row("prototype", 5, 0.8, half=None, n=1)))
    assert values(figure, "accuracy-prototype") == [90.0, 80.0]
    assert part(figure, "interval-accuracy-prototype") is None


def test_one_seed_among_others_keeps_their_intervals() -> None:
    table = make_table(row("prototype", 2, 0.9, half=None, n=1), row("prototype", 5, 0.8))
    figure = draw(table)
    assert values(figure, "accuracy-prototype") == [90.0, 80.0]
    assert len(part(figure, "interval-accuracy-prototype").get_segments()) == 1
    assert "1 to 8 seeds" in curves.caption(table) and "none for a single seed" in curves.caption(table)


def test_without_published_values_nothing_speaks_of_them(table: pd.DataFrame) -> None:
    ours = table[~table["quoted"]].assign(published=float("nan"))
    figure = draw(ours)
    assert legend(figure) == ["The prototype", "The prototype_corrected", "The si_prototype"]
    assert values(figure, "accuracy-si_prototype") == [97.65, 97.0]
    assert "published" not in curves.caption(ours).lower()


# -- where it is drawn ------------------------------------------------------------------------------------


def test_ticks_stand_at_the_numbers_of_tasks(table: pd.DataFrame) -> None:
    axes = draw(table).axes[0]
    assert axes.get_xscale() == "log"
    assert list(axes.get_xticks()) == [2, 10] and not list(axes.get_xticks(minor=True))


def test_limits_are_the_papers_unless_a_value_lies_outside(table: pd.DataFrame) -> None:
    assert draw(table).axes[0].get_ylim() == LIMITS
    near = pd.concat([table, make_table(row("prototype", 25, 0.605, half=0.004))], ignore_index=True)
    assert draw(near).axes[0].get_ylim() == LIMITS
    low = pd.concat([table, make_table(row("prototype", 25, 0.57, half=0.03))], ignore_index=True)
    assert draw(low).axes[0].get_ylim() == (50, 100)


def test_a_mark_alone_stands_at_its_tick() -> None:
    figure = draw(make_table(row("prototype", 2, 0.9, published=None), row("ten_layer_mlp", 2, 0.7, published=0.7)))
    for name in ("accuracy-prototype", "accuracy-ten_layer_mlp", "published-ten_layer_mlp"):
        assert list(part(figure, name).get_xdata()) == [2]


def test_a_published_value_stands_where_ours_does(table: pd.DataFrame) -> None:
    figure = draw(table)
    for variant in ("si_prototype", "si_mlp", "xdg"):
        ours, published = (part(figure, f"{kind}-{variant}") for kind in ("accuracy", "published"))
        assert list(ours.get_xdata()) == list(published.get_xdata())
        assert published.get_zorder() < ours.get_zorder()
        assert published.get_markersize() - published.get_markeredgewidth() > ours.get_markersize()


@pytest.mark.parametrize("scale", ["table", "quick"])
def test_no_mark_covers_that_of_another_variant(scale: str, request: pytest.FixtureRequest) -> None:
    figure = draw(request.getfixturevalue(scale))
    axes = figure.axes[0]
    figure.draw_without_rendering()
    points = 72 / figure.dpi
    marks = []
    for line in axes.get_lines():
        name = line.get_gid() or ""
        if name.startswith(("accuracy-", "published-")):
            places = points * axes.transData.transform(line.get_xydata())
            marks += [(name.partition("-")[2], line.get_markersize(), x, y) for x, y in places]
    assert len(marks) == {"table": 17, "quick": 9}[scale]
    for (variant, size, x, y), (other, other_size, other_x, other_y) in combinations(marks, 2):
        apart = max(abs(x - other_x), abs(y - other_y))
        assert variant == other or apart > (size + other_size) / 2 - 1
    assert all(axes.bbox.x0 * points < x < axes.bbox.x1 * points for _, _, x, _ in marks)


# -- forgetting -------------------------------------------------------------------------------------------


def test_forgetting_is_drawn_in_points_without_published_values(table: pd.DataFrame) -> None:
    figure = curves.draw_forgetting(table, "A title")
    assert values(figure, "forgetting-prototype") == [3.5, 3.45]
    assert values(figure, "forgetting-xdg") == [-0.1, 0.9]
    segments = part(figure, "interval-forgetting-prototype").get_segments()
    assert sorted(end[1] for end in segments[0]) == pytest.approx([3.1, 3.9])
    assert drawing.hollow(figure) == set() and "ublished" not in drawing.words(figure)
    assert figure.axes[0].get_ylabel() == "Forgetting, percentage points"
    assert figure.axes[0].get_ylim() == (-5, 5)
    assert "XdG is told at test" in figure.get_supxlabel()


def test_forgetting_leaves_out_what_has_none() -> None:
    table = make_table(row("prototype", 1, 0.98, forgetting=None), row("prototype", 2, 0.9))
    assert values(curves.draw_forgetting(table, "A title"), "forgetting-prototype") == [8.0]
    with pytest.raises(ValueError, match="forgetting: found no value"):
        curves.draw_forgetting(table.head(1), "A title")


# -- clusters ---------------------------------------------------------------------------------------------


def test_clusters_are_drawn_against_the_identity_line(counts: pd.DataFrame) -> None:
    figure = curves.draw_clusters(counts, "A title")
    name = "clusters-construct_prototype"
    assert values(figure, name) == [2.0, 5.5, 12.0]
    assert list(part(figure, name).get_xdata()) == list(figure.axes[0].get_xticks()) == [2, 5, 10]
    assert values(figure, f"published-{name}") == [2.25, 5.625]
    identity = part(figure, "identity")
    assert list(identity.get_xdata()) == list(identity.get_ydata())
    assert drawing.hollow(figure) == {f"published-{name}", "published-clusters-per-task-construct_prototype"}


def test_clusters_per_task_stand_beside(counts: pd.DataFrame) -> None:
    figure = curves.draw_clusters(counts, "A title")
    name = "clusters-per-task-construct_prototype"
    assert values(figure, name) == [1.0, 1.1, 1.2]
    assert values(figure, f"published-{name}") == [1.125, 1.125]
    assert set(values(figure, "identity-per-task")) == {1.0}
    bottom, top = figure.axes[1].get_ylim()
    assert bottom < 1.0 and top > 1.2


def test_clusters_that_all_are_one_per_task_have_a_scale() -> None:
    figure = curves.draw_clusters(make_table(found(2, 2.0, half=0.0), found(5, 5.0, half=0.0)), "A title")
    bottom, top = figure.axes[1].get_ylim()
    assert bottom < 1 < top
    assert "ublished" not in drawing.words(figure)


def test_far_too_many_clusters_are_in_the_picture() -> None:
    figure = curves.draw_clusters(make_table(found(2, 900.0, 2.25), found(5, 2.0, 5.625)), "A title")
    bottom, top = figure.axes[0].get_ylim()
    assert bottom < 2 and top > 900


def test_clusters_leave_out_other_variants_and_refuse_a_table_without(counts: pd.DataFrame) -> None:
    others = make_table(row("prototype", 2, 0.9))
    figure = curves.draw_clusters(pd.concat([others, counts], ignore_index=True), "A title")
    assert not any("clusters-prototype" in name for name in drawing.names(figure))
    with pytest.raises(ValueError, match="clusters: found no value"):
        curves.draw_clusters(others, "A title")


# -- reduced scale ----------------------------------------------------------------------------------------


def test_reduced_scale_is_stamped(table: pd.DataFrame, quick: pd.DataFrame, tmp_path: Path) -> None:
    stamp = b"Reduced scale: not the paper's setting"
    assert stamp in saved(draw(quick), tmp_path)[0]
    assert stamp not in saved(draw(table), tmp_path)[0]
    assert part(draw(quick), "reduced-scale").get_visible()
    assert stamp.decode() in curves.readable(quick).to_html()
    assert stamp.decode() not in curves.readable(table).to_html()


def test_the_stamp_covers_nothing(quick: pd.DataFrame, counts: pd.DataFrame) -> None:
    """It stands between the title and what is drawn, in the figure."""
    for figure in (draw(quick), curves.draw_clusters(counts.assign(scale="quick"), "A title")):
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        stamp = part(figure, "reduced-scale").get_bbox_patch().get_window_extent(renderer)
        assert stamp.y0 > max(axes.get_tightbbox(renderer).y1 for axes in figure.axes)
        first_line = figure._suptitle.get_window_extent(renderer)
        assert stamp.y1 < first_line.y1 - first_line.height / 3
        assert stamp.x0 > 0 and stamp.x1 < figure.bbox.width


def test_reduced_scale_shows_no_published_values(
    table: pd.DataFrame, quick: pd.DataFrame, counts: pd.DataFrame
) -> None:
    """They cannot be compared, and would squash ours."""
    assert drawing.hollow(draw(table)) and not drawing.hollow(draw(quick))
    for figure in (draw(quick), curves.draw_clusters(counts.assign(scale="quick"), "A title")):
        assert not any(word in drawing.words(figure).lower() for word in ("published", "hollow"))
    assert draw(quick).axes[0].get_ylim() == draw(quick.assign(published=0.01)).axes[0].get_ylim()
    assert "published" not in curves.readable(quick).to_string()


def test_reduced_scale_cuts_no_data_off(quick: pd.DataFrame) -> None:
    bottom, top = draw(quick).axes[0].get_ylim()
    assert bottom <= 100 * quick["low"].min() and top == 100
    assert "cut at 100 %" in curves.caption(quick)


def test_a_number_of_tasks_without_runs_is_not_shown(quick: pd.DataFrame) -> None:
    unknown = make_table(row("xdg", 100, float("nan"), half=None, scale="quick"))
    more = pd.concat([quick, unknown], ignore_index=True)
    figure = draw(more)
    assert list(figure.axes[0].get_xticks()) == [2, 10]
    assert len(part(figure, "accuracy-xdg").get_ydata()) == 2


# -- words ------------------------------------------------------------------------------------------------


def test_title_and_caption_are_in_both_files(table: pd.DataFrame, quick: pd.DataFrame, tmp_path: Path) -> None:
    svg, png = saved(draw(table), tmp_path)
    for sentence in ("8 seeds.", "95 % t-interval", "Hollow: published", QUOTED):
        assert sentence in curves.caption(table)
        assert sentence.encode() in svg and sentence.encode() in png
    for scale in (table, quick):
        assert b"<dc:title>A title</dc:title>" in saved(draw(scale), tmp_path)[0]


def test_caption_of_one_seed() -> None:
    caption = curves.caption(make_table(row("prototype", 2, 0.9, half=None, n=1)))
    assert "; 1 seed." in caption and "Bars" not in caption


def test_readable_table_holds_ours_and_published(table: pd.DataFrame) -> None:
    shown = curves.readable(table).droplevel(0, axis="columns")
    assert shown.loc[("The prototype", "8 seeds"), 2] == "94.50\u00a0±\u00a00.40"
    assert shown.loc[("The prototype", "published"), 2] == "97.47"
    assert shown.loc[("The prototype_corrected", "8 seeds"), 10] == "–"
    assert len(shown) == 2 * 4 + 1
    single = make_table(row("prototype", 2, 0.9, half=None, n=1))
    assert curves.readable(single).iloc[0, 0] == "90.00"


def test_readable_table_of_other_quantities(table: pd.DataFrame, counts: pd.DataFrame) -> None:
    forgetting = curves.readable(table, curves.FORGETTING).droplevel(0, axis="columns")
    assert forgetting.loc[("The prototype", "8 seeds"), 2] == "3.50\u00a0±\u00a00.40" and len(forgetting) == 5
    clusters = curves.readable(counts, curves.CLUSTERS).droplevel(0, axis="columns")
    assert clusters.loc[("The construct_prototype", "8 seeds"), 5] == "5.50\u00a0±\u00a00.10"
    assert clusters.loc[("The construct_prototype", "published"), 2] == "2.25"


@pytest.mark.parametrize(
    ("label", "wrapped"),
    [
        ("3-layer MLP", "3-layer MLP"),
        ("Active dendrites, 10 segments", "Active dendrites,\n10 segments"),
        ("Averyveryverylongwordwithoutablank", "Averyveryverylongwordwithoutablank"),
    ],
)
def test_labels_are_wrapped_evenly(label: str, wrapped: str) -> None:
    assert style.wrap(label) == wrapped


def test_names_are_listed() -> None:
    assert style.join_names(["one"]) == "one"
    assert style.join_names(["one", "two", "three"]) == "one, two and three"
    assert style.count_seeds(pd.Series([2, 8, 8])) == "2 to 8 seeds"


def test_a_file_that_is_no_table_is_refused(table: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    table.drop(columns="low").to_csv(path, index=False)
    with pytest.raises(ValueError, match="low"):
        style.read_table(path)
    table.assign(scale=["quick"] + ["paper"] * (len(table) - 1)).to_csv(path, index=False)
    with pytest.raises(ValueError, match="scale"):
        style.read_table(path)
    table.to_csv(path, index=False)
    for kind in ("matrix", "activity", "search"):
        with pytest.raises(ValueError, match=r"columns: found .*expected also"):
            style.read_table(path, kind)
    assert np.array_equal(style.read_table(path)["quoted"], table["quoted"])
