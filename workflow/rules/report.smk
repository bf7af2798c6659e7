# The report: Snakemake's own, of one scale.


rule report:
    """Gather the figures of a scale, their captions and how they were made, in one HTML file."""
    input:
        figures=figures,
        words=["workflow/report/workflow.rst", "workflow/report/figure.rst"],
        style="workflow/report/report.css",
    output:
        REPORT,
    log:
        f"{RESULTS}/{{scale}}/report.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        config=report_config,
    shell:
        # This run holds the lock. Only the metadata of finished jobs is read.
        "python -m snakemake --report {output:q} --report-stylesheet {input.style:q} --nolock"
        " --workflow-profile none --config {params.config:q} -- {input.figures:q} > {log:q} 2>&1"
