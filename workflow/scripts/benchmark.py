"""Time one training step, ours and the textbook formulation's, by number of segments; write a table and a figure.

The two take turns in one process, so that a machine whose speed drifts drifts for both; medians are reported.
The floor is what the machine needs for the arithmetic and the memory traffic that no exact step can leave out.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
import torch
from oracle import Oracle

from active_dendrites import mnist
from active_dendrites.config import PAPER, Declarations, RunConfig
from active_dendrites.networks import Network
from active_dendrites.records import machine, whole_file
from active_dendrites.sparse import SparseLearner
from active_dendrites.tasks import PermutedTasks

CPU = torch.device("cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("config"))
    parser.add_argument("--mnist", type=Path, default=Path("results/data/mnist"))
    parser.add_argument("--segments", type=int, nargs="+", default=[2, 10, 50, 100])
    parser.add_argument(
        "--repeats", type=int, default=3, help="steps of the textbook formulation; ours takes 10 for each"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--figure", type=Path, required=True, help="path without ending: .svg and .png are written")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    images = mnist.load(arguments.mnist)
    run = Declarations(arguments.config).resolve(PAPER, "prototype", 10, seed=1)
    rates = machine_rates()
    rows = []
    for segments in arguments.segments:
        network = run.network.model_copy(update={"segments_per_unit": segments})
        row = measure(run.model_copy(update={"network": network}), images, arguments.repeats, rates)
        print(row, file=sys.stderr, flush=True)
        rows.append(row)
    table = pd.DataFrame(rows).assign(threads=arguments.threads, device=machine(CPU)["device"])
    with whole_file(arguments.table) as file:
        table.to_csv(file, index=False, float_format="%.4g")
    draw(table, arguments.figure)


def measure(run: RunConfig, images: mnist.MNIST, repeats: int, rates: tuple[float, float]) -> dict[str, float]:
    """Median milliseconds of a step of ours and of the textbook formulation, alternating."""
    tasks = PermutedTasks(images, run.data, 1, CPU, torch.float32)
    network = Network(run.network, tasks.num_pixels, tasks.num_pixels, run.seed)
    oracle, learner = Oracle(run, network), SparseLearner(run, tasks, network)
    context = tasks.mean_image(0)[None]
    learner.begin_task(context)
    place = learner.images.places(0)

    def rows(number: int) -> torch.Tensor:
        return torch.arange(run.batch_size) + run.batch_size * (number % 100)

    def ours(number: int) -> None:
        learner.learn_batch(rows(number).numpy(), place)

    def textbook(number: int) -> None:
        x, labels = tasks.batch(0, rows(number))
        oracle.step(x, labels, context.expand(len(x), -1))

    for number in range(10):
        ours(number)
    textbook(0)
    found: dict[Callable, list[float]] = {ours: [], textbook: []}
    for repeat in range(repeats):
        for number in range(10):
            found[ours].append(timed(ours, 10 * repeat + number))
        found[textbook].append(timed(textbook, repeat))
    ours_ms, oracle_ms = statistics.median(found[ours]), statistics.median(found[textbook])
    return {
        "segments": run.network.segments_per_unit,
        "ours_ms": ours_ms,
        "oracle_ms": oracle_ms,
        "ratio": oracle_ms / ours_ms,
        "floor_ms": floor(run, float((images.train_images > 0).float().mean()), *rates),
        "ours_steps": len(found[ours]),
        "oracle_steps": repeats,
    }


def timed(step: Callable[[int], None], number: int) -> float:
    start = time.perf_counter()
    step(number)
    return 1000 * (time.perf_counter() - start)


def machine_rates() -> tuple[float, float]:
    """What this machine does: FLOP per second in a matrix product, bytes per second (read and written) in a copy."""
    square, big = torch.randn(2048, 2048), torch.randn(64 << 20)
    to = torch.empty_like(big)
    product = min(timed(lambda _: square @ square, 0) for _ in range(5))
    copy = min(timed(lambda _: to.copy_(big), 0) for _ in range(5))
    return 2 * 2048**3 / product * 1000, 2 * 4 * big.numel() / copy * 1000


def floor(run: RunConfig, pixels_on: float, flop_rate: float, byte_rate: float) -> float:
    """Milliseconds: the larger of arithmetic and memory traffic that an exact k-winners step cannot leave out.

    pixels_on: fraction of the training pixels that are not black.
    """
    batch, sizes = run.batch_size, [784, *run.network.hidden_units]
    on = [784 * pixels_on, *(run.network.winner_density * units for units in run.network.hidden_units)]
    flop = traffic = 0.0
    for layer, (inputs, units) in enumerate(pairwise(sizes)):
        flop += 2 * batch * on[layer] * units  # responses of all units to the inputs that are on
        flop += 2 * batch * on[layer] * on[layer + 1] * (1 if layer == 0 else 2)  # gradients of weights and inputs
        traffic += 4 * 6 * inputs * units  # weights and Adam's two moments, read and written
        traffic += 4 * 2 * units * 784  # each unit's winning segment, read and written
    return 1000 * max(flop / flop_rate, traffic / byte_rate)


def draw(table: pd.DataFrame, path: Path) -> None:
    """Milliseconds by number of segments, both axes logarithmic."""
    sns.set_theme(style="whitegrid", context="talk", palette="colorblind")
    plt.rcParams |= {"svg.hashsalt": "active-dendrites", "svg.fonttype": "path"}
    figure, axes = plt.subplots(figsize=(9, 5.5), layout="constrained")
    curves = {"oracle_ms": "every segment, every sample", "ours_ms": "ours", "floor_ms": "floor of this machine"}
    for (column, label), marker, style in zip(curves.items(), "so^", ("-", "-", ":"), strict=True):
        axes.plot(table.segments, table[column], marker=marker, linestyle=style, label=label)
    axes.set(xscale="log", yscale="log", xlabel="segments per unit", ylabel="milliseconds per training step")
    axes.set_xticks(table.segments, [str(s) for s in table.segments])
    axes.minorticks_off()
    axes.margins(x=0.1)
    for row in table.itertuples():
        middle = (row.segments, (row.ours_ms * row.oracle_ms) ** 0.5)
        axes.annotate(f"{row.ratio:.0f} ×", middle, ha="center", va="center", backgroundcolor="white")
    axes.set_title(f"Batch 256, 2 × 2048 units, {table.threads[0]} CPU threads ({table.device[0]})", fontsize="small")
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize="small")
    for ending, metadata in (("svg", {"Date": None}), ("png", {"Software": None})):
        figure.savefig(path.with_suffix(f".{ending}"), metadata=metadata, dpi=150)


if __name__ == "__main__":
    main()
