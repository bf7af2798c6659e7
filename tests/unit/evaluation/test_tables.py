"""Tables of each kind from runs written by hand, and the published values beside them."""

import runpy
import sys
from collections.abc import Callable, Sequence
from math import isnan, sqrt
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from project import REPOSITORY

from active_dendrites.evaluation.metrics import chance_overlap, subnetwork_overlap, summarise
from active_dendrites.evaluation.tables import COLUMNS, experiment_table, result_line, result_lines, write_table
from active_dendrites.runs.folders import run_folder
from active_dendrites.runs.records import IncompleteRunError, write_accuracy, write_activity
from active_dendrites.settings.declarations import Declarations
from active_dendrites.settings.published import DeclaredRow, declared_rows, read_published

NA = np.nan
T_HALF = 12.7062 / sqrt(2)  # of a 95 % interval over two seeds: t of 0.975 at one degree of freedom, by root n


def declared(variant: str, num_tasks: int = 2, **known: object) -> DeclaredRow:
    empty = {"published": None, "quoted": False, "published_std": None, "published_clusters": None}
    return DeclaredRow(variant=variant, label=f"The {variant}", num_tasks=num_tasks, **empty | known)


ROWS = [
    declared("one", published=0.9),
    declared("other", published=0.98, quoted=True, published_std=0.01, published_clusters=2.25),
]
BOTH = {"one": [3, 4], "other": [3, 4]}


def write_run(
    runs: Path, variant: str, seed: int, accuracy: Sequence[Sequence[float]], clusters: int | None = None
) -> Path:
    """A run with this matrix of accuracies; its folder."""
    folder = run_folder(runs, variant, len(accuracy), seed)
    write_accuracy(folder / "accuracy.csv", np.array(accuracy))
    (folder / "record.json").write_text(f'{{"clusters": {"null" if clusters is None else clusters}}}')
    return folder


def whole_matrix(num_tasks: int) -> np.ndarray:
    """Accuracies where every task is tested after each."""
    return np.where(np.tri(num_tasks, dtype=bool), 0.5, NA)


def table_of(
    kind: str, rows: list[DeclaredRow], seeds: dict[str, list[int]], runs: Path, name: str = "ablation"
) -> pd.DataFrame:
    declarations = SimpleNamespace(experiments={name: SimpleNamespace(kind=kind)})
    table = experiment_table(declarations, "quick", name, rows, seeds, runs)
    assert list(table) == COLUMNS[kind]
    return table


def in_columns(table: pd.DataFrame, columns: str) -> list[tuple]:
    return list(table[columns.split()].itertuples(index=False, name=None))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    write_run(folder, "one", 3, [[0.99, NA], [0.80, 0.90]])  # mean over tasks 0.85
    write_run(folder, "one", 4, [[0.95, NA], [0.90, 1.00]])  # 0.95
    write_run(folder, "other", 3, [[0.60, NA], [0.50, 0.50]], clusters=2)
    write_run(folder, "other", 4, [[0.60, NA], [0.50, 0.50]], clusters=3)
    return folder


# -- summary ----------------------------------------------------------------------------------------------


def test_a_summary_holds_mean_and_spread_over_seeds(runs: Path) -> None:
    one, other = table_of("summary", ROWS, BOTH, runs).to_dict("records")
    assert [one[key] for key in ("experiment", "scale", "variant", "label")] == ["ablation", "quick", "one", "The one"]
    assert [one[key] for key in ("num_tasks", "n", "seeds", "published", "quoted")] == [2, 2, "3 4", 0.9, False]
    # Mean of the two seeds, and half of the difference between them.
    expected = {
        "accuracy": (0.90, 0.05),
        "forgetting": ((0.19 + 0.05) / 2, 0.07),
        "backward_transfer": (-(0.19 + 0.05) / 2, 0.07),
        "learning_accuracy": ((0.945 + 0.975) / 2, 0.015),
    }
    for name, (mean, half) in expected.items():
        prefix = "" if name == "accuracy" else f"{name}_"
        assert one[name] == pytest.approx(mean)
        assert one[f"{prefix}std"] == pytest.approx(half * sqrt(2))
        assert one[f"{prefix}low"] == pytest.approx(mean - T_HALF * half * sqrt(2), abs=1e-5)
        assert one[f"{prefix}high"] == pytest.approx(mean + T_HALF * half * sqrt(2), abs=1e-5)
    assert all(isnan(one[name]) for name in one if "clusters" in name)
    assert (other["accuracy"], other["std"], other["forgetting"]) == (0.5, 0, pytest.approx(0.1))


def test_a_summary_counts_clusters_beside_the_published_number(runs: Path) -> None:
    _, other = table_of("summary", ROWS, BOTH, runs).to_dict("records")
    assert (other["clusters"], other["clusters_std"]) == (2.5, pytest.approx(0.5 * sqrt(2)))
    assert other["clusters_high"] - other["clusters"] == pytest.approx(T_HALF * 0.5 * sqrt(2), abs=1e-4)
    assert (other["published"], other["quoted"], other["published_clusters"]) == (0.98, True, 2.25)


def test_each_variant_has_seeds_of_its_own(runs: Path) -> None:
    table = table_of("summary", ROWS, {"one": [4], "other": [4, 3], "third": [1]}, runs)
    assert in_columns(table, "n seeds accuracy") == [(1, "4", pytest.approx(0.95)), (2, "4 3", 0.5)]


def test_a_summary_is_written_with_empty_cells_for_what_is_not_known(runs: Path, tmp_path: Path) -> None:
    path = tmp_path / "tables" / "ablation.csv"
    write_run(runs, "single", 3, [[0.75]])
    seeds = {"one": [3], "other": [3, 4], "single": [3]}
    write_table(path, table_of("summary", [*ROWS, declared("single", num_tasks=1)], seeds, runs))
    rows = [line.split(",") for line in path.read_text().splitlines()]
    one, other, single = (dict(zip(rows[0], row, strict=True)) for row in rows[1:])
    assert rows[0] == COLUMNS["summary"]
    assert {name: one[name] for name in one if one[name]} == {
        **{"experiment": "ablation", "scale": "quick", "variant": "one", "label": "The one", "num_tasks": "2"},
        **{"n": "1", "seeds": "3", "accuracy": "0.85", "published": "0.9", "quoted": "False"},
        **{"forgetting": "0.19", "backward_transfer": "-0.19", "learning_accuracy": "0.945"},
    }
    assert not [name for name in other if not other[name]]
    assert (single["accuracy"], single["learning_accuracy"], single["published"]) == ("0.75", "0.75", "")
    assert (single["forgetting"], single["backward_transfer"]) == ("", "")
    assert sorted(file.name for file in path.parent.iterdir()) == ["ablation.csv", "ablation.csv.sha256"]
    assert pd.read_csv(path).quoted.tolist() == [False, True, False]


def test_a_seed_without_clusters_among_others_is_named(runs: Path) -> None:
    write_run(runs, "other", 5, [[0.60, NA], [0.50, 0.50]])
    with pytest.raises(IncompleteRunError, match=r"other/tasks-2/seed-5/record.json: clusters: found null"):
        table_of("summary", ROWS, BOTH | {"other": [3, 5]}, runs)


@pytest.mark.parametrize("kind", ["summary", "matrix", "search"])
def test_missing_seeds_are_listed(runs: Path, kind: str) -> None:
    declarations = Declarations(REPOSITORY / "config")
    experiment = next(name for name, found in declarations.experiments.items() if found.kind == kind)
    write_run(runs, "prototype", 3, [[0.99, NA], [0.80, 0.90]])
    with pytest.raises(IncompleteRunError) as raised:
        experiment_table(
            declarations,
            "paper",
            experiment,
            [declared("prototype"), declared("xdg")],
            {"prototype": [5, 3, 6], "xdg": [1]},
            runs,
        )
    place, _, missing = str(raised.value).partition(": ")
    assert place == "missing 3 of 4 runs, expected all"
    names = ("prototype/tasks-2/seed-5", "prototype/tasks-2/seed-6", "xdg/tasks-2/seed-1")
    assert missing.split(", ") == [str(runs / name / "accuracy.csv") for name in names]


@pytest.mark.parametrize("name", ["accuracy.csv", "record.json"])
def test_a_file_cut_off_is_named(runs: Path, name: str) -> None:
    path = run_folder(runs, "other", 2, 4) / name
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(IncompleteRunError, match=rf"other/tasks-2/seed-4/{name}"):
        table_of("summary", ROWS, BOTH, runs)


def test_seeds_tested_after_other_tasks_are_not_averaged(tmp_path: Path) -> None:
    write_run(tmp_path, "one", 1, [[0.9, NA, NA], [0.8, 0.9, NA], [0.7, 0.8, 0.9]])
    write_run(tmp_path, "one", 2, [[0.9, NA, NA], [NA, 0.9, NA], [0.7, 0.8, 0.9]])
    message = r"seed-2/accuracy.csv: found tests of all tasks after 1, 3, expected tests of all tasks after 1, 2, 3, as"
    for kind in ("summary", "matrix"):
        with pytest.raises(IncompleteRunError, match=message):
            table_of(kind, [declared("one", num_tasks=3)], {"one": [1, 2]}, tmp_path)


@pytest.mark.parametrize("seeds", [{"one": [3]}, {"one": [3], "other": []}])
def test_a_variant_without_seeds_is_an_error(runs: Path, seeds: dict) -> None:
    with pytest.raises(ValueError, match="seeds: found none for other, expected those of each variant of ablation"):
        table_of("summary", ROWS, seeds, runs)


# -- matrix -----------------------------------------------------------------------------------------------


def test_a_matrix_has_a_row_for_each_test(tmp_path: Path) -> None:
    write_run(tmp_path, "one", 1, [[0.9, NA, NA], [NA, 0.8, NA], [0.5, 0.6, 0.7]])
    write_run(tmp_path, "one", 2, [[0.7, NA, NA], [NA, 0.8, NA], [0.6, 0.5, 0.9]])
    table = table_of("matrix", [declared("one", num_tasks=3)], {"one": [1, 2]}, tmp_path)
    half = pytest.approx(0.1 * sqrt(2)), pytest.approx(0.05 * sqrt(2))  # by half of the difference of two seeds
    assert in_columns(table, "variant num_tasks n after_task task accuracy std") == [
        ("one", 3, 2, 1, 1, pytest.approx(0.8), half[0]),
        ("one", 3, 2, 2, 2, pytest.approx(0.8), pytest.approx(0)),
        ("one", 3, 2, 3, 1, pytest.approx(0.55), half[1]),
        ("one", 3, 2, 3, 2, pytest.approx(0.55), half[1]),
        ("one", 3, 2, 3, 3, pytest.approx(0.8), half[0]),
    ]


def test_a_matrix_of_one_seed_has_no_spread(runs: Path) -> None:
    table = table_of("matrix", ROWS, {"one": [3], "other": [3]}, runs)
    assert table.n.tolist() == [1] * 6
    assert table.accuracy.tolist() == [0.99, 0.80, 0.90, 0.60, 0.50, 0.50]
    assert table["std"].isna().all()


# -- activity ---------------------------------------------------------------------------------------------

FIRST, SECOND = np.array([[[1, 0.5, 0, 0], [0, 0.5, 1, 0.5]], [[1, 0, 0, 0], [1, 0, 0, 0]]], dtype=np.float32)


def write_activities(runs: Path, *activities: np.ndarray) -> list[Path]:
    """The activities of seeds 1, 2, ... of a variant; their files."""
    paths = [
        run_folder(runs, "one", len(activity), seed) / "activity.npy" for seed, activity in enumerate(activities, 1)
    ]
    for path, activity in zip(paths, activities, strict=True):
        write_activity(path, activity)
    return paths


def test_activity_is_of_the_first_seed_and_overlap_of_all(tmp_path: Path) -> None:
    write_activities(tmp_path, FIRST, SECOND)
    table = table_of("activity", [declared("one")], {"one": [1, 2]}, tmp_path)
    shown = table[table.panel == "activity"]
    assert in_columns(shown, "n row column value") == [
        *[(2, 1, 1, 1.0), (2, 1, 2, 0.5), (2, 1, 3, 0.0), (2, 1, 4, 0.0)],
        *[(2, 2, 1, 0.0), (2, 2, 2, 0.5), (2, 2, 3, 1.0), (2, 2, 4, 0.5)],
    ]
    assert shown[["std", "chance"]].isna().all(axis=None)
    overlaps = table[table.panel == "overlap"]
    # Of the first seed 0.5 / 1.75 and by chance 0.5; of the second 1 and by chance 0.25 (one pair of units of 16).
    mean, spread = (0.5 / 1.75 + 1) / 2, (1 - 0.5 / 1.75) / sqrt(2)
    unlike = pytest.approx(mean), pytest.approx(spread), pytest.approx((0.5 + 0.25) / 2)
    assert in_columns(overlaps, "n row column value std chance") == [
        (2, 1, 1, pytest.approx(1), pytest.approx(0), pytest.approx((2.5 / 4 / 1.5 + 0.25) / 2)),
        (2, 1, 2, *unlike),
        (2, 2, 1, *unlike),
        (2, 2, 2, pytest.approx(1), pytest.approx(0), pytest.approx((5 / 4 / 2 + 0.25) / 2)),
    ]


def test_activity_shows_64_units_and_compares_all(tmp_path: Path) -> None:
    activity = np.random.default_rng(1).random((3, 100), dtype=np.float32)
    write_activities(tmp_path, activity)
    table = table_of("activity", [declared("one", num_tasks=3)], {"one": [1]}, tmp_path)
    shown = table[table.panel == "activity"].pivot(index="row", columns="column", values="value")
    assert (list(shown.index), list(shown.columns)) == ([1, 2, 3], list(range(1, 65)))
    np.testing.assert_array_equal(shown, activity[:, :64])
    overlaps = table[table.panel == "overlap"]
    np.testing.assert_array_equal(overlaps.value, subnetwork_overlap(activity).ravel())
    np.testing.assert_array_equal(overlaps.chance, chance_overlap(activity).ravel())
    assert overlaps["std"].isna().all()


def test_tasks_that_switch_on_nothing_have_no_overlap(tmp_path: Path) -> None:
    write_activities(tmp_path, np.array([[0, 0], [0.5, 0]]), np.array([[1, 0], [0.5, 0]]))
    overlaps = table_of("activity", [declared("one")], {"one": [1, 2]}, tmp_path).query("panel == 'overlap'")
    assert overlaps.value.isna().tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: write_activity(path, SECOND[:, :3]), r"found \(2, 3\), expected \(2, 4\), as in .*seed-1"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "data|reshape"),
    ],
    ids=["other units", "cut off"],
)
def test_activity_that_is_not_whole_is_named(tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    _, second = write_activities(tmp_path, FIRST, SECOND)
    damage(second)
    with pytest.raises(IncompleteRunError, match=rf"one/tasks-2/seed-2/activity.npy: .*({message})"):
        table_of("activity", [declared("one")], {"one": [1, 2]}, tmp_path)


def test_a_missing_activity_is_listed(tmp_path: Path) -> None:
    _, second = write_activities(tmp_path, FIRST, SECOND)
    second.unlink()
    with pytest.raises(IncompleteRunError, match=rf"missing 1 of 2 runs, expected all: {second}"):
        table_of("activity", [declared("one")], {"one": [1, 2]}, tmp_path)


# -- search -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def declarations() -> Declarations:
    return Declarations(REPOSITORY / "config")


def test_a_search_has_a_row_for_each_run_and_test_of_all_tasks(tmp_path: Path, declarations: Declarations) -> None:
    write_run(tmp_path, "segment_search-7", 5, [[0.9, NA, NA], [0.7, 0.8, NA], [0.5, 0.6, 0.7]])
    write_run(tmp_path, "segment_search-7", 6, [[0.9, NA, NA], [NA, 0.8, NA], [0.6, 0.6, 0.9]])
    row = declared("segment_search-7", num_tasks=3, published=0.9, published_std=0.004)
    one, other = (
        experiment_table(declarations, "paper", "search_curves", [row], {"segment_search-7": [seed]}, tmp_path)
        for seed in (5, 6)
    )
    assert list(one) == COLUMNS["search"]
    named = ("search_curves", "paper", "segment_search-7", "The segment_search-7", 3, "segment_search")
    assert set(in_columns(one, "experiment scale variant label num_tasks search")) == {named}
    assert in_columns(one, "seed after_task accuracy published published_std") == [
        (5, 1, pytest.approx(0.9), 0.9, 0.004),
        (5, 2, pytest.approx(0.75), 0.9, 0.004),
        (5, 3, pytest.approx(0.6), 0.9, 0.004),
    ]
    assert in_columns(other, "seed after_task accuracy") == [(6, 1, 0.9), (6, 3, pytest.approx(0.7))]


# As written: num_tasks, search, and settings as in method 7 and 9: segments, winner density, weight sparsity,
# learning rate, c, xi, SI on segments.
SEARCHED = {
    "segment_search-7": "10,segment_search,7,0.1,0.5,0.0005,,,False",
    "kw_sparsity_search-0.05": "50,kw_sparsity_search,50,0.05,0.5,0.0005,,,False",
    "w_sparsity_search-0.99": "10,w_sparsity_search,10,0.1,0.99,0.0005,,,False",
    "cross_search-5-0.2-0.9-0.005": "10,cross_search,5,0.2,0.9,0.005,,,False",
    "optimal": "50,optimal,100,0.05,0.5,0.0005,,,False",
    "si_prototype_hp-14": "10,si_prototype_hp,14,0.1,0.5,0.0005,0.1,0.1,True",
    "si_prototype_hp_control-14": "10,si_prototype_hp_control,14,0.1,0.5,0.0005,0.1,0.1,False",
    "si_masse-0.035-0.001": "10,si_masse,0,,0,0.001,0.035,0.001,False",
}


def test_a_search_says_what_it_varies(tmp_path: Path, declarations: Declarations) -> None:
    rows = [declared(variant, num_tasks=int(written.split(",")[0])) for variant, written in SEARCHED.items()]
    for row in rows:
        write_run(tmp_path, row.variant, 1, whole_matrix(row.num_tasks))
    table = experiment_table(declarations, "paper", "search_curves", rows, {name: [1] for name in SEARCHED}, tmp_path)
    write_table(tmp_path / "table.csv", table)
    written = pd.read_csv(tmp_path / "table.csv", dtype=str, keep_default_na=False)
    first, last = list(written).index("num_tasks"), list(written).index("include_segments")
    for variant, expected in SEARCHED.items():
        of_variant = written[written.variant == variant]
        assert of_variant.after_task.tolist() == [str(after + 1) for after in range(int(expected.split(",")[0]))]
        assert {",".join(line) for line in of_variant.to_numpy()[:, first : last + 1]} == {expected}


# -- what is declared -------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", ["paper", "quick"])
def test_every_experiment_declares_its_runs_in_order(declarations: Declarations, scale: str) -> None:
    published = read_published(declarations)
    for experiment in declarations.experiments:
        rows = list(declared_rows(declarations, published, scale, experiment))
        assert [(row.variant, row.num_tasks) for row in rows] == list(declarations.configurations_of(scale, experiment))


def test_published_values_are_fractions(declarations: Declarations) -> None:
    rows = declared_rows(declarations, read_published(declarations), "paper", "comparison")
    published = {(row.variant, row.num_tasks): (row.published, row.quoted) for row in rows}
    assert published["prototype", 100] == (0.814206, False)
    assert published["si_prototype", 2] == (0.976512, False)
    assert published["si_xdg", 100] == (0.955, True)
    assert published["prototype_corrected", 2][1] is False


def test_clusters_and_searches_have_published_values_of_their_own(declarations: Declarations) -> None:
    published = read_published(declarations)
    clusters = {row.num_tasks: row for row in declared_rows(declarations, published, "paper", "clusters")}
    assert (clusters[2].published_clusters, clusters[100].published_clusters) == (2.25, 110.5)
    searched = {
        (row.variant, row.num_tasks): row for row in declared_rows(declarations, published, "paper", "search_accuracy")
    }
    one = searched["segment_search-2", 10]
    assert (one.published, one.published_std) == (pytest.approx(0.93581), pytest.approx(0.0038))


# -- the script -------------------------------------------------------------------------------------------


@pytest.fixture
def aggregate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Callable[..., tuple[str, str]]:
    """Runs the script with these arguments; what it prints, and what it says when it fails."""
    script = runpy.run_path(str(REPOSITORY / "workflow/scripts/aggregate.py"))
    monkeypatch.chdir(REPOSITORY)

    def run(*arguments: object) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["aggregate.py", *map(str, arguments)])
        said = ""
        try:
            script["main"]()
        except SystemExit as end:
            said = str(end)
        printed = capsys.readouterr()
        return printed.out, printed.err + said

    return run


def test_the_script_writes_a_table(tmp_path: Path, aggregate, declarations: Declarations) -> None:
    counts = dict(declarations.configurations_of("quick", "accuracy_matrix"))
    for variant, num_tasks in counts.items():
        for seed in (1, 7):
            write_run(tmp_path, variant, seed, whole_matrix(num_tasks))
    seeds = [f"--seeds={variant}={'1,7' if variant == 'prototype' else '7'}" for variant in counts]
    options = ["--scale", "quick", "--experiment", "accuracy_matrix", "--runs", tmp_path]
    path = tmp_path / "accuracy_matrix.csv"

    assert aggregate("table", *options, "--output", path, *seeds) == ("", "")
    found = set(in_columns(pd.read_csv(path), "experiment scale variant n"))
    assert found == {("accuracy_matrix", "quick", name, 2 if name == "prototype" else 1) for name in counts}

    path.unlink()
    _, said = aggregate("table", *options, "--output", path, *seeds[:-1])
    missing = list(counts)[-1]
    assert said == f"aggregate: seeds: found none for {missing}, expected those of each variant of accuracy_matrix"
    assert not path.exists()


def test_the_script_refuses_runs_of_other_settings(tmp_path: Path, aggregate, declarations: Declarations) -> None:
    """Without Snakemake's notes nothing else would tell."""
    counts = dict(declarations.configurations_of("quick", "accuracy_matrix"))
    records = {}
    for variant, num_tasks in counts.items():
        records[variant] = write_run(tmp_path, variant, 1, whole_matrix(num_tasks)) / "record.json"
        settings = declarations.resolve("quick", variant, num_tasks, 1).settings_hash()
        records[variant].write_text(f'{{"clusters": null, "settings_hash": "{settings}"}}')
    options = ["--scale", "quick", "--experiment", "accuracy_matrix", "--runs", tmp_path]
    options += ["--output", tmp_path / "t.csv", *(f"--seeds={variant}=1" for variant in counts)]
    assert aggregate("table", *options) == ("", "")
    (tmp_path / "t.csv").unlink()
    settings = declarations.resolve("quick", "prototype", counts["prototype"], 1).settings_hash()
    records["prototype"].write_text('{"clusters": null, "settings_hash": "1234"}')
    said = f"{records['prototype']}: settings_hash: found 1234, expected {settings} of today's settings"
    assert aggregate("table", *options)[1] == f"aggregate: {said}; delete its folder to train it again"
    assert not (tmp_path / "t.csv").exists()


@pytest.mark.parametrize("seeds", ["prototype", "=1", "prototype=", "prototype=1,x", "prototype=1,,2", "prototype=1,1"])
def test_the_script_refuses_seeds_that_are_none(tmp_path: Path, aggregate, seeds: str) -> None:
    options = ["--scale", "quick", "--experiment", "clusters", "--runs", tmp_path, "--output", tmp_path / "table.csv"]
    _, said = aggregate("table", *options, "--seeds", "construct_prototype=1", seeds)
    assert f"found {seeds!r}, expected VARIANT=1,2,3, each seed once" in said
    assert not list(tmp_path.iterdir())


def test_the_script_prints_a_line_for_each_variant(runs: Path, aggregate) -> None:
    one, other = ([run_folder(runs, name, 2, seed) / "accuracy.csv" for seed in (3, 4)] for name in ("one", "other"))
    options = ["line", "--name", "search_2", "--num-tasks", 2]
    assert aggregate(*options, *one) == ("search_2: 90.00 % ± 7.07 (2 seeds)\n", "")
    assert aggregate(*options, *one[:1], *other)[0].splitlines() == [
        "search_2, one: 85.00 % (1 seed)",
        "search_2, other: 50.00 % ± 0.00 (2 seeds), 2.50 clusters",
    ]
    _, said = aggregate(*options, *one, run_folder(runs, "one", 2, 5) / "accuracy.csv")
    assert "one/tasks-2/seed-5/accuracy.csv" in said
    _, said = aggregate(*options, runs / "accuracies.csv")
    assert said.endswith("accuracies.csv, expected .../<variant>/tasks-<T>/seed-<s>/accuracy.csv")


def test_a_line_for_a_person() -> None:
    assert result_line("prototype_2", summarise([0.947, 0.949])) == "prototype_2: 94.80 % ± 0.14 (2 seeds)"
    assert result_line("prototype_2", summarise([0.947])) == "prototype_2: 94.70 % (1 seed)"
    assert result_line("clusters_2", summarise([0.947]), [3]) == "clusters_2: 94.70 % (1 seed), 3.00 clusters"


@pytest.mark.parametrize("name", ["prototype/2/1/accuracy.csv", "prototype/tasks-2/seed-1/accuracies.csv"])
def test_a_file_that_is_not_that_of_a_run_is_named(tmp_path: Path, name: str) -> None:
    write_accuracy(tmp_path / name, np.array([[0.9, np.nan], [0.8, 0.9]]))
    with pytest.raises(ValueError, match=rf"found {tmp_path}/prototype/.*, expected .*seed-<s>"):
        list(result_lines("prototype_2", [tmp_path / name], 2))
