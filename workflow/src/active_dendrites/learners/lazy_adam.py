"""Which weights Adam can leave out of a step without changing any: those whose moments are zero."""

import math

from active_dendrites.settings.run import RunConfig


def needs_moments(run: RunConfig, within_task: bool) -> bool:
    """Whether a state must hold Adam's moments: between tasks they may be about to be reset."""
    return within_task or not run.reset_optimizer


def momentum_steps(epsilon: float, beta1: float) -> int:
    """Steps after its last gradient in which a weight still moves under Adam: what is left then is lost in rounding.

    Args:
        epsilon: the relative spacing of numbers, 2e-16 in float64.
    """
    return steps_to(epsilon / 100, beta1)


def steps_to(fraction: float, beta: float) -> int:
    """How many factors of beta make so small a fraction."""
    return math.ceil(math.log(fraction) / math.log(beta)) if beta > 0 else 1
