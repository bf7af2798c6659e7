"""A value that a setting could have, and a learner does not know, is refused in one line: it never learns another."""

import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from learning import CPU, learn, learn_plainly

from active_dendrites.learners.dense.learner import DenseLearner
from active_dendrites.learners.sparse.seed_group import SparseSeedGroup
from active_dendrites.settings.run import RunConfig
from active_dendrites.settings.yaml_files import ConfigError, Section
from active_dendrites.training.loop import train

NOT_OF_LEARNERS = {"dataset"}  # which images are loaded, beforehand


def is_choice(annotation: Any) -> bool:
    """Whether a setting's type names values, alone or beside numbers."""
    if get_origin(annotation) in (Union, types.UnionType):
        return any(map(is_choice, get_args(annotation)))
    return get_origin(annotation) is Literal


def choices(model: type[Section] = RunConfig, section: str = "") -> Iterator[str]:
    """The dotted names of all settings that are one of several words."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from choices(field.annotation, f"{name}.")
        elif is_choice(field.annotation) or f"{section}{name}" == "network.segment_rule":  # whose words are functions
            yield section + name


def changed(run: RunConfig, key: str, value: Any) -> RunConfig:
    """The run with one other setting, unchecked: as if the schema had a value more than the code."""
    section, _, name = key.rpartition(".")
    if not section:
        return run.model_copy(update={name: value})
    return run.model_copy(update={section: getattr(run, section).model_copy(update={name: value})})


LEARNERS = {
    "sparse": lambda run, digits: learn(SparseSeedGroup, [run], digits),
    "dense": lambda run, digits: learn(DenseLearner, [run], digits),
    "textbook": learn_plainly,
    "train": lambda run, digits: train([run], digits, CPU),
}


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("key", sorted(set(choices()) - NOT_OF_LEARNERS))
def test_an_unknown_word_is_refused(learner: str, key: str, small_run, digits) -> None:
    if key == "evaluation.after_tasks" and learner != "train":
        pytest.skip("the training loop tests")
    run = changed(small_run("si_prototype", num_tasks=1, epochs=1), key, "unheard_of")
    with pytest.raises(ConfigError, match=rf"^{key}: found 'unheard_of', expected .*[a-z]") as caught:
        LEARNERS[learner](run, digits)
    assert "\n" not in str(caught.value)


def test_every_word_that_the_schema_has_is_known(small_run) -> None:
    """The list of settings is not empty by mistake."""
    assert {"consolidation.kind", "context.kind", "numerics.precision", "data.pixel_mean"} <= set(choices())
