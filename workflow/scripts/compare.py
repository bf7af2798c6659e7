"""Compare variants seed by seed: difference, interval and paired t-test, with Holm's correction over all of them."""

import sys
from io import BytesIO
from itertools import combinations
from pathlib import Path

import pandas as pd

from active_dendrites.evaluation.comparisons import METRIC_NAMES, compare, load_runs
from active_dendrites.evaluation.tables import table_bytes
from active_dendrites.settings.options import Parser, use_any_encoding

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "results/reference/runs.csv"


def main() -> None:
    use_any_encoding()
    parser = Parser(description=__doc__)
    parser.add_argument("variants", nargs="+", metavar="variant", help="two or more; each pair is compared")
    runs_help = "folder of a scale's runs, such as results/quick/runs (default: the measured runs that are kept in git)"
    parser.add_argument("--runs", type=Path, help=runs_help)
    parser.add_argument("--metric", default=METRIC_NAMES[0], choices=METRIC_NAMES, help="default average_accuracy")
    parser.add_argument("--csv", action="store_true", help="every column, as CSV, in fractions")
    arguments = parser.parse_args()
    if len(arguments.variants) < 2:
        parser.error(f"variant: found {arguments.variants[0]} alone, expected two or more")
    try:
        runs = load_runs(arguments.runs) if arguments.runs else reference_results()
        table = compare(runs, combinations(arguments.variants, 2), arguments.metric)
    except (ValueError, OSError) as fault:
        sys.exit(f"compare: {fault}")
    if arguments.csv:
        table.to_csv(sys.stdout, index=False)
    else:
        print(
            f"{arguments.metric}, in points of %; interval of 95 %; p of the paired t-test, and after Holm's correction"
        )
        print(for_a_person(table).to_string(index=False))


def reference_results() -> pd.DataFrame:
    """The last row of each run: that after all its tasks."""
    content = BytesIO(table_bytes(REFERENCE))
    rows = pd.read_csv(content, keep_default_na=False, na_values={name: [""] for name in METRIC_NAMES})
    return rows[rows.after_task == rows.num_tasks]


def for_a_person(table: pd.DataFrame) -> pd.DataFrame:
    """The same in few columns."""
    points = 100 * table[["first_mean", "second_mean", "difference", "low", "high"]]
    interval = [f"{low:+.2f} to {high:+.2f}" for low, high in zip(points.low, points.high, strict=True)]
    return pd.DataFrame(
        {
            "first": table["first"],
            "second": table["second"],
            "tasks": table.num_tasks,
            "n": table.n,
            "means": [f"{a:.2f}, {b:.2f}" for a, b in zip(points.first_mean, points.second_mean, strict=True)],
            "difference": points.difference.map("{:+.2f}".format),
            "interval": [text if n > 1 else "" for text, n in zip(interval, table.n, strict=True)],
            "p": table.p.map(lambda p: "" if pd.isna(p) else f"{p:.2g}"),
            "p (Holm)": table.p_holm.map(lambda p: "" if pd.isna(p) else f"{p:.2g}"),
        }
    )


if __name__ == "__main__":
    main()
