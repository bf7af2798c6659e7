# What is to be made: config.yaml and all that the settings beside it declare, checked before anything runs.

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from active_dendrites.config import PAPER, ConfigError, Declarations, PositiveInt, Section, typed, read_yaml
from active_dendrites.published import read_published

CONFIG_FOLDER = Path("config")
CONFIG_FILE = "config/config.yaml"


class MNISTSettings(Section):
    folder: str | None
    sha256: dict[str, Annotated[str, Field(pattern="^[0-9a-f]{64}$")]]


class WorkflowSettings(Section):
    """What config.yaml may hold; the seeds are checked with those of the scales."""

    results: Annotated[str, Field(min_length=1)]
    device: Literal["auto", "cpu", "cuda"]
    seeds: Any
    seeds_per_job: PositiveInt
    mnist: MNISTSettings


def check_workflow_settings() -> None:
    """Refuse what config.yaml, or `--config` over it, gets wrong. Raises: ConfigError."""
    for key in config:
        typed(WorkflowSettings, {**read_yaml(Path(CONFIG_FILE)), key: config[key]}, source_of(key))


def source_of(key: str) -> str:
    """Where a value was written."""
    return CONFIG_FILE if config.get(key) == read_yaml(Path(CONFIG_FILE)).get(key) else "--config"


def read_seeds() -> dict[str, list[int]]:
    """The seeds of each scale. Snakemake hands over lists from `--config` as text: seeds=[1,2]."""
    given, source = config["seeds"], source_of("seeds")
    if isinstance(given, list) and source != CONFIG_FILE:
        given = [int(seed) if str(seed).isdecimal() else seed for seed in given]
    return {scale: DECLARATIONS.seeds(scale, given, source) for scale in DECLARATIONS.scales}


def declared_runs(scale: str) -> list[tuple[str, int]]:
    """Every (variant, num_tasks) of a scale, once, in the order of the experiments; each with all its seeds."""
    runs = [run for experiment in DECLARATIONS.experiments for run in DECLARATIONS.runs_of(scale, experiment)]
    return list(dict.fromkeys(runs))


def name_targets() -> dict[str, tuple[str, str, int]]:
    """{name: (scale, variant, num_tasks)}: the original configurations, and `quick_...` for those of quick."""
    targets: dict[str, tuple[str, str, int]] = {}
    for scale in DECLARATIONS.scales:
        for variant, num_tasks in declared_runs(scale):
            name = DECLARATIONS.target(variant, num_tasks)
            name = name if scale == PAPER else f"{scale}_{name}"
            if name in targets:
                raise ConfigError(
                    f"config/variants.yaml: {variant}.target: found {name!r}, which {targets[name][1]} has,"
                    " expected a name of its own"
                )
            targets[name] = (scale, variant, num_tasks)
    return targets


# A user's mistake is one line: sys.exit adds no location and no traceback, as a WorkflowError would.
try:
    read_yaml(Path(CONFIG_FILE))  # refuses a key written twice, which Snakemake does not
    check_workflow_settings()
    DECLARATIONS = Declarations(CONFIG_FOLDER)
    PUBLISHED = read_published(DECLARATIONS)
    SEEDS = read_seeds()
    TARGETS = name_targets()
    for scale, variant, num_tasks in TARGETS.values():
        DECLARATIONS.resolve(scale, variant, num_tasks, SEEDS[scale][0])
except ConfigError as fault:
    sys.exit(str(fault))
