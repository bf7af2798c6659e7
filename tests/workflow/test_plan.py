"""What the workflow plans, against the tables of the method."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from project import REPOSITORY, Job, Project, write_notebook

from active_dendrites.runs.folders import run_of
from active_dendrites.settings.declarations import Declarations

COUNTS = (2, 5, 10, 25, 50, 100)
# Beside the configurations of method 4.1: settings that can reach two of the published values, and, run instead of
# quoted, the literature's baselines of method 9.
OURS = [("prototype_corrected", "prototype_corrected", n) for n in (2, 5)] + [
    (variant, variant, n) for variant in ("si_mlp", "xdg", "si_xdg") for n in COUNTS
]
FIGURES = {
    *("comparison", "mlp_comparison", "ablation", "inferred_prototypes", "clusters", "forgetting"),
    *("accuracy_matrix", "hidden_activations_per_task"),
}
SEARCH_FIGURES = {"search_accuracy", "search_curves", "search_lines", "si_search", "cross_search", "si_masse_search"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with its own settings."""
    return Project(tmp_path_factory.mktemp("plan"))


@pytest.fixture(scope="module")
def targets(project: Project) -> set[str]:
    return set(project.snakemake("--list-target-rules").stdout.split())


def method_table(section: str) -> list[dict[str, str]]:
    """The table of a section of the method, a dictionary for each row."""
    text = (REPOSITORY / "config/method.md").read_text(encoding="utf-8")
    body = re.search(rf"^#+ {re.escape(section)}\.? .*?(?=^#)", text, re.MULTILINE | re.DOTALL)[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines() if line[:1] == "|"]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]


def published_configurations() -> dict[str, dict[str, str]]:
    """Each configuration of method 4.1 by its original name, with its row, its `T` and its `epochs @ rate`."""
    found = {}
    for row in method_table("4.1"):
        pattern = row["variant (config)"].split(" ")[0]
        for count in COUNTS:
            if (cell := row[f"T={count}"]) != "-":
                name = re.sub("T(?=_|$)", str(count), pattern)
                found[name] = row | {"T": str(count), "epochs @ rate": cell}
    return found


CONFIGURATIONS = published_configurations()


def trainings(jobs: list[Job], scale: str) -> Counter:
    """(variant, num_tasks, seed) of the planned trainings, all of which must be of one scale."""
    outputs = [Path(path) for job in jobs if job.rule.startswith("train") for path in job.output]
    folders = [path.parent for path in outputs if path.name == "record.json"]
    assert {folder.parts[1] for folder in folders} == {scale}
    return Counter(map(run_of, folders))


def declared_targets() -> dict[str, list[tuple[str, int]]]:
    """The configurations, (variant, num_tasks), of each target at paper scale."""
    declarations, found = Declarations(REPOSITORY / "config"), {}
    for experiment in declarations.experiments:
        for run in declarations.configurations_of("paper", experiment):
            configurations = found.setdefault(declarations.target(*run), [])
            configurations += [run] * (run not in configurations)
    return found


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_configuration_has_the_settings_of_the_method(name: str, targets: set[str]) -> None:
    """Method 4.1, row by row; what stands there as `-` is not there, and q = 0 is no mask."""
    said, ((variant, num_tasks),) = CONFIGURATIONS[name], declared_targets()[name]
    assert name in targets
    run = Declarations(REPOSITORY / "config").resolve("paper", variant, num_tasks, 1)
    epochs, rate = re.match(r"(\d+) @ (\S+)", said["epochs @ rate"]).groups()
    assert (num_tasks, run.epochs, run.learning_rate) == (int(said["T"]), int(epochs), float(rate))
    number, width = re.fullmatch(r"(?:(\d)x)?(\d+)", said["H"]).groups()
    assert run.network.hidden_units == [int(width)] * int(number or 2)
    segments = {"T": num_tasks, "-": 0}.get(said["S"])
    assert run.network.segments_per_unit == (int(said["S"]) if segments is None else segments)
    assert run.network.winner_density == (None if said["p"] in ("-", "ReLU") else float(said["p"]))
    assert run.network.weight_sparsity == float(said["q"])
    if said["d_ctx"] != "-":
        assert run.network.context_density == float(said["d_ctx"])
    assert run.reset_optimizer == (said["reset Adam"] == "yes")
    assert (run.consolidation.kind != "none") == name.startswith("si_")
    assert (run.context.kind == "inferred_prototype") == name.startswith("construct_")


def test_all_plans_exactly_the_declared_runs(project: Project) -> None:
    jobs = project.plan("all")
    declared = declared_targets()
    expected = [(*declared[name][0], seed) for name in CONFIGURATIONS for seed in range(1, 9)]
    expected += [(variant, n, seed) for _, variant, n in OURS for seed in range(1, 9)]
    assert len(expected) == 480
    assert trainings(jobs, "paper") == Counter(expected)
    for rule in ("aggregate", "draw"):
        planned = [job.wildcards["experiment"] for job in jobs if job.rule == rule]
        assert sorted(planned) == sorted(FIGURES)
    once = ("prepare_mnist", "report", "reproduce")
    assert Counter(job.rule for job in jobs if job.rule in once) == dict.fromkeys(once, 1)


def search_rows() -> list[dict[str, str]]:
    """Method 7, row by row, with what is called `same` written out."""
    rows = method_table("7")
    for index, row in enumerate(rows):
        before = rows[index - 1]
        if row["fixed"] == "same":
            row["fixed"] = before["fixed"]
        if same := re.match("same ([Spq])", row["varied grid"]):
            of_key = [earlier["varied grid"] for earlier in rows[:index] if earlier["varied grid"][0] == same[1]]
            row["varied grid"] = of_key[-1]
    return rows


@pytest.mark.parametrize("row", search_rows(), ids=lambda row: row["search"])
def test_a_search_has_the_runs_of_the_method(row: dict[str, str], targets: set[str]) -> None:
    """As many runs as its row says, at its number of tasks, with the values of its grid."""
    name, declarations = row["search"], Declarations(REPOSITORY / "config")
    configurations = declared_targets()[name]
    assert name in targets
    (trials,) = {declarations.trials(variant) for variant, _ in configurations}
    total = re.search(r"= (\d+)", row["runs"]) or re.match(r"(\d+)", row["runs"])
    assert len(configurations) * trials == int(total[1])
    for (variant, num_tasks), said in zip(configurations, said_settings(row), strict=True):
        assert num_tasks == int(row["T"])
        run = declarations.resolve("paper", variant, num_tasks, 1)
        network = run.network
        found = {"S": network.segments_per_unit, "p": network.winner_density, "q": network.weight_sparsity}
        found |= {"lr": run.learning_rate, "H": network.hidden_units[0], "epochs": run.epochs}
        assert said == {key: found[key] for key in said}, variant
        assert run.consolidation.include_segments == ("si_" in name and "control" not in name)
        assert run.evaluation.after_tasks == "every"


def said_settings(row: dict[str, str]) -> list[dict[str, float]]:
    """What a row of method 7 says of each of its configurations."""
    text = f"{row['varied grid']}; {row['fixed']}"
    schedule = re.search(r"(\d+)(?: epochs)? @ ([\d.e-]+)", text)
    if not schedule and "SI" not in text:  # as the text above the table says
        text += "; epochs=3" + ("" if "lr" in text else "; lr=5e-4")
    elif schedule:
        text += f"; epochs={schedule[1]}; lr={schedule[2]}"
    said = [{}]
    for key, values in re.findall(r"\b(S|p|q|H|lr|epochs)[:=]? ?((?:[\d.e-]+,)*[\d.e-]+)", text):
        said = [one | {key: float(value)} for one in said for value in values.split(",")]
    return said


def test_searches_plan_their_runs_and_figures(project: Project) -> None:
    jobs = project.plan("searches")
    names = {row["search"] for row in method_table("7")} | {"si_masse_search_10"}
    declarations, declared = Declarations(REPOSITORY / "config"), declared_targets()
    expected = [
        (*run, seed) for name in names for run in declared[name] for seed in range(1, declarations.trials(run[0]) + 1)
    ]
    assert trainings(jobs, "paper") == Counter(expected)
    assert {job.wildcards["experiment"] for job in jobs if job.rule == "draw"} == SEARCH_FIGURES


def test_all_is_the_default_and_may_come_before_resources(project: Project) -> None:
    by_name = project.plan("all", "--cores", "8", "--resources", "gpu=2")
    by_default = project.plan("--cores", "8", "--resources", "gpu=2")
    assert trainings(by_name, "paper") == trainings(by_default, "paper")
    assert len(by_name) == len(by_default) > 480


def test_quick_plans_every_variant_at_its_own_scale(project: Project) -> None:
    """Each model, baseline and kind of search, with the experiments of both parts."""
    jobs = project.plan("quick")
    runs, declarations = trainings(jobs, "quick"), Declarations(REPOSITORY / "config")
    planned = {(declarations.sweep_of(variant), count) for variant, count, _ in runs}
    declared = {(declarations.sweep_of(variant), n) for runs in declared_targets().values() for variant, n in runs}
    assert {name for name, _ in planned} == {name for name, _ in declared}
    searched = {run for run in declared if declarations.trials(run[0])}
    assert searched <= planned
    assert set(runs.values()) == {1}
    assert {job.wildcards["experiment"] for job in jobs if job.rule == "draw"} == FIGURES | SEARCH_FIGURES


def test_every_original_configuration_and_figure_is_a_target(project: Project, targets: set[str]) -> None:
    assert {*CONFIGURATIONS, *(f"{variant}_{n}" for _, variant, n in OURS), *FIGURES} <= targets
    assert trainings(project.plan("prototype_10_segments_10"), "paper") == Counter(
        ("prototype_segments_10", 10, seed) for seed in range(1, 9)
    )
    jobs = project.plan("hidden_activations_per_task")
    assert trainings(jobs, "paper") == Counter(("prototype", 10, seed) for seed in range(1, 9))
    assert [job.wildcards["experiment"] for job in jobs if job.rule == "draw"] == ["hidden_activations_per_task"]


def test_the_docs_say_what_each_target_trains() -> None:
    declarations = Declarations(REPOSITORY / "config")
    text = (REPOSITORY / "docs/targets.md").read_text(encoding="utf-8")
    said = {
        name: int(runs)
        for names, runs in re.findall(r"^\| (`[^|]+`) \| [^|]+ \| (\d+) \|", text, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", names)
    }
    runs = {name: set(declarations.configurations_of("paper", name)) for name in declarations.experiments}
    for target, part in (("all", "paper"), ("searches", "searches")):
        ours = [name for name, declared in declarations.experiments.items() if declared.part == part]
        runs[target] = set().union(*(runs[name] for name in ours))
    seeds = {name: sum(declarations.trials(variant) or 8 for variant, _ in runs[name]) for name in runs}
    quick = {run for name in declarations.experiments for run in declarations.configurations_of("quick", name)}
    scale = declarations.scales["quick"]
    seeds["quick"] = sum(
        len(scale.seeds if declarations.trials(variant) is None else scale.search_seeds) for variant, _ in quick
    )
    assert {name: said.get(name) for name in seeds} == seeds


def test_the_guarantees_name_tests_that_exist() -> None:
    """What happens when ...: each line is shown by a test."""
    text = (REPOSITORY / "docs/guarantees.md").read_text(encoding="utf-8")
    files = (REPOSITORY / "tests").rglob("test_*.py")
    there = {name for path in files for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}
    lines = text.split("| what happens when")[1].split("\n\n")[0].splitlines()[2:]
    assert len(lines) > 25
    for line in lines:
        named = re.findall(r"`(test_\w+)`", line)
        assert line.startswith("| **") or named, line
        assert set(named) <= there, line


def test_seeds_may_be_given_on_the_command_line(project: Project) -> None:
    runs = trainings(project.plan("three_layer_mlp_10", "--config", "seeds=[3]"), "paper")
    assert runs == Counter([("three_layer_mlp", 10, 3)])
    runs = trainings(project.plan("optimal_50", "--config", "search_seeds=[4,5]"), "paper")
    assert runs == Counter([("optimal", 50, 4), ("optimal", 50, 5)])


def test_the_report_so_far_trains_nothing(project: Project) -> None:
    assert {job.rule for job in project.plan("reproduction")} == {"reproduction"}


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


def test_a_new_sweep_needs_yaml_alone(make_project: Callable[[], Project]) -> None:
    """Its values, one job each; an experiment names the sweep."""
    project = make_project()
    sweep = {"label": "{winner_density}", "extends": "prototype", "sweep": {"network.winner_density": [0.25, 0.5]}}
    with (
        project.edited_yaml("config/variants.yaml", lambda variants: variants.update(densities=sweep | {"trials": 1})),
        project.edited_yaml(
            "config/experiments.yaml",
            lambda found: found.update(mine={"title": "Mine", "kind": "search", "variants": {"densities": [2]}}),
        ),
    ):
        runs = trainings(project.plan("densities_2"), "paper")
        assert runs == Counter([("densities-0.25", 2, 1), ("densities-0.5", 2, 1)])


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
