"""Figures drawn by their notebooks without Jupyter: their code, in this process."""

import json
from pathlib import Path
from typing import Any

PARAMETERS = "parameters"  # the tag of the cell that is replaced


def draw_by_notebook(notebook: Path, table: Path, title: str, prefix: Path) -> None:
    """Run the code of a figure's notebook with these parameters, as `papermill` does in the rule `draw`.

    Args:
        notebook: of workflow/notebooks/.
        prefix: path of the figure without ending; .svg and .png are written.
    """
    prefix.parent.mkdir(parents=True, exist_ok=True)
    scope: dict[str, Any] = {
        "table": str(table),
        "figure_svg": f"{prefix}.svg",
        "figure_png": f"{prefix}.png",
        "title": title,
    }
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code" and PARAMETERS not in cell["metadata"].get("tags", []):
            exec(compile("".join(cell["source"]), str(notebook), "exec"), scope)
