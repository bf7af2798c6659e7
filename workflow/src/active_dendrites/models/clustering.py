"""Prototypes inferred while training: a batch joins the first cluster that it could come from. Source: method 3.3.

"Could" is Hotelling's two-sample test. Most clusters are refused without it, by a bound that T^2 is never below, and
of the others T^2 is computed only as closely as the decision needs; neither changes a decision. Everything is float64
on the CPU. The number of threads may move T^2 in its last digits, by the order in which products add up: a batch could
be decided otherwise only with T^2 that close to its critical value.

Letters: B rows of a batch, J clusters, m pixels, n1 and n2 rows of two samples, d difference of their means,
S = (n1 + n2 - 2) Sp their pooled scatter, Sp their pooled covariance.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from active_dendrites.models.saving import State
from active_dendrites.settings.yaml_files import fault_line

Rows = Tensor | NDArray[Any]

# Eigenvalues of Sp below this fraction of the largest count as zero. Source: method 3.3.
CUT_OFF = 1e-15

# What is computed in a shorter way decides only where it is further than this from the critical value, relatively.
ROUNDING = 1e-6


class Sample(NamedTuple):
    """Rows, seen from their mean."""

    mean: Tensor  # (m,)
    centred: Tensor  # (n, m), exactly 0 where a pixel is constant


def two_sample_t2(x: Rows, y: Rows) -> float:
    """Hotelling's T^2 = n1 n2 / (n1 + n2) d' pinv(Sp) d. Source: method 3.3.

    Sp is not formed: its eigenvalues are the squared singular values of the centred rows, whose rounding errors lie
    far below the cut-off, which those of Sp do not. A direction without variance adds nothing to T^2, not even where
    the means differ along it, so that samples without any variance have T^2 = 0.

    Args:
        x, y: (n1, m) and (n2, m).
    """
    return _t2(_sample(x), _sample(y))


def rejecting_bound(x: Rows, y: Rows) -> float:
    """What `two_sample_t2` is never below: the squared t of both samples, projected on one direction w.

    For w in the range of Sp, w'd is the product of Sp^(1/2) w and pinv(Sp)^(1/2) d, and Cauchy-Schwarz gives
    (w'd)^2 / (w' Sp w) <= d' pinv(Sp) d. Method 3.3 takes w = d, which need not lie in that range: pixels 1 and 2
    equal in x, but apart by a constant in y, vary only together. A w from the range of x's own scatter does.

    Args:
        x, y: (n1, m) and (n2, m).
    """
    one, other = _sample(x), _sample(y)
    direction = _direction(one, other.mean)[None]  # (1, m)
    spread, scale = (one.centred @ direction.T).square().sum(0), _scale(len(one.centred), other)
    return _squared_t(direction, spread, (one.mean - other.mean)[None], other.centred, scale).item()


@lru_cache
def critical_t2(n1: int, n2: int, num_pixels: int, acceptance: float) -> float:
    """The T^2 at which the distribution function of F reaches `acceptance`: P < acceptance is T^2 below this.

    F = (n1 + n2 - m - 1) / (m (n1 + n2 - 2)) T^2, with m and n1 + n2 - m - 1 degrees of freedom. Source: method 3.3.

    Raises: ValueError if the samples are too small for so many pixels, or acceptance is not between 0 and 1.
    """
    from scipy.special import fdtri  # here, because few trainings need it and all would wait for it

    freedom = n1 + n2 - num_pixels - 1
    if freedom < 1:
        found = f"{num_pixels} pixels to compare {n1} exemplars with a batch of {n2}"
        raise ValueError(fault_line("clustering", "", f"at most {n1 + n2 - 2} pixels", found=found))
    if not 0 < acceptance < 1:
        raise ValueError(fault_line("clustering", "acceptance", "a number between 0 and 1", value=acceptance))
    return num_pixels * (n1 + n2 - 2) / freedom * float(fdtri(num_pixels, freedom, acceptance))


class OnlineClusters:
    """Clusters of batches, in the order in which they began. Source: method 3.3.

    Args:
        num_pixels: m, of each row.
        exemplars: how many rows of a cluster a batch is compared with, at most.
        acceptance: a batch joins where P, the distribution function of F at its statistic, is below this.
        draws: what chooses the exemplars.

    `means` is (J, m), of all rows a cluster was given; `counts` how many those were; `exemplars` the rows kept of each.
    Tensors handed out are never changed afterwards.
    """

    def __init__(self, num_pixels: int, exemplars: int, acceptance: float, draws: torch.Generator) -> None:
        self.num_pixels = num_pixels
        self.most_exemplars = exemplars
        self.acceptance = acceptance
        self.draws = draws
        self.means = torch.zeros(0, num_pixels, dtype=torch.float64)
        self.counts: list[int] = []
        self.exemplars: list[Tensor] = []  # (at most most_exemplars, m) each
        # Of the exemplars: their mean, a direction that separated them from a batch (0 if none had to yet), and their
        # scatter along it. Batches of a task differ little, so that the direction also separates them from the next.
        self._centres = torch.zeros_like(self.means)
        self._directions = torch.zeros_like(self.means)
        self._spreads = torch.zeros(0, dtype=torch.float64)

    def __len__(self) -> int:
        return len(self.counts)

    def snapshot(self) -> State:
        """All of it, as it is now."""
        return {
            "means": self.means,
            "counts": list(self.counts),
            "exemplars": list(self.exemplars),
            "centres": self._centres.clone(),
            "directions": self._directions.clone(),
            "spreads": self._spreads.clone(),
            "draws": self.draws.get_state(),
        }

    def restore(self, snapshot: State) -> None:
        """Take over a snapshot."""
        self.means = snapshot["means"]
        self.counts, self.exemplars = list(snapshot["counts"]), list(snapshot["exemplars"])
        self._centres, self._directions = snapshot["centres"], snapshot["directions"]
        self._spreads = snapshot["spreads"]
        self.draws.set_state(snapshot["draws"])

    def assign(self, batch: Rows) -> int:
        """Give the batch, (B, m), to the first cluster that accepts it, or else to a new one; returns its index.

        Raises: ValueError if it has another number of pixels, or too few rows for the test.
        """
        rows = torch.as_tensor(batch, dtype=torch.float64, device="cpu")
        if rows.ndim != 2 or rows.shape[1] != self.num_pixels:
            found = f"a batch of shape {tuple(rows.shape)}"
            raise ValueError(fault_line("clustering", "", f"(B, {self.num_pixels})", found=found))
        self._critical(min(len(rows), self.most_exemplars), len(rows))  # refuses a first batch, too
        sample = _sample(rows)
        index = self._first_accepting(sample)
        if index is None:
            self._add(rows, sample)
            return len(self) - 1
        self._join(index, rows, sample)
        return index

    def _critical(self, n1: int, n2: int) -> float:
        return critical_t2(n1, n2, self.num_pixels, self.acceptance)

    def _first_accepting(self, batch: Sample) -> int | None:
        """The index of the first cluster that accepts the batch."""
        num_rows = len(batch.centred)
        critical = [self._critical(len(kept), num_rows) for kept in self.exemplars]
        for index, bound in enumerate(self._bounds(batch)):
            if bound > critical[index] * (1 + ROUNDING):
                continue
            cluster = _sample(self.exemplars[index])
            if _t2_is_below(cluster, batch, critical[index]):
                return index
            self._directions[index] = _direction(cluster, batch.mean)
            self._spreads[index] = (cluster.centred @ self._directions[index]).square().sum()
        return None

    def _bounds(self, batch: Sample) -> list[float]:
        """What T^2 of each cluster and the batch is not below, by the remembered directions: see `rejecting_bound`."""
        scale = torch.tensor([_scale(len(kept), batch) for kept in self.exemplars], dtype=torch.float64)
        return _squared_t(
            self._directions, self._spreads, self._centres - batch.mean, batch.centred, scale
        ).tolist()  # (J,)

    def _add(self, rows: Tensor, batch: Sample) -> None:
        exemplars = rows[: self.most_exemplars].clone()
        self.exemplars.append(exemplars)
        self.counts.append(len(rows))
        self.means = torch.cat([self.means, batch.mean[None]])
        self._centres = torch.cat([self._centres, _sample(exemplars).mean[None]])
        self._directions = torch.cat([self._directions, torch.zeros_like(batch.mean)[None]])
        self._spreads = torch.cat([self._spreads, self._spreads.new_zeros(1)])

    def _join(self, index: int, rows: Tensor, batch: Sample) -> None:
        """Move the cluster's mean, and replace exemplars in proportion to the rows of each side."""
        count, num_rows = self.counts[index], len(rows)
        old = self.exemplars[index]
        mean = (count * self.means[index] + num_rows * batch.mean) / (count + num_rows)
        self.means = self.means.index_copy(0, torch.tensor([index]), mean[None])
        self.counts[index] = count + num_rows
        together = len(old) + num_rows
        # Fewer than the most only while a cluster is young, which the method's batches of 256 never are.
        wanted = min(self.most_exemplars, together)
        self.exemplars[index] = torch.cat(
            [self._choose(old, wanted * len(old) // together), self._choose(rows, wanted * num_rows // together)]
        )
        self._centres[index] = _sample(self.exemplars[index]).mean
        self._directions[index] = 0
        self._spreads[index] = 0

    def _choose(self, rows: Tensor, count: int) -> Tensor:
        return rows[torch.randperm(len(rows), generator=self.draws)[:count]]


def _sample(rows: Rows) -> Sample:
    rows = torch.as_tensor(rows, dtype=torch.float64, device="cpu")
    # Seen from the first row, a constant pixel has no variance at all, rather than one of rounding errors.
    moved = rows - rows[0]
    mean = moved.mean(0)
    return Sample(rows[0] + mean, moved - mean)


def _pooled(x: Sample, y: Sample) -> tuple[Tensor, Tensor]:
    """The centred rows of both, (n1 + n2, m), and d, but 0 at pixels that do not vary: these add nothing to T^2."""
    rows = torch.cat([x.centred, y.centred])
    return rows, (x.mean - y.mean) * rows.ne(0).any(0)


def _scale(n1: int, y: Sample) -> float:
    """T^2 in units of d' pinv(S) d."""
    n2 = len(y.centred)
    return n1 * n2 * (n1 + n2 - 2) / (n1 + n2)


def _t2(x: Sample, y: Sample) -> float:
    rows, difference = _pooled(x, y)
    _, lengths, axes = torch.linalg.svd(rows, full_matrices=False)  # (r,), (r, m)
    counted = lengths.square() > CUT_OFF * lengths[0].square()
    squared: float = ((axes @ difference)[counted] / lengths[counted]).square().sum().item()
    return _scale(len(x.centred), y) * squared


def _t2_is_below(x: Sample, y: Sample, critical: float) -> bool:
    """Whether `_t2` is below `critical`, as a rule without a decomposition of S, which is often singular.

    v <- v + (S + r)^-1 (d - S v), from 0, brings d'v to d' pinv(S) d. At each step the share of an eigenvector of
    S with eigenvalue a is what it was, times r / (a + r), less. So from the last gain follow limits of T^2: what is
    still to come is at most gain * r / a for the smallest a above the cut-off; and what came from below the cut-off,
    where a step gains about as much as the last, is at most twice the steps * gain.
    """
    rows, difference = _pooled(x, y)
    scatter = rows.T @ rows
    trace = scatter.trace()
    ridge = 100 * CUT_OFF * trace  # well above the rounding errors of S
    factor, failed = torch.linalg.cholesky_ex(scatter + ridge * torch.eye(len(scatter), dtype=scatter.dtype))
    if not failed:
        # The largest eigenvalue is at least the mean, trace / m, and the cut-off is relative to the largest.
        remainder = 100 * len(scatter)  # at least r / a
        scale, solution, t2 = _scale(len(x.centred), y), torch.zeros_like(difference), 0.0
        for steps in range(1, 9):
            move = torch.cholesky_solve((difference - scatter @ solution)[:, None], factor)[:, 0]
            solution += move
            gain = scale * torch.dot(difference, move).item()
            t2 += gain
            if t2 + gain * remainder < critical * (1 - ROUNDING):
                return True
            if t2 - 2 * steps * gain > critical * (1 + ROUNDING):
                return False
    return _t2(x, y) < critical


def _direction(x: Sample, mean: Tensor) -> Tensor:
    """(m,) in the range of x's scatter, near the difference of x's mean and `mean`, so that it separates them.

    S (S + r)^-1 d for the scatter of x alone is d without what lies outside the range. r is a hundredth of the mean
    eigenvalue: on MNIST its bound is 0.7 of that of d, and it needs no decomposition.
    """
    scatter = x.centred.T @ x.centred
    trace = scatter.trace()
    if trace == 0:
        return torch.zeros_like(mean)
    ridge = 0.01 * trace / len(mean) * torch.eye(len(mean), dtype=mean.dtype)
    factor = torch.linalg.cholesky(scatter + ridge)
    return scatter @ torch.cholesky_solve((x.mean - mean)[:, None], factor)[:, 0]


def _squared_t(directions: Tensor, spreads: Tensor, differences: Tensor, rows: Tensor, scale: Tensor | float) -> Tensor:
    """Squared t of J samples and one other, projected on a direction for each; 0 for a direction of 0.

    Args:
        directions: w, (J, m). spreads: w' S w of the J samples alone, (J,). differences: d, (J, m).
        rows: of the other sample, centred, (B, m). scale: see `_scale`, (J,).
    """
    spread = spreads + (rows @ directions.T).square().sum(0)  # (J,)
    along = (directions * differences).sum(1)
    return torch.where(spread > 0, scale * along.square() / spread, 0.0)
