# A repair of Snakemake's plugin for SLURM, which otherwise waits for ever in four cases that weeks of training will meet.
#
# How the plugin asks SLURM for the states of jobs (query_job_status) and what it makes of the answer do not fit together:
# - A query that fails gives None, for which it forgets every job. SLURM's controller need only be away for some seconds.
# - The accounting says "CANCELLED by 1000" of a job that was cancelled; the plugin knows "CANCELLED" alone.
# - PREEMPTED is taken for a job that SLURM will start again. With `slurm-no-requeue` it will not.
# - squeue forgets a job some minutes after its end, and the plugin waits to hear of it: if it was itself suspended, say.
#   It knows a state UNKNOWN, for which it looks whether the results are there.
# tests/workflow/test_slurm_repair.py shows each, and says when the repair can go.

import sys
from importlib.metadata import version

FAULTY_VERSIONS = ("2.8.0",)  # of snakemake-executor-plugin-slurm


def repair_slurm_plugin(plugin, requeues) -> None:
    """Replace the plugin's query.

    Args:
        plugin: the module, which looks the query up by its name.
        requeues: called to know whether SLURM starts preempted jobs again.
    """
    query = plugin.query_job_status
    known: set[str] = set()  # jobs that squeue has told of

    async def query_job_status(command, logger):
        """{job: state} and the seconds it took. Nothing is known of a job that is not in it: it stays active."""
        states, seconds = await query(command, logger)
        if states is None:
            logger.warning("SLURM did not answer the question how its jobs are; it will be asked again.")
            return {}, 0.0
        states = {job: state.split(" by ")[0] for job, state in states.items()}
        if not requeues():
            states = {job: "CANCELLED" if state == "PREEMPTED" else state for job, state in states.items()}
        if command.startswith("squeue"):
            known.update(states)
            states = dict.fromkeys(known, "UNKNOWN") | states
        return states, seconds

    plugin.query_job_status = query_job_status


def slurm_requeues() -> bool:
    return workflow.executor_settings.requeue


SLURM_PLUGIN = sys.modules.get("snakemake_executor_plugin_slurm")  # Snakemake has loaded it, if it is installed
if SLURM_PLUGIN and version("snakemake-executor-plugin-slurm") in FAULTY_VERSIONS:
    repair_slurm_plugin(SLURM_PLUGIN, slurm_requeues)
