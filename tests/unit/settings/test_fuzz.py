"""Any value anywhere in config/: one line with file and key, or accepted and sensible. The seed is fixed."""

import copy
import datetime
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

try:
    from yaml import CSafeDumper as SafeDumper
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # PyYAML was built without its C library
    from yaml import SafeDumper, SafeLoader

from active_dendrites.settings.declarations import Declarations
from active_dendrites.settings.published import read_published
from active_dendrites.settings.workflow import GivenSettings
from active_dendrites.settings.yaml_files import ConfigError

CONFIG = Path(__file__).parents[3] / "config"
FILES = sorted(path.stem for path in CONFIG.glob("*.yaml"))
SEED = 17

# What no key means, whatever it is.
NONSENSE = [
    *(1e30, -1e30, 10**30, float("inf"), float("nan")),
    *(datetime.date(2026, 1, 1), {"a": 1}, {"a": {"b": [1]}}, [{"a": 1}], [[[1]]], [float("nan")], [10**30]),
]
# What some keys mean, and others do not.
ODDITIES = [
    None,
    True,
    "text",
    "5e-4",
    "",
    "a/b",
    "..",
    "{x}",
    "con",
    "é",
    "x" * 300,
    -1,
    0,
    0.5,
    3,
    1000,
    [],
    [1],
    {},
    {1: 2},
]
KEYS = [True, None, 2024, 1.5, "", "a/b", "..", "con", "é", "x" * 300, "epochs", datetime.date(2026, 1, 1)]

LINE = re.compile(r"config/(\w+)\.yaml: (?:(\S+): )?(?:found .+|unknown key|no \w+ for .+|line \d+.+), expected .+")

Path_ = tuple[Any, ...]


def start(folder: Path) -> None:
    """All that the workflow checks before anything runs."""
    path = folder / "config.yaml"
    config = yaml.load(path.read_text(encoding="utf-8"), SafeLoader)
    given = GivenSettings(config, path, command_line={})
    declarations = Declarations(folder, given.config["dataset"])
    read_published(declarations)
    seeds = given.seeds_by_variant(declarations)
    for scale, configurations in declarations.targets().values():
        for variant, num_tasks in configurations:
            declarations.resolve(scale, variant, num_tasks, seeds[scale][variant][0])


def read(name: str) -> Any:
    """The content of a file, with nothing in two places, as aliases have it."""
    return unshared(yaml.load((CONFIG / f"{name}.yaml").read_text(encoding="utf-8"), SafeLoader))


def unshared(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: unshared(value) for key, value in tree.items()}
    return [unshared(value) for value in tree] if isinstance(tree, list) else tree


def paths_in(tree: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Of every value, mappings and lists among them."""
    if path:
        yield path
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in children:
        yield from paths_in(value, (*path, key))


def node_at(tree: Any, path: Path_) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def fault_of(folder: Path, name: str, tree: Any) -> str | None:
    """The line with which a changed file is refused; None if it is accepted."""
    path = folder / f"{name}.yaml"
    path.write_text(yaml.dump(tree, Dumper=SafeDumper, sort_keys=False, allow_unicode=True), encoding="utf-8")
    try:
        start(folder)
    except ConfigError as error:
        return str(error)
    return None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CONFIG, tmp_path / "config", ignore=shutil.ignore_patterns("schemas")))


@pytest.mark.parametrize("name", FILES)
def test_any_value_is_refused_in_one_line_or_sensible(name: str, folder: Path) -> None:
    tree, draws = read(name), random.Random(SEED)
    for path in paths_in(tree):
        for values in (NONSENSE, ODDITIES) if draws.random() < 0.3 else (NONSENSE,):
            value = draws.choice(values)
            changed = copy.deepcopy(tree)
            node_at(changed, path[:-1])[path[-1]] = value
            line = fault_of(folder, name, changed)
            said = f"{name}.yaml, {path} = {value!r}: {line}"
            assert line is None or (LINE.fullmatch(line) and len(line) < 1000), said
            if values is NONSENSE:
                assert line is not None, said
                check_names_the_key(line, name, path, said)


def check_names_the_key(line: str, name: str, path: Path_, said: str) -> None:
    """The file is named, and a key above or below the value."""
    parts = LINE.fullmatch(line)
    assert parts is not None and parts[1] == name, said
    key, changed = parts[2] or "", ".".join(str(part) for part in path)
    without_indices = ".".join(str(part) for part in path if not isinstance(part, int))
    keys = [key, re.sub(r"\.\d+(?=\.|$)", "", key)]
    assert any(
        one.startswith(other) or other.startswith(one) for one in keys for other in (changed, without_indices)
    ), said


@pytest.mark.parametrize("name", FILES)
def test_any_key_is_refused_in_one_line_or_sensible(name: str, folder: Path) -> None:
    """Each is renamed or left out."""
    tree, draws = read(name), random.Random(SEED)
    for path in paths_in(tree):
        if not isinstance(node_at(tree, path[:-1]), dict):
            continue
        key = draws.choice([*KEYS, ...])
        changed = copy.deepcopy(tree)
        mapping = node_at(changed, path[:-1])
        items = [(key if old == path[-1] else old, value) for old, value in mapping.items()]
        mapping.clear()
        mapping.update(item for item in items if item[0] is not ...)
        line = fault_of(folder, name, changed)
        said = f"{name}.yaml, {path} -> {key!r}: {line}"
        assert line is None or (LINE.fullmatch(line) and len(line) < 1000), said
