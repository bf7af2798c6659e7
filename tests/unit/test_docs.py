"""The pages of the documentation: their links lead somewhere, their commands exist, their examples run."""

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from pages import BLOCK, ROOT, anchors, commands, links, pages
from snakemake.cli import get_argument_parser

PAGES = {str(path.relative_to(ROOT)): path for path in pages()}
SHELL = {"cd", "git", "tmux", "squeue", "scontrol"}  # not of the environment


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
    exec(compile(block, name, "exec"), {})
