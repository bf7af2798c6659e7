"""Figures: the same data give the same bytes, every value is drawn and none twice, reduced scale is named."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import nbformat
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from active_dendrites import plotting
from active_dendrites.config import Declarations
from active_dendrites.published import declared_rows, read_published
from active_dendrites.tables import COLUMNS

NOTEBOOKS = Path(__file__).parents[2] / "workflow" / "notebooks"
EXPERIMENTS = {
    "comparison": (60, 100),
    "mlp_comparison": (20, 100),
    "ablation": (50, 100),
}  # the paper's axes
LIMITS = (60.0, 100.0)


def row(variant: str, num_tasks: int, accuracy: float | None, half: float | None = 0.004, **other: Any) -> dict:
    """A row of a table: eight seeds, an interval of `half` to both sides and a published value of 0.95."""
    ends = {"low": accuracy - half, "high": accuracy + half} if accuracy and half else {}
    known = {"experiment": "comparison", "scale": "paper", "variant": variant, "label": f"The {variant}"}
    spread = {"n": 8 if accuracy else 0, "seeds": "1 2 3 4 5 6 7 8", "std": 0.01, "accuracy": accuracy}
    return known | spread | {"num_tasks": num_tasks, "published": 0.95} | ends | other


def make_table(*rows: dict) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS).astype({"published": float, "low": float, "high": float})


@pytest.fixture
def table() -> pd.DataFrame:
    return make_table(
        row("prototype", 2, 0.945, published=0.974744),
        row("prototype", 10, 0.9455, published=0.945509),
        row("prototype_corrected", 2, 0.9752, published=None),
        row("si_prototype", 2, 0.9765, published=0.976512),
        row("si_prototype", 10, 0.97, published=0.972305),
        row("si", 2, None, published=0.98),
        row("si", 10, None, published=0.971),
        row("xdg", 2, None, published=0.98),
        row("xdg", 10, None, published=0.972),
    )


@pytest.fixture
def quick(table: pd.DataFrame) -> pd.DataFrame:
    wide = table["accuracy"].notna()
    return table.assign(scale="quick", n=2 * wide, low=table["accuracy"] - 0.3, high=table["accuracy"] + 0.3)


def draw(table: pd.DataFrame) -> Figure:
    return plotting.draw_accuracy(table, "A title", LIMITS)


def part(figure: Figure, name: str) -> Any:
    """The one artist of that name; None if there is none."""
    found = figure.findobj(lambda artist: artist.get_gid() == name)
    assert len(found) <= 1, f"{name} is drawn {len(found)} times"
    return found[0] if found else None


def values(figure: Figure, name: str) -> list[float]:
    return [round(float(y), 4) for y in part(figure, name).get_ydata()]


def saved(figure: Figure, folder: Path, name: str = "figure") -> tuple[bytes, bytes]:
    paths = folder / f"{name}.svg", folder / f"{name}.png"
    plotting.save_figure(figure, *paths)
    return paths[0].read_bytes(), paths[1].read_bytes()


# -- styles -----------------------------------------------------------------------------------------------


def test_each_declared_variant_has_its_own_colour_and_marker(declarations: Declarations) -> None:
    variants = [name for name, declared in declarations.variants.items() if not declared.abstract]
    pairs = [plotting.style_of(variant)[:2] for variant in variants]
    assert len(set(pairs)) == len(variants)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_figure_has_one_colour_per_model(declarations: Declarations, name: str) -> None:
    """The corrected settings are the same model and share its colour."""
    experiment = declarations.experiments[name]
    variants = {*experiment.variants, *experiment.quoted} - {"prototype_corrected"}
    assert len({plotting.style_of(variant).colour for variant in variants}) == len(variants)


def test_every_style_can_be_told_from_the_others() -> None:
    pairs = [style[:2] for name, style in plotting.STYLES.items() if name != "si_mlp"]  # si, run by us
    assert len(set(pairs)) == len(pairs)
    assert plotting.style_of("prototype_corrected").colour == plotting.style_of("prototype").colour
    assert plotting.style_of("prototype_segments_10").line == "--"


def test_an_unknown_variant_has_a_style_that_lasts() -> None:
    """By its name alone: not by the order of drawing, nor by Python's salted hash."""
    style = plotting.style_of("dendrites_of_mine")
    assert style == plotting.Style("#117733", "<")
    assert style.marker not in {known.marker for known in plotting.STYLES.values()}
    assert part(draw(make_table(row("dendrites_of_mine", 2, 0.9))), "accuracy-dendrites_of_mine")


def test_unknown_variants_come_last() -> None:
    assert plotting.in_order(["zeta", "xdg", "alpha", "prototype", "xdg"]) == [
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
        "from active_dendrites import plotting as p;"
        " p.save_figure(p.draw_accuracy(p.read_table('table.csv'), 'A title', (60, 100)), 'b.svg', 'b.png')"
    )
    library = str(Path(plotting.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": library, "PYTHONHASHSEED": "17"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    here = saved(draw(plotting.read_table(tmp_path / "table.csv")), tmp_path, "a")
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
    assert values(figure, "accuracy-prototype") == [94.5, 94.55]
    assert values(figure, "accuracy-prototype_corrected") == [97.52]
    assert values(figure, "published-prototype") == [97.4744, 94.5509]
    assert values(figure, "published-si") == [98.0, 97.1]
    bars = part(figure, "interval-prototype")
    assert isinstance(bars, LineCollection)
    ends = [sorted(end[1] for end in bar) for bar in bars.get_segments()]
    assert ends == [pytest.approx([94.1, 94.9]), pytest.approx([94.15, 94.95])]


def test_hollow_means_published_and_nothing_else(table: pd.DataFrame) -> None:
    figure = draw(table)
    lines = figure.findobj(lambda artist: isinstance(artist, Line2D) and artist.get_gid())
    hollow = {line.get_gid() for line in lines if to_hex(line.get_markerfacecolor()) == "#ffffff"}
    assert hollow == {f"published-{variant}" for variant in ("prototype", "si_prototype", "si", "xdg")}
    assert part(figure, "published-prototype_corrected") is None
    assert part(figure, "accuracy-si") is None


def test_only_a_curve_without_runs_is_joined_by_dots(table: pd.DataFrame) -> None:
    figure = draw(table)
    assert part(figure, "published-si").get_linestyle() == ":"
    assert part(figure, "published-prototype").get_linestyle() == "None"
    ours = part(figure, "accuracy-prototype")
    assert ours.get_linestyle() == "-" and ours.get_color() == part(figure, "published-prototype").get_color()


def test_a_baseline_that_is_run_is_solid_beside_its_quoted_values(table: pd.DataFrame) -> None:
    run = table.assign(accuracy=table["accuracy"].mask(table["variant"] == "xdg", 0.9))
    figure = draw(run)
    assert part(figure, "accuracy-xdg").get_linestyle() == "-"
    assert part(figure, "published-xdg").get_linestyle() == "None"


def test_one_seed_is_a_point_without_interval() -> None:
    figure = draw(make_table(row("prototype", 2, 0.9, half=None, n=1), row("prototype", 5, 0.8, half=None, n=1)))
    assert values(figure, "accuracy-prototype") == [90.0, 80.0]
    assert part(figure, "interval-prototype") is None


def test_one_seed_among_others_keeps_their_intervals() -> None:
    table = make_table(row("prototype", 2, 0.9, half=None, n=1), row("prototype", 5, 0.8))
    figure = draw(table)
    assert values(figure, "accuracy-prototype") == [90.0, 80.0]
    assert len(part(figure, "interval-prototype").get_segments()) == 1
    assert "1 to 8 seeds" in plotting.caption(table) and "none for a single seed" in plotting.caption(table)


def test_without_published_values_nothing_speaks_of_them(table: pd.DataFrame) -> None:
    ours = table[table["n"] > 0].assign(published=float("nan"))
    figure = draw(ours)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["The prototype", "The prototype_corrected", "The si_prototype"]
    assert values(figure, "accuracy-si_prototype") == [97.65, 97.0]
    assert "published" not in plotting.caption(ours).lower()


def test_a_table_of_quoted_values_alone_is_drawn(table: pd.DataFrame) -> None:
    assert values(draw(table[table["n"] == 0]), "published-xdg") == [98.0, 97.2]


# -- where it is drawn ------------------------------------------------------------------------------------


def test_ticks_stand_at_the_numbers_of_tasks(table: pd.DataFrame) -> None:
    axes = draw(table).axes[0]
    assert axes.get_xscale() == "log"
    assert list(axes.get_xticks()) == [2, 10] and not list(axes.get_xticks(minor=True))


def test_limits_are_the_papers_unless_a_value_lies_outside(table: pd.DataFrame) -> None:
    assert draw(table).axes[0].get_ylim() == LIMITS
    low = pd.concat([table, make_table(row("prototype", 25, 0.57, half=0.03))], ignore_index=True)
    assert draw(low).axes[0].get_ylim() == (50, 100)


def test_a_mark_alone_stands_at_its_tick() -> None:
    figure = draw(make_table(row("prototype", 2, 0.9, published=None), row("ten_layer_mlp", 2, 0.7, published=0.7)))
    assert list(part(figure, "accuracy-prototype").get_xdata()) == [2]
    assert list(part(figure, "accuracy-ten_layer_mlp").get_xdata()) == [2]
    assert 2 < part(figure, "published-ten_layer_mlp").get_xdata()[0] < 3


@pytest.mark.parametrize("scale", ["table", "quick"])
def test_no_mark_covers_another(scale: str, request: pytest.FixtureRequest) -> None:
    figure = draw(request.getfixturevalue(scale))
    axes = figure.axes[0]
    figure.draw_without_rendering()
    points = 72 / figure.dpi
    marks = []
    for line in axes.get_lines():
        if line.get_gid():
            marks += list(points * axes.transData.transform(line.get_xydata()))
    for i, (x, y) in enumerate(marks):
        for other_x, other_y in marks[:i]:
            assert max(abs(x - other_x), abs(y - other_y)) > plotting.MARKER - 0.5
        assert axes.bbox.x0 * points < x < axes.bbox.x1 * points


# -- reduced scale ----------------------------------------------------------------------------------------


def test_reduced_scale_is_stamped(table: pd.DataFrame, quick: pd.DataFrame, tmp_path: Path) -> None:
    stamp = b"Reduced scale: not the paper's setting"
    assert stamp in saved(draw(quick), tmp_path)[0]
    assert stamp not in saved(draw(table), tmp_path)[0]
    assert part(draw(quick), "reduced-scale").get_visible()
    assert (
        stamp.decode() in plotting.readable(quick).to_html()
        and stamp.decode() not in plotting.readable(table).to_html()
    )


def test_reduced_scale_does_not_compare_with_published_values(table: pd.DataFrame, quick: pd.DataFrame) -> None:
    assert part(draw(quick), "published-prototype").get_alpha() == plotting.FADED < 1
    assert part(draw(table), "published-prototype").get_alpha() == 1
    assert "for orientation only" in plotting.caption(quick)
    assert "for orientation only" not in plotting.caption(table)
    assert any("for orientation only" in text.get_text() for text in draw(quick).legends[0].get_texts())


def test_reduced_scale_shows_no_more_tasks_than_were_run(quick: pd.DataFrame) -> None:
    more = pd.concat([quick, make_table(row("si", 100, None, scale="quick"))], ignore_index=True)
    figure = draw(more)
    assert list(figure.axes[0].get_xticks()) == [2, 10]
    assert len(part(figure, "published-si").get_ydata()) == 2


def test_reduced_scale_cuts_no_data_off(quick: pd.DataFrame) -> None:
    bottom, top = draw(quick).axes[0].get_ylim()
    assert bottom <= 100 * quick["low"].min() and top == 100
    assert "cut at 100 %" in plotting.caption(quick)


# -- words ------------------------------------------------------------------------------------------------


def test_caption_is_in_both_files(table: pd.DataFrame, tmp_path: Path) -> None:
    svg, png = saved(draw(table), tmp_path)
    for sentence in ("8 seeds.", "95 % t-interval", "Hollow: published"):
        assert sentence in plotting.caption(table)
        assert sentence.encode() in svg and sentence.encode() in png


def test_caption_of_one_seed() -> None:
    caption = plotting.caption(make_table(row("prototype", 2, 0.9, half=None, n=1)))
    assert "; 1 seed." in caption and "Bars" not in caption


def test_readable_table_holds_ours_and_published(table: pd.DataFrame) -> None:
    shown = plotting.readable(table).droplevel(0, axis="columns")
    assert shown.loc[("The prototype", "8 seeds"), 2] == "94.50\u00a0±\u00a00.40"
    assert shown.loc[("The prototype", "published"), 2] == "97.47"
    assert shown.loc[("The prototype_corrected", "8 seeds"), 10] == "–"
    assert len(shown) == 2 * 2 + 1 + 2
    single = make_table(row("prototype", 2, 0.9, half=None, n=1))
    assert plotting.readable(single).iloc[0, 0] == "90.00"


@pytest.mark.parametrize(
    "label, wrapped",
    [
        ("3-layer MLP", "3-layer MLP"),
        ("Active dendrites, 10 segments", "Active dendrites,\n10 segments"),
        ("Averyveryverylongwordwithoutablank", "Averyveryverylongwordwithoutablank"),
    ],
)
def test_labels_are_wrapped_evenly(label: str, wrapped: str) -> None:
    assert plotting.wrap(label) == wrapped


def test_a_file_that_is_no_table_is_refused(table: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    table.drop(columns="low").to_csv(path, index=False)
    with pytest.raises(ValueError, match="low"):
        plotting.read_table(path)
    table.assign(scale=["quick"] + ["paper"] * (len(table) - 1)).to_csv(path, index=False)
    with pytest.raises(ValueError, match="scale"):
        plotting.read_table(path)


# -- notebooks --------------------------------------------------------------------------------------------


def test_every_experiment_has_its_notebook(declarations: Declarations) -> None:
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} >= set(declarations.experiments)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_notebook_is_stored_without_outputs(declarations: Declarations, name: str) -> None:
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    (parameters,) = (cell for cell in code if "parameters" in cell.metadata.get("tags", []))
    given: dict[str, str] = {}
    exec(parameters.source, given)
    assert {"table", "figure_svg", "figure_png"} <= given.keys()
    assert given["title"] == declarations.experiments[name].title
    assert notebook.metadata.kernelspec.name == "python3"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_notebook_draws_its_table(declarations: Declarations, name: str, tmp_path: Path) -> None:
    """Its code, with parameters as papermill gives them, on a table that meets every published value."""
    declared = list(declared_rows(declarations, read_published(declarations), "paper", name))
    accuracies = [None if r.quoted else r.published or 0.95 for r in declared]
    rows = [
        row(r.variant, r.num_tasks, accuracy, published=r.published)
        for r, accuracy in zip(declared, accuracies, strict=True)
    ]
    make_table(*rows).to_csv(tmp_path / "table.csv", index=False)
    names = {"table": "table.csv", "figure_svg": "new/figure.svg", "figure_png": "new/figure.png"}
    scope: dict[str, Any] = {"title": "A title"} | {key: str(tmp_path / file) for key, file in names.items()}
    for cell in nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells:
        if cell.cell_type == "code" and "parameters" not in cell.metadata.get("tags", []):
            exec(cell.source, scope)
    svg = (tmp_path / "new" / "figure.svg").read_text(encoding="utf-8")
    assert (tmp_path / "new" / "figure.png").stat().st_size > 10_000
    for r in declared:
        assert f'id="{"published" if r.quoted else "accuracy"}-{r.variant}"' in svg
    assert scope["figure"].axes[0].get_ylim() == EXPERIMENTS[name]
