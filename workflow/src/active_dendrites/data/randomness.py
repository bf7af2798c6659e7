"""One seed, a generator of its own for each purpose: changing the model cannot move the data."""

import hashlib

import torch


def generator(seed: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator that depends on (seed, purpose) alone; on the CPU the same on every platform.

    Args:
        seed: the run's seed.
        purpose: what is drawn, e.g. "weights", "masks", "batch order".
        device: where numbers are drawn. Only what is drawn within a training step is not drawn on the CPU.
    """
    digest = hashlib.sha256(f"{purpose}:{seed}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "big") >> 1)
