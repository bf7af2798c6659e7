# The runs: one training per variant, number of tasks and seed, or group of seeds.

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from active_dendrites import NUMERICS
from active_dendrites.planning import resources
from active_dendrites.runs.folders import run_folder
from active_dendrites.runs.records import record_in
from active_dendrites.settings.yaml_files import ConfigError

# -- which seeds a job trains ------------------------------------------------------------------------------
#
# Snakemake removes all outputs of a job before the job starts, and again if it fails. A group of seeds is therefore
# one job only where none of them has a result; where one has, the others are trained one by one.
# The flag update() would keep what exists, but a job that fails with other settings would restore the old results
# and have them taken for new ones: Snakemake notes the parameters of failed jobs as well.


class Training(NamedTuple):
    """One of the rules that train."""

    name: str
    seeds: list[int | str]  # that one job trains
    constraints: dict[str, str]  # patterns of wildcards: for which configurations


def trainings() -> list[Training]:
    """The rules that train, one for each group of seeds and last the one for any seed alone."""
    return [*grouped_trainings(), Training("train", ["{seed}"], {})]


def grouped_trainings() -> Iterator[Training]:
    """For each scale and group of seeds the configurations that have it, where no result exists."""
    groups: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for scale in DECLARATIONS.scales:
        size = GIVEN.seeds_per_job(DECLARATIONS, scale)
        for variant, num_tasks in DECLARATIONS.configurations(scale):
            for seeds in resources.seed_groups(SEEDS[scale][variant], size):
                # A job on a cluster comes here too, and must find its rule, whatever exists by now.
                if not (workflow.is_main_process and has_results(scale, variant, num_tasks, seeds)):
                    pattern = rf"{re.escape(variant)}(?=/tasks-{num_tasks}/)"
                    groups.setdefault((scale, seeds), []).append(pattern)
    for (scale, seeds), patterns in groups.items():
        name = f"train_{scale}_seeds_{resources.group_name(seeds)}"
        yield Training(name, list(seeds), {"scale": scale, "variant": "|".join(patterns)})


def has_results(scale: str, variant: str, num_tasks: int, seeds: tuple[int, ...]) -> bool:
    """Whether any of these seeds has a result of today's settings."""
    try:
        settings_hash = settings_of(scale, variant, num_tasks).settings_hash()
    except ConfigError:  # settings of the command line do not fit: refused when the run is asked for
        return False
    for seed in seeds:
        record = record_in(run_folder(WRITTEN_TO / scale / "runs", variant, num_tasks, seed)) or {}
        if (record.get("settings_hash"), record.get("numerics")) == (settings_hash, NUMERICS):
            return True
    return False


# -- what a training needs ---------------------------------------------------------------------------------


def training_minutes(num_seeds: int, wildcards, attempt) -> int:
    return resources.training_minutes(resolve(wildcards), num_seeds, config["device"], attempt)


def training_megabytes(num_seeds: int, wildcards, attempt) -> int:
    return resources.training_megabytes(resolve(wildcards), num_seeds, config["device"], attempt)


def lift_gpu_limit() -> None:
    """Let trainings fill the cores of a machine that has no GPU, whatever `--resources gpu=N` says.

    The rule says `gpu=1`, and Snakemake would run N of them at a time, with or without a GPU. A cluster (`--jobs`
    is given) counts its GPUs itself, and with `device: cuda` a missing GPU is a mistake.
    """
    if workflow.is_main_process and trains_here() and "gpu" in workflow.global_resources and trains_on_cpu():
        workflow.register_resource("gpu", None)


def trains_here() -> bool:
    """Whether trainings run on this machine."""
    return workflow.global_resources["_nodes"].value is None


def trains_on_cpu() -> bool:
    return config["device"] == "cpu" or (config["device"] == "auto" and lacks_gpu())


def lacks_gpu() -> bool:
    """Whether a training would find no GPU here, asked as the training asks it."""
    import torch  # here, because it takes seconds

    return torch.cuda.device_count() == 0


# -- the rules ----------------------------------------------------------------------------------------------

lift_gpu_limit()

TRAININGS = trainings()

for training in TRAININGS:

    rule:
        """Learn one task sequence with one variant, for a seed or several; the only rule that needs a GPU."""
        name:
            training.name
        input:
            **rules.prepare_mnist.output,
        output:
            accuracy=expand(f"{RUN}/accuracy.csv", seed=training.seeds, allow_missing=True),
            activity=expand(f"{RUN}/activity.npy", seed=training.seeds, allow_missing=True),
            record=expand(f"{RUN}/record.json", seed=training.seeds, allow_missing=True),
        log:
            # The first seed's. A job that fails shows its logs, which are the same for all its seeds.
            expand(f"{RUN}/train.log", seed=training.seeds[:1], allow_missing=True),
        wildcard_constraints:
            **training.constraints,
        conda:
            ENVIRONMENT
        threads: 1
        resources:
            gpu=1,
            runtime=partial(training_minutes, len(training.seeds)),
            mem_mb=partial(training_megabytes, len(training.seeds)),
        params:
            run=run_settings,
            numerics=NUMERICS,
            settings_hash=run_hash,
            places=run_places,
            limit=run_limit,
            logs=run_logs,
        shell:
            # A signal to all processes of a job is meant for the training, which is saved: the shell waits for it,
            # and its messages are written to the end.
            f"trap : TERM USR1 INT; {script('train.py')}"
            " --scale {wildcards.scale} --variant {wildcards.variant:q}"
            " --num-tasks {wildcards.num_tasks} --settings-hash {params.settings_hash} --threads {threads}"
            " {params.limit} {params.places:q} 2>&1"
            " | (trap '' TERM USR1 INT; exec tee {params.logs:q} > /dev/null)"


# A seed that belongs to a group is trained with it. The statement `ruleorder` takes no computed names.
workflow.ruleorder(*[training.name for training in TRAININGS])


# Every original configuration is a target, e.g. prototype_10: trains its seeds and prints mean ± std.
for target, (scale, configurations) in TARGETS.items():

    rule:
        name:
            target
        input:
            [path for configuration in configurations for path in runs_of(scale, *configuration)],
        log:
            f"{RESULTS}/{scale}/logs/{target}.log",
        localrule: True
        conda:
            ENVIRONMENT
        params:
            name=target,
            num_tasks=configurations[0][1],
        shell:
            f"{script('aggregate.py')} line"
            " --name {params.name:q} --num-tasks {params.num_tasks}"
            " {input:q} 2>&1 | tee {log:q}"
