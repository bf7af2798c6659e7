"""The way back: gradients, Adam, consolidation, and the order of units. See `forward` for tiles and lists.

Letters: B samples, I inputs, T tiles, L lanes.
"""

import math

import numpy as np

from active_dendrites.learners.sparse.kernel_cache import cached

compiled = cached(nogil=True, fastmath=False, boundscheck=False, error_model="numpy")


@compiled
def pass_active(first, last, upstream, x, gate, dx):
    """Write to dx, (T, B, L), the gradient (B, units) times the gate where x is not zero, and zero elsewhere."""
    lanes = dx.shape[2]
    zero = dx.dtype.type(0)
    for b in range(first, last):
        for tile in range(dx.shape[0]):
            offset = tile * lanes
            for u in range(min(lanes, x.shape[1] - offset)):
                dx[tile, b, u] = upstream[b, offset + u] * gate[tile, u] if x[b, offset + u] != zero else zero


@compiled
def backpropagate(first, last, tiles, weight, dy, start, index, gate, dx):
    """Write the gated gradient at the inputs that were not zero, dx[tile', b, lane'], for samples first to last.

    Inputs that were zero pass none, and non-winners pass none down: only the weights between the two are read.
    dx must be zero before. tiles: how many of the units' tiles can hold winners. gate: (T', L') of the layer below,
    one for the batch.
    """
    lanes, lanes_below = weight.shape[2], dx.shape[2]
    zero = dy.dtype.type(0)
    gradient = np.zeros(start[last] - start[first], dy.dtype)
    for tile in range(tiles):
        w = weight[tile]
        for b in range(first, last):
            d, total, inputs = dy[tile, b], gradient[start[b] - start[first] :], index[start[b] : start[b + 1]]
            for u in range(lanes):
                if d[u] != zero:
                    for i in range(inputs.size):
                        total[i] += d[u] * w[inputs[i], u]
    for b in range(first, last):
        for i in range(start[b], start[b + 1]):
            tile, u = index[i] // lanes_below, index[i] % lanes_below
            dx[tile, b, u] = gradient[i - start[first]] * gate[tile, u]


@compiled
def unit_gradients(first, last, dy, y, bias_gradient, gate_gradient):
    """Sum over samples: dy, for the bias, and dy * y, which is the gate times the gate's gradient."""
    for tile in range(first, last):
        bias_gradient[tile, :] = 0
        gate_gradient[tile, :] = 0
        for b in range(dy.shape[1]):
            for u in range(dy.shape[2]):
                bias_gradient[tile, u] += dy[tile, b, u]
                gate_gradient[tile, u] += dy[tile, b, u] * y[tile, b, u]


@compiled
def adam(theta, m, v, g, mask, a):
    """Take an Adam step on one row, then mask it. a: the `adam_constants` of the step, in the row's own precision."""
    zero = theta.dtype.type(0)
    for u in range(theta.size):
        m[u] = a[0] * m[u] + a[1] * g[u]
        v[u] = a[2] * v[u] + a[3] * g[u] * g[u]
        moved = theta[u] - a[4] * m[u] / (math.sqrt(v[u]) * a[5] + a[6])
        theta[u] = moved if mask[u] else zero


@compiled
def adam_consolidated(theta, m, v, g, mask, a, s, path, importance, anchor):
    """Adam as above with Synaptic Intelligence (method 5).

    s: 2 * strength, or 0 before the first penalised task; and 1 where the total gradient is integrated, else 0.
    """
    zero = theta.dtype.type(0)
    for u in range(theta.size):
        penalty = s[0] * importance[u] * (theta[u] - anchor[u])
        total = g[u] + penalty
        m[u] = a[0] * m[u] + a[1] * total
        v[u] = a[2] * v[u] + a[3] * total * total
        moved = theta[u] - a[4] * m[u] / (math.sqrt(v[u]) * a[5] + a[6])
        moved = moved if mask[u] else zero
        path[u] -= (g[u] + s[1] * penalty) * (moved - theta[u])
        theta[u] = moved


def adam_constants(learning_rate: float, betas: list[float], epsilon: float, step: int, dtype: np.dtype) -> np.ndarray:
    """What Adam needs at a step, counted from 1.

    Returns: beta1, 1 - beta1, beta2, 1 - beta2, step size, 1 / sqrt(bias correction 2), epsilon.
    """
    beta1, beta2 = betas
    size, scale = learning_rate / (1 - beta1**step), 1 / math.sqrt(1 - beta2**step)
    return np.array([beta1, 1 - beta1, beta2, 1 - beta2, size, scale, epsilon], dtype)


@compiled
def update(
    first, last, rows, theta, m, v, mask, dy, black, bias_gradient, start, sample, value, gradient, a, s, si, base
):
    """Take a step of one layer, tiles first to last: gradient, Adam, mask and consolidation in one pass over memory.

    theta[tile, j] are the weights from input j; the last row, theta[tile, I], is the bias. Of the others the first
    `rows` can move. The gradient of row j is the sum over the samples in which input j is not zero of
    value * dy[tile, b], plus black * bias_gradient, since pixels enter as their difference from black. It never
    leaves the cache. Where a matrix product has made it already, it is `gradient`, (T, I, L), and the lists are
    empty; else `gradient` is (0, ...).
    si: (path, importance, anchor), (3, T, I + 1, L), or (0, ...) without consolidation.
    base[tile] becomes what the next forward pass starts from: the bias plus black times the sum of the other rows.
    """
    lanes, bias = theta.shape[2], theta.shape[1] - 1
    g, total = np.empty(lanes, theta.dtype), np.empty(lanes, theta.dtype)
    for tile in range(first, last):
        total[:] = 0
        for r in range(rows + 1):
            j = r if r < rows else bias
            row = theta[tile, j]
            if j == bias:
                g[:] = bias_gradient[tile]
            elif gradient.shape[0]:
                g[:] = gradient[tile, j]
            else:
                for u in range(lanes):
                    g[u] = black * bias_gradient[tile, u]
                add_samples(g, dy[tile], sample[start[j] : start[j + 1]], value[start[j] : start[j + 1]])
            if si.shape[0]:
                path, importance, anchor = si[0, tile, j], si[1, tile, j], si[2, tile, j]
                adam_consolidated(row, m[tile, j], v[tile, j], g, mask[tile, j], a, s, path, importance, anchor)
            else:
                adam(row, m[tile, j], v[tile, j], g, mask[tile, j], a)
            if black != 0 and j < bias:
                for u in range(lanes):
                    total[u] += row[u]
        for u in range(lanes):
            base[tile, u] = theta[tile, bias, u] + black * total[u]


@compiled
def add_samples(g, dy, sample, value):
    """g += the sum over the samples of value * dy[sample], four at a time, so that g is read a quarter as often."""
    i = 0
    while i + 4 <= sample.size:
        d0, d1, d2, d3 = dy[sample[i]], dy[sample[i + 1]], dy[sample[i + 2]], dy[sample[i + 3]]
        v0, v1, v2, v3 = value[i], value[i + 1], value[i + 2], value[i + 3]
        for u in range(g.size):
            g[u] += v0 * d0[u] + v1 * d1[u] + v2 * d2[u] + v3 * d3[u]
        i += 4
    while i < sample.size:
        d0, v0 = dy[sample[i]], value[i]
        for u in range(g.size):
            g[u] += v0 * d0[u]
        i += 1


@compiled
def find_exchanges(index, num_activated, units):
    """Which units must change positions for the first ones to be those that are activated or among `index`.

    Returns: how many those are, and the pairs of positions to exchange, (N, 2).
    """
    won = np.zeros(units, np.bool_)
    for i in range(index.size):
        won[index[i]] = True
    now = num_activated
    for u in range(num_activated, units):
        now += won[u]
    pairs = np.empty((now - num_activated, 2), np.int64)
    n, free = 0, num_activated
    for u in range(now, units):
        if won[u]:
            while won[free]:
                free += 1
            pairs[n, 0], pairs[n, 1] = free, u
            n, free = n + 1, free + 1
    return now, pairs[:n]


@compiled
def exchange_columns(first, last, weight, pairs):
    """Exchange units in weight[tile, row, lane], for the rows first to last."""
    lanes = weight.shape[2]
    for j in range(first, last):
        for n in range(pairs.shape[0]):
            a, b = pairs[n]
            row_a, row_b = weight[a // lanes, j], weight[b // lanes, j]
            row_a[a % lanes], row_b[b % lanes] = row_b[b % lanes], row_a[a % lanes]


@compiled
def exchange_rows(first, last, weight, pairs):
    """Exchange inputs in weight[tile, row, lane], for the tiles first to last."""
    for tile in range(first, last):
        for n in range(pairs.shape[0]):
            row_a, row_b = weight[tile, pairs[n, 0]], weight[tile, pairs[n, 1]]
            for u in range(weight.shape[2]):
                row_a[u], row_b[u] = row_b[u], row_a[u]


@compiled
def renumber(index, position):
    """index = position[index]."""
    for i in range(index.size):
        index[i] = position[index[i]]
