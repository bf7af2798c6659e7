"""What a config folder declares, checked as it stands: names, and keys of settings.

Raises: ConfigError for anything that cannot be run, with file, key, found and expected.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import product
from typing import TYPE_CHECKING

from active_dendrites.settings.datasets import DATASETS
from active_dendrites.settings.forms import Sweep, VariantDeclaration, checked_seeds
from active_dendrites.settings.run import Configuration, check_values, flatten, run_keys
from active_dendrites.settings.yaml_files import Setting, Settings, check_known, fault, one_of, unknown_key

if TYPE_CHECKING:
    from active_dendrites.settings.declarations import Declarations


def check_names(declarations: Declarations) -> None:
    """Datasets; parents, labels and targets of variants; the variants that experiments and scales name."""
    if declarations.dataset not in DATASETS:
        raise fault("dataset", "", one_of(declarations.dataset, DATASETS), value=declarations.dataset)
    for missing in DATASETS.keys() - declarations.datasets.keys():
        raise fault(declarations.file("datasets"), missing, "its sums")
    for name in declarations.datasets.keys() - DATASETS.keys():
        raise unknown_key(declarations.file("datasets"), name, name, DATASETS)
    file = declarations.file("variants")
    for name, declared in declarations.variants.items():
        parent = declared.extends
        if parent is not None and parent not in declarations.variants:
            raise fault(file, f"{name}.extends", one_of(parent, declarations.variants), value=parent)
        if not declared.label and not declared.abstract:
            raise fault(file, f"{name}.label", "its name in figures")
        targets = declared.target.values() if isinstance(declared.target, dict) else [declared.target]
        for target in targets:
            if set("{}") & set(target.replace("{num_tasks}", "")):
                raise fault(file, f"{name}.target", "only {num_tasks} in it", value=target)
            if target:
                check_file_name(target.replace("{num_tasks}", "10"), file, f"{name}.target")
    for experiment, figure in declarations.experiments.items():
        for name in figure.variants:
            if name not in declarations.sweeps:
                declarations.check_runnable(name, declarations.file("experiments"), f"{experiment}.variants")
        runs = Counter(declarations.configurations_of("paper", experiment))
        if twice := next((each for each, times in runs.items() if times > 1), None):
            found = f"{twice.variant} at {twice.num_tasks} tasks twice: by its name and as one of a sweep"
            raise fault(declarations.file("experiments"), f"{experiment}.variants", "each run once", found=found)
    for scale in declarations.scales:
        check_scale_names(declarations, scale)


def check_scale_names(declarations: Declarations, scale: str) -> None:
    """The seeds of a scale, the variants and sweeps that it names, and that something is left of every experiment."""
    reduced, file = declarations.scales[scale], declarations.file(scale)
    for key, seeds in (("seeds", reduced.seeds), ("search_seeds", reduced.search_seeds)):
        if seeds is not None:
            checked_seeds(seeds, file, key)
    for name, settings in reduced.variants.items():
        if name not in declarations.variants:
            raise fault(file, "variants", one_of(name, declarations.variants), value=name)
        sweep = declarations.variants[declarations.sweep_of(name)].sweep
        for key, setting in flatten(settings, file, f"variants.{name}").items():
            if key in sweep:
                raise setting.fault(f"no value of what is searched: `sweeps` says which of {sweep[key]} are run")
    for name, kept in reduced.sweeps.items():
        if name not in declarations.sweeps:
            raise fault(file, "sweeps", one_of(name, declarations.sweeps), value=name)
        known = declarations.variants[name].sweep
        for key, values in kept.items():
            if key not in known:
                raise fault(file, f"sweeps.{name}", one_of(key, known), value=key)
            if not set(values) <= set(known[key]):
                raise fault(file, f"sweeps.{name}.{key}", f"some of {known[key]}", value=values)
    for experiment, declared in declarations.experiments.items():
        if not any(declarations.configurations_of(scale, experiment)):
            key = "num_tasks" if declared.part == "paper" else "search_num_tasks"
            raise fault(file, key, f"one that {experiment} has", value=getattr(reduced, key))


def check_settings(declarations: Declarations) -> None:
    """Every key and value of a dataset, variant or scale, whether or not the value holds in any run."""
    for name in declarations.datasets:
        check_layer(declarations.dataset_settings(name), declarations.defaults)
    file = declarations.file("variants")
    for name, declared in declarations.variants.items():
        own = flatten(declared.model_extra or {}, file, name)
        check_known(own, [*declarations.defaults, *VariantDeclaration.model_fields])
        check_values(own)
        for num_tasks, settings in declared.by_num_tasks.items():
            check_layer(flatten(settings, file, f"{name}.by_num_tasks.{num_tasks}"), declarations.defaults)
    for scale, reduced in declarations.scales.items():
        for name, settings in reduced.variants.items():
            check_layer(flatten(settings, declarations.file(scale), f"variants.{name}"), declarations.defaults)
        check_layer(flatten(reduced.settings, declarations.file(scale), "settings"), declarations.defaults)


def check_layer(settings: Settings, known: Iterable[str]) -> None:
    check_known(settings, known)
    check_values(settings)


def check_defaults(defaults: Settings, file: str) -> None:
    """Every setting is there, and no other."""
    keys = [f"{section}.{key}" if section else key for section, key in run_keys()]
    check_layer(defaults, keys)
    for key in keys:
        if key not in defaults:
            raise fault(file, key, "a value")


def check_sweep(sweep: Sweep, file: str, name: str, known: Iterable[str]) -> None:
    """Each value of each setting that a sweep varies."""
    for key, values in sweep.items():
        for value in values:
            check_layer({key: Setting(value, file, f"{name}.sweep.{key}")}, known)


# -- names, which are those of folders, targets and rules ----------------------------------------------------------

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}")
RULES = {
    *("all", "searches", "quick", "plan", "reference", "reproduction", "preview", "benchmark", "explore"),
    *("provenance", "quick_provenance"),
    *("prepare_mnist", "train", "aggregate", "draw", "reproduce", "report", "trace"),
}
SEED_GROUP = re.compile(r"train_[a-z]+_seeds_.*")  # the rules of trainings that have several seeds
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}


def check_name(name: str, names: dict[str, str], file: str, key: str) -> None:
    """A name that its folder can have on every system, and no other has; it joins the `names`, by their lower case."""
    check_file_name(name, file, key)
    if other := names.get(name.lower()):
        but_for = "" if other == name else ", which differs only in case"
        raise fault(file, key, "a name of its own", found=f"{name!r} beside {other!r}{but_for}")
    names[name.lower()] = name


def check_file_name(name: str, file: str, key: str) -> None:
    if not NAME.fullmatch(name) or name.endswith("."):
        expected = "a name of at most 100 letters, digits, _, ., + and -, first a letter or digit, last no dot"
        raise fault(file, key, expected, value=name)
    if name.partition(".")[0].lower() in DEVICES:
        raise fault(file, key, "another name: Windows has a device of this one", value=name)
    if name.lower() in RULES or SEED_GROUP.fullmatch(name.lower()):
        raise fault(file, key, "another name: the workflow has a rule of this one", value=name)


def check_targets(declarations: Declarations, targets: Mapping[str, tuple[str, list[Configuration]]]) -> None:
    """No two rules have the same name, nor names that differ only in case; a configuration goes before a figure.

    Args:
        targets: the configurations, by the names of their rules.
    """
    owners = {f"settings_{name}".lower(): f"the settings of {name}" for name in targets}
    file = declarations.file("variants")
    for name, (scale, configurations) in targets.items():
        variant = declarations.sweep_of(configurations[0].variant)
        check_owner(name, f"{variant} at {scale} scale", owners, file, f"{variant}.target")
    file = declarations.file("experiments")
    for scale, experiment in product(declarations.scales, declarations.experiments):
        name = declarations.scale_target(scale, experiment)
        check_owner(name, f"{experiment} at {scale} scale", owners, file, experiment)


def check_owner(name: str, owner: str, owners: dict[str, str], file: str, key: str) -> None:
    other = owners.setdefault(name.lower(), owner)
    if other != owner:
        raise fault(file, key, "a name of its own", found=f"target {name!r}, which {other} has")
