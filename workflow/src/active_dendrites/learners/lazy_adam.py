"""Which weights Adam leaves where they are, so that a learner may leave them out of a step.

With g the gradient of a weight, Adam's moments and its step (method 4) are, but for the corrections of bias,

    m <- beta1 m + (1 - beta1) g,    v <- beta2 v + (1 - beta2) g^2,    theta <- theta - rate m / (sqrt(v) + epsilon).

*Not yet activated.* A reset sets m = v = 0. While every gradient since then is zero, m and v stay zero and each step is
0 / epsilon: the weight does not move, to the bit. So a weight rests from Adam's reset until its first gradient. Without
a reset between tasks this is since the training began. The gradient is zero

* of all segments of a unit but the one that wins: only the winner's response is in the loss;
* of all weights, the bias and the segments of a unit that is off in every sample of a batch, because k-winners or the
  gates of a task say so: its output does not depend on them;
* of the weights from such a unit to the layer above, which are multiplied by its output, 0.

The penalty of Synaptic Intelligence adds 2 strength importance (theta - anchor) to g. It is zero too: the anchor is
where the weight stood when the task began, or the training; since then it has not moved.

*At rest again.* n steps after its last gradient, a weight has beta1^n of the first moment left: after
`momentum_steps` it rests again, for what would move it is lost in rounding. Its second moment goes on decaying. When
the next gradient comes, v is multiplied by beta2 to the power of the steps that were left out.

*Responses.* As long as the context stays the same, the response of a resting segment stays too, so neither is computed.

The CPU's learner leaves out units and segments, the GPU's segments, XdG the units that are off. Tests compare each with
Adam on all weights, to 1e-10 in float64.
"""

import math

from active_dendrites.settings.run import RunConfig


def needs_moments(run: RunConfig, within_task: bool) -> bool:
    """Whether a state must hold Adam's moments: between tasks they may be about to be reset."""
    return within_task or not run.reset_optimizer


def momentum_steps(epsilon: float, beta1: float) -> int:
    """For how many steps after its last gradient a weight still moves: what is left of m then is lost in rounding.

    Args:
        epsilon: the relative spacing of numbers, 2e-16 in float64.
    """
    return steps_to(epsilon / 100, beta1)


def steps_to(fraction: float, beta: float) -> int:
    """The smallest n with beta^n at or below the fraction; 1 for beta = 0."""
    return math.ceil(math.log(fraction) / math.log(beta)) if beta > 0 else 1
