"""The explorer: one page, without any request, on which runs are chosen and their accuracies drawn, task by task.

Charts are Vega-Lite's, whose code is bundled into the page.
"""

from pathlib import Path
from typing import Any

import numpy as np
import vl_convert

from active_dendrites.reports.reproduction_page import load_template
from active_dendrites.runs.files import atomic_file
from active_dendrites.runs.folders import run_folders, run_of
from active_dendrites.runs.records import is_finished, read_accuracy, read_record
from active_dendrites.settings.datasets import DATASETS
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.yaml_files import ConfigError, fault_line

DIGITS = 5  # of a fraction: a hundredth of an image of 10,000 is not seen in any chart


def explored_runs(declarations: Declarations, scale: str, folder: Path) -> tuple[list[dict[str, Any]], int]:
    """What the page knows of each finished run with today's settings, and how many others there are.

    Returns: for each run its variant, label, tasks, seed, settings hash, commit and, as `rows`, [after task, task,
        accuracy] of each test, tasks from 1, accuracies as fractions.
    Raises: IncompleteRunError naming a file that is damaged.
    """
    runs, others = [], 0
    for path in run_folders(folder):
        if not is_finished(path):
            continue
        run, record = run_of(path), read_record(path / "record.json")
        try:
            today = declarations.resolve(scale, *run).settings_hash()
        except ConfigError:  # a variant that is declared no more
            today = None
        if record.get("settings_hash") != today:
            others += 1
            continue
        accuracy = read_accuracy(path / "accuracy.csv", run.num_tasks)
        after, task = np.nonzero(~np.isnan(accuracy))
        tests = zip(after + 1, task + 1, accuracy[after, task], strict=True)
        runs.append(
            {
                "variant": run.variant,
                "label": declarations.label(run.variant),
                "tasks": run.num_tasks,
                "seed": run.seed,
                "settings": record["settings_hash"],
                "commit": record.get("commit"),
                "rows": [[int(i), int(j), round(float(value), DIGITS)] for i, j, value in tests],
            }
        )
    declared = list(declarations.variants)
    return sorted(runs, key=lambda run: (declared.index(run["variant"]), run["tasks"], run["seed"])), others


def write_explorer(declarations: Declarations, scale: str, folder: Path, template: Path, output: Path) -> int:
    """Write the page of the runs in a folder.

    Args:
        template: the HTML; its script and style are in files beside it.
    Returns: how many runs it has.
    Raises: ValueError if there is none; as `explored_runs`.
    """
    runs, others = explored_runs(declarations, scale, folder)
    if not runs:
        raise ValueError(fault_line(folder, "", "some to explore", found="no finished run of today's settings"))
    page = load_template(template).render(
        dataset=DATASETS[declarations.dataset].label,
        scale=scale,
        reduced=scale != PAPER,
        runs=runs,
        others=others,
        vega_lite=bundled_vega_lite(),
    )
    with atomic_file(output) as file:
        file.write(page)
    return len(runs)


def bundled_vega_lite() -> str:
    """Vega, Vega-Lite and Vega-Embed, as the text of a script element."""
    bundle: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub lacks the default
    return bundle.replace("</script", "<\\/script")
