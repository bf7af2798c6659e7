"""The segments of one layer of several networks on a GPU: however many there are, only those that can move are touched.

The GPU's form of `sparse.segments.Segments` and its kernel `advance_segments`, as one Triton kernel.

Letters: R seeds, learned side by side, U units, S segments per unit, C size of the context.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from active_dendrites.learners.lazy_adam import momentum_steps
from active_dendrites.models.layers import strongest_segment
from active_dendrites.models.saving import State, copied
from active_dendrites.settings.run import RunConfig

NEVER = -(2**30)  # the step of a last gradient that there never was


@triton.jit
def pick(values, s, i):
    """The value at index i of `values`, whose indices are `s`."""
    return tl.sum(tl.where(s == i, values, 0), 0)


@triton.jit
def adam_constants(constants, step, real: tl.constexpr):
    """Return beta1, 1 - beta1, beta2, 1 - beta2, step size, 1 / sqrt(bias correction 2), epsilon, log(beta2)."""
    log1, log2 = tl.load(constants), tl.load(constants + 1)
    beta1, rest1 = tl.load(constants + 2).to(real), tl.load(constants + 3).to(real)
    beta2, rest2 = tl.load(constants + 4).to(real), tl.load(constants + 5).to(real)
    size = (tl.load(constants + 6) / (1 - tl.exp(step.to(tl.float64) * log1))).to(real)
    scale = (1 / tl.sqrt(1 - tl.exp(step.to(tl.float64) * log2))).to(real)
    epsilon = tl.load(constants + 7).to(real)
    return beta1, rest1, beta2, rest2, size, scale, epsilon, log2


@triton.jit
def choose_winner(winner, gate, responses, s, is_segment, S: tl.constexpr):
    """Store the segment of largest absolute response, below S even if there are NaNs, and the gate that it makes."""
    best = tl.minimum(tl.argmax(tl.where(is_segment, tl.abs(responses), -1), 0), S - 1)
    tl.store(winner, best)
    tl.store(gate, 1 / (1 + tl.exp(-pick(responses, s, best))))


@triton.jit
def advance(
    segments,
    context,
    responses,
    first,
    second,
    last_gain,
    winner,
    gate,
    gradient,
    steps,
    constants,
    S: tl.constexpr,
    C: tl.constexpr,
    SHARED: tl.constexpr,
    REST: tl.constexpr,
    S_BLOCK: tl.constexpr,
    C_BLOCK: tl.constexpr,
):
    """A step of one unit: Adam on its segments that do not rest, then its winner and gate; see `LazySegments`."""
    u = tl.program_id(0).to(tl.int64)
    s, c = tl.arange(0, S_BLOCK), tl.arange(0, C_BLOCK)
    own, is_segment, is_entry = u * S + s, s < S, c < C
    step = tl.load(steps)
    real = segments.dtype.element_ty
    beta1, rest1, beta2, rest2, size, scale, epsilon, log2 = adam_constants(constants, step, real)
    x = tl.load(context + c, mask=is_entry, other=0)
    updated = tl.load(responses + own, mask=is_segment, other=0)
    gained = tl.load(last_gain + own, mask=is_segment, other=0)
    g = tl.where(s == tl.load(winner + u), tl.load(gradient + u), 0)
    gains = g != 0
    missed = (step - 1 - gained - REST).to(tl.float64)
    v = tl.where(missed > 0, tl.exp(missed * log2), 1).to(real)  # what is left of the second; nothing is of the first
    moving = is_segment & (gains | (step - gained <= REST))
    tl.store(last_gain + own, step, mask=gains)
    if SHARED:
        m = beta1 * tl.load(first + own, mask=moving, other=0) + rest1 * g
        v = beta2 * v * tl.load(second + own, mask=moving, other=0) + rest2 * g * g
        tl.store(first + own, m, mask=moving)
        tl.store(second + own, v, mask=moving)

    i = tl.min(tl.where(moving, s, S_BLOCK), 0)
    while i < S_BLOCK:
        at = (u * S + i) * C + c
        row = tl.load(segments + at, mask=is_entry, other=0)
        if SHARED:  # the moments of the row are m * x and v * x^2
            row -= size * pick(m, s, i) * x / (tl.sqrt(pick(v, s, i)) * scale * tl.abs(x) + epsilon)
        else:
            gx = pick(g, s, i) * x
            row_m = beta1 * tl.load(first + at, mask=is_entry, other=0) + rest1 * gx
            row_v = beta2 * pick(v, s, i) * tl.load(second + at, mask=is_entry, other=0) + rest2 * gx * gx
            tl.store(first + at, row_m, mask=is_entry)
            tl.store(second + at, row_v, mask=is_entry)
            row -= size * row_m / (tl.sqrt(row_v) * scale + epsilon)
        tl.store(segments + at, row, mask=is_entry)
        updated = tl.where(s == i, tl.sum(row * x, 0), updated)
        i = tl.min(tl.where(moving & (s > i), s, S_BLOCK), 0)

    tl.store(responses + own, updated, mask=moving)
    choose_winner(winner + u, gate + u, updated, s, is_segment, S)


class LazySegments:
    """The segments of one layer of R networks; the counterpart of `dense.segments.EagerSegments`, with Adam of its own.

    Segments that rest are left out (`learners.lazy_adam`). Where Adam is reset for each task, moments are multiples of
    the task's one context: two numbers a segment.

    Args:
        run: Adam's settings.
        weights: (R, U, S, C), learned in place.
    """

    def __init__(self, run: RunConfig, weights: Tensor) -> None:
        self.weights, self.shared = weights, run.reset_optimizer
        self.parameters: list[Tensor] = []  # none that the learner's Adam has to move
        self.context = weights.new_zeros(weights.shape[-1])
        self.responses = weights.new_zeros(weights.shape[:3])
        self.first, self.second = (torch.zeros_like(self.responses if self.shared else weights) for _ in range(2))
        self.steps = torch.zeros((), dtype=torch.int32, device=weights.device)
        self.last_gain = torch.full_like(self.responses, NEVER, dtype=torch.int32)
        self.winner = torch.zeros_like(self.responses[..., 0], dtype=torch.int32)  # (R, U)
        self.gate = torch.zeros_like(self.responses[..., 0])  # (R, U)
        betas = torch.tensor(run.adam_betas, dtype=torch.float64)
        pairs = torch.stack([betas, 1 - betas], 1).flatten()  # beta1, 1 - beta1, beta2, 1 - beta2
        others = torch.tensor([run.learning_rate, run.adam_epsilon], dtype=torch.float64)
        self.constants = torch.cat([betas.log(), pairs, others]).to(weights.device)
        self.rest = momentum_steps(torch.finfo(weights.dtype).eps, run.adam_betas[0])
        # Segments that have moved between the time when changes were asked for and Adam's last reset; and the step
        # of that time, since the reset.
        self.moved = torch.zeros_like(self.responses, dtype=torch.bool)
        self.saved_step = 0
        self.changeable_bytes = sum(rows[0].nbytes for rows in self._rows().values())

    def begin(self, context: Tensor) -> None:
        """Let every segment respond to the context of a new task, (R, C), the same for all networks."""
        if self.shared:
            self.moved |= self._moving_since()
            self.saved_step = 0
            self.last_gain.fill_(NEVER)
            for moments in (self.steps, self.first, self.second):
                moments.zero_()
        self.context.copy_(context[0])
        self.responses.copy_(self.weights @ self.context)
        winning_segment, response = strongest_segment(self.responses)
        self.winner.copy_(winning_segment.squeeze(-1))
        self.gate.copy_(response.squeeze(-1).sigmoid())

    def gates(self) -> Tensor:
        """(R, 1, U), one for the whole batch; `learn` changes them in place."""
        return self.gate[:, None]

    def learn(self, gradient: Tensor) -> list[Tensor]:
        """One step, given the gradient of each unit's strongest response, (R, U); leaves no gradient to the learner."""
        num_segments, size = self.weights.shape[2:]
        self.steps += 1
        advance[(self.winner.numel(),)](
            self.weights,
            self.context,
            self.responses,
            self.first,
            self.second,
            self.last_gain,
            self.winner,
            self.gate,
            gradient,
            self.steps,
            self.constants,
            S=num_segments,
            C=size,
            SHARED=self.shared,
            REST=self.rest,
            S_BLOCK=triton.next_power_of_2(num_segments),
            C_BLOCK=triton.next_power_of_2(size),
            enable_fp_fusion=True,
            num_warps=1,  # its threads run in step, so that none reads what another is about to write
        )
        return []

    def _moving_since(self) -> Tensor:
        """Which segments can have moved after `saved_step`, (R, U, S)."""
        return self.last_gain > self.saved_step - self.rest

    def state(self, seed: int, moments: bool) -> State:
        """See `Learner.state`; nothing where all that is not weights is about to be reset."""
        if not moments:
            return {}
        state = {name: copied(getattr(self, name)[seed]) for name in self._saved()}
        return state | {"context": copied(self.context), "steps": self.steps.item()}

    def _saved(self) -> list[str]:
        """The tensors with an axis of seeds that a state holds."""
        return ["responses", "last_gain", "winner", "gate", *(["first", "second"] if self.shared else [])]

    def changes(self, moments: bool, everything: bool) -> list[State]:
        """See `Learner.changes`: the rows of segments, and their moments where these are rows as well."""
        moved = (self.moved | self._moving_since()) | everything
        self.moved.zero_()
        self.saved_step = self.steps.item() if moments else 2**30  # nothing moves before the reset
        changes = []
        for seed, rows in enumerate(moved.flatten(1)):
            rows = rows.nonzero().squeeze(1)
            changed = {name: copied(tensor[seed].flatten(0, 1)[rows]) for name, tensor in self._rows().items()}
            changes.append({"rows": copied(rows), **changed} if len(rows) else {})
        return changes

    def _rows(self) -> dict[str, Tensor]:
        """The tensors (R, U, S, C) of which changes are saved."""
        weights = {"weights": self.weights}
        return weights if self.shared else weights | {"first": self.first, "second": self.second}

    def restore(self, states: Sequence[State], changes: Sequence[Sequence[State]]) -> None:
        """Take over the state of each seed, and all changes."""
        for seed, (state, changes_of_seed) in enumerate(zip(states, changes, strict=True)):
            for changed_rows in filter(None, changes_of_seed):
                rows = changed_rows["rows"].to(self.weights.device)
                for name, tensor in self._rows().items():
                    tensor[seed].flatten(0, 1)[rows] = changed_rows[name].to(tensor.device)
            for name in self._saved() if state else []:
                getattr(self, name)[seed].copy_(state[name])
        if states[0]:
            self.context.copy_(states[0]["context"])
            self.steps.fill_(states[0]["steps"])
        self.moved.zero_()
        self.saved_step = self.steps.item() if states[0] else 2**30
