"""Misspelt targets."""

import pytest

from active_dendrites.planning.targets import unknown_target

NAMES = ["all", "quick", "plan", "prototype_10", "quick_prototype_10", "settings_quick_prototype_10", "ablation"]
FILES = ["results/paper/figures/ablation.svg", "results/paper/runs/prototype/tasks-10/seed-1/accuracy.csv"]


@pytest.mark.parametrize(
    ("target", "nearest"),
    [
        ("protoype_10", "prototype_10"),
        ("quick_protoype_10", "quick_prototype_10"),
        ("prototype10", "prototype_10"),
        ("ALL", "all"),
        ("Ablations", "ablation"),
        ("results/paper/figures/abalation.svg", FILES[0]),
        ("results/paper/figures/ablation.pdf", FILES[0]),
        ("results/paper/runs/protoype/tasks-10/seed-1/accuracy.csv", FILES[1]),
    ],
)
def test_the_nearest_is_named(target: str, nearest: str) -> None:
    assert unknown_target("target", target, NAMES, FILES) == f"target: found {target!r}, expected {nearest!r}"


@pytest.mark.parametrize("target", ["xyz", "nothing/like/it"])
def test_where_nothing_is_near_the_page_is_named(target: str) -> None:
    line = unknown_target("--until", target, NAMES, FILES)
    assert line.startswith(f"--until: found {target!r}, expected one of docs/targets.md")
    assert "\n" not in line
