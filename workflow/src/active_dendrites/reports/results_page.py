"""The page of a part of the results: its figures, and each number with the settings and the runs that gave it.

Here is what stands in it; how it looks is in the template. Links start from the page's folder.
"""

import base64
import html
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import yaml

from active_dendrites.evaluation.metrics import forgetting
from active_dendrites.reports.reproduction_page import Line, Report, caveats, format_number, line_of, load_template
from active_dendrites.reproduction.counted_runs import RunResult, find_runs, notes_on
from active_dendrites.reproduction.verdicts import NOT_RUN, Comparison, compare
from active_dendrites.runs.files import atomic_file
from active_dendrites.runs.folders import run_folder
from active_dendrites.runs.records import Record, read_accuracy, read_record
from active_dendrites.settings.datasets import DATASETS
from active_dendrites.settings.declarations import Declarations
from active_dendrites.settings.explain import replaced_by_scale
from active_dendrites.settings.published import ACCURACY, CLUSTERS, Published, PublishedNumber
from active_dendrites.settings.run import Configuration, RunConfig, flatten

IDENTITY = ("variant", "num_tasks", "seed", "dataset")  # of a run, beside its settings
LINKED = ("record.json", "train.log", "accuracy.csv")
NOT_RECORDED = "not recorded"


class ShownRun(NamedTuple):
    """A run as it is read: numbers as text."""

    seed: int
    value: str
    forgetting: str
    steps: str
    wall_time: str
    device: str
    commit: str
    clean: bool  # whether the commit is all of the code
    links: dict[str, str]  # by file


class NumberRow(NamedTuple):
    """A number of ours, with or without a published one."""

    line: Line
    label: str
    about: str  # what it is, where it is not an accuracy in a figure
    quantity: str
    variant: str
    num_tasks: int
    figures: tuple[str, ...]
    source: str  # of the published number
    settings_hash: str
    settings: list[str]  # that differ from the defaults
    seeds: list[ShownRun]

    @property
    def searched(self) -> str:
        """What the text field of the page searches."""
        return " ".join([self.label, self.about, self.variant, *self.figures]).lower()


class Picture(NamedTuple):
    """A figure; `image` is a data URI, so that ids and styles of several do not meet. Empty where it is not drawn."""

    name: str
    title: str
    image: str
    note: str  # the one below it, in words
    links: dict[str, str]


@dataclass(frozen=True)
class Page:
    """What the template is given."""

    part: str
    dataset: str
    report: Report  # of the published numbers alone
    rows: Sequence[NumberRow]
    reasons: Sequence[str]
    pictures: Sequence[Picture]
    replaced: Sequence[str]  # values of variants that the scale's general settings replace

    @property
    def compared(self) -> bool:
        return bool(self.report.comparisons)

    @property
    def judged(self) -> bool:
        return self.compared and not self.report.reduced

    @property
    def summary(self) -> str:
        if self.compared:
            return self.report.summary
        num_run = sum(bool(row.seeds) for row in self.rows)
        of = f"{len(self.rows)} numbers"
        return f"Runs for {num_run} of {of}. The paper has none of {self.dataset} to hold them against."

    @property
    def explanations(self) -> list[str]:
        return self.report.explanations if self.compared else list(caveats(()))


def make_page(
    declarations: Declarations, published: Published, scale: str, part: str, runs: Path, folder: Path
) -> Page:
    """What the runs of a part's experiments say, whichever seeds are there.

    Args:
        runs: folder of the scale's runs.
        folder: of the page, beside which figures, tables and notebooks are.
    Raises: ValueError if there is no such scale or folder of runs.
    """
    asked = Published(published.rule, tuple(numbers_of(declarations, published, scale, part)))
    results, left_out = find_runs(declarations, asked, scale, runs)
    comparisons = compare(declarations, asked, scale, results, left_out)
    reasons = list(dict.fromkeys(reason for comparison in comparisons for reason in comparison.reasons))
    titles = {name: declared.title for name, declared in declarations.experiments.items()}
    known = [comparison for comparison in comparisons if is_published(comparison)]
    rows = []
    for comparison in comparisons:
        configuration = comparison.number.variant, comparison.number.num_tasks
        seeds = [
            shown_run(run, comparison.number.quantity, run_folder(runs, *run[:3]), folder)
            for run in results
            if (run.variant, run.num_tasks) == configuration
        ]
        rows.append(row_of(comparison, seeds, reasons, declarations, scale))
    return Page(
        part,
        DATASETS[declarations.dataset].label,
        Report(scale, published.rule, known, len(results), list(notes_on(left_out)), titles),
        rows,
        reasons,
        [picture_of(name, titles[name], folder) for name in experiments_of(declarations, part)],
        replaced_by_scale(declarations, scale, configurations_of(declarations, scale, part)),
    )


def configurations_of(declarations: Declarations, scale: str, part: str) -> list[Configuration]:
    """Those of a part, once each, in the order of its experiments."""
    experiments = experiments_of(declarations, part)
    return list(dict.fromkeys(each for name in experiments for each in declarations.runs_of(scale, name)))


def experiments_of(declarations: Declarations, part: str) -> list[str]:
    return [name for name, declared in declarations.experiments.items() if declared.part == part]


def numbers_of(declarations: Declarations, published: Published, scale: str, part: str) -> Iterator[PublishedNumber]:
    """The published numbers of a part's configurations, and NaN for each quantity that has none."""
    in_figures = published.in_figures()
    for variant, num_tasks in configurations_of(declarations, scale, part):
        yield from (n for n in published.numbers if (n.variant, n.num_tasks) == (variant, num_tasks))
        infers = declarations.resolve(scale, variant, num_tasks, 1).context.infers
        for quantity in (ACCURACY, CLUSTERS) if infers else (ACCURACY,):
            if (variant, num_tasks, quantity) not in in_figures:
                nothing = (math.nan, None, False, False, "", ())
                yield PublishedNumber(variant, num_tasks, quantity, *nothing, published_for=variant)


def is_published(comparison: Comparison) -> bool:
    return not math.isnan(comparison.number.value)


# -- the table --------------------------------------------------------------------------------------------


def row_of(
    comparison: Comparison, seeds: list[ShownRun], reasons: Sequence[str], declarations: Declarations, scale: str
) -> NumberRow:
    number = comparison.number
    line = line_of(comparison, {reason: number for number, reason in enumerate(reasons, start=1)})
    if not is_published(comparison):
        line = line._replace(verdict="" if comparison.ours else NOT_RUN)
    settings = declarations.resolve(scale, number.variant, number.num_tasks, 1)
    return NumberRow(
        line=line,
        label=comparison.label,
        about="claim in the text" if number.in_text else "" if number.quantity == ACCURACY else number.quantity,
        quantity=number.quantity,
        variant=number.variant,
        num_tasks=number.num_tasks,
        figures=comparison.figures,
        source=number.source,
        settings_hash=settings.settings_hash(),
        settings=differing(declarations, settings),
        seeds=seeds,
    )


def differing(declarations: Declarations, settings: RunConfig) -> list[str]:
    """The settings that are not those of defaults.yaml, as `key: value` in YAML."""
    flat = flatten({key: value for key, value in settings.settings().items() if key not in IDENTITY}, "")
    return [
        yaml.safe_dump({key: setting.value}, default_flow_style=True, width=math.inf).strip()[1:-1]
        for key, setting in flat.items()
        if setting.value != declarations.defaults[key].value
    ]


def shown_run(run: RunResult, quantity: str, files: Path, folder: Path) -> ShownRun:
    """What a run's files say, which `find_runs` could read."""
    record = read_record(files / "record.json")
    forgotten = forgetting(read_accuracy(files / "accuracy.csv", run.num_tasks))
    steps = record.get("steps")
    return ShownRun(
        run.seed,
        format_number(run.value(quantity), quantity),
        "" if math.isnan(forgotten) else format_number(forgotten, ACCURACY),
        f"{steps:,}" if isinstance(steps, int) else NOT_RECORDED,
        wall_time(record),
        str(record.get("device") or NOT_RECORDED),
        commit_of(record),
        record.get("dirty") is False,
        links_to(folder, {name: files / name for name in LINKED}),
    )


def wall_time(record: Record) -> str:
    """Of the whole process; seeds that were learned side by side share it."""
    seconds, beside = record.get("wall_seconds"), record.get("side_by_side")
    if not isinstance(seconds, int | float):
        return NOT_RECORDED
    long = seconds >= 3600
    text = f"{seconds / 3600:.1f} h" if long else f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"
    return f"{text}, {len(beside)} seeds" if isinstance(beside, list) and len(beside) > 1 else text


def commit_of(record: Record) -> str:
    """Which code: 10 hex digits, and whether they are the whole truth."""
    commit = record.get("commit")
    if not isinstance(commit, str):
        return "no commit"
    dirty = record.get("dirty")
    changes = " and changes" if dirty is True else "" if dirty is False else ", perhaps changed"
    return f"{commit[:10]}{changes}"


def links_to(folder: Path, files: dict[str, Path]) -> dict[str, str]:
    """Paths from a folder to those files that are there, by name."""
    return {name: Path(os.path.relpath(path, folder)).as_posix() for name, path in files.items() if path.exists()}


# -- figures ----------------------------------------------------------------------------------------------


def picture_of(name: str, title: str, folder: Path) -> Picture:
    path, image, note = folder / "figures" / f"{name}.svg", "", ""
    if path.exists():
        drawn = path.read_bytes()
        image = f"data:image/svg+xml;base64,{base64.b64encode(drawn).decode()}"
        described = re.search("<dc:description>(.*?)</dc:description>", drawn.decode("utf-8"), re.DOTALL)
        note = html.unescape(described[1]).strip() if described else ""
    files = {"table": folder / "tables" / f"{name}.csv", "notebook": folder / "notebooks" / f"{name}.ipynb"}
    return Picture(name, title, image, note, links_to(folder, files))


def write_page(page: Page, template: Path, path: Path) -> None:
    """The page, whole or not at all."""
    text = load_template(template).render(page=page)
    with atomic_file(path) as file:
        file.write(text)
