"""Write the page of a part of the results: figures, numbers, and what made each number."""

import sys
from pathlib import Path

from active_dendrites.reports.latex_tables import write_latex_tables
from active_dendrites.reports.notebook_pages import write_notebook_pages
from active_dendrites.reports.results_page import make_page, write_page
from active_dendrites.settings.declarations import Declarations
from active_dendrites.settings.given import given_settings
from active_dendrites.settings.options import Parser, add_settings_options, use_any_encoding
from active_dendrites.settings.published import read_published

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "workflow/report/report.html.j2"


def main() -> None:
    use_any_encoding()
    parser = Parser(description=__doc__)
    add_settings_options(parser, ROOT)
    parser.add_argument("--scale", required=True, help="paper, or a reduced one, which has no verdicts")
    parser.add_argument("--part", required=True, choices=["paper", "searches"], help="which experiments")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the scale's runs; any seeds may be there")
    output_help = "the page; figures, tables and notebooks are in folders beside it"
    parser.add_argument("--output", type=Path, required=True, help=output_help)
    arguments = parser.parse_args()
    try:
        declarations = Declarations(arguments.config, arguments.dataset, given_settings(arguments.set))
        published = read_published(declarations)
        folder = arguments.output.parent
        write_notebook_pages(folder / "notebooks")
        write_latex_tables(folder / "tables")
        page = make_page(declarations, published, arguments.scale, arguments.part, arguments.runs, folder)
        write_page(page, TEMPLATE, arguments.output)
    except (ValueError, OSError) as fault:
        sys.exit(f"report: {fault}")
    for note in page.report.left_out:
        print(note)


if __name__ == "__main__":
    main()
