"""Which files of measured runs are kept in git, and what they are good for."""

from pathlib import Path

import numpy as np

from active_dendrites.reproduction.kept_runs import FOLDER, MOST_SEEDS, kept_files
from active_dendrites.reproduction.reference import merge
from active_dendrites.reproduction.reference_tables import preview_table
from active_dendrites.runs.records import read_accuracy, write_activity
from active_dendrites.runs.seals import RECORD, seal_run
from active_dendrites.settings.declarations import PAPER
from active_dendrites.settings.published import read_published


def test_files_are_kept_where_a_figure_needs_them(declarations) -> None:
    files = kept_files(declarations)
    assert {configuration.num_tasks for configuration in files} == {10}
    assert {configuration.variant for configuration in files} >= {"prototype", "si_xdg", "ten_layer_mlp"}
    assert {configuration.variant for configuration, names in files.items() if "activity.npy" in names} == {"prototype"}
    assert all(names[-1] == RECORD for names in files.values())


def test_merging_keeps_the_first_seeds_and_never_writes_them_again(declarations, write, runs, file: Path) -> None:
    for seed in range(1, 6):
        folder = write("prototype", 10, seed, 0.9 + seed / 100)
        write_activity(folder / "activity.npy", np.full((10, 2048), 0.25 * (seed % 3), np.float32))
        seal_run(folder, (folder / RECORD).read_bytes())
        write("prototype", 2, seed)  # which no figure needs task by task
    assert merge(file, declarations, runs).added == 10
    kept = file.parent / FOLDER
    names = {"accuracy.csv", "activity.npy", "SHA256SUMS", RECORD}
    assert {path.relative_to(kept).as_posix() for path in kept.rglob("*") if path.is_file()} == {
        f"prototype/tasks-10/seed-{seed}/{name}" for seed in range(1, MOST_SEEDS + 1) for name in names
    }
    times = {path: path.stat().st_mtime_ns for path in kept.rglob("*")}
    assert merge(file, declarations, runs).known == 10
    assert {path: path.stat().st_mtime_ns for path in kept.rglob("*")} == times

    matrix, _ = preview_table(declarations, read_published(declarations), PAPER, "accuracy_matrix", kept)
    assert set(matrix["n"]) == {3}
    np.testing.assert_allclose(matrix["accuracy"], 0.92)
    activity, _ = preview_table(declarations, read_published(declarations), PAPER, "hidden_activations_per_task", kept)
    assert set(activity["n"]) == {3}


def test_a_run_merged_before_its_files_were_kept_is_kept_when_it_comes_again(declarations, write, runs, file) -> None:
    folder = write("xdg", 10, 1, 0.8)
    merge(file, declarations, runs)
    kept = file.parent / FOLDER / "xdg/tasks-10/seed-1"
    for path in kept.iterdir():
        path.unlink()
    assert merge(file, declarations, runs).known == 1
    assert (kept / RECORD).read_bytes() == (folder / RECORD).read_bytes()
    np.testing.assert_array_equal(read_accuracy(kept / "accuracy.csv", 10)[9], np.full(10, 0.8))
