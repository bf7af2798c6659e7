# Where settings come from: snakemake settings_prototype_10, settings_quick_prototype_10, ...

from snakemake.utils import available_cpu_count

# Nothing is computed, so `--cores` need not be given. Snakemake asks for it before it tells which targets it was given.
if workflow.resource_settings.cores is None and any(word.startswith("settings_") for word in sys.argv):
    workflow.resource_settings.cores = available_cpu_count()

# For every original configuration, at both scales.
for target, (scale, configurations) in TARGETS.items():

    rule:
        """Print every setting of a configuration, where it was written and what it took the place of; train nothing."""
        name:
            f"settings_{target}"
        log:
            f"{RESULTS}/{scale}/logs/settings_{target}.log",
        localrule: True
        conda:
            ENVIRONMENT
        params:
            dataset=DATASET,
            scale=scale,
            num_tasks=configurations[0].num_tasks,
            variants=[configuration.variant for configuration in configurations],
        shell:
            f"{script('explain.py')}"
            " --dataset {params.dataset} --scale {params.scale}"
            " --num-tasks {params.num_tasks} {params.variants:q} 2>&1 | tee {log:q}"
