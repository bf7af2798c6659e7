"""How the responses of a unit's segments become the one response that gates it, by name: `network.segment_rule`.

A rule of one's own is one function here, under `@segment_rule`. It takes responses (..., S), of S segments, and gives
(...); autograd finds its gradient. Networks under `strongest` are learned by what can move alone; under any other rule
every segment moves at each step (`learners.dense.segments.RuledSegments`), which takes as long as it sounds.

Settings hold the name of a rule, not its text: a rule that changes needs another name, or runs before and after are
taken for the same. Loads no PyTorch, because names are checked each time the workflow starts: rules call methods of
what they are given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SegmentRule = Callable[["Tensor"], "Tensor"]

SEGMENT_RULES: dict[str, SegmentRule] = {}
STRONGEST = "strongest"  # the paper's


def segment_rule(rule: SegmentRule) -> SegmentRule:
    """Let settings name a rule. Raises: ValueError if another has its name."""
    if rule.__name__ in SEGMENT_RULES:
        raise ValueError(f"segment_rules.py: found a second {rule.__name__}, expected another name")
    SEGMENT_RULES[rule.__name__] = rule
    return rule


@segment_rule
def strongest(responses: Tensor) -> Tensor:
    """The response of largest absolute value, sign kept, of equal ones the first. Source: method 2.1."""
    winner = responses.detach().abs().argmax(-1, keepdim=True)
    return responses.gather(-1, winner).squeeze(-1)
