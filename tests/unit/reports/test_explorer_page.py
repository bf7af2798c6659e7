"""The explorer: what it knows of the runs, and that it needs nothing but itself."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from finished_runs import finished_run, rewrite

from active_dendrites.reports.explorer_page import explored_runs, write_explorer
from active_dendrites.settings.declarations import Declarations

TEMPLATE = Path(__file__).parents[3] / "workflow/report/explorer.html.j2"
ACCURACY = np.array([[0.9, np.nan], [0.7123456, 0.8]])


def test_it_knows_every_test_of_every_run(declarations: Declarations, tmp_path: Path) -> None:
    finished_run(declarations, tmp_path, "prototype", 2, 3, ACCURACY)
    finished_run(declarations, tmp_path, "xdg", 5, 1)
    (one, two), others = explored_runs(declarations, "paper", tmp_path)
    assert (one["variant"], one["label"], one["tasks"], one["seed"]) == ("prototype", "Active dendrites", 2, 3)
    assert one["rows"] == [[1, 1, 0.9], [2, 1, 0.71235], [2, 2, 0.8]]
    assert one["settings"] == declarations.resolve("paper", "prototype", 2, 3).settings_hash()
    assert (two["variant"], len(two["rows"]), others) == ("xdg", 15, 0)


def test_runs_of_other_settings_are_left_out_and_counted(declarations: Declarations, tmp_path: Path) -> None:
    finished_run(declarations, tmp_path, "prototype", 2, 1, ACCURACY)
    finished_run(declarations, tmp_path, "prototype", 2, 2, ACCURACY, settings_hash="of before")
    finished_run(declarations, tmp_path, "prototype", 2, 4, ACCURACY).parents[1].rename(tmp_path / "gone")
    runs, others = explored_runs(declarations, "paper", tmp_path)
    assert (len(runs), others) == (0, 3)
    with pytest.raises(ValueError, match="found no finished run of today's settings, expected some to explore"):
        write_explorer(declarations, "paper", tmp_path, TEMPLATE, tmp_path / "explorer.html")


def test_a_damaged_run_is_named(declarations: Declarations, tmp_path: Path) -> None:
    folder = finished_run(declarations, tmp_path, "prototype", 2, 1, ACCURACY)
    rewrite(folder / "accuracy.csv", lambda text: text.replace("0.9", "0.8"))
    with pytest.raises(ValueError, match=r"accuracy\.csv"):
        explored_runs(declarations, "paper", tmp_path)


def test_the_page_holds_all_that_it_needs(declarations: Declarations, tmp_path: Path) -> None:
    finished_run(declarations, tmp_path / "runs", "prototype", 2, 1, ACCURACY)
    page = tmp_path / "explorer.html"
    assert write_explorer(declarations, "paper", tmp_path / "runs", TEMPLATE, page) == 1
    text = page.read_text(encoding="utf-8")
    runs = json.loads(re.search(r"^<script>const RUNS = (.*);$", text, re.MULTILINE)[1])
    assert [run["variant"] for run in runs] == ["prototype"]
    assert text.count("</script>") == text.count("<script") == 2
    ours = text.partition("<script>")[0] + text.rpartition("<script>")[2]
    assert not re.search(r"""<(script|link|img)[^>]*(src|href)=["'](?!data:)""", ours)
    assert "at full scale" in text and "reduced" not in text.partition("<script>")[0]
