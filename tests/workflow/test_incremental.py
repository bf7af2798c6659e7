"""After a finished run: what an edit makes again, and what it leaves alone."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
import yaml
from project import Job, Project

VARIANTS = {"prototype", "sparse_representations_only"}
EXPERIMENTS = {"comparison", "ablation"}


def git(project: Project, *arguments: str) -> None:
    identity = ["-c", "user.name=A Tester", "-c", "user.email=tester@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=project.root, check=True, capture_output=True)


@pytest.fixture(scope="module")
def finished(make_project: Callable[[], Project]) -> Project:
    """A tiny project, committed, whose quick scale was really run."""
    project = make_project()
    git(project, "init")
    git(project, "add", "Snakefile", "workflow", "config")
    git(project, "commit", "--message", "first")
    done = project.snakemake("quick", "--cores", "2", "--resources", "gpu=1")
    assert done.returncode == 0, done.stdout + done.stderr
    # No GPU is used here, so that one GPU must not mean one training at a time.
    (log,) = re.findall(r"^Complete log\(s\): (.*)$", done.stderr, re.MULTILINE)
    logged = Path(log).read_text()
    assert "Execute 2 jobs..." in logged.split("localrule train:")[0].splitlines()[-3:], logged
    # Of jobs that do not fail, only the log tells.
    assert not re.search("rule|jobid|Execute|Select", done.stderr), done.stderr
    # What to look at, and what not to take it for.
    assert "Open results/quick/report.html\n" in done.stderr
    assert "It says nothing about the paper's numbers." in done.stderr
    return project


def trained(jobs: list[Job]) -> set[tuple[str, int]]:
    """(variant, seed) of the planned trainings."""
    return {(job.wildcards["variant"], int(job.wildcards["seed"])) for job in jobs if job.rule == "train"}


def made(jobs: list[Job], rule: str) -> set[str]:
    """The experiments for which a rule is planned."""
    return {job.wildcards["experiment"] for job in jobs if job.rule == rule}


def test_everything_is_made(finished: Project) -> None:
    quick = finished.path("results/quick")
    names = ["report.html", *(f"reproduction.{format}" for format in ("csv", "md", "html"))]
    for experiment in EXPERIMENTS:
        names += [f"tables/{experiment}.csv", f"notebooks/{experiment}.ipynb"]
        names += [f"figures/{experiment}.svg", f"figures/{experiment}.png"]
    for variant in VARIANTS:
        for seed in (1, 2):
            run = f"runs/{variant}/tasks-2/seed-{seed}"
            names += [f"{run}/{name}" for name in ("accuracy.csv", "activity.npy", "record.json", "train.log")]
    assert not [name for name in names if not (quick / name).is_file() or not (quick / name).stat().st_size]
    assert not finished.path("results/paper").exists()
    record = json.loads((quick / "runs/prototype/tasks-2/seed-1/record.json").read_text())
    assert record["threads"] == 1
    assert record["commit"] is not None


def test_report_shows_figures_and_numbers_and_leads_to_their_files(finished: Project) -> None:
    page = finished.path("results/quick/report.html")
    report = page.read_text()
    assert report.count("data:image/svg+xml") == 2
    assert report.index("<h3>A comparison") < report.index("<table") < report.index("<h3>An ablation")
    assert '<a href="explorer.html">' in report and '<a href="#figure-ablation">An ablation</a>' in report
    assert "Reduced scale (quick)" in report
    accuracies = [final_accuracy(finished, seed) for seed in (1, 2)]
    mean, spread = sum(accuracies) / 2, abs(accuracies[0] - accuracies[1]) / 2**0.5
    assert f"{mean:.2f} ± {spread:.2f}</button>" in report
    links = {unquote(link) for link in re.findall('href="([^#"]+)"', report)}
    assert {path for link in links if not (path := page.parent / link).is_file()} == set()
    runs = [f"runs/{variant}/tasks-2/seed-{seed}" for variant in VARIANTS for seed in (1, 2)]
    assert {f"{run}/{name}" for run in runs for name in ("accuracy.csv", "record.json", "train.log")} <= links
    assert {f"{kind}/{name}" for name in EXPERIMENTS for kind in ("tables", "notebooks")} <= {
        link.rpartition(".")[0] for link in links
    }
    assert "reproduction.html" in links
    record = json.loads(page.parent.joinpath(runs[0], "record.json").read_text())
    assert record["commit"][:10] in report
    assert record["settings_hash"] in report


def test_provenance_shows_each_figure_with_its_caption(finished: Project) -> None:
    path = finished.path("results/quick/provenance.html")
    assert not path.exists()  # of interest to few, and 7 MB
    done = finished.snakemake("quick_provenance", "--cores", "1")
    assert done.returncode == 0, done.stderr
    report = path.read_text()
    for experiment, title in (("comparison", "A comparison"), ("ablation", "An ablation")):
        assert f"{experiment}.svg" in report
        assert f"{experiment}.png" in report
        assert title in report
    assert "mean over 2 seeds (1, 2)" in report
    assert "95 % t-interval" in report
    assert "Reduced scale (quick)" in report


def test_nothing_is_left_to_do(finished: Project) -> None:
    assert finished.plan("quick") == []


def test_grouping_seeds_trains_nothing_again(finished: Project) -> None:
    assert finished.plan("quick", "--config", "seeds_per_job=2") == []


def test_learning_rate_retrains_its_variant_alone(finished: Project) -> None:
    def change(variants: dict) -> None:
        variants["prototype"]["by_num_tasks"][2]["learning_rate"] = 0.02

    with finished.edited_yaml("config/variants.yaml", change):
        jobs = finished.plan("quick")
    assert trained(jobs) == {("prototype", 1), ("prototype", 2)}
    assert made(jobs, "aggregate") == {"comparison"}


def test_learning_rate_for_other_task_counts_changes_nothing(finished: Project) -> None:
    def change(variants: dict) -> None:
        variants["prototype"]["by_num_tasks"][5]["learning_rate"] = 0.02

    with finished.edited_yaml("config/variants.yaml", change):
        assert finished.plan("quick") == []


def test_a_seed_trains_that_seed_alone(finished: Project) -> None:
    with finished.edited_yaml("config/quick.yaml", lambda quick: quick["seeds"].append(7)):
        jobs = finished.plan("quick")
    assert trained(jobs) == {(variant, 7) for variant in VARIANTS}
    assert made(jobs, "aggregate") == made(jobs, "draw") == EXPERIMENTS


def test_numerics_retrains_everything(finished: Project) -> None:
    file = "workflow/src/active_dendrites/__init__.py"
    with finished.edited(file, lambda text: text.replace("NUMERICS = ", "NUMERICS = 1000 + ")):
        jobs = finished.plan("quick")
    assert trained(jobs) == {(variant, seed) for variant in VARIANTS for seed in (1, 2)}


def test_a_label_rewrites_tables_and_trains_nothing(finished: Project) -> None:
    def change(variants: dict) -> None:
        variants["prototype"]["label"] = "Dendrites"

    with finished.edited_yaml("config/variants.yaml", change):
        jobs = finished.plan("quick")
    assert trained(jobs) == set()
    assert made(jobs, "aggregate") == made(jobs, "draw") == {"comparison"}


def test_a_published_value_rewrites_its_table_and_trains_nothing(finished: Project) -> None:
    def change(published: dict) -> None:
        published["curves"]["prototype"]["values"][2] = 50.0

    with finished.edited_yaml("config/published.yaml", change):
        jobs = finished.plan("quick")
    assert trained(jobs) == set()
    assert made(jobs, "aggregate") == made(jobs, "draw") == {"comparison"}
    assert "reproduce" in {job.rule for job in jobs}


def test_a_rule_of_verdicts_judges_again_and_trains_nothing(finished: Project) -> None:
    with finished.edited_yaml("config/published.yaml", lambda published: published["rule"].update({"level": 0.01})):
        jobs = finished.plan("quick")
    assert {job.rule for job in jobs} == {"reproduce", "report", "quick"}


@pytest.mark.parametrize(
    ("module", "rules"),
    [
        ("evaluation/tables", {"aggregate", "draw", "reproduce", "explore", "report", "quick"}),
        ("reproduction/verdicts", {"reproduce", "explore", "report", "quick"}),
        ("reports/results_page", {"explore", "report", "quick"}),
        ("learners/dense/learner", set()),  # what learns has NUMERICS
    ],
)
def test_code_remakes_what_it_makes(finished: Project, module: str, rules: set[str]) -> None:
    file = f"workflow/src/active_dendrites/{module}.py"
    with finished.edited(file, lambda text: text + "\nANSWER = 42\n"):
        assert {job.rule for job in finished.plan("quick")} == rules
    with finished.edited(file, lambda text: text + "\n# A comment.\n"):
        assert finished.plan("quick") == []


def test_a_notebook_redraws_its_figure_alone(finished: Project) -> None:
    with finished.edited("workflow/notebooks/ablation.ipynb", lambda text: text.replace("savefig", "savefig  ")):
        jobs = finished.plan("quick")
    assert {job.rule for job in jobs} == {"draw", "report", "quick"}
    assert made(jobs, "draw") == {"ablation"}


def test_a_colour_redraws_figures_and_trains_nothing(finished: Project) -> None:
    with finished.edited(
        "workflow/src/active_dendrites/figures/style.py", lambda text: text + '\nCOLOUR = "#000000"\n'
    ):
        jobs = finished.plan("quick")
    assert {job.rule for job in jobs} == {"draw", "report", "quick"}
    assert made(jobs, "draw") == EXPERIMENTS


def test_a_template_rewrites_its_page_alone(finished: Project) -> None:
    with finished.edited("workflow/report/report.html.j2", lambda text: text.replace("Every number", "All numbers")):
        assert {job.rule for job in finished.plan("quick")} == {"report", "quick"}


def test_a_default_that_no_run_has_rewrites_what_differs_from_it(finished: Project) -> None:
    with finished.edited("config/defaults.yaml", lambda text: text.replace("epochs: null", "epochs: 7")):
        assert {job.rule for job in finished.plan("quick")} == {"report", "quick"}


def save_again(text: str) -> str:
    """A notebook as an editor saves it after running it: other outputs, the same cells."""
    notebook = nbformat.reads(text, as_version=4)
    notebook.cells[0].execution_count = 3
    notebook.cells[0].outputs = [nbformat.v4.new_output("stream", text="hello")]
    return nbformat.writes(notebook)


def reformatted_rules(text: str) -> str:
    """Other blank lines, comments and brackets, as another formatter has them."""
    text = re.sub(r"^( +)params:\n", r"\n\1# a comment\n\1params:\n", text, flags=re.MULTILINE)
    return re.sub(r"^( +\w+)=(\w+),$", r"\1=(\2),", text, flags=re.MULTILINE)


def reformatted_yaml(text: str) -> str:
    """The same content in another layout, with another comment."""
    return "# a comment\n" + yaml.safe_dump(yaml.safe_load(text), sort_keys=False, indent=6, default_flow_style=True)


def commented(text: str) -> str:
    """A module with a comment more and other docstrings."""
    return re.sub('^( *)"""(?=[A-Z])', r'\1"""Said otherwise: ', text, flags=re.MULTILINE) + "\n# A comment.\n"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("workflow/notebooks/ablation.ipynb", save_again),
        ("workflow/rules/train.smk", lambda text: text.replace(" --scale {wildcards", "  --scale {wildcards")),
        ("workflow/rules/train.smk", reformatted_rules),
        ("workflow/scripts/train.py", lambda text: text + "# a comment\n"),
        ("config/config.yaml", lambda text: text.replace("device: cpu", "device: auto")),
        ("config/config.yaml", lambda text: text.replace("folder: ", "folder: /elsewhere")),
        ("config/config.yaml", lambda text: text.replace("seeds:\n", "seeds:\n- 9\n")),
    ],
    ids=[
        "saved again",
        "rule reworded",
        "rules reformatted",
        "script",
        "device",
        "images elsewhere",
        "paper seeds",
    ],
)
def test_nothing_is_made_again(finished: Project, name: str, change: Callable[[str], str]) -> None:
    with finished.edited(name, change):
        assert finished.plan("quick") == []


def test_comments_docstrings_and_layout_of_the_library_make_nothing_again(finished: Project) -> None:
    """All modules and scripts at once, in narrow lines."""
    folders = [finished.path(f"workflow/{name}") for name in ("src", "scripts")]
    with ExitStack() as edits:
        for path in (path for folder in folders for path in folder.rglob("*.py")):
            edits.enter_context(finished.edited(str(path.relative_to(finished.root)), commented))
        narrow = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "60"]
        subprocess.run([*narrow, *folders], check=True, capture_output=True)
        assert finished.plan("quick") == []


def test_another_layout_of_the_settings_makes_nothing_again(finished: Project) -> None:
    with ExitStack() as edits:
        for name in ("config", "defaults", "variants", "experiments", "published", "quick"):
            edits.enter_context(finished.edited(f"config/{name}.yaml", reformatted_yaml))
        assert finished.plan("quick") == []


def test_a_commit_makes_nothing_again(finished: Project) -> None:
    with finished.edited("Snakefile", lambda text: text + "# a comment\n"):
        git(finished, "commit", "--all", "--message", "second")
        assert finished.plan("quick") == []


def test_another_branch_and_back_makes_nothing_again(finished: Project) -> None:
    """One with other settings, library, notebook and rules: git writes these files anew, twice."""
    changes = {
        "config/variants.yaml": lambda text: text.replace("winner_density: 0.05", "winner_density: 0.06"),
        "config/published.yaml": lambda text: text + "# of the branch\n",
        "workflow/src/active_dendrites/evaluation/tables.py": lambda text: text + "\nANSWER = 42\n",
        "workflow/notebooks/ablation.ipynb": lambda text: text.replace("savefig", "savefig  "),
        "workflow/rules/train.smk": lambda text: text.replace("threads: 1", "threads: 2"),
    }
    times = {name: finished.path(name).stat().st_mtime_ns for name in changes}
    git(finished, "checkout", "-b", "other")
    for name, change in changes.items():
        path = finished.path(name)
        assert change(path.read_text()) != path.read_text(), name
        path.write_text(change(path.read_text()))
    git(finished, "commit", "--all", "--message", "of the branch")
    assert trained(finished.plan("quick")) == {(variant, seed) for variant in VARIANTS for seed in (1, 2)}
    git(finished, "checkout", "-")
    assert not [name for name in changes if finished.path(name).stat().st_mtime_ns == times[name]]
    assert finished.plan("quick") == []


def clone(project: Project, parent: Path) -> Project:
    """A fresh clone: every file of it has the time of now."""
    fresh = object.__new__(Project)
    fresh.root = parent / "clone"
    git(project, "clone", str(project.root), str(fresh.root))
    for name in ("profiles", "envs"):  # not committed here
        shutil.copytree(project.path(name), fresh.path(name), dirs_exist_ok=True)
    return fresh


def test_a_fresh_clone_takes_over_results(finished: Project, tmp_path: Path) -> None:
    """With Snakemake's folder by content, whatever the times are; without it by their times, which must be kept."""
    known, moved = (clone(finished, tmp_path / name) for name in ("known", "moved"))
    for name in (".snakemake", "results"):
        shutil.copytree(finished.path(name), known.path(name), copy_function=shutil.copyfile)
    assert known.plan("quick") == []
    shutil.copytree(finished.path("results"), moved.path("results"))
    assert trained(moved.plan("quick")) == set()


def test_touched_files_make_nothing_again(finished: Project) -> None:
    before = finished.path("results/quick/report.html").stat().st_mtime
    for folder in (".", "config", "workflow", "envs", "profiles", "results/data", "results/quick/runs"):
        for path in finished.path(folder).glob("*") if folder == "." else finished.path(folder).rglob("*"):
            os.utime(path)
    images = finished.path("results/data/mnist/train-images-idx3-ubyte")
    assert images.stat().st_mtime > before
    assert finished.plan("quick") == []


def test_half_a_csv_is_named_and_not_averaged(finished: Project, tmp_path: Path) -> None:
    """Cut off after the run was finished; deleted, it alone is trained again."""
    project = finished.copied(tmp_path)
    name = "results/quick/runs/prototype/tasks-2/seed-2/accuracy.csv"
    table = project.path("results/quick/tables/comparison.csv")
    whole = project.path(name).read_bytes()
    project.path(name).write_bytes(whole[: len(whole) // 2])
    done = project.snakemake(str(table.relative_to(project.root)), "--cores", "1")
    assert done.returncode == 1
    assert f"aggregate: {name}: " in done.stderr  # the log of the job
    assert not table.exists()
    project.path(name).unlink()
    assert trained(project.plan("quick")) == {("prototype", 2)}


def test_a_target_prints_its_mean_and_spread(finished: Project) -> None:
    done = finished.snakemake("quick_sparse_representations_only_2", "--cores", "1")
    assert done.returncode == 0, done.stderr
    accuracies = [final_accuracy(finished, seed) for seed in (1, 2)]
    mean, spread = sum(accuracies) / 2, abs(accuracies[0] - accuracies[1]) / 2**0.5
    assert done.stdout == f"quick_sparse_representations_only_2: {mean:.2f} % ± {spread:.2f} (2 seeds)\n"


def final_accuracy(project: Project, seed: int) -> float:
    """In %, the mean of the last two rows: both tasks after the second."""
    path = Path(f"results/quick/runs/sparse_representations_only/tasks-2/seed-{seed}/accuracy.csv")
    rows = project.path(str(path)).read_text().splitlines()[-2:]
    assert [row.split(",")[:2] for row in rows] == [["2", "1"], ["2", "2"]]
    return 100 * sum(float(row.split(",")[2]) for row in rows) / 2
