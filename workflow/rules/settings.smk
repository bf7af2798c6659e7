# What is to be made: config.yaml and all that the settings beside it declare, checked before anything runs.

import sys
from functools import cache

from active_dendrites.settings.run import Configuration, RunConfig
from active_dendrites.settings.yaml_files import ConfigError, read_yaml
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.published import read_published
from active_dendrites.settings.workflow import GivenSettings

CONFIG_FOLDER = BASE / "config"
CONFIG_FILE = CONFIG_FOLDER / "config.yaml"


@cache
def settings_of(scale: str, variant: str, num_tasks: int) -> RunConfig:
    """The settings of a configuration, with the first of its seeds; planning asks for them several times a run."""
    return DECLARATIONS.resolve(scale, variant, num_tasks, SEEDS[scale][variant][0])


# A user's mistake is one line: sys.exit adds no location and no traceback, as a WorkflowError would.
try:
    GIVEN = GivenSettings(config, CONFIG_FILE, command_line=workflow.config_settings.config)
    config.update(GIVEN.config)
    DECLARATIONS = Declarations(CONFIG_FOLDER, config["dataset"], GIVEN.settings)
    PUBLISHED = read_published(DECLARATIONS)
    SEEDS = GIVEN.seeds_by_variant(DECLARATIONS)
    TARGETS = DECLARATIONS.targets()
    if not GIVEN.settings:  # which need to fit what is asked for alone
        for scale, configurations in TARGETS.values():
            for variant, num_tasks in configurations:
                settings_of(scale, variant, num_tasks)
except ConfigError as fault:
    sys.exit(str(fault))
