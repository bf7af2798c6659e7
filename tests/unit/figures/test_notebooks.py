"""One notebook per experiment: stored without outputs, and its code draws the experiment's table."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import drawing
import nbformat
import pandas as pd
import pytest
from drawing import found, make_search, make_table, row, sweep
from nbclient import NotebookClient

import active_dendrites
from active_dendrites.figures.notebooks import files_of_this_notebook
from active_dendrites.settings.declarations import Declarations

NOTEBOOKS = Path(__file__).parents[3] / "workflow" / "notebooks"
RULE = (NOTEBOOKS.parent / "rules/figures.smk").read_text(encoding="utf-8").partition("shell:")[2].partition("\n\n")[0]
# What the rule runs; Python is this one, and knows the library.
DRAW = "".join(re.findall(r'^ +f?"(.*)"$', RULE, re.MULTILINE)).replace("{{", "{").replace("}}", "}")
DRAW = DRAW.replace("{python('-m papermill')}", "python -m papermill")
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


def put(stored: Path, notebook: Path, table: pd.DataFrame, tables: Path) -> None:
    """A notebook as a file, and a table of its name."""
    for folder in (notebook.parent, tables):
        folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(stored, notebook)
    table.to_csv(tables / f"{notebook.stem}.csv", index=False)


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
    assert given["title"] == declarations.experiments[name].title
    assert given["results"] == "results/quick"
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
def test_notebook_draws_its_table(name: str, scale: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the folder that the workflow gives it, with the parameter that the workflow hands over."""
    make, parts = TABLES[name]
    put(
        NOTEBOOKS / f"{name}.ipynb",
        tmp_path / f"notebooks/{name}.ipynb",
        make().assign(scale=scale),
        tmp_path / "tables",
    )
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / f"notebooks/{name}.ipynb"))
    scope: dict[str, Any] = {"title": "A title", "results": "elsewhere"}
    for cell in read(name).cells:
        if cell.cell_type == "code" and "parameters" not in cell.metadata.get("tags", []):
            exec(cell.source, scope)
    svg = (tmp_path / f"figures/{name}.svg").read_text(encoding="utf-8")
    assert (tmp_path / f"figures/{name}.png").stat().st_size > 10_000
    for part in parts:
        # What was published is not held against reduced scale.
        assert (f'id="{part}"' in svg) == (scale == "paper" or not part.startswith("published"))
    assert ('id="reduced-scale"' in svg) == (scale == "quick")
    if name in LIMITS and scale == "paper":
        assert scope["figure"].axes[0].get_ylim() == LIMITS[name]


# -- in Jupyter -------------------------------------------------------------------------------------------


def execute(notebook: Path, started_in: Path) -> None:
    """As Jupyter does: the kernel is started somewhere and told the notebook's path."""
    content = nbformat.read(notebook, as_version=4)
    client = NotebookClient(content, kernel_name="python3", resources={"metadata": {"path": str(started_in)}})
    library = Path(active_dendrites.__file__).parents[1]
    client.execute(env=os.environ | {"JPY_SESSION_NAME": str(notebook), "PYTHONPATH": str(library)})
    nbformat.write(content, notebook)


def figures(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "figures").iterdir())


def test_a_copied_notebook_draws_a_figure_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").touch()
    results, copy = tmp_path / "results/quick", tmp_path / "workflow/notebooks/mine.ipynb"
    put(NOTEBOOKS / "ablation.ipynb", copy, summary("prototype"), results / "tables")
    summary("three_layer_mlp").to_csv(results / "tables/ablation.csv", index=False)
    execute(copy, tmp_path)
    assert figures(results) == ["mine.pdf", "mine.png", "mine.svg"]
    assert 'id="accuracy-prototype"' in (results / "figures/mine.svg").read_text(encoding="utf-8")


def test_an_executed_notebook_runs_again_where_it_lies_and_under_another_name(tmp_path: Path) -> None:
    """Executed by the rule, from the project's root; run again by hand, from its own folder."""
    results = tmp_path / "results/fashion_mnist/quick"
    executed, copy = results / "notebooks/ablation.ipynb", results / "notebooks/mine.ipynb"
    put(NOTEBOOKS / "ablation.ipynb", executed, summary("prototype"), results / "tables")
    files = {"input.notebook": NOTEBOOKS / "ablation.ipynb", "output.notebook": executed.relative_to(tmp_path)}
    files |= {"log": tmp_path / "log", "params.title": "An ablation"}
    command = DRAW
    for name, value in files.items():
        command = command.replace(f"{{{name}:q}}", shlex.quote(str(value)))
    library = Path(active_dendrites.__file__).parents[1]
    environment = os.environ | {
        "PYTHONPATH": str(library),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    subprocess.run(command, shell=True, cwd=tmp_path, env=environment, check=True)
    assert figures(results) == ["ablation.pdf", "ablation.png", "ablation.svg"]
    drawn = (results / "figures/ablation.svg").read_bytes()
    shutil.rmtree(results / "figures")
    execute(executed, executed.parent)
    assert (results / "figures/ablation.svg").read_bytes() == drawn
    shutil.rmtree(results / "figures")
    put(executed, copy, summary("prototype"), results / "tables")
    execute(copy, executed.parent)
    assert figures(results) == ["mine.pdf", "mine.png", "mine.svg"]


def test_a_notebook_that_jupyter_does_not_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a former name it would overwrite another's figure."""
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    with pytest.raises(ValueError, match="JPY_SESSION_NAME: found no name of the notebook"):
        files_of_this_notebook("results/quick")
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "renamed.ipynb"))
    with pytest.raises(ValueError, match=r"renamed\.ipynb: found no notebook, expected it: once renamed"):
        files_of_this_notebook("results/quick")


def test_a_notebook_outside_any_project_reads_the_results_of_the_library_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.ipynb").touch()
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "mine.ipynb"))
    files = files_of_this_notebook("results/quick")
    assert files.table == NOTEBOOKS.parents[1] / "results/quick/tables/mine.csv"
