"""Checkpoints of a run, in its folder: atomic files with sums, read without running any code.

A checkpoint is a manifest, `000012.json`, and the files it names with their SHA-256: `000012-state.pt` and the
`...-changes.pt` of this one and of those before it (see `learners.learner.Learner`). The manifest is written last.
The one before is kept, for the case that the newest is damaged.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import torch
from torch import Tensor

from active_dendrites.models.saving import State
from active_dendrites.runs.files import NoRoomError, atomic_file, streamed_file
from active_dendrites.runs.folders import CHECKPOINTS
from active_dendrites.settings.yaml_files import fault_line


class CheckpointError(ValueError):
    """A checkpoint from which no training can go on; a line that says why and what to do."""


class DamagedError(ValueError):
    """A checkpoint that is not as it was written."""


class Part(NamedTuple):
    """A file of a checkpoint."""

    name: str
    bytes: int
    sha256: str


class Checkpoints:
    """The checkpoints of one run.

    Args:
        run_folder: of the run.
        identity: what a training must have in common with the one that wrote a checkpoint, in words.
        seed_group: the seeds that are saved together.
    """

    def __init__(self, run_folder: Path, identity: Mapping[str, str], seed_group: list[int]) -> None:
        self.folder = run_folder / CHECKPOINTS
        self.identity = dict(identity)
        self.seed_group = seed_group
        self.changes: list[Part] = []  # since the run began
        self.newest: int | None = None  # that was written or loaded
        self.before: int | None = None  # and the one before it

    def serials(self) -> list[int]:
        """The numbers of those that are there, the newest first."""
        return sorted((int(path.stem) for path in self.folder.glob("[0-9]*.json")), reverse=True)

    @property
    def changes_bytes(self) -> int:
        return sum(part.bytes for part in self.changes)

    def save(self, serial: int, state: State, changes: State, everything: bool) -> int:
        """Write a checkpoint; returns its bytes, without those of earlier changes.

        Args:
            everything: whether the changes hold everything, so that no earlier ones are needed.
        Raises: CheckpointError if there is no room; the one before stays.
        """
        parts = [] if everything else list(self.changes)
        try:
            if num_bytes(changes):
                parts.append(self._write(f"{serial:06d}-changes.pt", changes))
            written = self._write(f"{serial:06d}-state.pt", state)
            self._write_manifest(serial, [*parts, written])
        except NoRoomError as error:
            needed = num_bytes(state) + num_bytes(changes)
            raise CheckpointError(f"{error}; a checkpoint needs {needed} bytes, and the one before is kept") from error
        self.before = self.newest
        self.newest = serial
        self.changes = parts
        return written.bytes + sum(part.bytes for part in parts if part.name.startswith(f"{serial:06d}"))

    def _write(self, name: str, content: State) -> Part:
        with streamed_file(self.folder / name, num_bytes(content)) as file:
            sink = Sink(file)
            torch.save(content, sink)  # type: ignore[arg-type]  # asks for no more of a file than `Sink` has
            sink.check()
        return Part(name, sink.bytes, sink.digest.hexdigest())

    def _write_manifest(self, serial: int, parts: list[Part]) -> None:
        content = {"identity": self.identity, "company": self.seed_group, "parts": [part._asdict() for part in parts]}
        with atomic_file(self.folder / f"{serial:06d}.json") as file:
            json.dump({**content, "sha256": digest_of(content)}, file, indent=1)
            file.write("\n")
        sync_folder(self.folder)  # the names of the new files too, before any old one goes

    def load(self, serial: int) -> tuple[State, list[State]]:
        """The state and all changes, in their order. These stay on the disk until they are read, and must be copied.

        Raises:
            CheckpointError: it was written by a training of other settings, or of another arithmetic.
            DamagedError: it is not as it was written; names the file.
        """
        parts = [Part(**part) for part in self._read_manifest(serial)["parts"]]
        changes = [self._read(part, mapped=True) for part in parts[:-1]]
        state = self._read(parts[-1])
        self.newest = serial
        self.changes = parts[:-1]
        return state, changes

    def are_of_seed_group(self) -> bool:
        """Whether all that are intact were written in the same seed group."""
        for serial in self.serials():
            try:
                if self._read_manifest(serial)["company"] != self.seed_group:
                    return False
            except DamagedError:
                continue
        return True

    def _read_manifest(self, serial: int) -> dict[str, Any]:
        path = self.folder / f"{serial:06d}.json"
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            sha256 = content.pop("sha256")
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise DamagedError(f"{path}: {type(error).__name__}: {error}") from None
        if sha256 != digest_of(content):
            raise DamagedError(fault_line(path, "", "the one noted in it", found="a content of another sum"))
        for name, expected in self.identity.items():
            if (value := content["identity"].get(name)) != expected:
                way_out = f"go on as it was begun, or delete {self.folder} to start this run over"
                raise CheckpointError(fault_line(path, name, f"{expected}; {way_out}", found=str(value)))
        return content

    def _read(self, part: Part, mapped: bool = False) -> State:
        path = self.folder / part.name
        try:
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise DamagedError(f"{path}: {error.strerror}") from None
        if sha256 != part.sha256:
            size = path.stat().st_size
            expected = f"{part.bytes} with the one noted"
            raise DamagedError(fault_line(path, "", expected, found=f"{size} bytes of another sum"))
        state: State = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
        return state

    def remove_old(self) -> None:
        """Remove all but the newest, that before it, and their files."""
        manifests = [self.folder / f"{serial:06d}.json" for serial in (self.newest, self.before) if serial is not None]
        parts = [part for path in manifests for part in json.loads(path.read_text(encoding="utf-8"))["parts"]]
        kept = {path.name for path in manifests} | {part["name"] for part in parts}
        # Manifests first: should this process end here, none names a file that is gone.
        old = [path for path in self.folder.glob("[0-9]*") if path.name not in kept]
        for path in sorted(old, key=lambda path: path.suffix != ".json"):
            path.unlink()


class Sink:
    """A file that sums what is written to it. Keeps an error for `check`, because torch.save would lose it."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.digest = hashlib.sha256()
        self.bytes = 0
        self.error: OSError | None = None

    def write(self, content: Any) -> int:
        size = memoryview(content).nbytes
        self.bytes += size
        self.digest.update(content)
        if self.error is None:
            try:
                self.file.write(content)
            except OSError as error:
                self.error = error
        return size

    def flush(self) -> None:
        pass

    def check(self) -> None:
        if self.error:
            raise self.error


def num_bytes(content: Any) -> int:
    """Bytes of all tensors in a nested state."""
    if isinstance(content, Tensor):
        return content.numel() * content.element_size()
    inner = content.values() if isinstance(content, Mapping) else content if isinstance(content, list) else ()
    return sum(map(num_bytes, inner))


def digest_of(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def sync_folder(folder: Path) -> None:
    """Let the names of a folder's files reach the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
