"""Keep what was measured at full scale, results/reference/runs.csv; make verdicts, figures and pages of it."""

import argparse
import sys
from pathlib import Path

from active_dendrites.evaluation.tables import write_table
from active_dendrites.figures.notebooks import draw_by_notebook
from active_dendrites.reports.reference_pages import make_reference_page, status, with_status
from active_dendrites.reports.reproduction_page import Report, make_report, write_report
from active_dendrites.reports.results_page import write_page
from active_dendrites.reproduction.reference import FILE, ReferenceRow, check_not_hidden, merge, read_rows
from active_dendrites.reproduction.reference_tables import KINDS, judged_runs, reference_table
from active_dendrites.reproduction.verdicts import unexplained
from active_dendrites.runs.files import atomic_file
from active_dendrites.settings.declarations import Declarations
from active_dendrites.settings.options import use_any_encoding
from active_dendrites.settings.published import Published, read_published

PROJECT = Path(__file__).resolve().parents[2]
TEMPLATES = PROJECT / "workflow/report"
NOTEBOOKS = PROJECT / "workflow/notebooks"
PAGES = {"paper": "report.html", "searches": "searches.html"}  # of each part


def main() -> None:
    use_any_encoding()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=PROJECT / "config", help="folder of the settings")
    folder_help = f"folder that holds {FILE} and what is made from it (default results/reference)"
    parser.add_argument("--folder", type=Path, default=PROJECT / "results/reference", help=folder_help)
    commands = parser.add_subparsers(required=True, metavar="merge|report")

    merging = commands.add_parser("merge", help="take up the finished runs of a folder; status 1 if one is refused")
    runs_help = "folder of runs of paper scale (default results/paper/runs)"
    merging.add_argument("--runs", type=Path, default=PROJECT / "results/paper/runs", help=runs_help)
    merging.set_defaults(command=merge_runs)

    reporting = commands.add_parser("report", help="make everything that is made from it")
    reporting.add_argument("--readme", type=Path, help="also rewrite the generated part of this file")
    reporting.set_defaults(command=write_reports)

    arguments = parser.parse_args()
    try:
        check_not_hidden(arguments.folder)
        arguments.command(arguments)
    except (ValueError, OSError) as fault:
        sys.exit(f"reference: {fault}")


def merge_runs(arguments: argparse.Namespace) -> None:
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
    rows = read_rows(folder / FILE)
    declarations = Declarations(arguments.config)
    published = read_published(declarations)
    report = make_report(declarations, published, "paper", *judged_runs(declarations, published, rows))
    write_report(report, TEMPLATES, folder / "reproduction")
    not_run = draw_figures(declarations, published, rows, folder)
    for part, name in PAGES.items():
        page = make_reference_page(declarations, published, part, rows, folder, PROJECT)
        write_page(page, TEMPLATES / "report.html.j2", folder / name)
    if arguments.readme:
        write_status(arguments.readme, report, folder)
    print(report.summary)
    if not_run:
        print(f"Not drawn, since none of their variants was run: {', '.join(not_run)}.")
    for note in (*report.left_out, *unexplained(report.comparisons)):
        print(note)


def draw_figures(declarations: Declarations, published: Published, rows: list[ReferenceRow], folder: Path) -> list[str]:
    """Tables and figures of all experiments that runs.csv is enough for, by their notebooks; those without any run."""
    not_run = []
    for name, declared in declarations.experiments.items():
        if declared.kind not in KINDS:
            continue
        table = reference_table(declarations, published, name, rows)
        if table["accuracy"].isna().all():
            not_run.append(name)
            continue
        write_table(folder / "tables" / f"{name}.csv", table)
        draw_by_notebook(NOTEBOOKS / f"{name}.ipynb", declared.title, folder)
    return not_run


def write_status(readme: Path, report: Report, folder: Path) -> None:
    text = readme.read_text(encoding="utf-8")
    rewritten = with_status(text, status(report, folder.as_posix()), str(readme))
    if rewritten != text:
        with atomic_file(readme) as file:
            file.write(rewritten)


if __name__ == "__main__":
    main()
