"""What a config folder declares, checked as it stands: names, and keys of settings.

Raises: ConfigError for anything that cannot be run, with file, key, found and expected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from active_dendrites.settings.datasets import DATASETS
from active_dendrites.settings.forms import VariantDeclaration
from active_dendrites.settings.run import flatten
from active_dendrites.settings.yaml_files import check_known, fault, one_of, unknown_key

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
            if target.replace("{num_tasks}", "").count("{"):
                raise fault(file, f"{name}.target", "only {num_tasks} in it", value=target)
    for experiment, figure in declarations.experiments.items():
        for name in figure.variants:
            if name not in declarations.sweeps:
                declarations.check_runnable(name, declarations.file("experiments"), f"{experiment}.variants")
    for scale in declarations.scales:
        check_scale_names(declarations, scale)


def check_scale_names(declarations: Declarations, scale: str) -> None:
    """The variants and sweeps that a scale names, and that something is left of every experiment."""
    reduced, file = declarations.scales[scale], declarations.file(scale)
    for name in reduced.variants:
        if name not in declarations.variants:
            raise fault(file, "variants", one_of(name, declarations.variants), value=name)
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
        if not any(declarations.runs_of(scale, experiment)):
            key = "num_tasks" if declared.part == "paper" else "search_num_tasks"
            raise fault(file, key, f"one that {experiment} has", value=getattr(reduced, key))


def check_settings(declarations: Declarations) -> None:
    """Every key of a variant or a scale is one that a run has, whether or not a run is declared with it."""
    for name in declarations.datasets:
        check_known(declarations.dataset_settings(name), declarations.defaults)
    file = declarations.file("variants")
    for name, declared in declarations.variants.items():
        own = flatten(declared.model_extra or {}, file, name)
        check_known(own, [*declarations.defaults, *VariantDeclaration.model_fields])
        for num_tasks, settings in declared.by_num_tasks.items():
            check_known(flatten(settings, file, f"{name}.by_num_tasks.{num_tasks}"), declarations.defaults)
    for members in declarations.sweeps.values():
        check_known(next(iter(members.values())), declarations.defaults)
    for scale, reduced in declarations.scales.items():
        for where, settings in {"settings": reduced.settings, **reduced.variants}.items():
            where = where if where == "settings" else f"variants.{where}"
            check_known(flatten(settings, declarations.file(scale), where), declarations.defaults)
