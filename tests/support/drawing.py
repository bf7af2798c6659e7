"""Small tables of every kind, and what tests ask of a drawn figure."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from active_dendrites.evaluation.tables import COLUMNS
from active_dendrites.figures import style

SUMMARY, MATRIX, ACTIVITY, SEARCH = (COLUMNS[kind] for kind in ("summary", "matrix", "activity", "search"))
NONE = float("nan")


# -- tables -----------------------------------------------------------------------------------------------


def row(variant: str, num_tasks: int, accuracy: float, half: float | None = 0.004, **other: Any) -> dict:
    """A row of a summary: eight seeds, intervals of `half` to both sides, a published value of 0.95 of the paper's."""
    label = {"xdg": "XdG (told the task at test)"}.get(variant, f"The {variant}")
    known = {"experiment": "comparison", "scale": "paper", "variant": variant, "label": label, "quoted": False}
    known |= {"num_tasks": num_tasks, "n": 8, "seeds": "1 2 3 4 5 6 7 8", "published": 0.95}
    known |= {"accuracy": accuracy, "std": 0.01, "forgetting": 0.98 - accuracy, "forgetting_std": 0.01}
    if half:
        known |= {"low": accuracy - half, "high": accuracy + half}
        known |= {"forgetting_low": 0.98 - accuracy - half, "forgetting_high": 0.98 - accuracy + half}
    return known | other


def make_table(*rows: dict) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=SUMMARY)
    words = {"experiment", "scale", "variant", "label", "seeds", "quoted"}
    return table.astype({column: float for column in SUMMARY[4:] if column not in words} | {"num_tasks": int})


def found(num_tasks: int, clusters: float, published: float | None = None, half: float = 0.1, **other: Any) -> dict:
    """A row of a summary with the number of clusters found."""
    counts = {"clusters": clusters, "clusters_low": clusters - half, "clusters_high": clusters + half}
    return row("construct_prototype", num_tasks, 0.9, published_clusters=published, **counts) | other


def matrix(variant: str, num_tasks: int = 3, measured: Iterable[int] | None = None, **other: Any) -> list[dict]:
    """Rows of a matrix, accuracy 0.9 - 0.1 (i - j); complete after `measured` tasks, else the diagonal alone."""
    complete = set(range(1, num_tasks + 1) if measured is None else measured)
    known = {"experiment": "accuracy_matrix", "scale": "paper", "variant": variant, "label": f"The {variant}"}
    known |= {"num_tasks": num_tasks, "n": 8, "std": 0.01}
    pairs = [(i, j) for i in range(1, num_tasks + 1) for j in range(1, i + 1) if i == j or i in complete]
    return [known | {"after_task": i, "task": j, "accuracy": 0.9 - 0.1 * (i - j)} | other for i, j in pairs]


def activity(num_tasks: int = 3, units: int = 64, n: int = 8, **other: Any) -> pd.DataFrame:
    """A table of activities: unit u is on for a fraction (t + u) % 10 / 20 of task t; overlaps 0.2, by chance 0.1."""
    known = {"experiment": "hidden_activations_per_task", "scale": "paper", "variant": "prototype"}
    known |= {"label": "Active dendrites", "num_tasks": num_tasks, "n": n} | other
    tasks = range(1, num_tasks + 1)
    on = [
        {"panel": "activity", "row": t, "column": u, "value": (t + u) % 10 / 20}
        for t in tasks
        for u in range(1, units + 1)
    ]
    std = 0.03 if n > 1 else None
    pairs = [
        {"panel": "overlap", "row": i, "column": j, "value": 1.0 if i == j else 0.2, "std": std, "chance": 0.1}
        for i in tasks
        for j in tasks
    ]
    return pd.DataFrame([known | cell for cell in on + pairs], columns=ACTIVITY)


def sweep(
    search: str,
    num_tasks: int,
    finals: Iterable[float],
    after: Iterable[int] = (),
    published: tuple[float, float] = (NONE, NONE),
    **settings: Any,
) -> list[dict]:
    """Rows of a search: a run per final accuracy, 0.97 after each task of `after` and the final one after the last."""
    known = {"experiment": "search_accuracy", "scale": "paper", "search": search, "num_tasks": num_tasks}
    known |= {"segments_per_unit": 10, "winner_density": 0.1, "weight_sparsity": 0.5, "learning_rate": 5e-4}
    known |= dict(zip(("published", "published_std"), published, strict=True))
    known["variant"] = known["label"] = "-".join([search, *(f"{value:g}" for value in settings.values())])
    rows = []
    for seed, final in enumerate(finals, start=1):
        run = known | settings | {"seed": seed}
        rows += [run | {"after_task": task, "accuracy": 0.97} for task in after]
        rows.append(run | {"after_task": num_tasks, "accuracy": final})
    return rows


def make_search(*sweeps: list[dict], scale: str = "paper") -> pd.DataFrame:
    return pd.DataFrame([row for rows in sweeps for row in rows], columns=SEARCH).assign(scale=scale)


# -- figures ----------------------------------------------------------------------------------------------


def part(figure: Figure, name: str) -> Any:
    """The one artist of that name; None if there is none."""
    parts = figure.findobj(lambda artist: artist.get_gid() == name)
    assert len(parts) <= 1, f"{name} is drawn {len(parts)} times"
    return parts[0] if parts else None


def values(figure: Figure, name: str) -> list[float]:
    return [round(float(y), 4) for y in part(figure, name).get_ydata()]


def cells(figure: Figure, name: str) -> np.ndarray:
    """The values of a heat map, NaN where it is blank."""
    return np.ma.filled(part(figure, name).get_array(), NONE)


def names(figure: Figure) -> set[str]:
    """The names of all parts."""
    return {artist.get_gid() for artist in figure.findobj(Artist) if artist.get_gid()}


def hollow(figure: Figure) -> set[str]:
    """The names of all hollow marks."""
    lines = figure.findobj(lambda artist: isinstance(artist, Line2D) and artist.get_gid())
    return {line.get_gid() for line in lines if to_hex(line.get_markerfacecolor()) == "#ffffff"}


def words(figure: Figure) -> str:
    """All words in the figure."""
    return "\n".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))


def saved(figure: Figure, folder: Path, name: str = "figure") -> tuple[bytes, bytes]:
    paths = folder / f"{name}.svg", folder / f"{name}.png"
    style.save_figure(figure, *paths)
    return paths[0].read_bytes(), paths[1].read_bytes()
