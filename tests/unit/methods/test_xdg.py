"""Task-gated networks: which units a task has, and that the rest of the network stays as it was."""

import torch
from learning import CPU, DENSE_CASES

from active_dendrites.data.randomness import generator
from active_dendrites.data.tasks import PermutedTasks
from active_dendrites.learners.dense.learner import DenseLearner
from active_dendrites.methods.xdg import Subnetworks, subnetwork_units, task_gates


def test_the_units_of_a_task_do_not_depend_on_how_many_follow(small_run) -> None:
    network = small_run("xdg", network__hidden_units=[80, 70]).network
    few, many = task_gates(network, 3, seed=5), task_gates(network, 9, seed=5)
    assert [layer.shape for layer in many] == [(9, 80), (9, 70)]
    assert all(torch.equal(one, other[:3]) for one, other in zip(few, many, strict=True))
    assert not torch.equal(many[0], task_gates(network, 9, seed=6)[0])


def test_units_of_a_subnetwork_by_hand() -> None:
    """Six standard deviations above the mean, in sixteens, and never more than there are."""
    assert subnetwork_units(2000, 0.2) == 512  # 400 + 6 * sqrt(320) = 507.3
    assert subnetwork_units(100, 0.2) == 48  # 20 + 6 * 4 = 44
    assert subnetwork_units(20, 0.5) == 20


def test_a_subnetwork_is_put_back_where_it_came_from(small_run, digits) -> None:
    """What a task learns is in the entries between its units, and in no others."""
    run = small_run("xdg", network__hidden_units=[80, 70])
    tasks = PermutedTasks(digits, run.data, 3, CPU, torch.float64)
    sizes = [(80, 784), (80,), (70, 80), (70,), (10, 70), (10,)]
    full = [torch.arange(float(torch.Size(size).numel())).view(1, *size).double() for size in sizes]
    subnetworks = Subnetworks([run], tasks, full)
    before = [parameter.clone() for parameter in full]
    subnetworks.enter(2, None)
    for parameter in subnetworks.parameters:
        parameter += 0.5
    subnetworks.leave(None)
    moved = [now - then for now, then in zip(full, before, strict=True)]
    first, second = (
        torch.zeros(size).index_fill(0, layer[0, 2], 1) for size, layer in zip((80, 70), subnetworks.units, strict=True)
    )
    wanted = [first[:, None].expand(80, 784), first, second[:, None] * first, second, second.expand(10, 70)]
    for move, units in zip(moved, [*wanted, torch.ones(10)], strict=True):
        assert torch.equal(move[0], 0.5 * units.double())
    assert 0 < first.mean() < 1


def test_a_gated_network_is_what_its_task_learned(small_run, digits) -> None:
    """Used with the gates of a task it is as accurate as the learner says; another task's units have not moved."""
    variant, overrides = DENSE_CASES["SI + XdG"]
    run = small_run(variant, num_tasks=2, **overrides)
    tasks = PermutedTasks(digits, run.data, 2, CPU, torch.float64)
    learner = DenseLearner([run], tasks)
    (network,), gates = learner.networks, task_gates(run.network, 2, run.seed)
    before = network.hidden[1].weight.detach().clone()
    learner.begin_task(0)
    learner.learn_epoch(0, [generator(run.seed, "batch order")])
    learner.end_task()
    on = gates[1][0, :, None] & gates[0][0]
    moved = network.hidden[1].weight != before
    assert moved[on].float().mean() > 0.9 and not moved[~on].any()
    (batch,) = tasks.test_batches(0, len(tasks.test_labels))
    logits = network(batch[0], [layer[0:1].double() for layer in gates])
    assert (logits.argmax(1) == batch[1]).double().mean().item() == learner.evaluate([0]).accuracy[0, 0]
