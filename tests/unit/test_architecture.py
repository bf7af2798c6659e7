"""The rooms of the library import what docs/architecture.md allows, and its map shows the same."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import BLOCK, ROOT

LIBRARY = ROOT / "workflow/src/active_dendrites"
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
# {room: the rooms, or modules of rooms, that it may import}
ALLOWED = {
    room: set(re.findall(r"`([\w.]+)`", allowed))
    for room, allowed in re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", PAGE, re.MULTILINE)
}
SIBLINGS = ("learners.dense", "learners.sparse")


def imports(path: Path) -> Iterator[str]:
    """The modules of the library that a file imports, wherever in the file: `settings.run` for instance.

    A name that is imported from a package may be a module of it; of the package at the top it is only that.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, module = name.partition(".")
            if package == LIBRARY.name and module.partition(".")[0] in ALLOWED:
                yield module


def within(module: str, allowed: str) -> bool:
    return f"{module}.".startswith(f"{allowed}.")


def test_every_room_is_in_the_table() -> None:
    assert {path.parent.name for path in LIBRARY.glob("*/__init__.py")} == set(ALLOWED)
    assert {path.name for path in LIBRARY.glob("*.py")} == {"__init__.py"}


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_what_it_may(room: str) -> None:
    forbidden = [
        f"{path.relative_to(LIBRARY)} imports {module}"
        for path in (LIBRARY / room).rglob("*.py")
        for module in imports(path)
        if not any(within(module, allowed) for allowed in (room, *ALLOWED[room]))
    ]
    assert forbidden == []


@pytest.mark.parametrize(("ours", "other"), [SIBLINGS, SIBLINGS[::-1]])
def test_learners_do_not_import_each_other(ours: str, other: str) -> None:
    files = list((LIBRARY / ours.replace(".", "/")).rglob("*.py"))
    assert files
    assert [(path.name, module) for path in files for module in imports(path) if within(module, other)] == []


def test_there_is_no_circle() -> None:
    left = {room: {name.partition(".")[0] for name in allowed} for room, allowed in ALLOWED.items()}
    while ready := {room for room, allowed in left.items() if not allowed & set(left)}:
        left = {room: allowed for room, allowed in left.items() if room not in ready}
    assert left == {}


def test_the_map_shows_the_table() -> None:
    """An arrow of a group of rooms is one of each room in it."""
    (text,) = (text for language, text in BLOCK.findall(PAGE) if language == "mermaid")
    groups = {
        name: set(re.findall(r"\w+", re.sub(r"-->", " ", body)))
        for name, body in re.findall(r"subgraph (\w+) \[[^\]]+\]\n(.*?)\n +end", text, re.DOTALL)
    }
    arrows = re.findall(r"^ +(\w+) --> (\w+)$", text, re.MULTILINE)
    assert len(arrows) == text.count("-->")
    shown = {(room, target) for source, target in arrows for room in groups.get(source, {source})}
    allowed = {(room, name.partition(".")[0]) for room, names in ALLOWED.items() for name in names}
    assert shown == allowed
