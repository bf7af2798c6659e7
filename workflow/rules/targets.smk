# Targets that nothing makes are refused, with the nearest that there is.

import difflib
import itertools
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator

from snakemake.cli import get_argument_parser

from active_dendrites.planning.targets import unknown_target
from active_dendrites.settings.yaml_files import fault_line


def refuse_repeated_options() -> None:
    """One line. Snakemake lets the last `--config` or `--resources` win, and says nothing of those before."""
    names = {
        name: action.option_strings[0]
        for action in get_argument_parser()._actions
        if action.nargs in ("+", "*")
        for name in action.option_strings
    }
    words = itertools.takewhile(lambda word: word != "--", sys.argv[1:])
    given = Counter(names[option] for option in (word.partition("=")[0] for word in words) if option in names)
    for option, times in given.items():
        if times > 1:
            sys.exit(fault_line(option, "", f"it once, as in {option} ONE TWO", found="it more than once"))


def given_targets() -> Iterator[tuple[str, str]]:
    """Where the command line names a target, and which."""
    asked, scheduling = workflow.dag_settings, workflow.scheduling_settings
    options: dict[str, Iterable[str] | None] = {
        "target": asked.targets,
        "--until": asked.until,
        "--omit-from": asked.omit_from,
        "--forcerun": asked.forcerun,
        "--prioritize": scheduling.prioritytargets if scheduling else (),
        "--allowed-rules": asked.allowed_rules,
        "--set-threads": workflow.resource_settings.overwrite_threads,
        "--set-resources": workflow.resource_settings.overwrite_resources,
    }
    for source, targets in options.items():
        yield from ((source, target) for target in sorted(targets or ()))


def refuse_unknown_resources() -> None:
    """One line for a limit on what no job uses: `gpus=2`, where jobs say `gpu`, limited nothing in silence."""
    used = {name for rule in workflow.rules for name in rule.resources} | {"mem_mb", "disk_mb", "mem", "disk"}
    for name in workflow.resource_settings.resources:
        if name not in used and (near := difflib.get_close_matches(name, used, n=1)):
            sys.exit(fault_line("--resources", "", repr(near[0]), value=name))


def is_target(target: str) -> bool:
    """Whether it is a rule, or a file that a rule makes; what is in a storage, Snakemake knows."""
    path = target if os.path.isabs(target) else os.path.relpath(target)
    return workflow.is_rule(target) or "://" in target or any(rule.is_producer(path) for rule in workflow.rules)


def target_names(source: str) -> list[str]:
    """The rules that can be named there; as a target, one that makes the same files always."""
    return [rule.name for rule in workflow.rules if source != "target" or not rule.has_wildcards()]


def declared_files() -> Iterator[str]:
    """Every file that is made of the declared experiments."""
    for scale in DECLARATIONS.scales:
        for part in PAGES:
            yield from scale_results(scale, part)
        for configuration in DECLARATIONS.configurations(scale):
            for file in ("accuracy.csv", "activity.npy", "record.json"):
                yield from runs_of(scale, *configuration, file)


def refuse_unknown_targets() -> None:
    """One line for each. Snakemake itself says of the first that no rule makes it, and of --omit-from nothing."""
    unknown = [(source, target) for source, target in given_targets() if not is_target(target)]
    if unknown:
        files = list(declared_files())
        sys.exit("\n".join(unknown_target(*each, target_names(each[0]), files) for each in unknown))


# Snakemake reads the targets after the Snakefile, and has no hook between that and its own complaint. Another workflow
# that uses this one as a module has targets of its own.
if workflow.is_main_process and workflow.modifier.is_main_snakefile():
    refuse_repeated_options()
    refuse_unknown_resources()
    prepare_dag = workflow._prepare_dag

    def refuse_and_prepare(*arguments, **options):
        refuse_unknown_targets()
        try:
            return prepare_dag(*arguments, **options)
        except OSError as error:  # such as a working directory that is read only
            if error.filename is None:
                raise
            sys.exit(fault_line(error.filename, "", "a file or folder that can be written", found=error.strerror))

    workflow._prepare_dag = refuse_and_prepare
