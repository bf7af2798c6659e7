"""The settings of one run, checked and frozen."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from operator import eq
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, Field, ValidationError

from active_dendrites.settings.choices import choose
from active_dendrites.settings.datasets import MNIST, DatasetName
from active_dendrites.settings.segment_rules import SEGMENT_RULES, STRONGEST
from active_dendrites.settings.yaml_files import (
    ConfigError,
    Section,
    Setting,
    Settings,
    error_of,
    expected_of,
    fault,
    one_of,
)

ONE_PER_TASK = "one_per_task"  # as many segments as tasks
BY_VARIANT = ("epochs", "learning_rate")  # no default: variants state them, some by number of tasks

# Upper bounds are far above what makes sense, and below what would stop a training late, or a plan from ending.
PositiveInt = Annotated[int, Field(ge=1, le=1_000_000_000)]
TaskCount = Annotated[int, Field(ge=1, le=10_000)]  # the accuracies of a run are a square of it
Units = Annotated[int, Field(ge=1, le=1_000_000)]
MAX_SEED = 2**63 - 1  # what a column of 64-bit integers holds
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
PositiveFloat = Annotated[float, Field(gt=0, le=1_000_000)]
OpenFraction = Annotated[float, Field(gt=0, lt=1)]
Measured = Literal["measured"]  # from the training images, when they are read
DroppedFraction = Annotated[float, Field(ge=0, lt=1)]


def later(default: Any) -> Any:
    """A setting that earlier versions did not have. Where it is as it always was then, settings leave it out.

    So their hash stays, and what Snakemake compares: no finished run is trained again.
    """
    return Field(default=default, exclude_if=partial(eq, default))


def known_rule(name: str) -> str:
    if name not in SEGMENT_RULES:
        raise ValueError(one_of(name, SEGMENT_RULES))
    return name


class Configuration(NamedTuple):
    """A variant at a number of tasks: all its seeds together."""

    variant: str
    num_tasks: int


class DataConfig(Section):
    """Which images a run has, and how the permutations of its tasks are drawn. Source: method 1."""

    permutation_seed: Seed
    first_task_identity: bool
    train_images: PositiveInt | None
    pixel_mean: Annotated[float, Field(ge=-1_000_000, le=1_000_000)] | Measured
    pixel_std: PositiveFloat | Measured
    num_classes: Units


class NetworkConfig(Section):
    """The network and its initial weights. Source: method 2."""

    hidden_units: Annotated[list[Units], Field(min_length=1)]
    output_units: Units
    winner_density: OpenFraction | None
    weight_sparsity: Annotated[float, Field(ge=0, lt=1)]
    segments_per_unit: Annotated[int, Field(ge=0, le=10_000)]
    segment_rule: Annotated[str, AfterValidator(known_rule)] = later(STRONGEST)
    task_gate_density: OpenFraction | None
    input_dropout: DroppedFraction
    hidden_dropout: DroppedFraction
    weight_init: Literal["fan_in", "glorot"]
    bias_init: Literal["fan_in", "zero"]
    relu_density: Annotated[float, Field(gt=0, le=1)]
    context_density: Annotated[float, Field(gt=0, le=1)]


class ContextConfig(Section):
    """Where the context of a batch comes from. Source: method 3.2, 3.3."""

    kind: Literal["none", "task_prototype", "inferred_prototype"]
    num_pixels: Annotated[int, Field(ge=1, le=784)]  # an image has 28 × 28
    exemplars: PositiveInt
    acceptance: OpenFraction

    @property
    def infers(self) -> bool:
        """Whether prototypes are inferred while training, so that each batch has a context of its own."""
        return choose("context.kind", self.kind, none=False, task_prototype=False, inferred_prototype=True)


class ConsolidationConfig(Section):
    """How weights that earlier tasks need are protected. Source: method 5."""

    kind: Literal["none", "synaptic_intelligence"]
    strength: Annotated[float, Field(ge=0, le=1_000_000)]
    damping: PositiveFloat
    penalty_from_task: Annotated[int, Field(ge=2, le=10_000)]
    path_gradient: Literal["total", "task"]
    rectify: Literal["each_task", "running_sum"]
    include_segments: bool

    @property
    def protects(self) -> bool:
        """Whether there is any consolidation."""
        return choose("consolidation.kind", self.kind, none=False, synaptic_intelligence=True)


class EvaluationConfig(Section):
    """After which tasks all tasks seen are tested."""

    after_tasks: list[TaskCount] | Literal["every"]

    def tests_all(self, task: int, num_tasks: int) -> bool:
        """Whether all tasks seen are tested after a task, counted from 1, and not this one alone."""
        if isinstance(self.after_tasks, list):
            return task in self.after_tasks or task == num_tasks
        return choose("evaluation.after_tasks", self.after_tasks, every=True)


class NumericsConfig(Section):
    """The arithmetic of a run, as far as it decides the result."""

    precision: Literal["float32", "float64", "tf32", "bfloat16"]
    deterministic: bool


class RunConfig(Section):
    """Everything that decides the result of one run, and nothing else."""

    variant: str
    num_tasks: TaskCount
    seed: Seed
    dataset: DatasetName = later(MNIST)
    epochs: PositiveInt
    learning_rate: PositiveFloat
    batch_size: PositiveInt
    keep_last_batch: bool
    random_batches: PositiveInt | None
    adam_betas: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)]
    adam_epsilon: PositiveFloat
    adam_bias_correction: Literal["each_step", "first_step"]
    update_norm_limit: PositiveFloat | None
    reset_optimizer: bool
    data: DataConfig
    network: NetworkConfig
    context: ContextConfig
    consolidation: ConsolidationConfig
    evaluation: EvaluationConfig
    numerics: NumericsConfig

    @property
    def configuration(self) -> Configuration:
        return Configuration(self.variant, self.num_tasks)

    def settings(self) -> dict[str, Any]:
        """The settings as plain nested built-ins, for records and for the workflow's parameters."""
        return self.model_dump()

    def settings_of_all_seeds(self) -> dict[str, Any]:
        """The settings but the seed: what runs of one configuration share."""
        return {key: value for key, value in self.settings().items() if key != "seed"}

    def settings_hash(self) -> str:
        """16 hex digits that differ where any setting does, but are the same for every seed."""
        return sha256(json.dumps(self.settings_of_all_seeds(), sort_keys=True).encode()).hexdigest()[:16]


IDENTITY = ("variant", "num_tasks", "seed", "dataset")  # which run it is; the rest are its settings


def run_keys() -> Iterator[tuple[str, str]]:
    """(section, key) of every setting; the section is empty at the top. Identity is not a setting."""
    for name, field in RunConfig.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from ((name, key) for key in field.annotation.model_fields)
        elif name not in IDENTITY:
            yield "", name


SECTIONS = frozenset(section for section, _ in run_keys() if section)


def flatten(tree: Mapping[Any, Any], file: str, where: str = "") -> Settings:
    """Nested settings as {dotted key: Setting}; a section is recognised by its name. Raises: ConfigError."""
    flat: Settings = {}

    def add(key: str, value: Any, written: str) -> None:
        if key in flat:
            raise fault(file, written, "it once", found=f"it twice, also as {key!r}")
        flat[key] = Setting(value, file, written)

    for name, value in tree.items():
        key = f"{where}.{name}" if where else str(name)
        if name not in SECTIONS:
            add(str(name), value, key)
        elif isinstance(value, Mapping):
            for part, inner in value.items():
                add(f"{name}.{part}", inner, f"{key}.{part}")
        else:
            raise fault(file, key, "a section of settings", value=value)
    return flat


def validate(merged: Settings, **identity: Any) -> RunConfig:
    """Build the typed settings; the first fault becomes one line naming where the value was written."""
    try:
        return RunConfig.model_validate(tree_of(merged, **identity))
    except ValidationError as error:
        raise error_of_values(error.errors(), merged) from None


def check_values(settings: Settings) -> None:
    """Check each value by itself, whether or not it holds in any run. Raises: ConfigError for the first fault."""
    checked = {key: setting for key, setting in settings.items() if not is_filled_in_later(key, setting.value)}
    try:
        RunConfig.model_validate(tree_of(checked))
    except ValidationError as error:
        faults = [details for details in error.errors() if details["type"] != "missing"]
        if faults:
            raise error_of_values(faults, checked) from None


def is_filled_in_later(key: str, value: Any) -> bool:
    """Whether a value stands for one that the configuration decides."""
    return (key == "network.segments_per_unit" and value == ONE_PER_TASK) or (key in BY_VARIANT and value is None)


def tree_of(settings: Settings, **identity: Any) -> dict[str, Any]:
    """Settings by dotted key as the nested form of a run."""
    tree: dict[str, Any] = dict(identity)
    for key, setting in settings.items():
        section, _, name = key.rpartition(".")
        (tree.setdefault(section, {}) if section else tree)[name] = setting.value
    return tree


def error_of_values(faults: Sequence[Mapping[str, Any]], settings: Settings) -> ConfigError:
    """The line of the first fault that pydantic sees in settings."""
    first, *more = faults
    path = [str(part) for part in first["loc"]]
    dotted = next((".".join(path[:n]) for n in (2, 1) if ".".join(path[:n]) in settings), None)
    if dotted is None:  # part of the run's identity
        return error_of(first, RunConfig, ".".join(path), "")
    setting = settings[dotted]
    line = str(error_of(first, RunConfig, setting.file, setting.where))
    # Where one of several kinds is expected, each of them has its fault.
    others = (other for other in more if other["input"] is first["input"] and other["loc"][:2] == first["loc"][:2])
    return ConfigError(" or ".join([line, *map(expected_of, others)]))


def check_consistency(run: RunConfig, merged: Settings) -> None:
    """Faults that no single value shows."""

    def refuse(key: str, expected: str) -> None:
        raise merged[key].fault(expected)

    if run.context.kind != "none" and run.network.segments_per_unit == 0:
        refuse(
            "network.segments_per_unit",
            f"1 or more, since context.kind {run.context.kind} has nothing to gate",
        )
    if run.context.kind == "none" and run.network.segments_per_unit > 0:
        refuse("network.segments_per_unit", "0, since context.kind none gives segments nothing to respond to")
    if run.network.segments_per_unit == 0 and run.network.segment_rule != STRONGEST:
        refuse("network.segment_rule", f"{STRONGEST}, since network.segments_per_unit 0 leaves nothing to choose from")
    if run.context.infers:
        # Halves of an odd number are rounded down, so that a cluster can have one exemplar less than wanted.
        most = run.batch_size + min(run.batch_size, run.context.exemplars - 1) - 2
        if run.context.num_pixels > most:
            refuse("context.num_pixels", f"at most {most}, two less than the images that are compared")
        if run.keep_last_batch:
            refuse("keep_last_batch", "false, since context.kind inferred_prototype compares whole batches")
    if run.network.task_gate_density is not None:
        if run.network.segments_per_unit > 0:
            refuse("network.segments_per_unit", "0, since network.task_gate_density gates the units already")
        if not run.reset_optimizer:
            refuse("reset_optimizer", "true, since units that are off in a task must not move under old moments")
        if run.network.winner_density is not None or run.network.weight_sparsity > 0:
            refuse("network.task_gate_density", "null with k-winners or sparse weights, which are not gated by task")
    if run.data.num_classes > run.network.output_units:
        refuse("data.num_classes", f"at most network.output_units, which is {run.network.output_units}")
    if run.network.winner_density is not None:
        for units in run.network.hidden_units:
            if round(run.network.winner_density * units) < 1:
                refuse("network.winner_density", f"at least one winner among {units} units")


def check_effects(run: RunConfig, merged: Settings, own: Sequence[str]) -> None:
    """Refuse a value that a variant itself states and that nothing in its runs reads.

    What it inherits may be without effect: a child without consolidation keeps its parent's strength.

    Args:
        own: beginnings of the keys, as they stand in their file, of what the variant states.
    """
    network, consolidation = run.network, run.consolidation
    unread: dict[str, list[str]] = {}  # why: keys
    if not consolidation.protects:
        others = [key for key in ConsolidationConfig.model_fields if key != "kind"]
        unread["consolidation.kind none"] = [f"consolidation.{key}" for key in others]
    if not run.context.infers:
        others = [key for key in ContextConfig.model_fields if key != "kind"]
        unread[f"context.kind {run.context.kind}"] = [f"context.{key}" for key in others]
    if not network.segments_per_unit:
        unread["network.segments_per_unit 0"] = ["network.context_density", "consolidation.include_segments"]
    if network.winner_density is not None:
        unread["k-winners (network.winner_density)"] = ["network.relu_density"]
    if run.random_batches is not None:
        unread["random_batches"] = ["keep_last_batch"]
    for reason, keys in unread.items():
        for key in keys:
            if merged[key].where.startswith(tuple(own)) and merged[key].where.endswith(key.rpartition(".")[2]):
                raise merged[key].fault(f"no value, since nothing reads it with {reason}")


# Up to this fraction of winners, lists of them are faster than matrix products of all units: 44 ms a step against 51 at
# 0.15, 62 against 53 at 0.2 (2 × 2048 units, one thread with AVX-512; without, products take twice as long).
FEW_WINNERS = 0.18
