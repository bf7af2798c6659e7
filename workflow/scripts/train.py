"""Learn one sequence of tasks with one variant and seed; write its accuracies and its record."""

import argparse
import logging
import sys
import time
from pathlib import Path

import torch

from active_dendrites import mnist
from active_dendrites.config import PAPER, Declarations
from active_dendrites.devices import training_device
from active_dendrites.engine import DivergedError, train
from active_dendrites.records import write_accuracy, write_record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", required=True, help="a variant of config/variants.yaml")
    parser.add_argument("--num-tasks", required=True, type=int, help="tasks in the sequence")
    parser.add_argument("--seed", type=int, default=1, help="decides weights, masks and batch order (default 1)")
    parser.add_argument("--scale", default=PAPER, help="paper (default) or quick")
    parser.add_argument("--config", type=Path, default=Path("config"), help="folder of the settings")
    parser.add_argument("--mnist", type=Path, default=Path("results/data/mnist"), help="folder of the IDX files")
    parser.add_argument("--run-folder", type=Path, help="where to write; default results/<scale>/runs/...")
    parser.add_argument("--device", default="auto", help="auto (default), cpu or cuda")
    parser.add_argument("--threads", type=int, help="CPU threads (default: PyTorch's choice)")
    parser.add_argument("--settings-hash", help="refuse to run if the settings are not those of this hash")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)

    scale, variant, num_tasks, seed = arguments.scale, arguments.variant, arguments.num_tasks, arguments.seed
    folder = arguments.run_folder or Path(f"results/{scale}/runs/{variant}/tasks-{num_tasks}/seed-{seed}")
    run = Declarations(arguments.config).resolve(scale, variant, num_tasks, seed)
    if arguments.settings_hash not in (None, run.settings_hash()):
        raise ValueError(
            f"{arguments.config}: found other settings ({run.settings_hash()}) than those this run was planned with,"
            f" expected {arguments.settings_hash}; start the workflow again"
        )
    logging.info("%s, %d tasks, seed %d, %s scale -> %s", variant, num_tasks, seed, scale, folder)
    with training_device(arguments.device) as device:
        start = time.perf_counter()
        result = train(run, mnist.load(arguments.mnist), device)
        write_accuracy(folder / "accuracy.csv", result.accuracy)
        write_record(
            *(folder / "record.json", run, scale, device),
            steps=result.steps,
            wall_seconds=round(time.perf_counter() - start, 2),
            learning_accuracy=result.learning_accuracy.tolist(),
        )


if __name__ == "__main__":
    try:
        main()
    except (ValueError, DivergedError) as fault:
        sys.exit(f"train: {fault}")
