"""Which of several declared values of a setting holds, at paper scale and at the reduced one."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from active_dendrites.settings.declarations import Declarations
from active_dendrites.settings.explain import explain, replaced_by_scale
from active_dendrites.settings.run import Configuration, RunConfig, flatten
from active_dendrites.settings.yaml_files import ConfigError

CONFIG = Path(__file__).parents[3] / "config"
MINE = {
    "label": "Mine",
    "extends": "prototype",
    "learning_rate": 1.0e-2,
    "epochs": 4,
    "network": {"hidden_units": [512, 512]},
}
Declare = Callable[..., Declarations]


@pytest.fixture(scope="module")
def files() -> dict[str, Any]:
    return {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in CONFIG.glob("*.yaml")}


@pytest.fixture
def declare(files: dict[str, Any], tmp_path: Path) -> Declare:
    """The project's settings with variants of one's own; `quick` is laid over that file."""

    def write(quick: dict[str, Any] | None = None, **variants: dict[str, Any]) -> Declarations:
        changed = copy.deepcopy(files)
        changed["variants"] |= variants
        changed["quick"] |= quick or {}
        for name, content in changed.items():
            (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        return Declarations(tmp_path)

    return write


def differing(run: RunConfig, other: RunConfig) -> dict[str, tuple[Any, Any]]:
    """The settings in which two runs differ."""
    one, two = (
        {key: setting.value for key, setting in flatten(each.settings(), "record").items()} for each in (run, other)
    )
    return {key: (one[key], two[key]) for key in one if one[key] != two[key] and key != "variant"}


def test_a_child_s_own_values_hold_at_reduced_scale(declare: Declare) -> None:
    """They were thrown away, so that it trained as its parent did: to the same bits, "no effect"."""
    declarations = declare(mine=MINE)
    mine, parent = (declarations.resolve("quick", name, 10, 1) for name in ("mine", "prototype"))
    assert (parent.learning_rate, parent.epochs) == (1e-3, 2)
    assert differing(mine, parent) == {"learning_rate": (1e-2, 1e-3), "epochs": (1, 2)}


def test_what_the_scale_states_of_a_parent_holds_where_the_child_is_silent(declare: Declare) -> None:
    declarations = declare(mine={"label": "Mine", "extends": "prototype", "network": {"winner_density": 0.1}})
    mine, parent = (declarations.resolve("quick", name, 10, 1) for name in ("mine", "prototype"))
    assert differing(mine, parent) == {"network.winner_density": (0.1, 0.05)}


def test_the_more_specific_name_wins(declare: Declare) -> None:
    """A value of the scale stops at the first descendant that states the key, for some numbers of tasks or all."""
    declarations = declare(
        mine={"label": "Mine", "extends": "prototype", "by_num_tasks": {10: {"learning_rate": 2.0e-2}}},
        grandchild={"label": "Mine too", "extends": "mine"},
        named={"label": "Named", "extends": "mine"},
        quick={"variants": {"prototype": {"learning_rate": 1.0e-3}, "named": {"learning_rate": 3.0e-2}}},
    )
    rates = {
        (name, num_tasks): declarations.resolve("quick", name, num_tasks, 1).learning_rate
        for name in ("mine", "grandchild", "named")
        for num_tasks in (5, 10)
    }
    assert rates == {
        ("mine", 5): 1e-3,
        ("mine", 10): 2e-2,
        ("grandchild", 5): 1e-3,
        ("grandchild", 10): 2e-2,
        ("named", 5): 3e-2,
        ("named", 10): 3e-2,
    }


def test_a_swept_value_holds_at_every_scale(declare: Declare) -> None:
    """A variant is named after it."""
    declarations = declare(mine={"label": "{epochs}", "extends": "prototype", "sweep": {"epochs": [3, 4]}})
    for scale in declarations.scales:
        assert [declarations.resolve(scale, f"mine-{epochs}", 10, 1).epochs for epochs in (3, 4)] == [3, 4]


def test_seeds_of_a_scale_are_checked_whichever_hold(declare: Declare) -> None:
    """Those of the command line hold over them."""
    with pytest.raises(ConfigError, match=r"quick.yaml: search_seeds: found \[1\] more than once, expected each"):
        declare(quick={"search_seeds": [1, 1]})


# -- what is said of it -----------------------------------------------------------------------------------


def test_what_the_scale_replaces_is_said(declare: Declare) -> None:
    declarations = declare(
        mine=MINE | {"by_num_tasks": {10: {"epochs": 5}}}, child={"label": "Child", "extends": "mine"}
    )
    hidden = "quick: network.hidden_units [512, 512] -> [256, 256] for mine"
    said = {
        (name, num_tasks): replaced_by_scale(declarations, "quick", [Configuration(name, num_tasks)])
        for name in ("mine", "child")
        for num_tasks in (2, 10)
    }
    for name in ("mine", "child"):
        assert said[name, 2] == ["quick: epochs 4 -> 1 for mine", hidden]
        assert said[name, 10] == ["quick: epochs 5 -> 1 for mine at 10 tasks", hidden]
    both = [Configuration(name, num_tasks) for name in ("mine", "child") for num_tasks in (2, 10)]
    assert replaced_by_scale(declarations, "quick", both) == [*said["mine", 2], said["mine", 10][0]]
    assert replaced_by_scale(declarations, "paper", both) == []


def test_nothing_is_said_where_the_scale_names_the_variant(declare: Declare) -> None:
    declarations = declare(mine=MINE, quick={"variants": {"mine": {"epochs": 1, "network": {"hidden_units": [64]}}}})
    assert replaced_by_scale(declarations, "quick", [Configuration("mine", 10)]) == []
    assert declarations.resolve("quick", "mine", 10, 1).network.hidden_units == [64]


@pytest.mark.parametrize("scale", ["paper", "quick"])
def test_nothing_is_said_of_the_project_s_own_variants(declarations: Declarations, scale: str) -> None:
    """What they are at reduced scale stands there by name."""
    configurations = [each for name in declarations.experiments for each in declarations.configurations_of(scale, name)]
    assert replaced_by_scale(declarations, scale, configurations) == []


def test_every_configuration_is_explained(declarations: Declarations) -> None:
    """Each setting has its value and its source, at both scales."""
    for scale in declarations.scales:
        for name in declarations.experiments:
            for configuration in declarations.configurations_of(scale, name):
                head, _, *lines = explain(declarations, scale, [configuration])
                run = declarations.resolve(scale, *configuration, seed=1)
                assert run.settings_hash() in head
                assert [line.split()[0] for line in lines] == list(declarations.defaults)
                assert all("config/" in line for line in lines)


def test_an_explanation_has_value_source_and_what_was_replaced(declare: Declare) -> None:
    declarations = declare(mine=MINE)
    explained = explain(declarations, "quick", [Configuration("mine", 10)])
    lines = {line.split()[0]: " ".join(line.split()) for line in explained}
    folder = declarations.folder.name
    assert lines["epochs"] == (
        f"epochs 1 {folder}/quick.yaml: settings.epochs 4 ({folder}/variants.yaml: mine.epochs);"
        f" 2 ({folder}/quick.yaml: variants.prototype.epochs);"
        f" 3 ({folder}/variants.yaml: prototype.by_num_tasks.10.epochs); null ({folder}/defaults.yaml: epochs)"
    )
    assert lines["network.segments_per_unit"].startswith("network.segments_per_unit 10 (one_per_task) ")


def test_of_several_configurations_what_they_share_is_explained_once(declarations: Declarations) -> None:
    of_sweep = [Configuration(f"segment_search-{number}", 10) for number in (2, 10)]
    lines = [line.split()[0] if line else "" for line in explain(declarations, "quick", of_sweep)]
    assert lines.count("epochs") == 1
    swept = "network.segments_per_unit"
    assert lines[-7:] == ["segment_search-2,", "setting", swept, "", "segment_search-10,", "setting", swept]


# -- what is declared twice, or for nothing ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("mine", "line"),
    [
        (
            {"network.winner_density": 0.1, "network": {"winner_density": 0.3}},
            "mine.network.winner_density: found it twice, also as 'network.winner_density', expected it once",
        ),
        (
            {"by_num_tasks": {10: {"network": {"winner_density": 0.3}, "network.winner_density": 0.1}}},
            "10.network.winner_density: found it twice, also as 'network.winner_density', expected it once",
        ),
    ],
)
def test_a_setting_is_written_once(declare: Declare, mine: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError) as error:
        declare(mine={"label": "Mine", "extends": "prototype", **mine})
    assert str(error.value).endswith(line)


@pytest.mark.parametrize(
    ("parent", "settings", "reason"),
    [
        ("prototype", {"consolidation": {"strength": 5.0}}, "consolidation.kind none"),
        ("prototype", {"context": {"exemplars": 100}}, "context.kind task_prototype"),
        ("three_layer_mlp", {"network": {"context_density": 0.5}}, "network.segments_per_unit 0"),
        ("prototype", {"network": {"relu_density": 0.5}}, "k-winners (network.winner_density)"),
        ("si_masse-0.1-0.01", {"keep_last_batch": True}, "random_batches"),
        ("prototype", {"sweep": {"consolidation.strength": [0.1, 1.0]}}, "consolidation.kind none"),
    ],
)
def test_a_value_that_nothing_reads_is_refused(
    declare: Declare, parent: str, settings: dict[str, Any], reason: str
) -> None:
    """A search over it would show that it has no effect, which is true of its runs and of nothing else."""
    declarations = declare(mine={"label": "Mine", "extends": parent, **settings})
    name = "mine-1" if "sweep" in settings else "mine"
    with pytest.raises(ConfigError, match=re.escape(f"expected no value, since nothing reads it with {reason}")):
        declarations.resolve("paper", name, 10, 1)


def test_what_is_inherited_may_be_without_effect(declare: Declare) -> None:
    plain = declare(mine={"label": "Mine", "extends": "si_prototype", "consolidation": {"kind": "none"}})
    assert plain.resolve("paper", "mine", 10, 1).consolidation.strength > 0


def test_a_number_of_tasks_without_value_is_not_among_those_that_have_one(declare: Declare) -> None:
    declarations = declare(mine={"label": "Mine", "extends": "prototype", "by_num_tasks": {10: {"epochs": None}}})
    with pytest.raises(ConfigError) as error:
        declarations.resolve("paper", "mine", 10, 1)
    assert str(error.value).endswith(
        "mine: no epochs for 10 tasks, expected in by_num_tasks, which has [2, 5, 25, 50, 100]"
    )


def test_a_run_is_declared_once_in_an_experiment(declare: Declare, tmp_path: Path) -> None:
    declare()
    both = {"few": {"title": "Few", "variants": {"segment_search-2": [10], "segment_search": [10]}}}
    (tmp_path / "experiments.yaml").write_text(yaml.safe_dump(both))
    with pytest.raises(ConfigError) as error:
        Declarations(tmp_path)
    twice = "segment_search-2 at 10 tasks twice: by its name and as one of a sweep"
    assert str(error.value).endswith(f"few.variants: found {twice}, expected each run once")


def test_an_experiment_has_no_configuration_s_name(declare: Declare, tmp_path: Path, files: dict[str, Any]) -> None:
    """Its target would be the configuration's, and its figure in none."""
    declare()
    mine = {"prototype_10": {"title": "Mine", "variants": {"xdg": [10]}}}
    (tmp_path / "experiments.yaml").write_text(yaml.safe_dump(files["experiments"] | mine))
    with pytest.raises(
        ConfigError, match=r"prototype_10: found target 'prototype_10', which prototype at paper scale has"
    ):
        Declarations(tmp_path).targets()
