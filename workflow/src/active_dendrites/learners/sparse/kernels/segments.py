"""Moving the segments that can move.

Letters: U units, S segments per unit, C size of the context vector.
"""

import math

import numpy as np

from active_dendrites.learners.sparse.kernel_cache import cached

compiled = cached(nogil=True, fastmath=False, boundscheck=False, error_model="numpy")


@compiled
def dot(x, y):
    """The sum of x * y; 32 sums side by side, which the processor takes 16 at a time."""
    sums = np.zeros(32, x.dtype)
    multiple = x.size - x.size % 32
    for i in range(0, multiple, 32):
        for u in range(32):
            sums[u] += x[i + u] * y[i + u]
    for i in range(multiple, x.size):
        sums[0] += x[i] * y[i]
    for u in range(1, 32):
        sums[0] += sums[u]
    return sums[0]


@compiled
def move_shared(row, context, m, v, slot, g, a):
    """Adam on one segment while its context is fixed since the reset; returns its new response.

    Its gradient is always a number times this context, so each moment is a number too: the moments are m * context and
    v * context^2.
    """
    m[slot, 0] = a[0] * m[slot, 0] + a[1] * g
    v[slot, 0] = a[2] * v[slot, 0] + a[3] * g * g
    size, spread = a[4] * m[slot, 0], math.sqrt(v[slot, 0]) * a[5]
    for c in range(row.size):
        row[c] -= size * context[c] / (spread * abs(context[c]) + a[6])
    return dot(row, context)


@compiled
def move(row, context, m, v, slot, g, a):
    """Adam on one segment with a moment for each weight; returns its new response."""
    first, second = m[slot], v[slot]
    for c in range(row.size):
        gradient = g * context[c]
        first[c] = a[0] * first[c] + a[1] * gradient
        second[c] = a[2] * second[c] + a[3] * gradient * gradient
        row[c] -= a[4] * first[c] / (math.sqrt(second[c]) * a[5] + a[6])
    return dot(row, context)


@compiled
def advance_segments(
    first,
    last,
    segments,
    context,
    responses,
    winner,
    gate_gradient,
    slot,
    m,
    v,
    active,
    num_active,
    last_gain,
    step,
    momentum_steps,
    a,
):
    """Move the segments of units first to last that can move, and choose each unit's winner anew.

    `active` lists those that do not rest (`learners.lazy_adam`), active[u, :num_active[u]]: the winner, and those that
    won before, for `momentum_steps` more. The winner is always the segment of largest absolute response, the first of
    equal ones.
    """
    num_segments = segments.shape[1]
    zero = segments.dtype.type(0)
    for u in range(first, last):
        i = 0
        while i < num_active[u]:
            s = active[u, i]
            g = gate_gradient[u] if s == winner[u] else zero
            if g != zero:
                last_gain[u, s] = step
            elif step - last_gain[u, s] > momentum_steps:
                num_active[u] -= 1
                active[u, i] = active[u, num_active[u]]
                continue
            if m.shape[1] == 1:
                responses[u, s] = move_shared(segments[u, s], context, m, v, slot[u, s], g, a)
            else:
                responses[u, s] = move(segments[u, s], context, m, v, slot[u, s], g, a)
            i += 1
        if num_active[u]:
            best = 0
            for s in range(1, num_segments):
                if abs(responses[u, s]) > abs(responses[u, best]):
                    best = s
            winner[u] = best
