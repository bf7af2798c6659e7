"""Which runs count: whatever seeds are there, of today's settings, that can be read."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from finished_runs import rewrite
from judged_runs import only, published_alone, scored_run

import active_dendrites
from active_dendrites.reproduction.counted_runs import RunResult, find_runs, notes_on
from active_dendrites.reproduction.verdicts import compare
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.published import Published


@pytest.fixture(scope="module")
def published(declarations: Declarations) -> Published:
    return published_alone(declarations)


@pytest.fixture
def write(declarations: Declarations, tmp_path: Path) -> Callable[..., Path]:
    """Writes a finished run into tmp_path: `judged_runs.scored_run`."""
    return partial(scored_run, declarations, tmp_path)


def test_whatever_seeds_are_there_count(declarations, published, write, tmp_path: Path) -> None:
    write("prototype", 2, 11, 0.94)
    write("prototype", 2, 2, 0.95)
    write("construct_prototype", 5, 0, 0.96, clusters=6)
    write("w_sparsity_search-0.5", 10, 1)  # has no published number
    (tmp_path / "prototype/tasks-2/seed-02").mkdir()
    runs, left_out = find_runs(declarations, published, PAPER, tmp_path)
    assert left_out == []
    assert runs == [
        RunResult("prototype", 2, 2, pytest.approx(0.95), None),
        RunResult("prototype", 2, 11, pytest.approx(0.94), None),
        RunResult("construct_prototype", 5, 0, pytest.approx(0.96), 6),
    ]


def test_runs_of_other_settings_or_arithmetic_are_left_out_and_counted(
    declarations, published, write, tmp_path: Path, monkeypatch
) -> None:
    for seed in (1, 2):
        record = write("prototype", 2, seed, 0.5) / "record.json"
        settings_hash = declarations.resolve(PAPER, "prototype", 2, seed).settings_hash()
        rewrite(record, lambda text, old=settings_hash: text.replace(old, "0123456789abcdef"))
    monkeypatch.setattr(active_dendrites, "NUMERICS", active_dendrites.NUMERICS + 1)
    write("prototype", 2, 3, 0.6)
    monkeypatch.undo()
    write("prototype", 2, 4, 0.94)
    runs, left_out = find_runs(declarations, published, PAPER, tmp_path)
    assert [run.seed for run in runs] == [4]
    assert list(notes_on(left_out)) == [
        "2 runs were left out: other settings.",
        "1 run was left out: another version of the arithmetic.",
    ]
    row = only(compare(declarations, published, PAPER, runs, left_out), "prototype", 2)
    assert (row.ours.n, row.ours.mean) == (1, pytest.approx(0.94))
    assert row.reasons[:2] == (
        "2 runs were left out (other settings).",
        "1 run was left out (another version of the arithmetic).",
    )
    left_out = [run._replace(num_tasks=5) for run in left_out]
    comparisons = compare(declarations, published, PAPER, runs, left_out)
    told = {row.number.key for row in comparisons if "left out" in " ".join(row.reasons)}
    assert told == {("prototype", 5, "accuracy")}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda run: (run / "accuracy.csv").write_text("after_task,task,accuracy\n1,1,0.97\n"), "accuracy.csv: "),
        (lambda run: (run / "accuracy.csv").unlink(), "accuracy.csv: "),
        (lambda run: (run / "record.json").unlink(), "no record.json"),
        (lambda run: (run / "record.json").write_text('{"seed": 1'), "record.json: "),
        (
            lambda run: rewrite(run / "record.json", lambda text: text.replace('"seed": 1', '"seed": 2', 1)),
            "record.json: seed: found 2, expected 1",
        ),
        (
            lambda run: rewrite(run / "record.json", lambda text: text.replace('"clusters": 2', '"clusters": null')),
            "record.json: clusters: found None",
        ),
    ],
)
def test_a_run_that_cannot_be_read_is_named_and_never_averaged(
    declarations, published, write, tmp_path: Path, damage, said: str
) -> None:
    damage(write("construct_prototype", 2, 1, 0.5, clusters=2))
    write("construct_prototype", 2, 2, 0.97, clusters=2)
    runs, left_out = find_runs(declarations, published, PAPER, tmp_path)
    assert [run.seed for run in runs] == [2]
    (note,) = notes_on(left_out)
    assert note.startswith("1 run was left out: ")
    assert "construct_prototype/tasks-2/seed-1" in note
    assert said in note
    row = only(compare(declarations, published, PAPER, runs, left_out), "construct_prototype", 2)
    assert (row.ours.n, row.ours.mean) == (1, pytest.approx(0.97))
    assert row.reasons[0] == "1 run was left out (unreadable)."


def test_a_scale_that_nobody_declares_is_refused(declarations, published: Published, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--scale: found 'papr', expected 'paper'"):
        find_runs(declarations, published, "papr", tmp_path)
