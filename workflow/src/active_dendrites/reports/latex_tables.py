"""Tables for papers: each summary of an experiment as LaTeX (booktabs), mean ± standard deviation and n."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pandas as pd

from active_dendrites.evaluation.tables import table_bytes
from active_dendrites.runs.files import atomic_file
from active_dendrites.settings.declarations import PAPER

SUMMARY = {"num_tasks", "n", "accuracy", "std", "clusters", "clusters_std"}  # columns of such a table, among others
SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
SPECIAL |= {character: f"\\{character}" for character in "&%$#_{}"}


def write_latex_tables(folder: Path) -> list[Path]:
    """A .tex beside each table of a folder that summarises runs over seeds."""
    written = []
    for path in sorted(folder.glob("*.csv")):
        empty = {column: [""] for column in ("accuracy", "std", "clusters", "clusters_std")}
        text = dict.fromkeys(("experiment", "variant", "label"), str)  # whatever it says: None, NA, 10
        table = pd.read_csv(BytesIO(table_bytes(path)), dtype=text, keep_default_na=False, na_values=empty)
        if not set(table.columns) >= SUMMARY or table["accuracy"].isna().all():
            continue
        with atomic_file(path.with_suffix(".tex")) as file:
            file.write("\n".join(latex_table(table)) + "\n")
        written.append(path.with_suffix(".tex"))
    return written


def latex_table(table: pd.DataFrame) -> Iterator[str]:
    """The lines of a table: a row for each variant, a column for each number of tasks, a part for each quantity."""
    counts = sorted(table["num_tasks"].unique())
    scale = table["scale"].iloc[0]
    yield f"% {table['experiment'].iloc[0]}: mean, standard deviation over seeds (n). Needs the package booktabs."
    if scale != PAPER:
        yield f"% Reduced scale ({scale}): not the paper's setting."
    yield rf"\begin{{tabular}}{{l{'r' * len(counts)}}}"
    yield r"\toprule"
    yield " & ".join(["tasks", *map(str, counts)]) + r" \\"
    for heading, value, spread, factor in (
        ("average accuracy, \\%", "accuracy", "std", 100),
        ("clusters", "clusters", "clusters_std", 1),
    ):
        known = table[table[value].notna()]
        if known.empty:
            continue
        yield r"\midrule"
        yield rf"\multicolumn{{{1 + len(counts)}}}{{l}}{{{heading}}} \\"
        for _, own in known.groupby("variant", sort=False):
            cells = dict.fromkeys(counts, "")
            for row in own.itertuples():
                deviation = getattr(row, spread)
                plus_minus = rf" \pm {factor * deviation:.2f}" if pd.notna(deviation) else ""
                cells[row.num_tasks] = f"${factor * getattr(row, value):.2f}{plus_minus}$ ({row.n})"
            yield " & ".join([escaped(own["label"].iloc[0]), *cells.values()]) + r" \\"
    yield r"\bottomrule"
    yield r"\end{tabular}"


def escaped(text: str) -> str:
    """A text that LaTeX shows as it is."""
    return "".join(SPECIAL.get(character, character) for character in text)
