"""One notebook per experiment: stored without outputs, and its code draws the experiment's table."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import drawing
import nbformat
import pandas as pd
import pytest
from drawing import found, make_search, make_table, row, sweep

from active_dendrites.settings.declarations import Declarations

NOTEBOOKS = Path(__file__).parents[3] / "workflow" / "notebooks"
TWO = [0.90, 0.92]


def summary(*variants: str, quoted: tuple[str, ...] = ()) -> pd.DataFrame:
    rows = [row(variant, count, 0.95 - 0.001 * count) for variant in variants for count in (2, 10, 100)]
    literature = [row(variant, count, 0.96, quoted=True) for variant in quoted for count in (2, 10)]
    return make_table(*rows, *literature)


def one_at_a_time() -> list[list[dict]]:
    settings = ("segments_per_unit", (2, 50)), ("winner_density", (0.05, 0.9)), ("weight_sparsity", (0.5, 0.9))
    return [
        sweep(search, count, TWO, (1, 2), **{setting: value})
        for search, (setting, values) in zip(
            ("segment_search", "kw_sparsity_search", "w_sparsity_search"), settings, strict=True
        )
        for value in values
        for count in (10, 50)
    ]


# A table of each experiment, and some of what its figure must have drawn.
TABLES: dict[str, tuple[Callable[[], pd.DataFrame], list[str]]] = {
    "comparison": (
        lambda: summary("prototype", "si_prototype", quoted=("si_mlp", "xdg")),
        ["accuracy-prototype", "accuracy-xdg", "published-xdg", "published-si_prototype"],
    ),
    "mlp_comparison": (
        lambda: summary("prototype", "ten_layer_mlp"),
        ["accuracy-ten_layer_mlp", "published-prototype"],
    ),
    "ablation": (
        lambda: summary("prototype", "active_dendrites_only"),
        ["accuracy-active_dendrites_only", "published-prototype"],
    ),
    "inferred_prototypes": (
        lambda: summary("prototype", "construct_prototype"),
        ["accuracy-construct_prototype", "published-construct_prototype"],
    ),
    "clusters": (
        lambda: make_table(found(2, 2.0, 2.25), found(10, 11.0, 11.375)),
        ["clusters-construct_prototype", "published-clusters-construct_prototype", "identity"],
    ),
    "forgetting": (lambda: summary("prototype", "xdg"), ["forgetting-prototype", "forgetting-xdg"]),
    "accuracy_matrix": (
        lambda: pd.DataFrame(drawing.matrix("prototype", 10), columns=drawing.MATRIX),
        ["matrix-prototype-10", "average-prototype-10"],
    ),
    "hidden_activations_per_task": (lambda: drawing.activity(10), ["activity", "overlap", "pairs-value"]),
    "search_accuracy": (
        lambda: make_search(*one_at_a_time()),
        ["runs-segment_search-10", "runs-kw_sparsity_search-50", "runs-w_sparsity_search-50"],
    ),
    "search_curves": (lambda: make_search(*one_at_a_time()), ["curve-kw_sparsity_search-50-0.9"]),
    "search_lines": (
        lambda: make_search(*one_at_a_time(), sweep("optimal", 50, TWO)),
        ["segment_search-10", "kw_sparsity_search-50", "optimal-50"],
    ),
    "si_search": (
        lambda: make_search(sweep("si_prototype_hp", 10, TWO), sweep("si_prototype_hp_control", 10, TWO)),
        ["si_prototype_hp-10", "si_prototype_hp_control-10"],
    ),
    "cross_search": (lambda: make_search(sweep("cross_search", 10, TWO)), ["learning_rate-10-10-0.5-0.0005"]),
    "si_masse_search": (
        lambda: make_search(sweep("si_masse", 10, TWO, strength=0.1, damping=0.01)),
        ["damping-10-0.01"],
    ),
}
LIMITS = {
    "comparison": (60, 100),
    "mlp_comparison": (20, 100),
    "ablation": (50, 100),
    "inferred_prototypes": (60, 100),
}  # the paper's axes


def read(name: str) -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def run_cells(name: str, folder: Path, table: pd.DataFrame) -> dict[str, Any]:
    """Execute a notebook's code with parameters as papermill gives them; returns its names."""
    table.to_csv(folder / "table.csv", index=False)
    files = {"table": "table.csv", "figure_svg": "new/figure.svg", "figure_png": "new/figure.png"}
    scope: dict[str, Any] = {"title": "A title"} | {key: str(folder / file) for key, file in files.items()}
    for cell in read(name).cells:
        if cell.cell_type == "code" and "parameters" not in cell.metadata.get("tags", []):
            exec(cell.source, scope)
    return scope


def test_every_experiment_has_its_notebook(declarations: Declarations) -> None:
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == set(declarations.experiments) == set(TABLES)


@pytest.mark.parametrize("name", TABLES)
def test_notebook_is_stored_without_outputs(declarations: Declarations, name: str) -> None:
    notebook = read(name)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    (parameters,) = (cell for cell in code if "parameters" in cell.metadata.get("tags", []))
    given: dict[str, str] = {}
    exec(parameters.source, given)
    assert {"table", "figure_svg", "figure_png"} <= given.keys()
    assert given["title"] == declarations.experiments[name].title
    assert all(f"/{name}." in given[key] for key in ("table", "figure_svg", "figure_png"))
    assert notebook.metadata.kernelspec.name == "python3"


@pytest.mark.parametrize("name", TABLES)
def test_notebook_has_the_parts_of_all_others(name: str) -> None:
    notebook = read(name)
    assert [cell.id for cell in notebook.cells] == ["purpose", "parameters", "table", "figure", "what-to-see"]
    first, *_, last = notebook.cells
    assert first.source.startswith(f"# {title(name)}\n") and last.source.startswith("**What to see.**")
    stored = (NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8")
    assert stored == json.dumps(json.loads(stored), indent=1, ensure_ascii=False) + "\n"


def title(name: str) -> str:
    given: dict[str, str] = {}
    exec(read(name).cells[1].source, given)
    return given["title"]


@pytest.mark.parametrize("scale", ["paper", "quick"])
@pytest.mark.parametrize("name", TABLES)
def test_notebook_draws_its_table(name: str, scale: str, tmp_path: Path) -> None:
    make, parts = TABLES[name]
    scope = run_cells(name, tmp_path, make().assign(scale=scale))
    svg = (tmp_path / "new" / "figure.svg").read_text(encoding="utf-8")
    assert (tmp_path / "new" / "figure.png").stat().st_size > 10_000
    for part in parts:
        assert f'id="{part}"' in svg
    assert ('id="reduced-scale"' in svg) == (scale == "quick")
    if name in LIMITS and scale == "paper":
        assert scope["figure"].axes[0].get_ylim() == LIMITS[name]
