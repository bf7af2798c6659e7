"""Labels are text in every figure, whatever they say; styles can be told apart, by everyone."""

import warnings
from itertools import combinations
from pathlib import Path

import drawing
import numpy as np
import pandas as pd
import pytest
from drawing import make_search, make_table, row, saved, sweep, words
from matplotlib.colors import to_rgb
from matplotlib.markers import MarkerStyle
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
def test_tables_for_a_person_show_labels_as_they_were_written(text: str) -> None:
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


# -- styles -----------------------------------------------------------------------------------------------

# How colours are seen, in linear RGB. Source: Machado, Oliveira and Fernandes, A physiologically-based model for
# simulation of color vision deficiency, IEEE TVCG 2009, severity 1.
VISION = {
    "full": np.eye(3),
    "without red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "without green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "without blue": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> np.ndarray:
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(colour: str, vision: str) -> np.ndarray:
    """CIE L*a*b* of a colour as it is seen."""
    xyz = TO_XYZ @ np.clip(np.array(VISION[vision]) @ linear(colour), 0, 1) / TO_XYZ.sum(1)
    x, y, z = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def area(mark: style.Style) -> float:
    """Of its marker at size 1."""
    marker = MarkerStyle(mark.marker)
    path = marker.get_path().transformed(marker.get_transform().scale(mark.size(1)))
    (x, y) = path.to_polygons()[0].T
    return abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2


FALLBACKS = [style.Style(colour, marker) for colour in style.FALLBACK_COLOURS for marker in style.FALLBACK_MARKERS]


@pytest.mark.parametrize("vision", VISION)
def test_styles_differ_in_marker_or_in_a_colour_that_everyone_can_tell(vision: str) -> None:
    """A difference of 2.3 is just noticed side by side; 10 is seen across a figure."""
    for one, other in combinations([*style.STYLES.values(), *FALLBACKS], 2):
        apart = np.linalg.norm(lab(one.colour, vision) - lab(other.colour, vision))
        assert one.marker != other.marker or apart > 10, (one, other)


def test_variants_of_one_s_own_are_as_strong_as_ours() -> None:
    """By contrast to white, of which 3 is asked of graphics (WCAG 2.1, 1.4.11), and by area, that of a circle."""
    circle = area(style.Style("k", "o"))
    for mark in FALLBACKS:
        assert 1.05 / (TO_XYZ[1] @ linear(mark.colour) + 0.05) >= 3
        assert mark.marker not in {known.marker for known in style.STYLES.values()}
    for mark in [*style.STYLES.values(), *FALLBACKS]:
        assert 0.75 * circle < area(mark) < 1.35 * circle, mark
