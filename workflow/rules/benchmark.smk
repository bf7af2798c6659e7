# How fast a training step is here, beside the textbook formulation and what the machine could do.


rule benchmark:
    """Time a step by number of segments; on an otherwise idle machine."""
    input:
        mnist=rules.prepare_mnist.output,
        oracle="tests/oracle.py",
    output:
        table=f"{RESULTS}/benchmark/steps.csv",
        svg=f"{RESULTS}/benchmark/steps.svg",
        png=f"{RESULTS}/benchmark/steps.png",
    log:
        f"{RESULTS}/benchmark/steps.log",
    localrule: True
    conda:
        ENVIRONMENT
    threads: 2
    params:
        places=benchmark_places,
    shell:
        'PYTHONPATH="$PYTHONPATH:$(dirname {input.oracle:q})" python workflow/scripts/benchmark.py'
        " --threads {threads} {params.places:q} --table {output.table:q} > {log:q} 2>&1"
