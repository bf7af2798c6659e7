"""Tables for papers."""

from pathlib import Path

import pytest

from active_dendrites.reports.latex_tables import escaped, write_latex_tables

CSV = """experiment,scale,variant,label,num_tasks,n,accuracy,std,clusters,clusters_std
mine,{scale},prototype,Active dendrites,2,3,0.87535,0.00129325,,
mine,{scale},prototype,Active dendrites,10,1,0.8,,,
mine,{scale},other,50 % & more,10,3,0.7,0.01,11.5,0.5
"""


def test_a_table_has_a_row_a_variant_and_a_column_a_number_of_tasks(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(CSV.format(scale="paper"))
    (tmp_path / "runs.csv").write_text("variant,accuracy\nprototype,0.9\n")
    assert write_latex_tables(tmp_path) == [tmp_path / "mine.tex"]
    lines = (tmp_path / "mine.tex").read_text().splitlines()
    assert lines[1:] == [
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"tasks & 2 & 10 \\",
        r"\midrule",
        r"\multicolumn{3}{l}{average accuracy, \%} \\",
        r"Active dendrites & $87.53 \pm 0.13$ (3) & $80.00$ (1) \\",
        r"50 \% \& more &  & $70.00 \pm 1.00$ (3) \\",
        r"\midrule",
        r"\multicolumn{3}{l}{clusters} \\",
        r"50 \% \& more &  & $11.50 \pm 0.50$ (3) \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_reduced_scale_is_said(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(CSV.format(scale="quick"))
    (path,) = write_latex_tables(tmp_path)
    assert "% Reduced scale (quick): not the paper's setting.\n" in path.read_text()


@pytest.mark.parametrize(
    ("text", "latex"), [("a_b", r"a\_b"), ("{$~^\\", r"\{\$\textasciitilde{}\textasciicircum{}\textbackslash{}")]
)
def test_labels_are_text(text: str, latex: str) -> None:
    assert escaped(text) == latex
