"""Which runs count beside a published number: those of today's settings and arithmetic that can be read."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from active_dendrites import NUMERICS
from active_dendrites.evaluation.metrics import average_accuracy
from active_dendrites.runs.folders import configuration_folder, seed_folders
from active_dendrites.runs.records import IncompleteRunError, read_accuracy, read_clusters, read_record
from active_dendrites.settings.declarations import Declarations
from active_dendrites.settings.published import Published
from active_dendrites.settings.run import RunConfig
from active_dendrites.settings.yaml_files import ConfigError, one_of

OTHER_SETTINGS = "other settings"
OTHER_NUMERICS = "another version of the arithmetic"
UNREADABLE = "unreadable"


class Run(NamedTuple):
    """What the report needs of one run: accuracy is a fraction; clusters None where no prototypes are inferred."""

    variant: str
    num_tasks: int
    seed: int
    accuracy: float
    clusters: int | None


class LeftOut(NamedTuple):
    """A run that is never averaged, and why."""

    variant: str
    num_tasks: int
    kind: str  # OTHER_SETTINGS, OTHER_NUMERICS or UNREADABLE
    why: str = ""  # what could not be read


def find_runs(
    declarations: Declarations, published: Published, scale: str, folder: Path
) -> tuple[list[Run], list[LeftOut]]:
    """The runs of every configuration that has a published number, whichever seeds are there; those left out.

    Args:
        folder: of the scale's runs.
    Raises: ValueError if there is no such scale or folder.
    """
    if scale not in declarations.scales:
        raise ConfigError(f"--scale: found {scale!r}, expected {one_of(scale, declarations.scales)}")
    if not folder.is_dir():
        raise ValueError(f"--runs: found no folder {folder}, expected the runs of scale {scale}")
    runs: list[Run] = []
    left_out: list[LeftOut] = []
    for variant, num_tasks in dict.fromkeys((number.variant, number.num_tasks) for number in published.numbers):
        for seed, of_run in seed_folders(configuration_folder(folder, variant, num_tasks)).items():
            found = read_run(of_run, declarations.resolve(scale, variant, num_tasks, seed))
            if isinstance(found, Run):
                runs.append(found)
            else:
                left_out.append(found)
    return runs, left_out


def read_run(folder: Path, settings: RunConfig) -> Run | LeftOut:
    """One run, if it was made with these settings by today's arithmetic and can be read."""
    identity = settings.variant, settings.num_tasks
    try:
        if not (folder / "record.json").exists():
            raise IncompleteRunError(f"{folder}: found no record.json, which a run writes when it is finished")
        record = read_record(folder / "record.json")
        if record.get("settings_hash") != settings.settings_hash():
            return LeftOut(*identity, OTHER_SETTINGS)
        if record.get("numerics") != NUMERICS:
            return LeftOut(*identity, OTHER_NUMERICS)
        if record.get("seed") != settings.seed:
            found = f"found {record.get('seed')!r}, expected {settings.seed} as in its path"
            raise IncompleteRunError(f"{folder / 'record.json'}: seed: {found}")
        accuracy = average_accuracy(read_accuracy(folder / "accuracy.csv", settings.num_tasks))
        clusters = read_clusters(folder / "record.json")
        if (clusters is None) == (settings.context.kind == "inferred_prototype"):
            found = f"found {clusters!r}, which does not fit context.kind {settings.context.kind}"
            raise IncompleteRunError(f"{folder / 'record.json'}: clusters: {found}")
    except IncompleteRunError as fault:
        return LeftOut(*identity, UNREADABLE, " ".join(str(fault).split()))
    return Run(*identity, settings.seed, accuracy, clusters)


def notes_on(left_out: Sequence[LeftOut]) -> Iterator[str]:
    """A sentence for each kind of run that was left out; those that could not be read by name."""
    counts = Counter(run.kind for run in left_out)
    for kind in (OTHER_SETTINGS, OTHER_NUMERICS):
        if counts[kind]:
            yield f"{runs_were(counts[kind])} left out: {kind}."
    for run in left_out:
        if run.kind == UNREADABLE:
            yield f"{runs_were(1)} left out: {run.why}."


def runs_were(count: int) -> str:
    return f"{count} run was" if count == 1 else f"{count} runs were"
