"""What a plan costs and what it would delete: finished runs, why they would be trained again, hours, bytes.

Knows nothing of Snakemake, and loads no PyTorch: a plan is made each time the workflow starts.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from active_dendrites import NUMERICS
from active_dendrites.planning.cost_model import MEASURED_ON, count_steps, run_bytes, run_seconds
from active_dendrites.planning.measured_steps import MeasuredSteps, seconds_by_measure
from active_dendrites.runs.folders import seed_folders
from active_dendrites.runs.records import Record, finished_record, is_finished
from active_dendrites.settings.declarations import PAPER
from active_dendrites.settings.run import RunConfig

MISSING = "not there yet"
DAMAGED = "its record cannot be read, or is damaged"
MODEL = "model"
SHOWN = 4  # configurations named after a reason; of more, their number


class PlannedRun(NamedTuple):
    """One seed that a planned job trains."""

    name: str  # of its configuration, as a target
    scale: str
    seed: int
    num_seeds: int  # of the job
    folder: Path
    run: RunConfig  # the settings, of whichever seed
    trigger: str  # why it is planned, as Snakemake says


class Hardware(NamedTuple):
    """Where runs are to be made: name is None where it is not known, as on a cluster."""

    device_type: str  # cpu or cuda
    name: str | None
    parallel: int | None  # how many cores, or GPUs, work at a time; None: not known


# -- finished runs ----------------------------------------------------------------------------------------


def own_seconds(record: Record) -> float:
    """A run's share of the seconds of its process."""
    return (record.get("wall_seconds") or 0) / len(record.get("side_by_side") or [0])


def changes(record: Record, run: RunConfig) -> list[str]:
    """Each setting that a finished run does not share with a planned one: `learning_rate 0.0005 -> 0.001`."""
    old, new = dict(leaves(record.get("settings") or {})), dict(leaves(run.settings_of_all_seeds()))
    keys = [key for key in {**old, **new} if key != "seed" and old.get(key, "nothing") != new.get(key, "nothing")]
    found = [f"{key} {old.get(key, 'nothing')} -> {new.get(key, 'nothing')}" for key in keys]
    if record.get("numerics") != NUMERICS:
        found.append(f"NUMERICS {record.get('numerics')} -> {NUMERICS}")
    return found


def leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of nested settings."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def why(planned: PlannedRun) -> str:
    """Why a run is planned: what differs from its finished run, or what Snakemake says."""
    record = finished_record(planned.folder)
    if record is None:
        return DAMAGED if is_finished(planned.folder) else MISSING
    return ", ".join(changes(record, planned.run)) or planned.trigger


# -- the guard --------------------------------------------------------------------------------------------


def retrained(planned: Iterable[PlannedRun]) -> list[PlannedRun]:
    """The planned runs whose finished results, at paper scale, would be deleted."""
    return [run for run in planned if run.scale == PAPER and is_finished(run.folder)]


def is_outdated(planned: PlannedRun) -> bool:
    """Whether a run is finished, with other settings or arithmetic than today's."""
    record = finished_record(planned.folder)
    return record is not None and bool(changes(record, planned.run))


def describe_finished(runs: Sequence[PlannedRun]) -> Iterator[str]:
    """Lines: which finished runs these are, why they are planned or outdated, and the hours that they took."""
    groups: dict[tuple[str, int, str], list[PlannedRun]] = {}
    for run in runs:
        groups.setdefault((run.run.variant, run.run.num_tasks, why(run)), []).append(run)
    for (variant, num_tasks, reason), same in groups.items():
        seeds = listed(run.seed for run in same)
        yield f"  {variant}, {num_tasks} tasks, {seeds} ({duration(seconds_of(same))}): {reason}"
    number = f"{len(runs)} run{'s' * (len(runs) > 1)}"
    yield f"Together {number} that took {duration(seconds_of(runs))}, by their records."


def seconds_of(finished: Iterable[PlannedRun]) -> float:
    """What finished runs took."""
    return sum(own_seconds(finished_record(run.folder) or {}) for run in finished)


# -- the plan ---------------------------------------------------------------------------------------------


@dataclass
class Row:
    """What is said of a configuration."""

    num_runs: int = 0
    seconds: float = 0
    sources: dict[str, None] = field(default_factory=dict)  # each once, in order


def describe_plan(
    jobs: Sequence[tuple[str, str]],
    planned: Sequence[PlannedRun],
    hardware: Hardware | None,
    free_bytes: int,
    extra: int,
    measured: MeasuredSteps,
) -> Iterator[str]:
    """Lines: jobs, hours, reasons and disk.

    Args:
        jobs: (rule, why it is planned) of each job.
        planned: the runs of those jobs that train.
        hardware: where; may be None if nothing is trained.
        free_bytes: of the disk that results go to.
        extra: bytes to be fetched before.
        measured: what steps took in the runs of the reference.
    """
    if not jobs:
        yield "Nothing to do: every file is there and as its settings say."
        return
    counts = Counter(rule for rule, _ in jobs).most_common()
    yield f"{len(jobs)} job{'s' * (len(jobs) > 1)}: {', '.join(f'{count} {rule}' for rule, count in counts)}"
    if planned and hardware:
        yield from ["", *describe_hours(planned, hardware, measured)]
    yield from ["", "Why:", *describe_reasons(jobs, planned)]
    needed = sum(bytes_of(run) for run in planned)
    fetched = f", {size(extra)} for the images" if extra else ""
    yield f"\nDisk: {size(needed)} for runs{fetched}, about a megabyte a figure; {size(free_bytes)} are free."


def describe_hours(planned: Sequence[PlannedRun], hardware: Hardware, measured: MeasuredSteps) -> Iterator[str]:
    """A table of configurations, and what they sum up to."""
    rows: dict[str, Row] = {}
    longest = 0.0
    for run in planned:
        seconds, source = estimate(run, hardware, measured)
        row = rows.setdefault(run.name, Row())
        row.num_runs, row.seconds, row.sources[source] = row.num_runs + 1, row.seconds + seconds, None
        longest = max(longest, seconds * run.num_seeds)
    unit = "core hours" if hardware.device_type == "cpu" else "GPU hours"
    width = max(len("configuration"), *map(len, rows))
    yield f"{'configuration':{width}}  runs  {unit:>10}  estimated from"
    for name, row in rows.items():
        yield f"{name:{width}}  {row.num_runs:4}  {row.seconds / 3600:10.2f}  {', '.join(row.sources)}"
    total = sum(row.seconds for row in rows.values())
    yield f"{'together':{width}}  {len(planned):4}  {total / 3600:10.2f}"
    yield ""
    if hardware.parallel:
        what = "core" if hardware.device_type == "cpu" else "GPU"
        number = f"{hardware.parallel} {what}{'s' * (hardware.parallel > 1)}"
        yield f"With {number} about {duration(max(total / hardware.parallel, longest))}."
    if any(MODEL in row.sources for row in rows.values()):
        here = f"; here is an {hardware.name}" if hardware.name and hardware.device_type == "cpu" else ""
        yield f"The model is steps times milliseconds a step, fitted to an {MEASURED_ON[hardware.device_type]}{here}."


def estimate(planned: PlannedRun, hardware: Hardware, measured: MeasuredSteps) -> tuple[float, str]:
    """Seconds of a core, or GPU, that a run takes; from what they are estimated.

    From finished runs of the same configuration and network on the same kind of device, those on the same device
    before others, by the steps that they took; else from runs of the reference; else from the model.
    """
    on_cpu, steps = hardware.device_type == "cpu", count_steps(planned.run)
    records = [record for record in records_beside(planned.folder) if comparable(record, planned.run, hardware)]
    here = [record for record in records if record.get("device") == hardware.name]
    if chosen := here or records:
        of_step = [
            own_seconds(record) * (record.get("threads") or 1 if on_cpu else 1) / record["steps"] for record in chosen
        ]
        source = "finished runs here" if here else f"finished runs on {chosen[0].get('device')}"
        return steps * sum(of_step) / len(of_step), source
    if by_measure := seconds_by_measure(planned.run, planned.scale, on_cpu, measured):
        return by_measure
    return run_seconds(planned.run, on_cpu, planned.num_seeds) / planned.num_seeds, MODEL


def records_beside(folder: Path) -> list[Record]:
    """The records of all finished seeds of a run's configuration."""
    found = (finished_record(path) for path in seed_folders(folder.parent).values())
    return [record for record in found if record is not None]


def comparable(record: Record, run: RunConfig, hardware: Hardware) -> bool:
    """Whether a finished run tells how long a step of a planned one takes."""
    settings, today = record.get("settings") or {}, run.settings()
    same = all(settings.get(part) == today[part] for part in ("batch_size", "network", "context", "consolidation"))
    measured = bool(record.get("steps")) and bool(record.get("wall_seconds"))
    return same and measured and record.get("device_type") == hardware.device_type


def describe_reasons(jobs: Sequence[tuple[str, str]], planned: Sequence[PlannedRun]) -> Iterator[str]:
    """A line for each reason: of trainings with the runs, of other jobs with their number."""
    groups: dict[str, dict[str, list[int]]] = {}
    for run in planned:
        groups.setdefault(why(run), {}).setdefault(run.name, []).append(run.seed)
    for reason, found in groups.items():
        runs = sum(len(seeds) for seeds in found.values())
        many = f"{len(found)} configurations, {runs} runs"
        named = "; ".join(f"{name}, {listed(seeds)}" for name, seeds in found.items())
        yield f"  {reason}: {named if len(found) <= SHOWN else many}"
    others: dict[str, Counter[str]] = {}
    for rule, reason in jobs:
        if not rule.startswith("train"):
            others.setdefault(reason, Counter())[rule] += 1
    for reason, rules in others.items():
        yield f"  {reason}: {', '.join(f'{count} {rule}' for rule, count in rules.items())}"


def bytes_of(planned: PlannedRun) -> int:
    """What a run's files take: as much as one that is finished, or what the settings say."""
    if finished_record(planned.folder) is None:
        return run_bytes(planned.run)
    return sum(path.stat().st_size for path in planned.folder.iterdir() if path.is_file())


# -- words ------------------------------------------------------------------------------------------------


def listed(seeds: Iterable[int]) -> str:
    """Seeds for a person to read: seed 3, seeds 1 to 8, seeds 1, 2, 5."""
    found = sorted(set(seeds))
    if len(found) == 1:
        return f"seed {found[0]}"
    if len(found) > 2 and found[-1] - found[0] == len(found) - 1:
        return f"seeds {found[0]} to {found[-1]}"
    return f"seeds {', '.join(map(str, found))}"


def duration(seconds: float) -> str:
    """12.3 hours, 5 min, 20 s."""
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


def size(number: int) -> str:
    """Bytes as kB, MB or GB."""
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if number >= unit:
            return f"{number / unit:.1f} {name}"
    return f"{number / 1e3:.0f} kB"
