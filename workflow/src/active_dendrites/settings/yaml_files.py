"""How YAML files with settings are read: typed, with a line that names file and key for every fault.

Every value remembers the file and key it came from, so that a fault can be reported where it was written. Read with
PyYAML, as Snakemake reads config.yaml: with ruamel.yaml (YAML 1.2), `5e-4` or `on` would mean two things in one folder.
"""

import difflib
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # PyYAML was built without its C library
    from yaml import SafeLoader  # type: ignore[assignment]  # the same methods, slower


class ConfigError(ValueError):
    """A setting that a user can mend, in one line: file, key, what was found, what was expected."""


ABSENT = object()
LONGEST = 200  # characters of a value that a line shows
MOST_NODES = 1_000_000  # of a file
MOST_NAMES = 12  # of those that are known


def fault_line(source: str | Path, key: str, expected: str, *, value: Any = ABSENT, found: str = "nothing") -> str:
    """What every line about a fault says: where it is, what was found, what was expected.

    Args:
        source: a file, as the user knows it, or an option of the command line.
        key: within the file, dotted; empty for the file itself.
        value: what was found, shown as Python writes it; or
        found: the same in words.
    """
    where = f"{source}: {key}" if key else str(source)
    return f"{where}: found {found if value is ABSENT else shown(value)}, expected {expected}"


def fault(source: str | Path, key: str, expected: str, *, value: Any = ABSENT, found: str = "nothing") -> ConfigError:
    """The error of a setting; its arguments are those of `fault_line`."""
    return ConfigError(fault_line(source, key, expected, value=value, found=found))


def unknown_key(source: str | Path, key: str, name: Any, known: Sequence[Any] | Mapping[Any, Any]) -> ConfigError:
    """The error of a key that no setting has; `name` is the part of the key that should be one of the known."""
    return ConfigError(f"{source}: {key}: unknown key, expected {one_of(name, known)}")


def shown(value: Any) -> str:
    """A value as Python writes it, in one line of bounded length."""
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python converts
        return "a number of thousands of digits"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


class Section(BaseModel):
    """Settings that belong together: typed, none unknown, never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Setting(NamedTuple):
    """A value and where it was written."""

    value: Any
    file: str  # as the user knows it: config/variants.yaml
    where: str  # the key as it stands in that file: prototype.network.winner_density

    def fault(self, expected: str) -> ConfigError:
        return fault(self.file, self.where, expected, value=self.value)


Model = TypeVar("Model", bound=Section)
Settings = dict[str, Setting]  # by dotted key: network.winner_density


def typed(model: type[Model], tree: Any, file: str, where: str = "") -> Model:
    """The typed form of what a file says. Raises: ConfigError for the first fault."""
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        keys = list(keys_of(first["loc"], tree))
        key = ".".join([where, *keys] if where else keys) or "file"
        raise error_of(first, model, file, key) from None


def keys_of(location: Iterable[str | int], tree: Any) -> Iterator[str]:
    """The keys on the way to a fault, without positions in lists and pydantic's names of alternatives."""
    for part in location:
        if isinstance(tree, Mapping) and part in tree:
            yield str(part)
            tree = tree[part]
        elif isinstance(tree, list) and isinstance(part, int):
            tree = tree[part]
        elif isinstance(tree, Mapping) and part != "[key]":
            yield str(part)  # of a value that is missing
            tree = None


def error_of(details: Mapping[str, Any], model: type[Section], file: str, key: str) -> ConfigError:
    """The error of what pydantic says of a value."""
    if details["type"] == "extra_forbidden":
        return unknown_key(file, key, details["loc"][-1], model.model_fields)
    if details["type"] == "missing":
        return fault(file, key, "a value")
    value, expected = details["input"], expected_of(details)
    numeric = isinstance(value, str) and is_number(value)
    hint = "; YAML reads 5e-4 as text, write 5.0e-4" if numeric and "e" in str(value) and "number" in expected else ""
    return fault(file, key, f"{expected}{hint}", value=value)


def expected_of(details: Mapping[str, Any]) -> str:
    message: str = details["msg"]
    return message.removeprefix("Value error, ").removeprefix("Input should be ").removeprefix("a valid ")


def check_known(settings: Settings, known: Iterable[str]) -> None:
    for key, setting in settings.items():
        if key not in known:
            raise unknown_key(setting.file, setting.where, key, list(known))


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises: ConfigError if it is missing or is not one."""
    return dict(_read_yaml(path, path.stat().st_mtime_ns if path.exists() else 0))


@cache
def _read_yaml(path: Path, version: int) -> Mapping[str, Any]:
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), StrictLoader)
    except OSError as error:
        raise ConfigError(f"{display(path)}: {error.strerror}, expected a YAML file") from None
    except UnicodeDecodeError:
        raise fault(display(path), "", "YAML text", found="bytes that are not UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{display(path)}: line {mark.line + 1}" if mark else display(path)
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise ConfigError(f"{where}: {problem}, expected {getattr(error, 'expected', 'YAML')}") from None
    except (ValueError, RecursionError) as error:  # a date or an integer that Python has not, or endless nesting
        raise ConfigError(f"{display(path)}: {error}, expected YAML") from None
    if not isinstance(tree, dict):
        raise fault(display(path), "", "a mapping", value=tree)
    for key in tree:
        if not isinstance(key, str):
            raise fault(display(path), "", f"text, such as '{key}' in quotes", found=f"key {shown(key)}")
    return tree


def parse_value(text: str, source: str, key: str) -> Any:
    """What a text of the command line is as a value in a YAML file. Raises: ConfigError."""
    try:
        return yaml.load(text, StrictLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise fault(source, key, "a value, as in a YAML file", value=text) from None


class KeyFault(yaml.constructor.ConstructorError):
    """A key that a mapping cannot have."""

    def __init__(self, found: str, expected: str, mark: yaml.Mark) -> None:
        super().__init__(None, None, f"found key {found}", mark)
        self.expected = expected


def expanded_size(node: yaml.Node, known: dict[int, int]) -> int:
    """How many nodes a node stands for, with all that its aliases repeat."""
    if id(node) not in known:
        known[id(node)] = 1  # of one that contains itself
        parts = node.value if isinstance(node, yaml.CollectionNode) else ()
        inner = (each for part in parts for each in (part if isinstance(part, tuple) else (part,)))
        known[id(node)] = 1 + sum(expanded_size(each, known) for each in inner)
    return known[id(node)]


MERGE = "tag:yaml.org,2002:merge"


class StrictLoader(SafeLoader):
    """YAML that refuses a key written twice, where plain readers let the second one win, and keys like `on` or a date.

    Merge keys are what they are elsewhere: `<<: *other` takes keys of another mapping that are not written here.
    """

    def get_single_node(self) -> yaml.Node | None:
        node: yaml.Node | None = super().get_single_node()
        if node is not None and expanded_size(node, {}) > MOST_NODES:
            found = f"found aliases that stand for more than {MOST_NODES:,} values"
            raise yaml.constructor.ConstructorError(None, None, found, node.start_mark)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = "<<" if key_node.tag == MERGE else self.construct_object(key_node, deep=True)
            if isinstance(key, bool) or not isinstance(key, str | int | float) or key == "":
                words = "; YAML reads on, off, yes, no as true or false" if isinstance(key, bool) else ""
                raise KeyFault(shown(key), f"text or a number; write text in quotes{words}", key_node.start_mark)
            if key in seen:
                raise KeyFault(f"{key!r} twice", "YAML", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


# Without YAML 1.1's numbers to the base of 60, 8 and 2, which nobody means: 1:30 (90), 010 (8). They are text.
PLAIN_NUMBERS = {
    "tag:yaml.org,2002:int": re.compile(r"[-+]?(0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$"),
    "tag:yaml.org,2002:float": re.compile(
        r"([-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+][0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$"
    ),
}
StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, PLAIN_NUMBERS.get(tag, known)) for tag, known in resolvers]
    for first, resolvers in SafeLoader.yaml_implicit_resolvers.items()
}


def display(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def one_of(name: Any, known: Sequence[Any] | Mapping[Any, Any]) -> str:
    """The nearest known name, or all of them, of many the first."""
    names = [str(other) for other in known]
    near = difflib.get_close_matches(str(name), names, n=1)
    if near:
        return repr(near[0])
    others = f" and {len(names) - MOST_NAMES} others" if len(names) > MOST_NAMES else ""
    return f"one of {', '.join(names[:MOST_NAMES])}{others}"


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
