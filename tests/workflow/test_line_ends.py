"""A checkout has the line ends of the repository, whatever git is told elsewhere."""

import subprocess
from pathlib import Path

import pytest
from project import REPOSITORY


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All files that git knows, as a git for Windows checks them out."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a checkout")
    folder = tmp_path_factory.mktemp("checkout")
    options = ["-c", "core.autocrlf=true", "-c", "core.eol=crlf"]
    command = ["git", *options, "checkout-index", "-z", "--stdin", f"--prefix={folder}/"]
    subprocess.run(command, cwd=REPOSITORY, input=listed.stdout, text=True, check=True)
    return folder


def test_no_text_has_the_line_ends_of_windows(checkout: Path) -> None:
    texts = [path for path in checkout.rglob("*") if path.is_file() and b"\0" not in path.read_bytes()]
    assert len(texts) > 100
    assert [path for path in texts if b"\r\n" in path.read_bytes()] == []


def test_images_and_archives_are_binary() -> None:
    names = [
        "a.png",
        "activity.npy",
        "state.pt",
        "images.tgz",
        "images.tar.xz",
        "report.zip",
        "train-images-idx3-ubyte",
    ]
    told = subprocess.run(["git", "check-attr", "text", *names], cwd=REPOSITORY, capture_output=True, text=True)
    assert [line.rsplit(": ", 1)[1] for line in told.stdout.splitlines()] == ["unset"] * len(names)
