"""Mistakes in the settings: each is refused at the start, in one line, and nothing is trained."""

import copy
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from project import REPOSITORY, Project

from active_dendrites.settings.checks import RULES, SEED_GROUP
from active_dendrites.settings.declarations import Declarations
from active_dendrites.settings.published import read_published
from active_dendrites.settings.yaml_files import ConfigError

FILES = ("defaults", "datasets", "variants", "experiments", "published", "quick")


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    """The project's own settings by file; of quick only what cannot be at fault."""
    read = {name: yaml.safe_load((REPOSITORY / f"config/{name}.yaml").read_text()) for name in FILES}
    return read | {"quick": {"seeds": [1, 2], "settings": {"epochs": 1}}}


def declare(folder: Path) -> None:
    """Everything that the workflow checks of a config folder when it starts."""
    declarations = Declarations(folder)
    read_published(declarations)
    declarations.targets()
    for scale in declarations.scales:
        seeds = declarations.seeds(scale, [1, 2])
        declarations.seeds(scale, None, key="search_seeds")
        for experiment in declarations.experiments:
            for variant, num_tasks in declarations.configurations_of(scale, experiment):
                declarations.resolve(scale, variant, num_tasks, seeds[0])


def write(folder: Path, settings: dict[str, Any]) -> Path:
    folder.mkdir()
    for name, content in settings.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return folder


def with_value(settings: dict[str, Any], where: str, value: Any) -> dict[str, Any]:
    """A copy with another value at file/key/key."""
    changed = copy.deepcopy(settings)
    *sections, key = [int(part) if part.isdigit() else part for part in where.split("/")]
    place = changed
    for section in sections:
        place = place[section]
    place[key] = value
    return changed


MINE = {"label": "Mine", "extends": "prototype"}

# Where it is written, the value, then the line: file and key, what was found, what was expected.
FAULTS = {
    "unknown key": (
        *("variants/prototype/network/winner_densty", 0.1),
        *("config/variants.yaml: prototype.network.winner_densty", "unknown key", "'network.winner_density'"),
    ),
    "unknown key of a variant": (
        *("variants/prototype/extend", "kwinner_mlp"),
        *("config/variants.yaml: prototype.extend", "unknown key", "'extends'"),
    ),
    "unknown key of the scale": (
        *("quick/sedes", [1]),
        *("config/quick.yaml: sedes", "unknown key", "'seeds'"),
    ),
    "unknown setting of the scale": (
        *("quick/settings/epoch", 1),
        *("config/quick.yaml: settings.epoch", "unknown key", "'epochs'"),
    ),
    "unknown key of an experiment": (
        *("experiments/ablation/titel", "x"),
        *("config/experiments.yaml: ablation.titel", "unknown key", "'title'"),
    ),
    "misspelt variant": (
        *("experiments/ablation/variants/protoype", [2]),
        *("config/experiments.yaml: ablation.variants", "'protoype'", "'prototype'"),
    ),
    "misspelt parent": (
        *("variants/si_prototype/extends", "protoype"),
        *("config/variants.yaml: si_prototype.extends", "'protoype'", "'prototype'"),
    ),
    "misspelt published variant": (
        *("published/curves/protoype", {"source": "x", "values": {2: 90.0}}),
        *("config/published.yaml: curves", "'protoype'", "'prototype'"),
    ),
    "published value": (
        *("published/curves/prototype/values/2", 974.7),
        *("config/published.yaml: curves.prototype.values.2", "974.7", "1 to 100"),
    ),
    "text for a list": (
        *("variants/prototype/network/hidden_units", "many"),
        *("config/variants.yaml: prototype.network.hidden_units", "'many'", "list"),
    ),
    "fraction for a count": (
        *("defaults/batch_size", 25.6),
        *("config/defaults.yaml: batch_size", "25.6", "integer"),
    ),
    "truth for a count": (
        *("defaults/batch_size", True),
        *("config/defaults.yaml: batch_size", "True", "integer"),
    ),
    "no mechanism of that name": (
        *("variants/prototype/context/kind", "task_protoype"),
        *("config/variants.yaml: prototype.context.kind", "'task_protoype'", "'task_prototype'"),
    ),
    "5e-4 is text": (
        *("variants/prototype/by_num_tasks/10/learning_rate", "5e-4"),
        *("config/variants.yaml: prototype.by_num_tasks.10.learning_rate", "'5e-4'", "write 5.0e-4"),
    ),
    "nothing to gate": (
        *("variants/prototype/network/segments_per_unit", 0),
        *("config/variants.yaml: prototype.network.segments_per_unit", "0", "1 or more"),
    ),
    **{
        f"winner density {density}": (
            *("variants/kwinner_mlp/network/winner_density", density),
            *("config/variants.yaml: kwinner_mlp.network.winner_density", repr(density), expected),
        )
        for density, expected in ((0.0, "greater than 0"), (1.0, "less than 1"), (1.5, "less than 1"))
    },
    "more classes than the head": (
        *("defaults/data/num_classes", 11),
        *("config/defaults.yaml: data.num_classes", "11", "at most network.output_units, which is 10"),
    ),
    "repeated seeds": (
        *("quick/seeds", [1, 2, 1]),
        *("config/quick.yaml: seeds", "[1] more than once", "each seed once"),
    ),
    "seeds as text": (
        *("quick/seeds", ["1"]),
        *("config/quick.yaml: seeds", "['1']", "integers"),
    ),
    "no task": (
        *("experiments/ablation/variants/prototype", [0, 2]),
        *("config/experiments.yaml: ablation.variants.prototype", "found 0", "greater than or equal to 1"),
    ),
    "dataset without sums": (
        *("datasets/mnist", {"data": {}}),
        *("config/datasets.yaml: mnist.sha256", "nothing", "a value"),
    ),
    "unknown dataset": (
        *("datasets/cifar10", {"sha256": None}),
        *("config/datasets.yaml: cifar10", "unknown key", "mnist"),
    ),
    "unknown setting of a dataset": (
        *("datasets/kmnist/data/pixel_means", 0.1),
        *("config/datasets.yaml: kmnist.data.pixel_means", "unknown key", "'data.pixel_mean'"),
    ),
    "neither a number nor the word for one": (
        *("defaults/data/pixel_mean", "measure"),
        *("config/defaults.yaml: data.pixel_mean", "'measure'", "'measured'"),
    ),
    "no task at the scale": (
        *("quick/num_tasks", [0]),
        *("config/quick.yaml: num_tasks", "found 0", "greater than or equal to 1"),
    ),
    "no experiment at the scale": (
        *("quick/num_tasks", [3]),
        *("config/quick.yaml: num_tasks", "[3]", "comparison"),
    ),
    "no label": (
        *("variants/prototype/label", ""),
        *("config/variants.yaml: prototype.label", "nothing", "figures"),
    ),
    "unknown place in a target": (
        *("variants/prototype/target", "prototype_{tasks}"),
        *("config/variants.yaml: prototype.target", "prototype_{tasks}", "{num_tasks}"),
    ),
    "experiment without variants": (
        *("experiments/ablation", {"title": "Nothing"}),
        *("config/experiments.yaml: ablation.variants", "nothing", "a value"),
    ),
    "experiment as a list": (
        *("experiments/ablation", ["prototype"]),
        *("config/experiments.yaml: ablation", "['prototype']", "dictionary"),
    ),
    "counts as a list": (
        *("variants/prototype/by_num_tasks", [2, 5]),
        *("config/variants.yaml: prototype.by_num_tasks", "[2, 5]", "dictionary"),
    ),
    "unknown default": (
        *("defaults/momentum", 0.9),
        *("config/defaults.yaml: momentum", "unknown key", "one of"),
    ),
    "no epochs for a number of tasks": (
        *("experiments/ablation/variants/prototype", [3]),
        *("config/variants.yaml: prototype", "no epochs for 3 tasks", "by_num_tasks"),
    ),
    "unknown place in a label": (
        *("variants/segment_search/label", "{segments} segments"),
        *("config/variants.yaml: segment_search.label", "{segments} segments", "segments_per_unit in braces"),
    ),
    "no such setting to search": (
        *("variants/segment_search/sweep/network.winner_densty", [0.1]),
        *("config/variants.yaml: segment_search.sweep.network.winner_densty", "unknown key", "network.winner_density"),
    ),
    "value searched twice": (
        *("variants/segment_search/sweep/network.segments_per_unit", [2, 2]),
        *("config/variants.yaml: segment_search.sweep.network.segments_per_unit", "[2, 2]", "each value once"),
    ),
    "nothing to search": (
        *("variants/segment_search/sweep/network.segments_per_unit", []),
        *("config/variants.yaml: segment_search.sweep.network.segments_per_unit", "[]", "at least 1 item"),
    ),
    "sweep that the scale misspells": (
        *("quick/sweeps", {"segments_search": {}}),
        *("config/quick.yaml: sweeps", "'segments_search'", "'segment_search'"),
    ),
    "setting that the scale does not search": (
        *("quick/sweeps", {"segment_search": {"network.winner_density": [0.1]}}),
        *("config/quick.yaml: sweeps.segment_search", "'network.winner_density'", "network.segments_per_unit"),
    ),
    "value that the scale does not search": (
        *("quick/sweeps", {"segment_search": {"network.segments_per_unit": [4]}}),
        *("config/quick.yaml: sweeps.segment_search.network.segments_per_unit", "[4]", "some of [2, 3"),
    ),
    "value at the scale of what is searched": (
        *("quick/variants", {"segment_search": {"network": {"segments_per_unit": 5}}}),
        *("config/quick.yaml: variants.segment_search.network.segments_per_unit", "found 5", "`sweeps` says which"),
    ),
    "value at the scale of what is searched, for one value": (
        *("quick/variants", {"segment_search-2": {"network": {"segments_per_unit": 5}}}),
        *("config/quick.yaml: variants.segment_search-2.network.segments_per_unit", "found 5", "`sweeps` says which"),
    ),
    "no search at the scale": (
        *("quick/search_num_tasks", [5]),
        *("config/quick.yaml: search_num_tasks", "[5]", "search_accuracy"),
    ),
    "search seeds twice": (
        *("quick/search_seeds", [1, 1]),
        *("config/quick.yaml: search_seeds", "[1] more than once", "each seed once"),
    ),
    "unknown kind of table": (
        *("experiments/clusters/kind", "counts"),
        *("config/experiments.yaml: clusters.kind", "'counts'", "'summary'"),
    ),
    "tests after no tasks": (
        *("defaults/evaluation/after_tasks", "all"),
        *("config/defaults.yaml: evaluation.after_tasks", "'all'", "'every'"),
    ),
    "too many pixels to compare": (
        *("variants/construct_prototype/context/num_pixels", 510),
        *("config/variants.yaml: construct_prototype.context.num_pixels", "510", "at most 509"),
    ),
    "short batches to compare": (
        *("variants/construct_prototype/keep_last_batch", True),
        *("config/variants.yaml: construct_prototype.keep_last_batch", "True", "false"),
    ),
    "no rule of that name": (
        *("variants/prototype/network/segment_rule", "strongst"),
        *("config/variants.yaml: prototype.network.segment_rule", "'strongst'", "'strongest'"),
    ),
    "gates and dendrites": (
        *("variants/prototype/network/task_gate_density", 0.2),
        *("config/variants.yaml: prototype.network.segments_per_unit", "2", "0, since network.task_gate_density"),
    ),
    "gates and old moments": (
        *("variants/xdg/reset_optimizer", False),
        *("config/variants.yaml: xdg.reset_optimizer", "False", "true, since"),
    ),
    "gates and k-winners": (
        *("variants/xdg/network/winner_density", 0.1),
        *("config/variants.yaml: xdg.network.task_gate_density", "0.2", "null with k-winners"),
    ),
    # Whether or not the value holds in any run that is declared.
    "text for a number that nothing uses": (
        *("variants/mine", MINE | {"learning_rate": "5e-4"}),
        *("config/variants.yaml: mine.learning_rate", "'5e-4'", "write 5.0e-4"),
    ),
    "percent": (
        *("variants/mine", MINE | {"network": {"winner_density": "5%"}}),
        *("config/variants.yaml: mine.network.winner_density", "'5%'", "number"),
    ),
    "value for a number of tasks that nothing uses": (
        *("variants/prototype/by_num_tasks/3", {"epochs": 0}),
        *("config/variants.yaml: prototype.by_num_tasks.3.epochs", "0", "greater than or equal to 1"),
    ),
    "default that every variant replaces": (
        *("defaults/epochs", "many"),
        *("config/defaults.yaml: epochs", "'many'", "integer"),
    ),
    "value that a variant of the scale replaces": (
        *("quick/settings/learning_rate", "1e-3"),
        *("config/quick.yaml: settings.learning_rate", "'1e-3'", "write 5.0e-4"),
    ),
    "value of a variant at the scale": (
        *("quick/variants", {"search": {"data": {"train_images": 0.5}}}),
        *("config/quick.yaml: variants.search.data.train_images", "0.5", "integer"),
    ),
    "value of another dataset": (
        *("datasets/kmnist/data/pixel_std", 0.0),
        *("config/datasets.yaml: kmnist.data.pixel_std", "0.0", "greater than 0"),
    ),
    "default that is missing": (
        *("defaults/numerics", {"precision": "float32"}),
        *("config/defaults.yaml: numerics.deterministic", "nothing", "a value"),
    ),
    "searched value that is none": (
        *("variants/segment_search/sweep/network.segments_per_unit", [2, "ten"]),
        *("config/variants.yaml: segment_search.sweep.network.segments_per_unit", "'ten'", "integer"),
    ),
    "mapping among searched values": (
        *("variants/segment_search/sweep/network.segments_per_unit", [2, {"a": 1}]),
        *("config/variants.yaml: segment_search.sweep.network.segments_per_unit", "{'a': 1}", "numbers, words"),
    ),
    "searched values of one name": (
        *("variants/kw_sparsity_search/sweep/network.winner_density", [0.12345671, 0.12345672]),
        *("config/variants.yaml: kw_sparsity_search.sweep", "'kw_sparsity_search-0.123457'", "a name of its own"),
    ),
    "units beyond reason": (
        *("variants/mine", MINE | {"network": {"hidden_units": [10**30]}}),
        *("config/variants.yaml: mine.network.hidden_units", str(10**30), "less than or equal to"),
    ),
    "no number": (
        *("variants/mine", MINE | {"learning_rate": float("inf")}),
        *("config/variants.yaml: mine.learning_rate", "inf", "a finite number"),
    ),
    "margin beyond reason": (
        *("published/rule/accuracy_margin/1", 1e30),
        *("config/published.yaml: rule.accuracy_margin.1", "1e+30", "less than or equal to 100"),
    ),
    "clusters beyond reason": (
        *("published/clusters/construct_prototype/values/2", 1e30),
        *("config/published.yaml: clusters.construct_prototype.values.2", "1e+30", "from 1 to 1000000"),
    ),
    "sums of some files": (
        *("datasets/mnist/sha256", {}),
        *("config/datasets.yaml: mnist.sha256", "{}", "each of train-images-idx3-ubyte"),
    ),
    # Names are those of folders and targets.
    **{
        f"variant {name!r}": (f"variants/{name}", MINE, f"config/variants.yaml: {name}", repr(name), expected)
        for name, expected in (
            ("..", "a name of at most"),
            ("a b", "a name of at most"),
            ("con.1", "another name"),
            ("Prototype", "a name of its own"),
            ("Train", "another name"),
            ("train_quick_seeds_1_to_2", "another name"),
        )
    },
    "variant named like one of a sweep": (
        *("variants/segment_search-2", MINE),
        *("config/variants.yaml: segment_search-2", "'segment_search-2' beside", "a name of its own"),
    ),
    "experiment named like another": (
        *("experiments/ABLATION", {"title": "x", "variants": {"prototype": [2]}}),
        *("config/experiments.yaml: ABLATION", "'ablation', which differs only in case", "a name of its own"),
    ),
    "experiment named like a device": (
        *("experiments/nul", {"title": "x", "variants": {"prototype": [2]}}),
        *("config/experiments.yaml: nul", "'nul'", "another name"),
    ),
    **{
        f"experiment {name!r}": (
            *(f"experiments/{name}", {"title": "x", "variants": {"prototype": [2]}}),
            *(f"config/experiments.yaml: {name}", repr(name), expected),
        )
        for name, expected in (
            *((name, "another name: the workflow has a rule") for name in ("train", "plan", "all", "Quick")),
            ("settings_prototype_10", "a name of its own"),
        )
    },
    "experiment named like another scale's": (
        *("experiments/quick_Ablation", {"title": "x", "variants": {"prototype": [2]}}),
        *("config/experiments.yaml: ablation", "'quick_ablation', which quick_Ablation at paper", "a name of its own"),
    ),
    "target named like a rule": (
        *("variants/prototype/target", "train"),
        *("config/variants.yaml: prototype.target", "'train'", "another name: the workflow has a rule"),
    ),
    "target named like another scale's": (
        *("variants/prototype/target", {2: "quick_xdg_2"}),
        *("config/variants.yaml: xdg.target", "'quick_xdg_2', which prototype has", "a name of its own"),
    ),
    "target that differs only in case": (
        *("variants/prototype/target", {2: "XDG_2"}),
        *("config/variants.yaml: xdg.target", "'xdg_2', which prototype at paper scale has", "a name of its own"),
    ),
    "target named like settings": (
        *("variants/prototype/target", {2: "settings_xdg_2"}),
        *("config/variants.yaml: prototype.target", "which the settings of xdg_2 has", "a name of its own"),
    ),
    "target in another folder": (
        *("variants/prototype/target", "../{num_tasks}"),
        *("config/variants.yaml: prototype.target", "'../10'", "a name of at most"),
    ),
    "bare brace in a target": (
        *("variants/prototype/target", "prototype}"),
        *("config/variants.yaml: prototype.target", "prototype}", "{num_tasks}"),
    ),
    "more than a place in a label": (
        *("variants/segment_search/label", "{segments_per_unit.x}"),
        *("config/variants.yaml: segment_search.label", "{segments_per_unit.x}", "segments_per_unit in braces"),
    ),
    "all is dropped": (
        *("variants/masse/network/hidden_dropout", 1.0),
        *("config/variants.yaml: masse.network.hidden_dropout", "1.0", "less than 1"),
    ),
}


def test_the_settings_themselves_are_accepted(settings: dict[str, Any], tmp_path: Path) -> None:
    declare(write(tmp_path / "config", settings))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_mistake_is_one_line(settings: dict[str, Any], tmp_path: Path, fault: str) -> None:
    where, value, place, found, expected = FAULTS[fault]
    folder = write(tmp_path / "config", with_value(settings, where, value))
    with pytest.raises(ConfigError) as raised:
        declare(folder)
    check_line(str(raised.value), place, found, expected)


def check_line(line: str, place: str, found: str, expected: str) -> None:
    assert line.startswith(f"{place}: "), line
    before, _, after = line.removeprefix(place).partition("expected ")
    assert found in before, line
    assert expected in after, line
    assert "\n" not in line


def test_a_key_written_twice_is_one_line(settings: dict[str, Any], tmp_path: Path) -> None:
    folder = write(tmp_path / "config", settings)
    with (folder / "variants.yaml").open("a") as file:
        file.write("prototype: {label: Another}\n")
    with pytest.raises(ConfigError) as raised:
        declare(folder)
    check_line(str(raised.value), "config/variants.yaml", "key 'prototype' twice", "YAML")


# The same through Snakemake, and what only it sees: config.yaml and the command line.
STARTS: dict[str, tuple[str, Callable[[str], str], list[str], str]] = {
    "winner density": (
        "config/variants.yaml",
        lambda text: text.replace("winner_density: 0.05", "winner_density: 1.5"),
        [],
        "config/variants.yaml: kwinner_mlp.network.winner_density: found 1.5, expected less than 1",
    ),
    "unknown key": (
        "config/config.yaml",
        lambda text: text + "devcie: cpu\n",
        [],
        "config/config.yaml: devcie: unknown key, expected 'device'",
    ),
    "key twice": (
        "config/config.yaml",
        lambda text: text + "device: cpu\n",
        [],
        "config/config.yaml: line 14: found key 'device' twice, expected YAML",
    ),
    "no YAML": (
        "config/config.yaml",
        lambda text: text + "device: [cpu\n",
        [],
        "config/config.yaml: line ",
    ),
    "empty": (
        "config/config.yaml",
        lambda text: "",
        [],
        "config/config.yaml: found None, expected a mapping",
    ),
    "truth for a key": (
        "config/config.yaml",
        lambda text: text + "on: cpu\n",
        [],
        "config/config.yaml: line 14: found key True, expected text or a number; write text in quotes",
    ),
    "list for a key": (
        "config/config.yaml",
        lambda text: text + "? [device]\n: cpu\n",
        [],
        "config/config.yaml: line 14: found key ['device'], expected text",
    ),
    "repeated seeds": (
        "config/config.yaml",
        lambda text: text.replace("seeds:\n", "seeds:\n- 2\n"),
        [],
        "config/config.yaml: seeds: found [2] more than once, expected each seed once",
    ),
    "no seed in a job": (
        "config/config.yaml",
        lambda text: text.replace("seeds_per_job: 1", "seeds_per_job: 0"),
        [],
        "config/config.yaml: seeds_per_job: found 0, expected greater than or equal to 1",
    ),
    "part of a seed in a job": (
        "Snakefile",
        lambda text: text + "\n",
        ["--config", "seeds_per_job=2.5"],
        "--config: seeds_per_job: found 2.5, expected integer",
    ),
    "neither true nor false": (
        "Snakefile",
        lambda text: text + "\n",
        ["--config", "retrain=perhaps"],
        "--config: retrain: found 'perhaps', expected boolean",
    ),
    "sum": (
        "config/datasets.yaml",
        lambda text: text.replace("t10k-labels-idx1-ubyte: ", "t10k-labels-idx1-ubyte: zz", 1),
        [],
        "config/datasets.yaml: mnist.sha256.t10k-labels-idx1-ubyte: found ",
    ),
    "dataset": (
        "Snakefile",
        lambda text: text + "\n",
        ["--config", "dataset=fashion"],
        "--config: dataset: found 'fashion', expected 'mnist', 'fashion_mnist', 'kmnist' or 'emnist_digits'",
    ),
    "key of earlier versions": (
        "config/config.yaml",
        lambda text: text + "mnist: {folder: images}\n",
        [],
        "config/config.yaml: mnist: found a key of earlier versions, expected `images_folder` for its folder",
    ),
    "command line": (
        "Snakefile",
        lambda text: text + "\n",
        ["--config", "device=gpu"],
        "--config: device: found 'gpu', expected 'auto', 'cpu' or 'cuda'",
    ),
}


@pytest.fixture(scope="module")
def project(make_project: Callable[[], Project]) -> Project:
    return make_project()


@pytest.mark.parametrize("fault", STARTS)
def test_the_workflow_does_not_start(project: Project, fault: str) -> None:
    name, change, arguments, line = STARTS[fault]
    with project.edited(name, change):
        done = project.snakemake("quick", "--cores", "1", *arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    # Snakemake itself says which profile and settings it reads.
    said = [text for text in done.stderr.splitlines() if not text.startswith(("Using workflow", "Config file"))]
    assert len(said) == 1, done.stderr
    assert said[0].startswith(line)
    assert not project.path("results").exists()


@pytest.mark.parametrize(
    ("profile", "line"),
    [
        (
            "slurm",
            "default-resources in the profile: slurm_account: found CHANGE_ME, expected what your cluster calls it",
        ),
        ("gpu", "device: found no CUDA GPU, expected one (or device: auto, or cpu)"),
    ],
)
def test_a_profile_that_cannot_train_here_starts_no_job(
    project: Project, monkeypatch: pytest.MonkeyPatch, profile: str, line: str
) -> None:
    """It can be planned with."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    arguments = ("quick", "--workflow-profile", f"profiles/{profile}")
    done = project.snakemake(*arguments)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == line
    assert not project.path("results").exists()
    assert project.plan(*arguments)


def test_reserved_names_are_those_of_the_rules(project: Project) -> None:
    """All but the rules that are named after what is declared."""
    declarations = Declarations(project.path("config"))
    figures = {declarations.scale_target(*each) for each in product(declarations.scales, declarations.experiments)}
    rules = {line.split(" ")[0] for line in project.snakemake("--list").stdout.splitlines()}
    settings = {name for name in rules if name.startswith("settings_")}
    assert settings
    assert rules - declarations.targets().keys() - figures - settings == RULES
    grouped = project.snakemake("--list", "--config", "seeds_per_job=2").stdout.split()
    assert [name for name in grouped if SEED_GROUP.fullmatch(name)] == [
        f"train_{scale}_seeds_1_to_2" for scale in declarations.scales
    ]


def test_a_run_that_nobody_declares_is_one_line(project: Project) -> None:
    done = project.snakemake("results/paper/runs/prototype/tasks-7/seed-1/accuracy.csv", "--cores", "1")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("config/variants.yaml: prototype: no epochs for 7 tasks")
    assert "Traceback" not in done.stderr
    assert not project.path("results").exists()


def test_a_notebook_with_the_parameters_of_an_earlier_version_stops_before_any_work(project: Project) -> None:
    """It would take its own parameters, which name another's figure."""
    former = "table = figure_svg = figure_png = None"
    with project.edited("workflow/notebooks/ablation.ipynb", lambda text: text.replace("title = None", former)):
        done = project.snakemake("quick", "--cores", "1")
    assert done.returncode == 1
    line = "workflow/notebooks/ablation.ipynb: parameters: found figure_svg, expected files_of_this_notebook as in"
    assert done.stderr.splitlines()[-1].startswith(line)
    assert not project.path("results").exists()
