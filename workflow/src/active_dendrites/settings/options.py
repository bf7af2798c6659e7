"""Options of the scripts that earlier versions had."""

import argparse
from collections.abc import Callable
from typing import NoReturn


def renamed_to(option: str) -> Callable[[str], NoReturn]:
    """The `type` of an option that has another name now: it refuses any value, and names the new option."""

    def refuse(value: str) -> NoReturn:
        raise argparse.ArgumentTypeError(f"found a name of earlier versions, expected {option}")

    return refuse
