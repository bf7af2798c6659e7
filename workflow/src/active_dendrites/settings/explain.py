"""Where each value of a configuration's settings comes from, and what it took the place of.

The order in which values replace each other is in config/README.md ("Which value holds").
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from active_dendrites.settings.declarations import Declarations
from active_dendrites.settings.run import ONE_PER_TASK, Configuration
from active_dendrites.settings.yaml_files import Setting

HEADINGS = ("setting", "value", "from", "instead of")


class ExplainedSetting(NamedTuple):
    """The value that holds, where it was written, and the values it replaced, the strongest first."""

    key: str
    value: str
    origin: str
    replaced: str


def explain(declarations: Declarations, scale: str, configurations: Sequence[Configuration]) -> Iterator[str]:
    """Lines: every setting of a configuration, or of several; of several first those that they share.

    Raises: ConfigError.
    """
    tables = {configuration: rows_of(declarations, scale, configuration) for configuration in configurations}
    shared = [row for row in tables[configurations[0]] if all(row in rows for rows in tables.values())]
    if len(tables) > 1:
        yield f"{len(tables)} configurations, {scale} scale, what they share:"
        yield from table(shared)
    for configuration, rows in tables.items():
        run = declarations.resolve(scale, *configuration, seed=1)
        if len(tables) > 1:
            yield ""
        yield (
            f"{configuration.variant}, {configuration.num_tasks} tasks, {scale} scale;"
            f" settings hash {run.settings_hash()}:"
        )
        yield from table([row for row in rows if len(tables) == 1 or row not in shared])


def rows_of(declarations: Declarations, scale: str, configuration: Configuration) -> list[ExplainedSetting]:
    declarations.resolve(scale, *configuration, seed=1)  # refuses what cannot be run
    rows = []
    for key, (*replaced, holding) in declarations.declared_values(scale, configuration).items():
        value = written(holding.value)
        if holding.value == ONE_PER_TASK:
            value = f"{configuration.num_tasks} ({ONE_PER_TASK})"
        others = "; ".join(f"{written(other.value)} ({origin(other)})" for other in reversed(replaced))
        rows.append(ExplainedSetting(key, value, origin(holding), others))
    return rows


def origin(setting: Setting) -> str:
    return f"{setting.file}: {setting.where}"


def written(value: Any) -> str:
    """A value about as YAML has it."""
    return value if isinstance(value, str) else json.dumps(value)


def table(rows: Sequence[ExplainedSetting]) -> Iterator[str]:
    """Lines of aligned columns."""
    lines = [HEADINGS, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS) - 1)]
    for *cells, last in lines:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        yield "  " + "  ".join([*padded, last]).rstrip()


def replaced_by_scale(declarations: Declarations, scale: str, configurations: Iterable[Configuration]) -> list[str]:
    """A line for each setting of the command line, and for each value of a variant that the scale replaces unnamed.

    Where a scale names a variant, or a descendant, it states the value for it on purpose, and nothing is to be said.
    """
    lines = {
        f"{setting.file}: {key} {written(setting.value)}": None for key, setting in declarations.given.items()
    }  # each once
    for configuration in configurations:
        for key, (*replaced, holding) in declarations.declared_values(scale, configuration).items():
            if (holding.file, holding.where) != (declarations.file(scale), f"settings.{key}") or not replaced:
                continue
            own = replaced[-1]
            if own.file == declarations.file("variants") and own.value != holding.value:
                name, _, count = own.where.removesuffix(f".{key}").partition(".by_num_tasks.")
                at = f" at {count} tasks" if count else ""
                lines[f"{scale}: {key} {written(own.value)} -> {written(holding.value)} for {name}{at}"] = None
    return list(lines)
