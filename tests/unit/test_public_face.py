"""What the package offers at its top, and that importing it costs nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

import active_dendrites
from active_dendrites.models import layers

IMPORT = """
import sys, time
start = time.perf_counter()
import active_dendrites
print(time.perf_counter() - start, *sorted({"torch", "numpy", "pydantic"} & sys.modules.keys()))
"""


@pytest.mark.parametrize("name", active_dendrites.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(active_dendrites, name) is not None
    assert name in dir(active_dendrites)


def test_a_name_is_the_one_of_its_module() -> None:
    assert active_dendrites.DendriticLinear is layers.DendriticLinear
    assert active_dendrites.MaskedLinear is layers.MaskedLinear
    assert active_dendrites.k_winners is layers.k_winners


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'DendriticLayer'"):
        active_dendrites.DendriticLayer  # noqa: B018


def test_import_loads_neither_torch_nor_numpy() -> None:
    """In a fresh process; 0.2 s at most."""
    fresh = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
    seconds, *loaded = fresh.stdout.split()
    assert loaded == []
    assert float(seconds) <= 0.2


def test_types_are_shipped() -> None:
    assert Path(active_dendrites.__file__).with_name("py.typed").is_file()
