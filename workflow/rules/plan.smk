# Before anything runs: the plan, if it is asked for, and the guard of finished runs.

import asyncio
import atexit
import shlex
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from snakemake.logging import get_event, logger
from snakemake.utils import available_cpu_count
from snakemake_interface_logger_plugins.common import LogEvent

from active_dendrites.planning.plan import (
    Hardware,
    PlannedRun,
    describe_finished,
    describe_plan,
    estimate,
    is_outdated,
    retrained,
    why,
)
from active_dendrites.planning.measured_steps import MeasuredSteps, measured_steps
from active_dendrites.planning.progress import Progress, Reporter
from active_dendrites.runs.folders import run_of
from active_dendrites.settings.yaml_files import fault_line

# As jobs have them, also where a workflow uses this one as a module and calls the rules otherwise.
PLAN = workflow.modifier.modify_rulename("plan")
PREPARE = workflow.modifier.modify_rulename("prepare_mnist")
TRAINING_RULES = {workflow.modifier.modify_rulename(training.name) for training in TRAININGS}
PAGE_RULES = {workflow.modifier.modify_rulename(name) for name in ("report", "reproduce", "explore")}
NAMES = {(scale, *run): name for name, (scale, runs) in TARGETS.items() for run in runs}
STOPPED = "Stopped before anything was done: finished runs of paper scale would be deleted and trained again."
TOLD = "Finished runs of paper scale would be deleted and trained again; without --config retrain=true it will stop:"
HOW_TO_GO_ON = """\
To train them again: --config retrain=true, which replaces the `config:` of a profile, or set it in config/config.yaml.
To keep them: undo the change, or leave out what forces them."""
# Snakemake marks the files of a job until the job ends; a training may outlive the Snakemake that started it.
INTERRUPTED = "Snakemake was killed before it saw the end of it"
UNNOTICED = (
    "Not planned, though other settings made them: Snakemake does not know with which settings. Delete their folders."
)
HOW_TO_ACCEPT = "To keep those whose files only have other times, or were left by a killed Snakemake: snakemake --touch"
HOW_TO_FETCH = """\
Where only the images are made again, make them first, since equal ones train nothing: give --until prepare_mnist."""
# In Snakemake's words, as Reason.get_names() has them.
UPDATED, UPDATED_BEFORE = "updated input files", "input files updated by another job"
ONLY_TOUCHED = (INTERRUPTED, UPDATED)


def asked_targets() -> set[str]:
    """What the command line asks for."""
    return set(workflow.dag_settings.targets)


def planned_results(wildcards) -> list[str]:
    """What `all` makes, unless other targets are named beside `plan`: then those are planned."""
    if workflow.execution_settings.no_hooks:
        sys.exit("plan: found --no-hooks, which would not stop before the first job, expected plan without it")
    return [] if asked_targets() - {PLAN} else scale_results(PAPER, "paper")


# -- what is planned ---------------------------------------------------------------------------------------


def planned_jobs() -> list:
    """The jobs that are to run; targets that only name files are none."""
    jobs = workflow.dag.needrun_jobs(exclude_finished=False)
    return [job for job in jobs if not job.rule.norun and job.rule.name != PLAN]


def unnoticed_runs() -> list[PlannedRun]:
    """Finished runs of other settings that are not planned, as where results came without the folder .snakemake."""
    jobs = [job for job in workflow.dag.jobs if not workflow.dag.needrun(job)]
    return [run for run in planned_runs(jobs) if is_outdated(run)]


def planned_runs(jobs: list) -> Iterator[PlannedRun]:
    """Each seed that is to be trained, in the order of the targets."""
    order = {name: index for index, name in enumerate(TARGETS)}
    runs = [run for job in jobs if job.rule.name in TRAINING_RULES for run in runs_of_job(job)]
    yield from sorted(runs, key=lambda run: (order.get(run.name, len(order)), run.run.variant, run.seed))


def runs_of_job(job) -> Iterator[PlannedRun]:
    """The seeds of a training."""
    scale, variant, num_tasks = job.wildcards.scale, job.wildcards.variant, int(job.wildcards.num_tasks)
    name = NAMES.get((scale, variant, num_tasks), f"{variant}, {num_tasks} tasks")
    folders = [Path(path).parent for path in job.output.record]
    for folder in folders:
        seed = run_of(folder).seed
        settings = settings_of(scale, variant, num_tasks)
        yield PlannedRun(name, scale, seed, len(folders), folder, settings, trigger_of(job))


def trigger_of(job) -> str:
    """Why Snakemake runs a job, without the names of files."""
    reason = workflow.dag.reason(job)
    if reason.forced and asyncio.run(workflow.persistence.incomplete(job)):
        return INTERRUPTED
    return ", ".join(reason.get_names())


def hardware() -> Hardware:
    """What trainings will run on, and how many at a time."""
    limit = {name: getattr(given, "value", given) for name, given in workflow.global_resources.items()}
    nodes = limit.get("_nodes")
    if not trains_on_cpu():
        return Hardware("cuda", None, nodes or limit.get("gpu"))
    from active_dendrites.runs.provenance import processor_name  # here, because it takes seconds

    cores = limit.get("_cores") or available_cpu_count()
    return Hardware("cpu", None, nodes) if nodes else Hardware("cpu", processor_name(), cores)


def reference_steps() -> MeasuredSteps:
    """What steps took in the runs of the reference; without it, or if it is damaged, the model has to do."""
    try:
        return measured_steps(REFERENCE / "runs.csv", DECLARATIONS)
    except (OSError, ValueError) as fault:
        print(f"hours are from the model alone: {fault}", file=sys.stderr)
        return {}


def free_bytes() -> int:
    """Of the disk that results go to."""
    place = WRITTEN_TO.absolute()
    return shutil.disk_usage(next(folder for folder in (place, *place.parents) if folder.exists())).free


# -- hooks -------------------------------------------------------------------------------------------------


def print_plan() -> None:
    """The plan, on stdout."""
    jobs = planned_jobs()
    runs = list(planned_runs(jobs))
    images = DATASETS[DATASET].num_bytes if any(job.rule.name == PREPARE for job in jobs) else 0
    reasons = [(job.rule.name, trigger_of(job)) for job in jobs]
    steps = reference_steps() if runs else {}
    print("\n".join(describe_plan(reasons, runs, hardware() if runs else None, free_bytes(), images, steps)))
    print_retrained(runs, sys.stdout)
    if outdated := unnoticed_runs():
        print("", UNNOTICED, *describe_finished(outdated), sep="\n")


def print_retrained(runs: list[PlannedRun], stream) -> None:
    """Say what a real run would delete; nothing if it may, or would delete nothing."""
    if not config["retrain"] and (lost := retrained(runs)):
        print("", TOLD, *describe_finished(lost), *how_to_go_on(lost), sep="\n", file=stream)


def guard_finished_runs(runs: list[PlannedRun]) -> None:
    """Stop where finished runs would be deleted, unless `retrain` says that they may.

    In the process that plans: what it decided is decided for the jobs that it starts, here or on a cluster.
    """
    if not config["retrain"] and (lost := retrained(runs)):
        sys.exit("\n".join([STOPPED, *describe_finished(lost), *how_to_go_on(lost)]))


def how_to_go_on(lost: list[PlannedRun]) -> Iterator[str]:
    """What a user can do about finished runs that would be deleted."""
    yield HOW_TO_GO_ON
    reasons = [why(run) for run in lost]
    files = [str(run.folder / "record.json") for run, reason in zip(lost, reasons) if reason in ONLY_TOUCHED]
    if files:
        more = " ... (and so on)" if len(files) > 8 else ""
        yield f"{HOW_TO_ACCEPT} {shlex.join(files[:8])}{more}"
    if UPDATED_BEFORE in reasons:
        yield HOW_TO_FETCH


def refuse_what_cannot_train(runs: list[PlannedRun]) -> None:
    """Stop where each training would fail: a profile still waits for the cluster's names, or there is no GPU."""
    if not runs:
        return
    resources = workflow.resource_settings.default_resources
    for given in resources.args if resources else ():
        name, value = given.split("=", 1)
        if value == "CHANGE_ME":
            sys.exit(f"default-resources in the profile: {name}: found CHANGE_ME, expected what your cluster calls it")
    if config["device"] == "cuda" and trains_here() and lacks_gpu():
        sys.exit("device: found no CUDA GPU, expected one (or device: auto, or cpu)")


def print_replaced(runs: Iterable[PlannedRun]) -> None:
    """Say which values of variants the scale's general settings replace in what is to be trained."""
    configurations: dict[str, dict[Configuration, None]] = {}
    for run in runs:
        configurations.setdefault(run.scale, {})[run.run.configuration] = None
    for scale, of_scale in configurations.items():
        for line in replaced_by_scale(DECLARATIONS, scale, of_scale):
            print(line, file=sys.stderr)


def before_the_first_job() -> None:
    """Print the plan and stop, or refuse what cannot run and guard finished runs; --touch trains nothing."""
    runs = [] if workflow.touch else list(planned_runs(planned_jobs()))
    refuse_given_settings(runs)
    print_replaced(runs)
    if PLAN in asked_targets():
        print_plan()
        sys.exit(0)
    refuse_what_cannot_train(runs)
    guard_finished_runs(runs)
    report_progress(runs)


def refuse_given_settings(runs: list[PlannedRun]) -> None:
    """Figures and verdicts of paper scale are about what config/ declares: a variant says what is to be tried there."""
    if GIVEN.settings and any(run.scale == PAPER for run in runs):
        expected = "targets at reduced scale, a variant in config/variants.yaml, or train.py --set"
        sys.exit(fault_line("--config", "set", expected, found="runs at paper scale"))


def report_progress(runs: list[PlannedRun]) -> None:
    """Let a line a minute say how far the runs are, until this process ends."""
    if runs:
        where = hardware()
        steps = reference_steps()
        progress = Progress(runs, [estimate(run, where, steps)[0] for run in runs], time.time())
        Reporter(progress.line).start()
        leave_jobs_to_the_log()


def leave_jobs_to_the_log() -> None:
    """What Snakemake says of each job goes to its log alone: 250 kB for `quick`, between which nothing else is seen.

    Failures are shown, and all of it where --verbose or --printshellcmds asks for it. A logger plugin is left alone.
    """
    shown = workflow.output_settings
    if shown.verbose or shown.printshellcmds:
        return
    for handler in logger.handlers:
        if handler.name == "DefaultStreamHandler":
            handler.addFilter(lambda record: get_event(record) not in OF_JOBS and record.msg != SELECTING)


# What Snakemake logs of each job that does not fail.
OF_JOBS = (
    LogEvent.JOB_INFO,
    LogEvent.GROUP_INFO,
    LogEvent.JOB_STARTED,
    LogEvent.JOB_FINISHED,
    LogEvent.PROGRESS,
    LogEvent.SHELLCMD,
)
SELECTING = "Select jobs to execute..."


def tell_pages() -> None:
    """At the end: which pages to open, of those that were asked for, and how far they go."""
    jobs = [job for job in workflow.dag.jobs if job.rule.name in PAGE_RULES]
    for page in sorted(path for job in jobs for path in job.output if path.endswith(".html")):
        print(f"Open {page}", file=sys.stderr)
    if any(job.wildcards.scale != PAPER for job in jobs):
        print("Reduced scale shows that all of it works. It says nothing about the paper's numbers.", file=sys.stderr)


def tell_dry_run() -> None:
    """At the end of a dry run, which calls no hooks: the plan if it is asked for, and what the guard would do."""
    if not workflow.dryrun or workflow.dag is None:
        return
    runs = list(planned_runs(planned_jobs()))
    refuse_given_settings(runs)
    print_replaced(runs)
    if PLAN in asked_targets():
        print_plan()
    else:
        print_retrained(runs, sys.stderr)


# -- the rule -----------------------------------------------------------------------------------------------

# A plan needs no `--cores`. Snakemake asks for it before it tells which targets it was given.
if workflow.resource_settings.cores is None and PLAN in sys.argv:
    workflow.resource_settings.cores = available_cpu_count()


rule:
    """Print jobs, hours, reasons and disk of the targets named beside it, or of `all`; run nothing."""
    name:
        "plan"
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


onsuccess:
    if workflow.is_main_process:
        tell_pages()
