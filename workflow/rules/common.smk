# For the rules: where files are and what each rule is told.

import os
import re
import shlex
import sys
from pathlib import Path
from typing import Any

from active_dendrites.planning.fingerprints import (
    DRAWING,
    JUDGING,
    PAGES as PAGE_MODULES,
    TABLES,
    fingerprint,
    notebook_cells,
)
from active_dendrites.runs.folders import run_folder, run_of
from active_dendrites.settings.choices import choose
from active_dendrites.settings.run import RunConfig
from active_dendrites.settings.yaml_files import ConfigError
from active_dendrites.settings.datasets import DATASETS, MNIST, images_folder, results_folder
from active_dendrites.settings.given import given_name
from active_dendrites.settings.declarations import PAPER
from active_dendrites.settings.explain import replaced_by_scale
from active_dendrites.settings.published import declared_rows

ENVIRONMENT = "../../envs/environment.yaml"

DATASET = config["dataset"]
RESULTS = str(results_folder(config["results"], DATASET, given_name(GIVEN.settings)))
WRITTEN_TO = Path(str(workflow.modifier.modify_path(RESULTS)))  # with the prefix of a workflow that uses this one
RUNS = f"{RESULTS}/{{scale}}/runs"
RUNS_READ = f"{WRITTEN_TO}/{{scale}}/runs"  # the same, for scripts
RUN = str(run_folder(Path(RUNS), "{variant}", "{num_tasks}", "{seed}"))
TABLE = f"{RESULTS}/{{scale}}/tables/{{experiment}}.csv"
FIGURE = f"{RESULTS}/{{scale}}/figures/{{experiment}}"
NOTEBOOK = f"{RESULTS}/{{scale}}/notebooks/{{experiment}}.ipynb"
REPORT = f"{RESULTS}/{{scale}}/{{page}}.html"
EXPLORER = f"{RESULTS}/{{scale}}/explorer.html"
REPRODUCTION = f"{RESULTS}/{{scale}}/reproduction"
REFERENCE = BASE / "results/reference"  # in git, hence there wherever results are made
PAGES = {"paper": "report", "searches": "searches"}  # of each part, about its results
TAKE_SETTINGS = ("train.py", "aggregate.py", "report.py", "explain.py", "reproduction.py", "explorer.py")
PROVENANCE_PAGES = {"paper": "provenance", "searches": "searches_provenance"}  # of each part, about how they were made


wildcard_constraints:
    scale="|".join(DECLARATIONS.scales),
    variant="|".join(map(re.escape, DECLARATIONS.variants)),
    experiment="|".join(map(re.escape, DECLARATIONS.experiments)),
    page="|".join([*PAGES.values(), *PROVENANCE_PAGES.values()]),
    num_tasks=r"[1-9]\d*",
    seed=r"0|[1-9]\d*",


def python(arguments: str) -> str:
    """How a rule's command starts Python: its packages, the project's library, then folders of ACTIVE_DENDRITES_PATH."""
    library = shlex.quote(str(ROOT / "workflow/src"))
    path = f"{library}${{ACTIVE_DENDRITES_PATH:+:$ACTIVE_DENDRITES_PATH}}"
    command = f"PYTHONNOUSERSITE=1 PYTHONPATH={path} python {arguments}"
    return command.replace("{", "{{").replace("}", "}}")  # no wildcards


def script(name: str) -> str:
    """How a rule's command starts one of workflow/scripts, with the settings of `--config set=...`."""
    words = [str(BASE / "workflow/scripts" / name)]
    if name in TAKE_SETTINGS:
        words += [f"--set={pair}" for pair in GIVEN.pairs]
    return python(shlex.join(words))


def runs_of(scale: str, variant: str, num_tasks: int, file: str = "accuracy.csv") -> list[str]:
    """A file of each run of a configuration, one per seed."""
    return expand(f"{RUN}/{file}", scale=scale, variant=variant, num_tasks=num_tasks, seed=SEEDS[scale][variant])


def experiment_runs(wildcards) -> list[str]:
    """What a table is made from, for each run."""
    activity = DECLARATIONS.experiments[wildcards.experiment].kind == "activity"
    file = "activity.npy" if activity else "accuracy.csv"
    declared = DECLARATIONS.configurations_of(wildcards.scale, wildcards.experiment)
    return [path for variant, num_tasks in declared for path in runs_of(wildcards.scale, variant, num_tasks, file)]


def part_runs(wildcards) -> list[str]:
    """The accuracies of all runs of the paper's figures, or at reduced scale of all figures."""
    part = "paper" if wildcards.scale == PAPER else None
    return [
        path for run in DECLARATIONS.configurations(wildcards.scale, part) for path in runs_of(wildcards.scale, *run)
    ]


def page_part(wildcards) -> str:
    """The part of the experiments that a page is about."""
    (part,) = (part for pages in (PAGES, PROVENANCE_PAGES) for part, page in pages.items() if page == wildcards.page)
    return part


def page_figures(wildcards) -> list[str]:
    """The figures that a page shows."""
    return expand(f"{FIGURE}.svg", scale=wildcards.scale, experiment=DECLARATIONS.experiments_of(page_part(wildcards)))


def page_runs(wildcards) -> list[str]:
    """What a page reads of the runs."""
    return [
        path
        for run in DECLARATIONS.configurations(wildcards.scale, page_part(wildcards))
        for file in ("accuracy.csv", "record.json")
        for path in runs_of(wildcards.scale, *run, file)
    ]


def page_explorer(wildcards) -> list[str]:
    """The explorer, to which a page leads whose runs it has: at paper scale those of the paper's figures alone."""
    has_its_runs = wildcards.scale != PAPER or page_part(wildcards) == "paper"
    return expand(EXPLORER, scale=wildcards.scale) if has_its_runs else []


def page_results(wildcards) -> list[str]:
    """What a page of provenance traces; the paper published numbers of MNIST alone."""
    part, scale = page_part(wildcards), wildcards.scale
    judged = expand(f"{REPRODUCTION}.html", scale=scale) if part == "paper" and DATASET == MNIST else []
    return (
        expand(f"{FIGURE}.{{format}}", format=["svg", "png"], scale=scale, experiment=DECLARATIONS.experiments_of(part))
        + judged
    )


def measured_runs(wildcards) -> Path:
    """The runs of the reference, which are there unless `results` is a link."""
    from active_dendrites.reproduction.reference import FILE, check_not_hidden  # here, because it takes a second

    try:
        check_not_hidden(REFERENCE)
    except ValueError as fault:
        sys.exit(str(fault))
    return REFERENCE / FILE


def experiment_results(scale: str, experiment: str) -> list[str]:
    """All that is made of one experiment."""
    files = [*(f"{FIGURE}.{kind}" for kind in ("svg", "png", "pdf")), NOTEBOOK, TABLE]
    return expand(files, scale=scale, experiment=experiment)


def scale_results(scale: str, part: str) -> list[str]:
    """All that is made of a part of the experiments at a scale; nothing of a part without experiments."""
    if not DECLARATIONS.experiments_of(part):
        return []
    made = [path for experiment in DECLARATIONS.experiments_of(part) for path in experiment_results(scale, experiment)]
    if part == "paper" and DATASET == MNIST:
        made += expand(f"{REPRODUCTION}.{{format}}", scale=scale, format=["csv", "md", "html"])
    if part == "paper":
        made += expand(EXPLORER, scale=scale)
    return made + expand(REPORT, scale=scale, page=PAGES[part])


def provenance_pages(scale: str) -> list[str]:
    """Snakemake's own report of each part that has experiments."""
    pages = [page for part, page in PROVENANCE_PAGES.items() if DECLARATIONS.experiments_of(part)]
    return expand(REPORT, scale=scale, page=pages)


# -- what the rules are told -------------------------------------------------------------------------------
#
# Snakemake compares parameters with those of the last time and reruns a job where they differ, but leaves out
# parameters that come from a function of `input`, `output`, `threads` or `resources`. Both are used on purpose.


def image_places(wildcards, output) -> list[str]:
    """Which dataset, and where its four files go and come from, as arguments of prepare_mnist.py.

    Not compared: the sums alone fix the content, so another `images_folder` must not train everything again.
    """
    return [
        f"--dataset={DATASET}",
        f"--destination={Path(output.train_images).parent}",
        f"--folder={config['images_folder'] or ''}",
    ]


def image_sums() -> list[str]:
    """The sums of the four files, as arguments of prepare_mnist.py. Compared: other sums are other images.

    Where no sums are known, another folder may hold other images, too.
    """
    sums = DECLARATIONS.datasets[DATASET].sha256
    folder = config["images_folder"]
    if sums is None:
        return [f"--no-sha256={folder}" if folder else "--no-sha256"]
    return [f"--sha256={name}={digest}" for name, digest in sums.items()]


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
        f"--dataset={DATASET}",
        f"--images={Path(input.train_images).parent}",
        f"--device={config['device']}",
        *kept_networks(wildcards.scale, wildcards.variant),
        *([f"--log={config['log']}"] if config["log"] != "text" else []),
        *("--seed", *(str(run_of(folder).seed) for folder in folders)),
        *("--run-folder", *map(str, folders)),
    ]


def kept_networks(scale: str, variant: str) -> list[str]:
    """Which trained networks of a variant are kept beside their results, as arguments of train.py.

    At reduced scale one of each configuration of the figures: those of the searches would take four times the room.
    """
    first = scale != PAPER and DECLARATIONS.trials(variant) is None
    of_first = [f"--keep-network={SEEDS[scale][variant][0]}"] if first else []
    return choose("keep_network", config["keep_network"], none=[], reduced=of_first, all=["--keep-network"])


def run_limit(wildcards, resources) -> str:
    """The time limit of a job on a cluster, for the training to end in time; elsewhere nothing ends it. Not compared."""
    return f"--limit-minutes {resources.runtime}" if workflow.remote_exec else ""


def run_logs(wildcards, output) -> list[str]:
    """A log for each seed. Not compared."""
    return [str(Path(path).with_name("train.log")) for path in output.accuracy]


def resolve(wildcards) -> RunConfig:
    """The settings of a configuration, with the first of its seeds."""
    try:
        return settings_of(wildcards.scale, wildcards.variant, int(wildcards.num_tasks))
    except ConfigError as fault:  # a run that no experiment declares, asked for by its path
        sys.exit(str(fault))


def benchmark_places(wildcards, input) -> list[str]:
    """Where the benchmark's images are. Not compared."""
    return [f"--images={Path(input.images[0]).parent}"]


def table_rows(wildcards) -> list[tuple]:
    """Labels and published values of a table. Compared: an edit rewrites the table and trains nothing."""
    return [tuple(row) for row in declared_rows(DECLARATIONS, PUBLISHED, wildcards.scale, wildcards.experiment)]


def table_seeds(wildcards) -> list[str]:
    """The seeds of each variant, as arguments of aggregate.py."""
    variants = dict.fromkeys(
        variant for variant, _ in DECLARATIONS.configurations_of(wildcards.scale, wildcards.experiment)
    )
    return [f"--seeds={variant}={','.join(map(str, SEEDS[wildcards.scale][variant]))}" for variant in variants]


def experiment_seeds(wildcards) -> list[int]:
    """The seeds of an experiment's variants."""
    variants = {variant for variant, _ in DECLARATIONS.configurations_of(wildcards.scale, wildcards.experiment)}
    return sorted({seed for variant in variants for seed in SEEDS[wildcards.scale][variant]})


def scale_title(wildcards) -> str:
    """The heading in a report."""
    return of_dataset("Paper scale" if wildcards.scale == PAPER else f"Reduced scale ({wildcards.scale})")


def experiment_title(wildcards) -> str:
    return of_dataset(DECLARATIONS.experiments[wildcards.experiment].title)


def of_dataset(title: str) -> str:
    """A title that names the dataset, if it is another than the paper's."""
    return title if DATASET == MNIST else f"{title}: {DATASETS[DATASET].label}"


def experiment_kind(wildcards) -> str:
    return DECLARATIONS.experiments[wildcards.experiment].kind


def report_config(wildcards, input) -> list[str]:
    """The settings that decide which files a page traces, for the Snakemake that gathers them.

    Not compared: where it matters, the figures are drawn again.
    """
    seeds = {key: GIVEN.seeds(DECLARATIONS, wildcards.scale, key) for key in ("seeds", "search_seeds")}
    given = [f"{key}={value}" for key, value in seeds.items() if value is not None]
    return [f"results={config['results']}", f"dataset={DATASET}", *given]


def started_snakefile(wildcards, input) -> str:
    """The Snakefile that the user's command reads. Not compared."""
    return os.path.relpath(workflow.main_snakefile)


def drawing_code(wildcards) -> str:
    """What decides how a figure looks: the notebook's cells, without saved outputs, and the room that draws."""
    notebook = BASE / f"workflow/notebooks/{wildcards.experiment}.ipynb"
    cells = notebook_cells(notebook)
    if any("parameters" in (tags or []) and "figure_svg" in "".join(source) for _, source, tags in cells):
        sys.exit(f"{notebook}: parameters: found figure_svg, expected files_of_this_notebook as in ablation.ipynb")
    return fingerprint(cells, DRAWING)


def table_code(wildcards) -> str:
    """What decides how a table is made from runs."""
    return fingerprint([], TABLES)


def judging_code(wildcards) -> str:
    """What decides how published numbers are judged and the verdicts shown: they and the rule, as read; the code."""
    return fingerprint(read_yaml(CONFIG_FOLDER / "published.yaml"), JUDGING)


def explorer_code(wildcards) -> str:
    """What decides what the explorer shows of the runs: labels; the code."""
    labels = {variant: DECLARATIONS.label(variant) for variant, _ in DECLARATIONS.configurations(wildcards.scale)}
    return fingerprint(labels, PAGE_MODULES)


def page_code(wildcards) -> str:
    """What decides what a page says of its figures and runs: names, defaults and published numbers; the code."""
    figures = {
        experiment: [
            DECLARATIONS.experiments[experiment].title,
            *(
                (*run, DECLARATIONS.label(run[0]))
                for run in DECLARATIONS.configurations_of(wildcards.scale, experiment)
            ),
        ]
        for experiment in DECLARATIONS.experiments_of(page_part(wildcards))
    }
    defaults = {key: setting.value for key, setting in DECLARATIONS.defaults.items()}
    configurations = DECLARATIONS.configurations(wildcards.scale, page_part(wildcards))
    replaced = replaced_by_scale(DECLARATIONS, wildcards.scale, configurations)
    published = read_yaml(CONFIG_FOLDER / "published.yaml") if DATASET == MNIST else None
    return fingerprint([figures, defaults, replaced, published], PAGE_MODULES)
