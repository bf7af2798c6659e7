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
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
import torch

from active_dendrites.data.images import Images, load_images
from active_dendrites.data.randomness import generator
from active_dendrites.data.tasks import PermutedTasks
from active_dendrites.learners.learner import Learner
from active_dendrites.learners.sparse.seed_group import SparseSeedGroup
from active_dendrites.learners.textbook import TextbookNetwork
from active_dendrites.runs.files import atomic_file
from active_dendrites.runs.provenance import machine
from active_dendrites.settings.datasets import MNIST
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.options import Parser, at_least, renamed_to, use_any_encoding
from active_dendrites.settings.run import RunConfig
from active_dendrites.training.devices import training_device
from active_dendrites.training.loop import make_learner

ROOT = Path(__file__).resolve().parents[2]
EPOCHS = 3  # of ours, each timed, for each step of the textbook formulation
STEPS = {"cpu": 10, "cuda": 200}  # in each: a GPU is asked how it went once an epoch


def main() -> None:
    use_any_encoding()
    parser = Parser(description=__doc__)
    parser.add_argument("--config", type=Path, default=ROOT / "config")
    parser.add_argument("--images", type=Path, default=ROOT / "results/data/mnist", help="folder of MNIST's IDX files")
    parser.add_argument("--mnist", type=renamed_to("--images"), help=argparse.SUPPRESS)
    parser.add_argument("--segments", type=at_least(1), nargs="+", default=[2, 10, 50, 100])
    parser.add_argument("--seeds", type=at_least(1), nargs="+", help="seeds side by side; default 1, on a GPU 1 and 8")
    parser.add_argument(
        "--repeats", type=at_least(1), default=5, help="how often ours and the textbook formulation take turns"
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu or cuda")
    parser.add_argument("--threads", type=at_least(1), default=2)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--figure", type=Path, required=True, help="path without ending: .svg and .png are written")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    declarations = Declarations(arguments.config)
    images = load_images(arguments.images, declarations.datasets[MNIST].sha256)
    run = declarations.resolve(PAPER, "prototype", 10, seed=1)
    rows = []
    with training_device(arguments.device) as device:
        rates = machine_rates(device)
        for seeds in arguments.seeds or ([1, 8] if device.type == "cuda" else [1]):
            for segments in arguments.segments:
                network = run.network.model_copy(update={"segments_per_unit": segments})
                case = run.model_copy(update={"network": network})
                rows.append(measure(case, seeds, images, device, arguments.repeats, rates))
                print(rows[-1], file=sys.stderr, flush=True)
        table = pd.DataFrame(rows).assign(threads=arguments.threads, device=machine(device)["device"])
    with atomic_file(arguments.table) as file:
        table.to_csv(file, index=False, float_format="%.4g")
    draw(table, arguments.figure)


def measure(
    run: RunConfig, seeds: int, images: Images, device: torch.device, repeats: int, rates: tuple[float, float]
) -> dict[str, float]:
    """Median milliseconds of a step of ours, with several seeds at once, and of the textbook one's, alternating."""
    steps, pixels_on = STEPS[device.type], float((images.train_images > 0).float().mean())
    run = run.model_copy(update={"data": run.data.model_copy(update={"train_images": steps * run.batch_size})})
    runs = [run.model_copy(update={"seed": seed}) for seed in range(1, seeds + 1)]
    tasks = PermutedTasks(images, run.data, 1, device, torch.float32)
    learner = make_learner(runs, tasks)
    textbook_network = TextbookNetwork(run, learner.networks[0])
    context, orders = tasks.mean_image(0)[None], [generator(each.seed, "batch order") for each in runs]
    learner.begin_task(0)
    x, labels = tasks.batch(0, torch.arange(run.batch_size, device=device))

    def ours() -> object:
        return learner.learn_epoch(0, orders)

    def textbook() -> object:
        return textbook_network.step(x, labels, context.expand(len(x), -1))

    for _ in range(3):
        ours()
    textbook()
    of_ours: list[float] = []
    of_textbook: list[float] = []
    for _ in range(repeats):
        ours()  # the textbook formulation has emptied the caches
        of_ours += [timed(ours) / steps for _ in range(EPOCHS)]
        of_textbook.append(timed(textbook))
    ours_ms, textbook_ms = statistics.median(of_ours), statistics.median(of_textbook)
    return {
        "segments": run.network.segments_per_unit,
        "seeds": seeds,
        "ours_ms": ours_ms,
        "oracle_ms": textbook_ms,
        "ratio": seeds * textbook_ms / ours_ms,
        "floor_ms": seeds * floor(run, *work_left(run, learner, pixels_on), *rates),
        "ours_steps": repeats * EPOCHS * steps,
        "oracle_steps": repeats,
    }


def timed(work: Callable[[], object]) -> float:
    """Milliseconds; `work` ends with a number that comes from the device, so that it has ended there too."""
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def machine_rates(device: torch.device) -> tuple[float, float]:
    """What this machine does: FLOP per second in a matrix product, bytes per second (read and written) in a copy."""
    square, big = torch.randn(2048, 2048, device=device), torch.randn(64 << 20, device=device)
    to = torch.empty_like(big)
    product = min(timed(lambda: (square @ square)[0, 0].item()) for _ in range(5))
    copy = min(timed(lambda: to.copy_(big)[0].item()) for _ in range(5))
    return 2 * 2048**3 / product * 1000, 2 * 4 * big.numel() / copy * 1000


def work_left(run: RunConfig, learner: Learner[Any], pixels_on: float) -> tuple[list[float], list[float]]:
    """How many of a batch's pixels and of its units are on, and how many of them can move, layer by layer."""
    if not isinstance(learner, SparseSeedGroup):
        sizes = [784.0, *run.network.hidden_units]
        return sizes, sizes
    density = run.network.winner_density
    assert density is not None  # `prototype` has k-winners
    movable = [layer.num_activated for layer in learner.learners[0].layers[:-1]]
    on = [density * units for units in run.network.hidden_units]
    return [784 * pixels_on, *on], [784, *movable]


def floor(run: RunConfig, on: list[float], movable: list[float], flop_rate: float, byte_rate: float) -> float:
    """Milliseconds: the larger of arithmetic and memory traffic that the step cannot leave out."""
    flop = traffic = 0.0
    for layer, (inputs, units) in enumerate(pairwise([784, *run.network.hidden_units])):
        flop += 2 * run.batch_size * on[layer] * units  # responses of all units to the inputs that are on
        flop += 2 * run.batch_size * on[layer] * on[layer + 1] * (1 if layer == 0 else 2)  # gradients
        traffic += 4 * inputs * units  # weights, read for the responses
        traffic += 4 * 6 * movable[layer] * movable[layer + 1]  # weights that can move, two moments: there and back
        traffic += 4 * 2 * movable[layer + 1] * 784  # the winning segments of units that can move
    return 1000 * max(flop / flop_rate, traffic / byte_rate)


def draw(table: pd.DataFrame, path: Path) -> None:
    """Milliseconds by number of segments, both axes logarithmic."""
    sns.set_theme(style="whitegrid", context="talk", palette="colorblind")
    plt.rcParams |= {"svg.hashsalt": "active-dendrites", "svg.fonttype": "path"}
    figure, axes = plt.subplots(figsize=(9, 5.5), layout="constrained")
    alone = table[table.seeds == table.seeds.min()]
    curves = [("every segment, every sample", alone, "oracle_ms", "s-")]
    for seeds in sorted(table.seeds.unique()):
        rows = table[table.seeds == seeds]
        together = f", {seeds} seeds at once" if seeds > 1 else ""
        curves.append((f"ours{together}", rows, "ours_ms", "o-"))
        curves.append((f"floor of this machine{together}", rows, "floor_ms", "^:"))
    for label, rows, column, style in curves:
        axes.plot(rows.segments, rows[column], style, label=label)
    axes.set(xscale="log", yscale="log", xlabel="segments per unit", ylabel="milliseconds per training step")
    axes.set_xticks(alone.segments, [str(s) for s in alone.segments])
    axes.minorticks_off()
    axes.margins(x=0.1)
    for row in alone.itertuples():
        middle = (row.segments, (row.ours_ms * row.oracle_ms) ** 0.5)
        axes.annotate(f"{row.ratio:.0f} ×", middle, ha="center", va="center", backgroundcolor="white")
    where = f"{table.device[0]}, {table.threads[0]} CPU threads"
    axes.set_title(f"Batch 256, 2 × 2048 units ({where})", fontsize="small")
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize="small")
    for ending, metadata in (("svg", {"Date": None}), ("png", {"Software": None})):
        figure.savefig(path.with_suffix(f".{ending}"), metadata=metadata, dpi=150)


if __name__ == "__main__":
    main()
