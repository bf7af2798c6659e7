"""The files of a run: written whole, read back, and refused by name where damaged."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from active_dendrites.evaluation.metrics import continual_metrics
from active_dendrites.runs import records
from active_dendrites.runs.files import atomic_file
from active_dendrites.runs.provenance import machine, source_state

STATE = source_state(Path(__file__).parents[3] / "workflow/scripts/train.py")._asdict()
NA = np.nan  # not measured
MATRIX = np.array([[0.6, NA, NA], [0.8, 0.7, NA], [0.5, 0.6, 1.0]])
SPARSE = np.array([[0.6, NA, NA, NA], [NA, 0.7, NA, NA], [0.9, 0.5, 0.8, NA], [0.5, 0.6, 0.4, 1.0]])
ACTIVITY = np.array([[1, 0.5, 0, 0], [0, 0.5, 1, 0.5]], dtype=np.float32)


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
