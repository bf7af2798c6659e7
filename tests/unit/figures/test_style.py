"""Labels are text in every figure, whatever they say."""

import warnings
from pathlib import Path

import drawing
import pandas as pd
import pytest
from drawing import make_search, make_table, row, saved, sweep, words
from matplotlib.text import Text

from active_dendrites.evaluation.tables import write_table
from active_dendrites.figures import curves, heat_maps, search_lines, searches, style

TEXTS = ["None", "NA", "nan", "null", "N/A", "10", "1.0", "True", "0x1F", "1e5", "2024-01-01", "_hidden", '"quoted"']


def tables(text: str) -> dict[str, pd.DataFrame]:
    """One of each kind, in which whatever is a user's text is this."""
    return {
        "summary": make_table(row("prototype", 2, 0.9), row(text, 2, 0.8, label=text)),
        "matrix": pd.DataFrame(drawing.matrix(text, 3, label=text), columns=drawing.MATRIX),
        "activity": drawing.activity(3, variant=text, label=text),
        "search": make_search(sweep("segment_search", 10, [0.9, 0.8])).assign(label=text, variant=text),
    }


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("kind", ["summary", "matrix", "activity", "search"])
def test_labels_are_read_as_they_were_written(kind: str, text: str, tmp_path: Path) -> None:
    table = tables(text)[kind]
    write_table(tmp_path / "table.csv", table)
    read = style.read_table(tmp_path / "table.csv", kind)
    for column in table:
        if column in style.TEXT:
            assert read[column].tolist() == table[column].astype(str).tolist()
        else:
            assert read[column].to_numpy(float) == pytest.approx(table[column].to_numpy(float), nan_ok=True)


@pytest.mark.parametrize("text", [*TEXTS, "$x_1$ for $5", r"$\frac$", "50 % & <more>", "#1"])
def test_labels_are_drawn_as_they_were_written(text: str, tmp_path: Path) -> None:
    table = tables(text)
    write_table(tmp_path / "table.csv", table["summary"])
    figure = curves.draw_accuracy(style.read_table(tmp_path / "table.csv"), text, (60, 100))
    assert words(figure).count(text) >= 2  # title and legend
    saved(figure, tmp_path)
    assert not any(part.get_parse_math() for part in figure.findobj(Text) if "$" in part.get_text())
    assert text in words(heat_maps.draw_matrices(table["matrix"], "A title"))


@pytest.mark.parametrize("text", TEXTS)
def test_tables_for_eyes_show_labels_as_they_were_written(text: str) -> None:
    table = tables(text)
    assert text in curves.readable(table["summary"]).to_string()
    assert text in heat_maps.readable_averages(table["matrix"]).to_string()
    assert text in searches.readable(table["search"]).to_string()


def test_characters_that_the_font_lacks_are_said_once(tmp_path: Path) -> None:
    """In one line, whatever the number of characters, places and files."""
    table = make_table(row("mine", 2, 0.9, label="樹状突起 μ"), row("other", 2, 0.8, label="树突 é"))
    figure = curves.draw_accuracy(table, "樹", (60, 100))
    with pytest.warns(UserWarning) as said:
        saved(figure, tmp_path)
    (line,) = (str(warning.message) for warning in said)
    assert line == "font DejaVu Sans: found no glyph for 树樹状突起, drawn as boxes, expected others"


def test_characters_that_the_font_has_need_no_word(tmp_path: Path) -> None:
    table = make_table(row("mine", 2, 0.9, label="Ωμέγα, η ≤ 5 %, ± é ß"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        saved(curves.draw_accuracy(table, "A title", (60, 100)), tmp_path)


def test_ticks_are_numbers_without_mathematics(tmp_path: Path) -> None:
    """Matplotlib writes those of log axes as formulas unless it is told another form."""
    counts = make_table(drawing.found(2, 2.0, 2.25), drawing.found(100, 110.0, 111.0))
    lines = make_search(*[sweep("segment_search", 10, [0.9], segments_per_unit=s) for s in (2, 10, 1000)])
    for figure in (curves.draw_clusters(counts, "A title"), search_lines.draw_search_lines(lines, "A title")):
        saved(figure, tmp_path)
        assert "$" not in words(figure)
