"""The page of a part of the results: its figures, and each number with the settings and the runs that gave it.

Here is what stands in it; how it looks is in the template. Links start from the page's folder.
"""

import base64
import html
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from active_dendrites.reports.reproduction_page import Line, Report, caveats, line_of, load_template
from active_dendrites.reports.shown_runs import ShownRun, links_to, mean_forgetting, run_of_folder
from active_dendrites.reproduction.counted_runs import LeftOut, RunResult, find_runs, notes_on
from active_dendrites.reproduction.verdicts import NOT_RUN, Comparison, compare
from active_dendrites.runs.files import atomic_file
from active_dendrites.runs.folders import run_folder
from active_dendrites.settings.datasets import DATASETS
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.explain import replaced_by_scale
from active_dendrites.settings.published import ACCURACY, CLUSTERS, Published, PublishedNumber
from active_dendrites.settings.run import Configuration, RunConfig, flatten

IDENTITY = ("variant", "num_tasks", "seed", "dataset")  # of a run, beside its settings
EXPLORER = "explorer.html"
NOT_DRAWN = "not drawn yet"
ShowRun = Callable[[RunResult, str], ShownRun]  # a run and the quantity that is shown of it


class NumberRow(NamedTuple):
    """A number of ours, with or without a published one."""

    anchor: str  # the name of a link to it
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
    all_settings: list[str]
    settings_target: str  # which prints them with their sources
    forgetting: str  # of a number that is an accuracy
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
    reason: str  # why there is no image
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
    of_reference: bool  # whether it is made of runs.csv, without the folders of the runs
    explorer: str  # the address of the page on which runs are chosen; empty where there is none
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
    asked = asked_numbers(declarations, published, scale, part)
    results, left_out = find_runs(declarations, asked, scale, runs)

    def show(run: RunResult, quantity: str) -> ShownRun:
        return run_of_folder(run, quantity, run_folder(runs, run.variant, run.num_tasks, run.seed), folder)

    return page_of(declarations, asked, scale, part, folder, results, left_out, show)


def page_of(
    declarations: Declarations,
    asked: Published,
    scale: str,
    part: str,
    folder: Path,
    results: Sequence[RunResult],
    left_out: Sequence[LeftOut],
    show: ShowRun,
    why_not_drawn: Mapping[str, str] | None = None,
) -> Page:
    """The page of a part from its runs, wherever they come from.

    Args:
        asked: as `asked_numbers` gives them.
        folder: of the page, beside which figures, tables and notebooks are.
        why_not_drawn: of experiments without a figure; given for the page of the reference alone.
    """
    comparisons = compare(declarations, asked, scale, results, left_out)
    reasons = list(dict.fromkeys(reason for comparison in comparisons for reason in comparison.reasons))
    titles = {name: declared.title for name, declared in declarations.experiments.items()}
    with_published = [comparison for comparison in comparisons if is_published(comparison)]
    rows = []
    for comparison in comparisons:
        number = comparison.number
        of_number = [run for run in results if (run.variant, run.num_tasks) == (number.variant, number.num_tasks)]
        runs = [show(run, number.quantity) for run in sorted(of_number, key=lambda run: run.seed)]
        rows.append(row_of(comparison, runs, reasons, declarations, scale))
    why = why_not_drawn or {}
    return Page(
        part=part,
        dataset=DATASETS[declarations.dataset].label,
        report=Report(scale, asked.rule, with_published, len(results), list(notes_on(left_out)), titles),
        rows=rows,
        reasons=reasons,
        pictures=[
            picture_of(name, titles[name], folder, why.get(name, NOT_DRAWN))
            for name in experiments_of(declarations, part)
        ],
        of_reference=why_not_drawn is not None,
        explorer=EXPLORER if (folder / EXPLORER).exists() else "",
        replaced=replaced_by_scale(declarations, scale, configurations_of(declarations, scale, part)),
    )


def asked_numbers(declarations: Declarations, published: Published, scale: str, part: str) -> Published:
    """What a page of a part shows: the published numbers, and NaN for each quantity that has none."""
    return Published(published.rule, tuple(numbers_of(declarations, published, scale, part)))


def configurations_of(declarations: Declarations, scale: str, part: str) -> list[Configuration]:
    """Those of a part, once each, in the order of its experiments."""
    experiments = experiments_of(declarations, part)
    return list(dict.fromkeys(each for name in experiments for each in declarations.configurations_of(scale, name)))


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
    comparison: Comparison, runs: list[ShownRun], reasons: Sequence[str], declarations: Declarations, scale: str
) -> NumberRow:
    number = comparison.number
    line = line_of(comparison, {reason: number for number, reason in enumerate(reasons, start=1)})
    if not is_published(comparison):
        line = line._replace(verdict="" if comparison.ours else NOT_RUN)
    settings = declarations.resolve(scale, number.variant, number.num_tasks, 1)
    about = "claim in the text" if number.in_text else "" if number.quantity == ACCURACY else number.quantity
    return NumberRow(
        anchor="-".join([number.variant, str(number.num_tasks), *about.split()[-1:]]),
        line=line,
        label=comparison.label,
        about=about,
        quantity=number.quantity,
        variant=number.variant,
        num_tasks=number.num_tasks,
        figures=comparison.figures,
        source=number.source,
        settings_hash=settings.settings_hash(),
        settings=differing(declarations, settings),
        all_settings=all_settings(declarations, settings),
        settings_target=settings_target(declarations, scale, number),
        forgetting=mean_forgetting(runs) if number.quantity == ACCURACY else "",
        seeds=runs,
    )


def settings_target(declarations: Declarations, scale: str, number: PublishedNumber) -> str:
    """The target that prints the settings of a configuration, or of all of a sweep, with their sources."""
    of_scale = "" if scale == PAPER else f"{scale}_"
    return f"settings_{of_scale}{declarations.sweep_of(number.variant)}_{number.num_tasks}"


def differing(declarations: Declarations, settings: RunConfig) -> list[str]:
    """The settings that are not those of defaults.yaml, as `key: value` in YAML."""
    values = values_by_key(settings)
    return [as_yaml(key, value) for key, value in values.items() if value != declarations.defaults[key].value]


def all_settings(declarations: Declarations, settings: RunConfig) -> list[str]:
    """All settings of defaults.yaml, likewise and in its order."""
    values = values_by_key(settings)  # which leaves out some that have their default
    return [as_yaml(key, values.get(key, default.value)) for key, default in declarations.defaults.items()]


def values_by_key(settings: RunConfig) -> dict[str, Any]:
    """The settings by dotted key, without those that name the run."""
    flat = flatten({key: value for key, value in settings.settings().items() if key not in IDENTITY}, "")
    return {key: setting.value for key, setting in flat.items()}


def as_yaml(key: str, value: Any) -> str:
    return yaml.safe_dump({key: value}, default_flow_style=True, width=math.inf).strip()[1:-1]


# -- figures ----------------------------------------------------------------------------------------------


def picture_of(name: str, title: str, folder: Path, reason: str) -> Picture:
    path, image, note = folder / "figures" / f"{name}.svg", "", ""
    if path.exists():
        drawn = path.read_bytes()
        image = f"data:image/svg+xml;base64,{base64.b64encode(drawn).decode()}"
        described = re.search("<dc:description>(.*?)</dc:description>", drawn.decode("utf-8"), re.DOTALL)
        note = html.unescape(described[1]).strip() if described else ""
    files = {kind.upper(): folder / "figures" / f"{name}.{kind}" for kind in ("svg", "png", "pdf")}
    files |= {"table": folder / "tables" / f"{name}.csv", "LaTeX": folder / "tables" / f"{name}.tex"}
    files |= {"notebook": folder / "notebooks" / f"{name}.html"}
    return Picture(name, title, image, note, reason, links_to(folder, files))


def write_page(page: Page, template: Path, path: Path) -> None:
    """Write the page, atomically."""
    text = load_template(template).render(page=page)
    with atomic_file(path) as file:
        file.write(text)
