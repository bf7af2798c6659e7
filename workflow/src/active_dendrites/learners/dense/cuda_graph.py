"""A training step as one CUDA graph: the GPU repeats it by itself, and no kernel waits to be launched."""

from collections.abc import Callable, Sequence

import torch

WARM_UP = 3  # calls before the recording, as PyTorch advises: libraries load and kernels are compiled in the first


class Replayed:
    """Runs a step: the first times directly, then by replaying a recording of its kernels.

    A replay runs the same kernels on the same memory, so it gives the same bits. The first calls are steps of the
    training like all others, and recording runs nothing, so no state has to be restored.

    Args:
        step: reads and changes only tensors whose memory never moves, and never waits for the device.
        generators: on the device, those that the step draws from; each replay advances them.
    """

    def __init__(self, step: Callable[[], None], generators: Sequence[torch.Generator] = ()) -> None:
        self.step, self.generators = step, generators
        self.calls = 0
        self.side = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # PyTorch's has no types
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self) -> None:
        if self.graph is None and self.calls == WARM_UP:
            self.graph = torch.cuda.CUDAGraph()
            for draws in self.generators:
                self.graph.register_generator_state(draws)
            with torch.cuda.graph(self.graph):
                self.step()
        if self.graph is None:
            self._warm_up()
        else:
            self.graph.replay()
        self.calls += 1

    def _warm_up(self) -> None:
        """A call on another stream, as PyTorch asks before a recording."""
        current = torch.cuda.current_stream()
        self.side.wait_stream(current)
        with torch.cuda.stream(self.side):
            self.step()
        current.wait_stream(self.side)
