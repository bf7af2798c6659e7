"""Which runs are learned sparsely on a CPU; others are refused by the sparse learner and taken by the dense one."""

import pytest
from learning import CASES, CPU, DENSE_CASES, learn, learn_plainly

from active_dendrites.data.tasks import PermutedTasks
from active_dendrites.learners.dense.learner import DenseLearner
from active_dendrites.learners.sparse.scope import out_of_scope
from active_dendrites.learners.sparse.seed_group import SparseSeedGroup
from active_dendrites.models.networks import as_dtype
from active_dendrites.settings.yaml_files import ConfigError
from active_dendrites.training.loop import make_learner


@pytest.mark.parametrize("case", CASES)
def test_the_sparse_learner_has_all_of_these(case: str, small_run) -> None:
    variant, overrides = CASES[case]
    assert out_of_scope(small_run(variant, **overrides)) == []


@pytest.mark.parametrize("precision", ["float32", "float64", "tf32", "bfloat16"])
def test_a_cpu_works_sparsely_where_it_can(precision: str, small_run, digits) -> None:
    run = small_run("prototype", numerics__precision=precision)
    dtype = as_dtype(precision)
    tasks = PermutedTasks(digits, run.data, 1, CPU, dtype)
    learner = make_learner([run], tasks)
    assert isinstance(learner, SparseSeedGroup if precision in ("float32", "float64") else DenseLearner)


@pytest.mark.parametrize("case", DENSE_CASES)
def test_the_sparse_learner_refuses_what_it_cannot_learn(case: str, small_run, digits) -> None:
    variant, overrides = DENSE_CASES[case]
    with pytest.raises(ConfigError, match=r"found .*, expected .* for the sparse learner"):
        learn(SparseSeedGroup, [small_run(variant, **overrides)], digits)


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_rounded_products_are_refused_where_there_are_none(precision: str, small_run, digits) -> None:
    run = small_run("prototype", numerics__precision=precision)
    refused = rf"^numerics.precision: found '{precision}', expected "
    with pytest.raises(ConfigError, match=refused):
        learn(SparseSeedGroup, [run], digits)
    with pytest.raises(ConfigError, match=refused):
        learn_plainly(run, digits)
