"""The record of what was measured: which runs it takes up, and that no row is lost."""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finished_runs import COMMIT, rewrite, unsealed
from hypothesis import given
from hypothesis import strategies as st

from active_dendrites import NUMERICS
from active_dendrites.reproduction.reference import ReferenceRow, merge, read_rows, write_rows
from active_dendrites.runs.files import NO_ROOM, NoRoomError
from active_dendrites.runs.locks import FolderTakenError, only_writer
from active_dendrites.settings.declarations import PAPER

ROOT = Path(__file__).parents[3]
NA = np.nan
# All tasks are tested after tasks 1 and 3, and after task 2 the second alone.
MATRIX = np.array([[0.95, NA, NA], [NA, 0.96, NA], [0.91, 0.93, 0.97]])


# -- what a run leaves in it ------------------------------------------------------------------------------


def test_a_run_has_a_row_where_all_tasks_seen_were_tested(declarations, write, runs, file) -> None:
    write("si_prototype", 3, 5, MATRIX, side_by_side=[4, 5], device="Graphics, large")
    assert merge(file, declarations, runs) == (1, 0, 0, [])
    first, last = read_rows(file)
    made = {"side_by_side": 2, "device": "Graphics, large", "threads": 1, "precision": "float32", "commit": COMMIT}
    made |= {"numerics": NUMERICS, "settings_hash": declarations.resolve(PAPER, "si_prototype", 3, 5).settings_hash()}
    assert first == ReferenceRow("si_prototype", 3, 5, 1, 0.95, None, None, 0.95, None, None, None, **made)
    metrics = [pytest.approx(value) for value in (2.81 / 3, 0.07 / 2, -0.07 / 2, 2.88 / 3)]
    assert last == ReferenceRow("si_prototype", 3, 5, 3, *metrics, None, 468, 10.25, **made)


def test_clusters_are_in_the_last_row(declarations, write, runs, file) -> None:
    write("construct_prototype", 2, 1, clusters=3)
    merge(file, declarations, runs)
    assert [row.clusters for row in read_rows(file)] == [None, 3]


def test_the_file_is_text_that_one_can_read_and_compare(declarations, write, runs, file) -> None:
    write("prototype", 2, 1)
    merge(file, declarations, runs)
    settings = declarations.resolve(PAPER, "prototype", 2, 1).settings_hash()
    end = f"1,A processor,1,float32,{NUMERICS},{COMMIT},{settings}"
    assert file.read_bytes().decode() == (
        "variant,num_tasks,seed,after_task,average_accuracy,forgetting,backward_transfer,learning_accuracy,clusters,"
        "steps,wall_seconds,side_by_side,device,threads,precision,numerics,commit,settings_hash\n"
        f"prototype,2,1,1,0.9,,,0.9,,,,{end}\n"
        f"prototype,2,1,2,0.9,0.0,0.0,0.9,,468,10.25,{end}\n"
    )


@given(accuracy=st.floats(0, 1), seconds=st.floats(0, 1e9), device=st.text(st.characters(codec="utf-8")))
def test_a_row_is_read_back_as_it_was(tmp_path_factory, accuracy, seconds, device) -> None:
    device = " ".join(device.split()) or "x"  # a name has no line breaks
    metrics, whole = (accuracy, None, -0.01, 0.97), (3, 468, seconds)
    row = ReferenceRow(
        "construct_prototype", 2, 1, 2, *metrics, *whole, 1, device, 1, "float32", NUMERICS, COMMIT, "0" * 16
    )
    path = tmp_path_factory.getbasetemp() / "back.csv"
    write_rows(path, [row])
    assert read_rows(path) == [row]


# -- never lost, never twice, always sorted ---------------------------------------------------------------

MANY = [("xdg", 2, 1), ("prototype", 10, 1), ("prototype", 2, 10), ("prototype", 2, 2), ("si_mlp", 5, 0)]
SORTED = [("prototype", 2, 2), ("prototype", 2, 10), ("prototype", 10, 1), ("si_mlp", 5, 0), ("xdg", 2, 1)]


def keys(path: Path) -> list[tuple[str, int, int]]:
    return list(dict.fromkeys((row.variant, row.num_tasks, row.seed) for row in read_rows(path)))


def test_in_whatever_order_runs_come_the_file_is_the_same(declarations, write, runs, file, tmp_path) -> None:
    shuffled = random.Random(3).sample(MANY, len(MANY))
    for at_once, run in enumerate(shuffled, start=1):
        write(*run)
        assert merge(file, declarations, runs) == (1, at_once - 1, 0, [])
    assert keys(file) == SORTED
    merge(tmp_path / "runs.csv", declarations, runs)
    assert (tmp_path / "runs.csv").read_bytes() == file.read_bytes()


def test_rows_stay_when_their_runs_are_gone(declarations, write, runs, file) -> None:
    write("prototype", 2, 1)
    merge(file, declarations, runs)
    shutil.rmtree(runs / "prototype")
    write("prototype", 2, 2)
    assert merge(file, declarations, runs) == (1, 0, 0, [])
    assert keys(file) == [("prototype", 2, 1), ("prototype", 2, 2)]


def test_the_same_runs_again_leave_the_file_alone(declarations, write, runs, file) -> None:
    folder = write("prototype", 2, 1)
    merge(file, declarations, runs)
    before, time = file.read_bytes(), file.stat().st_mtime_ns
    assert merge(file, declarations, runs) == (0, 1, 0, [])
    # Trained again elsewhere, with the same numbers: the row that is there stays.
    write("prototype", 2, 1, device="Another", wall_seconds=3.5, commit=COMMIT[::-1])
    assert merge(file, declarations, runs) == (0, 1, 0, [])
    assert (file.read_bytes(), file.stat().st_mtime_ns) == (before, time)
    assert sorted(path.name for path in file.parent.iterdir()) == ["runs.csv", "runs.csv.sha256"]
    assert folder.is_dir()


def test_another_order_of_a_sum_is_no_other_number(declarations, write, runs, file) -> None:
    write("prototype", 2, 1, np.array([[0.95, NA], [0.9, 0.97]]))
    merge(file, declarations, runs)
    text = file.read_text()
    assert ",0.935," in text
    rewrite(file, lambda text: text.replace(",0.935,", ",0.9350000000000001,"))
    assert merge(file, declarations, runs) == (0, 1, 0, [])


def test_other_numbers_of_the_same_run_are_refused_and_both_named(declarations, write, runs, file) -> None:
    write("prototype", 2, 1, 0.9)
    merge(file, declarations, runs)
    before = file.read_bytes()
    folder = write("prototype", 2, 1, 0.9001, device="Another", commit=COMMIT[::-1])
    write("prototype", 2, 2)
    added, known, unfinished, (line,) = merge(file, declarations, runs)
    assert (added, known, unfinished) == (1, 0, 0)
    assert line == (
        f"{folder}: average_accuracy after task 1: found 0.9001 (Another, commit {COMMIT[::-1][:10]}),"
        f" expected 0.9 as in {file} (A processor, commit {COMMIT[:10]})"
    )
    assert file.read_bytes().startswith(before)


@pytest.mark.parametrize("name", ["clusters", "steps"])
def test_clusters_and_steps_are_numbers_too(declarations, write, runs, file, name: str) -> None:
    write("construct_prototype", 2, 1, clusters=2, steps=5)
    merge(file, declarations, runs)
    write("construct_prototype", 2, 1, **{"clusters": 2, "steps": 5} | {name: 6})
    (line,) = merge(file, declarations, runs).refused
    assert f"{name} after task 2: found 6 (" in line


def test_a_run_with_fewer_rows_in_the_file_is_no_known_one(declarations, write, runs, file) -> None:
    folder = write("prototype", 2, 1)
    merge(file, declarations, runs)
    write_rows(file, read_rows(file)[1:])
    (line,) = merge(file, declarations, runs).refused
    assert line == f"{folder}: found tests after tasks [1, 2], expected [2] as in {file}"


# -- what is refused --------------------------------------------------------------------------------------

HASH = "settings_hash: found '1234', expected '{}' of today's settings"
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a changed tree": ({"dirty": True}, "dirty: found True, expected False, a commit that says which code ran"),
    "no git": ({"dirty": None, "commit": None}, "dirty: found None, expected False"),
    "no commit": ({"commit": None}, "commit: found None, expected that of the code that ran"),
    "other settings": ({"settings_hash": "1234"}, "settings_hash: found '1234', expected '"),
    "other arithmetic": ({"numerics": 0}, f"numerics: found 0, expected {NUMERICS} of today's arithmetic"),
    "reduced scale": ({"scale": "quick"}, "scale: found 'quick', expected 'paper'"),
    "another variant": ({"variant": "xdg"}, "variant: found 'xdg', expected 'prototype'"),
    "another seed": ({"seed": 2}, "seed: found 2, expected 1"),
    "another number of tasks": ({"num_tasks": 5}, "num_tasks: found 5, expected 2"),
    "no steps": ({"steps": None}, "steps: found None, expected what was measured"),
    "another accuracy": ({"metrics": {"average_accuracy": 0.8}}, "metrics.average_accuracy: found 0.8, expected 0.9"),
    "no metrics": ({"metrics": None}, "metrics.average_accuracy: found None, expected 0.9"),
    "other images": (
        {"images": {"train-images-idx3-ubyte": "0" * 64}},
        f"images.train-images-idx3-ubyte: found '{'0' * 64}', expected 'ba891046",
    ),
    "damaged sums of its images": ({"images": 1}, "images: found 1, expected the SHA-256 of each file"),
    "clusters": ({"clusters": 2}, "clusters: found 2, which does not fit context.kind task_prototype"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_run_that_cannot_be_traced_is_refused(declarations, write, runs, file, wrong: str) -> None:
    more, said = WRONG[wrong]
    folder = write("prototype", 2, 1, **more)
    write("prototype", 2, 2)
    added, _, _, (line,) = merge(file, declarations, runs)
    assert line.startswith(f"{folder}/record.json: {said}")
    assert "\n" not in line
    assert added == 1
    assert keys(file) == [("prototype", 2, 2)]


def test_a_run_of_an_earlier_version_says_nothing_of_its_images(declarations, write, runs, file, caplog) -> None:
    """Nor has it a seal: it is taken up, and that is said."""
    folder = unsealed(write("prototype", 2, 1))
    assert merge(file, declarations, runs) == (1, 0, 0, [])
    assert (
        f"1 of 1 runs are of an older format, without seals and sums of images, and were read as they are: {folder}"
        in caplog.text
    )


@pytest.mark.parametrize("name", ["accuracy.csv", "record.json"])
def test_a_run_that_is_cut_off_is_refused(declarations, write, runs, file, name: str) -> None:
    path = write("prototype", 2, 1) / name
    path.write_text(path.read_text()[:-10])
    (line,) = merge(file, declarations, runs).refused
    assert line.startswith(f"{path}: ")


def test_a_run_that_nobody_declares_is_refused(declarations, write, runs, file) -> None:
    shutil.move(write("prototype", 2, 1).parents[1], runs / "prototypes")
    (write("prototype", 2, 2).parent).rename(runs / "prototype" / "tasks-7")
    first, second = merge(file, declarations, runs).refused
    assert first.startswith(
        f"{runs}/prototype/tasks-7/seed-2: found a run that is not declared: config/variants.yaml: "
    )
    assert "'prototypes'" in second


def test_runs_that_are_not_finished_are_counted_and_nothing_else(declarations, write, runs, file) -> None:
    (write("prototype", 2, 1) / "record.json").unlink()
    for name in ("prototype/tasks-2/seed-02", "prototype/tasks-x/seed-1", "prototype/tasks-2/seed-3.old"):
        (runs / name).mkdir(parents=True)
    (runs / "prototype/tasks-2/seed-4").write_text("a file")
    assert merge(file, declarations, runs) == (0, 0, 1, [])
    assert read_rows(file) == []


def test_no_folder_of_runs_is_one_line(declarations, tmp_path, file) -> None:
    with pytest.raises(ValueError, match=r"--runs: found no folder .*nowhere, expected the runs of scale paper"):
        merge(file, declarations, tmp_path / "nowhere")
    assert not file.exists()


DAMAGE: dict[str, tuple[Callable[[str], str], str]] = {
    "empty": (lambda text: "", "line 1: found '', expected 'variant,"),
    "cut off": (lambda text: text[:-1], "at its end, expected a whole line"),
    "a column less": (lambda text: text.replace(",steps", ""), "line 1: found 'variant,"),
    "a cell less": (lambda text: text.replace(",float32", "", 1), "line 2: found 17 cells, expected 18"),
    "a conflict": (lambda text: text + "<<<<<<< HEAD\n", "line 4: found 1 cells, expected 18"),
    "a row twice": (
        lambda text: text + text.splitlines()[-1] + "\n",
        "line 4: found task 2 of prototype, 2 tasks, seed 1 once more",
    ),
    "no number": (lambda text: text.replace(",0.9,", ",,", 1), "line 2: average_accuracy: found '', expected a number"),
    "not finite": (
        lambda text: text.replace(",0.9,", ",nan,", 1),
        "average_accuracy: found 'nan', expected a finite number",
    ),
    "no integer": (
        lambda text: text.replace("prototype,2", "prototype,two", 1),
        "num_tasks: found 'two', expected an integer",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_is_named_and_left_alone(declarations, write, runs, file, name: str) -> None:
    change, said = DAMAGE[name]
    write("prototype", 2, 1)
    merge(file, declarations, runs)
    file.write_text(change(file.read_text()))
    before = file.read_bytes()
    write("prototype", 2, 2)
    with pytest.raises(ValueError) as raised:
        merge(file, declarations, runs)
    assert str(raised.value).startswith(f"{file}: ")
    assert said in str(raised.value)
    assert file.read_bytes() == before


# -- accidents --------------------------------------------------------------------------------------------

KILLED = """
import os, runpy, signal, sys
from pathlib import Path
Path.{call} = lambda *arguments, **named: os.kill(os.getpid(), signal.SIGKILL)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_killed_in_the_middle_the_file_is_the_one_before(declarations, write, runs, file, command) -> None:
    write("prototype", 2, 1)
    merge(file, declarations, runs)
    before = file.read_bytes()
    write("prototype", 2, 2)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow/src")}
    script = command("--folder", file.parent, "merge", "--runs", runs)
    done = subprocess.run([sys.executable, "-c", KILLED.format(call="replace"), *script], env=environment)
    assert done.returncode == -signal.SIGKILL
    assert file.read_bytes() == before
    assert merge(file, declarations, runs) == (1, 1, 0, [])
    assert keys(file) == [("prototype", 2, 1), ("prototype", 2, 2)]


def test_a_full_disk_leaves_the_file_before(declarations, write, runs, file, monkeypatch) -> None:
    write("prototype", 2, 1)
    merge(file, declarations, runs)
    before = file.read_bytes()
    write("prototype", 2, 2)

    def full(descriptor: int) -> None:
        raise OSError(NO_ROOM[0], "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NoRoomError, match=r"runs\.csv\.sha256: found \d+ free bytes"):
        merge(file, declarations, runs)
    assert sorted(path.name for path in file.parent.iterdir()) == ["runs.csv", "runs.csv.sha256"]
    assert file.read_bytes() == before
    assert read_rows(file)


def test_two_merges_at_once_are_one_too_many(declarations, write, runs, file, script) -> None:
    write("prototype", 2, 1)
    merge(file, declarations, runs)
    write("prototype", 2, 2)
    with only_writer(file.parent):
        with pytest.raises(FolderTakenError, match=f"found it in use by process {os.getpid()}"):
            merge(file, declarations, runs)
        _, said = script("--folder", file.parent, "merge", "--runs", runs)
    assert said.startswith(f"reference: {file.parent}: found it in use by process {os.getpid()}")
    assert keys(file) == [("prototype", 2, 1)]
