"""Active dendrites and sparse representations for continual learning: layers, contexts, consolidation, one loop.

The names in `__all__` are the library's public face: `from active_dendrites import DendriticLinear`. Each is loaded
when it is first asked for, so that importing the package alone loads neither PyTorch nor NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from active_dendrites.evaluation.comparisons import compare, load_runs
    from active_dendrites.models.layers import DendriticLinear, MaskedLinear, k_winners
    from active_dendrites.training.kept_networks import TrainedNetwork, load_network

_MODULES = {  # of the public names
    "DendriticLinear": "models.layers",
    "MaskedLinear": "models.layers",
    "k_winners": "models.layers",
    "compare": "evaluation.comparisons",
    "load_runs": "evaluation.comparisons",
    "TrainedNetwork": "training.kept_networks",
    "load_network": "training.kept_networks",
}

__all__ = [
    "NUMERICS",
    "DendriticLinear",
    "MaskedLinear",
    "TrainedNetwork",
    "__version__",
    "compare",
    "k_winners",
    "load_network",
    "load_runs",
]

__version__ = "0.2.0"

# The version of the arithmetic. Raise it in the commit that changes any result beyond rounding: finished runs
# carry it, and the workflow retrains those of another version.
NUMERICS = 1


def __getattr__(name: str) -> Any:
    """A public name that is not here yet, from its module (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"active_dendrites.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
