"""The segments of one layer on a CPU: which of each unit wins, and which can move.

Letters: U units, S segments per unit, C size of the context.
"""

from collections.abc import Iterable

import numpy as np
import torch

from active_dendrites.learners.lazy_adam import momentum_steps, steps_to
from active_dendrites.learners.sparse.kernels.segments import advance_segments
from active_dendrites.learners.sparse.layers import Threads
from active_dendrites.models.layers import DendriticLinear
from active_dendrites.models.saving import State, as_tensors


class Segments:
    """The segments of one layer: which of each unit wins in the current context, and which can move.

    Segments that rest are left out (`learners.lazy_adam`). Moments are kept for segments that have won, each pair in a
    slot of its own. There is a slot for every segment, but memory that was never written costs none (which `zeros_like`
    would write).
    """

    def __init__(self, layer: DendriticLinear, fixed_context: bool, betas: list[float]) -> None:
        self.weights = layer.segments.detach().numpy()  # (U, S, C), shared with the PyTorch layer
        units, per_unit, size = self.weights.shape
        self.dtype, self.beta2 = self.weights.dtype, betas[1]
        self.slot = np.full((units, per_unit), -1, np.int32)  # of the moments; -1: none
        self.m, self.v = (np.zeros((units * per_unit, 1 if fixed_context else size), self.dtype) for _ in range(2))
        self.active, self.num_active = np.zeros((units, per_unit), np.int32), np.zeros(units, np.int32)
        self.last_gain = np.zeros((units, per_unit), np.int64)
        self.every = np.arange(units)
        self.context, self.responses = np.zeros(size, self.dtype), np.zeros((units, per_unit), self.dtype)
        self.winner = np.zeros(units, np.int64)
        self.changeable_bytes = self.weights.nbytes + self.m.nbytes + self.v.nbytes
        self.moved = np.zeros((units, per_unit), bool)  # or could have, since changes were asked for
        self.num_slots = 0
        self.free: list[int] = []  # slots that were given back
        self.momentum_steps = momentum_steps(np.finfo(self.dtype).eps, betas[0])
        # Steps after which even its second moment is below the smallest number of this precision.
        self.memory_steps = max(steps_to(np.finfo(self.dtype).tiny, betas[1]), self.momentum_steps + 1)
        self.reset_moments()

    def reset_moments(self) -> None:
        """Begin with moments of zero: all segments rest."""
        self.slot[:], self.num_active[:] = -1, 0
        self.num_slots = 0
        self.free.clear()

    def forget(self, step: int) -> None:
        """Give back the memory of moments of which nothing is left; `step` of Adam have been taken."""
        forgotten = (self.slot >= 0) & (step - self.last_gain > self.memory_steps)
        self.free += self.slot[forgotten].tolist()
        self.slot[forgotten] = -1

    def respond(self, context: np.ndarray) -> None:
        """Let every segment respond to a new context, (C,)."""
        self.context = context
        responses = torch.from_numpy(self.weights).flatten(0, 1) @ torch.from_numpy(context)
        self.responses = responses.view(self.slot.shape).numpy()
        self.winner = np.abs(self.responses).argmax(1)

    def gate(self) -> np.ndarray:
        """The sigmoid of each unit's strongest response, (U,)."""
        return torch.from_numpy(self.responses[self.every, self.winner]).sigmoid().numpy()

    def advance(self, threads: Threads, gate_gradient: np.ndarray, step: int, a: np.ndarray) -> None:
        """One Adam step of all segments, given each gate's gradient before the sigmoid, (U,)."""
        self._activate(self.every[gate_gradient != 0], step)
        layer = self.weights, self.context, self.responses, self.winner, gate_gradient
        moments = self.slot, self.m, self.v, self.active, self.num_active, self.last_gain
        threads.run(advance_segments, len(self.every), *layer, *moments, step, self.momentum_steps, a)

    def _activate(self, units: np.ndarray, step: int) -> None:
        """Let the winners of these units move: those without moments get some, those that rested get theirs aged."""
        slots = self.slot[units, self.winner[units]]
        rested = step - 1 - self.last_gain[units, self.winner[units]]
        for u in units[(slots < 0) | (rested > self.momentum_steps)]:
            s = self.winner[u]
            if self.slot[u, s] < 0:
                self._add_slot(u, s)
            else:  # the first moment is lost in rounding already
                self.v[self.slot[u, s]] *= self.beta2 ** (step - 1 - self.last_gain[u, s] - self.momentum_steps)
            self.last_gain[u, s], self.moved[u, s] = step, True
            self.active[u, self.num_active[u]] = s
            self.num_active[u] += 1

    def state(self, moments: bool) -> State:
        """See `Learner.state`; nothing where moments are about to be reset."""
        if not moments:
            return {}
        state = {name: getattr(self, name) for name in ("context", "responses", "winner", "last_gain", "num_active")}
        return as_tensors(state | {"active": self._active(), "has_moments": self.slot >= 0})

    def _active(self) -> np.ndarray:
        """The segments of each unit that can move, (U, as many as any unit has)."""
        return np.ascontiguousarray(self.active[:, : self.num_active.max()])

    def changes(self, moments: bool, everything: bool) -> State:
        """See `Learner.changes`: rows of weights, and the moments of those that have any."""
        rows = np.flatnonzero(self.moved | everything)
        slots = self.slot.reshape(-1)[rows]
        with_moments = (slots >= 0) & moments
        slots = slots[with_moments]
        self._forget_moves(moments)
        weights = self.weights.reshape(-1, self.weights.shape[2])[rows]
        of_moments = {"with_moments": rows[with_moments], "m": self.m[slots], "v": self.v[slots]}
        return as_tensors({"rows": rows, "weights": weights} | of_moments) if len(rows) else {}

    def _forget_moves(self, moments: bool) -> None:
        """Count as changed from now on only what can still move, or moves again."""
        self.moved[:] = False
        if not moments:
            return
        active = self._active()
        units, index = np.nonzero(np.arange(active.shape[1]) < self.num_active[:, None])
        self.moved[units, active[units, index]] = True

    def restore(self, state: State, changes: Iterable[State]) -> None:
        """Take over a state and all changes."""
        changes = [{name: tensor.numpy() for name, tensor in change.items()} for change in changes if change]
        weights = self.weights.reshape(-1, self.weights.shape[2])
        for change in changes:
            weights[change["rows"]] = change["weights"]
        self.reset_moments()
        if state:
            self._restore_moments({name: tensor.numpy() for name, tensor in state.items()}, changes)
        self._forget_moves(bool(state))

    def _restore_moments(self, saved: dict[str, np.ndarray], changes: list[dict[str, np.ndarray]]) -> None:
        """Restore the moments of each segment that has any, in slots in the order of segments."""
        for name in ("context", "responses", "winner", "last_gain", "num_active"):
            getattr(self, name)[:] = saved[name]
        self.active[:, : saved["active"].shape[1]] = saved["active"]
        self.num_slots = int(saved["has_moments"].sum())
        self.slot[saved["has_moments"]] = np.arange(self.num_slots)
        for change in changes:
            slots = self.slot.reshape(-1)[change["with_moments"]]
            known = slots >= 0  # others have been forgotten since
            self.m[slots[known]], self.v[slots[known]] = change["m"][known], change["v"][known]

    def _add_slot(self, u: int, s: int) -> None:
        if self.free:
            slot = self.free.pop()
        else:
            slot, self.num_slots = self.num_slots, self.num_slots + 1
        self.slot[u, s], self.m[slot], self.v[slot] = slot, 0, 0
