"""Options of earlier versions name the ones that took their place."""

import runpy
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[3] / "workflow" / "scripts"


@pytest.mark.parametrize("script", ["train.py", "benchmark.py", "benchmark_limits.py"])
def test_the_folder_of_the_images_has_another_name(script: str, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", [script, "--mnist", "results/data/mnist"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPTS / script), run_name="__main__")
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "argument --mnist: found a name of earlier versions, expected --images" in said
