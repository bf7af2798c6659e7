"""Which code makes a result, as a parameter that Snakemake compares: an edit that can change the result makes it again.

Whole rooms are watched, since a module that a list forgets would go unnoticed. What learns is not: it has `NUMERICS`.
"""

import ast
import json
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from active_dendrites.settings.yaml_files import fault_line

LIBRARY = Path(__file__).parents[1]

# Which modules make what, as patterns below the library's folder.
DRAWING = ("figures/*.py",)
TABLES = ("evaluation/*.py", "runs/*.py")
JUDGING = ("evaluation/*.py", "reproduction/*.py", "runs/*.py", "settings/published.py", "reports/reproduction_page.py")
PAGES = (*JUDGING, "reports/*.py")


def fingerprint(content: Any, patterns: tuple[str, ...], library: Path = LIBRARY) -> str:
    """16 hex digits that differ where content or code does; comments, docstrings and layout do not count.

    Args:
        content: what else decides the result; of JSON's types.
        patterns: of the modules whose code does.
    """
    code = [code_of(path) for path in modules(patterns, library)]
    return sha256(json.dumps([content, code]).encode()).hexdigest()[:16]


def modules(patterns: tuple[str, ...], library: Path = LIBRARY) -> Iterator[Path]:
    """The modules that patterns match, each once, in order. Raises: ValueError for a pattern that matches none."""
    matches: dict[Path, None] = {}
    for pattern in patterns:
        paths = sorted(library.glob(pattern))
        if not paths:
            raise ValueError(fault_line("fingerprint", "", "one or more", found=f"no module {library / pattern}"))
        matches |= dict.fromkeys(paths)
    return iter(matches)


@cache
def code_of(module: Path) -> str:
    """A module's statements, without comments and docstrings."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(node) is not None:
            del node.body[0]
        if not node.body:
            node.body.append(ast.Pass())
    return ast.unparse(tree)


def notebook_cells(notebook: Path) -> list[tuple[str, Any, Any]]:
    """What of a notebook decides its figure: type, source and tags of each cell, without saved outputs."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [(cell["cell_type"], cell["source"], cell["metadata"].get("tags")) for cell in cells]
