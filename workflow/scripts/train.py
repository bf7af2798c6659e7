"""Learn one sequence of tasks with one variant; write the accuracies and the record of each seed.

Interrupted, it is saved, ends with exit status 75 and goes on when it is started again.
"""

import argparse
import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch

from active_dendrites.data.images import load_images
from active_dendrites.data.tasks import normalisation
from active_dendrites.evaluation.metrics import continual_metrics
from active_dendrites.runs.folders import run_folder
from active_dendrites.runs.locks import only_writer
from active_dendrites.runs.provenance import machine, source_state
from active_dendrites.runs.records import write_accuracy, write_activity, write_record
from active_dendrites.runs.seals import discard_seal
from active_dendrites.settings.datasets import DATASETS, MNIST, images_folder, results_folder
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.explain import replaced_by_scale
from active_dendrites.settings.options import renamed_to
from active_dendrites.training.checkpoint_manager import SAVE_MINUTES, CheckpointManager
from active_dendrites.training.checkpoints import FOLDER as CHECKPOINTS
from active_dendrites.training.devices import training_device
from active_dendrites.training.interruptions import EXIT_CODE, InterruptedTraining
from active_dendrites.training.loop import DivergedError, train


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", required=True, help="a variant of config/variants.yaml")
    parser.add_argument("--num-tasks", required=True, type=int, help="tasks in the sequence")
    seed_help = "decides weights, masks and batch order (default 1); several are learned side by side"
    parser.add_argument("--seed", type=int, nargs="+", default=[1], help=seed_help)
    parser.add_argument("--scale", default=PAPER, help="paper (default) or quick")
    parser.add_argument("--config", type=Path, default=Path("config"), help="folder of the settings")
    parser.add_argument("--dataset", default=MNIST, choices=DATASETS, help="default mnist")
    images_help = "folder of its IDX files (default results/data/<dataset>)"
    parser.add_argument("--images", type=Path, help=images_help)
    parser.add_argument("--mnist", type=renamed_to("--images"), help=argparse.SUPPRESS)
    folder_help = "where to write, a folder for each seed; default results/<scale>/runs/..., or below results/<dataset>"
    parser.add_argument("--run-folder", type=Path, nargs="+", help=folder_help)
    parser.add_argument("--device", default="auto", help="auto (default), cpu or cuda")
    parser.add_argument("--threads", type=int, help="CPU threads (default: PyTorch's choice)")
    save_help = f"between checkpoints within a task (default {SAVE_MINUTES:g}); there is one after each task"
    parser.add_argument("--save-minutes", type=float, default=SAVE_MINUTES, help=save_help)
    limit_help = "after so many it will be killed: it is saved and ends in time (default: no limit)"
    parser.add_argument("--limit-minutes", type=float, help=limit_help)
    parser.add_argument("--settings-hash", help="refuse to run if the settings are not those of this hash")
    return parser.parse_args()


@contextmanager
def kept_log(folder: Path) -> Iterator[None]:
    """Begin with what was logged by those who worked on this run before: Snakemake removes a job's log at its start."""
    path = folder / CHECKPOINTS / "train.log"
    if path.exists():
        sys.stderr.write(path.read_text(encoding="utf-8"))
    path.parent.mkdir(exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.getLogger().handlers[0].formatter)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


def main() -> None:
    arguments = parse_arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)

    scale, variant, num_tasks, seeds = arguments.scale, arguments.variant, arguments.num_tasks, arguments.seed
    of_scale = results_folder("results", arguments.dataset) / scale / "runs"
    folders = arguments.run_folder or [run_folder(of_scale, variant, num_tasks, seed) for seed in seeds]
    if len(folders) != len(seeds):
        raise ValueError(f"--run-folder: found {len(folders)} folders, expected one for each seed {seeds}")
    images_at = arguments.images or images_folder("results", arguments.dataset)
    declarations = Declarations(arguments.config, arguments.dataset)
    runs = [declarations.resolve(scale, variant, num_tasks, seed) for seed in seeds]
    if arguments.settings_hash not in (None, runs[0].settings_hash()):
        raise ValueError(
            f"{arguments.config}: found other settings ({runs[0].settings_hash()}) than those this run was planned"
            f" with, expected {arguments.settings_hash}; start the workflow again"
        )
    source = source_state(Path(__file__))  # now: what is edited or committed meanwhile does not run
    manager = CheckpointManager(runs, folders, arguments.save_minutes, arguments.limit_minutes)
    with ExitStack() as held:
        for folder in folders:
            held.enter_context(only_writer(folder))
            discard_seal(folder)
        with kept_log(folders[0]):  # all write the same
            if source.commit is None:
                logging.warning("no commit is recorded (%s): reference.py merge will refuse this run", source.reason)
            for run, folder in zip(runs, folders, strict=True):
                logging.info("%s, %d tasks, seed %d, %s scale -> %s", variant, num_tasks, run.seed, scale, folder)
            for line in replaced_by_scale(declarations, scale, [runs[0].configuration]):
                logging.info(line)
            device = held.enter_context(training_device(arguments.device))
            with manager.listening():
                images = load_images(images_at, declarations.datasets[arguments.dataset].sha256, arguments.dataset)
                results = train(runs, images, device, manager)
        pixels = normalisation(runs[0].data, images)
        for run, folder, result, attempts in zip(runs, folders, results, manager.attempts, strict=True):
            write_accuracy(folder / "accuracy.csv", result.accuracy)
            write_activity(folder / "activity.npy", result.activity)
            write_record(
                folder / "record.json",
                run,
                scale,
                machine(device),
                metrics=continual_metrics(result.accuracy),
                clusters=result.clusters,
                pixels=pixels._asdict(),
                images=images.sha256,
                side_by_side=seeds,
                steps=result.steps,
                wall_seconds=round(manager.seconds, 2),
                checkpoint_seconds=round(manager.saving_seconds, 2),
                attempts=attempts.list,
                commit=source.commit,
                dirty=source.dirty,
            )
        manager.finish()


if __name__ == "__main__":
    try:
        main()
    except InterruptedTraining:
        sys.exit(EXIT_CODE)
    except (ValueError, OSError, DivergedError) as fault:
        sys.exit(f"train: {fault}")
