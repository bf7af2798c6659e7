# The runs: one training per variant, number of tasks and seed.

lift_gpu_limit()


rule train:
    """Learn one task sequence with one variant and seed; the only rule that needs a GPU."""
    input:
        **rules.prepare_mnist.output,
    output:
        accuracy=f"{RUN}/accuracy.csv",
        record=f"{RUN}/record.json",
    log:
        f"{RUN}/train.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=1,
        runtime=training_minutes,
        mem_mb=training_memory,
    params:
        run=run_settings,
        numerics=NUMERICS,
        settings_hash=run_hash,
        places=run_places,
    shell:
        "python workflow/scripts/train.py --scale {wildcards.scale} --variant {wildcards.variant:q}"
        " --num-tasks {wildcards.num_tasks} --seed {wildcards.seed} --settings-hash {params.settings_hash}"
        " --threads {threads} {params.places:q}"
        " > {log:q} 2>&1"


# Every original configuration is a target, e.g. prototype_10: trains its seeds and prints mean ± std.
for target, (scale, variant, num_tasks) in TARGETS.items():

    rule:
        name:
            target
        input:
            runs_of(scale, variant, num_tasks),
        log:
            f"{RESULTS}/{scale}/logs/{target}.log",
        localrule: True
        conda:
            ENVIRONMENT
        params:
            name=target,
            num_tasks=num_tasks,
        shell:
            "python workflow/scripts/aggregate.py line --name {params.name:q} --num-tasks {params.num_tasks}"
            " {input:q} 2>&1 | tee {log:q}"
