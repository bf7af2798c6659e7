"""What a plan says of runs: which are finished, what differs, what they cost; the cost model and measured hours."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from active_dendrites import NUMERICS
from active_dendrites.data.batches import Batches
from active_dendrites.planning.cost_model import (
    count_steps,
    run_bytes,
    run_seconds,
)
from active_dendrites.planning.measured_steps import MeasuredSteps, measured_steps
from active_dendrites.planning.plan import (
    DAMAGED,
    MISSING,
    Hardware,
    PlannedRun,
    changes,
    describe_finished,
    describe_plan,
    duration,
    estimate,
    is_outdated,
    listed,
    retrained,
    size,
    why,
)
from active_dendrites.runs.records import finished_record
from active_dendrites.runs.seals import seal_run
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.run import Configuration, RunConfig

ROOT = Path(__file__).parents[3]
PARTS = {"all": "paper", "searches": "searches"}  # of the targets
HERE = Hardware("cpu", "A processor", 4)


@pytest.fixture(scope="module")
def run(declarations: Declarations) -> RunConfig:
    return declarations.resolve("paper", "prototype", 10, 1)


def finish(folder: Path, run: RunConfig, **known: Any) -> Path:
    """A finished run as far as a plan looks at it."""
    record = {"settings": run.settings(), "numerics": NUMERICS, "device": "A processor", "device_type": "cpu"}
    record |= {"threads": 1, "steps": count_steps(run), "wall_seconds": 7200.0, "side_by_side": [1]}
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps(record | known))
    (folder / "accuracy.csv").write_text("after_task,task,accuracy\n")
    return folder


def planned(folder: Path, run: RunConfig, scale: str = "paper", num_seeds: int = 1) -> PlannedRun:
    seed = int(folder.name.removeprefix("seed-"))
    return PlannedRun("prototype_10", scale, seed, num_seeds, folder, run, "forced")


def altered(run: RunConfig, **settings: Any) -> RunConfig:
    return run.model_copy(update=settings)


# -- finished runs ----------------------------------------------------------------------------------------


def test_a_run_is_finished_with_a_whole_record_and_accuracies(tmp_path: Path, run: RunConfig) -> None:
    folder = finish(tmp_path / "seed-1", run)
    assert finished_record(folder)["steps"] == count_steps(run)
    (folder / "accuracy.csv").unlink()
    assert finished_record(folder) is None
    cut = finish(tmp_path / "seed-2", run) / "record.json"
    cut.write_text(cut.read_text()[:-9])
    assert finished_record(cut.parent) is None
    assert finished_record(tmp_path / "seed-3") is None


def test_a_damaged_run_is_not_read_and_still_guarded(tmp_path: Path, run: RunConfig) -> None:
    folder = finish(tmp_path / "seed-1", run)
    record = folder / "record.json"
    seal_run(folder, record.read_bytes())
    assert why(planned(folder, run)) == "forced"
    record.write_text(record.read_text().replace("7200.0", "7300.0"))
    assert finished_record(folder) is None
    assert why(planned(folder, run)) == DAMAGED
    assert retrained([planned(folder, run)]) == [planned(folder, run)]


def test_what_differs_is_named_by_setting(run: RunConfig) -> None:
    record = {"settings": run.settings(), "numerics": NUMERICS}
    assert changes(record, run) == changes(record, altered(run, seed=2)) == []
    network = run.network.model_copy(update={"hidden_units": [16, 16]})
    assert changes(record, altered(run, learning_rate=0.01, network=network)) == [
        "learning_rate 0.0005 -> 0.01",
        "network.hidden_units [2048, 2048] -> [16, 16]",
    ]
    older = {key: value for key, value in run.settings().items() if key != "keep_last_batch"}
    assert changes({"settings": older, "numerics": NUMERICS - 1}, run) == [
        "keep_last_batch nothing -> False",
        f"NUMERICS {NUMERICS - 1} -> {NUMERICS}",
    ]


def test_the_reason_is_what_differs_else_what_snakemake_says(tmp_path: Path, run: RunConfig) -> None:
    folder = finish(tmp_path / "seed-1", run)
    assert why(planned(folder, run)) == "forced"
    assert why(planned(folder, altered(run, epochs=7))) == "epochs 3 -> 7"
    assert why(planned(tmp_path / "seed-2", run)) == MISSING
    assert [is_outdated(planned(folder, each)) for each in (run, altered(run, epochs=7))] == [False, True]


def test_only_finished_runs_of_paper_scale_are_guarded(tmp_path: Path, run: RunConfig) -> None:
    folder = finish(tmp_path / "seed-1", run)
    guarded = planned(folder, run)
    assert retrained([guarded, planned(folder, run, scale="quick"), planned(tmp_path / "seed-2", run)]) == [guarded]


def test_hours_are_those_of_the_records_and_shared_side_by_side(tmp_path: Path, run: RunConfig) -> None:
    alone = [finish(tmp_path / f"seed-{seed}", run) for seed in (1, 2, 3)]
    together = [finish(tmp_path / f"seed-{seed}", run, side_by_side=[7, 9], numerics=0) for seed in (7, 9)]
    assert list(describe_finished([planned(folder, run) for folder in (*alone, *together)])) == [
        "  prototype, 10 tasks, seeds 1 to 3 (6.0 hours): forced",
        f"  prototype, 10 tasks, seeds 7, 9 (2.0 hours): NUMERICS 0 -> {NUMERICS}",
        "Together 5 runs that took 8.0 hours, by their records.",
    ]


# -- estimates --------------------------------------------------------------------------------------------


def test_an_estimate_prefers_this_processor_and_goes_by_steps(tmp_path: Path, run: RunConfig) -> None:
    folder = tmp_path / "seed-9"
    assert estimate(planned(folder, run), HERE, {}) == (run_seconds(run, on_cpu=True), "model")
    finish(tmp_path / "seed-1", run, device="Another", wall_seconds=9999.0)
    assert estimate(planned(folder, run), HERE, {}) == (pytest.approx(9999), "finished runs on Another")
    finish(tmp_path / "seed-2", run, wall_seconds=100.0)
    finish(tmp_path / "seed-3", run, wall_seconds=100.0, threads=2)
    finish(tmp_path / "seed-4", run, wall_seconds=600.0, side_by_side=[4, 5])
    assert estimate(planned(folder, run), HERE, {}) == (pytest.approx(200), "finished runs here")
    twice = altered(run, epochs=2 * run.epochs)
    assert estimate(planned(folder, twice), HERE, {}) == (pytest.approx(400), "finished runs here")


def test_other_networks_and_devices_say_nothing(tmp_path: Path, run: RunConfig) -> None:
    wider = altered(run, network=run.network.model_copy(update={"hidden_units": [4096, 4096]}))
    finish(tmp_path / "seed-1", wider)
    finish(tmp_path / "seed-2", run, device_type="cuda")
    finish(tmp_path / "seed-3", run, steps=None)
    assert estimate(planned(tmp_path / "seed-9", run), HERE, {})[1] == "model"


def test_seeds_side_by_side_share_a_gpu(tmp_path: Path, run: RunConfig) -> None:
    gpu = Hardware("cuda", None, None)
    (alone, _), (one_of_eight, _) = (estimate(planned(tmp_path / "seed-1", run, num_seeds=n), gpu, {}) for n in (1, 8))
    assert one_of_eight < 0.7 * alone


def test_the_model_counts_the_steps_that_are_taken(declarations: Declarations) -> None:
    for scale in declarations.scales:
        for experiment in declarations.experiments:
            for variant, num_tasks in declarations.configurations_of(scale, experiment):
                run = declarations.resolve(scale, variant, num_tasks, 1)
                of_epoch = Batches(run, run.data.train_images or 60_000).steps
                assert count_steps(run) == of_epoch * run.epochs * num_tasks, variant


def test_the_hours_of_the_documentation_are_those_of_a_plan(declarations: Declarations) -> None:
    """Within a third, because each run that the reference takes up may change them."""
    text = (ROOT / "docs/targets.md").read_text(encoding="utf-8")
    said = dict(re.findall(r"^\| `(\w+)`[^|]* \| [^|]+ \| \d+ \| ([\d.]+) \|", text, re.MULTILINE))
    measured = measured_steps(ROOT / "results/reference/runs.csv", declarations)
    targets = {name: declarations.configurations_of(PAPER, name) for name in declarations.experiments}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    said["all, in README.md"] = re.findall(r"(\d+)\s+hours of a core", readme)[0]
    targets |= {name: declarations.configurations(PAPER, part) for name, part in PARTS.items()}
    found = {name: planned_hours(declarations, configurations, measured) for name, configurations in targets.items()}
    found["all, in README.md"] = found["all"]
    compared = set(said) & set(found)
    assert len(compared) >= 15
    assert {name: found[name] for name in compared} == {
        name: pytest.approx(float(said[name]), rel=1 / 3, abs=0.05) for name in compared
    }


def planned_hours(
    declarations: Declarations, configurations: Iterable[Configuration], measured: MeasuredSteps
) -> float:
    """Of a core, for all seeds."""
    seconds = 0.0
    for configuration in configurations:
        run = declarations.resolve(PAPER, *configuration, 1)
        alone = PlannedRun("", PAPER, 1, 1, Path("nowhere/seed-1"), run, "")
        seconds += (declarations.trials(run.variant) or 8) * estimate(alone, HERE, measured)[0]
    return seconds / 3600


# -- the plan ---------------------------------------------------------------------------------------------


def test_a_plan_says_jobs_hours_reasons_and_disk(tmp_path: Path, run: RunConfig) -> None:
    finish(tmp_path / "seed-1", altered(run, epochs=1), steps=count_steps(altered(run, epochs=1)))
    runs = [planned(tmp_path / f"seed-{seed}", run) for seed in (1, 2)]
    jobs = [("train", "params"), ("train", "output"), ("prepare_mnist", "output"), ("draw", "input")]
    text = "\n".join(describe_plan(jobs, runs, HERE, free_bytes=5_000_000_000, extra=55_000_000, measured={}))
    assert text.splitlines()[0] == "4 jobs: 2 train, 1 prepare_mnist, 1 draw"
    assert re.search(r"^prototype_10 +2 +12\.00  finished runs here$", text, re.MULTILINE)
    assert "With 4 cores about 6.0 hours." in text  # of two runs, each of which takes one core
    assert "  epochs 1 -> 3: prototype_10, seed 1\n" in text
    assert f"  {MISSING}: prototype_10, seed 2\n" in text
    assert "  output: 1 prepare_mnist\n  input: 1 draw\n" in text
    assert "55.0 MB for the images" in text
    assert "5.0 GB are free" in text
    assert next(describe_plan([], [], HERE, 0, 0, {})).startswith("Nothing to do")


def test_a_run_of_100_tasks_takes_a_megabyte(declarations: Declarations) -> None:
    assert run_bytes(declarations.resolve("paper", "prototype", 100, 1)) == pytest.approx(0.9e6, rel=0.1)


def test_words() -> None:
    assert [listed(seeds) for seeds in ([3], [2, 1], [1, 2, 3], [5, 1, 2])] == [
        *("seed 3", "seeds 1, 2", "seeds 1 to 3", "seeds 1, 2, 5")
    ]
    assert [duration(seconds) for seconds in (20, 600, 44_280)] == ["20 s", "10 min", "12.3 hours"]
    assert [size(number) for number in (5_000, 142_700_000, 79e9)] == ["5 kB", "142.7 MB", "79.0 GB"]
