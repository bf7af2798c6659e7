"""Layers against values worked out by hand and against slow loops."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from active_dendrites.data.randomness import generator
from active_dendrites.models.layers import DendriticLinear, MaskedLinear, k_winners, non_winners, segment_responses
from active_dendrites.settings.segment_rules import strongest


def test_k_winners_keeps_ties_and_negative_values() -> None:
    x = torch.tensor([[3.0, 1.0, 2.0, 2.0], [-1.0, -4.0, -2.0, -3.0]])
    assert k_winners(x, 2).tolist() == [[3.0, 0.0, 2.0, 2.0], [-1.0, 0.0, -2.0, 0.0]]


def test_k_winners_passes_gradient_to_winners_alone() -> None:
    x = torch.tensor([[0.5, -1.0, 2.0]], requires_grad=True)
    (k_winners(x, 2) * torch.tensor([[10.0, 20.0, 30.0]])).sum().backward()
    assert x.grad.tolist() == [[10.0, 0.0, 30.0]]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.lists(st.integers(-3, 3), min_size=9, max_size=72), st.data())
def test_winners_of_each_seed_and_sample_by_sorting(seeds: int, batch: int, values: list[int], data) -> None:
    """Few different values, so that there are ties."""
    units = len(values) // (seeds * batch)
    x = torch.tensor(values[: seeds * batch * units], dtype=torch.float32).view(seeds, batch, units)
    k = data.draw(st.integers(1, units))
    for row, off in zip(x.flatten(0, 1), non_winners(x, k).flatten(0, 1), strict=True):
        threshold = sorted(row.tolist())[-k]
        assert off.tolist() == [value < threshold for value in row.tolist()]
    assert torch.equal(x.masked_fill(non_winners(x, None), 0), x.relu())


@pytest.mark.parametrize("k", [0, 4])
def test_k_winners_refuses_impossible_k(k: int) -> None:
    with pytest.raises(ValueError, match=f"found k = {k}, expected 1 to 3"):
        k_winners(torch.zeros(1, 3), k)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 5), st.integers(0, 10**6))
def test_strongest_response_equals_a_loop(units: int, per_unit: int, contexts: int, seed: int) -> None:
    draws = torch.Generator().manual_seed(seed)
    segments, context = (
        torch.randn(units, per_unit, 3, generator=draws),
        torch.randn(contexts, 3, generator=draws),
    )
    response = strongest(segment_responses(segments, context))
    for n in range(contexts):
        for u in range(units):
            answers = [float(segments[u, s] @ context[n]) for s in range(per_unit)]
            assert float(response[n, u]) == pytest.approx(max(answers, key=abs), rel=1e-5)


def test_gate_by_hand() -> None:
    layer = DendriticLinear(2, 1, segments_per_unit=2, context_size=2)
    layer.weight.data = torch.tensor([[1.0, 2.0]])
    layer.bias.data = torch.tensor([0.5])
    layer.segments.data = torch.tensor([[[1.0, 0.0], [0.0, -3.0]]])
    x, context = torch.tensor([[2.0, 1.0]]), torch.tensor([[1.0, 1.0]])
    assert layer(x, context).item() == pytest.approx(4.5 / (1 + math.exp(3.0)))  # |-3| beats 1, sign kept
    assert layer(x, gates=torch.tensor([[0.25]])).item() == pytest.approx(1.125)


def test_only_the_winning_segment_learns() -> None:
    layer = DendriticLinear(2, 3, segments_per_unit=4, context_size=5)
    context = torch.randn(1, 5)
    layer(torch.randn(6, 2), context).sum().backward()
    winners = (layer.segments @ context[0]).abs().argmax(1)
    moved = layer.segments.grad.abs().sum(2) > 0
    assert moved.sum(1).tolist() == [1, 1, 1]
    assert moved[range(3), winners].all()


@pytest.mark.parametrize(
    ("inputs", "sparsity", "kept"), [(784, 0.5, 392), (2048, 0.5, 1024), (2000, 0.95, 100), (10, 0.0, 10)]
)
def test_masks_keep_exactly_so_many_inputs(inputs: int, sparsity: float, kept: int) -> None:
    layer = MaskedLinear(inputs, 30, sparsity=sparsity, masks=generator(1, "masks"))
    assert (layer.weight != 0).sum(1).tolist() == [kept] * 30
    layer.weight.data += 1
    layer.rezero()
    assert (layer.weight != 0).sum(1).tolist() == [kept] * 30


@pytest.mark.parametrize(
    ("density", "sparsity", "bound"), [(1.0, 0.5, 0.0505), (0.05, 0.5, 0.2259), (0.5, 0.0, 0.0505)]
)
def test_initial_weights_fill_their_range(density: float, sparsity: float, bound: float) -> None:
    """Uniform within 1 / sqrt(density * kept); hand-computed for 784 inputs."""
    layer = MaskedLinear(784, 50, sparsity=sparsity, input_density=density)
    largest = layer.weight.abs().max().item()
    assert 0.99 * bound < largest <= bound * 1.001
    assert layer.bias.abs().max().item() <= 1 / 28


def test_layers_are_plain_pytorch() -> None:
    """They sit in anyone's model: a context per sample, trained by any optimiser, saved with the rest."""
    layer = DendriticLinear(6, 4, segments_per_unit=3, context_size=2, sparsity=0.5)
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.1)
    loss = k_winners(layer(torch.randn(8, 6), torch.randn(8, 2)), 2).square().sum()
    loss.backward()
    optimiser.step()
    assert set(layer.state_dict()) == {"weight", "bias", "mask", "segments"}
    with pytest.raises(ValueError, match="either a context or its gates"):
        layer(torch.randn(8, 6))
