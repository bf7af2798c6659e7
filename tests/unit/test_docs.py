"""The pages of the documentation: their links lead somewhere, their commands exist, their examples run."""

import doctest
import re
import shlex
import shutil
import sys
from importlib import import_module
from pathlib import Path

import nbformat
import pytest
import yaml
from nbclient import NotebookClient
from pages import BLOCK, ROOT, anchors, commands, links, pages
from snakemake.cli import get_argument_parser

PAGES = {str(path.relative_to(ROOT)): path for path in pages()}
KEPT = ROOT / "results/quick/runs/prototype/tasks-5/seed-1/network.safetensors"
NEEDS_RESULTS = "it needs the results of quick, on which CI runs it"
SHELL = {"cd", "git", "tmux"}  # not of the environment


def test_the_readme_is_short() -> None:
    assert len(PAGES["README.md"].read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    page, dead = PAGES[name], []
    for link in links(page):
        if re.match("[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links(PAGES["README.md"])}
    assert {path for path in PAGES.values() if ".github" not in path.parts} - linked == {PAGES["README.md"]}


def test_the_forms_of_issues_ask_for_something() -> None:
    forms = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")}
    assert set(forms) == {"number", "bug", "own_variant"}
    for form in forms.values():
        assert form["name"] and form["description"]
        ids = [field["id"] for field in form["body"]]
        assert len(set(ids)) == len(ids)
        assert any(field.get("validations", {}).get("required") for field in form["body"])


def test_ci_runs_every_python_that_the_environment_is_made_for() -> None:
    (job,) = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"].values()
    versions = [tuple(map(int, version.split("."))) for version in job["strategy"]["matrix"]["python"]]
    covered = re.search(
        r"\((\d), (\d+)\) <= sys.version_info\[:2\] <= \((\d), (\d+)\)", (ROOT / "envs/run").read_text()
    )
    major, first, _, last = map(int, covered.groups())
    assert versions == [(major, minor) for minor in range(first, last + 1)]
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]


def test_the_catalogue_is_told_what_it_asks_for() -> None:
    """https://github.com/snakemake/snakemake-workflow-catalog: standardised usage."""
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert {"mandatory-flags", "software-stack-deployment", "report"} <= set(usage)
    assert (ROOT / "config/README.md").exists()
    readme = PAGES["README.md"].read_text(encoding="utf-8").lower()
    assert "snakemake" in readme and "workflow" in readme


@pytest.mark.parametrize("name", PAGES)
def test_every_command_has_its_files_and_options(name: str) -> None:
    """Targets of Snakemake: tests/workflow/test_readme.py."""
    for command in commands(PAGES[name]):
        check_command(shlex.split(command))


def check_command(words: list[str]) -> None:
    if words[0] == "envs/run":
        words = words[1:]
    program, *arguments = words
    if program == "snakemake":
        check_snakemake(arguments)
    elif program == "python":
        check_script(arguments)
    elif program == "pytest":
        for argument in arguments:
            assert "/" not in argument or (ROOT / argument.partition("::")[0]).exists(), argument
    elif program == "cp":
        assert (ROOT / arguments[0]).exists(), arguments[0]
    elif program == "sbatch":
        check_command(shlex.split(arguments[arguments.index("--wrap") + 1].removeprefix("exec ")))
    elif "/" in program:
        assert (ROOT / program).exists(), program
    else:
        assert program in SHELL or shutil.which(program, path=str(Path(sys.executable).parent)), program


def check_snakemake(arguments: list[str]) -> None:
    """Options are Snakemake's, keys are those of config.yaml, profiles exist."""
    parsed = get_argument_parser().parse_args([word for word in arguments if word != "..."])
    known = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    assert {entry.partition("=")[0] for entry in parsed.config or []} <= set(known)
    if parsed.workflow_profile:
        assert (ROOT / parsed.workflow_profile).is_dir(), parsed.workflow_profile


def check_script(arguments: list[str]) -> None:
    """The script exists, and declares the options that it is given."""
    if arguments[0] == "-m":
        assert (ROOT / "workflow/src" / arguments[1].replace(".", "/")).with_suffix(".py").exists(), arguments[1]
        return
    text = (ROOT / arguments[0]).read_text(encoding="utf-8")
    for option in arguments[1:]:
        assert not option.startswith("--") or f'"{option}"' in text, option


EXAMPLES = [
    (name, block)
    for name, page in PAGES.items()
    for language, block in BLOCK.findall(page.read_text(encoding="utf-8"))
    if language == "python" and not re.match(r"# \S+/", block)  # which is to be added to a file
]


@pytest.mark.parametrize(("name", "block"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_an_example_runs(name: str, block: str) -> None:
    if "results/quick" in block and not KEPT.exists():
        pytest.skip(reason=NEEDS_RESULTS)
    exec(compile(block, name, "exec"), {})


NOTEBOOK = ROOT / "docs/explore.ipynb"


@pytest.mark.skipif(not KEPT.exists(), reason=NEEDS_RESULTS)
def test_the_example_of_a_notebook_runs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in notebook.cells)
    done = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    written = "".join(output.get("text", "") for cell in done.cells for output in cell.get("outputs", []))
    tasks = [float(percent) for percent in re.findall(r"^task \d: ([\d.]+)%", written, re.MULTILINE)]
    assert len(tasks) == 5 and min(tasks) > 50
    assert "segments for 5 tasks" in written


LIBRARY = ROOT / "workflow/src/active_dendrites"
WITH_EXAMPLES = {
    ".".join(path.relative_to(LIBRARY.parent).with_suffix("").parts)
    for path in LIBRARY.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
}


def test_layers_and_metrics_have_examples() -> None:
    assert {"active_dendrites.models.layers", "active_dendrites.evaluation.metrics"} <= WITH_EXAMPLES


@pytest.mark.parametrize("module", sorted(WITH_EXAMPLES))
def test_examples_of_docstrings_give_what_they_say(module: str) -> None:
    result = doctest.testmod(import_module(module))
    assert result.attempted
    assert not result.failed
