"""Summarise runs over seeds: an experiment's table as CSV, or one configuration as a line on stdout."""

import argparse
import sys
from pathlib import Path

from active_dendrites.config import Declarations
from active_dendrites.published import declared_rows, read_published
from active_dendrites.tables import experiment_table, summarise_runs, summary_line, write_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="table|line")

    table = commands.add_parser("table", help="write the table of an experiment")
    table.add_argument("--config", type=Path, default=Path("config"), help="folder of the settings")
    table.add_argument("--scale", required=True, help="paper or quick")
    table.add_argument("--experiment", required=True, help="an experiment of config/experiments.yaml")
    table.add_argument("--runs", type=Path, required=True, help="folder of the scale's runs")
    table.add_argument("--seeds", type=int, nargs="+", required=True, help="a missing one is an error")
    table.add_argument("--output", type=Path, required=True, help="the CSV file")
    table.set_defaults(command=write_experiment)

    line = commands.add_parser("line", help="print mean ± standard deviation of one configuration")
    line.add_argument("--name", required=True, help="what to call it")
    line.add_argument("--num-tasks", type=int, required=True)
    line.add_argument("accuracies", type=Path, nargs="+", help="accuracy.csv of each seed")
    line.set_defaults(command=print_line)

    arguments = parser.parse_args()
    try:
        arguments.command(arguments)
    except ValueError as fault:
        sys.exit(f"aggregate: {fault}")


def write_experiment(arguments: argparse.Namespace) -> None:
    declarations, scale, experiment = Declarations(arguments.config), arguments.scale, arguments.experiment
    rows = declared_rows(declarations, read_published(declarations), scale, experiment)
    write_table(arguments.output, experiment_table(experiment, scale, rows, arguments.seeds, arguments.runs))


def print_line(arguments: argparse.Namespace) -> None:
    print(summary_line(arguments.name, summarise_runs(arguments.accuracies, arguments.num_tasks)))


if __name__ == "__main__":
    main()
