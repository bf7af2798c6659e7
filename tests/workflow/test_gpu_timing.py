"""The script that times steps on a GPU, tried where there is none: the dense learner learns on a CPU too."""

import csv
from collections.abc import Callable

import yaml
from project import REPOSITORY, Project


def test_it_writes_rows_as_those_in_git(make_project: Callable[[], Project]) -> None:
    project = make_project()

    def small(settings: dict) -> None:
        settings["batch_size"] = 600
        settings["data"]["train_images"] = 1200
        settings["network"] |= {"hidden_units": [16, 16]}

    images = yaml.safe_load(project.path("config/config.yaml").read_text())["images_folder"]
    options = ["--device", "cpu", "--images", images, "--num-tasks", "2", "--epochs", "1"]
    with project.edited_yaml("config/defaults.yaml", small):
        done = project.python(
            "workflow/scripts/gpu_timing.py",
            "timing",
            *options,
            "--variants",
            "prototype",
            "sparse_representations_only",
        )
        assert done.returncode == 0, done.stderr
        refused = project.python("workflow/scripts/gpu_timing.py", "timing", *options[2:])
    with project.path("timing/gpu_steps.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (REPOSITORY / "results/reference/gpu_steps.csv").open(newline="") as file:
        assert list(rows[0]) == next(csv.reader(file))
    assert [(row["variant"], row["seeds"], row["precision"]) for row in rows] == [
        ("prototype", "8", "float32"),
        ("prototype", "1", "float32"),
        ("prototype", "16", "float32"),
        ("prototype", "8", "tf32"),
        ("prototype", "8", "bfloat16"),
        ("sparse_representations_only", "8", "float32"),
    ]
    assert all(float(row["milliseconds"]) > 0 for row in rows)
    profiles = {path.name for path in project.path("timing").glob("profile_*.txt")}
    assert profiles == {"profile_prototype_float32.txt", "profile_prototype_tf32.txt"}
    assert "aten::" in project.path("timing/profile_prototype_float32.txt").read_text()
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("gpu_timing: ")
