# The figures: one notebook per experiment draws its table; the executed copy is kept.


rule draw:
    """Execute an experiment's notebook on its table."""
    input:
        table=TABLE,
        # A notebook that was only saved again draws the same: what matters of it is compared in params.
        notebook=ancient(BASE / "workflow/notebooks/{experiment}.ipynb"),
    output:
        notebook=NOTEBOOK,
        svg=report(
            f"{FIGURE}.svg",
            caption="../report/figure.rst",
            category=scale_title,
            labels={"figure": "{experiment}", "format": "SVG"},
        ),
        png=report(
            f"{FIGURE}.png",
            caption="../report/figure.rst",
            category=scale_title,
            labels={"figure": "{experiment}", "format": "PNG"},
        ),
        pdf=f"{FIGURE}.pdf",
    log:
        f"{RESULTS}/{{scale}}/notebooks/{{experiment}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        code=drawing_code,
        title=experiment_title,
        kind=experiment_kind,
        seeds=experiment_seeds,
    shell:
        # A kernel of the same name in the user's home must not be taken for that of this environment. The notebook
        # finds table and figure by its own name, which Jupyter's servers hand over in the same way.
        f"JUPYTER_PREFER_ENV_PATH=1 JPY_SESSION_NAME={{output.notebook:q}} {python('-m papermill')}"
        " {input.notebook:q} {output.notebook:q} --kernel python3"
        " --no-progress-bar --log-output -r title {params.title:q} > {log:q} 2>&1"


# Every figure is a target by its name, e.g. hidden_activations_per_task, unless a configuration is called so.
for scale in DECLARATIONS.scales:
    for experiment in DECLARATIONS.experiments:
        name = DECLARATIONS.scale_target(scale, experiment)
        if name not in TARGETS:

            rule:
                name:
                    name
                input:
                    experiment_results(scale, experiment),
