"""Published accuracies from config/published.yaml, and what of a table is declared rather than measured."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from active_dendrites.config import ConfigError, Declarations, check_counts, display, one_of, read_yaml

QUOTED = "quoted"  # the key under which curves stand that are not run here


@dataclass(frozen=True)
class Published:
    """Accuracies as fractions by number of tasks, of variants and quoted curves; labels of the latter."""

    accuracy: Mapping[str, Mapping[int, float]]
    labels: Mapping[str, str]


class DeclaredRow(NamedTuple):
    """What a table's row says before anything is measured; `published` is a fraction or None."""

    variant: str
    label: str
    num_tasks: int
    published: float | None
    quoted: bool


def read_published(declarations: Declarations) -> Published:
    """The published values, checked against the declared variants and quoted curves. Raises: ConfigError."""
    path = declarations.folder / "published.yaml"
    file, found, known = display(path), read_yaml(path), declarations.variants
    curves = found.pop(QUOTED, {})
    if not isinstance(curves, Mapping):
        raise ConfigError(f"{file}: {QUOTED}: found {curves!r}, expected curves by name")
    accuracy = {}
    for variant, values in found.items():
        if variant not in known:
            raise ConfigError(f"{file}: found variant {variant!r}, expected {one_of(variant, known)}")
        accuracy[variant] = read_curve(values, file, variant)
    labels = {}
    for name, curve in curves.items():
        where = f"{QUOTED}.{name}"
        if not isinstance(curve, Mapping) or set(curve) != {"label", "accuracy"}:
            raise ConfigError(f"{file}: {where}: found {curve!r}, expected a label and accuracies")
        labels[name], accuracy[name] = curve["label"], read_curve(curve["accuracy"], file, where)
    for experiment, declared in declarations.experiments.items():
        for name in declared.quoted:
            if name not in labels:
                where = f"{display(declarations.folder / 'experiments.yaml')}: {experiment}.{QUOTED}"
                raise ConfigError(f"{where}: found {name!r}, expected {one_of(name, labels)} of {file}")
    return Published(accuracy, labels)


def read_curve(values: Any, file: str, where: str) -> dict[int, float]:
    """{number of tasks: %} as {number of tasks: fraction}."""
    if not isinstance(values, Mapping):
        raise ConfigError(f"{file}: {where}: found {values!r}, expected accuracies in % by number of tasks")
    check_counts(list(values), file, where)
    for num_tasks, percent in values.items():
        if type(percent) not in (int, float) or not 0 <= percent <= 100:
            raise ConfigError(f"{file}: {where}.{num_tasks}: found {percent!r}, expected 0 to 100 (%)")
    return {num_tasks: round(percent / 100, 8) for num_tasks, percent in values.items()}


def declared_rows(
    declarations: Declarations, published: Published, scale: str, experiment: str
) -> Iterator[DeclaredRow]:
    """The rows of an experiment's table: its runs, then its quoted curves at the same numbers of tasks."""
    counts = set()
    for variant, num_tasks in declarations.runs_of(scale, experiment):
        counts.add(num_tasks)
        value = published.accuracy.get(variant, {}).get(num_tasks)
        yield DeclaredRow(variant, declarations.label(variant), num_tasks, value, quoted=False)
    for name in declarations.experiments[experiment].quoted:
        for num_tasks, value in published.accuracy[name].items():
            if num_tasks in counts:
                yield DeclaredRow(name, published.labels[name], num_tasks, value, quoted=True)
