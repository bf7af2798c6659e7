"""The worked examples of README and docs: their blocks are written into a copy of the project and run there.

And every other command: its targets, options and files exist.
"""

import json
import re
import shlex
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from pages import commands, pages
from project import REPOSITORY, Project
from snakemake.cli import get_argument_parser

import active_dendrites

PAGES = "\n".join(path.read_text(encoding="utf-8") for path in pages())
# Blocks that begin with the name of the file that they are to be added to.
BLOCKS = re.findall(r"^```(?:python|yaml)\n# (\S+/\S+)\n(.*?)^```", PAGES, re.MULTILINE | re.DOTALL)
# The figure of one's own: its notebook is a copy, then it is a target.
NOTEBOOK, COPY, FIGURE = re.search(
    r"^cp (workflow/notebooks/\S+) (\S+)\nenvs/run snakemake (.*)$", PAGES, re.MULTILINE
).groups()
VARIANTS = [name for file, text in BLOCKS if file == "config/variants.yaml" for name in yaml.safe_load(text)]
# Commands by which another dataset is learned.
COMMANDS = re.findall(r"^envs/run snakemake (.* dataset=.*)$", PAGES, re.MULTILINE)
KINDS_OF_CHANGES = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}  # of Keep a Changelog


@pytest.fixture(scope="module")
def project(make_project: Callable[[], Project]) -> Project:
    """A tiny project with all that the pages add."""
    project = make_project()
    quick = project.path("config/quick.yaml")
    settings = yaml.safe_load(quick.read_text())
    settings["settings"]["network"]["hidden_units"] = [64, 64]  # of which 2 % are one
    project.write_yaml("config/quick.yaml", settings)
    return add_examples(project)


def add_examples(project: Project) -> Project:
    for file, text in BLOCKS:
        with project.path(file).open("a", encoding="utf-8") as target:
            target.write(f"\n\n{text}")
    shutil.copy(REPOSITORY / NOTEBOOK, project.path(COPY))
    return project


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_is_trained(project: Project, variant: str) -> None:
    run = f"results/quick/runs/{variant}/tasks-2/seed-1"
    done = project.snakemake(f"{run}/accuracy.csv", "--cores", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    settings = json.loads(project.path(f"{run}/record.json").read_text())["settings"]
    (text,) = (text for file, text in BLOCKS if f"\n{variant}:" in f"\n{text}")
    for key, value in yaml.safe_load(text)[variant]["network"].items():
        assert settings["network"][key] == value


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_for_another_dataset_is_planned(project: Project, command: str) -> None:
    jobs = project.plan(*shlex.split(command))
    assert {"prepare_mnist", "train", "draw", "report"} <= {job.rule for job in jobs}
    (dataset,) = re.findall(r" dataset=(\S+)", command)
    made = [path for job in jobs for path in job.output if path.startswith("results/")]
    assert made and all(path.startswith((f"results/{dataset}/", f"results/data/{dataset}/")) for path in made)


def snakemake_targets() -> dict[str, str]:
    """{target: a command that names it}, of all pages; also what the table of targets lists."""
    found = {}
    for page in pages():
        for command in commands(page):
            words = [word for word in shlex.split(command.removeprefix("envs/run ")) if word != "..."]
            if words[0] == "snakemake":
                found |= dict.fromkeys(get_argument_parser().parse_args(words[1:]).targets, command)
    table = (REPOSITORY / "docs/targets.md").read_text(encoding="utf-8").partition("|---|")[2]
    cells = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    listed = [command for cell in cells for command in re.findall("`([^`]+)`", cell)]
    for command in listed:
        found |= dict.fromkeys(get_argument_parser().parse_args(shlex.split(command)).targets, command)
    return found


def test_every_target_on_the_pages_exists(tmp_path: Path) -> None:
    """With the project's own settings, and with what the pages add to them."""
    project = add_examples(Project(tmp_path))
    targets = snakemake_targets()
    assert len(targets) >= 25
    named = set(project.snakemake("--list-target-rules").stdout.split())
    files = [target for target in targets if "/" in target]
    assert {target: targets[target] for target in targets.keys() - named - set(files)} == {}
    assert len(files) >= 3
    assert project.plan(*files, "--config", "device=cpu")


def test_a_figure_is_drawn(project: Project) -> None:
    ((name, declared),) = (
        item for file, text in BLOCKS if file == "config/experiments.yaml" for item in yaml.safe_load(text).items()
    )
    done = project.snakemake(*shlex.split(FIGURE))
    assert done.returncode == 0, done.stdout + done.stderr
    assert declared["title"] in project.path(f"results/quick/figures/{name}.svg").read_text(encoding="utf-8")


def test_the_citation_is_of_this_version() -> None:
    cited = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (cited["version"], cited["license"]) == (active_dendrites.__version__, project["license"])
    assert project["dynamic"] == ["version"] and "version" not in project
    assert cited["preferred-citation"]["doi"].endswith("2021.10.25.465651")


def test_the_changelog_begins_with_this_version() -> None:
    text = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(\S+)\] - (?:unreleased|\d{4}-\d\d-\d\d)$", text, re.MULTILINE)
    assert versions[0] == active_dendrites.__version__
    assert len(versions) == len(re.findall("^## ", text, re.MULTILINE))
    assert set(re.findall("^### (.+)$", text, re.MULTILINE)) <= KINDS_OF_CHANGES
