"""The Triton kernel that moves segments on a GPU: against plain Adam, on a GPU or by Triton's interpreter."""

import os
import subprocess
import sys

import pytest
import torch
from learning import assert_equal, expected, learn
from torch import Tensor

from active_dendrites.learners.dense import learner as dense
from active_dendrites.settings.run import RunConfig

pytest.importorskip("triton", reason="Triton comes with PyTorch for CUDA alone")
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = torch.device("cpu" if INTERPRETED else "cuda")
runs_kernels = pytest.mark.skipif(
    not (INTERPRETED or torch.cuda.is_available()), reason="no GPU; run by the interpreter in another test"
)


class PlainSegments:
    """Every segment responds, and torch.optim.Adam moves all of them; only the winner has a gradient."""

    def __init__(self, run: RunConfig, weights: Tensor) -> None:
        self.run, self.weights = run, torch.nn.Parameter(weights.clone())
        self.adam = self._new_adam()

    def _new_adam(self) -> torch.optim.Adam:
        return torch.optim.Adam([self.weights], self.run.learning_rate, self.run.adam_betas, self.run.adam_epsilon)

    def begin(self, context: Tensor) -> None:
        self.context = context[0]
        if self.run.reset_optimizer:
            self.adam = self._new_adam()

    def responses(self) -> Tensor:
        return self.weights @ self.context  # (R, U, S)

    def strongest(self) -> Tensor:
        responses = self.responses()
        return responses.gather(-1, responses.detach().abs().argmax(-1, keepdim=True)).squeeze(-1)  # (R, U)

    def learn(self, gradient: Tensor) -> None:
        self.adam.zero_grad()
        (self.strongest() * gradient).sum().backward()
        self.adam.step()


@pytest.mark.gpu
@runs_kernels
@pytest.mark.parametrize("num_segments", [1, 3])
@pytest.mark.parametrize("kept", [False, True])
def test_kernel_equals_plain_adam(kept: bool, num_segments: int, small_run) -> None:
    """Winners change, rest for longer than they can move, and return; beta1 = 0.1 lets them move for 18 steps."""
    from active_dendrites.learners.dense.triton_segments import LazySegments

    run = small_run("prototype", adam_betas=[0.1, 0.9], reset_optimizer=not kept, learning_rate=0.05)
    draws = torch.Generator().manual_seed(3)
    weights = torch.randn(2, 2, num_segments, 5, generator=draws, dtype=torch.float64)
    weights[1, :, -1] = -weights[1, :, 0]  # a tie: the first of equally strong ones wins
    plain, lazy = PlainSegments(run, weights.to(DEVICE)), LazySegments(run, weights.to(DEVICE))
    changes = returns = 0
    for task in range(2):
        context = torch.randn(1, 5, generator=draws, dtype=torch.float64).to(DEVICE)
        context[0, task] = 0
        plain.begin(context)
        lazy.begin(context)
        for step in range(50):
            works = step % 25 < 4 or (step < 25) == (task == 0)  # else all rest, for 21 steps
            gradient = plain.strongest().sign() * works * torch.tensor([[1.0, 0.3], [0.5, 0]], device=DEVICE).double()
            winner, rested = lazy.winner.clone(), lazy.steps - lazy.last_gain.amax(-1)
            returns += int(((rested > lazy.rest) & (rested < 1000) & (gradient != 0)).sum())
            plain.learn(gradient)
            lazy.learn(gradient)
            changes += int((lazy.winner != winner).sum())
            assert torch.allclose(lazy.weights, plain.weights, rtol=0, atol=1e-12)
            assert torch.allclose(lazy.responses, plain.responses(), rtol=0, atol=1e-12)
            assert torch.equal(lazy.winner, plain.responses().abs().argmax(-1))
            assert torch.allclose(lazy.gates()[:, 0], plain.strongest().sigmoid(), rtol=0, atol=1e-12)
    assert lazy.rest == 18
    assert changes > 10 or num_segments == 1
    assert returns > 0


@pytest.mark.gpu
@runs_kernels
@pytest.mark.parametrize("kept", [False, True])
def test_saved_segments_go_on(kept: bool, small_run) -> None:
    """From what changed between saves, within a task and between two, and from nothing that did not."""
    from active_dendrites.learners.dense.triton_segments import LazySegments

    run = small_run("prototype", adam_betas=[0.1, 0.9], reset_optimizer=not kept, learning_rate=0.05)
    draws = torch.Generator().manual_seed(3)
    weights = torch.randn(2, 2, 4, 5, generator=draws, dtype=torch.float64).to(DEVICE)
    lazy, changes, rows = LazySegments(run, weights.clone()), [], []
    for task in range(3):
        lazy.begin(torch.randn(1, 5, generator=draws, dtype=torch.float64).to(DEVICE))
        for step in range(60):
            lazy.learn(torch.randn(2, 2, generator=draws, dtype=torch.float64).to(DEVICE) * (step < 20))
            if step in (7, 45, 59):
                within = step < 59
                changes.append(lazy.changes(within or kept, everything=False))
                rows.append(sum(len(change.get("rows", ())) for change in changes[-1]))
                states = [lazy.state(seed, within or kept) for seed in range(2)]
                other = LazySegments(run, weights.clone())
                other.restore(states, [[change[seed] for change in changes] for seed in range(2)])
                assert torch.equal(other.weights, lazy.weights), (task, step)
                lazy = other
    assert 0 < rows[0] < 16 and rows[2] == 0  # at rest since step 20 + 18


@pytest.mark.gpu
@runs_kernels
@pytest.mark.parametrize("variant", ["prototype", "si_prototype"])
def test_learner_with_lazy_segments_equals_textbook(variant: str, small_run, digits, monkeypatch) -> None:
    make = dense.make_segments
    monkeypatch.setattr(dense, "make_segments", lambda run, networks, lazy: make(run, networks, lazy=True))
    sizes = {"network__hidden_units": [3, 2], "num_tasks": 3, "epochs": 1, "batch_size": 128}
    runs = [small_run(variant, **sizes, seed=seed, network__winner_density=0.6) for seed in (1, 2)]
    for run, learned in zip(runs, learn(dense.DenseLearner, runs, digits, DEVICE), strict=True):
        assert_equal(learned, expected(run, digits), 1e-10)


@pytest.mark.skipif(INTERPRETED, reason="these are the tests that are run by the interpreter")
def test_by_the_interpreter() -> None:
    """The tests above on a CPU. Triton reads the variable when it is imported, so another process runs them."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "8 passed, 5 skipped" in done.stdout


@pytest.mark.skipif(INTERPRETED, reason="the interpreter does not compile")
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("real", ["fp32", "fp64"])
def test_kernel_compiles_for_hopper(shared: bool, real: str) -> None:
    """Ahead of time, which needs no GPU."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    from active_dendrites.learners.dense.triton_segments import advance

    constants = {"S": 100, "C": 784, "SHARED": shared, "REST": 394, "S_BLOCK": 128, "C_BLOCK": 1024}
    signature = {name: f"*{real}" for name in advance.arg_names}
    signature |= {"last_gain": "*i32", "winner": "*i32", "steps": "*i32", "constants": "*fp64"}
    signature |= dict.fromkeys(constants, "constexpr")
    source = ASTSource(fn=advance, signature=signature, constexprs=constants)
    options = {"num_warps": 1, "enable_fp_fusion": True}
    compiled = compile(source, target=GPUTarget("cuda", 90, 32), options=options)
    assert ".target sm_90" in compiled.asm["ptx"]
    assert compiled.asm["cubin"]
