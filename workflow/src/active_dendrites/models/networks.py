"""A network from its settings: hidden layers with or without dendrites, k-winners or ReLU, one linear head.

Letters: B batch, I inputs, U units, C size of the context vector, N contexts.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from active_dendrites.data.randomness import generator
from active_dendrites.data.tasks import PermutedTasks
from active_dendrites.models.layers import DendriticLinear, MaskedLinear, k_winners
from active_dendrites.settings.choices import choose
from active_dendrites.settings.run import NetworkConfig, RunConfig
from active_dendrites.settings.segment_rules import SEGMENT_RULES
from active_dendrites.settings.yaml_files import fault_line


class Network(nn.Module):
    """Hidden layers, each with its gates and winners, and a linear head. Source: method 2.1 to 2.4.

    Args:
        config: sizes, densities and segments.
        num_inputs: I.
        context_size: C; unused without segments.
        seed: decides weights and masks, each by a generator of its own.
        dtype: of the parameters. Values are drawn in float32, so that the precision does not change the start.
    """

    def __init__(
        self,
        config: NetworkConfig,
        num_inputs: int,
        context_size: int,
        seed: int,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        weights, masks = generator(seed, "weights"), generator(seed, "masks")
        drawn_from: dict[str, Any] = {"sparsity": config.weight_sparsity, "weights": weights, "masks": masks}
        drawn_from["glorot"] = choose("network.weight_init", config.weight_init, fan_in=False, glorot=True)
        drawn_from["zero_bias"] = choose("network.bias_init", config.bias_init, fan_in=False, zero=True)
        density = config.relu_density if config.winner_density is None else config.winner_density
        rule = choose("network.segment_rule", config.segment_rule, **SEGMENT_RULES)
        self.hidden = nn.ModuleList()
        self.winners: list[int | None] = []  # k of each hidden layer; None is ReLU
        size, input_density = num_inputs, 1.0
        for units in config.hidden_units:
            if config.segments_per_unit:
                layer: MaskedLinear = DendriticLinear(
                    size,
                    units,
                    segments_per_unit=config.segments_per_unit,
                    context_size=context_size,
                    input_density=input_density,
                    context_density=config.context_density,
                    segment_rule=rule,
                    **drawn_from,
                )
            else:
                layer = MaskedLinear(size, units, input_density=input_density, **drawn_from)
            self.hidden.append(layer)
            self.winners.append(None if config.winner_density is None else round(config.winner_density * units))
            size, input_density = units, density
        self.output = MaskedLinear(size, config.output_units, input_density=input_density, **drawn_from)
        self.to(dtype)

    def layers(self) -> list[MaskedLinear]:
        """The hidden layers, then the output."""
        return [layer for layer in (*self.hidden, self.output) if isinstance(layer, MaskedLinear)]

    def dendrites(self) -> list[DendriticLinear]:
        """The hidden layers that have dendrites: all or none."""
        return [layer for layer in self.hidden if isinstance(layer, DendriticLinear)]

    def gates(self, contexts: Tensor) -> list[Tensor]:
        """The gates of each hidden layer in each context, (N, C) -> (N, U) a layer; none without dendrites."""
        return [layer.gates(contexts) for layer in self.dendrites()]

    def forward(self, x: Tensor, gates: Sequence[Tensor] = ()) -> Tensor:
        """Logits.

        Args:
            x: (B, I).
            gates: for each hidden layer (1, U), shared by the batch, or (B, U): of dendrites, or of a task
                (`task_gates`); none without either.
        Returns: (B, classes).
        """
        for index, (layer, k) in enumerate(zip(self.hidden, self.winners, strict=True)):
            y = layer(x, gates=gates[index] if gates else None)
            x = y.relu() if k is None else k_winners(y, k)
        logits: Tensor = self.output(x)
        return logits


def check_segment_rule(name: str) -> None:
    """Try a rule on responses (2, 3, 4), of no two equal axes. Raises: ValueError for another shape or no gradient."""
    rule = choose("network.segment_rule", name, **SEGMENT_RULES)
    responses = torch.linspace(-1, 1, 24).view(2, 3, 4).requires_grad_()
    expected = "(..., S) -> (...) of the same type, with a gradient"
    try:
        response = rule(responses)
        found = f"{str(response.dtype).removeprefix('torch.')} of shape {tuple(response.shape)} for (2, 3, 4)"
        if response.shape != (2, 3) or response.dtype != responses.dtype:
            raise ValueError(found)
        torch.autograd.grad(response.sum(), responses)
    except Exception as error:  # whatever a function of one's own raises
        reason = str(error).partition("\n")[0]
        raise ValueError(fault_line("network.segment_rule", name, expected, found=reason)) from error


def make_network(run: RunConfig, tasks: PermutedTasks, context_size: int) -> Network:
    """The network that a run starts with, on the device of its tasks."""
    network = Network(run.network, tasks.num_pixels, context_size, run.seed, tasks.dtype)
    return network.to(tasks.train_bytes.device)


def as_dtype(precision: str) -> torch.dtype:
    """The type of weights, sums and optimiser state: tf32 and bfloat16 concern only what enters matrix products."""
    single, double = torch.float32, torch.float64
    return choose("numerics.precision", precision, float32=single, float64=double, tf32=single, bfloat16=single)
