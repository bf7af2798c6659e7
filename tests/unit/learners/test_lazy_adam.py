"""When a weight rests: as torch.optim.Adam moves it."""

import pytest
import torch

from active_dendrites.learners.lazy_adam import momentum_steps, needs_moments, steps_to


def moves(gradients: list[float], betas: tuple[float, float]) -> list[bool]:
    """Whether each step of PyTorch's Adam changes a bit of a weight of 1."""
    weight = torch.nn.Parameter(torch.ones((), dtype=torch.float64))
    adam = torch.optim.Adam([weight], lr=0.1, betas=betas)
    moved = []
    for gradient in gradients:
        before, weight.grad = weight.item(), torch.tensor(gradient, dtype=torch.float64)
        adam.step()
        moved.append(weight.item() != before)
    return moved


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.5, 0.9), (0.0, 0.9)])
def test_a_weight_rests_until_its_first_gradient_and_after_its_momentum(betas: tuple[float, float]) -> None:
    rest = momentum_steps(torch.finfo(torch.float64).eps, betas[0])
    moved = moves([0.0] * 5 + [1.0] + [0.0] * (rest + 50), betas)
    assert moved[:6] == [False] * 5 + [True]
    assert not any(moved[6 + rest :])


@pytest.mark.parametrize(("fraction", "beta", "steps"), [(0.25, 0.5, 2), (0.2, 0.5, 3), (1e-6, 0.1, 6), (0.5, 0.0, 1)])
def test_steps_to_a_fraction_by_hand(fraction: float, beta: float, steps: int) -> None:
    assert steps_to(fraction, beta) == steps


@pytest.mark.parametrize(
    ("reset", "within_task", "needed"), [(True, True, True), (True, False, False), (False, False, True)]
)
def test_moments_are_saved_unless_they_are_about_to_be_reset(
    reset: bool, within_task: bool, needed: bool, small_run
) -> None:
    assert needs_moments(small_run("prototype", reset_optimizer=reset), within_task) == needed
