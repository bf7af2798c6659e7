"""Which weights Adam can leave out of a step without changing any: those whose moments are zero."""

from active_dendrites.settings.run import RunConfig


def needs_moments(run: RunConfig, task: int | None) -> bool:
    """Whether a state must hold Adam's moments: between tasks (`task` is None) they may be about to be reset."""
    return task is not None or not run.reset_optimizer
