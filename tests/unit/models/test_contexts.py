"""Contexts: the mean image of a task, the prototypes of clusters, and none."""

import pytest
import torch
from learning import CPU, INFERRED

from active_dendrites.data.tasks import PermutedTasks
from active_dendrites.models.contexts import Contexts, make_contexts


@pytest.fixture
def tasks(small_run, digits) -> PermutedTasks:
    run = small_run("prototype")
    return PermutedTasks(digits, run.data, run.num_tasks, CPU, torch.float64)


def test_the_context_of_a_task_is_its_mean_image(tasks: PermutedTasks, small_run) -> None:
    contexts = make_contexts(small_run("prototype"), tasks)
    images = torch.empty(tasks.train_bytes.shape, dtype=torch.float64)
    for task in range(2):
        tasks.write_images(task, images)
        assert torch.allclose(contexts.begin_task(task), images.mean(0)[None], rtol=0, atol=1e-12)
    assert contexts.fixed and contexts.num_clusters is None
    assert contexts.templates is contexts.prototypes
    assert contexts.prototypes.shape == (2, 784)


def test_without_dendrites_there_is_no_context(tasks: PermutedTasks, small_run) -> None:
    contexts = make_contexts(small_run("three_layer_mlp"), tasks)
    assert contexts.begin_task(0) is None
    assert contexts.prototypes.shape == (0, 784)
    assert contexts.snapshot() == {}


def test_templates_are_zero_at_pixels_that_prototypes_lack(tasks: PermutedTasks, small_run) -> None:
    contexts = make_contexts(small_run("construct_prototype", **INFERRED), tasks)
    of_batches = contexts.contexts_of_batches(0, torch.arange(768).split(64))
    assert of_batches.shape == (12, 60)
    assert contexts.num_clusters == len(contexts.prototypes) >= 1
    assert torch.equal(of_batches[-1], contexts.prototypes[0])
    templates = contexts.templates
    assert templates.shape == (contexts.num_clusters, 784)
    assert torch.equal(templates[templates != 0], contexts.prototypes[contexts.prototypes != 0])


@pytest.mark.parametrize(("variant", "overrides"), [("prototype", {}), ("construct_prototype", INFERRED)])
def test_restored_contexts_go_on(variant: str, overrides: dict, tasks: PermutedTasks, small_run) -> None:
    """From the states of two tasks and the changes that each made."""

    def learn(contexts: Contexts, task: int) -> None:
        contexts.begin_task(task)
        if not contexts.fixed:
            contexts.contexts_of_batches(task, torch.arange(768).split(64))

    run = small_run(variant, **overrides)
    contexts, restored, changes = make_contexts(run, tasks), make_contexts(run, tasks), []
    for task in range(2):
        learn(contexts, task)
        snapshot = contexts.snapshot()
        changes.append(contexts.changes(snapshot, everything=False))
    restored.restore(contexts.state(snapshot), changes)
    for each in (contexts, restored):
        learn(each, 2)
    assert torch.equal(restored.prototypes, contexts.prototypes)
    assert restored.num_clusters == contexts.num_clusters
