"""Every declared configuration, at both scales, has the stored hash of settings; other ones train finished runs again.

The stored hashes of paper scale are those of version 0.1.0, those of reduced scale of 0.2.0. Where a configuration is
new or its settings are meant to change, `pytest tests/golden/test_settings_hashes.py --store-golden` stores today's.
"""

import json
from pathlib import Path

import pytest

from active_dendrites.settings.declarations import Declarations

STORED = Path(__file__).with_name("settings_hashes.json")
CONFIG = Path(__file__).parents[2] / "config"
DATASETS = ("mnist", "fashion_mnist")  # those that runs were made of


def hashes_of(folder: Path) -> dict[str, str]:
    """{dataset/scale/variant/tasks-N: hash} of every configuration that a folder of settings declares."""
    hashes = {}
    for dataset in DATASETS:
        declarations = Declarations(folder, dataset)
        for scale in declarations.scales:
            for experiment in declarations.experiments:
                for variant, num_tasks in declarations.configurations_of(scale, experiment):
                    run = declarations.resolve(scale, variant, num_tasks, seed=1)
                    hashes[f"{dataset}/{scale}/{variant}/tasks-{num_tasks}"] = run.settings_hash()
    return hashes


def differences(stored: dict[str, str], today: dict[str, str]) -> str:
    """One line that names the configurations that differ; empty where none does."""
    kinds = {
        "other settings": [name for name in stored if name in today and today[name] != stored[name]],
        "no longer declared": [name for name in stored if name not in today],
        "new, to be stored with --store-golden": [name for name in today if name not in stored],
    }
    return "; ".join(f"{kind} ({len(names)}): {', '.join(names)}" for kind, names in kinds.items() if names)


def test_no_configuration_has_other_settings(request: pytest.FixtureRequest) -> None:
    today = hashes_of(CONFIG)
    if request.config.getoption("--store-golden"):
        STORED.write_text(json.dumps(today, indent=0, sort_keys=True) + "\n", encoding="utf-8")
        return
    changed = differences(json.loads(STORED.read_text(encoding="utf-8")), today)
    if changed:
        pytest.fail(changed, pytrace=False)


def test_the_line_names_what_changed() -> None:
    stored = {"mnist/quick/a/tasks-2": "0", "mnist/quick/b/tasks-2": "1", "mnist/quick/c/tasks-2": "2"}
    today = {"mnist/quick/a/tasks-2": "0", "mnist/quick/b/tasks-2": "3", "mnist/quick/d/tasks-2": "4"}
    assert differences(stored, today) == (
        "other settings (1): mnist/quick/b/tasks-2; no longer declared (1): mnist/quick/c/tasks-2;"
        " new, to be stored with --store-golden (1): mnist/quick/d/tasks-2"
    )
    assert differences(stored, stored) == ""
