"""Which runs count beside a published number: those of today's settings and arithmetic that can be read."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from active_dendrites import NUMERICS
from active_dendrites.evaluation.metrics import average_accuracy
from active_dendrites.runs.folders import configuration_folder, seed_folders
from active_dendrites.runs.records import IncompleteRunError, note_unsealed, read_accuracy, read_clusters, read_record
from active_dendrites.settings.declarations import Declarations
from active_dendrites.settings.published import ACCURACY, CLUSTERS, Published
from active_dendrites.settings.run import RunConfig
from active_dendrites.settings.yaml_files import fault, fault_line, one_of

OTHER_SETTINGS = "other settings"
OTHER_NUMERICS = "another version of the arithmetic"
UNREADABLE = "unreadable"


class RunResult(NamedTuple):
    """What the report needs of one run: accuracy is a fraction; clusters None where no prototypes are inferred."""

    variant: str
    num_tasks: int
    seed: int
    accuracy: float
    clusters: int | None

    def value(self, quantity: str) -> float:
        """The number that is held against a published one of that quantity."""
        if quantity == ACCURACY:
            return self.accuracy
        assert quantity == CLUSTERS and self.clusters is not None
        return self.clusters


class LeftOut(NamedTuple):
    """A run that is never averaged, and why."""

    variant: str
    num_tasks: int
    kind: str  # OTHER_SETTINGS, OTHER_NUMERICS or UNREADABLE
    why: str = ""  # what could not be read


def find_runs(
    declarations: Declarations, published: Published, scale: str, folder: Path
) -> tuple[list[RunResult], list[LeftOut]]:
    """The runs of every configuration that has a published number, whichever seeds are there; those left out.

    Args:
        folder: of the scale's runs.
    Raises: ValueError if there is no such scale or folder.
    """
    if scale not in declarations.scales:
        raise fault("--scale", "", one_of(scale, declarations.scales), value=scale)
    if not folder.is_dir():
        raise ValueError(fault_line("--runs", "", f"the runs of scale {scale}", found=f"no folder {folder}"))
    runs: list[RunResult] = []
    left_out: list[LeftOut] = []
    counted: list[Path] = []
    for variant, num_tasks in dict.fromkeys((number.variant, number.num_tasks) for number in published.numbers):
        for seed, run in seed_folders(configuration_folder(folder, variant, num_tasks)).items():
            result = read_run(run, declarations.resolve(scale, variant, num_tasks, seed))
            if isinstance(result, LeftOut):
                left_out.append(result)
            else:
                runs.append(result)
                counted.append(run)
    note_unsealed(counted)
    return runs, left_out


def read_run(folder: Path, settings: RunConfig) -> RunResult | LeftOut:
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
            expected = f"{settings.seed} as in its path"
            raise IncompleteRunError(fault_line(folder / "record.json", "seed", expected, value=record.get("seed")))
        accuracy = average_accuracy(read_accuracy(folder / "accuracy.csv", settings.num_tasks))
        clusters = read_clusters(folder / "record.json")
        if (clusters is None) == settings.context.infers:
            found = f"found {clusters!r}, which does not fit context.kind {settings.context.kind}"
            raise IncompleteRunError(f"{folder / 'record.json'}: clusters: {found}")
    except IncompleteRunError as error:
        return LeftOut(*identity, UNREADABLE, " ".join(str(error).split()))
    return RunResult(*identity, settings.seed, accuracy, clusters)


def notes_on(left_out: Sequence[LeftOut]) -> Iterator[str]:
    """A sentence for each kind of run that was left out, and for each that could not be read, which it names."""
    counts = Counter(run.kind for run in left_out)
    for kind in (OTHER_SETTINGS, OTHER_NUMERICS):
        if counts[kind]:
            yield f"{runs_were(counts[kind])} left out: {kind}."
    for run in left_out:
        if run.kind == UNREADABLE:
            yield f"{runs_were(1)} left out: {run.why}."


def runs_were(count: int) -> str:
    return f"{count} run was" if count == 1 else f"{count} runs were"
