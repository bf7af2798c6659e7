"""A tiny seeded run of each variant gives the stored numbers; if they move, raise NUMERICS and say why.

`pytest tests/golden/test_golden.py --store-golden` stores them anew.
"""

import json
from pathlib import Path

import pytest
import torch
from learning import GATED, INFERRED

import active_dendrites
from active_dendrites.training.loop import train

STORED = Path(__file__).with_name("golden.json")
VARIANTS = [
    *("prototype", "prototype_segments_10", "si_prototype", "active_dendrites_only"),
    *("sparse_representations_only", "three_layer_mlp", "ten_layer_mlp", "construct_prototype"),
    *("si_mlp", "xdg", "si_xdg", "si_masse-0.1-0.01"),
]
SMALL = {
    "ten_layer_mlp": {"network__hidden_units": [30] * 9},
    "construct_prototype": INFERRED,
    "xdg": GATED,
    "si_xdg": GATED,
    "si_masse-0.1-0.01": {"random_batches": 9},
}


def measure(variant: str, small_run, digits) -> dict[str, float]:
    (result,) = train([small_run(variant, **SMALL.get(variant, {}))], digits, torch.device("cpu"))
    weights = torch.cat([p.detach().flatten() for p in result.network.parameters()])
    return {"accuracy": result.accuracy[-1].mean(), "weight_norm": weights.norm().item()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_numbers_are_those_of_this_version(variant: str, small_run, digits, request) -> None:
    found = measure(variant, small_run, digits)
    stored = json.loads(STORED.read_text()) if STORED.exists() else {}
    if request.config.getoption("--store-golden"):
        stored |= {"numerics": active_dendrites.NUMERICS, variant: found}
        STORED.write_text(json.dumps(stored, indent=2) + "\n")
        return
    assert stored["numerics"] == active_dendrites.NUMERICS
    assert found == pytest.approx(stored[variant], rel=1e-7)
