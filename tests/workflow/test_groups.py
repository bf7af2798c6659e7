"""Seeds that share a job: which ones do, and what of their results an edit, a failure or another grouping touches."""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from project import Job, Project

TARGET = "quick_sparse_representations_only_2"
FILES = ("accuracy.csv", "activity.npy", "record.json")
CONFIGURATIONS = 60  # of the paper's figures
RUNS = Path("results/quick/runs/sparse_representations_only/tasks-2")


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with its own settings."""
    return Project(tmp_path_factory.mktemp("groups"))


@pytest.fixture(scope="module")
def grouped(make_project: Callable[[], Project]) -> Project:
    """A tiny project in which one job trained three seeds."""
    project = make_project()
    with quick_seeds(project, 3):
        done = project.snakemake(TARGET, "--cores", "1", "--config", "seeds_per_job=3", "--printshellcmds")
    assert done.returncode == 0, done.stderr
    assert re.findall("^localrule (train.*):", done.stderr, re.MULTILINE) == ["train_quick_seeds_1_to_3"]
    return project


def quick_seeds(project: Project, last: int):
    """The seeds 1 to `last` at reduced scale, for a while."""
    return project.edited_yaml("config/quick.yaml", lambda quick: quick.update(seeds=list(range(1, last + 1))))


def plan(project: Project, last: int, per_job: int, *arguments: str) -> list[list[int]]:
    """The seeds of each training that is planned at reduced scale with the seeds 1 to `last`."""
    with quick_seeds(project, last):
        return trained(project.plan(TARGET, "--config", f"seeds_per_job={per_job}", *arguments))


def paper_seeds(last: int, per_job: int) -> list[str]:
    return ["--config", f"seeds=[{','.join(map(str, range(1, last + 1)))}]", f"seeds_per_job={per_job}"]


def trained(jobs: list[Job]) -> list[list[int]]:
    """The seeds of each planned training, in order."""
    return sorted(seeds_of(job) for job in jobs if job.rule.startswith("train"))


def seeds_of(job: Job) -> list[int]:
    """From the outputs of a training, which must be three files for each seed."""
    seeds = [int(Path(path).parent.name.removeprefix("seed-")) for path in job.output]
    assert set(Counter(seeds).values()) == {3}
    return sorted(set(seeds))


def contents(project: Project, seeds: range) -> dict[Path, tuple[bytes, int]]:
    """The bytes and times of the results of some seeds."""
    paths = [project.root / RUNS / f"seed-{seed}" / name for seed in seeds for name in FILES]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths if path.exists()}


@pytest.mark.parametrize(
    ("last", "per_job", "expected"),
    [
        (8, 8, {(1, 2, 3, 4, 5, 6, 7, 8): CONFIGURATIONS}),
        (7, 3, {(1, 2, 3): CONFIGURATIONS, (4, 5, 6): CONFIGURATIONS, (7,): CONFIGURATIONS}),
    ],
)
def test_seeds_are_cut_into_groups(paper: Project, last: int, per_job: int, expected: dict) -> None:
    jobs = paper.plan("all", *paper_seeds(last, per_job))
    assert Counter(map(tuple, trained(jobs))) == expected
    files = [path for job in jobs if job.rule.startswith("train") for path in job.output]
    assert len(files) == len(set(files)) == CONFIGURATIONS * last * 3


def test_a_seed_that_no_group_has_is_trained_alone(paper: Project) -> None:
    path = "results/paper/runs/prototype/tasks-10/seed-{}/accuracy.csv"
    paths = [path.format(seed) for seed in (3, 9)]
    assert trained(paper.plan(*paths, *paper_seeds(8, 8))) == [[1, 2, 3, 4, 5, 6, 7, 8], [9]]


def test_a_group_may_take_longer_and_more_memory(paper: Project) -> None:
    def needs(per_job: int, device: str) -> tuple[int, int]:
        done = paper.snakemake("prototype_100", "--dry-run", *paper_seeds(8, per_job), f"device={device}")
        minutes, memory = (int(re.search(rf"{name}=(\d+)", done.stdout)[1]) for name in ("runtime", "mem_mb"))
        return minutes - 15, memory - 4000

    in_turn, alone = needs(8, "cpu"), needs(1, "cpu")
    assert in_turn == pytest.approx((8 * alone[0], 8 * alone[1]), rel=0.01)
    side_by_side, alone = needs(8, "cuda"), needs(1, "cuda")
    assert 4 * alone[0] < side_by_side[0] < 6 * alone[0]  # an H100's step: 5.0 for 8 seeds
    assert side_by_side[1] == pytest.approx(alone[1], rel=0.05)


def test_a_group_leaves_the_files_of_every_seed(grouped: Project) -> None:
    for seed in (1, 2, 3):
        folder = grouped.root / RUNS / f"seed-{seed}"
        assert sorted(path.name for path in folder.iterdir()) == sorted(
            [*FILES, "SHA256SUMS", "train.log", *(["network.safetensors"] if seed == 1 else [])]
        )
        assert json.loads((folder / "record.json").read_text())["seed"] == seed
        assert "seed 3" in (folder / "train.log").read_text()


@pytest.mark.parametrize("per_job", [1, 2, 3])
def test_other_groups_train_nothing_again(grouped: Project, per_job: int) -> None:
    assert plan(grouped, 3, per_job) == []


def test_a_setting_retrains_its_group(grouped: Project) -> None:
    def change(variants: dict) -> None:
        variants["sparse_representations_only"]["by_num_tasks"][2]["learning_rate"] = 0.02

    with grouped.edited_yaml("config/variants.yaml", change):
        assert plan(grouped, 3, 3) == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("last", "per_job", "expected"),
    [
        (5, 8, [[4], [5]]),  # in a group that has results: one by one
        (5, 3, [[4, 5]]),
        (8, 2, [[4], [5, 6], [7, 8]]),
    ],
)
def test_new_seeds_leave_the_others_alone(grouped: Project, last: int, per_job: int, expected: list) -> None:
    assert plan(grouped, last, per_job) == expected


@pytest.mark.parametrize("force", [["--forceall"], ["--forcerun", "train"]])
def test_a_forced_run_trains_everything(grouped: Project, force: list[str]) -> None:
    assert plan(grouped, 3, 3, *force) == [[1], [2], [3]]


def test_a_job_on_a_cluster_finds_its_rule_whatever_exists_by_now(grouped: Project) -> None:
    job = "train_quick_seeds_1_to_3:scale=quick,variant=sparse_representations_only,num_tasks=2"
    with quick_seeds(grouped, 3):
        done = grouped.snakemake("--dry-run", "--mode", "remote", "--target-jobs", job, "--config", "seeds_per_job=3")
    assert done.returncode == 0, done.stderr


def test_a_failure_takes_no_result_that_was_there(grouped: Project) -> None:
    before = contents(grouped, range(1, 4))
    assert len(before) == 3 * len(FILES)
    records = "workflow/src/active_dendrites/runs/records.py"
    with (
        quick_seeds(grouped, 5),
        grouped.edited(records, lambda text: text.replace('"seed": run.seed', '"seed": run.seed / (5 - run.seed)')),
    ):
        done = grouped.snakemake(TARGET, "--cores", "1", "--config", "seeds_per_job=3")
    assert done.returncode == 1
    assert "train_quick_seeds_4_to_5" in done.stderr
    assert "seed-4/record.json" in done.stderr.partition("Removing output files of failed job")[2]
    assert contents(grouped, range(1, 6)) == before
    assert plan(grouped, 5, 3) == [[4, 5]]
