"""Fingerprints of code: what counts, what does not, and that nothing is forgotten in silence."""

from pathlib import Path

import pytest

from active_dendrites.planning import fingerprints
from active_dendrites.planning.fingerprints import code_of, fingerprint, modules, notebook_cells

CODE = "ANSWER = 42\n\n\ndef ask():\n    return ANSWER\n"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    (tmp_path / "room").mkdir()
    (tmp_path / "room/a.py").write_text(CODE)
    (tmp_path / "room/b.py").write_text("")
    return tmp_path


def of(library: Path, text: str | None = None) -> str:
    if text is not None:
        (library / "room/a.py").write_text(text)
    code_of.cache_clear()
    return fingerprint([1], ("room/*.py",), library)


@pytest.mark.parametrize(
    "text",
    [
        "# A comment.\n" + CODE,
        CODE.replace("\n\n\n", "\n\n"),
        '"""A module."""\n' + CODE,
        CODE.replace("    return", '    """Answer."""\n    return'),
    ],
    ids=["comment", "layout", "docstring of the module", "docstring of a function"],
)
def test_words_and_layout_do_not_count(library: Path, text: str) -> None:
    assert of(library, text) == of(library, CODE)


@pytest.mark.parametrize(
    ("plain", "documented"),
    [
        ("def f():\n    pass\n", 'def f():\n    """Nothing."""\n'),
        ("class A:\n    pass\n", 'class A:\n    """Nothing."""\n'),
        ("async def f():\n    return 1\n", 'async def f():\n    """One."""\n    return 1\n'),
        ("", '"""Nothing."""\n'),
    ],
)
def test_a_docstring_may_come_and_go(library: Path, plain: str, documented: str) -> None:
    assert of(library, documented) == of(library, plain)


def test_code_counts(library: Path) -> None:
    before = of(library)
    assert of(library, CODE.replace("42", "43")) != before


def test_a_new_module_of_a_room_counts(library: Path) -> None:
    before = of(library)
    (library / "room/c.py").write_text("MORE = 1\n")
    assert of(library) != before


def test_content_counts(library: Path) -> None:
    assert fingerprint([1], ("room/*.py",), library) != fingerprint([2], ("room/*.py",), library)


def test_a_pattern_that_matches_nothing_is_an_error(library: Path) -> None:
    with pytest.raises(ValueError, match=r"found no module .*rooms/\*\.py, expected one or more"):
        fingerprint([], ("room/*.py", "rooms/*.py"), library)


def test_a_module_of_two_patterns_counts_once(library: Path) -> None:
    assert [path.name for path in modules(("room/*.py", "room/a.py"), library)] == ["a.py", "b.py"]


@pytest.mark.parametrize("name", ["DRAWING", "TABLES", "JUDGING", "PAGES"])
def test_every_pattern_of_the_rules_matches_modules(name: str) -> None:
    assert list(modules(getattr(fingerprints, name)))


def test_a_notebook_counts_without_its_outputs() -> None:
    notebook = next(Path(__file__).parents[3].glob("workflow/notebooks/*.ipynb"))
    assert all(len(cell) == 3 for cell in notebook_cells(notebook))
