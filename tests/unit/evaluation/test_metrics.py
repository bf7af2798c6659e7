"""The metrics of continual learning, of subnetworks and over seeds, against values by hand and plain loops."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import braycurtis

from active_dendrites.evaluation.metrics import (
    average_accuracy,
    backward_transfer,
    chance_overlap,
    continual_metrics,
    forgetting,
    learning_accuracy,
    subnetwork_overlap,
    summarise,
)

NA = np.nan  # not measured
MATRIX = np.array([[0.6, NA, NA], [0.8, 0.7, NA], [0.5, 0.6, 1.0]])
SPARSE = np.array([[0.6, NA, NA, NA], [NA, 0.7, NA, NA], [0.9, 0.5, 0.8, NA], [0.5, 0.6, 0.4, 1.0]])
ACTIVITY = np.array([[1, 0.5, 0, 0], [0, 0.5, 1, 0.5]], dtype=np.float32)
FRACTIONS = st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(0, 1, allow_subnormal=False)  # often equal ones


def test_average_accuracy_is_the_mean_of_the_last_row() -> None:
    assert average_accuracy(MATRIX) == pytest.approx(0.7)
    with pytest.raises(ValueError, match="after the last task: 1 of 3 tasks missing"):
        average_accuracy(np.array([[1, 1, 1], [1, 1, 1], [1, NA, 1]]))


def test_learning_accuracy_is_the_mean_of_the_diagonal() -> None:
    assert learning_accuracy(MATRIX) == pytest.approx((0.6 + 0.7 + 1.0) / 3)
    assert learning_accuracy(SPARSE) == pytest.approx((0.6 + 0.7 + 0.8 + 1.0) / 4)


def test_backward_transfer_compares_the_last_row_with_the_diagonal() -> None:
    assert backward_transfer(MATRIX) == pytest.approx((-0.1 - 0.1) / 2)
    assert backward_transfer(SPARSE) == pytest.approx((-0.1 - 0.1 - 0.4) / 3)
    assert backward_transfer(np.array([[0.5, NA], [0.9, 0.8]])) == pytest.approx(0.4)


def test_forgetting_is_the_fall_from_the_best_before_the_last() -> None:
    assert forgetting(MATRIX) == pytest.approx((0.3 + 0.1) / 2)  # task 1 was at its best after task 2
    assert forgetting(SPARSE) == pytest.approx((0.4 + 0.1 + 0.4) / 3)
    assert forgetting(np.array([[0.6, NA, NA], [NA, 0.7, NA], [0.5, 0.6, 1.0]])) == pytest.approx((0.1 + 0.1) / 2)
    assert forgetting(np.array([[0.5, NA], [0.9, 0.8]])) == pytest.approx(-0.4)


def test_a_single_task_cannot_be_forgotten() -> None:
    found = continual_metrics(np.array([[0.9]]))
    assert (found["average_accuracy"], found["learning_accuracy"]) == (0.9, 0.9)
    assert np.isnan([found["forgetting"], found["backward_transfer"]]).all()


def test_all_metrics_by_name() -> None:
    assert continual_metrics(MATRIX) == {
        "average_accuracy": average_accuracy(MATRIX),
        "forgetting": forgetting(MATRIX),
        "backward_transfer": backward_transfer(MATRIX),
        "learning_accuracy": learning_accuracy(MATRIX),
    }


@pytest.mark.parametrize("metric", [learning_accuracy, backward_transfer, forgetting])
def test_a_task_not_tested_right_after_learning_is_an_error(metric) -> None:
    with pytest.raises(ValueError, match="right after learning: 1 of 3 tasks missing"):
        metric(np.array([[NA, NA, NA], [0.8, 0.7, NA], [0.5, 0.6, 1.0]]))


@pytest.mark.parametrize("metric", [backward_transfer, forgetting])
def test_a_task_not_tested_after_the_last_is_an_error(metric) -> None:
    with pytest.raises(ValueError, match="after the last task: 2 of 3 tasks missing"):
        metric(np.array([[0.6, NA, NA], [0.8, 0.7, NA], [NA, NA, 1.0]]))


def test_overlap_and_its_chance_by_hand() -> None:
    one, both, other = 1.5, (1.5 + 2.0) / 2, 2.0  # mean sizes
    np.testing.assert_allclose(subnetwork_overlap(ACTIVITY), [[1, 0.5 / both], [0.5 / both, 1]])
    # The smaller activity of two units, summed over all 16 pairs; by the 4 units of one task.
    expected = [[2.5 / 4 / one, 3.5 / 4 / both], [3.5 / 4 / both, 5.0 / 4 / other]]
    np.testing.assert_allclose(chance_overlap(ACTIVITY), expected)


def test_overlap_is_one_for_the_same_and_zero_for_disjoint_units() -> None:
    disjoint = np.array([[0.3, 0.9, 0, 0], [0, 0, 0.1, 1.0]])
    np.testing.assert_array_equal(subnetwork_overlap(disjoint), np.eye(2))
    np.testing.assert_allclose(subnetwork_overlap(np.full((2, 3), 0.2)), 1)
    np.testing.assert_allclose(chance_overlap(np.full((2, 3), 0.2)), 1)


@given(st.lists(st.lists(FRACTIONS, min_size=5, max_size=5), min_size=1, max_size=4).map(np.array))
def test_overlap_and_its_chance_equal_plain_loops(activity: np.ndarray) -> None:
    num_units = activity.shape[1]
    overlap, chance = subnetwork_overlap(activity), chance_overlap(activity)
    for (i, f), (j, g) in itertools.product(enumerate(activity), repeat=2):
        size = (f.sum() + g.sum()) / 2
        if size == 0:
            assert np.isnan([overlap[i, j], chance[i, j]]).all()
            continue
        assert overlap[i, j] == pytest.approx(sum(min(f[u], g[u]) for u in range(num_units)) / size)
        pairs = [min(f[u], g[v]) for u in range(num_units) for v in range(num_units)]
        assert chance[i, j] == pytest.approx(num_units * np.mean(pairs) / size)


def test_overlap_is_one_minus_the_bray_curtis_dissimilarity() -> None:
    activity = np.random.default_rng(1).random((2, 300))
    assert subnetwork_overlap(activity)[0, 1] == pytest.approx(1 - braycurtis(*activity))


@pytest.mark.parametrize("pair", [(0, 1), (1, 1)])
def test_chance_is_the_mean_overlap_over_all_arrangements_of_units(pair: tuple[int, int]) -> None:
    f, g = ACTIVITY[list(pair)]
    arranged = [np.stack([f, g[list(order)]]) for order in itertools.permutations(range(len(g)))]
    expected = np.mean([subnetwork_overlap(activity)[0, 1] for activity in arranged])
    assert chance_overlap(ACTIVITY)[pair] == pytest.approx(expected)


def test_summary_agrees_with_scipy() -> None:
    values = [0.941, 0.952, 0.947, 0.938, 0.955]
    found = summarise(values)
    assert (found.n, found.mean) == (5, pytest.approx(np.mean(values)))
    assert found.std == pytest.approx(np.std(values, ddof=1))
    expected = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected)


def test_one_seed_has_no_interval_and_none_is_an_error() -> None:
    assert np.isnan(summarise([0.5])[2:]).all()
    with pytest.raises(ValueError, match="expected one number per seed"):
        summarise([])
    with pytest.raises(ValueError, match="expected one number per seed"):
        summarise([0.5, float("nan")])
