"""Published numbers and the rule of their reproduction, from config/published.yaml; the declared rows of tables."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import AfterValidator, Field

from active_dendrites.settings.datasets import MNIST
from active_dendrites.settings.declarations import Declarations
from active_dendrites.settings.forms import TaskCounts, value_name
from active_dendrites.settings.run import PositiveFloat, TaskCount
from active_dendrites.settings.yaml_files import Section, display, fault, one_of, read_yaml, typed

ACCURACY: Final = "accuracy"  # the quantities that are published
CLUSTERS: Final = "clusters"
ANY_COUNT = "all"  # for a reason or a finding that holds at every number of tasks

Points = Annotated[float, Field(gt=0, le=100)]  # of %
MOST_CLUSTERS = 1_000_000

Key = tuple[str, int, str]  # variant, number of tasks, quantity


def from_one_task(margins: dict[int, float]) -> dict[int, float]:
    if 1 not in margins:
        raise ValueError("margins from 1 task on")
    return margins


class ClustersMargin(Section):
    """By how much a number of clusters may differ: a share of the tasks, and at least so many."""

    least: PositiveFloat
    share_of_tasks: Annotated[float, Field(ge=0, le=1)]


class Rule(Section):
    """When a number counts as reproduced. Source: method 10, its last part."""

    level: Annotated[float, Field(gt=0, lt=0.5)]
    accuracy_margin: Annotated[dict[TaskCount, Points], AfterValidator(from_one_task)]
    clusters_margin: ClustersMargin

    def margin(self, quantity: str, num_tasks: int) -> float:
        """How far ours may lie from the published number: a fraction, or a number of clusters."""
        if quantity == CLUSTERS:
            return max(self.clusters_margin.least, self.clusters_margin.share_of_tasks * num_tasks)
        start = max(count for count in self.accuracy_margin if count <= num_tasks)
        return self.accuracy_margin[start] / 100


class Numbers(Section):
    """Published numbers as written: of a variant by number of tasks, of a sweep then by value."""

    source: Annotated[str, Field(min_length=1)]
    quoted: bool = False
    values: Annotated[dict[TaskCount, Any], Field(min_length=1)]
    reasons: dict[Any, str] = Field(default_factory=dict)

    def reasons_at(self, num_tasks: int) -> tuple[str, ...]:
        return tuple(self.reasons[key] for key in (num_tasks, ANY_COUNT) if key in self.reasons)


class StandIn(Section):
    """A variant that is held against the numbers of another."""

    of: str
    at: TaskCounts
    reason: Annotated[str, Field(min_length=1)]


class Finding(Section):
    """Why ours is not the published number, as an experiment of ours showed: found afterwards, unlike a reason."""

    of: str  # a variant, or a sweep for each of its variants
    at: TaskCounts | Literal["all"]
    quantity: Literal["accuracy", "clusters"] = ACCURACY
    by: str  # an experiment, a variant or a sweep
    says: Annotated[str, Field(min_length=1)]

    @property
    def words(self) -> str:
        return f"Found by {self.by}: {self.says}"


class PublishedFile(Section):
    """The parts of published.yaml; what is in them is checked one by one, so that a fault names its key."""

    rule: Any
    curves: dict[str, Any]
    stand_ins: dict[str, Any]
    searches: dict[str, Any]
    clusters: dict[str, Any]
    text: dict[str, Any]
    findings: list[Any]


class PublishedNumber(NamedTuple):
    """One comparison to be made: of a variant at a number of tasks with a published number."""

    variant: str
    num_tasks: int
    quantity: str  # accuracy, a fraction; or clusters, a number
    value: float
    std: float | None  # of the published trials
    quoted: bool  # by the paper, from the literature
    in_text: bool  # in a sentence, not in a figure
    source: str
    reasons: tuple[str, ...]
    published_for: str  # the variant that it was published for, another one only for a stand-in
    findings: tuple[str, ...] = ()  # why ours differs

    @property
    def key(self) -> Key:
        return self.variant, self.num_tasks, self.quantity


@dataclass(frozen=True)
class Published:
    """Everything that published.yaml says; each number in figures stands for one (variant, num_tasks, quantity)."""

    rule: Rule
    numbers: tuple[PublishedNumber, ...]

    def in_figures(self) -> dict[Key, PublishedNumber]:
        return {number.key: number for number in self.numbers if not number.in_text}


class DeclaredRow(NamedTuple):
    """What a table's row says before anything is measured; published accuracies are fractions, None if there is none.

    `quoted` is True where the paper took that accuracy from the literature.
    """

    variant: str
    label: str
    num_tasks: int
    published: float | None
    quoted: bool
    published_std: float | None
    published_clusters: float | None


def declared_rows(
    declarations: Declarations, published: Published, scale: str, experiment: str
) -> Iterator[DeclaredRow]:
    """The rows of an experiment's table, in the order declared; sweeps by each of their variants."""
    numbers = published.in_figures()
    for variant, num_tasks in declarations.configurations_of(scale, experiment):
        accuracy, clusters = (numbers.get((variant, num_tasks, quantity)) for quantity in (ACCURACY, CLUSTERS))
        yield DeclaredRow(
            variant,
            declarations.label(variant),
            num_tasks,
            published=accuracy.value if accuracy else None,
            quoted=bool(accuracy and accuracy.quoted),
            published_std=accuracy.std if accuracy else None,
            published_clusters=clusters.value if clusters else None,
        )


# -- reading ----------------------------------------------------------------------------------------------


def read_published(declarations: Declarations) -> Published:
    """The published numbers and the rule, checked against the declared variants; of MNIST alone there are numbers.

    Raises: ConfigError.
    """
    path = declarations.folder / "published.yaml"
    file = display(path)
    parts = typed(PublishedFile, read_yaml(path), file)
    variants = [name for name, declared in declarations.variants.items() if declared.runnable]
    numbers = [
        *read_part(file, "curves", parts.curves, variants),
        *read_part(file, "clusters", parts.clusters, variants),
        *read_part(file, "text", parts.text, variants),
        *read_searches(file, parts.searches, declarations),
    ]
    numbers += read_stand_ins(file, parts.stand_ins, numbers, variants)
    check_each_once(numbers, file)
    findings = list(read_findings(file, parts.findings, numbers, declarations))
    rule = typed(Rule, parts.rule, file, "rule")
    judged = numbers if declarations.dataset == MNIST else []
    return Published(rule, tuple(with_findings(number, findings, declarations) for number in judged))


def check_each_once(numbers: Iterable[PublishedNumber], file: str) -> None:
    """No number of figures is written twice, as under 0.1 and "0.1", or for a sweep and for one of its variants."""
    keys = [number.key for number in numbers if not number.in_text]
    for key in keys:
        if keys.count(key) > 1:
            variant, num_tasks, quantity = key
            raise fault(file, variant, "one", found=f"two numbers of its {quantity} at {num_tasks} tasks")


def read_part(file: str, part: str, declared: Mapping[str, Any], variants: list[str]) -> Iterator[PublishedNumber]:
    """The numbers of curves, clusters or text."""
    quantity = CLUSTERS if part == "clusters" else ACCURACY
    for variant, tree in declared.items():
        where = f"{part}.{variant}"
        check_known_name(variant, variants, file, part)
        entry = read_numbers(tree, file, where)
        for num_tasks, number in entry.values.items():
            key = f"{where}.values.{num_tasks}"
            value = count(number, file, key) if quantity == CLUSTERS else fraction(number, file, key)
            yield number_of(entry, variant, num_tasks, value, quantity=quantity, in_text=part == "text")


def read_searches(file: str, declared: Mapping[str, Any], declarations: Declarations) -> Iterator[PublishedNumber]:
    """The numbers of sweeps, by number of tasks and value, each a mean and a standard deviation."""
    for sweep, tree in declared.items():
        check_known_name(sweep, declarations.sweeps, file, "searches")
        entry = read_numbers(tree, file, f"searches.{sweep}")
        names = {variant.removeprefix(f"{sweep}-"): variant for variant in declarations.sweeps[sweep]}
        for num_tasks, by_value in entry.values.items():
            where = f"searches.{sweep}.values.{num_tasks}"
            if not isinstance(by_value, Mapping):
                raise fault(file, where, "numbers by value searched", value=by_value)
            for value, numbers in by_value.items():
                if value_name(value) not in names:
                    raise fault(file, where, f"{one_of(value_name(value), names)} of the sweep", value=value)
                if not isinstance(numbers, list) or len(numbers) != 2:
                    raise fault(file, f"{where}.{value}", "[mean, standard deviation]", value=numbers)
                mean, std = (
                    fraction(part, file, f"{where}.{value}", least) for part, least in zip(numbers, (1, 0), strict=True)
                )
                if std > mean:
                    raise fault(file, f"{where}.{value}", "[mean, standard deviation], in this order", value=numbers)
                yield number_of(entry, names[value_name(value)], num_tasks, mean, std=std)


def read_stand_ins(
    file: str, declared: Mapping[str, Any], numbers: list[PublishedNumber], variants: list[str]
) -> Iterator[PublishedNumber]:
    """The numbers of curves once more, for the variants that stand in."""
    curves = {number.key: number for number in numbers if not number.in_text}
    for variant, tree in declared.items():
        where = f"stand_ins.{variant}"
        check_known_name(variant, variants, file, "stand_ins")
        stand_in = typed(StandIn, tree, file, where)
        check_known_name(stand_in.of, {name for name, _, _ in curves}, file, f"{where}.of")
        for num_tasks in stand_in.at:
            if (variant, num_tasks, ACCURACY) in curves:
                raise fault(file, f"{where}.at", f"one at which {variant} has no number of its own", value=num_tasks)
            if (stand_in.of, num_tasks, ACCURACY) not in curves:
                known = [str(count) for name, count, what in curves if (name, what) == (stand_in.of, ACCURACY)]
                raise fault(file, f"{where}.at", f"one of {', '.join(known)}", value=num_tasks)
            number = curves[stand_in.of, num_tasks, ACCURACY]
            yield number._replace(variant=variant, reasons=(stand_in.reason,))


def read_findings(
    file: str, declared: Iterable[Any], numbers: list[PublishedNumber], declarations: Declarations
) -> Iterator[Finding]:
    """The findings, each of numbers that are published, and by an experiment that is declared."""
    experiments = [*declarations.experiments, *declarations.variants]
    for index, tree in enumerate(declared):
        where = f"findings.{index}"
        finding = typed(Finding, tree, file, where)
        check_known_name(finding.by, experiments, file, f"{where}.by")
        of = [number for number in numbers if number.quantity == finding.quantity]
        check_known_name(
            finding.of, {name for number in of for name in names_of(number, declarations)}, file, f"{where}.of"
        )
        known = sorted({number.num_tasks for number in of if finding.of in names_of(number, declarations)})
        for num_tasks in () if finding.at == ANY_COUNT else finding.at:
            if num_tasks not in known:
                expected = f"{ANY_COUNT}, or of {', '.join(map(str, known))}"
                raise fault(file, f"{where}.at", expected, value=num_tasks)
        yield finding


def names_of(number: PublishedNumber, declarations: Declarations) -> tuple[str, str]:
    """What a finding may call it: its variant, or the sweep that this is one of."""
    return number.variant, declarations.sweep_of(number.variant)


def with_findings(number: PublishedNumber, findings: list[Finding], declarations: Declarations) -> PublishedNumber:
    """The number with the findings on it."""
    names = names_of(number, declarations)
    of = [finding for finding in findings if finding.of in names and finding.quantity == number.quantity]
    words = [finding.words for finding in of if finding.at == ANY_COUNT or number.num_tasks in finding.at]
    return number._replace(findings=tuple(words))


def read_numbers(tree: Any, file: str, where: str) -> Numbers:
    """An entry whose reasons belong to numbers that it has."""
    entry = typed(Numbers, tree, file, where)
    for key in entry.reasons:
        if key != ANY_COUNT and key not in entry.values:
            known = ", ".join(map(str, [ANY_COUNT, *entry.values]))
            raise fault(file, f"{where}.reasons", f"one of {known}", value=key)
    return entry


def number_of(
    entry: Numbers,
    variant: str,
    num_tasks: int,
    value: float,
    quantity: str = ACCURACY,
    std: float | None = None,
    in_text: bool = False,
) -> PublishedNumber:
    reasons = entry.reasons_at(num_tasks)
    return PublishedNumber(
        variant, num_tasks, quantity, value, std, entry.quoted, in_text, entry.source, reasons, published_for=variant
    )


def check_known_name(name: str, known: Any, file: str, where: str) -> None:
    if name not in known:
        raise fault(file, where, one_of(name, sorted(known)), value=name)


def fraction(percent: Any, file: str, where: str, least: float = 1) -> float:
    """A percentage as a fraction; an accuracy below 1 % is a fraction that somebody took for one."""
    if type(percent) not in (int, float) or not least <= percent <= 100:
        raise fault(file, where, f"{least:g} to 100 (%)", value=percent)
    return float(round(percent / 100, 8))


def count(clusters: Any, file: str, where: str) -> float:
    """A mean number of clusters."""
    if type(clusters) not in (int, float) or not 1 <= clusters <= MOST_CLUSTERS:
        raise fault(file, where, f"a mean number of clusters, from 1 to {MOST_CLUSTERS}", value=clusters)
    return float(clusters)
