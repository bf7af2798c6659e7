"""Seals: the SHA-256 of finished files, beside them, which whoever reads a file holds against it.

A run's files have SHA256SUMS in its folder; any other file has <name>.sha256 beside it. `sha256sum --check` reads both.
"""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import IO

from active_dendrites.runs.files import SUMS, atomic_file, read_bytes, read_sums, sums_text
from active_dendrites.runs.folders import NETWORK
from active_dendrites.settings.yaml_files import fault_line

RECORD = "record.json"
SEALED = ("accuracy.csv", "activity.npy", NETWORK, RECORD)  # the record last: a seal that was cut lacks it


class DamagedFileError(ValueError):
    """A file that is not the one that was sealed, or a seal that is none; a line that names it."""


# -- a run ------------------------------------------------------------------------------------------------


def seal_run(folder: Path, record: bytes) -> None:
    """SHA256SUMS of a run's files, of which the record is still to be written. Raises: NoRoomError."""
    contents = {name: read_bytes(folder / name) for name in SEALED if name != RECORD and (folder / name).exists()}
    with atomic_file(folder / SUMS) as file:
        file.write(sums_text({name: digest(content) for name, content in {**contents, RECORD: record}.items()}))


def discard_seal(folder: Path) -> None:
    """Remove seal and network of a run whose record is gone: Snakemake removes a job's outputs, and these are none."""
    if not (folder / RECORD).exists():
        for name in (SUMS, NETWORK):
            (folder / name).unlink(missing_ok=True)


def check_run_file(path: Path, content: bytes) -> bool:
    """Hold what was read of a run's file against the seal; whether there is one. Raises: DamagedFileError."""
    seal = path.parent / SUMS
    try:
        sums = read_sums(seal, SEALED, [RECORD])
    except ValueError as fault:
        raise DamagedFileError(str(fault)) from None
    if sums is None:
        return False
    if path.name not in sums:
        raise DamagedFileError(fault_line(path, "", "one", found=f"no sum of it in {seal}"))
    compare(path, content, [sums[path.name]], seal)
    return True


# -- any other file ---------------------------------------------------------------------------------------


@contextmanager
def sealed_file(path: Path) -> Iterator[IO[str]]:
    """An atomic text file and its seal. Raises: NoRoomError.

    File and seal fit whenever this is interrupted: before the file is replaced, its seal has the sums of both contents.
    """
    text = StringIO(newline="\n")
    yield text
    before = [digest(read_bytes(path))] if path.exists() else []
    after = digest(text.getvalue().encode())
    write_seal(path, [*before, after])
    with atomic_file(path) as file:
        file.write(text.getvalue())
    write_seal(path, [after])


def write_seal(path: Path, digests: Collection[str]) -> None:
    with atomic_file(seal_of(path)) as file:
        file.write("".join(f"{each}  {path.name}\n" for each in dict.fromkeys(digests)))


def check_file(path: Path, content: bytes) -> bool:
    """Hold what was read of a file against its seal; whether there is one. Raises: DamagedFileError."""
    seal = seal_of(path)
    if not seal.exists():
        return False
    line = rf"([0-9a-f]{{64}})  {re.escape(path.name)}\n"
    text = read_bytes(seal).decode("utf-8", errors="replace")
    if not re.fullmatch(f"({line}){{1,2}}", text):
        raise DamagedFileError(fault_line(seal, "", f"the SHA-256 of {path.name}", value=text))
    compare(path, content, re.findall(line, text), seal)
    return True


def seal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


# -- sums -------------------------------------------------------------------------------------------------


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def compare(path: Path, content: bytes, expected: Collection[str], seal: Path) -> None:
    """Raises: DamagedFileError if a file has none of the sums of its seal."""
    actual = digest(content)
    if actual not in expected:
        sums = " or ".join(f"{each[:12]}..." for each in expected)
        reason = f"{sums} of {seal.name}: it was damaged or edited"
        raise DamagedFileError(fault_line(path, "", reason, found=f"SHA-256 {actual[:12]}..."))
