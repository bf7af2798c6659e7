# What is to be made: config.yaml and all that the settings beside it declare, checked before anything runs.

import sys
from functools import cache
from pathlib import Path
from typing import Any

from active_dendrites.settings.run import Configuration, RunConfig
from active_dendrites.settings.yaml_files import ConfigError, fault, read_yaml, typed
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.published import read_published
from active_dendrites.settings.workflow import WorkflowSettings

CONFIG_FOLDER = Path("config")
CONFIG_FILE = "config/config.yaml"


def check_workflow_settings() -> None:
    """Refuse what config.yaml, or `--config` over it, gets wrong. Raises: ConfigError."""
    config["retrain"] = given_switch("retrain")
    if "mnist" in config:  # earlier versions had it
        expected = "`images_folder` for its folder; sums are in config/datasets.yaml"
        raise fault(source_of("mnist"), "mnist", expected, found="a key of earlier versions")
    for key in config:
        typed(WorkflowSettings, {**read_yaml(Path(CONFIG_FILE)), key: config[key]}, source_of(key))


def source_of(key: str) -> str:
    """Where a value was written."""
    return CONFIG_FILE if config.get(key) == read_yaml(Path(CONFIG_FILE)).get(key) else "--config"


def read_seeds() -> dict[str, dict[str, list[int]]]:
    """{scale: {variant: seeds}}: those of the scale; of a search, as many as were published if none are given."""
    given, searched = (given_seeds(key) for key in ("seeds", "search_seeds"))
    found = {}
    for scale in DECLARATIONS.scales:
        common = DECLARATIONS.seeds(scale, given, source_of("seeds"))
        of_searches = DECLARATIONS.seeds(scale, searched, source_of("search_seeds"), "search_seeds")
        found[scale] = {}
        for variant in DECLARATIONS.variants:
            trials = DECLARATIONS.trials(variant)
            found[scale][variant] = common if trials is None else of_searches or list(range(1, trials + 1))
    return found


def given_switch(key: str) -> Any:
    """Snakemake hands over `--config KEY=true` as text."""
    given = config[key]
    return given.lower() == "true" if isinstance(given, str) and given.lower() in ("true", "false") else given


def given_seeds(key: str) -> Any:
    """Snakemake hands over lists from `--config` as text: seeds=[1,2]."""
    given = config[key]
    if isinstance(given, list) and source_of(key) != CONFIG_FILE:
        return [int(seed) if str(seed).isdecimal() else seed for seed in given]
    return given


def declared_runs(scale: str, part: str | None = None) -> list[Configuration]:
    """Every configuration of a scale, or of one part of it, once, in the order of the experiments."""
    runs = [run for experiment in experiments(part) for run in DECLARATIONS.runs_of(scale, experiment)]
    return list(dict.fromkeys(runs))


def experiments(part: str | None = None) -> list[str]:
    """The experiments of a part, "paper" or "searches", or all."""
    return [name for name, declared in DECLARATIONS.experiments.items() if part in (None, declared.part)]


def name_targets() -> dict[str, tuple[str, list[Configuration]]]:
    """{name: (scale, configurations)}: the original configurations, `quick_...` for those of quick; a sweep is one."""
    targets: dict[str, tuple[str, list[Configuration]]] = {}
    owners: dict[str, tuple[str, int]] = {}
    for scale in DECLARATIONS.scales:
        for variant, num_tasks in declared_runs(scale):
            name, owner = DECLARATIONS.target(variant, num_tasks), (DECLARATIONS.sweep_of(variant), num_tasks)
            name = name if scale == PAPER else f"{scale}_{name}"
            if owners.setdefault(name, owner) != owner:
                found = f"{name!r}, which {owners[name][0]} has"
                raise fault("config/variants.yaml", f"{owner[0]}.target", "a name of its own", found=found)
            targets.setdefault(name, (scale, []))[1].append(Configuration(variant, num_tasks))
    return targets


@cache
def settings_of(scale: str, variant: str, num_tasks: int) -> RunConfig:
    """The settings of a configuration, with the first of its seeds; planning asks for them several times a run."""
    return DECLARATIONS.resolve(scale, variant, num_tasks, SEEDS[scale][variant][0])


# A user's mistake is one line: sys.exit adds no location and no traceback, as a WorkflowError would.
try:
    read_yaml(Path(CONFIG_FILE))  # refuses a key written twice, which Snakemake does not
    check_workflow_settings()
    DECLARATIONS = Declarations(CONFIG_FOLDER, config["dataset"])
    PUBLISHED = read_published(DECLARATIONS)
    SEEDS = read_seeds()
    TARGETS = name_targets()
    for scale, configurations in TARGETS.values():
        for variant, num_tasks in configurations:
            settings_of(scale, variant, num_tasks)
except ConfigError as fault:
    sys.exit(str(fault))
