"""What the YAML files of a config folder declare: variants, sweeps, experiments, scales.

Where several values are declared for a setting of a run, the order in config/README.md ("Which value holds") decides:
`Declarations.declared_values` follows it, and nothing else does.
"""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from active_dendrites.settings.checks import (
    check_defaults,
    check_name,
    check_names,
    check_settings,
    check_sweep,
    check_targets,
)
from active_dendrites.settings.datasets import MNIST
from active_dendrites.settings.forms import (
    DatasetDeclaration,
    ExperimentDeclaration,
    ScaleDeclaration,
    VariantDeclaration,
    checked_seeds,
    value_name,
)
from active_dendrites.settings.run import (
    BY_VARIANT,
    ONE_PER_TASK,
    Configuration,
    RunConfig,
    check_consistency,
    check_effects,
    flatten,
    validate,
)
from active_dendrites.settings.yaml_files import (
    ConfigError,
    Setting,
    Settings,
    fault,
    one_of,
    read_yaml,
    typed,
)

PAPER = "paper"


class Declarations:
    """What a config folder declares for a dataset: variants, experiments and scales.

    Args:
        given: settings that hold over those of the files, but for what a search varies (`given.given_settings`).
    Raises: ConfigError for anything that cannot be run, with file, key, found and expected.
    """

    def __init__(self, folder: Path, dataset: str = MNIST, given: Settings | None = None) -> None:
        self.folder, self.dataset, self.given = folder, dataset, given or {}
        self.defaults = flatten(self._read("defaults"), self.file("defaults"))
        check_defaults(self.defaults, self.file("defaults"))
        self.datasets = {
            name: typed(DatasetDeclaration, declared, self.file("datasets"), name)
            for name, declared in self._read("datasets").items()
        }
        self.variants: dict[str, VariantDeclaration] = {}
        self._variant_names: dict[str, str] = {}  # by their lower case
        self.sweeps: dict[str, dict[str, Settings]] = {}  # by sweep and variant: one combination of its values
        for name, declared in self._read("variants").items():
            self._declare(name, typed(VariantDeclaration, declared, self.file("variants"), name))
        self.scales = {
            PAPER: ScaleDeclaration(),
            "quick": typed(ScaleDeclaration, self._read("quick"), self.file("quick")),
        }
        self.experiments: dict[str, ExperimentDeclaration] = {}
        names: dict[str, str] = {}
        for name, declared in self._read("experiments").items():
            check_name(name, names, self.file("experiments"), name)
            self.experiments[name] = typed(ExperimentDeclaration, declared, self.file("experiments"), name)
        check_names(self)
        check_settings(self)

    def _declare(self, name: str, declared: VariantDeclaration) -> None:
        """Take up a variant; a sweep as well by each combination of its values, as `<sweep>-<value>`."""
        file = self.file("variants")
        self._add_variant(name, declared, name)
        if not declared.sweep:
            return
        check_sweep(declared.sweep, file, name, self.defaults)
        self.sweeps[name] = {}
        for values in product(*declared.sweep.values()):
            settings = {
                key: Setting(value, file, f"{name}.sweep.{key}")
                for key, value in zip(declared.sweep, values, strict=True)
            }
            child = "-".join([name, *map(value_name, values)])
            swept = {key.rpartition(".")[2]: value_name(setting.value) for key, setting in settings.items()}
            try:
                label = declared.label.format(**swept)
            except (KeyError, IndexError, ValueError, AttributeError, TypeError):
                expected = f"only {', '.join(swept)} in braces"
                raise fault(file, f"{name}.label", expected, value=declared.label) from None
            self._add_variant(child, VariantDeclaration(label=label, extends=name), f"{name}.sweep")
            self.sweeps[name][child] = settings

    def _add_variant(self, name: str, declared: VariantDeclaration, key: str) -> None:
        check_name(name, self._variant_names, self.file("variants"), key)
        self.variants[name] = declared

    # -- what is declared ---------------------------------------------------------------------------

    def seeds(self, scale: str, given: Any, file: str = "config/config.yaml", key: str = "seeds") -> list[int] | None:
        """The seeds of a scale: its own, or those `given` for paper scale (from the workflow's own config file).

        Args:
            key: seeds, or search_seeds, which may be None: as many as the trials of a variant.
        """
        own = getattr(self.scales[scale], key)
        seeds, source = (given, file) if own is None else (own, self.file(scale))
        if seeds is None and key == "search_seeds":
            return None
        return checked_seeds(seeds, source, key)

    def trials(self, variant: str) -> int | None:
        """How many seeds a search has that does not have those of the paper's figures."""
        of_line = [self.variants[name].trials for name in self.ancestry(variant)]
        return next((trials for trials in reversed(of_line) if trials is not None), None)

    def configurations_of(self, scale: str, experiment: str) -> Iterator[Configuration]:
        """The configurations of an experiment, in the order declared; each is run with every seed of its variant."""
        declared, reduced = self.experiments[experiment], self.scales[scale]
        kept = reduced.num_tasks if declared.part == "paper" else reduced.search_num_tasks
        for name, counts in declared.variants.items():
            for variant in self._members(scale, name):
                yield from (Configuration(variant, count) for count in counts if kept is None or count in kept)

    def experiments_of(self, part: str | None = None) -> list[str]:
        """The experiments of a part, "paper" or "searches", or all."""
        return [name for name, declared in self.experiments.items() if part in (None, declared.part)]

    def configurations(self, scale: str, part: str | None = None) -> list[Configuration]:
        """Every configuration of a scale, or of one part of it, once, in the order of the experiments."""
        runs = [each for experiment in self.experiments_of(part) for each in self.configurations_of(scale, experiment)]
        return list(dict.fromkeys(runs))

    def _members(self, scale: str, name: str) -> list[str]:
        """A variant itself; of a sweep, the variants that the scale keeps."""
        if name not in self.sweeps:
            return [name]
        kept = self.scales[scale].sweeps.get(name, {})
        return [
            variant
            for variant, settings in self.sweeps[name].items()
            if all(settings[key].value in values for key, values in kept.items())
        ]

    def sweep_of(self, variant: str) -> str:
        """The sweep that a variant is one of; its own name if it is of none."""
        return next((name for name, members in self.sweeps.items() if variant in members), variant)

    def label(self, variant: str) -> str:
        return self.variants[variant].label

    def target(self, variant: str, num_tasks: int) -> str:
        """The original name of a configuration, which is also the name of its target here; a sweep has one for all."""
        name = self.sweep_of(variant)
        declared = self.variants[name].target
        pattern = declared.get(num_tasks, "") if isinstance(declared, dict) else declared
        return (pattern or f"{name}_{{num_tasks}}").format(num_tasks=num_tasks)

    def targets(self) -> dict[str, tuple[str, list[Configuration]]]:
        """{name: (scale, configurations)}: the original configurations, `quick_...` for those of quick; a sweep is one.

        Raises: ConfigError if two targets have the same, or names that differ only in case.
        """
        targets: dict[str, tuple[str, list[Configuration]]] = {}
        owners: dict[str, Configuration] = {}
        for scale in self.scales:
            for configuration in self.configurations(scale):
                name = self.scale_target(scale, self.target(*configuration))
                owner = configuration._replace(variant=self.sweep_of(configuration.variant))
                if owners.setdefault(name, owner) != owner:
                    found = f"{name!r}, which {owners[name].variant} has"
                    raise fault(self.file("variants"), f"{owner.variant}.target", "a name of its own", found=found)
                targets.setdefault(name, (scale, []))[1].append(configuration)
        check_targets(self, targets)
        return targets

    def scale_target(self, scale: str, name: str) -> str:
        """The name of a figure's or configuration's target at a scale."""
        return name if scale == PAPER else f"{scale}_{name}"

    # -- one run ------------------------------------------------------------------------------------

    def resolve(self, scale: str, variant: str, num_tasks: int, seed: int) -> RunConfig:
        """The checked settings of one run. Raises: ConfigError."""
        self._check_scale(scale)
        self.check_runnable(variant, self.file("variants"))
        declared = self.declared_values(scale, Configuration(variant, num_tasks))
        merged = {key: values[-1] for key, values in declared.items()}
        for key in BY_VARIANT:
            if merged[key].value is None:
                counts = sorted(
                    n
                    for name in self.ancestry(variant)
                    for n, settings in self.variants[name].by_num_tasks.items()
                    if settings.get(key) is not None and n != num_tasks
                )
                raise ConfigError(
                    f"{self.file('variants')}: {variant}: no {key} for {num_tasks} tasks, expected in by_num_tasks,"
                    f" which has {counts or 'none'}"
                )
        segments = merged["network.segments_per_unit"]
        if segments.value == ONE_PER_TASK:
            merged["network.segments_per_unit"] = segments._replace(value=num_tasks)
        run = validate(merged, variant=variant, num_tasks=num_tasks, seed=seed, dataset=self.dataset)
        check_consistency(run, merged)
        check_effects(run, merged, [setting.where for setting in self.given.values()])
        if scale == PAPER:  # what a reduced scale puts over it may leave some without effect
            check_effects(run, merged, (f"{variant}.", f"{self.sweep_of(variant)}.sweep."))
        return run

    def declared_values(self, scale: str, configuration: Configuration) -> dict[str, list[Setting]]:
        """All values declared for each setting of a configuration, by dotted key; the last one holds."""
        values = {key: [setting] for key, setting in self.defaults.items()}

        def add(settings: Settings) -> None:
            for key, setting in settings.items():
                values[key].append(setting)

        add(self.dataset_settings(self.dataset))
        reduced = self.scales[scale]
        by_scale: set[str] = set()  # keys whose last value so far is the scale's, for a variant by name
        for name in self.ancestry(configuration.variant):
            for own in self._own_settings(name, configuration.num_tasks):
                add(own)
                by_scale -= own.keys()
            named = flatten(reduced.variants.get(name, {}), self.file(scale), f"variants.{name}")
            add(named)
            by_scale |= named.keys()
        for key, setting in flatten(reduced.settings, self.file(scale), "settings").items():
            values[key].insert(len(values[key]) - (key in by_scale), setting)
        add(self.given)
        add(self.sweeps.get(self.sweep_of(configuration.variant), {}).get(configuration.variant, {}))
        return values

    def _own_settings(self, name: str, num_tasks: int) -> Iterator[Settings]:
        """What a variant itself states, and then what it states for a number of tasks."""
        declared, file = self.variants[name], self.file("variants")
        yield flatten(declared.model_extra or {}, file, name)
        yield flatten(declared.by_num_tasks.get(num_tasks, {}), file, f"{name}.by_num_tasks.{num_tasks}")

    def dataset_settings(self, name: str) -> Settings:
        return flatten({"data": self.datasets[name].data}, self.file("datasets"), name)

    def ancestry(self, variant: str) -> list[str]:
        """The variant's line of parents, the eldest first."""
        line: list[str] = []
        name: str | None = variant
        while name is not None:
            if name in line:
                raise fault(self.file("variants"), f"{name}.extends", "none", found=f"a circle {[*line, name]}")
            line.append(name)
            name = self.variants[name].extends
        return line[::-1]

    # -- checks of the files as they stand ------------------------------------------------------------

    def _read(self, name: str) -> dict[str, Any]:
        return read_yaml(self.folder / f"{name}.yaml")

    def file(self, name: str) -> str:
        return f"{self.folder.name}/{name}.yaml"  # as `display` has it

    def _check_scale(self, scale: str) -> None:
        if scale not in self.scales:
            raise fault("scale", "", one_of(scale, self.scales), value=scale)

    def check_runnable(self, name: str, file: str, key: str = "") -> None:
        runnable = [key for key, declared in self.variants.items() if declared.runnable]
        if name not in runnable:
            raise fault(file, key, one_of(name, runnable), found=f"variant {name!r}")
