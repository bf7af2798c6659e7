"""The workflow from elsewhere: with --directory, by its own Snakefile, and as a module of another workflow."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from project import Project

CALLER = """\
module rebuilt:
    snakefile: "{snakefile}"
    prefix: "paper"
    config: {{"results": "made"}}

use rule * from rebuilt as rebuilt_*

onstart:
    rebuilt.before_the_first_job()

rule first:
    default_target: True
    input:
        rules.rebuilt_quick_ablation.input
    output:
        "own.txt"
    shell:
        "ls {{input}} > {{output}}"
"""
FIGURE = [
    *(f"figures/ablation.{kind}" for kind in ("svg", "png", "pdf")),
    "notebooks/ablation.ipynb",
    "tables/ablation.csv",
]


@pytest.fixture(scope="module")
def project(make_project: Callable[[], Project]) -> Project:
    return make_project()


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Snakemake, started in a folder, without anything of the project on the path."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-m", "snakemake", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_another_workflow_uses_this_one(project: Project, tmp_path: Path) -> None:
    """With a prefix, rules of other names, and one key of the settings; a figure is made."""
    (tmp_path / "Snakefile").write_text(CALLER.format(snakefile=project.path("workflow/Snakefile")))
    done = snakemake(tmp_path, "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    made = [f"paper/made/quick/{name}" for name in FIGURE]
    assert (tmp_path / "own.txt").read_text().split() == sorted(made)
    assert all((tmp_path / name).stat().st_size for name in made)
    again = snakemake(tmp_path, "--dry-run")
    assert "Nothing to be done" in again.stdout + again.stderr


def test_results_may_go_to_another_directory(project: Project, tmp_path: Path) -> None:
    done = snakemake(project.root, "--directory", str(tmp_path), "--cores", "2", "quick_ablation")
    assert done.returncode == 0, done.stdout + done.stderr
    assert all((tmp_path / "results/quick" / name).stat().st_size for name in FIGURE)
    assert not project.path("results").exists()


@pytest.mark.parametrize("arguments", [[], ["--snakefile", "workflow/Snakefile"]], ids=["at the top", "in workflow/"])
def test_both_snakefiles_make_the_paper_by_default(project: Project, arguments: list[str]) -> None:
    jobs = project.plan(*arguments, "--cores", "1")
    assert {job.wildcards["scale"] for job in jobs if job.rule == "train"} == {"paper"}
    assert {job.rule for job in jobs} >= {"all", "aggregate", "draw", "report"}


def test_a_module_may_be_guarded(project: Project, tmp_path: Path) -> None:
    """Finished runs of paper scale stay, where the other workflow calls the guard."""
    text = CALLER.format(snakefile=project.path("workflow/Snakefile"))
    (tmp_path / "Snakefile").write_text(text.replace("quick_ablation", "ablation"))
    run = tmp_path / "paper/made/paper/runs/sparse_representations_only/tasks-2/seed-1"
    run.mkdir(parents=True)
    (run / "record.json").write_text('{"settings": {}, "numerics": 1, "wall_seconds": 7200}')
    (run / "accuracy.csv").write_text("after_task,task,accuracy\n")
    done = snakemake(tmp_path, "--cores", "2")
    assert done.returncode != 0
    assert "Stopped before anything was done: finished runs of paper scale would be deleted" in done.stderr
    assert (run / "record.json").exists()
