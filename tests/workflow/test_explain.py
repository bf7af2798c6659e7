"""Where settings come from, and what reduced scale replaces of a variant of one's own."""

from collections.abc import Callable

import pytest
from project import Project

MINE = {"label": "Mine", "extends": "prototype", "epochs": 4, "learning_rate": 1.0e-2}
RUN = "results/quick/runs/mine/tasks-2/seed-1/accuracy.csv"
REPLACED = "quick: epochs 4 -> 1 for mine"


@pytest.fixture(scope="module")
def project(make_project: Callable[[], Project]) -> Project:
    return make_project()


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("settings_prototype_2", "epochs 1 config/variants.yaml: prototype.by_num_tasks.2.epochs null"),
        (
            "settings_quick_prototype_2",
            "epochs 1 config/quick.yaml: settings.epochs 1 (config/variants.yaml: prototype",
        ),
    ],
)
def test_each_configuration_shows_its_settings(project: Project, target: str, line: str) -> None:
    done = project.snakemake(target)
    assert done.returncode == 0, done.stderr
    lines = [" ".join(text.split()) for text in done.stdout.splitlines()]
    assert any(text.startswith(line) for text in lines), done.stdout
    assert len(lines) > 40
    assert not project.path("results/data").exists()


def test_what_reduced_scale_replaces_is_said_at_the_start(project: Project) -> None:
    """Of runs that are to be trained, declared or not; in a plan, in a dry run and before the first job."""
    with project.edited_yaml("config/variants.yaml", lambda variants: variants.update(mine=MINE)):
        for arguments in ((RUN, "--dry-run"), ("plan", RUN), (RUN, "--cores", "1")):
            done = project.snakemake(*arguments)
            assert done.returncode == 0, done.stderr
            assert done.stderr.splitlines().count(REPLACED) == 1, done.stderr
        assert project.path(RUN).with_name("train.log").read_text().count(REPLACED) == 1
        assert REPLACED not in project.snakemake(RUN, "--dry-run").stderr  # nothing is trained any more
        assert "for mine" not in project.snakemake(RUN.replace("quick", "paper"), "--dry-run").stderr
