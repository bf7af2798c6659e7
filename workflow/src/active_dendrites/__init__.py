"""Active dendrites and sparse representations for continual learning: layers, contexts, consolidation, one loop.

The names in `__all__` are the library's public face: `from active_dendrites import DendriticLinear`. Each is loaded
when it is first asked for, so that importing the package alone loads neither PyTorch nor NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from active_dendrites.models.layers import DendriticLinear, MaskedLinear, k_winners

__all__ = ["NUMERICS", "DendriticLinear", "MaskedLinear", "__version__", "k_winners"]

__version__ = "0.2.0"

# The version of the arithmetic. Raise it in the commit that changes any result beyond rounding: finished runs
# carry it, and the workflow retrains those of another version.
NUMERICS = 1


def __getattr__(name: str) -> Any:
    """A public name that is not here yet, from its module (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("active_dendrites.models.layers"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
