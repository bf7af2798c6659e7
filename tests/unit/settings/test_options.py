"""Options of the scripts: values that are refused, and names of earlier versions."""

import argparse
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from active_dendrites.settings.options import at_least, minutes

SCRIPTS = Path(__file__).parents[3] / "workflow" / "scripts"


@pytest.mark.parametrize("script", ["train.py", "benchmark.py", "benchmark_limits.py"])
def test_the_folder_of_the_images_has_another_name(script: str, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", [script, "--mnist", "results/data/mnist"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPTS / script), run_name="__main__")
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "argument --mnist: found a name of earlier versions, expected --images" in said


@pytest.mark.parametrize("value", ["-1", "0", "two", "1.5", "", "nan"])
def test_a_count_is_a_whole_number_from_its_least_on(value: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"^found {value}, expected a whole number, 1 or more$"):
        at_least(1)(value)
    assert at_least(1)("1") == 1 and at_least(0)("0") == 0


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "soon", ""])
def test_minutes_are_a_number_that_is_not_below_zero(value: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"^found {value}, expected minutes, 0 or more$"):
        minutes(value)
    assert minutes("0.5") == 0.5 and minutes("0") == 0


# Every option of every script that is a count; the values before the first option are subcommands and required ones.
COUNTS = {
    "train.py": ["--threads", "--num-tasks", "--seed"],
    "benchmark.py": ["--threads", "--repeats", "--segments"],
    "benchmark_limits.py": ["--threads", "--repeats"],
}


@pytest.mark.parametrize(("script", "option"), [(script, option) for script in COUNTS for option in COUNTS[script]])
def test_no_count_of_a_script_is_negative(script: str, option: str, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", [script, option, "-1"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPTS / script), run_name="__main__")
    assert ended.value.code == 2
    assert f"argument {option}: found -1, expected a whole number" in capsys.readouterr().err


class Parsing(Exception):
    """Carries the parser of a script."""


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("*.py")))
def test_a_script_finds_the_project_from_its_own_place(script: str, monkeypatch) -> None:
    """No default is a folder below wherever one happens to stand."""

    def stop(parser: argparse.ArgumentParser, *arguments: object) -> None:
        raise Parsing(parser)

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    with pytest.raises(Parsing) as raised:
        runpy.run_path(str(SCRIPTS / script), run_name="__main__")
    parsers = [raised.value.args[0]]
    for parser in parsers:
        for action in parser._actions:
            assert not isinstance(action.default, Path) or action.default.is_absolute(), action.dest
            if isinstance(action, argparse._SubParsersAction):
                parsers += action.choices.values()


PRINT = """
import argparse, runpy, sys

def stop(parser, *arguments):
    print("91.2 ± 0.3, 2 × 2048 ✓")
    sys.exit()

argparse.ArgumentParser.parse_args = stop
runpy.run_path(sys.argv[1], run_name="__main__")
"""


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("*.py")))
def test_a_script_writes_in_any_encoding(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRINT, SCRIPTS / script],
        env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(SCRIPTS.parent / "src")},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "91.2 +/- 0.3, 2 x 2048 \\u2713\n"), done.stderr


@pytest.mark.parametrize(
    ("script", "arguments", "option"),
    [
        ("train.py", "--variant a --num-tasks 2 --num-tasks 5", "--num-tasks"),
        ("train.py", "--variant a --num-tasks 2 --seed 1 --seed 2", "--seed"),
        ("reference.py", "merge --runs a --runs b", "--runs"),
        ("compare.py", "a b --metric forgetting --metric forgetting", "--metric"),
    ],
)
def test_an_option_that_is_repeated_is_refused(script: str, arguments: str, option: str, monkeypatch, capsys) -> None:
    """argparse lets the last win: --seed 1 --seed 2 trained seed 2 alone."""
    monkeypatch.setattr(sys, "argv", [script, *arguments.split()])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPTS / script), run_name="__main__")
    assert ended.value.code == 2
    assert f"argument {option}: found it twice, expected it once" in capsys.readouterr().err


def test_more_threads_than_a_stack_can_hold_are_refused(monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py", "--threads", "100000"])
    with pytest.raises(SystemExit):
        runpy.run_path(str(SCRIPTS / "train.py"), run_name="__main__")
    assert "--threads: found 100000, expected a whole number, 1 to 1024" in capsys.readouterr().err
