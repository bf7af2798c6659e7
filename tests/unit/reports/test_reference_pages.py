"""What `snakemake reference` makes of runs.csv: pages, figures and the README's part."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from finished_runs import COMMIT

from active_dendrites.reports.reference_pages import BEGIN, END, make_reference_page, status, with_status
from active_dendrites.reports.reproduction_page import make_report, markdown_text, render
from active_dendrites.reports.results_page import make_page, write_page
from active_dendrites.reports.shown_runs import locked_pytorch
from active_dendrites.reproduction.reference import ReferenceRow, merge, read_rows
from active_dendrites.reproduction.reference_tables import judged_runs, reference_table
from active_dendrites.reproduction.verdicts import comparison_table, unexplained
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.published import Published, read_published

ROOT = Path(__file__).parents[3]
KEPT = ROOT / "results" / "reference"


@pytest.fixture(scope="module")
def published(declarations: Declarations) -> Published:
    return read_published(declarations)


def test_the_script_merges_and_makes_everything(write, measured, runs, file, tmp_path, script) -> None:
    folder = write("prototype", 2, 1, dirty=True)
    out, said = script("--folder", file.parent, "merge", "--runs", runs)
    assert out == f"{file}: runs added: 10; there already: 0; not finished: 0; refused: 1.\n"
    dirty = "dirty: found True, expected False, a commit that says which code ran"
    assert said == f"refused: {folder}/record.json: {dirty}"

    readme = tmp_path / "README.md"
    readme.write_text(f"# Before\n\n{BEGIN}\nold\n{END}\n\nafter\n")
    out, said = script("--folder", file.parent, "report", "--readme", readme)
    assert said == ""
    assert out.startswith("2 of ")
    made = sorted(path.relative_to(file.parent).as_posix() for path in file.parent.rglob("*.*"))
    names = [f"reproduction.{suffix}" for suffix in ("csv", "html", "md")]
    drawn = ["clusters", "comparison", "inferred_prototypes", "search_accuracy"]
    figures = [f"figures/{name}.{suffix}" for name in drawn for suffix in ("png", "svg")]
    pages = {"report.html", "searches.html"}
    assert {*figures, *(f"tables/{name}.csv" for name in drawn), *names, *pages, "runs.csv"} <= set(made)
    text = readme.read_text()
    assert text.startswith(f"# Before\n\n{BEGIN}\n\n**2 of ")
    assert "\n| tasks | 2 | 5 | 10 |\n|---|---|---|---|\n" in text
    assert re.search(r"\n\| Active dendrites \|  \|  \| ✓ 94\.\d\d ± 0\.\d\d \(4\)<br>94\.55 \|\n", text)
    assert "\n| XdG (told the task at test) | ? 98.00 (1)<br>98.00 |  |  |\n" in text
    assert "\n| Active dendrites, prototype inferred: clusters found |  | ✗ 5 ± 0 (4)<br>5.625 |  |\n" in text
    assert text.endswith(f"|\n\n{END}\n\nafter\n")
    time = readme.stat().st_mtime_ns
    assert script("--folder", file.parent, "report", "--readme", readme)[1] == ""
    assert (readme.read_text(), readme.stat().st_mtime_ns) == (text, time)


def test_each_number_opens_to_what_runs_csv_says_of_its_runs(
    declarations, published, measured, runs, file, tmp_path
) -> None:
    merge(file, declarations, runs)
    rows = read_rows(file)
    page = make_reference_page(declarations, published, "paper", rows, file.parent, tmp_path)
    (row,) = (row for row in page.rows if row.anchor == "construct_prototype-5-clusters")
    assert row.line.ours == "5 ± 0" and row.line.verdict == "differs"
    assert [run.seed for run in row.seeds] == [1, 2, 3, 4]
    run = row.seeds[0]
    assert (run.value, run.steps, run.wall_time, run.device) == ("5", "468", "10 s", "A processor")
    assert (run.commit, run.pytorch, run.links) == (COMMIT[:10], "not recorded", {})
    (other,) = (row for row in page.rows if row.anchor == "xdg-2")
    assert [run.seed for run in other.seeds] == [3]
    (matrix,) = (picture for picture in page.pictures if picture.name == "accuracy_matrix")
    assert matrix.image == "" and "no run of its variants was kept" in matrix.reason
    write_page(page, ROOT / "workflow/report/report.html.j2", file.parent / "report.html")
    text = (file.parent / "report.html").read_text()
    assert 'href="runs.csv"' in text and "provenance.html" not in text and "record.json" not in text


def test_the_page_is_that_of_the_run_folders_but_for_links(declarations, published, measured, runs, file) -> None:
    merge(file, declarations, runs)
    of_rows = make_reference_page(declarations, published, "paper", read_rows(file), file.parent, ROOT)
    of_folders = make_page(declarations, published, PAPER, "paper", runs, file.parent)
    without = {"links": {}, "pytorch": ""}
    for row, expected in zip(of_rows.rows, of_folders.rows, strict=True):
        assert row._replace(seeds=[]) == expected._replace(seeds=[])
        assert [run._replace(**without) for run in row.seeds] == [run._replace(**without) for run in expected.seeds]


def test_pytorch_is_that_of_the_lock_of_the_commit(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        author = ["-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(tmp_path), *author, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "-q")
    lock = tmp_path / "envs/requirements.txt"
    lock.parent.mkdir()
    commits = []
    marked = "torch==2.8.0 ; python_version < '3.12' \\\n    --hash=1\ntorchvision==0.23.0\n"
    for text in (marked, "torch==2.9.1\n", "numpy==2\n"):
        lock.write_text(text)
        git("add", ".")
        git("commit", "-qm", "a lock")
        commits.append(git("rev-parse", "HEAD"))
    versions = [locked_pytorch(tmp_path, commit) for commit in [*commits, COMMIT]]
    assert versions == ["2.8.0 (locked)", "2.9.1 (locked)", "not recorded", "not recorded"]


def test_without_runs_there_is_no_figure_and_no_verdict(declarations, runs, file, script) -> None:
    merge(file, declarations, runs)
    out, said = script("--folder", file.parent, "report")
    assert said == ""
    assert "Not drawn, since none of their variants was run: comparison, mlp_comparison, " in out
    assert not (file.parent / "figures").exists()


@pytest.mark.parametrize("readme", [None, "no marks\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{END}\n{BEGIN}\n{END}\n"])
def test_the_script_refuses_a_readme_without_the_place_for_it(
    declarations, runs, file, tmp_path, script, readme
) -> None:
    merge(file, declarations, runs)
    path = tmp_path / "README.md"
    if readme:
        path.write_text(readme)
    _, said = script("--folder", file.parent, "report", "--readme", path)
    assert said.startswith("reference: ")
    assert str(path) in said and "\n" not in said
    assert readme is None or path.read_text() == readme


def test_the_script_without_a_file_is_one_line(tmp_path: Path, script) -> None:
    out, said = script("--folder", tmp_path, "report")
    assert out == ""
    assert said == f"reference: {tmp_path}/runs.csv: No such file or directory, expected the runs that were measured"
    assert list(tmp_path.iterdir()) == []


# -- what is in git ---------------------------------------------------------------------------------------


def test_the_runs_in_git_are_sorted_and_each_once() -> None:
    rows = read_rows(KEPT / "runs.csv")
    places = [row.sort_key for row in rows]
    assert places == sorted(set(places))
    assert b"\r" not in (KEPT / "runs.csv").read_bytes()


def test_what_is_in_git_is_made_from_these_runs(declarations, published) -> None:
    """Where this fails: snakemake reference --cores 1."""
    rows = read_rows(KEPT / "runs.csv")
    report = make_report(declarations, published, PAPER, *judged_runs(declarations, published, rows))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme == with_status(readme, status(report, "results/reference"), "README.md")
    expected = comparison_table(report.comparisons).to_csv(index=False)
    assert (KEPT / "reproduction.csv").read_text(encoding="utf-8") == expected
    markdown = render(report, ROOT / "workflow/report/reproduction.md.j2")
    assert (KEPT / "reproduction.md").read_text(encoding="utf-8") == markdown
    drawn = reference_table(declarations, published, "comparison", rows)["accuracy"].notna().any()
    assert (KEPT / "figures/comparison.svg").exists() == drawn


def test_the_docs_say_what_each_column_is() -> None:
    text = (ROOT / "docs/output_files.md").read_text(encoding="utf-8")
    section = text.split("## Every output column")[1].split("\n## ")[0]
    assert [name for name in ReferenceRow._fields if f"`{name}`" not in section] == []


def test_every_number_that_differs_has_its_reason(declarations, published) -> None:
    """Found by an experiment, whose own runs are in the reference if it is a variant."""
    rows = read_rows(KEPT / "runs.csv")
    runs, left_out = judged_runs(declarations, published, rows)
    report = make_report(declarations, published, PAPER, runs, left_out)
    assert list(unexplained(report.comparisons)) == []
    trained = {(declarations.sweep_of(row.variant), row.num_tasks) for row in rows if row.is_result}
    findings = yaml.safe_load((ROOT / "config/published.yaml").read_text(encoding="utf-8"))["findings"]
    for finding in findings:
        if finding["by"] in declarations.variants and finding["at"] != "all":
            assert {(finding["by"], num_tasks) for num_tasks in finding["at"]} <= trained


@pytest.mark.parametrize(
    ("label", "markdown"),
    [
        ("Active dendrites, 2 %", "Active dendrites, 2 %"),
        ("a_b | $x$ <i>*c*", r"a\_b \| \$x\$ \<i\>\*c\*"),
        ("[a](b)", r"\[a\](b)"),
    ],
)
def test_a_label_is_text_in_markdown(label: str, markdown: str) -> None:
    """GitHub took what stands between two dollars for mathematics."""
    assert markdown_text(label) == markdown
