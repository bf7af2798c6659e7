"""What people type, in the order in which they type it."""

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from project import Job, Project

# Notes its arguments; is Snakemake itself, unless they are all that is asked.
STAND_IN = f"""\
#!/bin/sh
printf '%s\\n' "$@" >arguments
[ -n "${{ONLY_ARGUMENTS:-}}" ] || exec '{sys.executable}' -m snakemake "$@"
"""


@pytest.fixture(scope="module")
def project(make_project: Callable[[], Project]) -> Project:
    """A tiny project whose `envs/run` has this environment, and a `snakemake` that repeats its arguments."""
    project = make_project()
    programs = project.path(".venv/bin")
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(sys.executable)
    lock = hashlib.sha256(project.path("envs/requirements.txt").read_bytes()).hexdigest()
    project.path(".venv/envs-run.stamp").write_text(f"{sys.version_info[0]}.{sys.version_info[1]} {lock}\n")
    snakemake = programs / "snakemake"
    snakemake.write_text(STAND_IN)
    snakemake.chmod(0o755)
    return project


def run(project: Project, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Snakemake by `envs/run`."""
    command = [project.path("envs/run"), "snakemake", *arguments]
    return subprocess.run(command, cwd=project.root, env=os.environ | environment, capture_output=True, text=True)


def passed_on(project: Project, *arguments: str) -> list[str]:
    """The arguments that Snakemake gets from `envs/run`."""
    assert run(project, *arguments, ONLY_ARGUMENTS="yes").returncode == 0
    return project.path("arguments").read_text().splitlines()


def planned(project: Project, *arguments: str) -> list[str]:
    """Rules and their numbers of jobs."""
    done = run(project, "--dry-run", "--quiet=rules", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if line.startswith(("prepare_mnist ", "train ", "total "))]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--cores", "8", "--resources", "gpu=2", "quick_prototype_2"),
        ("--resources", "gpu=2", "notebook=1", "quick_prototype_2", "--cores", "8"),
        ("--cores", "8", "--config", "device=cpu", "quick_prototype_2"),
        ("--config", "device=cpu", "quick_prototype_2", "--resources", "gpu=2", "--cores", "8"),
        ("--rerun-triggers", "mtime", "code", "quick_prototype_2", "--cores", "8"),
    ],
    ids=" ".join,
)
def test_a_target_behind_resources_is_a_target(project: Project, arguments: tuple[str, ...]) -> None:
    assert planned(project, *arguments) == planned(project, "quick_prototype_2", "--cores", "8") != []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("--resources gpu=2 all", "--resources gpu=2 -- all"),
        ("--res gpu=2 all searches -n", "--res gpu=2 -n -- all searches"),
        ("-C seeds=[1] a/b=c.csv x", "-C seeds=[1] a/b=c.csv -- x"),
        ("--config a=1 x --resources gpu=2 y", "--config a=1 --resources gpu=2 -- x y"),
        ("--resources gpu=2 all -- quick", "--resources gpu=2 -- quick all"),
        ("--configfile my.yaml all", "--configfile my.yaml -- all"),
        ("--sdm conda all", "--sdm conda -- all"),
        ("--rerun-triggers mtime all", "--rerun-triggers mtime -- all"),
        ("plan --config seeds=[1] xdg_2 -n", "--config seeds=[1] -n -- plan xdg_2"),
        ("a b --resources gpu=1 c --cores 2 -- d", "--resources gpu=1 --cores 2 -- d a b c"),
        # Nothing is behind such an option, or Snakemake reads it as it is meant.
        ("all --cores 8 --resources gpu=2", "all --cores 8 --resources gpu=2"),
        ("--resources gpu=2 -- all", "--resources gpu=2 -- all"),
        ("--resources=gpu=2 all", "--resources=gpu=2 all"),
        ("--resources gpu=2 --cores 8 all", "--resources gpu=2 --cores 8 all"),
        ("--forcerun draw --until report", "--forcerun draw --until report"),
    ],
)
def test_only_such_targets_are_set_apart(project: Project, given: str, expected: str) -> None:
    assert passed_on(project, *given.split()) == expected.split()


def test_blanks_and_quotes_stay(project: Project) -> None:
    given = ["--config", "results=my out", "it's here/ä b.csv", "-n"]
    assert passed_on(project, *given) == ["--config", "results=my out", "-n", "--", "it's here/ä b.csv"]


def test_other_commands_get_what_is_typed(project: Project) -> None:
    command = [project.path("envs/run"), "echo", "--resources", "gpu=2", "all"]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "--resources gpu=2 all\n"


def trained(jobs: list[Job]) -> list[tuple[str, str]]:
    return sorted((job.wildcards["variant"], job.wildcards["seed"]) for job in jobs if job.rule == "train")


def test_seeds_hold_at_reduced_scale_too(project: Project) -> None:
    """Which has seeds of its own."""
    jobs = project.plan("quick_prototype_2", "--config", "seeds=[3]")
    assert trained(jobs) == [("prototype", "3")]
    assert trained(project.plan("quick_prototype_2")) == [("prototype", "1"), ("prototype", "2")]


def test_results_go_where_a_shell_would_put_them(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "{home} of mine"
    monkeypatch.setenv("HOME", str(tmp_path))
    before = set(project.root.iterdir())
    done = project.snakemake("prepare_mnist", "--cores", "1", "--config", "results=~/my out")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "my out/data/mnist/train-images-idx3-ubyte").exists()
    assert {path.name for path in set(project.root.iterdir()) - before} <= {".snakemake"}
    monkeypatch.setenv("HOME", str(home))
    done = project.snakemake("prepare_mnist", "--cores", "1", "--config", "results=~/out")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("--config: results: found '~/out', expected a path without braces")


def test_images_may_come_from_any_folder(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    name = "it's my {images} $5"
    (folder,) = re.findall("^images_folder: (.*)$", project.path("config/config.yaml").read_text(), re.MULTILINE)
    (tmp_path / name).symlink_to(folder)
    done = project.snakemake("prepare_mnist", "--cores", "1", "--config", f"images_folder=~/{name}", "results=others")
    assert done.returncode == 0, done.stderr
    assert project.path("others/data/mnist/train-images-idx3-ubyte").exists()


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        ("quick_protoype_2", ["target: found 'quick_protoype_2', expected 'quick_prototype_2'"]),
        ("plan quick_abalation", ["target: found 'quick_abalation', expected 'quick_ablation'"]),
        (
            "results/quick/figure/ablation.svg",
            ["target: found 'results/quick/figure/ablation.svg', expected 'results/"],
        ),
        ("quick --until prepare_minst", ["--until: found 'prepare_minst', expected 'prepare_mnist'"]),
        ("quick --forcerun trian", ["--forcerun: found 'trian', expected 'train'"]),
        ("quick --omit-from trian", ["--omit-from: found 'trian', expected 'train'"]),
        ("quick --prioritize trian", ["--prioritize: found 'trian', expected 'train'"]),
        ("qick --until xyz", ["target: found 'qick', expected 'quick'", "--until: found 'xyz', expected one of docs/"]),
    ],
)
def test_a_misspelt_target_names_the_nearest(project: Project, arguments: str, lines: list[str]) -> None:
    """Of a rule, a file, or an option that takes targets; and in nothing but a line each."""
    done = project.snakemake(*arguments.split(), "--cores", "1")
    assert done.returncode == 1
    for text, line in zip(done.stderr.splitlines()[-len(lines) :], lines, strict=True):
        assert text.startswith(line)
    assert "Exception" not in done.stderr
    assert not project.path("results").exists()


def test_a_file_may_be_named_by_another_path(project: Project) -> None:
    name = "results/quick/figures/ablation.svg"
    assert project.plan(name) == project.plan(f"./results/../{name}") != []
    done = project.snakemake(str(project.path(name)), "--dry-run")
    assert done.stderr.splitlines()[-1] == f"target: found {str(project.path(name))!r}, expected {name!r}"


def test_braces_in_the_path_of_the_project_are_one_line(tmp_path: Path) -> None:
    parent = tmp_path / "a{b}c"
    parent.mkdir()
    project = Project(parent)
    elsewhere = ["--snakefile", str(project.path("workflow/Snakefile")), "--directory", str(tmp_path)]
    for arguments in ([], elsewhere):
        done = project.snakemake("quick", "--cores", "1", *arguments)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith(f"{project.root}: found braces in the path of the project")
        assert "Error" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        ("--config seeds=[1] --config device=cpu", "--config"),
        ("-C seeds=[1] --config=device=cpu", "--config"),
        ("--resources gpu=1 --resources mem_mb=1000", "--resources"),
        ("--forcerun train --forcerun draw", "--forcerun"),
    ],
)
def test_an_option_that_is_repeated_is_one_line(project: Project, arguments: str, option: str) -> None:
    """Snakemake obeys the last alone: seeds=[1] was dropped without a word."""
    done = run(project, "quick_prototype_2", "--dry-run", *arguments.split())
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if option in line]
    assert said == [f"{option}: found it more than once, expected it once, as in {option} ONE TWO"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("--resources gpus=2", "--resources: found 'gpus', expected 'gpu'"),
        ("--set-threads trains=4", "--set-threads: found 'trains', expected 'train'"),
        ("--set-resources drow:mem_mb=4", "--set-resources: found 'drow', expected 'draw'"),
        ("--allowed-rules trane", "--allowed-rules: found 'trane', expected 'train'"),
    ],
)
def test_a_misspelt_rule_or_resource_is_one_line(project: Project, arguments: str, line: str) -> None:
    """`--resources gpus=2` limited nothing, in silence."""
    done = run(project, "quick_prototype_2", "--dry-run", *arguments.split())
    assert done.returncode == 1
    assert line in done.stderr.splitlines()
