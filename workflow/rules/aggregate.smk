# The tables: one per experiment, from the accuracies of its runs.


rule aggregate:
    """Summarise an experiment's runs over seeds, beside the published values."""
    input:
        experiment_runs,
    output:
        TABLE,
    log:
        f"{RESULTS}/{{scale}}/tables/{{experiment}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        dataset=DATASET,
        runs=RUNS_READ,
        rows=table_rows,
        code=table_code,
        seeds=table_seeds,
    shell:
        f"{script('aggregate.py')} table"
        " --dataset {params.dataset} --scale {wildcards.scale}"
        " --experiment {wildcards.experiment:q} --runs {params.runs:q} {params.seeds:q} --output {output:q} > {log:q} 2>&1"
