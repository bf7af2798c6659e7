"""Which runs the sparse learner learns; the dense one learns all. Loads no Numba, which a GPU does not need."""

from active_dendrites.settings.choices import choose
from active_dendrites.settings.run import RunConfig
from active_dendrites.settings.segment_rules import STRONGEST
from active_dendrites.settings.yaml_files import fault_line


def out_of_scope(run: RunConfig) -> list[str]:
    """A line for each setting that the sparse learner does not have; none where it learns the run."""
    network, precision = run.network, run.numerics.precision
    segments = run.consolidation.include_segments
    rounded = choose("numerics.precision", precision, float32=False, float64=False, tf32=True, bfloat16=True)
    wanted: list[tuple[str, object, bool, str]] = [  # setting, value, whether it is within the scope, what would be
        ("network.input_dropout", network.input_dropout, network.input_dropout == 0, "0"),
        ("network.hidden_dropout", network.hidden_dropout, network.hidden_dropout == 0, "0"),
        # Networks of tasks are small: matrix products are fast for them.
        ("network.task_gate_density", network.task_gate_density, network.task_gate_density is None, "null"),
        ("network.segment_rule", network.segment_rule, network.segment_rule == STRONGEST, STRONGEST),
        ("update_norm_limit", run.update_norm_limit, run.update_norm_limit is None, "null"),
        ("consolidation.include_segments", segments, not segments, "false"),
        ("numerics.precision", precision, not rounded, "float32 or float64"),
    ]
    return [
        fault_line(setting, "", f"{expected} for the sparse learner", value=value)
        for setting, value, within, expected in wanted
        if not within
    ]
