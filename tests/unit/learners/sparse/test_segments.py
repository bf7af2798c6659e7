"""Segments that move only when they must, against Adam on all segments at every step."""

import numpy as np
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from active_dendrites.learners.sparse.kernels.update import adam_constants
from active_dendrites.learners.sparse.layers import Threads
from active_dendrites.learners.sparse.segments import Segments
from active_dendrites.models.layers import DendriticLinear

UNITS, SIZE, LEARNING_RATE, EPSILON = 4, 6, 0.02, 1e-8
Phase = tuple[int, int]  # which context, for how many steps


def draw_layer(per_unit: int) -> DendriticLinear:
    generator = torch.Generator().manual_seed(per_unit)
    return DendriticLinear(3, UNITS, segments_per_unit=per_unit, context_size=SIZE, weights=generator).double()


def draw_gradients(seed: int, steps: int) -> np.ndarray:
    """(steps, UNITS) gradients of the gates before the sigmoid, a third of them zero: units that did not win."""
    draws = np.random.default_rng(seed)
    return draws.standard_normal((steps, UNITS)) * (draws.random((steps, UNITS)) < 0.67)


def learn_all(weights: np.ndarray, contexts: np.ndarray, phases: list[Phase], betas: list[float], reset: bool):
    """Every segment's weights after each phase: Adam on all of them, whoever has a gradient."""
    m, v, step, after = np.zeros_like(weights), np.zeros_like(weights), 0, []
    for seed, (which, steps) in enumerate(phases):
        if reset:
            m[:], v[:], step = 0, 0, 0
        for gate_gradient in draw_gradients(seed, steps):
            step += 1
            winner = np.abs(weights @ contexts[which]).argmax(1)
            g = np.zeros_like(weights)
            g[np.arange(UNITS), winner] = gate_gradient[:, None] * contexts[which]
            m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g**2
            spread = np.sqrt(v / (1 - betas[1] ** step)) + EPSILON
            weights = weights - LEARNING_RATE * m / (1 - betas[0] ** step) / spread
        after.append(weights)
    return after


@settings(max_examples=60, deadline=None)
@given(
    per_unit=st.sampled_from([1, 2, 5, 100]),
    phases=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 150)), min_size=1, max_size=5),
    betas=st.sampled_from([[0.9, 0.999], [0.5, 0.05], [0.0, 0.9], [0.95, 0.99]]),
    reset=st.booleans(),
)
@example(per_unit=5, phases=[(3, 5), (4, 600), (2, 10), (3, 600)], betas=[0.9, 0.999], reset=False)  # rest, return
@example(per_unit=5, phases=[(3, 5), (4, 700), (3, 20)], betas=[0.5, 0.99], reset=False)  # rest, not yet forgotten
@example(per_unit=5, phases=[(3, 5), (4, 500), (3, 20)], betas=[0.5, 0.05], reset=False)  # forgotten, return
def test_lazy_segments_equal_adam_on_all(per_unit: int, phases: list[Phase], betas: list[float], reset: bool) -> None:
    contexts = np.random.default_rng(5).standard_normal((5, SIZE))
    contexts[3, :3], contexts[4, 3:] = 0, 0  # what moves in one of these leaves the winners in the other alone
    layer, step = draw_layer(per_unit), 0
    wanted = learn_all(layer.segments.detach().numpy().copy(), contexts, phases, betas, reset)
    segments = Segments(layer, reset, betas)
    for seed, (which, steps) in enumerate(phases):
        if reset:
            segments.reset_moments()
            step = 0
        segments.forget(step)
        segments.respond(contexts[which])
        for gate_gradient in draw_gradients(seed, steps):
            step += 1
            a = adam_constants(LEARNING_RATE, betas, EPSILON, step, np.float64)
            segments.advance(Threads(1), gate_gradient, step, a)
        np.testing.assert_allclose(segments.weights, wanted[seed], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(segments.responses, segments.weights @ contexts[which], rtol=1e-9, atol=1e-11)


def test_moments_that_are_lost_in_rounding_give_back_their_memory() -> None:
    segments = Segments(draw_layer(3), False, [0.5, 0.05])
    context = np.ones(SIZE)
    segments.forget(0)
    segments.respond(context)
    a = adam_constants(LEARNING_RATE, [0.5, 0.05], EPSILON, 1, np.float64)
    segments.advance(Threads(1), np.ones(UNITS), 1, a)
    assert (segments.slot >= 0).sum() == segments.num_slots == UNITS
    segments.forget(1 + segments.memory_steps)
    segments.respond(context)
    assert (segments.slot >= 0).sum() == UNITS
    segments.forget(2 + segments.memory_steps)
    segments.respond(context)
    assert (segments.slot >= 0).sum() == 0
    segments.advance(Threads(1), np.ones(UNITS), 3 + segments.memory_steps, a)
    assert segments.num_slots == UNITS
