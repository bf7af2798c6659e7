# Before anything runs: the plan, if it is asked for, and the guard of finished runs.

import atexit
import sys

# A plan needs no `--cores`. Snakemake asks for it before it tells which targets it was given.
if workflow.resource_settings.cores is None and "plan" in sys.argv:
    workflow.resource_settings.cores = available_cpu_count()


rule plan:
    """Print jobs, hours, reasons and disk of the targets named beside it, or of `all`; run nothing."""
    input:
        planned_results,
    log:
        f"{RESULTS}/logs/plan.log",
    localrule: True
    conda:
        ENVIRONMENT
    shell:
        "exit 1 2> {log:q}  # never reached: the plan is printed, and all stops, before the first job"


if workflow.is_main_process:
    atexit.register(tell_dry_run)


# Called when the plan is made and nothing has been done; a file is deleted when its job starts.
onstart:
    if workflow.is_main_process:
        before_the_first_job()
