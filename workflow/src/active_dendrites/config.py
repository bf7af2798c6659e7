"""Settings: from the YAML files of a config folder to one checked, frozen `RunConfig` per run.

A run's settings are layers, the later over the earlier: defaults.yaml; each ancestor of the variant, its own
settings and then those of its `by_num_tasks`; the scale's settings; the scale's settings for each ancestor.
Every value remembers the file and key it came from, so that a fault can be reported where it was written.
"""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

ONE_PER_TASK = "one_per_task"
PAPER = "paper"

PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
OpenFraction = Annotated[float, Field(gt=0, lt=1)]


def each_once(values: list) -> list:
    if len(set(values)) < len(values):
        raise ValueError("each number once")
    return values


TaskCounts = Annotated[list[PositiveInt], Field(min_length=1), AfterValidator(each_once)]


class ConfigError(ValueError):
    """A setting that a user can mend, in one line: file, key, what was found, what was expected."""


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DataConfig(Section):
    permutation_seed: Annotated[int, Field(ge=0)]
    first_task_identity: bool
    train_images: PositiveInt | None
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
    precision: Literal["float32", "float64", "tf32", "bfloat16"]
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

    def settings_of_all_seeds(self) -> dict[str, Any]:
        """The settings but the seed: what runs of one configuration share."""
        return {key: value for key, value in self.settings().items() if key != "seed"}

    def settings_hash(self) -> str:
        """16 hex digits that differ where any setting does, but are the same for every seed."""
        return sha256(json.dumps(self.settings_of_all_seeds(), sort_keys=True).encode()).hexdigest()[:16]


class Setting(NamedTuple):
    value: Any
    file: str  # as the user knows it: config/variants.yaml
    where: str  # the key as it stands in that file: prototype.network.winner_density


Settings = dict[str, Setting]  # by dotted key: network.winner_density


class VariantDeclaration(Section):
    """A variant as written; what is not a field here is a setting of its runs."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    label: str = ""
    extends: str | None = None
    target: str = ""
    abstract: bool = False
    by_num_tasks: dict[PositiveInt, dict[str, Any]] = {}


class ExperimentDeclaration(Section):
    """One figure or table: variants at numbers of tasks, and curves that are quoted, not run."""

    title: str
    variants: dict[str, TaskCounts]
    quoted: list[str] = []


class ScaleDeclaration(Section):
    """What a scale changes: its own seeds and numbers of tasks, and settings over those of the variants."""

    seeds: Any = None
    num_tasks: TaskCounts | None = None
    settings: dict[str, Any] = {}
    variants: dict[str, dict[str, Any]] = {}


class Declarations:
    """What a config folder declares: variants, experiments and scales.

    Raises: ConfigError for anything that cannot be run, with file, key, found and expected.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.defaults = flatten(self._read("defaults"), self._file("defaults"))
        check_known(self.defaults, [f"{s}.{k}" if s else k for s, k in run_keys()])
        self.variants = {
            name: typed(VariantDeclaration, declared, self._file("variants"), name)
            for name, declared in self._read("variants").items()
        }
        self.scales = {
            PAPER: ScaleDeclaration(),
            "quick": typed(ScaleDeclaration, self._read("quick"), self._file("quick")),
        }
        self.experiments = {
            name: typed(ExperimentDeclaration, declared, self._file("experiments"), name)
            for name, declared in self._read("experiments").items()
        }
        self._check_names()
        self._check_settings()

    # -- what is declared ---------------------------------------------------------------------------

    def seeds(self, scale: str, paper_seeds: Any, file: str = "config/config.yaml") -> list[int]:
        """The seeds of a scale: its own, or `paper_seeds` (from the workflow's own config file)."""
        own = self.scales[scale].seeds
        found, source = (paper_seeds, file) if own is None else (own, self._file(scale))
        valid = isinstance(found, list) and found and all(type(s) is int and s >= 0 for s in found)
        if not valid:
            raise ConfigError(f"{source}: seeds: found {found!r}, expected a list of integers from 0")
        repeated = sorted({seed for seed in found if found.count(seed) > 1})
        if repeated:
            raise ConfigError(f"{source}: seeds: found {repeated} more than once, expected each seed once")
        return found

    def runs_of(self, scale: str, experiment: str) -> Iterator[tuple[str, int]]:
        """(variant, num_tasks) of an experiment, in the order declared; each with every seed of the scale."""
        kept = self.scales[scale].num_tasks
        for variant, counts in self.experiments[experiment].variants.items():
            yield from ((variant, count) for count in counts if kept is None or count in kept)

    def label(self, variant: str) -> str:
        return self.variants[variant].label

    def target(self, variant: str, num_tasks: int) -> str:
        """The original name of a configuration, which is also the name of its target here."""
        return (self.variants[variant].target or f"{variant}_{{num_tasks}}").format(num_tasks=num_tasks)

    # -- one run ------------------------------------------------------------------------------------

    def resolve(self, scale: str, variant: str, num_tasks: int, seed: int) -> RunConfig:
        """The checked settings of one run. Raises: ConfigError."""
        self._check_scale(scale)
        self._check_runnable(variant, self._file("variants"))
        merged = self._layers(scale, variant, num_tasks)
        for key in ("epochs", "learning_rate"):
            if merged[key].value is None:
                declared = sorted({n for name in self._ancestry(variant) for n in self.variants[name].by_num_tasks})
                raise ConfigError(
                    f"{self._file('variants')}: {variant}: no {key} for {num_tasks} tasks, expected in by_num_tasks,"
                    f" which has {declared or 'none'}"
                )
        segments = merged["network.segments_per_unit"]
        if segments.value == ONE_PER_TASK:
            merged["network.segments_per_unit"] = segments._replace(value=num_tasks)
        run = validate(merged, variant=variant, num_tasks=num_tasks, seed=seed)
        check_consistency(run, merged)
        return run

    def _layers(self, scale: str, variant: str, num_tasks: int) -> Settings:
        merged, line = dict(self.defaults), self._ancestry(variant)
        for name in line:
            declared, file = self.variants[name], self._file("variants")
            merged |= flatten(declared.model_extra, file, name)
            here = declared.by_num_tasks.get(num_tasks, {})
            merged |= flatten(here, file, f"{name}.by_num_tasks.{num_tasks}")
        reduced, file = self.scales[scale], self._file(scale)
        merged |= flatten(reduced.settings, file, "settings")
        for name in line:
            merged |= flatten(reduced.variants.get(name, {}), file, f"variants.{name}")
        return merged

    def _ancestry(self, variant: str) -> list[str]:
        """The variant's line of parents, the eldest first."""
        line: list[str] = []
        while variant is not None:
            if variant in line:
                where = f"{self._file('variants')}: {variant}.extends"
                raise ConfigError(f"{where}: found a circle {[*line, variant]}, expected none")
            line.append(variant)
            variant = self.variants[variant].extends
        return line[::-1]

    # -- checks of the files as they stand ------------------------------------------------------------

    def _read(self, name: str) -> dict[str, Any]:
        return read_yaml(self.folder / f"{name}.yaml")

    def _file(self, name: str) -> str:
        return display(self.folder / f"{name}.yaml")

    def _check_scale(self, scale: str) -> None:
        if scale not in self.scales:
            raise ConfigError(f"scale: found {scale!r}, expected {one_of(scale, self.scales)}")

    def _check_runnable(self, name: str, where: str) -> None:
        runnable = [key for key, declared in self.variants.items() if not declared.abstract]
        if name not in runnable:
            raise ConfigError(f"{where}: found variant {name!r}, expected {one_of(name, runnable)}")

    def _check_names(self) -> None:
        """Parents, labels and targets of variants; the variants that experiments and scales name."""
        file = self._file("variants")
        for name, declared in self.variants.items():
            parent = declared.extends
            if parent is not None and parent not in self.variants:
                raise ConfigError(f"{file}: {name}.extends: found {parent!r}, expected {one_of(parent, self.variants)}")
            if not declared.label and not declared.abstract:
                raise ConfigError(f"{file}: {name}.label: found nothing, expected its name in figures")
            if declared.target.replace("{num_tasks}", "").count("{"):
                raise ConfigError(
                    f"{file}: {name}.target: found {declared.target!r}, expected only {{num_tasks}} in it"
                )
        for experiment, declared in self.experiments.items():
            for name in declared.variants:
                self._check_runnable(name, f"{self._file('experiments')}: {experiment}.variants")
        for scale, reduced in self.scales.items():
            for name in reduced.variants:
                if name not in self.variants:
                    where = f"{self._file(scale)}: variants"
                    raise ConfigError(f"{where}: found {name!r}, expected {one_of(name, self.variants)}")
            for experiment in self.experiments:
                if not any(self.runs_of(scale, experiment)):
                    where = f"{self._file(scale)}: num_tasks"
                    raise ConfigError(f"{where}: found {reduced.num_tasks}, expected one that {experiment} has")

    def _check_settings(self) -> None:
        """Every key of a variant or a scale is one that a run has, whether or not a run is declared with it."""
        file = self._file("variants")
        for name, declared in self.variants.items():
            check_known(flatten(declared.model_extra, file, name), [*self.defaults, *VariantDeclaration.model_fields])
            for num_tasks, settings in declared.by_num_tasks.items():
                check_known(flatten(settings, file, f"{name}.by_num_tasks.{num_tasks}"), self.defaults)
        for scale, reduced in self.scales.items():
            for where, settings in {"settings": reduced.settings, **reduced.variants}.items():
                where = where if where == "settings" else f"variants.{where}"
                check_known(flatten(settings, self._file(scale), where), self.defaults)


def typed(model: type[Section], tree: Any, file: str, where: str = "") -> Any:
    """The typed form of what a file says. Raises: ConfigError for the first fault."""
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        fault = error.errors()[0]
        keys = [str(part) for part in fault["loc"] if part != "[key]" and not isinstance(part, int)]
        place = ".".join([where, *keys] if where else keys) or "file"
        raise ConfigError(f"{file}: {place}: {found_and_expected(fault, model)}") from None


def found_and_expected(fault: Mapping[str, Any], model: type[Section]) -> str:
    """The second half of a line: what was found, and what was expected."""
    found = fault["input"]
    if fault["type"] == "extra_forbidden":
        return f"unknown key, expected {one_of(fault['loc'][-1], model.model_fields)}"
    if fault["type"] == "missing":
        return "found nothing, expected a value"
    expected = fault["msg"].removeprefix("Value error, ").removeprefix("Input should be ").removeprefix("a valid ")
    numeric = isinstance(found, str) and is_number(found)
    hint = "; YAML reads 5e-4 as text, write 5.0e-4" if numeric and "number" in expected else ""
    return f"found {found!r}, expected {expected}{hint}"


def run_keys() -> Iterator[tuple[str, str]]:
    """(section, key) of every setting; the section is empty at the top. Identity is not a setting."""
    for name, field in RunConfig.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from ((name, key) for key in field.annotation.model_fields)
        elif name not in ("variant", "num_tasks", "seed"):
            yield "", name


def check_known(settings: Settings, known: Iterable[str]) -> None:
    for key, setting in settings.items():
        if key not in known:
            raise ConfigError(f"{setting.file}: {setting.where}: unknown key, expected {one_of(key, list(known))}")


def flatten(tree: Mapping, file: str, where: str = "") -> Settings:
    """Nested settings as {dotted key: Setting}; a section is recognised by its name. Raises: ConfigError."""
    sections = {section for section, _ in run_keys()}
    flat: Settings = {}
    for name, value in tree.items():
        place = f"{where}.{name}" if where else str(name)
        if name not in sections:
            flat[str(name)] = Setting(value, file, place)
        elif isinstance(value, Mapping):
            flat |= {f"{name}.{key}": Setting(inner, file, f"{place}.{key}") for key, inner in value.items()}
        else:
            raise ConfigError(f"{file}: {place}: found {value!r}, expected a section of settings")
    return flat


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
        dotted = next((".".join(path[:n]) for n in (2, 1) if ".".join(path[:n]) in merged), None)
        if dotted is None:  # missing from defaults.yaml, or part of the run's identity
            raise ConfigError(f"{'.'.join(path)}: {found_and_expected(fault, RunConfig)}") from None
        setting = merged[dotted]
        raise ConfigError(f"{setting.file}: {setting.where}: {found_and_expected(fault, RunConfig)}") from None


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
    except UnicodeDecodeError:
        raise ConfigError(f"{display(path)}: found bytes that are not UTF-8, expected YAML text") from None
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
