"""How YAML files with settings are read: typed, with a line that names file and key for every fault.

Every value remembers the file and key it came from, so that a fault can be reported where it was written.
"""

import difflib
from collections.abc import Hashable, Iterable, Mapping, Sequence
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


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Setting(NamedTuple):
    value: Any
    file: str  # as the user knows it: config/variants.yaml
    where: str  # the key as it stands in that file: prototype.network.winner_density


Model = TypeVar("Model", bound=Section)
Settings = dict[str, Setting]  # by dotted key: network.winner_density


def typed(model: type[Model], tree: Any, file: str, where: str = "") -> Model:
    """The typed form of what a file says. Raises: ConfigError for the first fault."""
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        fault = error.errors()[0]
        keys = [str(part) for part in fault["loc"] if part != "[key]" and not isinstance(part, int)]
        place = ".".join([where, *keys] if where else keys) or "file"
        raise ConfigError(f"{file}: {place}: {found_and_expected(fault, model)}") from None


def found_and_expected(fault: Mapping[str, Any], model: type[Section]) -> str:
    """The second half of a line: what was found, and what was expected."""
    found = fault["input"]
    if fault["type"] == "extra_forbidden":
        return f"unknown key, expected {one_of(fault['loc'][-1], model.model_fields)}"
    if fault["type"] == "missing":
        return "found nothing, expected a value"
    expected = expected_of(fault)
    numeric = isinstance(found, str) and is_number(found)
    hint = "; YAML reads 5e-4 as text, write 5.0e-4" if numeric and "number" in expected else ""
    return f"found {found!r}, expected {expected}{hint}"


def expected_of(fault: Mapping[str, Any]) -> str:
    message: str = fault["msg"]
    return message.removeprefix("Value error, ").removeprefix("Input should be ").removeprefix("a valid ")


def check_known(settings: Settings, known: Iterable[str]) -> None:
    for key, setting in settings.items():
        if key not in known:
            raise ConfigError(f"{setting.file}: {setting.where}: unknown key, expected {one_of(key, list(known))}")


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises: ConfigError if it is missing or is not one."""
    return dict(_read_yaml(path, path.stat().st_mtime_ns if path.exists() else 0))


@cache
def _read_yaml(path: Path, version: int) -> Mapping[str, Any]:
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), UniqueKeyLoader)
    except OSError as error:
        raise ConfigError(f"{display(path)}: {error.strerror}, expected a YAML file") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{display(path)}: found bytes that are not UTF-8, expected YAML text") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{display(path)}:{line} {getattr(error, 'problem', error)}, expected YAML") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{display(path)}: found {tree!r}, expected a mapping")
    return tree


class UniqueKeyLoader(SafeLoader):
    """YAML that refuses a key written twice, which plain YAML readers let the second one win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"found key {key!r} twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def display(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def one_of(found: Any, known: Sequence[Any] | Mapping[Any, Any]) -> str:
    """The nearest known name, or all of them."""
    names = [str(name) for name in known]
    near = difflib.get_close_matches(str(found), names, n=1)
    return f"{near[0]!r}" if near else f"one of {', '.join(names)}"


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
