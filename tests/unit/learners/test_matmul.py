"""Matrix products: rounded ones by hand, with the error that it makes; and both libraries of a CPU."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from learning import CPU

from active_dendrites.data.tasks import PermutedTasks
from active_dendrites.learners import matmul as products
from active_dendrites.learners.dense.learner import DenseLearner
from active_dendrites.learners.matmul import Products, as_tf32, multiply
from active_dendrites.models.networks import as_dtype
from active_dendrites.training.loop import make_learner

# In units of the last bit that stays, above 1: value, then the nearest, which is even at a tie.
BY_HAND = [(0.0, 0.0), (1.0, 1.0), (0.5, 0.0), (1.5, 2.0), (0.25, 0.0), (0.75, 1.0), (0.5 + 1 / 64, 1.0), (3.5, 4.0)]


@pytest.mark.parametrize(("precision", "bits"), [("tf32", 10), ("bfloat16", 7)])
def test_rounding_by_hand(precision: str, bits: int) -> None:
    operand = Products(precision, on_gpu=False).operand
    values, nearest = torch.tensor(BY_HAND).T * 2.0**-bits + 1
    for scale in (1.0, -1.0, 2.0**-100, -(2.0**90)):
        assert torch.equal(operand(values * scale), nearest * scale)
    special = torch.tensor([0.0, math.inf, -math.inf, math.nan])
    assert torch.equal(operand(special).nan_to_num(nan=7), special.nan_to_num(nan=7))


@settings(deadline=None)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=2.0**-126, max_value=2.0**127))
def test_tf32_is_the_nearest_of_its_grid(value: float) -> None:
    rounded = as_tf32(torch.tensor([value]))
    mantissa, exponent = math.frexp(value)  # 0.5 <= mantissa < 1: 11 bits after the point
    assert rounded.item() == math.ldexp(round(mantissa * 2**11), exponent - 11)  # Python rounds ties to even, too
    assert torch.equal(as_tf32(rounded), rounded)


def gradients(precision: str, small_run, digits) -> torch.Tensor:
    """Of all weights, for one batch; every unit wins, since rounding would let others win."""
    run = small_run("sparse_representations_only", network__winner_density=0.999, numerics__precision=precision)
    dtype = as_dtype(precision)
    tasks = PermutedTasks(digits, run.data, 1, CPU, dtype)
    learner = DenseLearner([run], tasks)
    images, labels = tasks.batch(0, torch.arange(256))
    logits, passes = learner._forward(images[None], [])
    of_parameters = learner._backward((logits.softmax(-1) - learner.one_hot[labels]) / 256, [], passes)
    return torch.cat([gradient.flatten().double() for gradient in of_parameters])


@pytest.mark.parametrize(("precision", "unit"), [("float32", 2**-24), ("tf32", 2**-11), ("bfloat16", 2**-8)])
def test_error_of_a_step_is_that_of_its_rounding(precision: str, unit: float, small_run, digits) -> None:
    """A few roundings of at most `unit` each, through a few layers."""
    exact = gradients("float64", small_run, digits)
    error = (gradients(precision, small_run, digits) - exact).norm() / exact.norm()
    assert unit / 8 < error < 8 * unit


def test_products_of_a_gpu_sum_in_single_precision() -> None:
    """PyTorch's bfloat16 product with a float32 result exists; shapes alone, which needs no GPU."""
    products = Products("bfloat16", on_gpu=True)
    a, b = (products.operand(torch.empty(shape, device="meta")) for shape in ((2, 3, 4), (2, 4, 5)))
    assert a.dtype == torch.bfloat16
    product = products.multiply(a, b)
    assert (product.dtype, product.shape) == (torch.float32, (2, 3, 5))


@pytest.mark.parametrize("avx512", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_products_of_a_cpu(avx512: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """Transposed and part of something larger, as the learners hand them over; the same bits when repeated."""
    monkeypatch.setattr(products, "AVX512", avx512 and torch.backends.mkldnn.is_available())
    random = torch.Generator().manual_seed(5)
    x, y = (torch.randn(size, dtype=dtype, generator=random) for size in ((70, 131), (3, 71, 131)))
    for a, b in ((x, y[1, :-1].T), (x.T, y[1, :-1]), (x[:1], y[2, :1].T), (x[:1].T, y[2, :1])):
        product, terms = multiply(a, b), a.double()[:, :, None] * b.double()
        error, bound = (product - terms.sum(1)).abs(), terms.abs().sum(1) * a.shape[1] * torch.finfo(dtype).eps
        assert (product.dtype, product.shape) == (dtype, error.shape)
        assert (error <= bound).all()
        assert torch.equal(multiply(a, b), product)


@pytest.mark.skipif(not products.AVX512, reason="this processor has no AVX-512")
def test_the_fast_library_is_taken(monkeypatch: pytest.MonkeyPatch, small_run, digits) -> None:
    """By each learner that multiplies matrices: with products that are wrong, what is learned is."""
    run = small_run("three_layer_mlp")

    def losses() -> list[float]:
        tasks = PermutedTasks(digits, run.data, 1, CPU, torch.float32)
        learners = make_learner([run], tasks), DenseLearner([run], tasks)
        for learner in learners:
            learner.begin_task(0)
        epochs = [learner.begin_epoch(0, [torch.Generator().manual_seed(1)]) for learner in learners]
        for epoch in epochs:
            epoch.learn_step()
        return [epoch.losses()[0] for epoch in epochs]

    before = losses()
    monkeypatch.setattr(products.torch.ops.mkldnn, "_linear_pointwise", lambda a, b, *rest: torch.zeros(len(a), len(b)))
    assert all(abs(a - b) > 0.01 for a, b in zip(before, losses(), strict=True))
