"""Targets of the command line that nothing makes: the line that names the nearest."""

import difflib
import os
from collections.abc import Iterable

from active_dendrites.settings.yaml_files import fault_line


def unknown_target(source: str, target: str, names: Iterable[str], files: Iterable[str]) -> str:
    """One line on a target that is neither a rule nor a file that a rule makes.

    Args:
        source: where it was given: an option, such as `--until`, or `target`.
        target: as it was given.
        names: the targets that are no files.
        files: the files that are made; compared only with what looks like a file.
    """
    is_file = "/" in target
    known = {name.casefold(): name for name in (files if is_file else names)}
    # Snakemake takes no absolute path for one below the working directory.
    for word in (os.path.relpath(target), target) if is_file else (target,):
        if near := difflib.get_close_matches(word.casefold(), known, n=1):
            return fault_line(source, "", repr(known[near[0]]), value=target)
    return fault_line(source, "", "one of docs/targets.md, or a file that one of them makes", value=target)
