# The reports: each published number beside ours, the page of a part, and Snakemake's own on how all of it was made.

TEMPLATES = BASE / "workflow/report"
STYLE = TEMPLATES / "page.css"
REPRODUCTION_TEMPLATES = [STYLE, TEMPLATES / "reproduction.md.j2", TEMPLATES / "reproduction.html.j2"]


rule reproduce:
    """Judge every published number by the runs, after all of the paper's figures have theirs."""
    input:
        part_runs,
        # What matters of it is compared in params, not its layout.
        published=ancient(CONFIG_FOLDER / "published.yaml"),
        templates=REPRODUCTION_TEMPLATES,
    output:
        csv=f"{REPRODUCTION}.csv",
        md=f"{REPRODUCTION}.md",
        html=report(f"{REPRODUCTION}.html", caption="../report/reproduction.rst", category=scale_title),
    log:
        f"{RESULTS}/{{scale}}/logs/reproduction.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        dataset=DATASET,
        runs=RUNS_READ,
        code=judging_code,
        prefix=subpath(output.csv, strip_suffix=".csv"),
    shell:
        f"{script('reproduction.py')}"
        " --dataset {params.dataset} --scale {wildcards.scale}"
        " --runs {params.runs:q} --output {params.prefix:q} 2>&1 | tee {log:q}"


rule reproduction:
    """The same at paper scale from the runs that are there, whichever they are; trains nothing."""
    input:
        published=CONFIG_FOLDER / "published.yaml",
        templates=REPRODUCTION_TEMPLATES,
    log:
        f"{RESULTS}/paper/logs/reproduction.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        dataset=DATASET,
        runs=expand(RUNS_READ, scale=PAPER),
        prefix=expand(REPRODUCTION, scale=PAPER),
    shell:
        f"{script('reproduction.py')}"
        " --dataset {params.dataset} --scale paper --runs {params.runs:q}"
        " --output {params.prefix:q} 2>&1 | tee {log:q}"


# Its files have no output declared: they are kept in git, and Snakemake would remove them where a job fails.
rule reference:
    """Verdicts, figures and the README's table from the measured runs kept in git; trains nothing."""
    input:
        runs=measured_runs,
        published=CONFIG_FOLDER / "published.yaml",
        templates=REPRODUCTION_TEMPLATES,
        readme=BASE / "README.md",
    log:
        f"{RESULTS}/logs/reference.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        folder=subpath(input.runs, parent=True),
    shell:
        f"{script('reference.py')}" " --folder {params.folder:q} report --readme {input.readme:q} 2>&1 | tee {log:q}"


# Nor have those of a preview, which is of whatever is finished.
rule preview:
    """Draw the figures and pages of paper scale as far as its runs are finished; trains nothing."""
    log:
        f"{RESULTS}/paper/logs/preview.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        dataset=DATASET,
        runs=expand(RUNS_READ, scale=PAPER),
        folder=f"{RESULTS}/paper/preview",
    shell:
        f"{script('reference.py')} preview"
        " --dataset {params.dataset} --runs {params.runs:q} --output {params.folder:q} 2>&1 | tee {log:q}"


rule explore:
    """Let runs be chosen, and their accuracies be drawn task by task, on one page."""
    input:
        part_runs,
        templates=[STYLE, TEMPLATES / "explorer.html.j2", TEMPLATES / "explorer.js"],
    output:
        EXPLORER,
    log:
        f"{RESULTS}/{{scale}}/logs/explorer.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        dataset=DATASET,
        runs=RUNS_READ,
        code=explorer_code,
    shell:
        f"{script('explorer.py')}"
        " --dataset {params.dataset} --scale {wildcards.scale} --runs {params.runs:q} --output {output:q} 2>&1 | tee {log:q}"


rule report:
    """Show the figures of a part, and every number with the settings and the runs that gave it."""
    input:
        page_runs,
        figures=page_figures,
        explorer=page_explorer,
        templates=[STYLE, TEMPLATES / "report.html.j2"],
    output:
        REPORT,
    log:
        f"{RESULTS}/{{scale}}/logs/{{page}}.log",
    wildcard_constraints:
        page="|".join(PAGES.values()),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        dataset=DATASET,
        part=page_part,
        runs=RUNS_READ,
        code=page_code,
    shell:
        f"{script('report.py')}"
        " --dataset {params.dataset} --scale {wildcards.scale} --part {params.part}"
        " --runs {params.runs:q} --output {output:q} 2>&1 | tee {log:q}"


rule trace:
    """Gather by which rules and code, and in what time, the figures of a part were made, in Snakemake's own report."""
    input:
        results=page_results,
        words=[TEMPLATES / "workflow.rst", TEMPLATES / "figure.rst"],
    output:
        REPORT,
    log:
        f"{RESULTS}/{{scale}}/logs/{{page}}.log",
    wildcard_constraints:
        page="|".join(PROVENANCE_PAGES.values()),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        config=report_config,
        snakefile=started_snakefile,
    shell:
        # This run holds the lock. Only the metadata of finished jobs is read.
        f"{python('-m snakemake')}"
        " --snakefile {params.snakefile:q} --report {output:q} --nolock --workflow-profile none --config {params.config:q}"
        " -- {input.results:q} > {log:q} 2>&1"
