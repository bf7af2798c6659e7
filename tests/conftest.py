"""Small data and settings for tests of the library; nothing here needs the real MNIST."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from active_dendrites.data.images import Images
from active_dendrites.settings.declarations import Declarations
from active_dendrites.settings.run import RunConfig

ROOT = Path(__file__).parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--store-golden", action="store_true", help="store the golden numbers anew")
    parser.addoption("--pages", help="folder of the pages that tests/browser walks; else one is made")
    parser.addoption("--screenshots", help="folder for pictures of these pages")


@pytest.fixture(scope="session")
def declarations() -> Declarations:
    return Declarations(ROOT / "config")


@pytest.fixture(scope="session")
def digits() -> Images:
    """Ten noisy, mostly black patterns of 784 bytes: 768 to learn, 200 to test; learnable in seconds."""
    draws = torch.Generator().manual_seed(7)
    patterns = torch.rand(10, 784, generator=draws) < 0.15

    def sample(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        labels = torch.arange(count) % 10
        drop = torch.rand(count, 784, generator=draws) < 0.4
        noise = torch.rand(count, 784, generator=draws) < 0.05
        bytes_ = torch.randint(1, 256, (count, 784), generator=draws)
        return (((patterns[labels] & ~drop) | noise) * bytes_).to(torch.uint8), labels

    return Images(*sample(768), *sample(200))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """For tests that fork: a child has none of the threads that PyTorch would wait for."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def small_run(declarations: Declarations):
    """Settings of a declared variant, made small and exact; keywords override, `network__hidden_units` style."""

    def resolve(variant: str, num_tasks: int = 3, **overrides: Any) -> RunConfig:
        settings = declarations.resolve("paper", variant, 10, 1).model_dump()
        settings |= {"num_tasks": num_tasks, "epochs": 3, "learning_rate": 3e-3, "batch_size": 64}
        settings["network"]["hidden_units"] = [40, 24]
        settings["numerics"]["precision"] = "float64"
        if settings["network"]["segments_per_unit"]:
            settings["network"]["segments_per_unit"] = num_tasks
        for key, value in overrides.items():
            section, _, name = key.rpartition("__")
            (settings[section] if section else settings)[name] = value
        return RunConfig.model_validate(settings)

    return resolve
