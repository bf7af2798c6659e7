"""What a checkpoint holds of a model: tensors on the CPU, numbers and texts."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

# Tensors on the CPU, numbers and texts, in lists and dictionaries: what can be loaded without running any code.
State = dict[Any, Any]


def as_tensors(arrays: Mapping[str, np.ndarray]) -> State:
    """Arrays as tensors that share their memory."""
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def copied(tensor: Tensor) -> Tensor:
    """A tensor on the CPU, in memory that holds nothing else: a view is saved with all that it is a view of."""
    if tensor.is_cpu and tensor.untyped_storage().nbytes() == tensor.nbytes:
        return tensor.detach()
    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
