"""A small copy of the project: real rules, scripts and library; tiny settings, made-up images."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import numpy as np
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]

# Draws something from the table with nothing that takes long to import.
NOTEBOOK = {
    "parameters": "title = None",
    "draw": """\
import csv, os
from pathlib import Path
from matplotlib.figure import Figure

notebook = Path(os.environ["JPY_SESSION_NAME"])
folder, name = notebook.parents[1], notebook.stem
with open(folder / f"tables/{name}.csv") as file:
    rows = [row for row in csv.DictReader(file) if row["accuracy"]]
figure = Figure()
figure.subplots().plot([float(row["accuracy"]) for row in rows])
for ending in ("svg", "png", "pdf"):
    figure.savefig(folder / f"figures/{name}.{ending}")
""",
}


class Job(NamedTuple):
    """A job of a dry run."""

    rule: str
    wildcards: dict[str, str]
    output: list[str]


class Project:
    """A copy of the project in a folder of its own, whose name has a blank and an accent."""

    def __init__(self, parent: Path) -> None:
        self.root = parent / "projet à part"
        self.root.mkdir()
        for name in ("Snakefile", "workflow", "config", "profiles", "envs"):
            source = REPOSITORY / name
            if source.is_dir():  # times and __pycache__ too: compiled kernels stay good
                shutil.copytree(source, self.root / name)
            else:
                shutil.copy(source, self.root / name)

    def path(self, name: str) -> Path:
        return self.root / name

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(self._command(arguments), **self._place(), capture_output=True, text=True)

    def python(self, *arguments: str) -> subprocess.CompletedProcess:
        """Python in the project's folder, with its library."""
        place = self._place()
        place["env"]["PYTHONPATH"] = str(self.path("workflow/src"))
        return subprocess.run([sys.executable, *arguments], **place, capture_output=True, text=True)

    def start(self, *arguments: str) -> subprocess.Popen:
        """Snakemake, without waiting for it."""
        silent = subprocess.DEVNULL
        return subprocess.Popen(self._command(arguments), **self._place(), stdout=silent, stderr=silent)

    def _command(self, arguments: Iterable[str]) -> list[str]:
        return [sys.executable, "-m", "snakemake", *arguments]

    def _place(self) -> dict[str, Any]:
        # No bytecode: an edit within the second that keeps a file's length would go unnoticed.
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
        environment.pop("PYTHONPATH", None)  # the copy's library, not the repository's
        return {"cwd": self.root, "env": environment}

    def copied(self, parent: Path) -> "Project":
        """The project as it is now, results and times too, in another folder."""
        other = object.__new__(Project)
        other.root = parent / self.root.name
        shutil.copytree(self.root, other.root)
        return other

    def plan(self, *arguments: str) -> list[Job]:
        """The jobs of a dry run."""
        done = self.snakemake(*arguments, "--dry-run")
        assert done.returncode == 0, done.stdout + done.stderr
        jobs = []
        for rule, body in re.findall(r"^(?:local)?rule ([^\s:]+):\n((?: .*\n)*)", done.stdout, re.MULTILINE):
            said = dict(re.findall("^    (wildcards|output): (.+)$", body, re.MULTILINE))
            wildcards = dict(pair.split("=") for pair in said["wildcards"].split(", ")) if "wildcards" in said else {}
            jobs.append(Job(rule, wildcards, said.get("output", "").split(", ")))
        return jobs

    def write_yaml(self, name: str, content: Any) -> None:
        self.path(name).write_text(yaml.safe_dump(content, sort_keys=False))

    @contextmanager
    def edited(self, name: str, change: Callable[[str], str]) -> Iterator[None]:
        """A file with other text, for a while."""
        path = self.path(name)
        text = path.read_text()
        assert change(text) != text, f"{name}: nothing was changed"
        path.write_text(change(text))
        try:
            yield
        finally:
            path.write_text(text)

    def edited_yaml(self, name: str, change: Callable[[dict], Any]):
        """A YAML file with other content, for a while; `change` works in place."""

        def rewrite(text: str) -> str:
            content = yaml.safe_load(text)
            change(content)
            return yaml.safe_dump(content, sort_keys=False)

        return self.edited(name, rewrite)


def heed_ctrl_c() -> None:
    """For a new process: as in a terminal. A shell lets what it runs in the background ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def write_images(folder: Path) -> dict[str, str]:
    """The four files of MNIST, of full shape: noise in two columns for digits; returns their sums."""
    folder.mkdir()
    noise, sums = np.random.default_rng(1), {}
    for name, count in (("train", 60_000), ("t10k", 10_000)):
        images = np.zeros((count, 28, 28), dtype=np.uint8)
        images[:, :, 13:15] = noise.integers(256, size=(count, 28, 2))
        labels = noise.integers(10, size=count, dtype=np.uint8)
        for kind, content in ((f"{name}-images-idx3-ubyte", images), (f"{name}-labels-idx1-ubyte", labels)):
            header = bytes([0, 0, 8, content.ndim]) + np.array(content.shape, dtype=">u4").tobytes()
            (folder / kind).write_bytes(header + content.tobytes())
            sums[kind] = hashlib.sha256(header + content.tobytes()).hexdigest()
    return sums


def write_notebook(path: Path) -> None:
    cells = [nbformat.v4.new_code_cell(source, metadata={"tags": [tag]}) for tag, source in NOTEBOOK.items()]
    path.parent.mkdir(exist_ok=True)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)


def make_tiny(project: Project, images: Path, sums: dict[str, str]) -> None:
    """Two experiments of two variants, two tasks, two seeds; networks that train in a second."""
    project.write_yaml(
        "config/config.yaml",
        {
            "dataset": "mnist",
            "images_folder": str(images),
            "results": "results",
            "device": "cpu",
            "seeds": [1, 2],
            "search_seeds": None,
            "seeds_per_job": 1,
            "keep_network": "reduced",
            "set": None,
            "log": "text",
            "retrain": False,
        },
    )
    measured = {"pixel_mean": "measured", "pixel_std": "measured"}
    others = {name: {"sha256": None, "data": measured} for name in ("kmnist", "emnist_digits")}
    ours = {"mnist": {"sha256": sums}, "fashion_mnist": {"sha256": sums, "data": measured}}
    project.write_yaml("config/datasets.yaml", ours | others)
    project.write_yaml(
        "config/quick.yaml",
        {
            "seeds": [1, 2],
            "num_tasks": [2],
            "settings": {"epochs": 1, "batch_size": 6000, "network": {"hidden_units": [16, 16]}},
        },
    )
    counts = [2, 5]
    project.write_yaml(
        "config/experiments.yaml",
        {
            "comparison": {
                "title": "A comparison",
                "variants": {"prototype": counts, "sparse_representations_only": counts},
            },
            "ablation": {
                "title": "An ablation",
                "variants": {"sparse_representations_only": counts},
            },
        },
    )
    for experiment in ("comparison", "ablation"):
        write_notebook(project.path(f"workflow/notebooks/{experiment}.ipynb"))
