"""One seed, a generator of its own for each purpose: changing the model cannot move the data."""

import hashlib

import torch


def generator(seed: int, purpose: str) -> torch.Generator:
    """A CPU generator that depends on (seed, purpose) alone, the same on every device and platform.

    Args:
        seed: the run's seed.
        purpose: what is drawn, e.g. "weights", "masks", "batch order".
    """
    digest = hashlib.sha256(f"{purpose}:{seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
