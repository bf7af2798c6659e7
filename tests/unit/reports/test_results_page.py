"""The page of a part: rows, settings, runs and links, from runs whose numbers are computed again from their files."""

import base64
import csv
import os
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import torch
import yaml
from finished_runs import rewrite

from active_dendrites.reports.results_page import NumberRow, Page, differing, make_page, write_page
from active_dendrites.runs.provenance import machine
from active_dendrites.runs.records import write_accuracy, write_record
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.published import read_published
from active_dendrites.settings.run import RunConfig

ROOT = Path(__file__).parents[3]
TEMPLATE = ROOT / "workflow/report/report.html.j2"
MINUS = "\N{MINUS SIGN}"
CLEAN = {"commit": "0123456789abcdef", "dirty": False}


class Shown(HTMLParser):
    """What a page shows: every tag closed in its turn; rows as {column: text}, their details, all links and ids."""

    VOID = ("meta", "br", "img", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[tuple[str, str]] = []  # tag and class
        self.ids: list[str] = []
        self.links: list[str] = []
        self.images: list[str] = []
        self.heads: list[str] = []
        self.rows: list[dict[str, str]] = []
        self.details: list[str] = []
        self.loads: list[str] = []
        self.feed(text)
        assert not self.open
        self.ids.sort()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in self.VOID:
            self.open.append((tag, given.get("class") or ""))
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if "href" in given else []
        self.images += [given["src"]] if tag == "img" else []
        self.loads += [tag] if tag in ("link", "iframe") or (tag == "script" and attrs) else []
        if tag == "tbody" and "data-find" in given:
            self.rows.append({"find": given["data-find"], "model": ""})
            self.details.append("")
        elif tag == "td" and "data-name" in given:
            self.column = given["data-name"]
            self.rows[-1][self.column] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        tags = [tag for tag, _ in self.open]
        text = " ".join(data.split())
        if ("tr", "detail") in self.open:
            self.details[-1] += f"{text} " if text else ""
        elif "tbody" in tags:
            cell = self.column if "td" in tags else "model"
            self.rows[-1][cell] = f"{self.rows[-1][cell]} {text}".strip()
        elif "thead" in tags and text:
            self.heads.append(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a page; a name that links must quote."""
    place = tmp_path / "a #1 für 100 %"
    (place / "runs").mkdir(parents=True)
    return place


@pytest.fixture
def write(declarations: Declarations, folder: Path) -> Callable[..., Path]:
    """Writes the files of a run, with accuracies by chance."""

    def write_run(
        variant: str,
        num_tasks: int,
        seed: int,
        scale: str = PAPER,
        declared: Declarations = declarations,
        **more: object,
    ) -> Path:
        place = folder / f"runs/{variant}/tasks-{num_tasks}/seed-{seed}"
        matrix = np.tril(np.random.default_rng([num_tasks, seed]).uniform(0.9, 1, (num_tasks, num_tasks)))
        matrix[np.triu_indices(num_tasks, 1)] = np.nan
        write_accuracy(place / "accuracy.csv", matrix)
        measured = {"clusters": None, "steps": 2340, "wall_seconds": 5400.0, "side_by_side": [seed]} | CLEAN | more
        run = declared.resolve(scale, variant, num_tasks, seed)
        write_record(place / "record.json", run, scale, machine(torch.device("cpu")), **measured)
        (place / "train.log").write_text("task 1\n")
        return place

    return write_run


def page_of(declarations: Declarations, folder: Path, scale: str = PAPER, part: str = "paper") -> Page:
    return make_page(declarations, read_published(declarations), scale, part, folder / "runs", folder)


def shown(page: Page, folder: Path) -> tuple[Shown, str]:
    write_page(page, TEMPLATE, folder / "report.html")
    text = (folder / "report.html").read_text()
    return Shown(text), text


def only(page: Page, variant: str, num_tasks: int, about: str = "") -> NumberRow:
    (row,) = (row for row in page.rows if (row.variant, row.num_tasks, row.about) == (variant, num_tasks, about))
    return row


def configurations(declarations: Declarations, scale: str, part: str) -> set[tuple[str, int]]:
    of_part = [name for name, declared in declarations.experiments.items() if declared.part == part]
    return {run for name in of_part for run in declarations.configurations_of(scale, name)}


def read_cells(place: Path) -> dict[tuple[int, int], float]:
    """{(after_task, task): accuracy in %}, by nothing of ours."""
    with (place / "accuracy.csv").open() as file:
        return {
            (int(row["after_task"]), int(row["task"])): 100 * float(row["accuracy"]) for row in csv.DictReader(file)
        }


def two_digits(value: float) -> str:
    return f"{value:.2f}".replace("-", MINUS)


# -- numbers and the runs they come from ------------------------------------------------------------------


def test_a_number_is_that_of_its_files_and_names_its_runs(declarations, write, folder: Path) -> None:
    places = {seed: write("prototype", 5, seed) for seed in (1, 2, 11)}
    page = page_of(declarations, folder)
    row, cells = only(page, "prototype", 5), {seed: read_cells(place) for seed, place in places.items()}
    finals = {seed: statistics.mean(of[5, task] for task in range(1, 6)) for seed, of in cells.items()}
    lost = {
        seed: statistics.mean(max(of[i, task] for i in range(task, 5)) - of[5, task] for task in range(1, 5))
        for seed, of in cells.items()
    }
    mean, spread = statistics.mean(finals.values()), statistics.stdev(finals.values())
    assert row.line.ours == f"{two_digits(mean)} ± {two_digits(spread)}"
    assert row.line.n == 3
    assert (
        row.forgetting
        == f"{two_digits(statistics.mean(lost.values()))} ± {two_digits(statistics.stdev(lost.values()))}"
    )
    assert row.line.difference == f"{mean - 96.3630:+.2f}".replace("-", MINUS)
    found = [(run.seed, run.value, run.forgetting) for run in row.seeds]
    assert found == [(seed, two_digits(finals[seed]), two_digits(lost[seed])) for seed in (1, 2, 11)]
    seen, _ = shown(page, folder)
    (index,) = (index for index, line in enumerate(seen.rows) if line["model"].endswith(" prototype") and line["n"])
    assert seen.rows[index]["ours"] == row.line.ours
    for seed in places:
        expected = f" {seed} {two_digits(finals[seed])} {two_digits(lost[seed])} 0123456789"
        assert f"{expected} record.json train.log accuracy.csv 2,340 1.5 h " in seen.details[index]


def test_links_lead_to_files_from_the_folder_of_the_page(declarations, write, folder: Path) -> None:
    place = write("prototype", 2, 1)
    (write("prototype", 2, 2) / "train.log").unlink()
    for name in ("figures/comparison.svg", "tables/comparison.csv", "notebooks/comparison.ipynb"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("<svg/>")
    seen, _ = shown(page_of(declarations, folder), folder)
    pages = {"reproduction.html", "reproduction.md", "reproduction.csv"}
    assert pages <= set(seen.links)
    files = [link for link in seen.links if link not in pages and not link.startswith("#")]
    assert f"{place.relative_to(folder)}/train.log" in files
    assert len(files) == 3 + 2 + 2
    assert all((folder / unquote(link)).is_file() for link in files)
    anchors = [link.removeprefix("#") for link in seen.links if link.startswith("#")]
    assert set(anchors) <= set(seen.ids)
    assert len(set(seen.ids)) == len(seen.ids)


def test_links_to_runs_elsewhere_are_quoted(declarations, write, folder: Path) -> None:
    write("prototype", 2, 1)
    published = read_published(declarations)
    place = folder.parent / "pages"
    page = make_page(declarations, published, PAPER, "paper", folder / "runs", place)
    seen, _ = shown(page, place)
    link = next(link for link in seen.links if link.endswith("record.json"))
    assert link == "../a%20%231%20f%C3%BCr%20100%20%25/runs/prototype/tasks-2/seed-1/record.json"


@pytest.mark.parametrize(
    ("more", "attribute", "expected"),
    [
        ({}, "commit", "0123456789"),
        ({"dirty": True}, "commit", "0123456789 and changes"),
        ({"dirty": None}, "commit", "0123456789, perhaps changed"),
        ({"commit": None, "dirty": None}, "commit", "no commit"),
        ({"wall_seconds": 43.7}, "wall_time", "44 s"),
        ({"wall_seconds": 90}, "wall_time", "1.5 min"),
        ({"side_by_side": [1, 2, 3]}, "wall_time", "1.5 h, 3 seeds"),
        ({"wall_seconds": None}, "wall_time", "not recorded"),
        ({"steps": "many"}, "steps", "not recorded"),
        ({}, "pytorch", torch.__version__),
    ],
)
def test_what_a_record_says_of_a_run(declarations, write, folder: Path, more, attribute: str, expected: str) -> None:
    write("prototype", 2, 1, **more)
    (run,) = only(page_of(declarations, folder), "prototype", 2).seeds
    assert getattr(run, attribute) == expected
    assert run.clean == (more.get("dirty", False) is False)


@pytest.mark.parametrize("text", ['"torch": null', '"other": "1"'])
def test_a_record_may_lack_its_pytorch(declarations, write, folder: Path, text: str) -> None:
    path = write("prototype", 2, 1) / "record.json"
    rewrite(path, lambda record: record.replace(f'"torch": "{torch.__version__}"', text))
    (run,) = only(page_of(declarations, folder), "prototype", 2).seeds
    assert run.pytorch == "not recorded"


def test_clusters_are_counted_beside_accuracies(declarations, write, folder: Path) -> None:
    for seed, clusters in ((1, 5), (2, 8)):
        write("construct_prototype", 5, seed, clusters=clusters)
    page = page_of(declarations, folder)
    row = only(page, "construct_prototype", 5, "clusters")
    assert (row.line.published, row.line.ours, row.line.difference) == ("5.625", "6.5 ± 2.121", "+0.875")
    assert [run.value for run in row.seeds] == ["5", "8"]
    assert only(page, "construct_prototype", 5).seeds[0].value.startswith("9")


def test_the_page_says_what_the_scale_replaces(declarations, folder: Path, tmp_path: Path) -> None:
    config = tmp_path / "config"
    shutil.copytree(ROOT / "config", config)
    with (config / "variants.yaml").open("a") as file:
        file.write("mine: {label: Mine, extends: prototype, epochs: 4}\n")
    with (config / "experiments.yaml").open("a") as file:
        file.write("mine: {title: Mine, variants: {mine: [2]}}\n")
    (folder / "runs").mkdir(exist_ok=True)
    line = "quick: epochs 4 -&gt; 1 for mine"
    for declared, times in ((declarations, 0), (Declarations(config), 1)):
        assert shown(page_of(declared, folder, "quick"), folder)[1].count(line) == times
    assert line not in shown(page_of(Declarations(config), folder), folder)[1]


# -- settings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", ["paper", "quick"])
def test_defaults_and_what_differs_are_all_settings(declarations: Declarations, scale: str) -> None:
    """Of every configuration; read back from what is shown."""
    defaults = yaml.safe_load((ROOT / "config/defaults.yaml").read_text())
    for variant, num_tasks in sorted(configurations(declarations, scale, "paper") | {("si_masse-0-0.01", 10)}):
        run = declarations.resolve(scale, variant, num_tasks, 3)
        settings = differing(declarations, run)
        tree: dict[str, Any] = {key: dict(of) if isinstance(of, dict) else of for key, of in defaults.items()}
        for line in settings:
            ((key, value),) = yaml.safe_load(line).items()
            section, _, name = key.rpartition(".")
            inside = tree[section] if section else tree
            assert inside[name] != value, line
            inside[name] = value
        identity = {"variant": variant, "num_tasks": num_tasks, "seed": 3}
        assert RunConfig.model_validate(tree | identity) == run


def test_a_row_shows_its_settings_and_their_hash(declarations, folder: Path) -> None:
    page = page_of(declarations, folder)
    seen, _ = shown(page, folder)
    index = page.rows.index(only(page, "prototype", 10))
    assert declarations.resolve(PAPER, "prototype", 10, 1).settings_hash() in seen.details[index]
    differing, _, every = seen.details[index].partition("All settings")
    for setting in ("epochs: 3", "learning_rate: 0.0005", "network.segments_per_unit: 10"):
        assert f" {setting} " in differing and f" {setting} " in every
    assert "batch_size" not in differing
    assert " batch_size: 256 " in every
    assert " snakemake settings_prototype_10 " in every


def test_all_settings_are_shown(declarations: Declarations, folder: Path) -> None:
    row = only(page_of(declarations, folder), "si_prototype", 10)
    read = {key: value for line in row.all_settings for key, value in yaml.safe_load(line).items()}
    assert set(read) == set(declarations.defaults)
    assert [line for line in row.all_settings if line in row.settings] == row.settings


def test_each_number_has_a_name_of_its_own_for_links(declarations, folder: Path) -> None:
    page = page_of(declarations, folder)
    anchors = [row.anchor for row in page.rows]
    assert len(set(anchors)) == len(anchors)
    assert {"prototype-10", "prototype-10-text", "construct_prototype-5-clusters"} <= set(anchors)
    seen, _ = shown(page, folder)
    assert set(anchors) <= set(seen.ids)
    assert {f"#{anchor}" for anchor in anchors} <= set(seen.links)


# -- which rows -------------------------------------------------------------------------------------------


def test_the_paper_has_a_row_for_each_number_run_or_not(declarations, write, folder: Path) -> None:
    write("xdg", 2, 1)
    page = page_of(declarations, folder)
    assert {(row.variant, row.num_tasks) for row in page.rows} == configurations(declarations, PAPER, "paper")
    numbers = [n for n in read_published(declarations).numbers if "search" not in n.variant]
    assert len(page.rows) == len(numbers) == 70
    seen, text = shown(page, folder)
    assert [row["ours"] for row in seen.rows].count("not run") == 69
    assert "0 of 70 comparisons with published numbers reproduced, 0 differ, 1 inconclusive" in text
    assert seen.heads == [
        *("model", "tasks", "published", "ours", "n", "95 % interval", "forgetting", "difference", "verdict", "notes")
    ]
    order = [(row.variant, row.num_tasks) for row in page.rows if row.figures[0] == "comparison"]
    assert order == list(declarations.configurations_of(PAPER, "comparison"))
    assert [row.about for row in page.rows if row.about][-4:] == ["claim in the text"] * 4
    assert "forgetting" in seen.rows[0]["find"]
    assert "prototype" in seen.rows[0]["find"]
    assert "level 0.05" in text


def test_searches_have_rows_with_and_without_published_numbers(declarations, write, folder: Path) -> None:
    write("w_sparsity_search-0.5", 10, 1)
    page = page_of(declarations, folder, part="searches")
    assert {(row.variant, row.num_tasks) for row in page.rows} == configurations(declarations, PAPER, "searches")
    assert len(page.rows) == 272
    assert sum(bool(row.line.published) for row in page.rows) == 36
    seen, text = shown(page, folder)
    (row,) = (row for row in seen.rows if row["ours"] != "not run")
    assert (row["model"].split()[-1], row["published"], row["verdict"]) == ("w_sparsity_search-0.5", "", "")
    assert "snakemake provenance" in text
    assert "reproduction.html" not in seen.links
    assert "0 of 36 comparisons" in text


def test_reduced_scale_has_a_banner_and_no_verdicts(declarations, write, folder: Path) -> None:
    write("prototype", 10, 1, scale="quick")
    page = page_of(declarations, folder, scale="quick")
    assert {(row.variant, row.num_tasks) for row in page.rows} == configurations(declarations, "quick", "paper")
    seen, text = shown(page, folder)
    assert "<strong>Reduced scale (quick).</strong>" in text
    heads = [
        "model",
        "tasks",
        "published at full scale",
        "ours at reduced scale",
        "n",
        "95 % interval",
        "forgetting",
        "notes",
    ]
    assert seen.heads == heads
    assert 'name="verdict"' not in text
    assert "level 0.05" not in text
    assert "network.hidden_units: [256, 256]" in seen.details[0]


def test_paper_scale_has_no_banner(declarations, folder: Path) -> None:
    assert "Reduced scale" not in shown(page_of(declarations, folder), folder)[1]


def test_a_dataset_without_published_numbers_has_all_rows(write, folder: Path) -> None:
    fashion = Declarations(ROOT / "config", "fashion_mnist")
    write("construct_prototype", 2, 1, declared=fashion, clusters=3)
    page = page_of(fashion, folder)
    assert {(row.variant, row.num_tasks) for row in page.rows} == configurations(fashion, PAPER, "paper")
    assert only(page, "construct_prototype", 2, "clusters").line.ours == "3"
    seen, text = shown(page, folder)
    assert seen.heads == ["model", "tasks", "ours", "n", "95 % interval", "forgetting"]
    assert "Fashion-MNIST" in text
    assert "Runs for 2 of 66 numbers." in text
    assert not any("reproduction" in link for link in seen.links)
    assert "data.pixel_mean: measured" in seen.details[0]


# -- what is left out, or odd -----------------------------------------------------------------------------


def test_runs_of_other_settings_are_left_out_and_said_to_be(declarations, write, folder: Path) -> None:
    record = write("prototype", 2, 1) / "record.json"
    settings_hash = declarations.resolve(PAPER, "prototype", 2, 1).settings_hash()
    rewrite(record, lambda text, old=settings_hash: text.replace(old, "0123456789abcdef"))
    (write("prototype", 2, 2) / "record.json").write_text("{")
    write("prototype", 2, 3)
    page = page_of(declarations, folder)
    row = only(page, "prototype", 2)
    assert [run.seed for run in row.seeds] == [3]
    reasons = [page.reasons[number - 1] for number in row.line.notes]
    assert reasons[:2] == ["1 run was left out (other settings).", "1 run was left out (unreadable)."]
    _, text = shown(page, folder)
    assert "<p>1 run was left out: other settings.</p>" in text
    assert re.search("<p>1 run was left out: .*tasks-2/seed-2/record.json: .*</p>", text)


def test_odd_names_are_escaped(write, folder: Path, tmp_path: Path) -> None:
    config = tmp_path / "config"
    shutil.copytree(ROOT / "config", config)
    for file, before in (("variants", "label: Active dendrites\n"), ("experiments", "title: Forgetting\n")):
        text = (config / f"{file}.yaml").read_text()
        assert text.count(before) == 1
        after = f"{before.split(':')[0]}: '<script>\"&Odd'\n"
        (config / f"{file}.yaml").write_text(text.replace(before, after))
    odd = Declarations(config)
    write("prototype", 2, 1, commit="<i>&")
    seen, text = shown(page_of(odd, folder), folder)
    assert '<script>"' not in text
    assert "<i>" not in text
    assert " <i>& record.json " in seen.details[0]
    assert seen.rows[0]["model"] == '<script>"&Odd prototype'
    assert "&lt;script&gt;&#34;&amp;Odd" in text


def test_figures_are_inside_the_page(declarations, folder: Path) -> None:
    drawn = '<svg id="a"><dc:description>Means &amp; spreads.</dc:description></svg>'
    (folder / "figures").mkdir()
    for name in ("comparison", "ablation"):
        (folder / f"figures/{name}.svg").write_text(drawn)
    seen, text = shown(page_of(declarations, folder), folder)
    assert seen.loads == []
    assert len(seen.images) == 2
    for image in seen.images:
        kind, _, content = image.partition(",")
        assert kind == "data:image/svg+xml;base64"
        assert base64.b64decode(content).decode() == drawn
    assert text.count("Means &amp; spreads.") == 2
    assert text.count("not drawn yet") == 6
    assert text.index('id="figure-comparison"') < text.index("<table") < text.index('id="figure-ablation"')


def test_a_fault_leaves_the_page_as_it_was(declarations, folder: Path, tmp_path: Path) -> None:
    template = tmp_path / "report.html.j2"
    template.write_text("{{ page.sumary }}")
    (folder / "report.html").write_text("before")
    with pytest.raises(Exception, match="sumary"):
        write_page(page_of(declarations, folder), template, folder / "report.html")
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["report.html"]
    assert (folder / "report.html").read_text() == "before"


# -- the script, and the page's own -----------------------------------------------------------------------


def script(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "workflow/scripts/report.py", "--config", ROOT / "config", *arguments]
    environment = {"PYTHONPATH": str(ROOT / "workflow/src"), "PATH": ""}
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment)


def test_the_script_writes_the_page_and_says_what_was_left_out(write, folder: Path) -> None:
    (write("prototype", 2, 1) / "record.json").unlink()
    page = folder / "report.html"
    done = script("--scale", "paper", "--part", "paper", "--runs", folder / "runs", "--output", page)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("1 run was left out: ")
    assert Shown(page.read_text()).rows


def test_a_mistake_is_one_line(folder: Path) -> None:
    done = script("--scale", "paper", "--part", "paper", "--runs", folder / "no", "--output", folder / "report.html")
    assert done.returncode == 1
    assert done.stderr.startswith("report: --runs: found no folder ")
    assert len(done.stderr.splitlines()) == 1


DRIVER = """
const said = [], visible = () => [...table.tBodies].filter(row => !row.hidden);
const counts = () => visible().map(row => row.rows[0].cells[1].textContent).join();
const say = () => said.push(`${counts()}: ${filter.querySelector("output").value}`);
const set = (name, value) => { filter.elements[name].value = value; filter.dispatchEvent(new Event("input")); };
set("find", "SI_PROTOTYPE comparison"); say();
heads[1].firstElementChild.click(); say();
heads[1].firstElementChild.click(); say(); said.push(heads[1].getAttribute("aria-sort"), location.hash);
set("tasks", "50"); say(); set("tasks", ""); set("verdict", "inconclusive (too few seeds)"); say();
set("find", ""); set("verdict", "");
heads[3].firstElementChild.click(); heads[3].firstElementChild.click();
said.push(visible().slice(0, 3).map(row => row.rows[0].cells[3].textContent.trim()).join());
const button = visible()[0].querySelector(".opens"), detail = visible()[0].rows[1];
said.push(button.getAttribute("aria-expanded") + detail.hidden);
button.click(); said.push(button.getAttribute("aria-expanded") + detail.hidden, location.hash);
set("tasks", "2"); said.push(location.hash); set("tasks", "");
button.click(); said.push(`after closing ${location.hash}`);
const log = document.createElement("pre");
log.id = "said";
log.textContent = said.join("\\n");
document.body.append(log);
"""


def in_browser(page: str, script: str, folder: Path, address: str = "") -> list[str]:
    """The lines that a script puts into an element `said` at the end of the page; skips without a browser."""
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next((path for path in map(shutil.which, names) if path), None)
    if browser is None:
        pytest.skip(f"none of {', '.join(names)} is installed")
    copy = folder / "driven.html"
    copy.write_text(page.replace("</body>", f"<script>{script}</script></body>"))
    command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'browser'}"]
    done = subprocess.run(
        [*command, "--dump-dom", copy.as_uri() + address], capture_output=True, text=True, timeout=120, env=os.environ
    )
    said = re.search('<pre id="said">(.*?)</pre>', done.stdout, re.DOTALL)
    assert said is not None, done.stderr
    return said[1].splitlines()


def test_the_table_sorts_filters_and_opens_in_a_browser(declarations, write, folder: Path, tmp_path: Path) -> None:
    write("si_prototype", 2, 1)
    write("xdg", 2, 2)
    _, text = shown(page_of(declarations, folder), folder)
    said = in_browser(text, DRIVER, tmp_path)
    finals = {}
    for variant, seed in (("si_prototype", 1), ("xdg", 2)):
        cells = read_cells(folder / f"runs/{variant}/tasks-2/seed-{seed}")
        finals[f"{variant}-2"] = statistics.mean(cells[2, task] for task in (1, 2))
    first, second = sorted(finals, key=finals.__getitem__, reverse=True)
    assert said == [
        "2,5,10,25,50,100: 6 of 70 rows",
        "2,5,10,25,50,100: 6 of 70 rows",
        "100,50,25,10,5,2: 6 of 70 rows",
        "descending",
        "#find=SI_PROTOTYPE+comparison",
        "50: 1 of 70 rows",
        "2: 1 of 70 rows",
        f"{two_digits(finals[first])},{two_digits(finals[second])},not run",
        "falsetrue",
        "truefalse",
        f"#{first}",
        f"#tasks=2&amp;open={first}",
        "after closing ",
    ]


OPENED = """
const log = document.createElement("pre");
log.id = "said";
log.textContent = [rows.filter(isOpen).map(row => row.id).join(), filter.querySelector("output").value].join("\\n");
document.body.append(log);
"""


@pytest.mark.parametrize(
    ("address", "opened", "visible"),
    [
        ("", "", "70 of 70 rows"),
        ("#construct_prototype-5-clusters", "construct_prototype-5-clusters", "70 of 70 rows"),
        ("#tasks=10&open=prototype-10+xdg-10", "prototype-10,xdg-10", "14 of 70 rows"),
        ("#note-1", "", "70 of 70 rows"),
    ],
)
def test_a_link_to_a_number_keeps_it_open(
    declarations, folder: Path, tmp_path: Path, address: str, opened: str, visible: str
) -> None:
    _, text = shown(page_of(declarations, folder), folder)
    assert in_browser(text, OPENED, tmp_path, address) == [opened, visible]
