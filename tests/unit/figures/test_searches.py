"""Figures of the searches: every run or mean is drawn at its value, whatever the table has and lacks."""

from collections.abc import Callable
from pathlib import Path

import drawing
import numpy as np
import pandas as pd
import pytest
from drawing import make_search, part, saved, sweep, values
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import stats

from active_dendrites.figures import rain_clouds as clouds
from active_dendrites.figures import search_lines as sweeps
from active_dendrites.figures import searches

TEN = [0.90, 0.91, 0.915, 0.92, 0.92, 0.925, 0.93, 0.93, 0.935, 0.95]
TWO = [0.90, 0.92]
KNOWN = (0.94, 0.004)


def three(finals: list[float], after: tuple[int, ...] = (1, 2)) -> list[list[dict]]:
    """The three searches at 10 and 50 tasks, two values each; of weight sparsity nothing is published."""
    rows = []
    for count in (10, 50):
        rows += [sweep("segment_search", count, finals, after, KNOWN, segments_per_unit=s) for s in (2, 100)]
        for density in (0.05, 0.9):
            more = {"winner_density": density, "segments_per_unit": count}
            rows.append(sweep("kw_sparsity_search", count, finals, after, KNOWN, **more))
        rows += [sweep("w_sparsity_search", count, finals, after, weight_sparsity=q) for q in (0.5, 0.99)]
    return rows


def cross(finals: list[float], segments: tuple[int, ...] = (5, 100), sparsities: tuple[float, ...] = (0.5, 0.9)):
    names = ("segments_per_unit", "winner_density", "weight_sparsity", "learning_rate")
    return make_search(
        *(
            sweep("cross_search", 10, finals, **dict(zip(names, (s, p, q, rate), strict=True)))
            for s in segments
            for p in (0.05, 0.99)
            for q in sparsities
            for rate in (5e-4, 5e-3)
        )
    )


def strengths(finals: list[float]) -> pd.DataFrame:
    return make_search(
        *(sweep("si_masse", 10, finals, strength=c, damping=xi) for c in (0.0, 0.1, 0.2) for xi in (0.001, 0.01))
    )


def si(finals: list[float]) -> pd.DataFrame:
    rows = [sweep(name, 10, finals, segments_per_unit=s) for name in (sweeps.BOTH, sweeps.CONTROL) for s in (2, 100)]
    return make_search(*rows, sweep(sweeps.ALONE, 50, finals, segments_per_unit=50))


def lines(finals: list[float]) -> pd.DataFrame:
    worse = [final - 0.03 for final in finals]
    optimal = sweep("optimal", 50, worse, segments_per_unit=100, winner_density=0.05)
    return make_search(*three(finals), optimal)


FIGURES: dict[str, tuple[Callable[..., Figure], Callable[..., pd.DataFrame]]] = {
    "clouds": (clouds.draw_clouds, lambda finals: make_search(*three(finals))),
    "curves": (sweeps.draw_search_curves, lambda finals: make_search(*three(finals))),
    "lines": (sweeps.draw_search_lines, lines),
    "si": (sweeps.draw_si_search, si),
    "cross": (sweeps.draw_cross_search, cross),
    "strengths": (sweeps.draw_strengths, strengths),
}


def panel_of(figure: Figure, name: str) -> tuple[int, int]:
    """Row and column of the panel that a part is in."""
    place = part(figure, name).axes.get_subplotspec()
    return place.rowspan.start, place.colspan.start


# -- what all have in common ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("finals", [[0.9], TWO, [0.9] * 6, TEN], ids=["one", "two", "equal", "ten"])
def test_any_number_of_seeds_is_drawn(name: str, finals: list[float]) -> None:
    draw, table = FIGURES[name]
    figure = draw(table(finals), "A title")
    figure.draw_without_rendering()
    seeds = "1 seed" if len(finals) == 1 else f"{len(finals)} seeds"
    assert f"; {seeds} per setting" in " ".join(figure.get_supxlabel().split())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", FIGURES)
def test_what_was_not_run_is_missing_and_said(name: str) -> None:
    draw, make = FIGURES[name]
    table = make(TWO)
    of_first = (table["variant"] == table["variant"].iloc[0]) & (table["num_tasks"] == table["num_tasks"].iloc[0])
    first = table[of_first & (table["after_task"] == table["num_tasks"])].iloc[[0]]
    partly_run = pd.concat([table[~of_first], first.assign(accuracy=np.nan, seed=np.nan)], ignore_index=True)
    figure = draw(partly_run, "A title")
    figure.draw_without_rendering()
    total = len(table[["variant", "num_tasks"]].drop_duplicates())
    if name == "lines":
        total -= 4  # weight sparsity has no line
    assert f"1 of {total} points were not run yet" in " ".join(figure.get_supxlabel().split())


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_data_give_the_same_bytes_and_reduced_scale_is_stamped(name: str, tmp_path: Path) -> None:
    draw, make = FIGURES[name]
    table = make(TEN)
    first = saved(draw(table, "A title"), tmp_path)
    assert saved(draw(table.sample(frac=1, random_state=1), "A title"), tmp_path, "again") == first
    assert b"Reduced scale" not in first[0]
    quick = draw(table.assign(scale="quick"), "A title")
    assert b"Reduced scale" in saved(quick, tmp_path, "quick")[0]
    assert not drawing.hollow(quick)
    assert "published" not in drawing.words(quick).lower()


@pytest.mark.parametrize("name", sorted({*FIGURES} - {"curves"}))
def test_reduced_scale_draws_points_alone(name: str) -> None:
    """A line through two points of one seed would promise a trend."""
    draw, make = FIGURES[name]
    assert joining_lines(draw(make(TWO).assign(scale="quick"), "A title")) == set()
    assert (joining_lines(draw(make(TWO), "A title")) == set()) == (name == "clouds")


def joining_lines(figure: Figure) -> set[str]:
    lines = figure.findobj(lambda artist: isinstance(artist, Line2D) and (artist.get_gid() or "").startswith("line-"))
    return {line.get_gid() for line in lines if line.get_linestyle() != "None"}


@pytest.mark.parametrize("name", FIGURES)
def test_a_table_without_the_search_is_refused(name: str) -> None:
    draw, _ = FIGURES[name]
    with pytest.raises(ValueError, match=r"search: found other, expected one of \w+"):
        draw(make_search(sweep("other", 10, TWO)), "A title")


@pytest.mark.parametrize("name", FIGURES)
def test_hollow_means_published_and_nothing_else(name: str) -> None:
    draw, make = FIGURES[name]
    table = make(TEN)
    hollow = drawing.hollow(draw(table, "A title"))
    assert all(gid.startswith("published-") for gid in hollow)
    assert bool(hollow) == (name in {"clouds", "lines"})
    without = draw(table.assign(published=np.nan, published_std=np.nan), "A title")
    assert drawing.hollow(without) == set() and "ublished" not in drawing.words(without)


# -- means ----------------------------------------------------------------------------------------------------


def test_means_have_the_t_interval_of_scipy() -> None:
    runs = searches.final_runs(make_search(sweep("segment_search", 10, TEN, published=KNOWN)))
    (row,) = searches.means(runs, ["variant"]).to_dict("records")
    low, high = stats.t.interval(0.95, 9, 100 * np.mean(TEN), stats.sem(100 * np.array(TEN)))
    assert (row["n"], row["value"]) == (10, pytest.approx(100 * np.mean(TEN)))
    assert (row["low"], row["high"]) == (pytest.approx(low), pytest.approx(high))
    assert (row["published"], row["published_std"]) == (pytest.approx(94), pytest.approx(0.4))


def test_an_interval_ends_at_100_percent() -> None:
    runs = searches.final_runs(make_search(sweep("segment_search", 10, [0.9, 0.99])))
    (row,) = searches.means(runs, ["variant"]).to_dict("records")
    assert row["high"] == 100 and row["low"] < 90


def test_a_run_that_was_cut_off_is_named() -> None:
    table = make_search(sweep("segment_search", 10, TWO, (1, 2), segments_per_unit=5))
    table = table[~((table["seed"] == 2) & (table["after_task"] == 10))]
    with pytest.raises(
        ValueError, match="segment_search-5, 10 tasks, seed 2: accuracy: found nothing, expected one after task 10"
    ):
        searches.final_runs(table)


def test_a_search_without_its_value_is_named() -> None:
    table = make_search(sweep("kw_sparsity_search", 10, TWO, winner_density=np.nan))
    with pytest.raises(ValueError, match="kw_sparsity_search-nan: winner_density: found nothing"):
        clouds.draw_clouds(table, "A title")


def test_readable_table_has_a_row_per_variant_in_order() -> None:
    rows = [sweep("segment_search", 10, TWO, (1,), KNOWN, segments_per_unit=s) for s in (2, 100, 10)]
    shown = searches.readable(make_search(*rows)).droplevel(0, axis="columns")
    names = [f"segment_search-{s}" for s in (2, 100, 10)]
    assert list(dict.fromkeys(shown.index.get_level_values(0))) == names
    assert shown.loc[("segment_search-2", "2 seeds"), 10].startswith("91.00\u00a0±")
    assert shown.loc[("segment_search-2", "published"), 10] == "94.00"


# -- rain clouds ----------------------------------------------------------------------------------------------


def test_every_run_is_a_point() -> None:
    table = make_search(*three(TEN))
    figure = clouds.draw_clouds(table, "A title")
    for search in searches.SWEEPS:
        for count in (10, 50):
            assert sorted(values(figure, f"runs-{search}-{count}")) == sorted(2 * [round(100 * a, 4) for a in TEN])


def test_panels_stand_by_search_and_number_of_tasks_under_the_right_words() -> None:
    figure = clouds.draw_clouds(make_search(*three(TEN)), "A title")
    for column, search in enumerate(searches.SWEEPS):
        for row, count in enumerate((10, 50)):
            assert panel_of(figure, f"runs-{search}-{count}") == (row, column)
    labels = [axes.get_xlabel() for axes in figure.axes[:3]]
    assert labels == [
        "Segments per unit, S",
        "Activation density, p",
        "Weight sparsity (fraction of zeros), q",
    ]
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[1] == "10 tasks; S = 10, q = 0.5" and titles[4] == "50 tasks; S = 50, q = 0.5"
    ticks = [[text.get_text() for text in axes.get_xticklabels()] for axes in figure.axes[:3]]
    assert ticks == [["2", "100"], ["0.05", "0.9"], ["0.5", "0.99"]]


def test_a_run_stands_at_its_value() -> None:
    rows = [sweep("segment_search", 10, [final] * 6, segments_per_unit=s) for s, final in ((2, 0.8), (10, 0.9))]
    x, y = part(clouds.draw_clouds(make_search(*rows), "A title"), "runs-segment_search-10").get_data()
    assert {(round(place), value) for place, value in zip(x, y, strict=True)} == {(0, 80.0), (1, 90.0)}


def test_few_or_equal_runs_are_points_alone() -> None:
    enough = clouds.draw_clouds(make_search(*three(TEN)), "A title")
    assert part(enough, "cloud-segment_search-10-2") is not None
    assert "density" in enough.get_supxlabel()
    for finals in (TWO, [0.9]):
        few = clouds.draw_clouds(make_search(*three(finals)), "A title")
        assert not any(name.startswith("cloud-") for name in drawing.names(few))
        assert "density, and a box" not in few.get_supxlabel()
        assert sorted(values(few, "runs-w_sparsity_search-50")) == sorted(2 * [100 * final for final in finals])
    equal = clouds.draw_clouds(make_search(*three([0.9] * 6)), "A title")
    assert part(equal, "cloud-segment_search-10-2") is None


def test_a_cloud_keeps_to_its_room_and_to_100_percent() -> None:
    figure = clouds.draw_clouds(make_search(sweep("segment_search", 10, [0.9, 0.95, 0.99, 0.999, 1.0])), "A title")
    (path,) = part(figure, "cloud-segment_search-10-10").get_paths()
    assert path.vertices[:, 1].max() <= 100
    assert path.vertices[:, 0].min() > 0 and path.vertices[:, 0].max() < 0.5


def test_published_means_stand_beside_with_their_spread() -> None:
    figure = clouds.draw_clouds(make_search(*three(TEN)), "A title")
    assert values(figure, "published-segment_search-50") == [94, 94]
    assert part(figure, "published-w_sparsity_search-50") is None
    (bar, _) = part(figure, "published-std-segment_search-50").get_segments()
    assert sorted(bar[:, 1]) == pytest.approx([93.6, 94.4])
    assert "Hollow: published, mean and standard deviation." in " ".join(figure.get_supxlabel().split())


@pytest.mark.parametrize(("draw", "name"), [(clouds.draw_clouds, "runs"), (sweeps.draw_search_curves, "curve")])
def test_a_search_may_be_missing(draw: Callable[..., Figure], name: str) -> None:
    """One of the six leaves an empty panel that says so; a whole one, or all of a number of tasks, leaves none."""
    table = make_search(*three(TEN))
    kept = table[~((table["search"] == "kw_sparsity_search") & (table["num_tasks"] == 50))]
    figure = draw(kept, "A title")
    assert len(figure.axes) == 6
    silent = [axes for axes in figure.axes if not axes.axison]
    assert [text.get_text() for axes in silent for text in axes.texts] == ["no runs"]
    assert len(draw(table[table["search"] != "kw_sparsity_search"], "A title").axes) == 4
    assert len(draw(table[table["num_tasks"] == 50], "A title").axes) == 3
    alone = draw(make_search(sweep("w_sparsity_search", 7, TWO)), "A title")
    assert any(part.startswith(f"{name}-w_sparsity_search-7") for part in drawing.names(alone))


# -- curves over tasks ------------------------------------------------------------------------------------------


def test_every_mean_over_seeds_is_drawn_after_each_task() -> None:
    figure = sweeps.draw_search_curves(make_search(*three(TWO)), "A title")
    curve = part(figure, "curve-kw_sparsity_search-50-0.9")
    assert list(curve.get_xdata()) == [1, 2, 50]
    assert list(curve.get_ydata()) == pytest.approx([97, 97, 91])
    assert panel_of(figure, "curve-kw_sparsity_search-50-0.9") == (1, 1)
    curves = [name for name in drawing.names(figure) if name.startswith("curve-")]
    assert len(curves) == 12


def test_a_value_keeps_its_colour_in_order() -> None:
    table = make_search(*three(TWO))
    table = table[~((table["num_tasks"] == 50) & (table["segments_per_unit"] == 2))]
    figure = sweeps.draw_search_curves(table, "A title")
    first, last = (part(figure, f"curve-segment_search-10-{value}").get_color() for value in (2, 100))
    assert part(figure, "curve-segment_search-50-100").get_color() == last != first
    shades = list(searches.sequential([30, 2, 10, 5]).items())
    assert [value for value, _ in shades] == [2, 5, 10, 30]
    lightness = [sum(int(shade[i : i + 2], 16) for i in (1, 3, 5)) for _, shade in shades]
    assert lightness == sorted(lightness)
    legend = figure.axes[0].get_legend()
    assert legend.get_title().get_text() == "S" and [text.get_text() for text in legend.get_texts()] == ["2", "100"]


# -- lines ------------------------------------------------------------------------------------------------------


def test_lines_hold_means_intervals_and_published_values() -> None:
    figure = sweeps.draw_search_lines(lines(TEN), "A title")
    mean = pytest.approx([100 * np.mean(TEN)] * 2)
    for name, x in (("segment_search-50", [2, 100]), ("kw_sparsity_search-10", [0.05, 0.9])):
        assert values(figure, name) == mean and list(part(figure, name).get_xdata()) == x
        assert values(figure, f"published-{name}") == [94, 94]
        assert list(part(figure, f"published-{name}").get_xdata()) == x
        assert len(part(figure, f"interval-{name}").get_segments()) == 2
    assert not any("-w_sparsity" in f"-{name}" for name in drawing.names(figure))
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert labels == ["Segments per unit, S (log scale)", "Activation density, p"]


def test_what_is_fixed_is_named_once_or_by_number_of_tasks() -> None:
    titles = [axes.get_title(loc="left") for axes in sweeps.draw_search_lines(lines(TWO), "A title").axes]
    assert titles == ["p = 0.1, q = 0.5", "10 tasks: S = 10, q = 0.5\n50 tasks: S = 50, q = 0.5"]


def test_optimal_is_a_star_with_its_settings() -> None:
    figure = sweeps.draw_search_lines(lines(TWO), "A title")
    star = part(figure, "optimal-50")
    assert list(star.get_xdata()) == [100] and list(star.get_ydata()) == pytest.approx([88])
    assert star.get_marker() == "*" and star.get_zorder() < part(figure, "segment_search-50").get_zorder()
    assert star.get_color() == part(figure, "segment_search-50").get_color()
    assert "optimal, 50 tasks:\nS = 100, p = 0.05, q = 0.5" in drawing.words(figure)
    without = sweeps.draw_search_lines(make_search(*three(TWO)), "A title")
    assert part(without, "optimal-50") is None and "optimal" not in drawing.words(without)


def test_the_axis_reaches_optimal() -> None:
    table = lines(TWO)
    table = table[(table["search"] == "optimal") | (table["segments_per_unit"] != 100)]
    axes = sweeps.draw_search_lines(table, "A title").axes[0]
    assert list(axes.get_xticks()) == [2, 100] and axes.get_xlim()[1] > 100


def test_one_of_the_lines_may_be_missing() -> None:
    table = lines(TWO)
    figure = sweeps.draw_search_lines(table[table["search"] != "segment_search"], "A title")
    assert len(figure.axes) == 1
    assert list(part(figure, "optimal-50").get_xdata()) == [0.05]


# -- Synaptic Intelligence --------------------------------------------------------------------------------------


def test_si_on_dendrites_or_not_are_two_lines_and_a_star() -> None:
    figure = sweeps.draw_si_search(si(TWO), "A title")
    for name in (sweeps.BOTH, sweeps.CONTROL):
        assert values(figure, f"{name}-10") == [91, 91]
        assert list(part(figure, f"{name}-10").get_xdata()) == pytest.approx([2, 100], rel=0.05)
        assert panel_of(figure, f"{name}-10") == (0, 0)
    star = part(figure, f"{sweeps.ALONE}-50")
    assert star.get_marker() == "*" and list(star.get_xdata()) == [50]
    assert panel_of(figure, f"{sweeps.ALONE}-50") == (0, 1)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["10 tasks", "50 tasks"]
    legend = [text.get_text().replace("\n", " ") for text in figure.axes[-1].get_legend().get_texts()]
    assert legend == list(sweeps.SI_LABELS.values())


@pytest.mark.parametrize("name", sweeps.SI_LABELS)
def test_one_of_the_si_searches_alone_is_drawn(name: str) -> None:
    table = si(TWO)
    figure = sweeps.draw_si_search(table[table["search"] == name], "A title")
    assert len(figure.axes) == 1 and len(figure.axes[0].get_legend().get_texts()) == 1
    assert "apart" not in figure.get_supxlabel()


def test_strengths_stand_at_equal_distances_from_zero() -> None:
    figure = sweeps.draw_strengths(strengths(TEN), "A title")
    for damping in ("0.001", "0.01"):
        line = part(figure, f"damping-10-{damping}")
        assert list(line.get_xdata()) == [0, 1, 2]
        assert list(line.get_ydata()) == pytest.approx([100 * np.mean(TEN)] * 3)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "0.1", "0.2"]
    legend = axes.get_legend()
    assert legend.get_title().get_text() == "Damping, ξ"
    assert [text.get_text() for text in legend.get_texts()] == ["0.001", "0.01"]


# -- the cross search -------------------------------------------------------------------------------------------


def test_the_cross_search_has_a_panel_per_segments_and_sparsity() -> None:
    figure = sweeps.draw_cross_search(cross(TEN), "A title")
    for column, segments in enumerate((5, 100)):
        for row, sparsity in enumerate((0.5, 0.9)):
            for rate in ("0.0005", "0.005"):
                name = f"learning_rate-10-{segments}-{sparsity}-{rate}"
                assert list(part(figure, name).get_ydata()) == pytest.approx([100 * np.mean(TEN)] * 2)
                assert panel_of(figure, name) == (row, column)
            assert part(figure, name).axes.get_title(loc="left") == f"S = {segments}, q = {sparsity}, 10 tasks"
    assert [text.get_text() for text in figure.axes[1].get_legend().get_texts()] == ["0.0005", "0.005"]
    assert figure.axes[-1].get_xlabel() == "Activation density, p"


def test_panels_of_the_cross_search_share_the_axis() -> None:
    table = cross([0.9])
    table.loc[table["segments_per_unit"] == 5, "accuracy"] = 0.3
    limits = {axes.get_ylim() for axes in sweeps.draw_cross_search(table, "A title").axes}
    ((bottom, top),) = limits
    assert 20 < bottom < 30 and 90 < top < 100


def test_a_single_combination_is_drawn() -> None:
    figure = sweeps.draw_cross_search(cross([0.9], segments=(5,), sparsities=(0.5,)), "A title")
    assert len(figure.axes) == 1 and values(figure, "learning_rate-10-5-0.5-0.005") == [90, 90]
