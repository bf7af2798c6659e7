"""Metrics, a run's files and the choice of a device."""

import itertools
import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import braycurtis

from active_dendrites.evaluation.metrics import (
    average_accuracy,
    backward_transfer,
    chance_overlap,
    continual_metrics,
    forgetting,
    learning_accuracy,
    subnetwork_overlap,
    summarise,
)
from active_dendrites.runs import records
from active_dendrites.runs.files import atomic_file
from active_dendrites.runs.provenance import machine, source_state
from active_dendrites.training import devices
from active_dendrites.training.loop import DivergedError, duration, train

ROOT = Path(__file__).parents[3]
NA = np.nan  # not measured
MATRIX = np.array([[0.6, NA, NA], [0.8, 0.7, NA], [0.5, 0.6, 1.0]])
SPARSE = np.array([[0.6, NA, NA, NA], [NA, 0.7, NA, NA], [0.9, 0.5, 0.8, NA], [0.5, 0.6, 0.4, 1.0]])
ACTIVITY = np.array([[1, 0.5, 0, 0], [0, 0.5, 1, 0.5]], dtype=np.float32)


def test_average_accuracy_is_the_mean_of_the_last_row() -> None:
    assert average_accuracy(MATRIX) == pytest.approx(0.7)
    with pytest.raises(ValueError, match="after the last task: 1 of 3 tasks missing"):
        average_accuracy(np.array([[1, 1, 1], [1, 1, 1], [1, NA, 1]]))


def test_learning_accuracy_is_the_mean_of_the_diagonal() -> None:
    assert learning_accuracy(MATRIX) == pytest.approx((0.6 + 0.7 + 1.0) / 3)
    assert learning_accuracy(SPARSE) == pytest.approx((0.6 + 0.7 + 0.8 + 1.0) / 4)


def test_backward_transfer_compares_the_last_row_with_the_diagonal() -> None:
    assert backward_transfer(MATRIX) == pytest.approx((-0.1 - 0.1) / 2)
    assert backward_transfer(SPARSE) == pytest.approx((-0.1 - 0.1 - 0.4) / 3)
    assert backward_transfer(np.array([[0.5, NA], [0.9, 0.8]])) == pytest.approx(0.4)


def test_forgetting_is_the_fall_from_the_best_before_the_last() -> None:
    assert forgetting(MATRIX) == pytest.approx((0.3 + 0.1) / 2)  # task 1 was at its best after task 2
    assert forgetting(SPARSE) == pytest.approx((0.4 + 0.1 + 0.4) / 3)
    assert forgetting(np.array([[0.6, NA, NA], [NA, 0.7, NA], [0.5, 0.6, 1.0]])) == pytest.approx((0.1 + 0.1) / 2)
    assert forgetting(np.array([[0.5, NA], [0.9, 0.8]])) == pytest.approx(-0.4)


def test_a_single_task_cannot_be_forgotten() -> None:
    found = continual_metrics(np.array([[0.9]]))
    assert (found["average_accuracy"], found["learning_accuracy"]) == (0.9, 0.9)
    assert np.isnan([found["forgetting"], found["backward_transfer"]]).all()


def test_all_metrics_by_name() -> None:
    assert continual_metrics(MATRIX) == {
        "average_accuracy": average_accuracy(MATRIX),
        "forgetting": forgetting(MATRIX),
        "backward_transfer": backward_transfer(MATRIX),
        "learning_accuracy": learning_accuracy(MATRIX),
    }


@pytest.mark.parametrize("metric", [learning_accuracy, backward_transfer, forgetting])
def test_a_task_not_tested_right_after_learning_is_an_error(metric) -> None:
    with pytest.raises(ValueError, match="right after learning: 1 of 3 tasks missing"):
        metric(np.array([[NA, NA, NA], [0.8, 0.7, NA], [0.5, 0.6, 1.0]]))


@pytest.mark.parametrize("metric", [backward_transfer, forgetting])
def test_a_task_not_tested_after_the_last_is_an_error(metric) -> None:
    with pytest.raises(ValueError, match="after the last task: 2 of 3 tasks missing"):
        metric(np.array([[0.6, NA, NA], [0.8, 0.7, NA], [NA, NA, 1.0]]))


def test_overlap_and_its_chance_by_hand() -> None:
    one, both, other = 1.5, (1.5 + 2.0) / 2, 2.0  # mean sizes
    np.testing.assert_allclose(subnetwork_overlap(ACTIVITY), [[1, 0.5 / both], [0.5 / both, 1]])
    # The smaller activity of two units, summed over all 16 pairs; by the 4 units of one task.
    expected = [[2.5 / 4 / one, 3.5 / 4 / both], [3.5 / 4 / both, 5.0 / 4 / other]]
    np.testing.assert_allclose(chance_overlap(ACTIVITY), expected)


def test_overlap_is_one_for_the_same_and_zero_for_disjoint_units() -> None:
    disjoint = np.array([[0.3, 0.9, 0, 0], [0, 0, 0.1, 1.0]])
    np.testing.assert_array_equal(subnetwork_overlap(disjoint), np.eye(2))
    np.testing.assert_allclose(subnetwork_overlap(np.full((2, 3), 0.2)), 1)
    np.testing.assert_allclose(chance_overlap(np.full((2, 3), 0.2)), 1)


STATE = source_state(ROOT)
FRACTIONS = st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(0, 1, allow_subnormal=False)  # often equal ones


@given(st.lists(st.lists(FRACTIONS, min_size=5, max_size=5), min_size=1, max_size=4).map(np.array))
def test_overlap_and_its_chance_equal_plain_loops(activity: np.ndarray) -> None:
    num_units = activity.shape[1]
    overlap, chance = subnetwork_overlap(activity), chance_overlap(activity)
    for (i, f), (j, g) in itertools.product(enumerate(activity), repeat=2):
        size = (f.sum() + g.sum()) / 2
        if size == 0:
            assert np.isnan([overlap[i, j], chance[i, j]]).all()
            continue
        assert overlap[i, j] == pytest.approx(sum(min(f[u], g[u]) for u in range(num_units)) / size)
        pairs = [min(f[u], g[v]) for u in range(num_units) for v in range(num_units)]
        assert chance[i, j] == pytest.approx(num_units * np.mean(pairs) / size)


def test_overlap_is_one_minus_the_bray_curtis_dissimilarity() -> None:
    activity = np.random.default_rng(1).random((2, 300))
    assert subnetwork_overlap(activity)[0, 1] == pytest.approx(1 - braycurtis(*activity))


@pytest.mark.parametrize("pair", [(0, 1), (1, 1)])
def test_chance_is_the_mean_overlap_over_all_arrangements_of_units(pair: tuple[int, int]) -> None:
    f, g = ACTIVITY[list(pair)]
    arranged = [np.stack([f, g[list(order)]]) for order in itertools.permutations(range(len(g)))]
    expected = np.mean([subnetwork_overlap(activity)[0, 1] for activity in arranged])
    assert chance_overlap(ACTIVITY)[pair] == pytest.approx(expected)


def test_summary_agrees_with_scipy() -> None:
    values = [0.941, 0.952, 0.947, 0.938, 0.955]
    found = summarise(values)
    assert (found.n, found.mean) == (5, pytest.approx(np.mean(values)))
    assert found.std == pytest.approx(np.std(values, ddof=1))
    expected = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected)


def test_one_seed_has_no_interval_and_none_is_an_error() -> None:
    assert np.isnan(summarise([0.5])[2:]).all()
    with pytest.raises(ValueError, match="expected one number per seed"):
        summarise([])
    with pytest.raises(ValueError, match="expected one number per seed"):
        summarise([0.5, float("nan")])


@pytest.mark.parametrize("matrix", [MATRIX, SPARSE, np.array([[2 / 3]])], ids=["full", "sparse", "one task"])
def test_accuracy_survives_the_file(tmp_path, matrix: np.ndarray) -> None:
    records.write_accuracy(tmp_path / "accuracy.csv", matrix)
    np.testing.assert_array_equal(records.read_accuracy(tmp_path / "accuracy.csv", len(matrix)), matrix)


def test_accuracy_has_a_row_for_each_test(tmp_path) -> None:
    records.write_accuracy(tmp_path / "accuracy.csv", SPARSE)
    assert (tmp_path / "accuracy.csv").read_text().splitlines() == [
        *("after_task,task,accuracy", "1,1,0.6", "2,2,0.7", "3,1,0.9", "3,2,0.5", "3,3,0.8"),
        *("4,1,0.5", "4,2,0.6", "4,3,0.4", "4,4,1.0"),
    ]


@pytest.mark.parametrize("place", [(0, 0), (1, 1), (2, 1), (3, 0)])
def test_a_matrix_that_lacks_a_test_is_not_written(tmp_path, place: tuple[int, int]) -> None:
    matrix = SPARSE.copy()
    matrix[place] = np.nan
    with pytest.raises(AssertionError):
        records.write_accuracy(tmp_path / "accuracy.csv", matrix)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: "", "No columns"),
        (lambda text: "after_task,task,accuracy\n", "after task 1 found no accuracy of task 1"),
        (lambda text: text.removesuffix("4,4,1.0\n"), "after task 4 found no accuracy of task 4, expected one"),
        (lambda text: text.removesuffix("\n"), "found '4,4,1.0' at its end, expected a whole line"),
        (lambda text: text.replace("2,2,0.7\n", ""), "after task 2 found no accuracy of task 2, expected one"),
        (lambda text: text.replace("3,2,0.5\n", ""), "after task 3 found 2 tasks, expected 3 or task 3 alone"),
        (lambda text: text.replace("4,2,0.6\n", ""), "after task 4 found 3 tasks, expected 4$"),
        (lambda text: text.replace("3,2,0.5", "3,2,0.5\n3,2,0.5"), "found task 2 after task 3 twice"),
        (lambda text: text.replace("3,2,0.5", "3,2,1.6"), "outside 0 to 1"),
        (lambda text: text.replace("3,2,0.5", "3,2,-0.5"), "outside 0 to 1"),
        (lambda text: text.replace("3,2,0.5", "3,2,"), "empty cells"),
        (lambda text: text.replace("3,2,0.5", "3,2,good"), "good"),
        (lambda text: text.replace("3,2,0.5", "3,1.5,0.5"), "cannot safely convert"),
        (lambda text: text.replace("3,2,0.5", "3,2,0.5,0.5"), "Expected 3 fields"),
        (lambda text: text.replace("3,2,0.5", "3,5,0.5"), "outside 4 tasks"),
        (lambda text: text.replace("3,2,0.5", "2,3,0.5"), "outside 4 tasks"),
        (lambda text: text.replace("3,2,0.5", "0,0,0.5"), "outside 4 tasks"),
        (lambda text: text + "5,5,0.5\n", "outside 4 tasks"),
        (lambda text: text.replace("task", "job"), "found columns"),
    ],
)
def test_damaged_accuracy_is_refused_by_name(tmp_path, damage, message: str) -> None:
    path = tmp_path / "accuracy.csv"
    records.write_accuracy(path, SPARSE)
    path.write_text(damage(path.read_text()))
    with pytest.raises(records.IncompleteRunError, match=rf"accuracy\.csv: .*({message})") as fault:
        records.read_accuracy(path, 4)
    assert "\n" not in str(fault.value)


def test_activity_survives_the_file(tmp_path) -> None:
    path = tmp_path / "run" / "activity.npy"
    records.write_activity(path, ACTIVITY.T.astype(float).T)  # neither the type nor the order in memory matters
    found = records.read_activity(path, 2)
    np.testing.assert_array_equal(found, ACTIVITY)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(np.load(path), ACTIVITY)
    assert [file.name for file in path.parent.iterdir()] == ["activity.npy"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ACTIVITY[:1], r"found float32 \(1, 4\), expected float32 \(2, units\)"),
        (ACTIVITY[0], r"found float32 \(4,\), expected"),
        (ACTIVITY[:, :0], r"found float32 \(2, 0\), expected"),
        (ACTIVITY.astype(float), r"found float64 \(2, 4\), expected float32"),
        (2 * ACTIVITY, "found values from 0 to 2, expected fractions"),
        (-ACTIVITY, "found values from -1 to -?0, expected fractions"),
        (ACTIVITY * np.float32(np.nan), "found values from nan to nan, expected fractions"),
        (np.array([{"any": "object"}, None]), "allow_pickle"),
    ],
    ids=["a task less", "a row", "no units", "float64", "above 1", "below 0", "nan", "pickle"],
)
def test_other_activity_is_refused_by_name(tmp_path, content: np.ndarray, message: str) -> None:
    np.save(tmp_path / "activity.npy", content)
    with pytest.raises(records.IncompleteRunError, match=rf"activity\.npy: .*{message}"):
        records.read_activity(tmp_path / "activity.npy", 2)


def test_a_damaged_header_of_activity_is_refused_by_name(tmp_path) -> None:
    path = tmp_path / "activity.npy"
    records.write_activity(path, ACTIVITY)
    path.write_bytes(path.read_bytes().replace(b"False", b"Fa(se"))
    with pytest.raises(records.IncompleteRunError, match=r"activity\.npy: "):
        records.read_activity(path, 2)


def test_activity_that_is_no_fraction_is_not_written(tmp_path) -> None:
    with pytest.raises(AssertionError):
        records.write_activity(tmp_path / "activity.npy", 2 * ACTIVITY)
    assert not list(tmp_path.iterdir())


READERS = {
    "accuracy.csv": lambda path: records.read_accuracy(path, 4),
    "activity.npy": lambda path: records.read_activity(path, 2),
    "record.json": records.read_record,
}


@pytest.mark.parametrize("name", READERS)
def test_a_file_cut_off_anywhere_is_refused_by_name(tmp_path, small_run, name: str) -> None:
    path = tmp_path / name
    records.write_accuracy(tmp_path / "accuracy.csv", SPARSE)
    records.write_activity(tmp_path / "activity.npy", ACTIVITY)
    records.write_record(tmp_path / "record.json", small_run("prototype"), "paper", {"device": "A processor"})
    whole = path.read_bytes().rstrip()  # a record is whole without its last line break
    READERS[name](path)
    for length in range(0, len(whole), max(1, len(whole) // 200)):
        path.write_bytes(whole[:length])
        with pytest.raises(records.IncompleteRunError, match=name):
            READERS[name](path)
    path.write_bytes(whole + b"\n1")
    with pytest.raises(records.IncompleteRunError, match=name):
        READERS[name](path)
    path.unlink()
    with pytest.raises(records.IncompleteRunError, match=name):
        READERS[name](path)


@pytest.mark.parametrize("binary", [False, True])
def test_a_file_is_written_whole_or_not_at_all(tmp_path, binary: bool) -> None:
    path = tmp_path / "table.csv"
    path.write_text("before")
    with pytest.raises(RuntimeError), atomic_file(path, binary) as file:
        file.write(b"half" if binary else "half")
        raise RuntimeError
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("table.csv", "before")]


def test_record_answers_which_settings_gave_this_number(tmp_path, small_run) -> None:
    run = small_run("si_prototype")
    records.write_record(
        tmp_path / "record.json", run, "paper", machine(torch.device("cpu")), steps=7, wall_seconds=1.5, **STATE
    )
    record = records.read_record(tmp_path / "record.json")
    assert record == json.loads((tmp_path / "record.json").read_text())
    assert record["settings"] == run.settings()
    assert record["settings_hash"] == run.settings_hash()
    assert record["steps"] == 7
    assert {"commit", "dirty", "versions", "device", "threads", "wall_seconds", "peak_memory_mib"} <= set(record)


def test_reading_a_record_loads_no_torch() -> None:
    code = "import sys, active_dendrites.runs.records; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_what_is_not_a_number_is_null_in_a_record(tmp_path, small_run) -> None:
    path = tmp_path / "record.json"
    metrics = continual_metrics(np.array([[0.9]]))
    measured = {"metrics": metrics, "listed": [1.5, np.nan], "clusters": 3}
    records.write_record(path, small_run("prototype"), "paper", {"device": "A processor"}, **measured)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    record = json.loads(path.read_text(), parse_constant=refuse)
    undefined = {"forgetting": None, "backward_transfer": None}
    assert record["metrics"] == {"average_accuracy": 0.9, "learning_accuracy": 0.9, **undefined}
    assert record["listed"] == [1.5, None]
    assert records.read_clusters(path) == 3


def test_a_record_without_clusters_inferred_none(tmp_path) -> None:
    (tmp_path / "record.json").write_text('{"clusters": null}')
    assert records.read_clusters(tmp_path / "record.json") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "found list, expected the record of a run"),
        ("{}", "clusters: found 'nothing', expected an integer from 1, or null"),
        ('{"clusters": 0}', "clusters: found 0, expected"),
        ('{"clusters": 2.5}', "clusters: found 2.5, expected"),
        ('{"clusters": true}', "clusters: found True, expected"),
    ],
)
def test_other_records_are_refused_by_name(tmp_path, text: str, message: str) -> None:
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(records.IncompleteRunError, match=rf"record\.json: {message}"):
        records.read_clusters(tmp_path / "record.json")


def refusal(*options: object) -> str:
    """What train.py says when it refuses these options."""
    script = [sys.executable, ROOT / "workflow/scripts/train.py", "--config", ROOT / "config", "--variant", "prototype"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow/src")}
    command = [*script, "--num-tasks", "2", *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    return done.stderr


def test_a_run_refuses_settings_it_was_not_planned_with(tmp_path) -> None:
    """The YAML files could be edited between the plan and the start of a job."""
    said = refusal("--run-folder", tmp_path / "run", "--settings-hash", "0123456789abcdef")
    assert "expected 0123456789abcdef; start the workflow again" in said.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_each_seed_wants_a_run_folder(tmp_path) -> None:
    said = refusal("--seed", 1, 2, "--run-folder", tmp_path / "run")
    assert said == "train: --run-folder: found 1 folders, expected one for each seed [1, 2]\n"


def test_runs_side_by_side_differ_in_their_seed_alone(small_run, digits) -> None:
    one, other = small_run("prototype", seed=1), small_run("prototype", seed=2, learning_rate=0.5)
    assert one.settings_hash() == one.model_copy(update={"seed": 2}).settings_hash() != other.settings_hash()
    with pytest.raises(ValueError, match=r"found different settings for seeds \[1, 2\], expected equal ones"):
        train([one, other], digits, torch.device("cpu"))
    with pytest.raises(ValueError, match=r"seeds: found \[1, 1\], expected one or more, each once"):
        train([one, one], digits, torch.device("cpu"))


def test_a_loss_that_is_no_number_stops_the_run(small_run, digits) -> None:
    run = small_run("prototype", learning_rate=1e30, num_tasks=1, numerics__precision="float32")
    where = r"seed 1: the loss is \w+ at task 1, epoch \d, within step \d+ at learning rate 1e\+30"
    with pytest.raises(DivergedError, match=where):
        train([run], digits, torch.device("cpu"))


def test_same_seed_same_bits_and_another_seed_others(small_run, digits) -> None:
    first, other = train([small_run("prototype", num_tasks=2, seed=s) for s in (3, 4)], digits, torch.device("cpu"))
    (again,) = train([small_run("prototype", num_tasks=2, seed=3)], digits, torch.device("cpu"))
    for p, q, r in zip(first.network.parameters(), again.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(p, q)
        assert not torch.equal(p, r)


def test_a_gpu_that_is_not_there_is_an_error_not_a_slow_run(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with devices.training_device("auto") as device:
        assert device.type == "cpu"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    with (
        pytest.raises(ValueError, match="no CUDA GPU among CUDA_VISIBLE_DEVICES='7'"),
        devices.training_device("cuda"),
    ):
        pass
    with (
        pytest.raises(ValueError, match="found 'gpu', expected auto, cpu or cuda"),
        devices.training_device("gpu"),
    ):
        pass


def hold(names: list[str], chosen, release) -> None:
    with devices.free_lock(names, patience=0.01) as index:
        chosen.put(index)
        release.wait(30)


def test_two_jobs_on_two_gpus_take_different_ones(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    fork = multiprocessing.get_context("fork")
    chosen, release = fork.Queue(), fork.Event()
    jobs = [fork.Process(target=hold, args=(["a", "b"], chosen, release)) for _ in range(3)]
    for job in jobs:
        job.start()
    assert {chosen.get(timeout=20), chosen.get(timeout=20)} == {0, 1}
    assert chosen.empty()  # the third waits for a free one
    release.set()
    assert chosen.get(timeout=20) in (0, 1)
    for job in jobs:
        job.join(20)


@pytest.mark.parametrize(("seconds", "text"), [(45, "45 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")])
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
