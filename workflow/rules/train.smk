# The runs: one training per variant, number of tasks and seed, or group of seeds.

from functools import partial

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
            mem_mb=partial(training_memory, len(training.seeds)),
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
            "trap : TERM USR1 INT;"
            " python workflow/scripts/train.py --scale {wildcards.scale} --variant {wildcards.variant:q}"
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
            "python workflow/scripts/aggregate.py line --name {params.name:q} --num-tasks {params.num_tasks}"
            " {input:q} 2>&1 | tee {log:q}"
