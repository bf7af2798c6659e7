"""The lock, the conda environment and `envs/run`, which meets a stand-in for Python: nothing is installed."""

import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[2]
LOCK = REPOSITORY / "envs" / "requirements.txt"

TOOLS = ["cat", "cp", "dirname", "env", "grep", "mkdir", "mv", "rm", "sh", "sleep", "tail"]

# Answers `-c` with the real Python under another version, and only notes what `-m pip` was asked.
FAKE_PYTHON = """\
#!/bin/sh
case "$*" in
"-I -m venv "*)
    mkdir -p "$4/bin"
    cp "$0" "$4/bin/python"
    cp "$0" "$4/bin/python3"
    ;;
"-I -m pip install "*)
    echo "$*" >>"$FAKE_INSTALLS"
    [ -z "${FAKE_PIP_SETTINGS:-}" ] || env | grep ^PIP_ >"$FAKE_PIP_SETTINGS"
    sleep "${FAKE_SECONDS:-0}"
    exit "${FAKE_STATUS:-0}"
    ;;
--version)
    echo "Python 3.${FAKE_MINOR:-12}.0"
    ;;
*)
    exec 'REAL_PYTHON' -I -c "import sys
sys.version_info = (3, ${FAKE_MINOR:-12}, 0)
sys._base_executable = 'THIS_PYTHON'
$3" "$4"
    ;;
esac
"""


def read_lock() -> dict[str, list[str]]:
    """Return the hashes of each pin, keyed by `name==version` or `name==version ; marker`."""
    hashes = {}
    for entry in LOCK.read_text().replace("\\\n", "").splitlines():
        if not entry.startswith("#"):
            pin, *options = re.split(r" +--hash=", entry)
            hashes[pin.strip()] = options
    return hashes


def test_conda_environment_has_the_pins_of_the_lock() -> None:
    environment = yaml.safe_load((REPOSITORY / "envs" / "environment.yaml").read_text())
    (pip_section,) = [entry for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert pip_section["pip"] == list(read_lock())


def test_lock_covers_every_declared_dependency() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    declared = [project["dependencies"], *project["optional-dependencies"].values()]
    locked = {}
    for pin in map(Requirement, read_lock()):
        locked.setdefault(canonicalize_name(pin.name), []).append(str(pin.specifier).removeprefix("=="))
    for requirement in map(Requirement, itertools.chain(*declared)):
        versions = locked.get(canonicalize_name(requirement.name), [])
        assert versions, f"{requirement} is not in the lock; run envs/lock"
        assert all(map(requirement.specifier.contains, versions)), f"{requirement}; the lock has {versions}"


def test_every_pin_is_exact_and_hashed() -> None:
    for pin, hashes in read_lock().items():
        assert re.fullmatch(r"[\w.-]+==[\w.]+( ; .+)?", pin), pin
        assert hashes, f"{pin} has no hash"
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", value) for value in hashes), pin


class Checkout:
    """A copy of `envs/run` with a small lock, a stand-in for Python, and nothing else on PATH."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "répertoire with spaces"
        self.venv = self.root / ".venv"
        self.stamp = self.venv / "envs-run.stamp"
        self.lock = self.root / "envs" / "requirements.txt"
        self.installs = folder / "installs"
        self.path = folder / "bin"
        self.path.mkdir()
        for tool in TOOLS:
            self.add_tool(tool)
        self.python = self.add_python(self.path / "python3")
        self.lock.parent.mkdir(parents=True)
        self.lock.write_text("one==1\n")
        shutil.copy(REPOSITORY / "envs" / "run", self.lock.parent)

    def add_tool(self, name: str) -> None:
        (self.path / name).symlink_to(shutil.which(name))

    def add_python(self, path: Path) -> Path:
        path.write_text(FAKE_PYTHON.replace("REAL_PYTHON", sys.executable).replace("THIS_PYTHON", str(path)))
        path.chmod(0o755)
        return path

    def start(self, *command: str, cwd: Path | None = None, **environment: str) -> subprocess.Popen:
        return subprocess.Popen(
            [self.root / "envs" / "run", *command],
            env={"PATH": str(self.path), "FAKE_INSTALLS": str(self.installs), **environment},
            cwd=cwd or self.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str, **options) -> subprocess.CompletedProcess:
        process = self.start(*command, **options)
        stdout, stderr = process.communicate(timeout=30)
        return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)

    def num_installs(self) -> int:
        return len(self.installs.read_text().splitlines()) if self.installs.exists() else 0

    def wait_for_install(self) -> None:
        deadline = time.monotonic() + 20
        while not self.num_installs():
            assert time.monotonic() < deadline, "no installation was started"
            time.sleep(0.02)


@pytest.fixture(params=["flock", "mkdir"])
def checkout(request: pytest.FixtureRequest, tmp_path: Path) -> Checkout:
    """A checkout on a system with flock, and one on a system without."""
    checkout = Checkout(tmp_path)
    if request.param == "flock":
        if shutil.which("flock") is None:
            pytest.skip("no flock here")
        checkout.add_tool("flock")
    return checkout


def test_environment_is_made_once(checkout: Checkout) -> None:
    first = checkout.run("env")
    assert first.returncode == 0
    assert "making .venv" in first.stderr
    assert checkout.installs.read_text() == f"-I -m pip install --require-hashes -r {checkout.lock}\n"
    second = checkout.run("env")
    assert second.returncode == 0
    assert second.stderr == ""
    assert checkout.num_installs() == 1


def test_command_finds_tools_and_library_and_stays_where_it_was(checkout: Checkout, tmp_path: Path) -> None:
    show = 'echo "$PATH"; echo "$PYTHONPATH"; echo "${PYTHONHOME-none}"; pwd'
    result = checkout.run("sh", "-c", show, cwd=tmp_path, PYTHONHOME="/of/another/python")
    path, pythonpath, pythonhome, cwd = result.stdout.splitlines()
    assert path == f"{checkout.venv}/bin:{checkout.path}"
    assert pythonpath == f"{checkout.root}/workflow/src"
    assert pythonhome == "none"
    assert cwd == str(tmp_path)


def test_a_pythonpath_is_left_out_and_said(checkout: Checkout) -> None:
    checkout.run("env")
    result = checkout.run("sh", "-c", 'echo "$PYTHONPATH:$PYTHONNOUSERSITE"', PYTHONPATH="/of/a/module/system")
    assert result.stdout == f"{checkout.root}/workflow/src:1\n"
    assert result.stderr == (
        "envs/run: PYTHONPATH is not used here (/of/a/module/system); what a command needs of it goes to"
        " ACTIVE_DENDRITES_PATH\n"
    )


def test_one_variable_adds_to_the_path(checkout: Checkout) -> None:
    checkout.run("env")
    result = checkout.run("sh", "-c", 'echo "$PYTHONPATH"', ACTIVE_DENDRITES_PATH="/mine:/and mine")
    assert (result.stdout, result.stderr) == (f"{checkout.root}/workflow/src:/mine:/and mine\n", "")
    inner = [str(checkout.root / "envs" / "run"), "sh", "-c", 'echo "$PYTHONPATH"']
    nested = checkout.run(*inner, ACTIVE_DENDRITES_PATH="/mine")
    assert (nested.stdout, nested.stderr) == (f"{checkout.root}/workflow/src:/mine\n", "")


def test_pip_installs_into_the_environment_whatever_its_settings_say(checkout: Checkout, tmp_path: Path) -> None:
    """They stand in the environment of many a shared machine, and would leave .venv empty or add to the lock."""
    elsewhere = {
        "PIP_USER": "1",
        "PIP_TARGET": str(tmp_path / "elsewhere"),
        "PIP_PREFIX": str(tmp_path / "elsewhere"),
        "PIP_CONSTRAINT": "/of/the/machine",
        "PIP_NO_DEPS": "1",
        "PIP_INDEX_URL": "https://mirror.example/simple",
    }
    assert checkout.run("env", FAKE_PIP_SETTINGS=str(tmp_path / "settings"), **elsewhere).returncode == 0
    settings = dict(line.split("=", 1) for line in (tmp_path / "settings").read_text().splitlines())
    assert settings == {"PIP_USER": "0", "PIP_INDEX_URL": "https://mirror.example/simple"}


def test_exit_status_and_arguments_are_passed_on(checkout: Checkout) -> None:
    result = checkout.run("sh", "-c", 'echo "$1"; exit 7', "sh", "two  words")
    assert (result.returncode, result.stdout) == (7, "two  words\n")


def test_no_command_is_a_usage_error(checkout: Checkout) -> None:
    result = checkout.run()
    assert result.returncode == 2
    assert result.stderr == "usage: envs/run COMMAND ARG...\n"
    assert not checkout.venv.exists()


def test_changed_lock_remakes_the_environment(checkout: Checkout) -> None:
    checkout.run("env")
    (checkout.venv / "leftover").touch()
    (checkout.root / ".venv.old" / ".venv" / "bin").mkdir(parents=True)  # from an interrupted call
    checkout.lock.write_text("one==2\n")
    assert checkout.run("env").returncode == 0
    assert checkout.num_installs() == 2
    assert not (checkout.venv / "leftover").exists()
    assert not (checkout.root / ".venv.old").exists()


def test_environment_is_remade_from_inside_itself(checkout: Checkout) -> None:
    checkout.run("env")
    checkout.lock.write_text("one==2\n")
    result = checkout.run("env", PATH=f"{checkout.venv}/bin:{checkout.path}")
    assert result.returncode == 0, result.stderr
    assert checkout.num_installs() == 2


def test_other_minor_version_remakes_the_environment(checkout: Checkout) -> None:
    checkout.run("env", FAKE_MINOR="11")
    checkout.run("env", FAKE_MINOR="12")
    assert checkout.num_installs() == 2


def test_python_variable_chooses_the_interpreter(checkout: Checkout, tmp_path: Path) -> None:
    python = checkout.add_python(tmp_path / "my python")
    assert checkout.run("env", PYTHON=str(python)).returncode == 0
    assert str(python) in (checkout.venv / "bin" / "python").read_text()
    result = checkout.run("env", PYTHON="no-such-python")
    assert result.returncode == 1
    assert "no Python 3.11 to 3.14 found at PYTHON=no-such-python" in result.stderr
    assert checkout.num_installs() == 1


@pytest.mark.parametrize("minor", ["10", "15"])
def test_no_fitting_python_is_a_clear_error(checkout: Checkout, minor: str) -> None:
    result = checkout.run("env", FAKE_MINOR=minor)
    assert result.returncode == 1
    assert result.stderr == "envs/run: no Python 3.11 to 3.14 found; set PYTHON to one\n"
    assert not checkout.venv.exists()


def test_failed_install_is_reported_and_started_again(checkout: Checkout) -> None:
    failed = checkout.run("env", FAKE_STATUS="3")
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert "the installation failed" in failed.stderr
    assert checkout.stamp.read_text() == ""
    assert checkout.run("env").returncode == 0
    assert checkout.num_installs() == 2


def test_killed_install_is_never_used(checkout: Checkout) -> None:
    first = checkout.start("env", FAKE_SECONDS="60")
    checkout.wait_for_install()
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    second = checkout.run("env")
    if second.returncode:  # without flock, the lock of a dead process is left to the user
        assert "died while making the environment" in second.stderr
        shutil.rmtree(checkout.root / ".venv.lock.d")
        second = checkout.run("env")
    assert second.returncode == 0
    assert checkout.num_installs() == 2


def test_terminated_install_leaves_no_lock(checkout: Checkout) -> None:
    first = checkout.start("env", FAKE_SECONDS="60")
    checkout.wait_for_install()
    os.killpg(first.pid, signal.SIGTERM)
    first.communicate()
    assert first.returncode != 0
    assert checkout.run("env").returncode == 0
    assert checkout.num_installs() == 2


def test_simultaneous_calls_install_once(checkout: Checkout) -> None:
    first = checkout.start("env", FAKE_SECONDS="1")
    checkout.wait_for_install()
    second = checkout.run("env")
    first.communicate()
    assert (first.returncode, second.returncode) == (0, 0)
    assert "waiting for it" in second.stderr
    assert checkout.num_installs() == 1


def test_running_command_holds_no_lock(checkout: Checkout) -> None:
    first = checkout.start("sleep", "60")
    checkout.wait_for_install()
    while not checkout.stamp.read_text():
        time.sleep(0.02)
    checkout.lock.write_text("one==2\n")
    second = checkout.run("env")
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert second.returncode == 0
    assert "waiting" not in second.stderr


def test_foreign_environment_is_left_alone(checkout: Checkout) -> None:
    (checkout.venv / "bin").mkdir(parents=True)
    result = checkout.run("env")
    assert result.returncode == 1
    assert "was not made by envs/run" in result.stderr
    assert (checkout.venv / "bin").exists()
