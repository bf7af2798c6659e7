"""Heat maps: every cell is drawn and none that was not measured, on one scale of colours; words and numbers fit."""

from pathlib import Path

import drawing
import numpy as np
import pandas as pd
import pytest
from drawing import NONE, activity, cells, matrix, part, saved
from matplotlib.figure import Figure

from active_dendrites.figures import heat_maps as panels


@pytest.fixture
def matrices() -> pd.DataFrame:
    rows = matrix("prototype") + matrix("xdg", measured=[3], label="XdG (told the task at test)")
    return pd.DataFrame(rows, columns=drawing.MATRIX)


def draw(table: pd.DataFrame) -> Figure:
    return panels.draw_matrices(table, "A title")


def draw_activity(table: pd.DataFrame) -> Figure:
    return panels.draw_activity(table, "A title")


# -- accuracy matrices --------------------------------------------------------------------------------------


def test_every_measured_cell_is_drawn_and_no_other(matrices: pd.DataFrame) -> None:
    figure = draw(matrices)
    complete = [[90, NONE, NONE], [80, 90, NONE], [70, 80, 90]]
    np.testing.assert_allclose(cells(figure, "matrix-prototype-3"), complete)
    diagonal_and_last = [[90, NONE, NONE], [NONE, 90, NONE], [70, 80, 90]]
    np.testing.assert_allclose(cells(figure, "matrix-xdg-3"), diagonal_and_last)


def test_a_cell_stands_at_its_task_and_the_first_task_above(matrices: pd.DataFrame) -> None:
    axes = part(draw(matrices), "matrix-prototype-3").axes
    corners = part(draw(matrices), "matrix-prototype-3").get_coordinates()
    assert corners[0, 0].tolist() == [0.5, 0.5] and corners[-1, -1].tolist() == [3.5, 3.5]
    assert axes.get_xlim() == (0.5, 3.5) and axes.get_ylim() == (3.5, 0.5)


def test_all_panels_share_one_scale_of_colours(matrices: pd.DataFrame) -> None:
    figure = draw(matrices)
    scales = {part(figure, f"matrix-{variant}-3").get_clim() for variant in ("prototype", "xdg")}
    assert scales == {(70.0, 100.0)}
    assert [axes.get_ylabel() for axes in figure.axes].count("Accuracy, %") == 1


def test_the_average_is_that_after_the_last_task(matrices: pd.DataFrame) -> None:
    figure = draw(matrices)
    assert part(figure, "average-prototype-3").get_text() == "80.0 %"
    unfinished = matrices[(matrices["variant"] == "xdg") & (matrices["task"] != 1)]
    assert part(draw(unfinished), "average-xdg-3") is None


def test_panels_stand_in_the_order_of_legends_with_their_labels(matrices: pd.DataFrame) -> None:
    figure = draw(matrices.iloc[::-1])
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[:2] == ["The prototype", "XdG (told the\ntask at test)"]
    assert "XdG is told at test which task an image is from" in figure.get_supxlabel()


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (5, (2, 4)), (12, (3, 4))])
def test_up_to_twelve_variants_have_a_panel_each(count: int, shape: tuple[int, int]) -> None:
    rows = [row for number in range(count) for row in matrix(f"variant_{number:02}", 10)]
    figure = draw(pd.DataFrame(rows, columns=drawing.MATRIX))
    grid = figure.axes[0].get_subplotspec().get_gridspec()
    assert (grid.nrows, grid.ncols) == shape
    drawn = [name for name in drawing.names(figure) if name.startswith("matrix-")]
    assert len(drawn) == count
    shown = [axes for axes in figure.axes[: shape[0] * shape[1]] if axes.axison]
    assert len(shown) == count


def test_the_same_variant_at_two_numbers_of_tasks_has_two_panels() -> None:
    table = pd.DataFrame(matrix("prototype", 2) + matrix("prototype", 3), columns=drawing.MATRIX)
    figure = draw(table)
    assert cells(figure, "matrix-prototype-2").shape == (2, 2)
    assert cells(figure, "matrix-prototype-3").shape == (3, 3)
    assert figure.axes[0].get_title(loc="left") == "The prototype (2 tasks)"
    shown = panels.readable_averages(table).droplevel(0, axis="columns")
    assert shown.loc[("The prototype", "3 tasks"), 3] == "80.00"


def test_a_single_task_is_drawn() -> None:
    figure = draw(pd.DataFrame(matrix("prototype", 1), columns=drawing.MATRIX))
    np.testing.assert_allclose(cells(figure, "matrix-prototype-1"), [[90]])


def test_matrices_are_stamped_named_and_the_same_again(matrices: pd.DataFrame, tmp_path: Path) -> None:
    first = saved(draw(matrices), tmp_path)
    assert saved(draw(matrices.sample(frac=1, random_state=1)), tmp_path, "again") == first
    assert b"mean over 8 seeds" in first[0] and b"Reduced scale" not in first[0]
    quick = saved(draw(matrices.assign(scale="quick", n=1)), tmp_path, "quick")
    assert b"Reduced scale" in quick[0] and b"mean over 1 seed" not in quick[0] and b"1 seed" in quick[0]


def test_readable_averages_hold_what_was_tested(matrices: pd.DataFrame) -> None:
    shown = panels.readable_averages(matrices).droplevel(0, axis="columns")
    assert list(shown.loc[("The prototype", "3 tasks")]) == ["90.00", "85.00", "80.00"]
    assert list(shown.loc[("XdG (told the task at test)", "3 tasks")]) == ["90.00", "–", "80.00"]
    assert "Reduced scale" in panels.readable_averages(matrices.assign(scale="quick")).to_html()


# -- hidden activations -------------------------------------------------------------------------------------


def test_every_activity_is_drawn_from_white_to_the_largest() -> None:
    figure = draw_activity(activity())
    drawn = cells(figure, "activity")
    assert drawn.shape == (3, 64)
    expected = [[(task + unit) % 10 / 20 for unit in range(1, 65)] for task in range(1, 4)]
    np.testing.assert_allclose(drawn, expected)
    mesh = part(figure, "activity")
    assert mesh.get_clim() == (0, 0.45)
    assert mesh.to_rgba(0.0) == (1, 1, 1, 1)
    red, green, blue, _ = mesh.to_rgba(0.45)
    assert green > red and green > blue


def test_every_overlap_is_drawn_with_its_number() -> None:
    figure = draw_activity(activity())
    np.testing.assert_allclose(cells(figure, "overlap"), 0.2 + 0.8 * np.eye(3))
    assert part(figure, "overlap").get_clim() == (0, 1)
    numbers = [text.get_text() for text in part(figure, "overlap").axes.texts]
    assert numbers.count("1") == 3 and numbers.count(".20") == 6


def test_the_mean_overlap_is_that_of_different_tasks_against_chance() -> None:
    figure = draw_activity(activity())
    assert list(part(figure, "mean-value").get_xdata()) == pytest.approx([0.2, 0.2])
    assert list(part(figure, "mean-chance").get_xdata()) == pytest.approx([0.1, 0.1])
    assert len(part(figure, "pairs-value").get_xdata()) == len(part(figure, "pairs-chance").get_xdata()) == 3
    texts = drawing.words(figure)
    assert "mean 0.200 ± 0.030" in texts and "mean 0.100" in texts


def test_one_seed_has_no_spread() -> None:
    figure = draw_activity(activity(n=1))
    assert "±" not in drawing.words(figure)
    assert "one seed" in figure.get_supxlabel() and "first seed" not in figure.get_supxlabel()
    assert "the first seed" in draw_activity(activity(n=8)).get_supxlabel()


def test_the_caption_says_what_was_tested() -> None:
    caption = draw_activity(activity(num_tasks=10)).get_supxlabel().replace("\n", " ")
    assert "After 10 tasks, on each task's whole test set, contexts inferred" in caption


def test_one_task_has_no_pairs() -> None:
    figure = draw_activity(activity(num_tasks=1))
    assert part(figure, "pairs-value") is None
    np.testing.assert_allclose(cells(figure, "overlap"), [[1]])


def test_units_that_are_never_on_are_white() -> None:
    table = activity()
    table.loc[table["panel"] == "activity", "value"] = 0.0
    mesh = part(draw_activity(table), "activity")
    assert mesh.to_rgba(0.0) == (1, 1, 1, 1)


def test_two_networks_in_one_table_are_refused() -> None:
    two = pd.concat([activity(), activity(variant="other")], ignore_index=True)
    with pytest.raises(ValueError, match=r"variant, num_tasks: found .*'other'.*, expected one"):
        draw_activity(two)


def test_activities_are_stamped_and_the_same_again(tmp_path: Path) -> None:
    first = saved(draw_activity(activity()), tmp_path)
    assert saved(draw_activity(activity().sample(frac=1, random_state=1)), tmp_path, "again") == first
    assert b"Reduced scale" not in first[0]
    assert b"Reduced scale" in saved(draw_activity(activity(scale="quick")), tmp_path, "quick")[0]


def test_readable_overlaps() -> None:
    shown = panels.readable_overlaps(activity()).droplevel(0, axis="columns")
    assert shown.loc[1, 2] == "0.200" and shown.loc[3, 3] == "1.000" and shown.shape == (3, 3)


@pytest.mark.parametrize(("count", "ticks"), [(1, [1]), (10, list(range(1, 11))), (64, [1, *range(8, 65, 8)])])
def test_ticks_are_few(count: int, ticks: list[int]) -> None:
    assert panels.tick_numbers(count) == ticks
