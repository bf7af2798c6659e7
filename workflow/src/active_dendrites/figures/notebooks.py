"""Which table a notebook reads and which figure it draws: those of its own name, wherever Jupyter was started."""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from IPython.core.getipython import get_ipython

from active_dendrites.settings.yaml_files import fault_line

PARAMETERS = "parameters"  # the tag of the cell that is replaced
NAME = "JPY_SESSION_NAME"  # where Jupyter's servers put the path of a notebook for its kernel, as the rule `draw` does


class NotebookFiles(NamedTuple):
    """Of an experiment."""

    table: Path
    svg: Path
    png: Path


def files_of_this_notebook(results: str | Path) -> NotebookFiles:
    """The files of the notebook that is running. A copy under another name thus draws a figure of its own.

    A notebook in <folder>/notebooks beside <folder>/tables, as the workflow leaves it, has the files of that folder,
    and any other notebook those of `results`.

    Args:
        results: folder of tables and figures, relative to the project: results/quick.
    Raises: ValueError if Jupyter does not say which notebook is running, or if no project is around it.
    """
    notebook = running_notebook()
    folder = notebook.parents[1]
    if not (folder / "tables").is_dir():
        folder = project_around(notebook) / results
    name, figures = notebook.stem, folder / "figures"
    return NotebookFiles(folder / "tables" / f"{name}.csv", figures / f"{name}.svg", figures / f"{name}.png")


def running_notebook() -> Path:
    """The notebook whose kernel this is. Raises: ValueError if Jupyter does not say, or names one that is gone."""
    shell = get_ipython()
    in_vs_code = shell.user_ns.get("__vsc_ipynb_file__") if shell else None
    name = in_vs_code or os.environ.get(NAME)
    if not name:
        raise ValueError(fault_line(NAME, "", "its path", found="no name of the notebook that is running"))
    if Path(name).suffix != ".ipynb" or not Path(name).is_file():
        raise ValueError(fault_line(name, "", "it: once renamed, a notebook needs a new kernel", found="no notebook"))
    return Path(name).absolute()


def project_around(notebook: Path) -> Path:
    """The nearest folder above a notebook that has a Snakefile; without one, the project of this library."""
    folders = [*notebook.parents, Path(__file__).resolve().parents[4]]
    project = next((folder for folder in folders if (folder / "Snakefile").is_file()), None)
    if project is None:
        raise ValueError(fault_line(notebook, "", "it in a project", found="no Snakefile in any folder above it"))
    return project


def draw_by_notebook(notebook: Path, title: str, results: Path) -> None:
    """Run the code of a figure's notebook in this process, without Jupyter.

    Args:
        notebook: of workflow/notebooks/.
        results: folder of tables and figures.
    """
    scope: dict[str, Any] = {"title": title, "results": str(results.absolute())}
    before = os.environ.get(NAME)
    os.environ[NAME] = str(notebook)
    try:
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code" and PARAMETERS not in cell["metadata"].get("tags", []):
                exec(compile("".join(cell["source"]), str(notebook), "exec"), scope)
    finally:
        del os.environ[NAME]
        os.environ |= {} if before is None else {NAME: before}
