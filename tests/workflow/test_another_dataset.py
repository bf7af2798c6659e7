"""Another dataset through the whole workflow, beside results of MNIST."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from project import Project

FASHION = ("--config", "dataset=fashion_mnist")
OF_MNIST = "results/quick/runs/prototype/tasks-2/seed-1/record.json"
RUN = "quick/runs/prototype/tasks-2/seed-1"


@pytest.fixture(scope="module")
def project(make_project: Callable[[], Project]) -> Project:
    """A project with a run of MNIST, and all of quick for another dataset."""
    project = make_project()
    for arguments in ([OF_MNIST], ["quick", *FASHION]):
        done = project.snakemake(*arguments, "--cores", "2")
        assert done.returncode == 0, done.stdout + done.stderr
    return project


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_results_are_in_a_folder_of_their_own(project: Project) -> None:
    fashion = files_in(project.path("results/fashion_mnist"))
    made = {
        "quick/report.html",
        "quick/figures/comparison.svg",
        "quick/tables/ablation.csv",
        f"{RUN}/accuracy.csv",
    }
    assert made <= fashion
    assert not {name for name in fashion if "reproduction." in name and not name.endswith(".log")}
    run = files_in(project.path("results/quick"))
    assert {Path(name).parent for name in run} == {Path("runs/prototype/tasks-2/seed-1")}
    assert {path.name for path in project.path("results/data").iterdir() if path.is_dir()} == {"mnist", "fashion_mnist"}


def test_neither_makes_the_other_again(project: Project) -> None:
    assert project.plan("quick", *FASHION) == []
    assert project.plan(OF_MNIST) == []
    assert {job.rule for job in project.plan("results/quick/tables/ablation.csv")} == {"train", "aggregate"}


def test_a_record_says_what_was_learned_and_how_it_was_normalised(project: Project) -> None:
    mnist, fashion = (
        json.loads(project.path(f"{folder}/{RUN}/record.json").read_text())
        for folder in ("results", "results/fashion_mnist")
    )
    assert (mnist["dataset"], fashion["dataset"]) == ("mnist", "fashion_mnist")
    assert mnist["pixels"] == {"mean": 0.13062755, "std": 0.3081078}
    declared = yaml.safe_load(project.path("config/datasets.yaml").read_text())
    assert (mnist["images"], fashion["images"]) == (declared["mnist"]["sha256"], declared["fashion_mnist"]["sha256"])
    # Noise in two of 28 columns: a fourteenth of the pixels, uniform from 0 to 255.
    assert fashion["pixels"]["mean"] == pytest.approx(0.5 / 14, rel=1e-3)
    assert fashion["pixels"]["std"] == pytest.approx(((1 / 3 + 1 / 1530) / 14 - (0.5 / 14) ** 2) ** 0.5, rel=1e-3)
    assert fashion["settings"]["data"]["pixel_mean"] == "measured"
    assert mnist["settings_hash"] != fashion["settings_hash"]


def test_a_project_outside_git_says_what_follows(project: Project) -> None:
    log = project.path(f"results/{RUN}/train.log").read_text()
    (line,) = (line for line in log.splitlines() if "no commit is recorded (not a git repository" in line)
    assert line.endswith("): reference.py merge will refuse this run")


def test_pages_name_the_dataset_and_hold_it_against_no_published_number(project: Project) -> None:
    notebook = project.path("results/fashion_mnist/quick/notebooks/comparison.ipynb").read_text()
    assert "A comparison: Fashion-MNIST" in notebook
    table = project.path("results/fashion_mnist/quick/tables/comparison.csv").read_text()
    published = table.splitlines()[0].split(",").index("published")
    assert {row.split(",")[published] for row in table.splitlines()[1:]} == {""}
    report = project.path("results/fashion_mnist/quick/report.html").read_text()
    assert "permuted Fashion-MNIST" in report
    assert "Runs for 2 of 2 numbers." in report
    assert "published" not in report.partition("<table")[2].partition("</table>")[0]
    assert "reproduction.html" not in report


def test_reproduction_is_of_mnist_alone(project: Project) -> None:
    done = project.snakemake("reproduction", "--cores", "1", *FASHION)
    assert done.returncode == 1
    assert "reproduction: dataset: found fashion_mnist, expected mnist" in done.stdout + done.stderr


def test_a_dataset_without_sums_is_planned(project: Project) -> None:
    """Nothing is fetched here."""
    jobs = project.plan("results/kmnist/paper/runs/prototype/tasks-2/seed-1/record.json", "--config", "dataset=kmnist")
    assert [job.rule for job in jobs] == ["prepare_mnist", "train"]
    assert jobs[0].output[0] == "results/data/kmnist/train-images-idx3-ubyte"


def test_files_of_another_dataset_are_refused(project: Project) -> None:
    """MNIST's for EMNIST: though no sums are known, their number is."""
    name = "results/data/emnist_digits/t10k-labels-idx1-ubyte"
    done = project.snakemake(name, "--cores", "1", "--config", "dataset=emnist_digits")
    assert done.returncode == 1
    assert "prepare_mnist: train-images-idx3-ubyte from folder" in done.stdout + done.stderr
    assert not project.path(name).exists()
