"""Other rules for what gates a unit: learned as by the textbook formulation, and planned at their cost."""

import pytest
import torch
from learning import CPU, assert_equal, expected, learn

from active_dendrites.data.tasks import PermutedTasks
from active_dendrites.learners.dense.learner import DenseLearner
from active_dendrites.learners.sparse.seed_group import SparseSeedGroup
from active_dendrites.models.layers import DendriticLinear, strongest_segment
from active_dendrites.planning.cost_model import step_milliseconds
from active_dendrites.settings.declarations import Declarations
from active_dendrites.settings.run import RunConfig, check_consistency
from active_dendrites.settings.segment_rules import SEGMENT_RULES, segment_rule
from active_dendrites.settings.yaml_files import ConfigError, Setting
from active_dendrites.training.loop import make_learner, train


def largest(responses: torch.Tensor) -> torch.Tensor:
    return responses.amax(-1)


def all_together(responses: torch.Tensor) -> torch.Tensor:
    return responses.sum(-1) / 2


CASES = {
    "largest": ("prototype", {}, largest),
    "all together": ("prototype", {}, all_together),
    "one segment": ("prototype", {"network__segments_per_unit": 1}, largest),
    "ReLU": ("active_dendrites_only", {}, largest),
    "SI, Adam kept": ("si_prototype", {}, largest),
    "segments consolidated": ("si_prototype", {"consolidation__include_segments": True}, all_together),
    "prototype inferred": ("construct_prototype", {"context__num_pixels": 60, "context__exemplars": 40}, largest),
}


@pytest.fixture(autouse=True)
def rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two more in the table, for a while."""
    for rule in (largest, all_together):
        monkeypatch.setitem(SEGMENT_RULES, rule.__name__, rule)


@pytest.mark.parametrize("case", CASES)
def test_a_rule_is_learned_as_the_textbook_says(case: str, small_run, digits) -> None:
    variant, overrides, rule = CASES[case]
    runs = [
        small_run(variant, num_tasks=2, epochs=1, seed=s, network__segment_rule=rule.__name__, **overrides)
        for s in (1, 2)
    ]
    for run, found in zip(runs, learn(DenseLearner, runs, digits), strict=True):
        assert_equal(found, expected(run, digits), 1e-10)


def test_strongest_as_a_rule_is_the_built_in_one(small_run, digits, monkeypatch: pytest.MonkeyPatch) -> None:
    """Autograd's gradient of it is what the learners write down."""
    monkeypatch.setitem(SEGMENT_RULES, "again", SEGMENT_RULES["strongest"])
    built_in, again = (
        small_run("prototype", num_tasks=2, network__segment_rule=name) for name in ("strongest", "again")
    )
    assert_equal(learn(DenseLearner, [again], digits)[0], expected(built_in, digits), 1e-10)
    responses = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(SEGMENT_RULES["strongest"](responses), strongest_segment(responses)[1].squeeze(-1))


def test_rules_differ(small_run, digits) -> None:
    one, other = (small_run("prototype", network__segment_rule=name) for name in ("strongest", "largest"))
    weights = [learn(DenseLearner, [run], digits)[0].weights["output.weight"] for run in (one, other)]
    assert not torch.allclose(*weights)


@pytest.mark.parametrize(("rule", "kind"), [("strongest", SparseSeedGroup), ("largest", DenseLearner)])
def test_only_the_paper_s_rule_has_a_fast_path(rule: str, kind: type, small_run, digits) -> None:
    run = small_run("prototype", network__segment_rule=rule)
    assert type(make_learner([run], PermutedTasks(digits, run.data, 3, CPU, torch.float64))) is kind


def test_a_rule_costs_what_moving_every_segment_costs(declarations: Declarations) -> None:
    """Measured on one thread, 10 segments: 177 ms a step against 19."""
    run, other = (
        with_rule(declarations.resolve("paper", "prototype", 10, 1), name) for name in ("strongest", "largest")
    )
    assert step_milliseconds(other, on_cpu=True) > 5 * step_milliseconds(run, on_cpu=True)


def test_a_rule_is_in_the_settings_unless_it_is_the_paper_s(declarations: Declarations) -> None:
    run = declarations.resolve("paper", "prototype", 10, 1)
    other = with_rule(run, "largest")
    assert "segment_rule" not in run.settings()["network"]
    assert other.settings()["network"]["segment_rule"] == "largest"
    assert other.settings_hash() != run.settings_hash()
    assert RunConfig.model_validate(other.settings()) == other


def test_a_rule_without_segments_is_refused(declarations: Declarations) -> None:
    run = with_rule(declarations.resolve("paper", "three_layer_mlp", 10, 1), "largest")
    merged = {"network.segment_rule": Setting("largest", "config/variants.yaml", "mine.network.segment_rule")}
    with pytest.raises(
        ConfigError, match=r"^config/variants.yaml: mine.network.segment_rule: found 'largest', expected"
    ):
        check_consistency(run, merged)


def with_rule(run: RunConfig, name: str) -> RunConfig:
    return run.model_copy(update={"network": run.network.model_copy(update={"segment_rule": name})})


def test_a_layer_takes_a_rule_by_hand() -> None:
    layer = DendriticLinear(2, 1, segments_per_unit=2, context_size=2, segment_rule=largest)
    layer.segments.data = torch.tensor([[[1.0, 0.0], [0.0, -3.0]]])
    assert layer.gates(torch.tensor([[1.0, 1.0]])).item() == pytest.approx(torch.tensor(1.0).sigmoid().item())


def test_a_decorated_function_is_a_rule() -> None:
    @segment_rule
    def smallest(responses: torch.Tensor) -> torch.Tensor:
        return responses.amin(-1)

    assert SEGMENT_RULES.pop("smallest") is smallest


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        (lambda responses: responses.amax(), "float32 of shape () for (2, 3, 4)"),
        (lambda responses: responses.amax(1), "float32 of shape (2, 4) for (2, 3, 4)"),
        (lambda responses: responses.amax(-1, keepdim=True), "float32 of shape (2, 3, 1) for (2, 3, 4)"),
        (lambda responses: responses.amax(-1).double(), "float64 of shape (2, 3) for (2, 3, 4)"),
        (lambda responses: responses.detach().amax(-1), "element 0 of tensors does not require grad"),
        (lambda responses: responses[5], "index 5 is out of bounds"),
    ],
)
def test_a_rule_of_another_shape_is_named(monkeypatch: pytest.MonkeyPatch, small_run, digits, rule, found: str) -> None:
    """`amax(1)` trained in silence where a unit had as many segments as the layer had units."""
    monkeypatch.setitem(SEGMENT_RULES, "mine", rule)
    run = small_run("prototype", network__segment_rule="mine")
    with pytest.raises(ValueError) as error:
        train([run], digits, CPU)
    assert str(error.value).startswith(f"network.segment_rule: mine: found {found}")
    assert str(error.value).endswith("expected (..., S) -> (...) of the same type, with a gradient")


def test_a_rule_has_a_name_of_its_own() -> None:
    """A second `strongest` was used by tests, and not by training."""
    with pytest.raises(ValueError, match="found a second strongest, expected another name"):

        @segment_rule
        def strongest(responses: torch.Tensor) -> torch.Tensor:
            return responses.amax(-1)
