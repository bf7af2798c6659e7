"""The path of a run: what is written is taken apart again, and nothing else is."""

from pathlib import Path

import pytest

from active_dendrites.runs.folders import RunName, configuration_folder, run_folder, run_folders, run_of, seed_folders


@pytest.mark.parametrize("runs", [Path(), Path("results/paper/runs"), Path("/results/quick/runs")])
@pytest.mark.parametrize("name", [RunName("prototype", 10, 1), RunName("xdg-0.1", 100, 0)])
def test_a_folder_says_which_run_it_is(runs: Path, name: RunName) -> None:
    assert run_of(run_folder(runs, *name)) == name


def test_the_path_is_that_of_the_docs() -> None:
    assert run_folder(Path("results/paper/runs"), "prototype", 10, 3) == Path(
        "results/paper/runs/prototype/tasks-10/seed-3"
    )


@pytest.mark.parametrize(
    "folder",
    ["seed-1", "tasks-2/seed-1", "a/tasks-0/seed-1", "a/tasks-02/seed-1", "a/tasks-2/seed-01", "a/tasks-2/seed-1.old"],
)
def test_another_name_is_refused(folder: str) -> None:
    with pytest.raises(ValueError, match=rf"found {folder}, expected \.\.\./<variant>/tasks-<T>/seed-<s>"):
        run_of(Path(folder))


def test_folders_come_by_seed_and_others_are_passed_over(tmp_path: Path) -> None:
    seeds = (10, 9, 0)
    for seed in seeds:
        run_folder(tmp_path, "prototype", 2, seed).mkdir(parents=True)
    for name in ("tasks-2/seed-02", "tasks-2/seed-3.old", "tasks-x/seed-1"):
        (tmp_path / "prototype" / name).mkdir(parents=True)
    (tmp_path / "prototype/tasks-2/seed-4").write_text("a file")
    expected = {seed: run_folder(tmp_path, "prototype", 2, seed) for seed in sorted(seeds)}
    assert list(seed_folders(configuration_folder(tmp_path, "prototype", 2)).items()) == list(expected.items())
    assert list(run_folders(tmp_path)) == list(expected.values())
