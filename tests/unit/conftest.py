"""The reference: its file, runs to merge into it, and the script that does."""

import runpy
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from finished_runs import finished_run

from active_dendrites.settings.declarations import Declarations

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "workflow/scripts/reference.py"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "reference" / "runs.csv"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


@pytest.fixture
def write(declarations: Declarations, runs: Path) -> Callable[..., Path]:
    """Writes a finished run: `finished_runs.finished_run`."""
    return partial(finished_run, declarations, runs)


@pytest.fixture
def command() -> Callable[..., list[str]]:
    """The script with these arguments."""

    def words(*arguments: object) -> list[str]:
        return [str(SCRIPT), "--config", str(ROOT / "config"), *map(str, arguments)]

    return words


@pytest.fixture
def script(command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Callable[..., tuple[str, str]]:
    """Runs the script with these arguments; what it prints, and what it says when it fails."""
    main = runpy.run_path(str(SCRIPT))["main"]

    def run(*arguments: object) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", command(*arguments))
        said = ""
        try:
            main()
        except SystemExit as end:
            said = str(end.code)  # text: status 1
        printed = capsys.readouterr()
        return printed.out, printed.err + said

    return run


@pytest.fixture
def measured(write: Callable[..., Path]) -> None:
    """Runs of three configurations, of one of them by a single seed."""
    draws = np.random.default_rng(4)
    for seed in range(1, 5):
        write("prototype", 10, seed, round(0.9455 + 0.002 * draws.normal(), 6))
        write("construct_prototype", 5, seed, round(0.9 + 0.002 * draws.normal(), 6), clusters=5)
    write("xdg", 2, 3, 0.98)
    write("w_sparsity_search-0.5", 10, 1)  # has no published number
