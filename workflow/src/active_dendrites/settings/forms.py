"""The form of what variants.yaml, datasets.yaml, experiments.yaml and a scale declare."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from active_dendrites.settings.datasets import FILES
from active_dendrites.settings.run import MAX_SEED, PositiveInt, TaskCount
from active_dendrites.settings.yaml_files import Section, fault


def each_once(values: list[Any]) -> list[Any]:
    if not all(isinstance(value, str | int | float | None) for value in values):
        raise ValueError("numbers, words, true, false or null")
    if len(set(values)) < len(values):
        raise ValueError("each value once")
    return values


def of_all_files(sums: dict[str, str]) -> dict[str, str]:
    if set(sums) != set(FILES):
        raise ValueError(f"a sum of each of {', '.join(FILES)}")
    return sums


TaskCounts = Annotated[list[TaskCount], Field(min_length=1), AfterValidator(each_once)]
Sweep = dict[str, Annotated[list[Any], Field(min_length=1), AfterValidator(each_once)]]  # values by dotted key


class VariantDeclaration(Section):
    """A variant as written; what is not a field here is a setting of its runs."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    label: str = ""
    extends: str | None = None
    target: str | dict[TaskCount, str] = ""
    abstract: bool = False
    trials: Annotated[int, Field(ge=1, le=1000)] | None = None
    by_num_tasks: dict[TaskCount, dict[str, Any]] = Field(default_factory=dict)
    sweep: Sweep = Field(default_factory=dict)

    @property
    def runnable(self) -> bool:
        """Whether runs are declared with it, rather than with variants that extend it."""
        return not self.abstract and not self.sweep


class DatasetDeclaration(Section):
    """What must be known of a dataset's files, and the settings that it changes."""

    sha256: Annotated[dict[str, Annotated[str, Field(pattern="^[0-9a-f]{64}$")]], AfterValidator(of_all_files)] | None
    data: dict[str, Any] = Field(default_factory=dict)


class ExperimentDeclaration(Section):
    """One figure and its table: variants at numbers of tasks."""

    title: Annotated[str, Field(min_length=1)]
    kind: Literal["summary", "matrix", "activity", "search"] = "summary"
    part: Literal["paper", "searches"] = "paper"
    variants: Annotated[dict[str, TaskCounts], Field(min_length=1)]


class ScaleDeclaration(Section):
    """What a scale changes: its own seeds and numbers of tasks, and settings over those of the variants.

    What begins with `search_` is for variants with trials of their own, and for the experiments of the searches.
    Where there is no `seeds_per_job`, that of the workflow's own config file holds.
    """

    seeds: Any = None
    search_seeds: Any = None
    num_tasks: TaskCounts | None = None
    search_num_tasks: TaskCounts | None = None
    seeds_per_job: PositiveInt | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    variants: dict[str, dict[str, Any]] = Field(default_factory=dict)
    sweeps: dict[str, Sweep] = Field(default_factory=dict)


def checked_seeds(seeds: Any, source: str, key: str) -> list[int]:
    """A list of seeds. Raises: ConfigError."""
    if not isinstance(seeds, list) or not seeds or not all(type(s) is int and 0 <= s <= MAX_SEED for s in seeds):
        raise fault(source, key, f"a list of integers from 0 to {MAX_SEED}", value=seeds)
    repeated = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    if repeated:
        raise fault(source, key, "each seed once", found=f"{repeated} more than once")
    return seeds


def value_name(value: Any) -> str:
    """A swept value in a variant's name: 2, 0.05, 0.0005."""
    return f"{value:g}" if type(value) in (int, float) else str(value)
