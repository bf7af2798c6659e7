"""Write the explorer: a page on which runs are chosen and their accuracies drawn, task by task; it works offline."""

import sys
from pathlib import Path

from active_dendrites.reports.explorer_page import write_explorer
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.given import given_settings
from active_dendrites.settings.options import Parser, add_settings_options, use_any_encoding

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "workflow/report/explorer.html.j2"


def main() -> None:
    use_any_encoding()
    parser = Parser(description=__doc__)
    add_settings_options(parser, ROOT)
    parser.add_argument("--scale", default=PAPER, help="paper (default) or quick")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the scale's runs; any may be there")
    parser.add_argument("--output", type=Path, required=True, help="the page")
    arguments = parser.parse_args()
    try:
        declarations = Declarations(arguments.config, arguments.dataset, given_settings(arguments.set))
        count = write_explorer(declarations, arguments.scale, arguments.runs, TEMPLATE, arguments.output)
    except (ValueError, OSError) as fault:
        sys.exit(f"explorer: {fault}")
    print(f"{arguments.output}: {count} runs")


if __name__ == "__main__":
    main()
