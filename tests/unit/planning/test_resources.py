"""What trainings ask of a cluster, and which seeds are trained together."""

import pytest

from active_dendrites.planning.cost_model import count_steps, run_seconds
from active_dendrites.planning.resources import group_name, seed_groups, training_megabytes, training_minutes
from active_dendrites.settings.declarations import Declarations


@pytest.mark.parametrize("variant", ["prototype", "si_mlp", "construct_prototype"])
def test_a_training_may_take_twice_what_it_costs(declarations: Declarations, variant: str) -> None:
    run = declarations.resolve("paper", variant, 10, 1)
    assert count_steps(run)
    for num_seeds in (1, 4):
        minutes = training_minutes(run, num_seeds, "cpu", attempt=1)
        assert minutes * 60 > 2 * run_seconds(run, on_cpu=True, num_seeds=num_seeds)


def test_auto_is_generous_in_both(declarations: Declarations) -> None:
    """It may be either device: the minutes of a GPU's slow guess, the memory of seeds that stay on the host."""
    run = declarations.resolve("paper", "prototype", 10, 1)
    assert training_minutes(run, 4, "auto", 1) == training_minutes(run, 4, "cuda", 1)
    assert training_megabytes(run, 4, "auto", 1) == training_megabytes(run, 4, "cpu", 1)
    assert training_megabytes(run, 4, "cuda", 1) < training_megabytes(run, 4, "cpu", 1)


def test_a_failed_attempt_gets_twice_as_much_and_never_more(declarations: Declarations) -> None:
    run = declarations.resolve("paper", "prototype", 10, 1)
    for asked in (training_minutes, training_megabytes):
        first, second, third = (asked(run, 1, "cpu", attempt) for attempt in (1, 2, 3))
        assert second == pytest.approx(2 * first, abs=1)
        assert third == second


def test_images_count_where_there_are_more_than_those_of_mnist(declarations: Declarations) -> None:
    run = declarations.resolve("paper", "prototype", 10, 1)
    larger = run.model_copy(update={"dataset": "emnist_digits"})
    more = training_megabytes(larger, 1, "cpu", 1) - training_megabytes(run, 1, "cpu", 1)
    assert more == pytest.approx(8 * 784 * 210_000 / 1e6, abs=1)


@pytest.mark.parametrize(
    ("seeds", "size", "groups"),
    [
        (range(1, 9), 8, [tuple(range(1, 9))]),
        (range(1, 8), 3, [(1, 2, 3), (4, 5, 6)]),
        ([1, 2], 1, []),
        ([1, 3, 7], 2, [(1, 3)]),
    ],
)
def test_seeds_are_cut_into_groups(seeds: list[int], size: int, groups: list[tuple[int, ...]]) -> None:
    assert seed_groups(list(seeds), size) == groups


def test_a_group_is_named_after_its_seeds() -> None:
    assert group_name([1, 2, 3]) == "1_to_3"
    assert group_name([1, 3, 7]) == "1_3_7"
