"""Online clustering as method 3.3 writes it: a test of each cluster in turn, nothing remembered, nothing left out."""

import numpy as np
import scipy.linalg
import scipy.stats
import torch
from torch import Tensor


def plain_t2(x: np.ndarray, y: np.ndarray) -> float:
    """Hotelling's two-sample T^2, by NumPy's covariances and SciPy's pseudo-inverse of their pooled one."""
    n1, n2 = len(x), len(y)
    pooled = ((n1 - 1) * np.cov(x, rowvar=False) + (n2 - 1) * np.cov(y, rowvar=False)) / (n1 + n2 - 2)
    difference = x.mean(0) - y.mean(0)
    inverse = scipy.linalg.pinv(np.atleast_2d(pooled), rtol=1e-15)
    return n1 * n2 / (n1 + n2) * float(difference @ inverse @ difference)


def plain_probability(x: np.ndarray, y: np.ndarray) -> float:
    """P of method 3.3: the distribution function of F at the statistic."""
    n1, n2, m = len(x), len(y), x.shape[1]
    statistic = (n1 + n2 - m - 1) / (m * (n1 + n2 - 2)) * plain_t2(x, y)
    return float(scipy.stats.f.cdf(statistic, m, n1 + n2 - m - 1))


class PlainClusters:
    """Clusters of batches, with the arguments and the results of the library's."""

    def __init__(self, num_pixels: int, exemplars: int, acceptance: float, draws: torch.Generator) -> None:
        self.num_pixels, self.most_exemplars, self.acceptance, self.draws = num_pixels, exemplars, acceptance, draws
        self.means: list[Tensor] = []
        self.counts: list[int] = []
        self.exemplars: list[Tensor] = []

    def assign(self, batch: Tensor) -> int:
        size = len(batch)
        for index, kept in enumerate(self.exemplars):
            if plain_probability(kept.numpy(), batch.numpy()) < self.acceptance:
                count = self.counts[index]
                self.means[index] = (count * self.means[index] + size * batch.mean(0)) / (count + size)
                self.counts[index] += size
                wanted = min(self.most_exemplars, len(kept) + size)
                share = len(kept) / (len(kept) + size)
                old = self._choose(kept, int(wanted * share))
                self.exemplars[index] = torch.cat([old, self._choose(batch, int(wanted * (1 - share)))])
                return index
        self.exemplars.append(batch[: self.most_exemplars].clone())
        self.means.append(batch.mean(0))
        self.counts.append(size)
        return len(self.counts) - 1

    def _choose(self, rows: Tensor, count: int) -> Tensor:
        return rows[torch.randperm(len(rows), generator=self.draws)[:count]]
