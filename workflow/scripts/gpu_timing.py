"""Time steps of the dense learner for every kind of variant, as in results/reference/gpu_steps.csv; profile some."""

import argparse
import csv
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch

from active_dendrites.data.images import Images, load_images
from active_dendrites.data.randomness import generator
from active_dendrites.data.tasks import PermutedTasks
from active_dendrites.learners.dense.learner import DenseLearner
from active_dendrites.models.networks import as_dtype
from active_dendrites.runs.files import atomic_file
from active_dendrites.runs.provenance import machine, source_state
from active_dendrites.settings.datasets import MNIST
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.options import Parser, at_least, use_any_encoding
from active_dendrites.settings.run import RunConfig
from active_dendrites.training.devices import training_device
from active_dendrites.training.loop import make_reproducible

ROOT = Path(__file__).resolve().parents[2]
PROFILED_STEPS = 20


class Case(NamedTuple):
    """What is timed: a variant with so many seeds side by side."""

    variant: str
    seeds: int = 8
    precision: str = "float32"
    profiled: bool = False


CASES = [
    Case("prototype", profiled=True),
    Case("prototype", seeds=1),
    Case("prototype", seeds=16),
    Case("prototype", precision="tf32", profiled=True),
    Case("prototype", precision="bfloat16"),
    Case("si_prototype", profiled=True),
    Case("active_dendrites_only"),
    Case("sparse_representations_only"),
    Case("construct_prototype"),
    Case("three_layer_mlp"),
    Case("ten_layer_mlp"),
    Case("si_mlp"),
    Case("xdg"),
    Case("si_xdg"),
]


def main() -> None:
    use_any_encoding()
    parser = Parser(description=__doc__)
    parser.add_argument("output", type=Path, help="folder for gpu_steps.csv and profile_<variant>_<precision>.txt")
    parser.add_argument("--config", type=Path, default=ROOT / "config", help="folder of the settings")
    parser.add_argument("--images", type=Path, default=ROOT / "results/data/mnist", help="folder of MNIST's IDX files")
    parser.add_argument("--num-tasks", type=at_least(1), default=10)
    parser.add_argument("--epochs", type=at_least(1), default=2, help="that are timed, after one that is not")
    parser.add_argument("--variants", nargs="+", help="only the cases of these")
    parser.add_argument("--device", default="cuda", help="cuda (default), or cpu to try the script")
    arguments = parser.parse_args()
    try:
        declarations = Declarations(arguments.config)
        images = load_images(arguments.images, declarations.datasets[MNIST].sha256)
        with training_device(arguments.device) as device:
            make_reproducible(True)
            cases = [case for case in CASES if arguments.variants is None or case.variant in arguments.variants]
            rows = list(timed(cases, declarations, images, device, arguments))
    except (ValueError, OSError) as fault:
        sys.exit(f"gpu_timing: {fault}")
    with atomic_file(arguments.output / "gpu_steps.csv") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def timed(
    cases: list[Case], declarations: Declarations, images: Images, device: torch.device, arguments: argparse.Namespace
) -> Iterator[dict[str, object]]:
    """A row for each case, printed as soon as it is known."""
    known = {"device": machine(device)["device"], "commit": source_state(Path(__file__)).commit}
    for case in cases:
        run = declarations.resolve(PAPER, case.variant, arguments.num_tasks, seed=1)
        numerics = run.numerics.model_copy(update={"precision": case.precision})
        learner = make_dense(run.model_copy(update={"numerics": numerics}), case.seeds, images, device)
        milliseconds = step_milliseconds(learner, arguments.epochs)
        if case.profiled:
            profile = arguments.output / f"profile_{case.variant}_{case.precision}.txt"
            with atomic_file(profile) as file:
                file.write(profiled_steps(learner))
        row = known | {"variant": case.variant, "num_tasks": arguments.num_tasks, "seeds": case.seeds}
        row |= {"precision": case.precision, "milliseconds": f"{milliseconds:.3g}"}
        print(row, file=sys.stderr, flush=True)
        yield row


def make_dense(run: RunConfig, seeds: int, images: Images, device: torch.device) -> DenseLearner:
    runs = [run.model_copy(update={"seed": seed}) for seed in range(1, seeds + 1)]
    learner = DenseLearner(
        runs, PermutedTasks(images, run.data, run.num_tasks, device, as_dtype(run.numerics.precision))
    )
    learner.begin_task(0)
    return learner


def step_milliseconds(learner: DenseLearner, epochs: int) -> float:
    """A step of all seeds, what begins an epoch included; the first epoch compiles and records."""
    orders = [generator(seed, "batch order") for seed in range(1, len(learner.networks) + 1)]
    learner.learn_epoch(0, orders)
    start = time.perf_counter()
    for _ in range(epochs):
        learner.learn_epoch(0, orders)  # ends with losses, which come from the device
    return 1000 * (time.perf_counter() - start) / (epochs * learner.batches.steps)


def profiled_steps(learner: DenseLearner) -> str:
    """PyTorch's table of kernels."""
    from torch.profiler import ProfilerActivity, profile

    orders = [generator(seed, "batch order") for seed in range(1, len(learner.networks) + 1)]
    epoch = learner.begin_epoch(0, orders)
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if learner.images.is_cuda else [])]
    with profile(activities=activities) as found:
        for _ in range(min(PROFILED_STEPS, learner.batches.steps)):
            epoch.learn_step()
        epoch.losses()
    table: str = found.key_averages().table(sort_by="cuda_time_total", row_limit=45, max_name_column_width=90)
    return table


if __name__ == "__main__":
    main()
