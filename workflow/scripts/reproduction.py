"""Hold every published number against our runs: <prefix>.csv, .md and .html, and a summary line on stdout."""

import sys
from collections.abc import Sequence
from pathlib import Path

from active_dendrites.reports.reproduction_page import Report, make_report, write_report
from active_dendrites.reproduction.counted_runs import find_runs
from active_dendrites.settings.datasets import MNIST
from active_dendrites.settings.declarations import Declarations
from active_dendrites.settings.given import given_settings
from active_dendrites.settings.options import Parser, use_any_encoding
from active_dendrites.settings.published import read_published

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "workflow/report"


def main() -> None:
    use_any_encoding()
    parser = Parser(description=__doc__)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for train.py")
    parser.add_argument("--config", type=Path, default=ROOT / "config", help="folder of the settings")
    parser.add_argument("--dataset", default=MNIST, help="mnist (default): the only one with published numbers")
    parser.add_argument("--scale", required=True, help="paper, or a reduced one, which has no verdicts")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the scale's runs; any seeds may be there")
    parser.add_argument("--output", type=Path, required=True, help="prefix of the three files")
    arguments = parser.parse_args()
    try:
        if arguments.dataset != MNIST:
            raise ValueError(f"dataset: found {arguments.dataset}, expected mnist: no other has published numbers")
        report = read_report(arguments.config, arguments.scale, arguments.runs, arguments.set)
        write_report(report, TEMPLATES, arguments.output)
    except (ValueError, OSError) as fault:
        sys.exit(f"reproduction: {fault}")
    print(report.summary)
    for note in report.left_out:
        print(note)


def read_report(config: Path, scale: str, folder: Path, given: Sequence[str] = ()) -> Report:
    """What the runs of a folder say about the published numbers."""
    declarations = Declarations(config, given=given_settings(given))
    published = read_published(declarations)
    return make_report(declarations, published, scale, *find_runs(declarations, published, scale, folder))


if __name__ == "__main__":
    main()
