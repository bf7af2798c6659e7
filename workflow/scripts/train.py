"""Learn one sequence of tasks with one variant; write the accuracies and the record of each seed.

Interrupted, it is saved, ends with exit status 75 and goes on when it is started again.
"""

import argparse
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import torch

from active_dendrites.data.images import Images, check_dataset, load_images
from active_dendrites.data.tasks import Normalisation, normalisation
from active_dendrites.evaluation.metrics import continual_metrics
from active_dendrites.methods.xdg import task_gates
from active_dendrites.runs.folders import NETWORK, run_folder
from active_dendrites.runs.locks import only_writer
from active_dendrites.runs.provenance import SourceState, check_added_folders, machine, source_state
from active_dendrites.runs.records import is_finished, write_accuracy, write_activity, write_record
from active_dendrites.runs.seals import discard_seal
from active_dendrites.settings.datasets import DATASETS, MNIST, images_folder, results_folder
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.explain import replaced_by_scale
from active_dendrites.settings.given import given_name, given_settings
from active_dendrites.settings.options import Parser, at_least, minutes, renamed_to, use_any_encoding
from active_dendrites.settings.run import RunConfig
from active_dendrites.settings.yaml_files import fault_line
from active_dendrites.training.checkpoint_manager import SAVE_MINUTES, CheckpointManager
from active_dendrites.training.devices import training_device
from active_dendrites.training.interruptions import EXIT_CODE, InterruptedTraining
from active_dendrites.training.kept_networks import TrainedNetwork, keep_network
from active_dendrites.training.live_curves import live_curves
from active_dendrites.training.loop import DivergedError, Result, train
from active_dendrites.training.run_log import RunLog

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config"
RESULTS = ROOT / "results"
MOST_THREADS = 1024  # OpenMP ends the process where its stack is too small for all

log = logging.getLogger("train")


class Job(NamedTuple):
    """What is trained, on which images, and where the results go.

    images: folder of the files.
    sha256: of each dataset's files, as declared; None where no sums are declared.
    folders: of each run.
    keep_networks: of which seeds the trained networks are written there.
    notes: a line for each value of the variant that the scale or the command line replaces.
    """

    scale: str
    runs: list[RunConfig]
    folders: list[Path]
    keep_networks: list[int]
    images: Path
    sha256: dict[str, dict[str, str] | None]
    notes: list[str]


def main() -> None:
    use_any_encoding()
    arguments = parse_arguments()
    prepare_process(arguments.threads)
    job = make_job(arguments)
    source = source_state(Path(__file__))  # now: what is edited or committed meanwhile does not run
    manager = CheckpointManager(job.runs, job.folders, arguments.save_minutes, arguments.limit_minutes)
    run_log = RunLog(job.folders)
    with ExitStack() as held:
        held.enter_context(run_folders(job.folders, arguments.overwrite))
        with run_log.kept():
            announce(job, source)
            device = held.enter_context(training_device(arguments.device))
            with manager.listening():
                images = load_images(job.images, job.sha256[arguments.dataset], arguments.dataset)
                check_dataset(job.images, images, arguments.dataset, job.sha256)
                results = train(job.runs, images, device, manager, live_curves(arguments.log, job.folders))
        write_results(job, results, images, device, manager, source)
        run_log.leave()
        manager.finish()


def parse_arguments() -> argparse.Namespace:
    parser = Parser(description=__doc__)
    parser.add_argument("--variant", required=True, help="a variant of config/variants.yaml")
    parser.add_argument("--num-tasks", required=True, type=at_least(1), help="tasks in the sequence")
    seed_help = "decides weights, masks and batch order (default 1); several are learned side by side"
    parser.add_argument("--seed", type=at_least(0), nargs="+", default=[1], help=seed_help)
    parser.add_argument("--scale", default=PAPER, help="paper (default) or quick")
    parser.add_argument("--config", type=Path, default=CONFIG, help="folder of the settings (default: the project's)")
    set_help = "one setting, over those of the files; its results go to results/set/ (may be repeated)"
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=set_help)
    parser.add_argument("--dataset", default=MNIST, choices=DATASETS, help="default mnist")
    images_help = "folder of its IDX files (default: the project's results/data/<dataset>)"
    parser.add_argument("--images", type=Path, help=images_help)
    parser.add_argument("--mnist", type=renamed_to("--images"), help=argparse.SUPPRESS)
    folder_help = (
        "where to write, a folder for each seed (default: the project's results/<scale>/runs/..., or below"
        " results/<dataset>)"
    )
    parser.add_argument("--run-folder", type=Path, nargs="+", help=folder_help)
    parser.add_argument("--overwrite", action="store_true", help="replace finished runs")
    log_help = "tensorboard: loss and accuracies beside the log in words, in tensorboard/ of each run's folder"
    parser.add_argument("--log", choices=["text", "tensorboard"], default="text", help=log_help)
    keep_help = "write the trained networks too, of these seeds or of all (up to 1.4 GB each)"
    parser.add_argument("--keep-network", type=at_least(0), nargs="*", metavar="SEED", help=keep_help)
    parser.add_argument("--device", default="auto", help="auto (default), cpu or cuda")
    parser.add_argument("--threads", type=at_least(1, MOST_THREADS), help="CPU threads (default: PyTorch's choice)")
    save_help = f"between checkpoints within a task (default {SAVE_MINUTES:g}); there is one after each task"
    parser.add_argument("--save-minutes", type=minutes, default=SAVE_MINUTES, help=save_help)
    limit_help = "after so many it will be killed: it is saved and ends in time (default: no limit)"
    parser.add_argument("--limit-minutes", type=minutes, help=limit_help)
    parser.add_argument("--settings-hash", help="refuse to run if the settings are not those of this hash")
    return parser.parse_args()


def prepare_process(threads: int | None) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    if threads:
        torch.set_num_threads(threads)


def make_job(arguments: argparse.Namespace) -> Job:
    """Raises: ValueError if options, or the settings and the hash, do not fit."""
    seeds = arguments.seed
    given = given_settings(arguments.set)
    runs_folder = results_folder(RESULTS, arguments.dataset, given_name(given)) / arguments.scale / "runs"
    defaults = [run_folder(runs_folder, arguments.variant, arguments.num_tasks, seed) for seed in seeds]
    folders = arguments.run_folder or defaults
    if len(set(seeds)) < len(seeds):
        raise ValueError(fault_line("--seed", "", "each once", value=seeds))
    if len(folders) != len(seeds):
        raise ValueError(f"--run-folder: found {len(folders)} folders, expected one for each seed {seeds}")
    declarations = Declarations(arguments.config, arguments.dataset, given)
    runs = [declarations.resolve(arguments.scale, arguments.variant, arguments.num_tasks, seed) for seed in seeds]
    if arguments.settings_hash not in (None, runs[0].settings_hash()):
        raise ValueError(
            f"{arguments.config}: found other settings ({runs[0].settings_hash()}) than those this run was planned"
            f" with, expected {arguments.settings_hash}; start the workflow again"
        )
    images = arguments.images or images_folder(RESULTS, arguments.dataset)
    sha256 = {name: declared.sha256 for name, declared in declarations.datasets.items()}
    notes = replaced_by_scale(declarations, arguments.scale, [runs[0].configuration])
    kept = seeds if arguments.keep_network == [] else arguments.keep_network or []
    return Job(arguments.scale, runs, folders, kept, images, sha256, notes)


@contextmanager
def run_folders(folders: Sequence[Path], overwrite: bool) -> Iterator[None]:
    """Hold the folders of the runs. Raises: ValueError if one has a finished run that is not to be replaced."""
    with ExitStack() as held:
        for folder in folders:
            held.enter_context(only_writer(folder))
            if is_finished(folder) and not overwrite:
                expected = "none there, --overwrite, or another --run-folder"
                raise ValueError(fault_line(folder, "", expected, found="a finished run"))
            discard_seal(folder)
        yield


def announce(job: Job, source: SourceState) -> None:
    """Log what is trained and where to."""
    if added := os.environ.get("ACTIVE_DENDRITES_PATH"):
        check_added_folders(added)
        log.info("beside the locked packages, Python looks in ACTIVE_DENDRITES_PATH=%s", added)
    if source.commit is None:
        log.warning("no commit is recorded (%s): reference.py merge will refuse this run", source.reason)
    for run, folder in zip(job.runs, job.folders, strict=True):
        log.info(f"{run.variant}, {run.num_tasks} tasks, seed {run.seed}, {job.scale} scale -> {folder}")
    for line in job.notes:
        log.info(line)


def write_results(
    job: Job,
    results: Sequence[Result],
    images: Images,
    device: torch.device,
    manager: CheckpointManager,
    source: SourceState,
) -> None:
    """Write the files of each run, its record last."""
    pixels = normalisation(job.runs[0].data, images)
    for run, folder, result, attempts in zip(job.runs, job.folders, results, manager.attempts, strict=True):
        write_accuracy(folder / "accuracy.csv", result.accuracy)
        write_activity(folder / "activity.npy", result.activity)
        (folder / NETWORK).unlink(missing_ok=True)  # of an earlier training in this folder
        if run.seed in job.keep_networks:
            keep_network(folder, trained_network(run, result, pixels))
        write_record(
            folder / "record.json",
            run,
            job.scale,
            machine(device),
            metrics=continual_metrics(result.accuracy),
            clusters=result.contexts.num_clusters,
            pixels=pixels._asdict(),
            images=images.sha256,
            side_by_side=[each.seed for each in job.runs],
            steps=result.steps,
            wall_seconds=round(manager.seconds, 2),
            checkpoint_seconds=round(manager.saving_seconds, 2),
            attempts=attempts.list,
            commit=source.commit,
            dirty=source.dirty,
        )


def trained_network(run: RunConfig, result: Result, pixels: Normalisation) -> TrainedNetwork:
    gated = run.network.task_gate_density is not None
    gates = task_gates(run.network, run.num_tasks, run.seed) if gated else []
    return TrainedNetwork(run, result.network, result.contexts.prototypes, result.contexts.templates, gates, pixels)


if __name__ == "__main__":
    try:
        main()
    except InterruptedTraining:
        sys.exit(EXIT_CODE)
    except (ValueError, OSError, DivergedError) as fault:
        sys.exit(f"train: {fault}")
