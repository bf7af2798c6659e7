"""Online clustering: the statistic against SciPy, the shortcut against a plain scan, the update by hand."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from active_dendrites.learners.textbook import PlainClusters, plain_probability, plain_t2
from active_dendrites.models import clustering
from active_dendrites.models.clustering import OnlineClusters, critical_t2, rejecting_bound, two_sample_t2

Pair = tuple[np.ndarray, np.ndarray]

BLACK = -0.13062755 / 0.3081078  # a pixel that no image uses: not a number that sums up without rounding


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in a training; and threads of one test that wait for each other are slow beside other work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def random_pair(n1: int, n2: int, num_pixels: int, seed: int = 0) -> Pair:
    draws = np.random.default_rng(seed)
    mixing = draws.normal(size=(num_pixels, num_pixels))
    return draws.normal(size=(n1, num_pixels)) @ mixing, 0.3 + draws.normal(size=(n2, num_pixels)) @ mixing


def with_constant_pixels() -> Pair:
    x, y = random_pair(30, 41, 12)
    x[:, [2, 5]] = y[:, [2, 5]] = BLACK
    x[:, 7] = BLACK  # in one sample only
    return x, y


def with_duplicated_pixels() -> Pair:
    x, y = random_pair(30, 41, 12)
    x[:, 3], y[:, 3] = x[:, 4], y[:, 4]
    x[:, 9], y[:, 9] = 2 * x[:, 1] - x[:, 2], 2 * y[:, 1] - y[:, 2]
    return x, y


def with_constants_that_differ() -> Pair:
    x, y = random_pair(30, 41, 12)
    x[:, 6], y[:, 6] = BLACK, BLACK + 100
    return x, y


def with_equal_rows() -> Pair:
    return np.full((6, 5), 0.25), np.full((8, 5), 0.75)  # without rounding errors, which NumPy's variance would be


PAIRS: dict[str, Callable[[], Pair]] = {
    "random": lambda: random_pair(40, 40, 20),
    "sizes that differ": lambda: random_pair(17, 64, 20),
    "one pixel": lambda: random_pair(9, 5, 1),
    "far apart": lambda: (random_pair(40, 40, 8)[0], random_pair(40, 40, 8)[1] + 1000),
    "fewer rows than pixels": lambda: random_pair(6, 7, 30),
    "equal samples": lambda: (random_pair(20, 1, 9)[0],) * 2,
    "constant pixels": with_constant_pixels,
    "duplicated pixels": with_duplicated_pixels,
    "constants that differ": with_constants_that_differ,
    "equal rows": with_equal_rows,
}


@pytest.mark.parametrize("name", PAIRS)
def test_t2_is_what_scipy_finds(name: str) -> None:
    x, y = PAIRS[name]()
    assert two_sample_t2(x, y) == pytest.approx(plain_t2(x, y), rel=1e-9, abs=1e-20)


def test_t2_of_one_pixel_is_the_squared_t_of_a_t_test() -> None:
    x, y = random_pair(9, 5, 1)
    assert two_sample_t2(x, y) == pytest.approx(scipy.stats.ttest_ind(x[:, 0], y[:, 0]).statistic ** 2, rel=1e-12)


def test_what_does_not_vary_adds_nothing() -> None:
    """A direction outside the range of Sp, though the means differ along it: the pseudo-inverse is 0 there."""
    x, y = with_constants_that_differ()
    others = np.arange(x.shape[1]) != 6
    assert two_sample_t2(x, y) == pytest.approx(two_sample_t2(x[:, others], y[:, others]), rel=1e-12)
    for count in range(2, 40):  # the mean of some of these is not the value itself, if summed up
        assert two_sample_t2(np.full((count, 5), BLACK), np.full((8, 5), 0.7)) == 0


def test_critical_value_of_the_method() -> None:
    """Method 3.3; and the rule "P below the acceptance" in terms of T^2."""
    assert critical_t2(256, 256, 256, 0.9) == pytest.approx(601.2, abs=0.05)
    critical = critical_t2(40, 30, 20, 0.8)
    assert scipy.stats.f.cdf((40 + 30 - 20 - 1) / (20 * 68) * critical, 20, 49) == pytest.approx(0.8, rel=1e-12)


small_samples = st.integers(1, 5).flatmap(
    lambda m: st.tuples(*[arrays(np.int8, st.tuples(st.integers(2, 8), st.just(m)), elements=st.integers(-4, 4))] * 2)
)


@given(small_samples)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_bound_is_never_above_t2(pair: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = (rows.astype(np.float64) for rows in pair)
    assert rejecting_bound(x, y) <= two_sample_t2(x, y) * (1 + 1e-9) + 1e-9


def offset_pair(seed: int = 0) -> Pair:
    """Pixels 0 and 1 are equal in x but apart by a constant in y, so that d leaves the range of Sp."""
    x, y = random_pair(40, 40, 8, seed)
    x[:, 1], y[:, 1] = x[:, 0], y[:, 0] + 50
    y[:, :2] -= 25
    return x, y


def test_the_difference_of_the_means_itself_is_no_bound() -> None:
    """Why `rejecting_bound` projects on another direction than method 3.3."""
    x, y = offset_pair()
    difference = x.mean(0) - y.mean(0)
    pooled = (39 * np.cov(x, rowvar=False) + 39 * np.cov(y, rowvar=False)) / 78
    t2 = two_sample_t2(x, y)
    assert 20 * (difference @ difference) ** 2 / (difference @ pooled @ difference) > 10 * t2
    assert 0 < rejecting_bound(x, y) <= t2


def with_nearly_equal_pixels() -> Pair:
    """Their difference varies so little that the short way does not get there, and yet counts in T^2."""
    x, y = random_pair(40, 40, 8)
    wobble = np.random.default_rng(1).normal(size=80) * 2e-6
    x[:, 1], y[:, 1] = x[:, 0] + wobble[:40], y[:, 0] + wobble[40:] + 2e-6
    return x, y


HARD_PAIRS = PAIRS | {"outside the range": offset_pair, "nearly equal pixels": with_nearly_equal_pixels}


@pytest.mark.parametrize("pair", HARD_PAIRS.values(), ids=HARD_PAIRS)
def test_the_short_decision_is_that_of_t2(pair: Callable[[], Pair]) -> None:
    x, y = (clustering._sample(rows) for rows in pair())
    t2 = two_sample_t2(*pair())
    for factor in (0.5, 1 - 1e-4, 1 + 1e-4, 2):
        critical = t2 * factor if t2 > 1e-9 else factor
        assert clustering._t2_is_below(x, y, critical) == (t2 < critical)


def test_short_decision_needs_no_decomposition(monkeypatch) -> None:
    """Not on singular covariances, either, which those of images are: else nothing would be gained."""
    monkeypatch.setattr(clustering, "_t2", None)
    for pair in (with_constant_pixels, with_duplicated_pixels, with_constants_that_differ):
        t2 = plain_t2(*pair())
        x, y = (clustering._sample(rows) for rows in pair())
        assert clustering._t2_is_below(x, y, 1.01 * t2)
        assert not clustering._t2_is_below(x, y, 0.99 * t2)


def images(task: int, count: int, draws: torch.Generator, num_pixels: int = 24) -> Tensor:
    """Rows like images of a task: two patterns, pixels that are dark in all rows and pixels that are equal."""
    patterns = torch.rand(2, num_pixels, generator=torch.Generator().manual_seed(100 + task)) < 0.4
    lit = patterns[torch.randint(2, (count,), generator=draws)]
    lit = lit & (torch.rand(count, num_pixels, generator=draws) < 0.8)
    rows = BLACK + lit * torch.randint(1, 256, (count, num_pixels), generator=draws).double() / 80
    rows[:, 5] = BLACK
    rows[:, 11] = rows[:, 12]
    return rows


STREAMS = {
    "one after the other": [0] * 8 + [1] * 8 + [2] * 8,
    "come back": [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2, 3, 3],
    "shuffled": torch.randint(6, (60,), generator=torch.Generator().manual_seed(3)).tolist(),
}


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("acceptance", [0.9, 0.5])
@pytest.mark.parametrize("sizes", [[48], [48, 40, 64], [20]], ids=str)
def test_the_shortcut_changes_no_decision(stream: str, acceptance: float, sizes: list[int]) -> None:
    """A strict test finds several clusters for a task, so that decisions are close, too."""
    ours, plain = (
        kind(24, exemplars=48, acceptance=acceptance, draws=torch.Generator().manual_seed(9))
        for kind in (OnlineClusters, PlainClusters)
    )
    draws, found = torch.Generator().manual_seed(1), []
    for step, task in enumerate(STREAMS[stream]):
        batch = images(task, sizes[step % len(sizes)], draws)
        found.append(ours.assign(batch))
        assert found[-1] == plain.assign(batch)
    assert len(ours) == len(plain.counts) >= len(set(STREAMS[stream]))
    assert max(ours.counts) > max(sizes)  # some batches were accepted
    assert ours.counts == plain.counts
    assert torch.allclose(ours.means, torch.stack(plain.means), rtol=0, atol=1e-12)
    assert all(torch.equal(a, b) for a, b in zip(ours.exemplars, plain.exemplars, strict=True))


def test_streams_have_decisions_of_both_kinds_that_are_close() -> None:
    """What the test above compares is not only what any shortcut would get right."""
    draws = torch.Generator().manual_seed(1)
    same = [plain_probability(*(images(0, 48, draws).numpy() for _ in range(2))) for _ in range(40)]
    assert min(same) < 0.45
    assert max(same) > 0.55


def test_what_is_remembered_is_the_squared_t_along_a_direction() -> None:
    """At each step of a stream and for each cluster: by SciPy's t-test, and never above T^2."""
    clusters = OnlineClusters(24, exemplars=48, acceptance=0.9, draws=torch.Generator().manual_seed(9))
    draws, positive = torch.Generator().manual_seed(1), 0
    for step, task in enumerate(STREAMS["shuffled"]):
        batch = images(task, [48, 40, 64][step % 3], draws)
        bounds = clusters._bounds(clustering._sample(batch))
        for bound, kept, direction in zip(bounds, clusters.exemplars, clusters._directions, strict=True):
            assert bound <= two_sample_t2(kept, batch) * (1 + 1e-9)
            if direction.any():
                t = scipy.stats.ttest_ind(kept @ direction, batch @ direction).statistic
                assert bound == pytest.approx(t**2, rel=1e-9)
                positive += 1
            else:
                assert bound == 0
        clusters.assign(batch)
    assert positive > 100


def test_known_clusters_are_rejected_by_what_is_remembered(monkeypatch) -> None:
    """With 20 clusters, a batch of the last is tested against that one alone."""
    tested, original = [], clustering._t2_is_below
    monkeypatch.setattr(clustering, "_t2_is_below", lambda *pair: tested.append(1) or original(*pair))
    clusters = OnlineClusters(24, exemplars=48, acceptance=0.9, draws=torch.Generator().manual_seed(0))
    draws = torch.Generator().manual_seed(2)
    for task in range(20):
        for _ in range(3):
            clusters.assign(images(task, 48, draws))
    count, last = len(clusters), len(tested)
    assert count >= 20
    assert clusters.assign(images(19, 48, draws)) >= 19
    assert len(tested) - last <= count // 4


def test_updates_by_hand() -> None:
    """One pixel, batches of two rows, four exemplars at most."""
    draws = torch.Generator().manual_seed(4)
    clusters = OnlineClusters(1, exemplars=4, acceptance=0.9, draws=draws)
    assert clusters.assign(torch.tensor([[0.0], [2.0]])) == 0
    first = clusters.means
    assert first.tolist() == [[1.0]]
    assert clusters.assign(torch.tensor([[1.0], [3.0]])) == 0  # t^2 = 1 / (2 (1 / 2 + 1 / 2)) = 1 / 2
    assert clusters.means.tolist() == [[1.5]]  # (2 * 1 + 2 * 2) / 4
    assert first.tolist() == [[1.0]]  # what was handed out stays
    assert clusters.counts == [4]
    assert sorted(clusters.exemplars[0][:, 0].tolist()) == [0, 1, 2, 3]  # room for all of them
    assert clusters.assign(torch.tensor([[500.0], [502.0]])) == 1
    assert clusters.means.tolist() == [[1.5], [501.0]]
    assert clusters.assign(torch.tensor([[0.0], [4.0], [0.5], [2.5]])) == 0
    assert clusters.means[0].item() == (4 * 1.5 + 4 * 1.75) / 8
    assert clusters.counts == [8, 2]
    kept = clusters.exemplars[0][:, 0].tolist()
    assert len(kept) == 4
    assert set(kept[:2]) <= {0, 1, 2, 3}  # half from the exemplars,
    assert set(kept[2:]) <= {0.0, 4.0, 0.5, 2.5}  # half from the batch,
    assert len(set(kept[2:])) == 2  # without replacement


def test_first_exemplars_are_the_first_rows() -> None:
    clusters = OnlineClusters(3, exemplars=5, acceptance=0.9, draws=torch.Generator())
    batch = torch.rand(8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = batch[:5].clone()
    clusters.assign(batch)
    batch.zero_()  # the caller's memory may be used again
    assert torch.equal(clusters.exemplars[0], expected)
    assert clusters.counts == [8]


def test_shares_are_whole_numbers_of_rows() -> None:
    """int(10 * 10 / 14) = 7 old rows and int(10 * 4 / 14) = 2 new ones: one fewer than before."""
    clusters = OnlineClusters(1, exemplars=10, acceptance=0.99, draws=torch.Generator())
    clusters.assign(np.arange(10.0)[:, None])
    assert clusters.assign(np.array([[0.5], [2.5], [7.5], [8.5]])) == 0
    kept = clusters.exemplars[0][:, 0] % 1
    assert kept.tolist() == [0] * 7 + [0.5] * 2


def test_draws_come_from_the_generator_alone() -> None:
    def exemplars(seed: int) -> Tensor:
        clusters = OnlineClusters(24, exemplars=48, acceptance=0.99, draws=torch.Generator().manual_seed(seed))
        draws = torch.Generator().manual_seed(5)
        for _ in range(4):
            assert clusters.assign(images(0, 48, draws)) == 0
        return clusters.exemplars[0]

    torch.manual_seed(1)
    once = exemplars(1)
    torch.manual_seed(2)
    assert torch.equal(once, exemplars(1))
    assert not torch.equal(once, exemplars(2))


def test_threads_change_no_bit_of_what_is_found() -> None:
    def run(threads: int) -> OnlineClusters:
        torch.set_num_threads(threads)
        clusters = OnlineClusters(300, exemplars=256, acceptance=0.9, draws=torch.Generator().manual_seed(3))
        draws = torch.Generator().manual_seed(6)
        for task in (0, 0, 1, 1, 0):
            clusters.assign(images(task, 256, draws, num_pixels=300))
        return clusters

    one, two = run(1), run(2)
    assert one.counts == two.counts
    assert torch.equal(one.means, two.means)
    assert all(torch.equal(a, b) for a, b in zip(one.exemplars, two.exemplars, strict=True))


def test_samples_that_are_too_small_are_refused() -> None:
    """Before anything is kept; 256 and 256 rows do for 510 pixels, as in the method."""
    assert critical_t2(256, 256, 510, 0.9) > 0
    with pytest.raises(
        ValueError, match=r"found 511 pixels to compare 256 exemplars with a batch of 256, expected at most 510 pixels"
    ):
        critical_t2(256, 256, 511, 0.9)
    clusters = OnlineClusters(20, exemplars=8, acceptance=0.9, draws=torch.Generator())
    with pytest.raises(ValueError, match=r"found 20 pixels to compare 8 exemplars with a batch of 10, .* at most 16 "):
        clusters.assign(torch.rand(10, 20))
    assert len(clusters) == 0


@pytest.mark.parametrize("acceptance", [0, 1, -0.5])
def test_an_impossible_acceptance_is_refused(acceptance: float) -> None:
    with pytest.raises(ValueError, match=f"acceptance: found {acceptance}, expected a number between 0 and 1"):
        critical_t2(10, 10, 3, acceptance)


def test_a_batch_of_other_pixels_is_refused() -> None:
    clusters = OnlineClusters(20, exemplars=20, acceptance=0.9, draws=torch.Generator())
    with pytest.raises(ValueError, match=r"found a batch of shape \(30, 19\), expected \(B, 20\)"):
        clusters.assign(torch.rand(30, 19))
