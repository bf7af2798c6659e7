"""The kernels at their edges, against sorting and plain loops."""

import ast
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from active_dendrites.learners.sparse import kernel_cache
from active_dendrites.learners.sparse.kernels import forward as kernels
from active_dendrites.learners.sparse.kernels.segments import advance_segments
from active_dendrites.learners.sparse.kernels.update import adam_constants, exchange_columns, find_exchanges


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=120), st.data())
def test_kth_largest_with_many_ties(values: list[int], data) -> None:
    k = data.draw(st.integers(1, len(values)))
    x = np.array(values, np.float64)
    assert kernels.kth_largest(x, k, np.empty_like(x)) == np.sort(x)[-k]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 2, 102, 1843, 2047, 2048])
def test_kth_largest_of_a_whole_layer(k: int, dtype: type) -> None:
    for seed in range(20):
        x = np.random.default_rng(seed).standard_normal(2048).astype(dtype)
        x[:: seed + 2] = 0.5
        assert kernels.kth_largest(x, k, np.empty_like(x)) == np.sort(x)[-k]


def test_ties_at_the_threshold_all_stay() -> None:
    y = np.array([[[3.0, 1.0, 2.0, 2.0], [-1.0, -4.0, -2.0, -3.0]]])  # two samples, one tile
    gates = np.ones((1, 1, 4))
    count, index, value = np.zeros(2, np.int32), np.empty((2, 4), np.int32), np.empty((2, 4))
    kernels.select_winners(0, 2, y, gates, np.zeros(2, np.int64), 4, 2, count, index, value)
    assert count.tolist() == [3, 2]
    assert index[0, :3].tolist() == [0, 2, 3]
    assert value[1, :2].tolist() == [-1.0, -2.0]  # negative winners pass


def test_first_of_equally_strong_segments_wins() -> None:
    """Unit 0 is at a tie of segments 1 and 2 (opposite signs); unit 1 at a tie of 0 and 2."""
    segments = np.array([[[0.0], [2.0], [-2.0]], [[-1.0], [0.5], [1.0]]])
    responses = segments[:, :, 0].copy()
    winner, slot = np.array([2, 2]), np.zeros((2, 3), np.int32)
    active, num_active = np.full((2, 3), 2, np.int32), np.ones(2, np.int32)
    moments = np.zeros((1, 1)), np.zeros((1, 1))
    a = adam_constants(0.1, [0.9, 0.999], 1e-8, 1, np.float64)
    history = active, num_active, np.ones((2, 3), np.int64), 1, 400
    advance_segments(0, 2, segments, np.ones(1), responses, winner, np.zeros(2), slot, *moments, *history, a)
    assert winner.tolist() == [1, 0]


def test_transpose_lists_the_same_entries_by_unit() -> None:
    draws = np.random.default_rng(3)
    dense = draws.standard_normal((7, 11)) * (draws.random((7, 11)) < 0.4)
    start = np.concatenate([[0], np.cumsum((dense != 0).sum(1))]).astype(np.int32)
    index, value = np.nonzero(dense)[1].astype(np.int32), dense[dense != 0]
    columns = np.zeros(12, np.int32), np.empty(len(index), np.int32), np.empty(len(index))
    kernels.transpose(start, index, value, *columns)
    back = np.zeros_like(dense)
    for unit in range(11):
        for i in range(columns[0][unit], columns[0][unit + 1]):
            back[columns[1][i], unit] = columns[2][i]
    assert np.array_equal(back, dense)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 70), st.data())
def test_winners_come_first_and_activated_units_stay(units: int, data) -> None:
    activated = data.draw(st.integers(0, units))
    winners = data.draw(st.lists(st.integers(0, units - 1), max_size=units))
    now, pairs = find_exchanges(np.array(winners, np.int32), activated, units)
    weight = np.arange(units, dtype=np.float64)[None, None]  # each position holds the name of its unit
    exchange_columns(0, 1, weight, pairs)
    assert set(weight[0, 0, :now]) == {*range(activated), *winners}
    assert sorted(weight[0, 0]) == list(range(units))
    assert len({*pairs.flat}) == pairs.size and pairs.min(initial=activated) >= activated


@pytest.mark.parametrize("path", sorted(Path(kernels.__file__).parent.glob("[!_]*.py")), ids=lambda path: path.stem)
def test_a_kernel_calls_none_of_another_file(path: Path) -> None:
    """Numba's cache of a file does not notice changes in another."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    named = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert plain | named <= {"math", "numpy", "os", kernel_cache.__name__}  # which has no kernel
