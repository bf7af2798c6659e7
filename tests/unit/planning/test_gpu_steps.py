"""What steps took on a GPU: the model agrees with it, and so does the documentation."""

import csv
from pathlib import Path

import pytest

from active_dendrites.planning.cost_model import gpu_milliseconds
from active_dendrites.settings.declarations import PAPER, Declarations

ROOT = Path(__file__).parents[3]
FILE = ROOT / "results/reference/gpu_steps.csv"


def measured() -> list[dict[str, str]]:
    with FILE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def modelled(declarations: Declarations, row: dict[str, str]) -> float:
    return gpu_milliseconds(declarations.resolve(PAPER, row["variant"], int(row["num_tasks"]), 1), int(row["seeds"]))


def test_the_model_is_within_a_quarter_of_what_was_measured(declarations: Declarations) -> None:
    rows = [row for row in measured() if row["precision"] == "float32"]
    assert len(rows) >= 11
    for row in rows:
        assert modelled(declarations, row) == pytest.approx(float(row["milliseconds"]), rel=0.25), row


def test_the_documentation_shows_what_was_measured(declarations: Declarations) -> None:
    lines = ["| variant | seeds | precision | measured | model | device | commit |", "|---|---|---|---|---|---|---|"]
    for row in measured():
        model = f"{modelled(declarations, row):.2g}" if row["precision"] == "float32" else ""
        cells = f"`{row['variant']}`", row["seeds"], row["precision"], row["milliseconds"], model, row["device"]
        lines.append(f"| {' | '.join(cells)} | {row['commit'][:7]} |")
    text = (ROOT / "docs/gpu.md").read_text(encoding="utf-8")
    shown = text.partition("<!-- gpu-steps:begin -->\n")[2].partition("<!-- gpu-steps:end -->")[0]
    assert shown.strip().splitlines() == lines, "\n".join(lines)
