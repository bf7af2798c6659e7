"""Layers against values worked out by hand and against slow loops."""

import copy
import math
import pickle
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from active_dendrites.data.randomness import generator
from active_dendrites.models.layers import DendriticLinear, MaskedLinear, k_winners, non_winners, segment_responses
from active_dendrites.settings.segment_rules import strongest


@pytest.fixture(autouse=True)
def same_draws_each_time() -> None:
    torch.manual_seed(1)


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


# -- anyone's model -------------------------------------------------------------------------------------------


def make_layer(**arguments: Any) -> DendriticLinear:
    return DendriticLinear(6, 4, segments_per_unit=3, context_size=2, sparsity=0.5, **arguments)


def learn(
    layer: Callable, parameters: Iterable[nn.Parameter], optimiser: Callable = torch.optim.Adam, **settings
) -> None:
    """50 steps, which move every weight that has a gradient."""
    parameters = list(parameters)
    optimiser, like = optimiser(parameters, **settings), parameters[0]
    for _ in range(50):
        x, context = torch.randn(8, 6).to(like), torch.randn(8, 2).to(like)
        optimiser.zero_grad()
        k_winners(layer(x, context), 3).sub(1).square().sum().backward()
        optimiser.step()


def assert_sparse(layer: DendriticLinear) -> None:
    """Half of the weights are zero, those outside the mask: in a state, and where they are read after `rezero`."""
    assert torch.equal(layer.state_dict()["weight"] != 0, layer.mask)
    layer.rezero()
    assert torch.equal(layer.weight != 0, layer.mask)
    assert layer.mask.sum(1).tolist() == [3] * 4


@pytest.mark.parametrize(
    ("optimiser", "settings"),
    [
        (torch.optim.SGD, {"lr": 0.01}),
        (torch.optim.SGD, {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        (torch.optim.Adam, {"lr": 0.01}),
        (torch.optim.Adam, {"lr": 0.01, "amsgrad": True, "weight_decay": 0.1}),
        (torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1}),
        (torch.optim.RMSprop, {"lr": 0.01, "momentum": 0.9, "centered": True}),
        (torch.optim.Rprop, {"lr": 0.01}),
    ],
)
def test_layers_stay_sparse_under_any_optimiser(optimiser: Callable, settings: dict) -> None:
    layer = make_layer()
    before = layer.weight.detach().clone()
    learn(layer, layer.parameters(), optimiser, **settings)
    assert_sparse(layer)
    assert ((layer.weight != before) == layer.mask).all()


def test_only_weights_that_something_else_wrote_are_outside_the_mask_and_they_are_never_used() -> None:
    """An optimiser that mixes gradients, or noise on all weights, may write there."""
    layer, x, context = make_layer(), torch.randn(8, 6), torch.randn(8, 2)
    before = layer(x, context)
    with torch.no_grad():
        layer.weight += torch.where(layer.mask, 0, torch.inf)
    y = layer(x, context)
    assert torch.equal(y, before)
    y.sum().backward()
    assert (layer.weight.grad[~layer.mask] == 0).all()
    assert layer.weight.isinf().sum() == 12
    assert_sparse(layer)


def test_a_state_may_be_saved_between_loss_and_gradient() -> None:
    layer = make_layer()
    loss = layer(torch.randn(8, 6), torch.randn(8, 2)).sum() + layer.weight.square().sum()
    saved = layer.state_dict()
    loss.backward()
    assert saved["weight"].data_ptr() == layer.weight.data_ptr()  # a view, as any module gives


@pytest.mark.parametrize(
    "change",
    [
        copy.deepcopy,
        lambda layer: layer.half(),
        lambda layer: layer.to(torch.bfloat16),
        lambda layer: layer.double(),
        lambda layer: pickle.loads(pickle.dumps(layer)),
    ],
    ids=["deepcopy", "half", "bfloat16", "double", "pickle"],
)
@pytest.mark.parametrize("reset", [False, True], ids=["as_it_is", "reset"])
def test_layers_stay_sparse_whatever_becomes_of_them(change: Callable, reset: bool) -> None:
    """Trained before, and in half precision trained on."""
    layer = make_layer()
    learn(layer, layer.parameters())
    changed = change(layer)
    if reset:
        changed.reset_parameters()
    learn(changed, changed.parameters(), lr=1e-3)
    assert_sparse(changed)


def test_a_reset_draws_new_weights_within_the_same_mask() -> None:
    layer = make_layer(zero_bias=True)
    weight, segments, mask = layer.weight.detach().clone(), layer.segments.detach().clone(), layer.mask.clone()
    learn(layer, layer.parameters())
    layer.reset_parameters()
    assert torch.equal(layer.mask, mask) and (layer.weight != weight).sum() == 12 and (layer.segments != segments).all()
    assert (layer.bias == 0).all()
    assert_sparse(layer)


def test_a_layer_made_without_memory_is_drawn_by_its_reset() -> None:
    layer = make_layer(device="meta").to_empty(device="cpu")
    layer.reset_parameters()
    assert_sparse(layer)
    assert (layer.segments != 0).all()


@pytest.mark.parametrize("assign", [False, True])
def test_a_state_of_dense_weights_is_loaded_sparse(assign: bool) -> None:
    """As an earlier version saved it after an optimiser's step: the same names, with weights outside the mask."""
    state = {
        "weight": torch.ones(4, 6),
        "bias": torch.zeros(4),
        "mask": make_layer().mask,
        "segments": torch.ones(4, 3, 2),
    }
    layer = make_layer(device="meta") if assign else make_layer()
    layer.load_state_dict(state, assign=assign)
    assert torch.equal(layer.mask, state["mask"])
    assert_sparse(layer)
    assert (state["weight"] == 1).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_layers_compile(dtype: torch.dtype) -> None:
    """Into one graph; `aot_eager` does all of it but the making of machine code."""
    layer = make_layer(dtype=dtype)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    x, context = torch.randn(8, 6, dtype=dtype), torch.randn(8, 2, dtype=dtype)
    assert torch.equal(compiled(x, context), layer(x, context))
    learn(compiled, compiled.parameters(), lr=1e-3)
    assert_sparse(layer)


def test_layers_compute_in_the_precision_of_autocast() -> None:
    layer = make_layer()
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(torch.randn(8, 6), torch.randn(8, 2))
    assert y.dtype == torch.bfloat16
    y.sum().backward()
    assert layer.weight.grad.dtype == torch.float32


def test_layers_take_the_arguments_of_linear() -> None:
    layer = make_layer(bias=False, device="meta", dtype=torch.float64)
    assert layer.bias is None
    assert {(p.device.type, p.dtype) for p in layer.parameters()} == {("meta", torch.float64)}
    assert layer.mask.is_meta
    plain = nn.Linear(6, 4, False)
    plain.load_state_dict({"weight": make_layer(bias=False).weight})
    bare = MaskedLinear(6, 4, bias=False)
    bare.load_state_dict(plain.state_dict())
    x = torch.randn(8, 6)
    assert torch.equal(bare(x), plain(x))


def test_equal_generators_give_equal_layers() -> None:
    one, other = (make_layer(weights=generator(1, "weights"), masks=generator(1, "masks")) for _ in range(2))
    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), other.parameters(), strict=True))
    assert torch.equal(one.mask, other.mask)


def test_a_layer_shows_what_it_is() -> None:
    sizes = "in_features=6, out_features=4, bias=True, sparsity=0.5, segments_per_unit=3, context_size=2"
    assert repr(make_layer()) == f"DendriticLinear({sizes})"
    assert repr(make_layer(segment_rule=torch.mean)) == f"DendriticLinear({sizes}, segment_rule=mean)"


@pytest.mark.parametrize(
    ("x", "context"),
    [
        ((6,), (2,)),
        ((8, 6), (2,)),
        ((8, 6), (1, 2)),
        ((8, 6), (8, 2)),
        ((5, 8, 6), (1, 2)),
        ((5, 8, 6), (5, 1, 2)),
        ((5, 8, 6), (1, 8, 2)),
        ((5, 8, 6), (5, 8, 2)),
        ((5, 5, 6), (1, 1, 2)),
        ((0, 6), (0, 2)),
    ],
)
def test_each_sample_has_its_own_context(x: tuple[int, ...], context: tuple[int, ...]) -> None:
    layer, samples, contexts = make_layer(), torch.randn(x), torch.randn(context)
    y = layer(samples, contexts)
    assert y.shape == (*x[:-1], 4)
    assert torch.allclose(y, layer(samples, gates=layer.gates(contexts)))
    each = contexts.expand(*x[:-1], 2) if len(context) <= len(x) else contexts
    for one, own, response in zip(samples.view(-1, 6), each.reshape(-1, 2), y.view(-1, 4), strict=True):
        assert torch.allclose(layer(one, own), response, atol=1e-6)


@pytest.mark.parametrize(
    ("x", "context", "wanted"),
    [
        ((8, 6), (3, 2), r"(2,) for all samples or (8, 2) for each"),
        ((8, 6), (8, 3), r"(2,) for all samples or (8, 2) for each"),
        ((8, 6), (), r"(2,) for all samples or (8, 2) for each"),
        ((1, 6), (8, 2), r"(2,) for all samples or (1, 2) for each"),
        ((5, 5, 6), (5, 2), r"(2,) for all samples or (5, 5, 2) for each"),
        ((5, 8, 6), (8, 8, 2), r"(2,) for all samples or (5, 8, 2) for each"),
        ((6,), (8, 2), r"(2,) for all samples or (2,) for each"),
    ],
)
def test_a_context_of_another_shape_is_refused(x: tuple[int, ...], context: tuple[int, ...], wanted: str) -> None:
    """One of (T, C) or (B, C) would be applied along another axis of (B, T, I), or along none."""
    with pytest.raises(ValueError, match=re.escape(f"context: found shape {context}, expected {wanted}")):
        make_layer()(torch.randn(x), torch.randn(context))
    gates = re.escape(f"gates: found shape {(*context[:-1], 5)}, expected (4,) for all samples or ")
    with pytest.raises(ValueError, match=gates):
        make_layer()(torch.randn(x), gates=torch.rand(*context[:-1], 5))


def test_gates_of_contexts_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("context: found shape (8, 3), expected (..., 2)")):
        make_layer().gates(torch.randn(8, 3))


def test_a_layer_needs_one_of_context_and_gates() -> None:
    layer, x = make_layer(), torch.randn(8, 6)
    for both in ({}, {"context": torch.randn(8, 2), "gates": torch.rand(8, 4)}):
        with pytest.raises(ValueError, match="either a context or its gates"):
            layer(x, **both)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"in_features": 0}, "in_features: found 0, expected 1 or more"),
        ({"out_features": -1}, "out_features: found -1, expected 1 or more"),
        ({"segments_per_unit": 0}, "segments_per_unit: found 0, expected 1 or more"),
        ({"context_size": 0}, "context_size: found 0, expected 1 or more"),
        ({"sparsity": 1.0}, "sparsity: found 1.0, expected 0 up to but not 1"),
        ({"sparsity": math.nan}, "sparsity: found nan, expected 0 up to but not 1"),
        ({"sparsity": 0.95}, "sparsity: found 0.95, expected to keep 1 to 6 inputs, not 0"),
        ({"input_density": 0.0}, "input_density: found 0.0, expected above 0 up to 1"),
        ({"context_density": 1.5}, "context_density: found 1.5, expected above 0 up to 1"),
    ],
)
def test_impossible_arguments_are_refused(arguments: dict, fault: str) -> None:
    sizes = {"in_features": 6, "out_features": 4, "segments_per_unit": 3, "context_size": 2}
    with pytest.raises(ValueError, match=re.escape(fault)):
        DendriticLinear(**sizes | arguments)


def test_a_state_of_another_sparsity_is_refused() -> None:
    """It was loaded, and the layer went on to say that it had its own."""
    with pytest.raises(RuntimeError, match=r"mask: found 4 inputs of a unit, expected 2 \(sparsity 0.75\)"):
        MaskedLinear(8, 3, sparsity=0.75).load_state_dict(MaskedLinear(8, 3, sparsity=0.5).state_dict())


def test_a_state_leaves_a_shared_weight_as_it_is() -> None:
    """The state of one layer set to zero what the other one uses."""
    one, two = MaskedLinear(8, 3, sparsity=0.5), MaskedLinear(8, 3, sparsity=0.5)
    with torch.no_grad():
        one.weight.fill_(1.0)
    two.weight = one.weight
    state = one.state_dict()
    assert (one.weight == 1).all()
    assert torch.equal(state["weight"] != 0, one.mask)
