# Targets that nothing makes are refused, with the nearest that there is.

import os
import sys
from collections.abc import Iterable, Iterator

from active_dendrites.planning.targets import unknown_target


def given_targets() -> Iterator[tuple[str, str]]:
    """Where the command line names a target, and which."""
    asked, scheduling = workflow.dag_settings, workflow.scheduling_settings
    options: dict[str, Iterable[str]] = {
        "target": asked.targets,
        "--until": asked.until,
        "--omit-from": asked.omit_from,
        "--forcerun": asked.forcerun,
        "--prioritize": scheduling.prioritytargets if scheduling else (),
    }
    for source, targets in options.items():
        yield from ((source, target) for target in sorted(targets))


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
    prepare_dag = workflow._prepare_dag

    def refuse_and_prepare(*arguments, **options):
        refuse_unknown_targets()
        return prepare_dag(*arguments, **options)

    workflow._prepare_dag = refuse_and_prepare
