"""Summarise runs over seeds: an experiment's table as CSV, or configurations as lines on stdout."""

import argparse
import sys
from pathlib import Path

from active_dendrites.evaluation.tables import experiment_table, result_lines, write_table
from active_dendrites.runs.records import check_runs
from active_dendrites.settings.datasets import DATASETS, MNIST
from active_dendrites.settings.declarations import Declarations
from active_dendrites.settings.given import given_settings
from active_dendrites.settings.options import Parser, at_least, use_any_encoding
from active_dendrites.settings.published import declared_rows, read_published

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    use_any_encoding()
    parser = Parser(description=__doc__)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for train.py")
    commands = parser.add_subparsers(required=True, metavar="table|line")

    table = commands.add_parser("table", help="write the table of an experiment")
    table.add_argument("--config", type=Path, default=ROOT / "config", help="folder of the settings")
    table.add_argument("--dataset", default=MNIST, choices=DATASETS, help="default mnist")
    table.add_argument("--scale", required=True, help="paper or quick")
    table.add_argument("--experiment", required=True, help="an experiment of config/experiments.yaml")
    table.add_argument("--runs", type=Path, required=True, help="folder of the scale's runs")
    seeds_help = "the seeds of each variant; a run that is missing is an error"
    table.add_argument(
        "--seeds", type=seeds_of, nargs="+", action="extend", required=True, metavar="VARIANT=1,2", help=seeds_help
    )
    table.add_argument("--output", type=Path, required=True, help="the CSV file")
    table.set_defaults(command=write_experiment)

    line = commands.add_parser("line", help="print mean ± standard deviation of each variant")
    line.add_argument("--name", required=True, help="what to call them")
    line.add_argument("--num-tasks", type=at_least(1), required=True)
    line.add_argument("accuracies", type=Path, nargs="+", help="accuracy.csv of each seed of each variant")
    line.set_defaults(command=print_lines)

    arguments = parser.parse_args()
    try:
        arguments.command(arguments)
    except (ValueError, OSError) as fault:
        sys.exit(f"aggregate: {fault}")


def seeds_of(text: str) -> tuple[str, list[int]]:
    """VARIANT=1,2,3 as the variant and its seeds."""
    variant, _, numbers = text.rpartition("=")
    seeds = [int(number) for number in numbers.split(",") if number.isdecimal()]
    if not variant or not seeds or ",".join(map(str, seeds)) != numbers or len(set(seeds)) < len(seeds):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected VARIANT=1,2,3, each seed once")
    return variant, seeds


def write_experiment(arguments: argparse.Namespace) -> None:
    declarations = Declarations(arguments.config, arguments.dataset, given_settings(arguments.set))
    scale, experiment = arguments.scale, arguments.experiment
    rows = declared_rows(declarations, read_published(declarations), scale, experiment)
    check_runs(declarations, scale, experiment, dict(arguments.seeds), arguments.runs)
    table = experiment_table(declarations, scale, experiment, rows, dict(arguments.seeds), arguments.runs)
    write_table(arguments.output, table)


def print_lines(arguments: argparse.Namespace) -> None:
    for line in result_lines(arguments.name, arguments.accuracies, arguments.num_tasks):
        print(line)


if __name__ == "__main__":
    main()
