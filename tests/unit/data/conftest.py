"""Small files of a dataset."""

import numpy as np
import pytest
from idx_files import SMALL_SHAPES, Files

from active_dendrites.settings.datasets import DATASETS


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Files:
    """Four small files of the MNIST format, which the module is told to expect."""
    for name, described in DATASETS.items():
        monkeypatch.setitem(DATASETS, name, described._replace(train_images=6, test_images=4))
    random = np.random.default_rng(0)
    contents = {}
    for name, shape in SMALL_SHAPES.items():
        axes = b"".join(length.to_bytes(4, "big") for length in shape)
        values = random.integers(0, 10 if len(shape) == 1 else 256, shape, dtype=np.uint8)
        contents[name] = bytes([0, 0, 8, len(shape)]) + axes + values.tobytes()
    return contents
