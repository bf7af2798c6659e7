# For the rules: where files are and what each rule is told.

import json
import re
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from active_dendrites import NUMERICS
from active_dendrites.config import PAPER, ConfigError, RunConfig
from active_dendrites.published import declared_rows

ENVIRONMENT = "../../envs/environment.yaml"

RESULTS = config["results"].rstrip("/")
RUNS = f"{RESULTS}/{{scale}}/runs"
RUN = f"{RUNS}/{{variant}}/tasks-{{num_tasks}}/seed-{{seed}}"
TABLE = f"{RESULTS}/{{scale}}/tables/{{experiment}}.csv"
FIGURE = f"{RESULTS}/{{scale}}/figures/{{experiment}}"
NOTEBOOK = f"{RESULTS}/{{scale}}/notebooks/{{experiment}}.ipynb"
REPORT = f"{RESULTS}/{{scale}}/report.html"


wildcard_constraints:
    scale="|".join(DECLARATIONS.scales),
    variant="|".join(map(re.escape, DECLARATIONS.variants)),
    experiment="|".join(map(re.escape, DECLARATIONS.experiments)),
    num_tasks=r"[1-9]\d*",
    seed=r"0|[1-9]\d*",


def runs_of(scale: str, variant: str, num_tasks: int) -> list[str]:
    """The accuracies of a configuration, one file per seed."""
    return expand(f"{RUN}/accuracy.csv", scale=scale, variant=variant, num_tasks=num_tasks, seed=SEEDS[scale])


def experiment_runs(wildcards) -> list[str]:
    """All accuracies that a table is made from."""
    declared = DECLARATIONS.runs_of(wildcards.scale, wildcards.experiment)
    return [path for variant, num_tasks in declared for path in runs_of(wildcards.scale, variant, num_tasks)]


def figures(wildcards) -> list[str]:
    """The figures that a scale's report shows."""
    return expand(f"{FIGURE}.{{format}}", format=["svg", "png"], **scale_and_experiments(wildcards.scale))


def scale_results(scale: str) -> list[str]:
    """All that is made at a scale."""
    made = [f"{FIGURE}.svg", f"{FIGURE}.png", NOTEBOOK, TABLE, REPORT]
    return expand(made, **scale_and_experiments(scale))


def scale_and_experiments(scale: str) -> dict[str, Any]:
    return {"scale": scale, "experiment": list(DECLARATIONS.experiments)}


# -- what the rules are told -------------------------------------------------------------------------------
#
# Snakemake compares parameters with those of the last time and reruns a job where they differ, but leaves out
# parameters that come from a function of `input`, `output`, `threads` or `resources`. Both are used on purpose.


def mnist_places(wildcards, output) -> list[str]:
    """Where the four MNIST files go and come from, as arguments of prepare_mnist.py.

    Not compared: the sums alone fix the content, so another `mnist.folder` must not train everything again.
    """
    return [
        f"--destination={Path(output.train_images).parent}",
        f"--folder={config['mnist']['folder'] or ''}",
    ]


def run_settings(wildcards) -> dict[str, Any]:
    """All settings of a run but its seed. Compared: an edit retrains just the runs whose settings it changes.

    Without the seed it is the same for every seed of a job, so that other groups of seeds train nothing again.
    """
    return resolve(wildcards).settings_of_all_seeds()


def run_hash(wildcards) -> str:
    """What a training checks its settings against: they could be edited after the plan was made."""
    return resolve(wildcards).settings_hash()


def run_places(wildcards, input, output) -> list[str]:
    """Where a training reads, which seeds it writes and where, and on which device, as arguments of train.py.

    Not compared: neither another `device` nor other groups of seeds must train everything again.
    """
    folders = [Path(path).parent for path in output.accuracy]
    return [
        f"--mnist={Path(input.train_images).parent}",
        f"--device={config['device']}",
        *("--seed", *(folder.name.removeprefix("seed-") for folder in folders)),
        *("--run-folder", *map(str, folders)),
    ]


def run_logs(wildcards, output) -> list[str]:
    """A log for each seed. Not compared."""
    return [str(Path(path).with_name("train.log")) for path in output.accuracy]


def resolve(wildcards) -> RunConfig:
    """The settings of a configuration, with the first of its seeds."""
    seed, num_tasks = SEEDS[wildcards.scale][0], int(wildcards.num_tasks)
    try:
        return DECLARATIONS.resolve(wildcards.scale, wildcards.variant, num_tasks, seed)
    except ConfigError as fault:  # a run that no experiment declares, asked for by its path
        sys.exit(str(fault))


def benchmark_places(wildcards, input) -> list[str]:
    """Where the benchmark's images are. Not compared."""
    return [f"--mnist={Path(input.mnist[0]).parent}"]


def table_rows(wildcards) -> list[tuple]:
    """Labels and published values of a table. Compared: an edit rewrites the table and trains nothing."""
    return [tuple(row) for row in declared_rows(DECLARATIONS, PUBLISHED, wildcards.scale, wildcards.experiment)]


def scale_seeds(wildcards) -> list[int]:
    return SEEDS[wildcards.scale]


def scale_title(wildcards) -> str:
    """The heading in a report."""
    return "Paper scale" if wildcards.scale == PAPER else f"Reduced scale ({wildcards.scale})"


def experiment_title(wildcards) -> str:
    return DECLARATIONS.experiments[wildcards.experiment].title


def report_config(wildcards, input) -> list[str]:
    """The settings that decide which files a report is about, for the Snakemake that gathers them.

    Not compared: where it matters, the figures are drawn again.
    """
    return [f"results={RESULTS}", f"seeds={SEEDS[PAPER]}"]


def drawing_code(wildcards) -> str:
    """What decides how a figure looks: the notebook's cells and the plotting module, without saved outputs."""
    notebook = json.loads(Path(f"workflow/notebooks/{wildcards.experiment}.ipynb").read_text(encoding="utf-8"))
    cells = [(cell["cell_type"], cell["source"], cell["metadata"].get("tags")) for cell in notebook["cells"]]
    plotting = Path(LIBRARY, "active_dendrites", "plotting.py").read_text(encoding="utf-8")
    return sha256(json.dumps([cells, plotting]).encode()).hexdigest()[:16]
