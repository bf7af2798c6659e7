"""The verdicts in a clean clone: from the runs kept in git alone, without images, network or training."""

import csv
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from project import REPOSITORY, Project

from active_dendrites import NUMERICS
from active_dendrites.reproduction.reference import ReferenceRow, read_rows, write_rows
from active_dendrites.settings.declarations import Declarations

FOLDER = "results/reference"
# Of what two variants give: forgetting has both, and nothing is a search.
FIGURES = ("comparison", "mlp_comparison", "forgetting")
PAGES = {"report.html", "searches.html", *(f"reproduction.{suffix}" for suffix in ("csv", "md", "html"))}
MADE = PAGES | {f"{name}.{suffix}" for name in FIGURES for suffix in ("svg", "png", "pdf", "csv", "csv.sha256")}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """What a clone has: the project, and of the results the runs in git, here others."""
    project = Project(tmp_path_factory.mktemp("clone"))
    shutil.copy(REPOSITORY / "README.md", project.path("README.md"))
    project.path(FOLDER).mkdir(parents=True)
    write_rows(project.path(FOLDER) / "runs.csv", list(measured()))
    return project


def measured() -> Iterator[ReferenceRow]:
    """Eight seeds of two configurations: one a tenth of a point from what was published, one five points."""
    declarations = Declarations(REPOSITORY / "config")
    for variant, num_tasks, mean in (("si_prototype", 10, 0.9733), ("ten_layer_mlp", 10, 0.6684)):
        settings = declarations.resolve("paper", variant, num_tasks, 1).settings_hash()
        made = (1, "A processor", 1, "float32", NUMERICS, "0" * 40, settings)
        for seed in range(1, 9):
            accuracy = mean + 0.001 * (seed - 4.5)
            yield ReferenceRow(variant, num_tasks, seed, num_tasks, accuracy, 0.01, -0.01, 0.97, None, 468, 10.0, *made)


def test_a_clean_clone_shows_the_verdicts_without_training(clone: Project) -> None:
    assert {job.rule for job in clone.plan("reference")} == {"reference"}
    before = clone.path(f"{FOLDER}/runs.csv").read_bytes()
    start = time.monotonic()
    done = clone.snakemake("reference", "--cores", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - start < 120
    assert re.match(r"2 of \d+ comparisons with published numbers reproduced, 1 differs, ", done.stdout)
    with clone.path(f"{FOLDER}/reproduction.csv").open(newline="") as file:
        verdicts = {(row["variant"], row["num_tasks"], row["verdict"]) for row in csv.DictReader(file) if row["ours"]}
    # Of si_prototype the number of a figure, 97.23, and that of the text, 97.2.
    assert verdicts == {("si_prototype", "10", "reproduced"), ("ten_layer_mlp", "10", "differs")}
    names = {path.name for path in clone.path(FOLDER).rglob("*.*")}
    assert names >= MADE | {"runs.csv", "runs.csv.sha256"}
    for table in clone.path(f"{FOLDER}/tables").glob("*.csv"):
        assert {f"{table.stem}.svg", f"{table.stem}.png", f"{table.name}.sha256"} <= names
    assert clone.path(f"{FOLDER}/runs.csv").read_bytes() == before
    assert {path.name for path in clone.path("results").iterdir()} == {"reference", "logs"}
    of_readme = "| tasks | 10 |\n|---|---|\n| SI + active dendrites | ✓ 97.33 ± 0.24 (8)<br>97.23 |\n"
    assert of_readme in clone.path("README.md").read_text(encoding="utf-8")


def test_a_failure_removes_nothing_that_is_in_git(clone: Project) -> None:
    def contents() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in clone.path(FOLDER).rglob("*.*")}

    before = contents()
    assert before
    with clone.edited("README.md", lambda text: text.replace("<!-- reference:end -->", "")):
        done = clone.snakemake("reference", "--cores", "1")
    assert done.returncode != 0
    assert "reference: README.md: found no single <!-- reference:begin -->" in done.stdout + done.stderr
    assert contents() == before
    with clone.edited(f"{FOLDER}/runs.csv", lambda text: text[:-5]):
        done = clone.snakemake("reference", "--cores", "1")
        assert done.returncode != 0
        assert f"reference: {FOLDER}/runs.csv: found 'ten_layer_mlp," in done.stdout + done.stderr
    assert contents() == before


def test_results_may_be_elsewhere_and_the_reference_stays(clone: Project) -> None:
    done = clone.snakemake("reference", "--cores", "1", "--config", "results=elsewhere")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in clone.path("elsewhere").iterdir()] == ["logs"]
    assert len(read_rows(clone.path(f"{FOLDER}/runs.csv"))) == 16


def test_a_link_in_place_of_results_is_one_line(tmp_path: Path) -> None:
    """As people make one to have results on a larger disk: it hides the runs that git keeps."""
    project = Project(tmp_path)
    (tmp_path / "disk/paper/runs").mkdir(parents=True)
    project.path("results").symlink_to(tmp_path / "disk")
    done = project.snakemake("reference", "--cores", "1")
    merged = project.python("workflow/scripts/reference.py", "merge")
    for said, name in ((done, "results"), (merged, project.path("results"))):
        assert said.returncode == 1
        line = f"{name}/reference/runs.csv: found nothing, since {name} is a symbolic link to {tmp_path}/disk, expected"
        assert line in said.stderr.splitlines()[-1]
        assert "Traceback" not in said.stderr
    assert not (tmp_path / "disk/reference").exists()
