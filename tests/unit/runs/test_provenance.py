"""Which code made a run: the commit of this checkout, or none and why; never that of a stranger."""

import importlib.metadata
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

import active_dendrites
from active_dendrites.runs import provenance
from active_dendrites.runs.provenance import machine, source_state

SCRIPT = Path("workflow/scripts/train.py")


def git(folder: Path, *arguments: str) -> str:
    named = ["-c", "user.name=a", "-c", "user.email=a"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(folder), *named, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip()


def commit_all(folder: Path) -> str:
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "all")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of the project, in no repository."""
    root = tmp_path / "outer/inner"
    for name in (str(SCRIPT), "config/config.yaml", "workflow/src/active_dendrites/__init__.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("here\n")
    monkeypatch.setattr(active_dendrites, "__file__", str(root / "workflow/src/active_dendrites/__init__.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))  # is cleared like its kind
    return root


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """Another repository."""
    (tmp_path / "stranger").mkdir()
    (tmp_path / "stranger/file").touch()
    commit_all(tmp_path / "stranger")
    return tmp_path / "stranger"


def test_a_checkout_says_its_commit_and_whether_it_was_changed(project: Path) -> None:
    commit = commit_all(project)
    assert source_state(project / SCRIPT) == (commit, False, "")
    (project / "README.md").touch()
    assert source_state(project / SCRIPT).dirty is False
    (project / "config/config.yaml").write_text("changed")
    assert source_state(project / SCRIPT) == (commit, True, "")


def test_a_worktree_says_its_own(project: Path, tmp_path: Path, monkeypatch) -> None:
    commit_all(project)
    git(project, "worktree", "add", "-q", str(tmp_path / "tree"))
    git(tmp_path / "tree", "commit", "-q", "--allow-empty", "-m", "more")
    library = tmp_path / "tree/workflow/src/active_dendrites/__init__.py"
    monkeypatch.setattr(active_dendrites, "__file__", str(library))
    assert source_state(tmp_path / "tree" / SCRIPT).commit == git(tmp_path / "tree", "rev-parse", "HEAD")


def test_an_archive_below_another_repository_has_no_commit(project: Path) -> None:
    (project.parent / "file").touch()
    commit_all(project.parent)
    git(project.parent, "rm", "-rq", "--cached", "inner")
    outer = project.parent
    assert source_state(project / SCRIPT) == (None, None, f"the repository around {project} is {outer}, another one")


def test_a_copy_that_git_does_not_track_has_no_commit(project: Path) -> None:
    commit_all(project)
    git(project, "rm", "-q", "--cached", str(SCRIPT))
    git(project, "commit", "-q", "-m", "less")
    assert source_state(project / SCRIPT) == (None, None, f"git does not track {SCRIPT} in {project}")


@pytest.mark.parametrize("ours", [False, True])
def test_the_repository_of_the_environment_is_not_asked(project: Path, stranger: Path, monkeypatch, ours: bool) -> None:
    commit = commit_all(project) if ours else None
    for name, value in (("GIT_DIR", stranger / ".git"), ("GIT_WORK_TREE", project), ("GIT_INDEX_FILE", "index")):
        monkeypatch.setenv(name, str(value))
    found = source_state(project / SCRIPT)
    assert (found.commit, found.dirty) == ((commit, False) if ours else (None, None))
    assert ("not a git repository" in found.reason) is not ours


def test_a_repository_without_a_commit_has_none(project: Path) -> None:
    git(project, "init", "-q")
    git(project, "add", "-A")
    assert source_state(project / SCRIPT)[:2] == (None, None)


def test_no_git_is_said(project: Path, monkeypatch) -> None:
    commit_all(project)
    monkeypatch.setenv("PATH", "/nowhere")
    assert source_state(project / SCRIPT) == (None, None, "git cannot be started: No such file or directory")


def test_a_repository_that_git_does_not_trust_is_said(project: Path, tmp_path: Path, monkeypatch) -> None:
    commit_all(project)
    fatal = "fatal: detected dubious ownership in repository at 'it'\\nTo add an exception, call:"
    (tmp_path / "git").write_text(f'#!/bin/sh\nprintf "{fatal}\\n" >&2\nexit 128\n')
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert source_state(project / SCRIPT) == (None, None, "detected dubious ownership in repository at 'it'")


def test_the_library_of_another_folder_has_no_commit(project: Path, tmp_path: Path, monkeypatch) -> None:
    commit_all(project)
    monkeypatch.setattr(active_dendrites, "__file__", str(tmp_path / "site-packages/active_dendrites/__init__.py"))
    found = source_state(project / SCRIPT)
    assert found.commit is None
    assert found.reason == f"the library is that of {tmp_path}/site-packages/active_dendrites"


def test_the_record_lists_every_package_that_touches_numbers() -> None:
    versions = machine(torch.device("cpu"))["versions"]
    names = "python active_dendrites torch numpy scipy numba pandas triton"
    assert list(versions) == names.split()
    assert (versions["torch"], versions["numpy"]) == (torch.__version__, np.__version__)
    assert versions["scipy"] == importlib.metadata.version("scipy")


def test_a_package_that_is_not_there_is_null(monkeypatch) -> None:
    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(provenance.importlib.metadata, "version", absent)
    monkeypatch.delitem(provenance.sys.modules, "triton", raising=False)
    assert provenance.package_version("triton") is None
