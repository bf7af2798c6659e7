"""What is finished is sealed: no damage passes, and that of a seal itself no more than any other."""

import json
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from finished_runs import finished_run, rewrite, unsealed

from active_dendrites.evaluation.tables import SeededRuns
from active_dendrites.figures.style import read_table
from active_dendrites.reproduction.counted_runs import LeftOut, read_run
from active_dendrites.reproduction.reference import merge, read_rows
from active_dendrites.runs.files import SUMS
from active_dendrites.runs.records import (
    FORMAT,
    IncompleteRunError,
    finished_record,
    is_finished,
    read_accuracy,
    read_activity,
    read_record,
    record_in,
    write_activity,
)
from active_dendrites.runs.seals import DamagedFileError, check_file, discard_seal, seal_of, seal_run, sealed_file
from active_dendrites.settings.declarations import PAPER, Declarations

FILES = ("accuracy.csv", "activity.npy", "record.json", SUMS)
READERS: dict[str, Callable[[Path], object]] = {
    "accuracy.csv": lambda folder: read_accuracy(folder / "accuracy.csv", 3),
    "activity.npy": lambda folder: read_activity(folder / "activity.npy", 3),
    "record.json": lambda folder: read_record(folder / "record.json"),
}


@pytest.fixture
def run(declarations: Declarations, tmp_path: Path) -> Path:
    """The folder of a finished run with all its files."""
    draws = np.random.default_rng(3)
    matrix = np.where(np.tri(3, dtype=bool), draws.random((3, 3)), np.nan)
    folder = finished_run(declarations, tmp_path / "runs", "si_prototype", 3, 1, matrix)
    write_activity(folder / "activity.npy", draws.random((3, 50)))
    seal_run(folder, (folder / "record.json").read_bytes())
    return folder


def damages(content: bytes, draws: random.Random, count: int) -> list[bytes]:
    """So many other contents: a bit turned, a part missing at the end or in the middle, or zeros in its place."""

    def bit() -> bytes:
        at = draws.randrange(len(content))
        return content[:at] + bytes([content[at] ^ 1 << draws.randrange(8)]) + content[at + 1 :]

    def cut() -> bytes:
        return content[: draws.randrange(len(content))]

    def hole() -> bytes:
        start = draws.randrange(len(content))
        return content[:start] + content[draws.randrange(start + 1, len(content) + 1) :]

    def zeros() -> bytes:
        start = draws.randrange(len(content))
        end = draws.randrange(start + 1, len(content) + 1)
        return content[:start] + bytes(end - start) + content[end:]

    made = [draws.choice([bit, bit, cut, hole, zeros])() for _ in range(count)]
    assert sum(len(each) == len(content) for each in made) > count / 3
    return [each for each in made if each != content]  # zeros of activity.npy are zeros again


@pytest.mark.parametrize("name", FILES)
def test_no_damage_of_a_run_passes(run: Path, name: str) -> None:
    path = run / name
    content = path.read_bytes()
    readers = list(READERS.values()) if name == SUMS else [READERS[name]]
    for damaged in damages(content, random.Random(name), 300):
        path.write_bytes(damaged)
        with pytest.raises(IncompleteRunError, match=r"SHA256SUMS|SHA-256"):
            for read in readers:  # a sum that is damaged is noticed with the file that it is of
                read(run)
    path.write_bytes(content)
    for read in READERS.values():
        read(run)


def test_a_seal_that_is_gone_does_not_pass_for_an_older_run(run: Path) -> None:
    (run / SUMS).unlink()
    for read in READERS.values():
        with pytest.raises(IncompleteRunError, match=f"{SUMS}: found no such file, expected the seal"):
            read(run)


def test_a_file_that_was_not_sealed_is_refused(run: Path) -> None:
    sums = (run / SUMS).read_text().splitlines(keepends=True)
    (run / SUMS).write_text("".join(line for line in sums if "activity" not in line))
    with pytest.raises(IncompleteRunError, match=r"activity\.npy: found no sum of it in .*SHA256SUMS, expected one"):
        read_activity(run / "activity.npy", 3)


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum here")
def test_the_usual_program_reads_a_seal(run: Path) -> None:
    done = subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=run, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "accuracy.csv: OK\nactivity.npy: OK\nrecord.json: OK\n")


def test_whoever_reads_a_run_notices(run: Path, declarations: Declarations, tmp_path: Path) -> None:
    """Verdicts and pages, tables, the reference, and the rules that group seeds."""
    accuracies = run / "accuracy.csv"
    accuracies.write_text(accuracies.read_text().replace("0.", "0.1", 1))
    settings = declarations.resolve(PAPER, "si_prototype", 3, 1)
    left_out = read_run(run, settings)
    assert isinstance(left_out, LeftOut)
    assert f"{accuracies}: found SHA-256 " in left_out.why
    with pytest.raises(IncompleteRunError, match=r"accuracy\.csv: found SHA-256"):
        SeededRuns(3, [run]).accuracies()
    (line,) = merge(tmp_path / "reference/runs.csv", declarations, tmp_path / "runs").refused
    assert line.startswith(f"{accuracies}: found SHA-256")
    record = run / "record.json"
    record.write_text(record.read_text().replace('"steps": 468', '"steps": 469'))
    assert record_in(run) is None
    assert finished_record(run) is None
    assert is_finished(run)  # nobody trains it again unasked


def test_a_run_of_the_older_format_is_read(run: Path, declarations: Declarations) -> None:
    before = [read(run) for read in READERS.values()]
    unsealed(run)
    accuracy, activity, record = (read(run) for read in READERS.values())
    np.testing.assert_array_equal(accuracy, before[0])
    np.testing.assert_array_equal(activity, before[1])
    assert record == {key: value for key, value in before[2].items() if key not in ("format", "images")}


def test_a_run_of_a_later_format_is_refused(run: Path) -> None:
    rewrite(run / "record.json", lambda text: text.replace(f'"format": {FORMAT}', f'"format": {FORMAT + 1}'))
    with pytest.raises(IncompleteRunError, match=f"format: found {FORMAT + 1}, expected at most {FORMAT}"):
        read_record(run / "record.json")


def test_the_seal_of_a_run_that_is_trained_again_is_discarded(run: Path) -> None:
    """Snakemake removes the files that the job makes, and knows nothing of the seal."""
    discard_seal(run)
    assert (run / SUMS).exists()
    (run / "record.json").unlink()
    discard_seal(run)
    assert not (run / SUMS).exists()
    discard_seal(run)


def test_a_record_keeps_its_keys_and_says_its_format(run: Path) -> None:
    keys = list(json.loads((run / "record.json").read_text()))
    assert keys.index("format") == keys.index("numerics") - 1


# -- other files ------------------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    with sealed_file(path) as file:
        file.write("variant,accuracy\nprototype,0.95\nsi_prototype,0.97\n")
    return path


@pytest.mark.parametrize("damaged", ["table.csv", "table.csv.sha256"])
def test_no_damage_of_a_table_passes(table: Path, damaged: str) -> None:
    path = table.with_name(damaged)
    content = path.read_bytes()
    assert check_file(table, table.read_bytes())
    for other in damages(content, random.Random(damaged), 300):
        path.write_bytes(other)
        with pytest.raises(DamagedFileError, match=damaged):
            check_file(table, table.read_bytes())


def test_a_figure_of_a_damaged_table_is_not_drawn(table: Path, caplog) -> None:
    content = table.read_text()
    table.write_text(content.replace("0.95", "0.96"))
    with pytest.raises(DamagedFileError, match=r"table\.csv: found SHA-256 .*, expected .* of table\.csv\.sha256"):
        read_table(table)
    seal_of(table).unlink()
    with pytest.raises(ValueError, match="columns: found"):  # of an earlier version: read, and said so
        read_table(table)
    assert f"{table}: found no table.csv.sha256 beside it: it was read unchecked" in caplog.text


def test_no_damage_of_the_reference_passes(run: Path, declarations: Declarations, tmp_path: Path) -> None:
    path = tmp_path / "reference/runs.csv"
    merge(path, declarations, tmp_path / "runs")
    for damaged in (path, seal_of(path)):
        content = damaged.read_bytes()
        for other in damages(content, random.Random(damaged.name), 300):
            damaged.write_bytes(other)
            with pytest.raises(ValueError, match=r"runs\.csv"):
                read_rows(path)
        damaged.write_bytes(content)
    assert len(read_rows(path)) == 3


def test_a_file_without_a_seal_is_of_an_older_version(table: Path) -> None:
    seal_of(table).unlink()
    assert not check_file(table, table.read_bytes())


KILLED = """
import os, signal, sys
from pathlib import Path
from active_dendrites.runs.seals import sealed_file
replaced, replace = 0, Path.replace
def replace_or_die(*paths):
    global replaced
    if replaced == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    replaced += 1
    return replace(*paths)
Path.replace = replace_or_die
with sealed_file(Path(sys.argv[1])) as file:
    file.write("after")
"""


@pytest.mark.parametrize(("replaced", "found"), [(0, b"v"), (1, b"v"), (2, b"after"), (3, b"after")])
def test_file_and_seal_fit_wherever_the_writer_is_killed(table: Path, replaced: int, found: bytes) -> None:
    command = [sys.executable, "-c", KILLED, str(table), str(replaced)]
    assert subprocess.run(command).returncode == (-signal.SIGKILL if replaced < 3 else 0)
    assert table.read_bytes().startswith(found)
    assert check_file(table, table.read_bytes())
    with sealed_file(table) as file:
        file.write("last")
    assert check_file(table, b"last")
    with pytest.raises(DamagedFileError):
        check_file(table, b"after")
