"""The way forward: responses, winners, loss. Compiled once and cached; each loop works on a range of its own.

A kernel calls no kernel of another file, since the cache of one does not notice changes in another; for the same reason
each file has a `compiled` of its own.

Weights are kept in tiles, W[tile, input, lane]: unit = tile * lanes + lane. A tile of all inputs fits a core's
second-level cache, each sample then touches only the rows of its non-zero inputs, and the loop over lanes is
contiguous. Activity is dense in tiles, y[tile, sample, lane], and sparse by sample (CSR: `start`, `index`, `value`)
or by unit (CSC, the same transposed). `lanes` pads the last tile; padded weights are masked and never win.

Letters: B samples, I inputs, T tiles, L lanes.
"""

import math

import numpy as np

from active_dendrites.learners.sparse.kernel_cache import cached

# Without fastmath: each operation as it is written. With it, the process that compiled a kernel and those that loaded
# it gave other last digits. Sums along a contiguous axis are written out side by side instead (`extremes`, `dot`).
compiled = cached(nogil=True, fastmath=False, boundscheck=False, error_model="numpy")


@compiled
def respond(first, last, weight, base, start, index, value, y):
    """y[tile, b] = base[tile] + sum over the non-zero inputs j of b: value * weight[tile, j], for tiles first to last.

    Four inputs share one pass over the lanes, so that y is read and written a quarter as often.
    """
    lanes = weight.shape[2]
    for tile in range(first, last):
        w = weight[tile]
        for b in range(y.shape[1]):
            out = y[tile, b]
            for u in range(lanes):
                out[u] = base[tile, u]
            i, end = start[b], start[b + 1]
            while i + 4 <= end:
                w0, w1, w2, w3 = w[index[i]], w[index[i + 1]], w[index[i + 2]], w[index[i + 3]]
                v0, v1, v2, v3 = value[i], value[i + 1], value[i + 2], value[i + 3]
                for u in range(lanes):
                    out[u] += v0 * w0[u] + v1 * w1[u] + v2 * w2[u] + v3 * w3[u]
                i += 4
            while i < end:
                w0, v0 = w[index[i]], value[i]
                for u in range(lanes):
                    out[u] += v0 * w0[u]
                i += 1


@compiled
def kth_largest(x, k, left):
    """The k-th largest of x: halve an interval that holds it until few values are left, then sort those in `left`."""
    half = x.dtype.type(0.5)
    low, high = extremes(x)
    above = count_from(x, high)  # always: fewer than k values >= high, at least k values >= low
    if above >= k:
        return high
    at_least = x.size
    while at_least - above > 24:
        middle = low + half * (high - low)
        if not low < middle < high:
            break
        count = count_from(x, middle)
        if count >= k:
            low, at_least = middle, count
        else:
            high, above = middle, count
    n = 0
    for u in range(x.size):
        left[n] = x[u]  # the last stays only if it counts: no branch to mispredict
        n += (x[u] >= low) & (x[u] < high)
    return np.sort(left[:n])[n - (k - above)] if n >= k - above else low  # fewer only if there are NaNs


@compiled
def extremes(x):
    """The smallest and the largest of x; 64 of each side by side, which the processor takes 16 at a time."""
    low, high = np.empty(64, x.dtype), np.empty(64, x.dtype)
    low[:], high[:] = x[0], x[0]
    multiple = x.size - x.size % 64
    for i in range(0, multiple, 64):
        for u in range(64):
            value = x[i + u]
            low[u] = value if value < low[u] else low[u]
            high[u] = value if value > high[u] else high[u]
    for i in range(multiple, x.size):
        low[0], high[0] = min(low[0], x[i]), max(high[0], x[i])
    for u in range(64):
        low[0], high[0] = min(low[0], low[u]), max(high[0], high[u])
    return low[0], high[0]


@compiled
def count_from(x, threshold):
    """How many entries of x are at or above the threshold."""
    count = np.int32(0)
    for u in range(x.size):
        count += np.int32(x[u] >= threshold)
    return count


@compiled
def gate_units(y, b, gate, h):
    """Write the responses of sample b, y (T, B, L), times their gates, (T, L), to h, (units,)."""
    lanes = y.shape[2]
    for tile in range(y.shape[0]):
        offset = tile * lanes
        for u in range(min(lanes, h.size - offset)):
            h[offset + u] = y[tile, b, u] * gate[tile, u]


@compiled
def select_winners(first, last, y, gates, context_of, units, k, count, index, value):
    """Gate, then list each sample's winners, for samples first to last: count (B,), index and value (B, units).

    gates: (contexts, T, L); context_of: the context of each sample. Ties at the threshold all win.
    """
    h, left = np.empty(units, y.dtype), np.empty(units, y.dtype)
    for b in range(first, last):
        gate_units(y, b, gates[context_of[b]], h)
        threshold = kth_largest(h, k, left)
        n = 0
        for u in range(units):
            index[b, n], value[b, n] = u, h[u]  # the last stays only if it wins: no branch to mispredict
            n += h[u] >= threshold
        count[b] = n


@compiled
def rectify(first, last, y, gates, context_of, x):
    """Gate, then ReLU, for samples first to last; x: (B, units)."""
    zero = y.dtype.type(0)
    for b in range(first, last):
        gate_units(y, b, gates[context_of[b]], x[b])
        for u in range(x.shape[1]):
            x[b, u] = max(x[b, u], zero)


@compiled
def keep_winners(first, last, y, gates, context_of, k, x):
    """Gate, then k-winners, for samples first to last; x: (B, units). Ties at the threshold all win."""
    h, left = np.empty(x.shape[1], y.dtype), np.empty(x.shape[1], y.dtype)
    zero = y.dtype.type(0)
    for b in range(first, last):
        gate_units(y, b, gates[context_of[b]], h)
        threshold = kth_largest(h, k, left)
        for u in range(x.shape[1]):
            x[b, u] = h[u] if h[u] >= threshold else zero


@compiled
def pack(count, index, value, start, packed_index, packed_value):
    """Put rows of different lengths, (B, units), one after the other: CSR."""
    n = 0
    for b in range(count.size):
        start[b] = n
        for i in range(count[b]):
            packed_index[n], packed_value[n] = index[b, i], value[b, i]
            n += 1
    start[count.size] = n


@compiled
def transpose(start, index, value, column_start, sample, column_value):
    """Turn CSR into CSC: for each unit, list the samples in which it is not zero, in order."""
    column_start[:] = 0
    n = start[start.size - 1]
    for i in range(n):
        column_start[index[i] + 1] += 1
    for j in range(1, column_start.size):
        column_start[j] += column_start[j - 1]
    free = column_start[:-1].copy()
    for b in range(start.size - 1):
        for i in range(start[b], start[b + 1]):
            to = free[index[i]]
            sample[to], column_value[to] = b, value[i]
            free[index[i]] += 1


@compiled
def list_pixels(images, start, pixel, byte):
    """List the pixels of each image, (N, P) bytes, that are not black, one image after the other."""
    n = 0
    for image in range(images.shape[0]):
        start[image] = n
        for p in range(images.shape[1]):
            if images[image, p]:
                pixel[n], byte[n] = p, images[image, p]
                n += 1
    start[images.shape[0]] = n


@compiled
def gather_pixels(rows, image_start, pixel, byte, position, scale, start, index, value):
    """List the non-black pixels of the images `rows`, each at its position in the task, as CSR."""
    n = 0
    for b in range(rows.size):
        start[b] = n
        for i in range(image_start[rows[b]], image_start[rows[b] + 1]):
            index[n], value[n] = position[pixel[i]], scale * byte[i]
            n += 1
    start[rows.size] = n


@compiled
def cross_entropy(logits, labels, classes, dlogits):
    """Mean loss of the batch and its gradient; logits, dlogits: (1, B, L), lanes from `classes` on are padding."""
    total = 0.0
    batch = labels.size
    for b in range(batch):
        z = logits[0, b]
        top = z[0]
        for c in range(1, classes):
            top = max(top, z[c])
        norm = 0.0
        for c in range(classes):
            norm += math.exp(z[c] - top)
        total += math.log(norm) + top - z[labels[b]]
        for c in range(classes):
            dlogits[0, b, c] = (math.exp(z[c] - top) / norm - (c == labels[b])) / batch
    return total / batch


@compiled
def count_correct(logits, labels, classes):
    """How many samples have their largest logit at the label; the first of equal ones counts."""
    correct = 0
    for b in range(labels.size):
        best = 0
        for c in range(1, classes):
            if logits[0, b, c] > logits[0, b, best]:
                best = c
        correct += best == labels[b]
    return correct
