"""What the workflow plans, against the table of method 4.1 written out by hand."""

from collections import Counter
from collections.abc import Callable

import pytest
import yaml
from project import Job, Project, write_notebook

# Original name, variant, number of tasks: every configuration of method 4.1 that is run at full scale.
PUBLISHED_COUNTS = (2, 5, 10, 25, 50, 100)
CONFIGURATIONS = [
    *((f"prototype_{n}", "prototype", n) for n in PUBLISHED_COUNTS),
    *((f"prototype_{n}_segments_10", "prototype_segments_10", n) for n in PUBLISHED_COUNTS),
    *((f"si_prototype_{n}", "si_prototype", n) for n in PUBLISHED_COUNTS),
    *((f"active_dendrites_only_{n}", "active_dendrites_only", n) for n in PUBLISHED_COUNTS),
    *((f"sparse_representations_only_{n}", "sparse_representations_only", n) for n in PUBLISHED_COUNTS),
    *((f"three_layer_mlp_{n}", "three_layer_mlp", n) for n in (10, 100)),
    *((f"ten_layer_mlp_{n}", "ten_layer_mlp", n) for n in (10, 100)),
    *((f"prototype_corrected_{n}", "prototype_corrected", n) for n in (2, 5)),
]
FIGURES = ["comparison", "mlp_comparison", "ablation"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with its own settings."""
    return Project(tmp_path_factory.mktemp("plan"))


def trainings(jobs: list[Job], scale: str) -> Counter:
    """(variant, num_tasks, seed) of the planned trainings, all of which must be of one scale."""
    planned = [job.wildcards for job in jobs if job.rule == "train"]
    assert {run["scale"] for run in planned} == {scale}
    return Counter((run["variant"], int(run["num_tasks"]), int(run["seed"])) for run in planned)


def test_all_plans_exactly_the_declared_runs(project: Project) -> None:
    jobs = project.plan("all")
    expected = [(variant, n, seed) for _, variant, n in CONFIGURATIONS for seed in range(1, 9)]
    assert len(expected) == 288
    assert trainings(jobs, "paper") == Counter(expected)
    for rule in ("aggregate", "draw"):
        planned = [job.wildcards for job in jobs if job.rule == rule]
        assert sorted(run["experiment"] for run in planned) == sorted(FIGURES)
    assert Counter(job.rule for job in jobs if job.rule in ("prepare_mnist", "report")) == {
        "prepare_mnist": 1,
        "report": 1,
    }


def test_all_is_the_default_and_may_come_before_resources(project: Project) -> None:
    by_name = project.plan("all", "--cores", "8", "--resources", "gpu=2")
    by_default = project.plan("--cores", "8", "--resources", "gpu=2")
    assert trainings(by_name, "paper") == trainings(by_default, "paper")
    assert len(by_name) == len(by_default) > 288


def test_quick_plans_every_variant_at_its_own_scale(project: Project) -> None:
    runs = trainings(project.plan("quick"), "quick")
    assert {variant for variant, _, _ in runs} == {variant for _, variant, _ in CONFIGURATIONS}
    assert set(runs.values()) == {1}


def test_every_original_configuration_is_a_target(project: Project) -> None:
    listed = project.snakemake("--list-target-rules").stdout.split()
    assert {name for name, _, _ in CONFIGURATIONS} <= set(listed)
    assert trainings(project.plan("prototype_10_segments_10"), "paper") == Counter(
        ("prototype_segments_10", 10, seed) for seed in range(1, 9)
    )


def test_seeds_may_be_given_on_the_command_line(project: Project) -> None:
    runs = trainings(project.plan("three_layer_mlp_10", "--config", "seeds=[3]"), "paper")
    assert runs == Counter([("three_layer_mlp", 10, 3)])


def test_a_new_variant_needs_yaml_alone(make_project: Callable[[], Project]) -> None:
    project = make_project()
    quarter = {"label": "Quarter", "extends": "prototype", "network": {"winner_density": 0.25}}

    with (
        project.edited_yaml("config/variants.yaml", lambda variants: variants.update(quarter=quarter)),
        project.edited_yaml(
            "config/experiments.yaml",
            lambda found: found.update(densities={"title": "Densities", "variants": {"quarter": [2]}}),
        ),
    ):
        write_notebook(project.path("workflow/notebooks/densities.ipynb"))
        path = "results/paper/figures/densities.svg"
        assert trainings(project.plan(path), "paper") == Counter([("quarter", 2, 1), ("quarter", 2, 2)])
        assert trainings(project.plan("quarter_2"), "paper") == Counter([("quarter", 2, 1), ("quarter", 2, 2)])


@pytest.mark.parametrize(("profile", "seeds_per_job"), [("default", 1), ("gpu", 8), ("slurm", 1)])
def test_profiles_are_understood(project: Project, profile: str, seeds_per_job: int) -> None:
    rules = [job.rule for job in project.plan("prototype_2", "--workflow-profile", f"profiles/{profile}")]
    assert len([rule for rule in rules if rule.startswith("train")]) == 8 / seeds_per_job


def test_profiles_agree_on_what_must_always_hold(project: Project) -> None:
    always = {
        "rerun-incomplete",
        "show-failed-logs",
        "keep-going",
        "max-checksum-file-size",
        "rerun-triggers",
    }
    default, *others = (read_profile(project, name) for name in ("default", "gpu", "slurm"))
    assert always <= set(default)
    for other in others:
        assert {key: other.get(key) for key in default} == default


def read_profile(project: Project, name: str) -> dict:
    return yaml.safe_load(project.path(f"profiles/{name}/profile.v9+.yaml").read_text())


def test_lint_is_clean(project: Project) -> None:
    done = project.snakemake("--lint")
    assert done.returncode == 0, done.stdout + done.stderr
