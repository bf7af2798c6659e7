"""Print every setting of a configuration: its value, where it was written, and the values that it took the place of."""

import sys
from pathlib import Path

from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.explain import explain
from active_dendrites.settings.given import given_settings
from active_dendrites.settings.options import Parser, add_settings_options, at_least, use_any_encoding
from active_dendrites.settings.run import Configuration

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    use_any_encoding()
    parser = Parser(description=__doc__)
    add_settings_options(parser, ROOT)
    parser.add_argument("--scale", default=PAPER, help="paper (default) or quick")
    parser.add_argument("--num-tasks", type=at_least(1), required=True, help="tasks in the sequence")
    parser.add_argument("variants", nargs="+", metavar="variant", help="a variant of config/variants.yaml")
    arguments = parser.parse_args()
    configurations = [Configuration(variant, arguments.num_tasks) for variant in arguments.variants]
    try:
        declarations = Declarations(arguments.config, arguments.dataset, given_settings(arguments.set))
        print(*explain(declarations, arguments.scale, configurations), sep="\n")
    except ValueError as fault:
        sys.exit(f"explain: {fault}")


if __name__ == "__main__":
    main()
