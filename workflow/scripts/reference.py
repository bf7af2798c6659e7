"""Keep what was measured at full scale, in results/reference; make verdicts, figures and pages of it; or a preview."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from active_dendrites.evaluation.tables import write_table
from active_dendrites.figures.notebooks import draw_by_notebook
from active_dendrites.reports.reference_pages import make_reference_page, status, with_status
from active_dendrites.reports.reproduction_page import Report, make_report, write_report
from active_dendrites.reports.results_page import make_page, write_page
from active_dendrites.reproduction.counted_runs import LeftOut, notes_on
from active_dendrites.reproduction.kept_runs import FOLDER
from active_dendrites.reproduction.reference import FILE, check_not_hidden, merge, read_rows
from active_dendrites.reproduction.reference_tables import KINDS, judged_runs, preview_table, reference_table
from active_dendrites.reproduction.verdicts import unexplained
from active_dendrites.runs.files import atomic_file
from active_dendrites.settings.datasets import DATASETS, MNIST
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.options import Parser, use_any_encoding
from active_dendrites.settings.published import read_published
from active_dendrites.settings.yaml_files import fault_line

PROJECT = Path(__file__).resolve().parents[2]
TEMPLATES = PROJECT / "workflow/report"
NOTEBOOKS = PROJECT / "workflow/notebooks"
PAGES = {"paper": "report.html", "searches": "searches.html"}  # of each part


def main() -> None:
    use_any_encoding()
    parser = Parser(description=__doc__)
    parser.add_argument("--config", type=Path, default=PROJECT / "config", help="folder of the settings")
    folder_help = f"folder that holds {FILE} and what is made from it (default results/reference)"
    parser.add_argument("--folder", type=Path, default=PROJECT / "results/reference", help=folder_help)
    commands = parser.add_subparsers(required=True, metavar="merge|report|preview")

    merging = commands.add_parser("merge", help="take up the finished runs of a folder; status 1 if one is refused")
    runs_help = "folder of runs of paper scale (default results/paper/runs)"
    merging.add_argument("--runs", type=Path, default=PROJECT / "results/paper/runs", help=runs_help)
    merging.set_defaults(command=merge_runs)

    reporting = commands.add_parser("report", help="make everything that is made from it")
    reporting.add_argument("--readme", type=Path, help="also rewrite the generated part of this file")
    reporting.set_defaults(command=write_reports)

    previewing = commands.add_parser("preview", help="draw what is finished in a folder of runs, whatever is missing")
    previewing.add_argument("--runs", type=Path, default=PROJECT / "results/paper/runs", help=runs_help)
    previewing.add_argument("--dataset", default=MNIST, choices=DATASETS, help="default mnist")
    previewing.add_argument(
        "--output", type=Path, default=PROJECT / "results/paper/preview", help="folder of the pages"
    )
    previewing.set_defaults(command=write_preview)

    arguments = parser.parse_args()
    try:
        arguments.command(arguments)
    except (ValueError, OSError) as fault:
        sys.exit(f"reference: {fault}")


def merge_runs(arguments: argparse.Namespace) -> None:
    check_not_hidden(arguments.folder)
    path = arguments.folder / FILE
    merged = merge(path, Declarations(arguments.config), arguments.runs)
    print(
        f"{path}: runs added: {merged.added}; there already: {merged.known}; not finished: {merged.unfinished};"
        f" refused: {len(merged.refused)}."
    )
    if merged.refused:
        sys.exit("\n".join(f"refused: {line}" for line in merged.refused))


def write_reports(arguments: argparse.Namespace) -> None:
    """The README last, so that what it shows and leads to is there."""
    folder = arguments.folder
    check_not_hidden(folder)
    rows = read_rows(folder / FILE)
    declarations = Declarations(arguments.config)
    published = read_published(declarations)
    report = make_report(declarations, published, PAPER, *judged_runs(declarations, published, rows))
    write_report(report, TEMPLATES, folder / "reproduction")
    not_run = []
    for name, declared in declarations.experiments.items():
        if declared.kind in KINDS:
            table = reference_table(declarations, published, name, rows)
        else:
            table, _ = preview_table(declarations, published, PAPER, name, folder / FOLDER)
        if not draw_figure(name, declared.title, table, folder):
            not_run.append(name)
    for part, name in PAGES.items():
        page = make_reference_page(declarations, published, part, rows, folder, PROJECT)
        write_page(page, TEMPLATES / "report.html.j2", folder / name)
    if arguments.readme:
        write_status(arguments.readme, report, folder)
    print(report.summary)
    print_not_drawn(not_run)
    for note in (*report.left_out, *unexplained(report.comparisons)):
        print(note)


def write_preview(arguments: argparse.Namespace) -> None:
    """Tables, figures and pages of paper scale as far as runs are finished, in a folder of their own."""
    if not arguments.runs.is_dir():
        raise ValueError(fault_line("--runs", "", f"the runs of scale {PAPER}", found=f"no folder {arguments.runs}"))
    folder = arguments.output
    declarations = Declarations(arguments.config, arguments.dataset)
    published = read_published(declarations)
    left_out: dict[LeftOut, None] = {}
    not_run = []
    for name, declared in declarations.experiments.items():
        table, without = preview_table(declarations, published, PAPER, name, arguments.runs)
        left_out |= dict.fromkeys(without)
        if not draw_figure(name, declared.title, table, folder):
            not_run.append(name)
    for part, name in PAGES.items():
        page = make_page(declarations, published, PAPER, part, arguments.runs, folder)
        write_page(page, TEMPLATES / "report.html.j2", folder / name)
    print_not_drawn(not_run)
    print(*notes_on(list(left_out)), f"Open {folder / PAGES['paper']}", sep="\n")


def draw_figure(experiment: str, title: str, table: pd.DataFrame, folder: Path) -> bool:
    """Write the table of an experiment and draw its figure, by its notebook, unless none of its variants was run."""
    values = table["value" if "value" in table else "accuracy"]
    if values.isna().all():
        return False
    write_table(folder / "tables" / f"{experiment}.csv", table)
    draw_by_notebook(NOTEBOOKS / f"{experiment}.ipynb", title, folder)
    return True


def print_not_drawn(experiments: Sequence[str]) -> None:
    if experiments:
        print(f"Not drawn, since none of their variants was run: {', '.join(experiments)}.")


def write_status(readme: Path, report: Report, folder: Path) -> None:
    text = readme.read_text(encoding="utf-8")
    rewritten = with_status(text, status(report, folder.as_posix()), str(readme))
    if rewritten != text:
        with atomic_file(readme) as file:
            file.write(rewritten)


if __name__ == "__main__":
    main()
