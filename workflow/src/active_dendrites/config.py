"""Settings: from the YAML files of a config folder to one checked, frozen `RunConfig` per run.

A run's settings are layers, the later over the earlier: defaults.yaml; each ancestor of the variant, its own
settings and then those of its `by_num_tasks`; the scale's settings; the scale's settings for each ancestor.
Every value remembers the file and key it came from, so that a fault can be reported where it was written.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

ONE_PER_TASK = "one_per_task"
PAPER = "paper"
VARIANT_KEYS = ("label", "extends", "target", "abstract", "by_num_tasks")

PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
OpenFraction = Annotated[float, Field(gt=0, lt=1)]


class ConfigError(ValueError):
    """A setting that a user can mend, in one line: file, key, what was found, what was expected."""


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DataConfig(Section):
    permutation_seed: Annotated[int, Field(ge=0)]
    first_task_identity: bool
    pixel_mean: float
    pixel_std: PositiveFloat
    num_classes: PositiveInt


class NetworkConfig(Section):
    hidden_units: Annotated[list[PositiveInt], Field(min_length=1)]
    output_units: PositiveInt
    winner_density: OpenFraction | None
    weight_sparsity: Annotated[float, Field(ge=0, lt=1)]
    segments_per_unit: Annotated[int, Field(ge=0)]
    relu_density: Annotated[float, Field(gt=0, le=1)]
    context_density: Annotated[float, Field(gt=0, le=1)]


class ContextConfig(Section):
    kind: Literal["none", "task_prototype"]


class ConsolidationConfig(Section):
    kind: Literal["none", "synaptic_intelligence"]
    strength: Annotated[float, Field(ge=0)]
    damping: PositiveFloat
    penalty_from_task: Annotated[int, Field(ge=2)]
    path_gradient: Literal["total", "task"]
    include_segments: bool


class EvaluationConfig(Section):
    after_tasks: list[PositiveInt]


class NumericsConfig(Section):
    precision: Literal["float32", "float64"]
    deterministic: bool


class RunConfig(Section):
    """Everything that decides the result of one run, and nothing else."""

    variant: str
    num_tasks: PositiveInt
    seed: Annotated[int, Field(ge=0)]
    epochs: PositiveInt
    learning_rate: PositiveFloat
    batch_size: PositiveInt
    adam_betas: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)]
    adam_epsilon: PositiveFloat
    reset_optimizer: bool
    data: DataConfig
    network: NetworkConfig
    context: ContextConfig
    consolidation: ConsolidationConfig
    evaluation: EvaluationConfig
    numerics: NumericsConfig

    def settings(self) -> dict[str, Any]:
        """The settings as plain nested built-ins, for records and for the workflow's parameters."""
        return self.model_dump()


class Setting(NamedTuple):
    value: Any
    file: str  # as the user knows it: config/variants.yaml
    where: str  # the key as it stands in that file: prototype.network.winner_density


Settings = dict[str, Setting]  # by dotted key: network.winner_density


@dataclass(frozen=True)
class Experiment:
    """One figure or table: variants at numbers of tasks, and curves that are quoted, not run."""

    name: str
    title: str
    variants: Mapping[str, Sequence[int]]
    quoted: Sequence[str]


class Declarations:
    """What a config folder declares: variants, experiments and scales.

    Raises: ConfigError for anything that cannot be run, with file, key, found and expected.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.defaults = flatten(read_yaml(folder / "defaults.yaml"), folder / "defaults.yaml")
        self.variants = read_yaml(folder / "variants.yaml")
        self.scales = {PAPER: {}, "quick": read_yaml(folder / "quick.yaml")}
        self._check_keys()
        self.experiments = {name: self._experiment(name) for name in read_yaml(folder / "experiments.yaml")}

    # -- what is declared ---------------------------------------------------------------------------

    def seeds(self, scale: str, paper_seeds: Any, file: str = "config/config.yaml") -> list[int]:
        """The seeds of a scale: its own, or `paper_seeds` (from the workflow's own config file)."""
        own = self.scales[scale].get("seeds")
        found, source = (paper_seeds, file) if own is None else (own, self._file(f"{scale}.yaml"))
        valid = isinstance(found, list) and found and all(type(s) is int and s >= 0 for s in found)
        if not valid:
            raise ConfigError(f"{source}: seeds: found {found!r}, expected a list of integers from 0")
        repeated = sorted({seed for seed in found if found.count(seed) > 1})
        if repeated:
            raise ConfigError(f"{source}: seeds: found {repeated} more than once, expected each seed once")
        return found

    def task_counts(self, scale: str, experiment: str, variant: str) -> list[int]:
        """The numbers of tasks of a variant in an experiment, as the scale has them."""
        return self.scales[scale].get("num_tasks") or list(self.experiments[experiment].variants[variant])

    def runs_of(self, scale: str, experiment: str) -> Iterator[tuple[str, int]]:
        """(variant, num_tasks) of an experiment, in the order declared; each with every seed of the scale."""
        for variant in self.experiments[experiment].variants:
            for num_tasks in self.task_counts(scale, experiment, variant):
                yield variant, num_tasks

    def label(self, variant: str) -> str:
        return self._variant(variant)["label"]

    def target(self, variant: str, num_tasks: int) -> str:
        """The original name of a configuration, which is also the name of its target here."""
        return self._variant(variant).get("target", f"{variant}_{{num_tasks}}").format(num_tasks=num_tasks)

    # -- one run ------------------------------------------------------------------------------------

    def resolve(self, scale: str, variant: str, num_tasks: int, seed: int) -> RunConfig:
        """The checked settings of one run. Raises: ConfigError."""
        self._variant(variant)
        if type(num_tasks) is not int or num_tasks < 1:
            raise ConfigError(
                f"{self._file('experiments.yaml')}: {variant}: found {num_tasks!r} tasks, expected 1 or more"
            )
        merged = self._layers(scale, variant, num_tasks)
        for key in ("epochs", "learning_rate"):
            if merged[key].value is None:
                raise ConfigError(
                    f"{self._file('variants.yaml')}: {variant}: no {key} for {num_tasks} tasks, expected in"
                    f" by_num_tasks, which has {self._declared_counts(variant) or 'none'}"
                )
        segments = merged["network.segments_per_unit"]
        if segments.value == ONE_PER_TASK:
            merged["network.segments_per_unit"] = segments._replace(value=num_tasks)
        run = validate(merged, variant=variant, num_tasks=num_tasks, seed=seed)
        check_consistency(run, merged)
        return run

    def _layers(self, scale: str, variant: str, num_tasks: int) -> Settings:
        merged = dict(self.defaults)
        file = self.folder / "variants.yaml"
        for name in self._ancestry(variant):
            merged |= self._own_settings(self.variants[name], file, name, num_tasks)
        reduced, file = self.scales[scale], self.folder / f"{scale}.yaml"
        merged |= flatten(reduced.get("settings", {}), file, "settings")
        for name in self._ancestry(variant):
            own = reduced.get("variants", {}).get(name, {})
            merged |= self._own_settings(own, file, f"variants.{name}", num_tasks)
        return merged

    def _own_settings(self, declared: Mapping, file: Path, where: str, num_tasks: int) -> Settings:
        own = {key: value for key, value in declared.items() if key not in VARIANT_KEYS}
        here = declared.get("by_num_tasks", {}).get(num_tasks, {})
        return flatten(own, file, where) | flatten(here, file, f"{where}.by_num_tasks.{num_tasks}")

    def _ancestry(self, variant: str) -> list[str]:
        """The variant's line of parents, the eldest first."""
        line: list[str] = []
        while variant is not None:
            if variant in line:
                raise ConfigError(
                    f"{self._file('variants.yaml')}: {variant}.extends: found a circle {line}, expected none"
                )
            line.append(variant)
            variant = self.variants[variant].get("extends")
        return line[::-1]

    def _declared_counts(self, variant: str) -> list[int]:
        return sorted({n for name in self._ancestry(variant) for n in self.variants[name].get("by_num_tasks", {})})

    # -- checks of the files as they stand ------------------------------------------------------------

    def _file(self, name: str) -> str:
        return display(self.folder / name)

    def _variant(self, name: str, used_in: str = "") -> Mapping:
        runnable = [key for key, declared in self.variants.items() if not declared.get("abstract")]
        if name not in runnable:
            where = used_in or self._file("variants.yaml")
            raise ConfigError(f"{where}: found variant {name!r}, expected {one_of(name, runnable)}")
        return self.variants[name]

    def _check_keys(self) -> None:
        """Every key of variants.yaml and of the scales' files is one that a run has."""
        self._check_variants(self.variants, self.folder / "variants.yaml", "")
        for name, declared in self.variants.items():
            parent = declared.get("extends")
            if parent is not None and parent not in self.variants:
                where = f"{self._file('variants.yaml')}: {name}.extends"
                raise ConfigError(f"{where}: found {parent!r}, expected {one_of(parent, self.variants)}")
        for scale, reduced in self.scales.items():
            file = self.folder / f"{scale}.yaml"
            known = ("seeds", "num_tasks", "settings", "variants")
            for key in reduced:
                if key not in known:
                    raise ConfigError(f"{display(file)}: {key}: unknown key, expected {one_of(key, known)}")
            check_counts(reduced.get("num_tasks"), display(file), "num_tasks")
            self._check_settings(reduced.get("settings", {}), file, "settings")
            for name in reduced.get("variants", {}):
                if name not in self.variants:
                    raise ConfigError(
                        f"{display(file)}: variants: found {name!r}, expected {one_of(name, self.variants)}"
                    )
            self._check_variants(reduced.get("variants", {}), file, "variants.")

    def _check_variants(self, variants: Mapping, file: Path, prefix: str) -> None:
        for name, declared in variants.items():
            if not isinstance(declared, Mapping):
                raise ConfigError(f"{display(file)}: {prefix}{name}: found {declared!r}, expected settings")
            own = {key: value for key, value in declared.items() if key not in VARIANT_KEYS}
            self._check_settings(own, file, f"{prefix}{name}")
            by_num_tasks = declared.get("by_num_tasks", {})
            check_counts(list(by_num_tasks), display(file), f"{prefix}{name}.by_num_tasks")
            for num_tasks, settings in by_num_tasks.items():
                self._check_settings(settings, file, f"{prefix}{name}.by_num_tasks.{num_tasks}")

    def _check_settings(self, settings: Any, file: Path, where: str) -> None:
        if not isinstance(settings, Mapping):
            raise ConfigError(f"{display(file)}: {where}: found {settings!r}, expected settings")
        for key, setting in flatten(settings, file, where).items():
            if key not in self.defaults:
                known = [*self.defaults, *VARIANT_KEYS]
                raise ConfigError(f"{setting.file}: {setting.where}: unknown key, expected {one_of(key, known)}")

    def _experiment(self, name: str) -> Experiment:
        file = self._file("experiments.yaml")
        declared = read_yaml(self.folder / "experiments.yaml")[name]
        known = ("title", "variants", "quoted")
        for key in declared:
            if key not in known:
                raise ConfigError(f"{file}: {name}.{key}: unknown key, expected {one_of(key, known)}")
        for variant, counts in declared["variants"].items():
            self._variant(variant, f"{file}: {name}.variants")
            check_counts(counts, file, f"{name}.variants.{variant}")
        return Experiment(name, declared["title"], declared["variants"], declared.get("quoted", []))


def flatten(tree: Mapping, file: Path, where: str = "", key: str = "") -> Settings:
    """Nested settings as {dotted key: Setting}; sections are recognised by their names."""
    flat: Settings = {}
    for name, value in tree.items():
        dotted = f"{key}.{name}" if key else str(name)
        place = f"{where}.{name}" if where else str(name)
        if not key and issubclass(section_of(dotted), Section):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{display(file)}: {place}: found {value!r}, expected a section of settings")
            flat |= flatten(value, file, place, dotted)
        else:
            flat[dotted] = Setting(value, display(file), place)
    return flat


def section_of(name: str) -> type:
    field = RunConfig.model_fields.get(name)
    return field.annotation if field and isinstance(field.annotation, type) else object


def validate(merged: Settings, **identity: Any) -> RunConfig:
    """Build the typed settings; the first fault becomes one line naming where the value was written."""
    tree: dict[str, Any] = dict(identity)
    for key, setting in merged.items():
        section, _, name = key.rpartition(".")
        (tree.setdefault(section, {}) if section else tree)[name] = setting.value
    try:
        return RunConfig.model_validate(tree)
    except ValidationError as error:
        fault = error.errors()[0]
        path = [str(part) for part in fault["loc"]]
        dotted = next((d for n in (2, 1) if (d := ".".join(path[:n])) in merged), None)
        setting = merged[dotted] if dotted else Setting(fault["input"], "command line", ".".join(path))
        hint = (
            "; YAML reads 5e-4 as text, write 5.0e-4"
            if isinstance(fault["input"], str) and is_number(fault["input"])
            else ""
        )
        expected = fault["msg"].removeprefix("Input should be ").removeprefix("a valid ")
        raise ConfigError(
            f"{setting.file}: {setting.where}: found {fault['input']!r}, expected {expected}{hint}"
        ) from None


def check_consistency(run: RunConfig, merged: Settings) -> None:
    """Faults that no single value shows."""

    def refuse(key: str, expected: str) -> None:
        setting = merged[key]
        raise ConfigError(f"{setting.file}: {setting.where}: found {setting.value!r}, expected {expected}")

    if run.context.kind != "none" and run.network.segments_per_unit == 0:
        refuse(
            "network.segments_per_unit",
            f"1 or more, since context.kind {run.context.kind} has nothing to gate",
        )
    if run.context.kind == "none" and run.network.segments_per_unit > 0:
        refuse("network.segments_per_unit", "0, since context.kind none gives segments nothing to respond to")
    if run.data.num_classes > run.network.output_units:
        refuse("data.num_classes", f"at most network.output_units, which is {run.network.output_units}")
    if run.network.winner_density is not None:
        for units in run.network.hidden_units:
            if round(run.network.winner_density * units) < 1:
                refuse("network.winner_density", f"at least one winner among {units} units")


def check_counts(counts: Any, file: str, where: str) -> None:
    if counts is None:
        return
    if not isinstance(counts, list) or not all(type(count) is int and count >= 1 for count in counts):
        raise ConfigError(f"{file}: {where}: found {counts!r}, expected numbers of tasks, integers from 1")
    if len(set(counts)) < len(counts):
        raise ConfigError(f"{file}: {where}: found {counts!r}, expected each number of tasks once")


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises: ConfigError if it is missing or is not one."""
    return dict(_read_yaml(path, path.stat().st_mtime_ns if path.exists() else 0))


@cache
def _read_yaml(path: Path, version: int) -> Mapping[str, Any]:
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), UniqueKeyLoader)
    except OSError as error:
        raise ConfigError(f"{display(path)}: {error.strerror}, expected a YAML file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{display(path)}:{line} {getattr(error, 'problem', error)}, expected YAML") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{display(path)}: found {tree!r}, expected a mapping")
    return tree


class UniqueKeyLoader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):
    """YAML that refuses a key written twice, which plain YAML readers let the second one win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"found key {key!r} twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def display(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def one_of(found: Any, known: Sequence | Mapping) -> str:
    """The nearest known name, or all of them."""
    names = [str(name) for name in known]
    near = difflib.get_close_matches(str(found), names, n=1)
    return f"{near[0]!r}" if near else f"one of {', '.join(names)}"


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
