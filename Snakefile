# The paper "Going Beyond the Point Neuron", rebuilt: config -> data -> runs -> tables -> figures -> report.

import shlex
import sys

from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


# The library, for the rules and for their jobs: nothing to install, on a cluster either.
LIBRARY = f"{workflow.basedir}/workflow/src"
sys.path.insert(0, LIBRARY)
shell.prefix(f"set -euo pipefail; export PYTHONPATH={shlex.quote(LIBRARY)}${{{{PYTHONPATH:+:$PYTHONPATH}}}}; ")


include: "workflow/rules/settings.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/explain.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/trainings.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/aggregate.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/benchmark.smk"
include: "workflow/rules/planning.smk"
include: "workflow/rules/plan.smk"
include: "workflow/rules/targets.smk"
include: "workflow/rules/slurm.smk"


# The paper at full scale: every run of its figures, every table and figure, and the reports.
rule all:
    default_target: True
    input:
        scale_results("paper", "paper"),


# Its hyperparameter searches.
rule searches:
    input:
        scale_results("paper", "searches"),


# Both at reduced scale, in minutes on a laptop.
rule quick:
    input:
        scale_results("quick", "paper"),
        scale_results("quick", "searches"),
