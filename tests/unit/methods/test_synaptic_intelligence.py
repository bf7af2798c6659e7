"""Synaptic Intelligence by hand: one weight, a step or two, one task or three."""

import pytest
import torch

from active_dendrites.methods.synaptic_intelligence import SynapticIntelligence
from active_dendrites.settings.run import ConsolidationConfig

PAPER = {"penalty_from_task": 2, "path_gradient": "total", "rectify": "each_task", "include_segments": False}


def protect(weight: torch.Tensor, **overrides: object) -> SynapticIntelligence:
    settings = {"kind": "synaptic_intelligence", "strength": 0.5, "damping": 0.25} | PAPER | overrides
    return SynapticIntelligence(ConsolidationConfig.model_validate(settings), [weight])


def step(method: SynapticIntelligence, weight: torch.Tensor, gradient: float, move: float) -> float:
    """A step in which the optimiser moves the weight so far; returns the gradient that it is given."""
    gradients = [torch.tensor([gradient])]
    integrated = method.before_step(gradients)
    weight += move
    method.after_step(integrated)
    return gradients[0].item()


def test_importance_is_the_path_over_the_squared_distance() -> None:
    weight = torch.tensor([1.0])
    method = protect(weight)
    assert step(method, weight, gradient=2.0, move=-0.5) == 2.0  # no penalty within the first task
    assert step(method, weight, gradient=1.0, move=-0.25) == 1.0
    assert method.path[0].item() == 2.0 * 0.5 + 1.0 * 0.25
    method.after_task()
    assert method.importance[0].item() == pytest.approx(1.25 / (0.75**2 + 0.25))
    assert (method.anchor[0].item(), method.path[0].item()) == (0.25, 0.0)


def test_the_penalty_pulls_back_to_the_anchor() -> None:
    """Its gradient is 2 strength importance (theta - anchor)."""
    weight = torch.tensor([1.0])
    method = protect(weight)
    step(method, weight, gradient=2.0, move=-0.5)
    method.after_task()
    importance = method.importance[0].item()
    assert step(method, weight, gradient=0.0, move=0.1) == 0.0  # at the anchor
    assert step(method, weight, gradient=3.0, move=0.0) == pytest.approx(3 + 2 * 0.5 * importance * 0.1)


@pytest.mark.parametrize(("path_gradient", "penalty_counts"), [("total", True), ("task", False)])
def test_which_gradient_is_integrated(path_gradient: str, penalty_counts: bool) -> None:
    weight = torch.tensor([1.0])
    method = protect(weight, path_gradient=path_gradient)
    step(method, weight, gradient=2.0, move=-0.5)
    method.after_task()
    importance = method.importance[0].item()
    weight += 0.1
    method.previous[0].copy_(weight)
    step(method, weight, gradient=3.0, move=-0.2)
    penalty = importance * 0.1 if penalty_counts else 0.0
    assert method.path[0].item() == pytest.approx((3 + penalty) * 0.2)


@pytest.mark.parametrize(("rectify", "importance"), [("each_task", 0.5 / 0.5), ("running_sum", 0.5 / 0.5 - 0.25 / 0.5)])
def test_what_a_task_harms_counts_nothing_or_is_subtracted(rectify: str, importance: float) -> None:
    """The first task gains 0.5, the second loses 0.25; both move the weight by 0.5, and damping is 0.25."""
    weight = torch.tensor([1.0])
    method = protect(weight, rectify=rectify, strength=0.0)
    for gradient in (1.0, -0.5):
        step(method, weight, gradient=gradient, move=-0.5)
        method.after_task()
    assert method.importance[0].item() == pytest.approx(importance)


def test_the_first_penalised_task_is_a_setting() -> None:
    weight = torch.tensor([1.0])
    method = protect(weight, penalty_from_task=3)
    strengths = []
    for _ in range(3):
        strengths.append(method.strength.item())
        method.after_task()
    assert strengths == [0.0, 0.0, 1.0]
