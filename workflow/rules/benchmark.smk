# How fast a training is here, beside the textbook formulation and what the machine could do.


rule benchmark:
    """Time steps by number of segments, then start, memory, evaluation; on an otherwise idle machine."""
    input:
        images=rules.prepare_mnist.output,
    output:
        steps=f"{RESULTS}/benchmark/steps.csv",
        svg=f"{RESULTS}/benchmark/steps.svg",
        png=f"{RESULTS}/benchmark/steps.png",
        limits=f"{RESULTS}/benchmark/limits.csv",
    log:
        f"{RESULTS}/benchmark/benchmark.log",
    localrule: True
    conda:
        ENVIRONMENT
    threads: 2
    params:
        places=benchmark_places,
        device=config["device"],
        figure=subpath(output.svg, strip_suffix=".svg"),
    shell:
        "exec 2> {log:q};"
        f" {script('benchmark.py')}"
        " {params.places:q} --threads {threads}"
        " --device {params.device} --table {output.steps:q} --figure {params.figure:q};"
        f" {script('benchmark_limits.py')}"
        " {params.places:q} --threads {threads} --table {output.limits:q}"
