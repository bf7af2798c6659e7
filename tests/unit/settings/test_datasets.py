"""Datasets beside MNIST: their settings, and that those of MNIST are what they were before there were others."""

from pathlib import Path

import pytest

from active_dendrites.planning.cost_model import count_steps, run_seconds
from active_dendrites.settings.datasets import DATASETS, images_folder, results_folder
from active_dendrites.settings.declarations import Declarations
from active_dendrites.settings.published import declared_rows, read_published
from active_dendrites.settings.run import RunConfig

CONFIG = Path(__file__).parents[3] / "config"
OTHERS = [name for name in DATASETS if name != "mnist"]

# Taken before there was a second dataset. Another hash trains finished runs again: change one only where that is meant.
HASHES = {
    ("paper", "prototype", 10): "3a9012cb4b38c1ba",
    ("paper", "si_prototype", 100): "bb44f4e5e55d961e",
    ("paper", "construct_prototype", 5): "1661c753a314ccda",
    ("paper", "xdg", 2): "2057374e991081ff",
    ("paper", "ten_layer_mlp", 10): "b233095f31c3bc51",
    ("paper", "segment_search-50", 50): "73fc6adf74ec8e11",
}


@pytest.fixture(scope="module")
def fashion() -> Declarations:
    return Declarations(CONFIG, "fashion_mnist")


@pytest.mark.parametrize("configuration", HASHES, ids=str)
def test_finished_runs_of_mnist_keep_their_hash(declarations: Declarations, configuration: tuple) -> None:
    run = declarations.resolve(*configuration, 1)
    assert run.settings_hash() == HASHES[configuration]
    assert "dataset" not in run.settings()  # as Snakemake has noted it


def test_a_run_says_which_dataset_it_learns(fashion: Declarations) -> None:
    run = fashion.resolve("paper", "prototype", 10, 1)
    assert run.settings()["dataset"] == "fashion_mnist"
    assert (run.data.pixel_mean, run.data.pixel_std) == ("measured", "measured")
    assert RunConfig.model_validate(run.settings()) == run


def test_the_literature_keeps_pixels_from_0_to_1(fashion: Declarations) -> None:
    run = fashion.resolve("paper", "xdg", 10, 1)
    assert (run.data.pixel_mean, run.data.pixel_std) == (0.0, 1.0)


@pytest.mark.parametrize("scale", ["paper", "quick"])
@pytest.mark.parametrize("variant", ["prototype", "xdg"])
def test_no_two_datasets_share_a_hash(scale: str, variant: str) -> None:
    hashes = {Declarations(CONFIG, name).resolve(scale, variant, 10, 1).settings_hash() for name in DATASETS}
    assert len(hashes) == len(DATASETS)


def test_results_of_datasets_are_apart() -> None:
    assert results_folder("results", "mnist") == Path("results")
    places = [results_folder("results", name) / "paper/runs" for name in DATASETS]
    assert len({str(place).lower() for place in places}) == len(DATASETS)
    assert {images_folder("results", name).name for name in DATASETS} == set(DATASETS)


@pytest.mark.parametrize("name", OTHERS)
def test_the_paper_published_numbers_of_mnist_alone(name: str) -> None:
    declarations = Declarations(CONFIG, name)
    published = read_published(declarations)
    assert not published.numbers
    rows = list(declared_rows(declarations, published, "paper", "comparison"))
    assert rows and all(row.published is None for row in rows)


def test_a_larger_dataset_costs_more(declarations: Declarations) -> None:
    runs = [d.resolve("paper", "prototype", 10, 1) for d in (declarations, Declarations(CONFIG, "emnist_digits"))]
    assert [count_steps(run) for run in runs] == [10 * 3 * (60_000 // 256), 10 * 3 * (240_000 // 256)]
    assert run_seconds(runs[1], on_cpu=True) == pytest.approx(4 * run_seconds(runs[0], on_cpu=True), rel=0.01)
