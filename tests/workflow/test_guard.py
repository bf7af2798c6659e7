"""The guard of finished runs and the plan, at a tiny paper scale whose trainings are a stand-in that learns nothing."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from project import Job, Project

SEEDS = (1, 2, 3)
FILES = ("accuracy.csv", "activity.npy", "record.json")
RUNS = Path("results/paper/runs")
ALONE = RUNS / "prototype/tasks-2"  # whose seeds were trained one by one
GROUP = RUNS / "sparse_representations_only/tasks-2"  # side by side
STOPPED = "Stopped before anything was done"

# Takes the arguments of train.py and leaves the files of finished runs, at once; waits where a file `wait` says so.
STAND_IN = """\
import argparse, json, sys, time
from pathlib import Path
from active_dendrites import NUMERICS
from active_dendrites.settings.declarations import Declarations

parser = argparse.ArgumentParser()
for name in ("scale", "variant", "settings-hash", "threads", "limit-minutes", "dataset", "images", "device"):
    parser.add_argument(f"--{name}")
parser.add_argument("--num-tasks", type=int)
parser.add_argument("--seed", type=int, nargs="+")
parser.add_argument("--run-folder", type=Path, nargs="+")
given = parser.parse_args()
for _ in range(300):
    if not Path("wait").exists():
        break
    Path("waits").touch()
    time.sleep(0.1)
tests = [(after, task) for after in range(1, given.num_tasks + 1) for task in range(1, after + 1)]
for seed, folder in zip(given.seed, given.run_folder, strict=True):
    run = Declarations(Path("config")).resolve(given.scale, given.variant, given.num_tasks, seed)
    rows = [f"{after},{task},0.{seed}5" for after, task in tests]
    (folder / "accuracy.csv").write_text("\\n".join(["after_task,task,accuracy", *rows, ""]))
    (folder / "activity.npy").write_bytes(b"none")
    record = {"settings": run.settings(), "settings_hash": run.settings_hash(), "numerics": NUMERICS, "clusters": None}
    record |= {"device": "A stand-in", "device_type": "cpu", "threads": 1, "steps": 20 * given.num_tasks}
    record |= {"wall_seconds": 7200.0, "side_by_side": given.seed, "seed": seed}
    (folder / "record.json").write_text(json.dumps(record))
"""


def files_of(*folders: Path) -> list[str]:
    """The file of each seed that a target names."""
    return [f"{folder}/seed-{seed}/record.json" for folder in folders for seed in SEEDS]


BOTH = files_of(ALONE, GROUP)


@pytest.fixture(scope="module")
def trained(make_project: Callable[[], Project]) -> Project:
    """A project in which three seeds of two configurations are finished."""
    project = make_project()
    project.path("workflow/scripts/train.py").write_text(STAND_IN)
    images = project.path("results/data/mnist")
    images.mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (images / f"{name}-ubyte").write_bytes(b"images")
    settings = project.path("config/config.yaml")
    settings.write_text(settings.read_text().replace("seeds:\n- 1\n- 2\n", "seeds: [1, 2, 3]\n"))
    run(project, *files_of(ALONE))
    run(project, *files_of(GROUP), "--config", "seeds_per_job=3")
    return project


@pytest.fixture
def project(trained: Project, tmp_path: Path) -> Project:
    """A copy of its own for a test that changes it."""
    return trained.copied(tmp_path)


def run(project: Project, *arguments: str) -> subprocess.CompletedProcess:
    done = project.snakemake("--cores", "2", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def refused(project: Project, *arguments: str) -> str:
    """What a run says that the guard stops; nothing may have been touched."""
    before = contents(project)
    done = project.snakemake("--cores", "2", *arguments)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert contents(project) == before
    assert not list(project.path(".snakemake/locks").glob("*"))
    return STOPPED + done.stderr.partition(STOPPED)[2]


def contents(project: Project) -> dict[Path, tuple[bytes, int]]:
    """The bytes and times of everything in the folder of results."""
    paths = [path for path in project.path("results").rglob("*") if path.is_file()]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


def numbers(project: Project, folder: Path) -> dict[int, int]:
    """When each seed was finished."""
    return {seed: project.path(f"{folder}/seed-{seed}/record.json").stat().st_mtime_ns for seed in SEEDS}


def faster(variants: dict) -> None:
    """Another learning rate for the configuration whose seeds were trained one by one."""
    variants["prototype"]["by_num_tasks"][2]["learning_rate"] = 0.02


def faster_group(variants: dict) -> None:
    variants["sparse_representations_only"]["by_num_tasks"][2]["learning_rate"] = 0.02


def planned(jobs: list[Job]) -> int:
    return len([job for job in jobs if job.rule.startswith("train")])


# -- the guard --------------------------------------------------------------------------------------------


def test_an_edit_that_would_retrain_finished_runs_stops(trained: Project) -> None:
    with trained.edited_yaml("config/variants.yaml", faster):
        said = refused(trained, *BOTH)
        dry = trained.snakemake(*BOTH, "--dry-run")
    assert said.splitlines()[:3] == [
        "Stopped before anything was done: finished runs of paper scale would be deleted and trained again.",
        "  prototype, 2 tasks, seeds 1 to 3 (6.0 hours): learning_rate 0.0005 -> 0.02",
        "Together 3 runs that took 6.0 hours, by their records.",
    ]
    assert "--config retrain=true" in said
    assert dry.returncode == 0
    assert "Finished runs of paper scale would be deleted" in dry.stderr
    assert said.splitlines()[1] in dry.stderr
    assert run(trained, *BOTH).stderr.count("Nothing to be done") == 1


def test_a_group_of_seeds_shares_its_hours(trained: Project) -> None:
    with trained.edited_yaml("config/variants.yaml", faster_group):
        said = refused(trained, *BOTH, "--config", "seeds_per_job=3")
    assert "sparse_representations_only, 2 tasks, seeds 1 to 3 (2.0 hours): learning_rate 0.001 -> 0.02\n" in said


def test_another_arithmetic_is_named(trained: Project) -> None:
    with trained.edited(
        "workflow/src/active_dendrites/__init__.py", lambda text: text.replace("RICS = ", "RICS = 1 + ")
    ):
        said = refused(trained, *BOTH)
    assert re.search(r"prototype, 2 tasks, seeds 1 to 3 \(6.0 hours\): NUMERICS (\d+) -> \d+\n", said)
    assert "Together 6 runs that took 8.0 hours" in said


@pytest.mark.parametrize("force", [["--forceall"], ["--forcerun", "train"]])
def test_forcing_is_guarded(trained: Project, force: list[str]) -> None:
    said = refused(trained, *files_of(ALONE), *force)
    assert "prototype, 2 tasks, seeds 1 to 3 (6.0 hours): forced\n" in said


def test_the_flag_goes_on(project: Project) -> None:
    before = numbers(project, ALONE), numbers(project, GROUP)
    with project.edited_yaml("config/variants.yaml", faster):
        run(project, *BOTH, "--config", "retrain=true")
        assert not set(numbers(project, ALONE).values()) & set(before[0].values())
        record = json.loads(project.path(f"{ALONE}/seed-1/record.json").read_text())
        assert planned(project.plan(*BOTH)) == 0
    assert record["settings"]["learning_rate"] == 0.02
    assert numbers(project, GROUP) == before[1]


def test_new_seeds_and_unfinished_runs_are_trained_without_asking(project: Project) -> None:
    for name in FILES[::2]:
        project.path(f"{ALONE}/seed-2/{name}").unlink()
    before = numbers(project, GROUP)
    run(project, f"{ALONE}/seed-4/record.json", *BOTH, "--config", "seeds=[1,2,3,4]")
    assert project.path(f"{ALONE}/seed-4/record.json").exists()
    assert project.path(f"{ALONE}/seed-2/record.json").exists()
    assert numbers(project, GROUP) == before


def test_touching_and_jobs_of_a_cluster_are_not_asked(project: Project) -> None:
    with project.edited_yaml("config/variants.yaml", faster):
        run(project, files_of(ALONE)[0], "--touch")
        job = "train:scale=paper,variant=prototype,num_tasks=2,seed=2"
        before = numbers(project, ALONE)
        run(project, "--mode", "remote", "--target-jobs", job, "--force")
        after = numbers(project, ALONE)
    assert [seed for seed in SEEDS if before[seed] != after[seed]] == [2]


def test_a_training_that_outlives_snakemake_is_kept(project: Project) -> None:
    target = f"{ALONE}/seed-5/record.json"
    with waiting(project, target) as snakemake:
        snakemake.kill()
        snakemake.wait()
        project.path("wait").unlink()
        wait_for(project.path(target))
    run(project, "--unlock", target)
    said = refused(project, target)
    assert "prototype, 2 tasks, seed 5 (2.0 hours): Snakemake was killed before it saw the end of it" in said
    command = said.strip().rpartition("snakemake ")[2]
    assert command == f"--touch {target}"
    run(project, *command.split())
    assert planned(project.plan(target)) == 0
    with project.edited_yaml("config/variants.yaml", faster):
        assert planned(project.plan(target)) == 1


def test_images_that_are_gone_retrain_nothing_unasked(project: Project) -> None:
    """A new seed needs them, and what is made anew counts as changed within one plan."""
    shutil.rmtree(project.path("results/data"))
    said = refused(project, f"{ALONE}/seed-4/record.json", *BOTH)
    assert "prototype, 2 tasks, seeds 1 to 3 (6.0 hours): input files updated by another job\n" in said
    assert said.strip().endswith("give --until prepare_mnist.")


# -- two at once ------------------------------------------------------------------------------------------


@contextmanager
def waiting(project: Project, target: str) -> Iterator[subprocess.Popen]:
    """A Snakemake whose training waits until the file `wait` is removed."""
    project.path("wait").touch()
    process = project.start("--cores", "1", target)
    try:
        wait_for(project.path("waits"))
        yield process
    finally:
        project.path("wait").unlink(missing_ok=True)
        process.wait()


def wait_for(path: Path) -> None:
    for _ in range(300):
        if path.exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"{path}: not there after 30 seconds")


def test_a_second_snakemake_is_refused(project: Project) -> None:
    target = f"{ALONE}/seed-5/record.json"
    with waiting(project, target) as first:
        second = project.snakemake(target, "--cores", "1")
        project.path("wait").unlink()
        assert first.wait() == 0
    assert second.returncode == 1
    assert "Directory cannot be locked" in second.stderr
    assert "Traceback" not in second.stderr
    assert json.loads(project.path(target).read_text())["seed"] == 5
    assert planned(project.plan(target, *BOTH)) == 0


# -- the plan ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with its own settings."""
    return Project(tmp_path_factory.mktemp("plan"))


def plan(project: Project, *arguments: str) -> str:
    done = project.snakemake("plan", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_paper_is_planned_before_anything_is_there(paper: Project) -> None:
    start = time.monotonic()
    text = plan(paper, "--config", "device=cpu")
    assert time.monotonic() - start < 30  # 4 seconds on an idle machine
    assert not paper.path("results").exists()
    assert re.match(r"500 jobs: 480 train, ", text)
    runs = re.findall(r"^\w+ +(\d+) +[\d.]+  model$", text, re.MULTILINE)
    assert runs == ["8"] * 60
    (total,) = re.findall(r"^together +480 +([\d.]+)$", text, re.MULTILINE)
    assert float(total) == pytest.approx(369, rel=0.1)  # by the model alone; the reference has slower machines
    assert "not there yet: 60 configurations, 480 runs" in text
    assert "55.0 MB for the images" in text


def test_a_plan_is_of_the_targets_beside_it(paper: Project) -> None:
    text = plan(paper, "xdg_2", "--cores", "8", "--config", "device=cpu", "seeds_per_job=8")
    assert text.startswith("3 jobs: ")
    assert "1 train_paper_seeds_1_to_8" in text.splitlines()[0]
    assert re.findall(r"^(\w+) +(\d+) +[\d.]+  model$", text, re.MULTILINE) == [("xdg_2", "8")]
    assert "With 8 cores about " in text
    done = paper.snakemake("plan", "--no-hooks")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("plan: found --no-hooks")


def test_a_plan_takes_hours_from_finished_runs_and_warns(trained: Project) -> None:
    with trained.edited_yaml("config/variants.yaml", faster):
        text = plan(trained, f"{ALONE}/seed-4/record.json", *BOTH)
    steps = 2 * 60_000 // 256  # two hours for the stand-in's 40
    (hours,) = re.findall(r"^prototype_2 +4 +([\d.]+)  finished runs on A stand-in$", text, re.MULTILINE)
    assert float(hours) == pytest.approx(4 * 2 * steps / 40, abs=0.01)
    assert "  learning_rate 0.0005 -> 0.02: prototype_2, seeds 1 to 3\n" in text
    assert "  not there yet: prototype_2, seed 4\n" in text
    assert "Together 3 runs that took 6.0 hours, by their records." in text


def test_a_finished_plan_has_nothing_to_do(trained: Project) -> None:
    assert plan(trained, *BOTH) == "Nothing to do: every file is there and as its settings say.\n"


def test_a_plan_names_runs_of_other_settings_that_snakemake_does_not_know(project: Project) -> None:
    shutil.rmtree(project.path(".snakemake"))
    with project.edited_yaml("config/variants.yaml", faster):
        text = plan(project, *BOTH)
    assert text.startswith("Nothing to do")
    assert "Not planned, though other settings made them" in text
    assert "  prototype, 2 tasks, seeds 1 to 3 (6.0 hours): learning_rate 0.0005 -> 0.02\n" in text
