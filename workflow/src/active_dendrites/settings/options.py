"""Values of the options of the scripts, as the `type` of an argument: each refusal is one line."""

import argparse
import math
from collections.abc import Callable
from typing import NoReturn


def renamed_to(option: str) -> Callable[[str], NoReturn]:
    """The `type` of an option that has another name now: it refuses any value, and names the new option."""

    def refuse(value: str) -> NoReturn:
        raise argparse.ArgumentTypeError(f"found a name of earlier versions, expected {option}")

    return refuse


def at_least(least: int) -> Callable[[str], int]:
    """Whole numbers that are not smaller."""

    def read(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"found {value}, expected a whole number, {least} or more")
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
