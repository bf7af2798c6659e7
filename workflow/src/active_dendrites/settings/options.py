"""What scripts share: the `type` of an option, which refuses in one line, and output in any encoding."""

import argparse
import codecs
import io
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from active_dendrites.settings.datasets import DATASETS, MNIST


class StoreOnce(argparse._StoreAction):
    """An option that is refused when it is given again, where argparse lets the last one win."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        given = vars(namespace).setdefault("_given", set())
        if self.option_strings and self.dest in given:
            parser.error(f"argument {option_string}: found it twice, expected it once")
        given.add(self.dest)
        super().__call__(parser, namespace, values, option_string)


class Parser(argparse.ArgumentParser):
    """argparse's, but for options that are given twice and say nothing of it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name in (None, "store"):
            self.register("action", name, StoreOnce)


def add_settings_options(parser: argparse.ArgumentParser, root: Path) -> None:
    """The options by which a script finds its settings; `root` is the project's folder."""
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for train.py")
    parser.add_argument("--config", type=Path, default=root / "config", help="folder of the settings")
    parser.add_argument("--dataset", default=MNIST, choices=DATASETS, help="default mnist")


def renamed_to(option: str) -> Callable[[str], NoReturn]:
    """The `type` of an option that has another name now: it refuses any value, and names the new option."""

    def refuse(value: str) -> NoReturn:
        raise argparse.ArgumentTypeError(f"found a name of earlier versions, expected {option}")

    return refuse


def at_least(least: int, most: int | None = None) -> Callable[[str], int]:
    """Whole numbers that are not smaller, nor larger."""
    bounds = f"{least} or more" if most is None else f"{least} to {most}"

    def read(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            number = least - 1
        if number < least or (most is not None and number > most):
            raise argparse.ArgumentTypeError(f"found {value}, expected a whole number, {bounds}")
        return number

    return read


def minutes(value: str) -> float:
    """A number of minutes, with or without a fraction."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"found {value}, expected minutes, 0 or more")
    return number


IN_ASCII = {"±": "+/-", "×": "x", "–": "-", "−": "-", "→": "->", "…": "..."}  # as people write them


def use_any_encoding() -> None:
    """Let standard output take every text: what its encoding lacks is written in ASCII, else as its number."""
    codecs.register_error("in_ascii", _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not where a notebook or a test took its place
            stream.reconfigure(errors="in_ascii")


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(IN_ASCII.get(c) or c.encode("ascii", "backslashreplace").decode() for c in text), error.end
