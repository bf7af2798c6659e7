"""On the host of a GPU, a thread a seed draws networks and infers clusters, to the bits of one after the other."""

import torch

from active_dendrites.data.images import Images
from active_dendrites.data.randomness import generator
from active_dendrites.data.tasks import PermutedTasks
from active_dendrites.learners.dense.learner import for_each_seed
from active_dendrites.models.contexts import make_contexts
from active_dendrites.models.networks import make_network


def test_networks_and_clusters_have_the_same_bits(small_run, digits: Images) -> None:
    runs = [
        small_run("construct_prototype", num_tasks=1, context__num_pixels=60).model_copy(update={"seed": seed})
        for seed in range(8)
    ]
    tasks = PermutedTasks(digits, runs[0].data, 1, torch.device("cpu"), torch.float64)
    drawn = [torch.randperm(768, generator=generator(run.seed, "batch order")).split(64) for run in runs]
    results = []
    for on_gpu in (False, True):
        contexts = [make_contexts(run, tasks) for run in runs]
        networks = for_each_seed(on_gpu, lambda run, own: make_network(run, tasks, own.size), runs, contexts)
        inferred = for_each_seed(on_gpu, lambda own, batches: own.contexts_of_batches(0, batches), contexts, drawn)
        results.append((networks, inferred))
    (networks, inferred), (of_threads, inferred_on_threads) = results
    for one, other in zip(networks, of_threads, strict=True):
        assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())
    assert all(map(torch.equal, inferred, inferred_on_threads))
    assert not torch.equal(inferred[0], inferred[1])
