"""published.yaml: complete by the tables of method.md, in its places, and refused in one line where it is wrong."""

import copy
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.published import Published, declared_rows, read_published
from active_dendrites.settings.yaml_files import ConfigError

CONFIG = Path(__file__).parents[3] / "config"

# How method 8.1 calls a curve, up to its first bracket or comma.
CURVES = {
    "Active dendrites, prototype given": "prototype",
    "SI + active dendrites": "si_prototype",
    "SI": "si_mlp",
    "XdG": "xdg",
    "SI + XdG": "si_xdg",
    "Prototype inferred in training": "construct_prototype",
    "Active dendrites, S=10": "prototype_segments_10",
    "3-layer MLP": "three_layer_mlp",
    "10-layer MLP": "ten_layer_mlp",
    "Active dendrites only": "active_dendrites_only",
    "Sparse representations only": "sparse_representations_only",
}


@pytest.fixture(scope="module")
def published(declarations: Declarations) -> Published:
    return read_published(declarations)


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    return yaml.safe_load((CONFIG / "published.yaml").read_text(encoding="utf-8"))


def read_changed(changed: dict[str, Any], folder: Path) -> Published:
    """What is published by another published.yaml."""
    shutil.copytree(CONFIG, folder / "config")
    (folder / "config/published.yaml").write_text(yaml.safe_dump(changed, sort_keys=False), encoding="utf-8")
    return read_published(Declarations(folder / "config"))


# -- method.md, section 8 ---------------------------------------------------------------------------------


def section(number: str) -> str:
    """The text of a section of method 8, without its heading's number."""
    text = (CONFIG / "method.md").read_text(encoding="utf-8")
    return re.search(rf"^### {re.escape(number)} (.*?)(?=^##)", text, re.MULTILINE | re.DOTALL).group(1)


def table(number: str) -> list[list[str]]:
    """The rows of a section's table, its header first."""
    lines = [line for line in section(number).splitlines() if line.startswith("|") and not line.startswith("|--")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def curves_of_method() -> Iterator[tuple[str, int, float]]:
    header, *rows = table("8.1")
    counts = [int(cell.removeprefix("T=")) for cell in header[2:]]
    for name, _, *cells in rows:
        for num_tasks, cell in zip(counts, cells, strict=True):
            if cell != "-":
                yield CURVES[re.sub(r" \(.*", "", name)], num_tasks, float(cell)


def searches_of_method() -> Iterator[tuple[str, int, float, float]]:
    for number, sweep in (("8.2", "segment_search"), ("8.3", "kw_sparsity_search")):
        (_, *values), *rows = table(number)
        for name, *cells in rows:
            for value, cell in zip(values, cells, strict=True):
                if cell not in ("-", "none"):
                    mean, std = re.fullmatch(r"([\d.]+) \(([\d.]+)\)\*?", cell).groups()
                    yield f"{sweep}-{float(value):g}", int(name.removeprefix("T=")), float(mean), float(std)


def test_every_curve_of_the_method_is_published_and_no_other(published: Published) -> None:
    expected = list(curves_of_method())
    assert {variant for variant, _, _ in expected} == set(CURVES.values())
    found = [
        (number.variant, number.num_tasks, round(100 * number.value, 6))
        for number in published.numbers
        if number.quantity == "accuracy" and not number.in_text and number.std is None
        if number.published_for == number.variant
    ]
    assert sorted(found) == sorted(expected)


def test_every_searched_value_of_the_method_is_published_and_no_other(published: Published) -> None:
    found = [
        (number.variant, number.num_tasks, round(100 * number.value, 6), round(100 * number.std, 6))
        for number in published.numbers
        if number.std is not None
    ]
    assert sorted(found) == sorted(searches_of_method())


def test_every_number_of_clusters_of_the_method_is_published_and_no_other(published: Published) -> None:
    counts, values = re.search(r"T = ([\d,]+) -> ([\d., ]+)\.", section("8.4")).groups()
    expected = dict(zip(map(int, counts.split(",")), map(float, values.split(", ")), strict=True))
    clusters = [number for number in published.numbers if number.quantity == "clusters"]
    assert {number.variant for number in clusters} == {"construct_prototype"}
    assert {number.num_tasks: number.value for number in clusters} == expected


def test_every_claim_of_the_text_is_published_and_no_other(published: Published) -> None:
    claims = re.findall(r"(\d+\.\d)%", section("8.5"))
    found = [number for number in published.numbers if number.in_text]
    assert sorted(f"{100 * number.value:.1f}" for number in found) == sorted(claims)
    figures = published.in_figures()
    for claim in found:  # a sentence rounds what a figure shows
        assert round(figures[claim.key].value, 3) == claim.value


def test_what_is_quoted_are_the_curves_of_the_literature(published: Published) -> None:
    of_literature = {CURVES[name.removesuffix(" (literature)")] for name, *_ in table("8.1") if "literature" in name}
    assert {number.variant for number in published.numbers if number.quoted} == of_literature
    assert all(number.quoted for number in published.numbers if number.variant in of_literature)


# -- its places -------------------------------------------------------------------------------------------


def test_every_number_belongs_to_a_run_that_an_experiment_shows(
    declarations: Declarations, published: Published
) -> None:
    shown = {
        run for experiment in declarations.experiments for run in declarations.configurations_of(PAPER, experiment)
    }
    assert {(number.variant, number.num_tasks) for number in published.numbers} <= shown


def test_the_corrected_variant_is_held_against_the_same_numbers(published: Published) -> None:
    figures = published.in_figures()
    for num_tasks in (2, 5):
        corrected, as_published = (
            figures[variant, num_tasks, "accuracy"] for variant in ("prototype_corrected", "prototype")
        )
        assert corrected.value == as_published.value
        assert corrected.published_for == "prototype"
        assert "cannot reach" in as_published.reasons[0]
        assert "method 4.1, note a" in corrected.reasons[0]


@pytest.mark.parametrize(
    ("item", "variant", "counts"),
    [
        (1, "prototype", {2, 5}),
        (2, "prototype", {10}),
        (3, "prototype_segments_10", {10}),
        (4, "three_layer_mlp", {100}),
        (5, "segment_search-2", {50}),
        (5, "kw_sparsity_search-0.9", {50}),
        (7, "si_prototype", {2, 5, 25}),
        (9, "si_mlp", {2, 5, 10, 25, 50, 100}),
        (10, "construct_prototype", {2, 5, 10, 25, 50, 100}),
        (17, "active_dendrites_only", {2, 5, 10, 25, 50, 100}),
        (17, "sparse_representations_only", {2, 5, 10, 25, 50, 100}),
    ],
)
def test_what_method_10_knows_is_said_where_it_holds(
    published: Published, item: int, variant: str, counts: set[int]
) -> None:
    known = re.compile(rf"method 10, items?[^;)]*\b{item}\b")
    found = {
        number.num_tasks
        for number in published.numbers
        if number.variant == variant and any(known.search(reason) for reason in number.reasons)
    }
    assert found == counts


def test_what_is_uncertain_about_the_literature_is_said_of_each_number(published: Published) -> None:
    for number in published.numbers:
        assert number.quoted == any(reason.startswith("Uncertain") for reason in number.reasons)


@pytest.mark.parametrize(("num_tasks", "points"), [(1, 1), (2, 1), (25, 1), (26, 1), (49, 1), (50, 2), (100, 2)])
def test_the_margin_of_an_accuracy(published: Published, num_tasks: int, points: float) -> None:
    assert published.rule.margin("accuracy", num_tasks) == points / 100


@pytest.mark.parametrize(("num_tasks", "clusters"), [(2, 0.5), (10, 0.5), (25, 1.25), (50, 2.5), (100, 5)])
def test_the_margin_of_clusters_is_the_larger_one(published: Published, num_tasks: int, clusters: float) -> None:
    assert published.rule.margin("clusters", num_tasks) == clusters


def test_the_rows_of_a_table_know_what_is_published(declarations: Declarations, published: Published) -> None:
    def rows(experiment: str) -> dict[tuple[str, int], Any]:
        found = declared_rows(declarations, published, PAPER, experiment)
        return {(row.variant, row.num_tasks): row for row in found}

    comparison = rows("comparison")
    assert comparison["prototype", 2].published == comparison["prototype_corrected", 2].published == 0.974744
    assert not comparison["prototype", 2].quoted
    assert comparison["xdg", 100].published == 0.62
    assert comparison["xdg", 100].quoted
    assert comparison["xdg", 100].label == declarations.label("xdg")
    assert rows("clusters")["construct_prototype", 5].published_clusters == 5.625
    searched = rows("search_accuracy")
    assert searched["segment_search-14", 10][3:] == (0.94813, False, 0.0043, None)
    assert searched["segment_search-14", 50][3:] == (None, False, None, None)


def test_a_finding_is_said_of_its_numbers_alone(written: dict[str, Any], tmp_path: Path) -> None:
    findings = [
        {"of": "prototype_corrected", "at": [2], "by": "prototype_segments_10", "says": "one"},
        {"of": "construct_prototype", "at": "all", "quantity": "clusters", "by": "clusters", "says": "two"},
        {"of": "segment_search", "at": [50], "by": "segment_search", "says": "three"},
        {"of": "prototype", "at": [10], "by": "ablation", "says": "four"},
        {"of": "prototype", "at": "all", "by": "forgetting", "says": "five"},
    ]
    found = read_changed(written | {"findings": findings}, tmp_path).numbers
    said = {(*number.key, number.in_text): number.findings for number in found if number.findings}
    assert said.pop(("prototype_corrected", 2, "accuracy", False)) == ("Found by prototype_segments_10: one",)
    for in_text in (False, True):
        both = ("Found by ablation: four", "Found by forgetting: five")
        assert said.pop(("prototype", 10, "accuracy", in_text)) == both
    of_clusters = {key[:2] for key, words in said.items() if words == ("Found by clusters: two",)}
    assert of_clusters == {("construct_prototype", num_tasks) for num_tasks in (2, 5, 10, 25, 50, 100)}
    assert all(key[2] == "clusters" for key in said if key[0] == "construct_prototype")
    assert sum(key[0].startswith("segment_search-") and key[1] == 50 for key in said) == 9
    assert len(said) == 6 + 9 + 6  # and of prototype at five other numbers of tasks, one of them twice


# -- mistakes ---------------------------------------------------------------------------------------------

FINDING = {"of": "prototype", "at": [2], "by": "ablation", "says": "something"}

# Where it is written, the value, then the line: key, what was found, what was expected.
FAULTS = {
    "no rule": ("rule", None, "rule", "None", "dictionary"),
    "unknown part": ("curve", {}, "curve", "unknown key", "'curves'"),
    "level": ("rule/level", 0.5, "rule.level", "0.5", "less than 0.5"),
    "level as %": ("rule/level", "5 %", "rule.level", "'5 %'", "number"),
    "no margin at first": ("rule/accuracy_margin", {50: 2.0}, "rule.accuracy_margin", "{50: 2.0}", "from 1 task on"),
    "no margin": ("rule/accuracy_margin/1", 0.0, "rule.accuracy_margin.1", "0.0", "greater than 0"),
    "unknown margin": ("rule/clusters_margin/most", 1, "rule.clusters_margin.most", "unknown key", "one of"),
    "misspelt variant": ("curves/protoype", {}, "curves", "'protoype'", "'prototype'"),
    "parent of variants": ("curves/kwinner_mlp", {}, "curves", "'kwinner_mlp'", "one of"),
    "sweep among curves": ("curves/segment_search", {}, "curves", "'segment_search'", "segment_search-"),
    "no source": ("curves/prototype/source", "", "curves.prototype.source", "''", "at least 1 character"),
    "misspelt key": ("curves/prototype/value", {}, "curves.prototype.value", "unknown key", "'values'"),
    "no values": ("curves/prototype/values", {}, "curves.prototype.values", "{}", "at least 1 item"),
    "count as text": ("curves/prototype/values/two", 97.0, "curves.prototype.values.two", "'two'", "integer"),
    "above 100": ("curves/prototype/values/2", 974.7, "curves.prototype.values.2", "974.7", "1 to 100"),
    "a fraction for %": ("curves/prototype/values/2", 0.974744, "curves.prototype.values.2", "0.974744", "1 to 100"),
    "text for %": ("text/prototype/values/10", "94.6", "text.prototype.values.10", "'94.6'", "1 to 100"),
    "reason without a number": ("curves/prototype/reasons/7", "x", "curves.prototype.reasons", "7", "one of all, 2"),
    "number for a sweep and one of its variants": (
        *("curves/segment_search-2", {"source": "x", "values": {10: 93.0}}, "segment_search-2"),
        *("two numbers of its accuracy at 10 tasks", "one"),
    ),
    "reason as a list": ("curves/prototype/reasons/2", ["x"], "curves.prototype.reasons.2", "['x']", "string"),
    "no cluster": (
        *("clusters/construct_prototype/values/2", 0, "clusters.construct_prototype.values.2"),
        *("found 0", "number of clusters"),
    ),
    "misspelt search": ("searches/segment_serch", {}, "searches", "'segment_serch'", "'segment_search'"),
    "value not searched": (
        *("searches/segment_search/values/10/4", [90.0, 1.0], "searches.segment_search.values.10"),
        *("found 4", "of the sweep"),
    ),
    "no spread": (
        *("searches/segment_search/values/10/2", 90.0, "searches.segment_search.values.10.2"),
        *("90.0", "[mean, standard deviation]"),
    ),
    "spread of a search": (
        *("searches/segment_search/values/10/2", [90.0, "1"], "searches.segment_search.values.10.2"),
        *("'1'", "0 to 100"),
    ),
    "spread before mean": (
        *("searches/segment_search/values/10/2", [1.0, 90.0], "searches.segment_search.values.10.2"),
        *("[1.0, 90.0]", "[mean, standard deviation], in this order"),
    ),
    "search without values": (
        *("searches/segment_search/values/10", 90.0, "searches.segment_search.values.10"),
        *("90.0", "by value searched"),
    ),
    "stand-in of nothing": (
        *("stand_ins/prototype_corrected/of", "protoype", "stand_ins.prototype_corrected.of"),
        *("'protoype'", "'prototype'"),
    ),
    "stand-in where nothing is published": (
        *("stand_ins/prototype_corrected/at", [2, 7], "stand_ins.prototype_corrected.at"),
        *("found 7", "one of 2, 5, 10"),
    ),
    "stand-in with a number of its own": (
        *("stand_ins/si_mlp", {"of": "prototype", "at": [2], "reason": "x"}, "stand_ins.si_mlp.at"),
        *("found 2", "no number of its own"),
    ),
    "no findings": ("findings", None, "findings", "None", "list"),
    "finding of nothing": ("findings", [FINDING | {"of": "protoype"}], "findings.0.of", "'protoype'", "'prototype'"),
    "finding of no clusters": (
        *("findings", [FINDING | {"quantity": "clusters"}], "findings.0.of"),
        *("'prototype'", "'construct_prototype'"),
    ),
    "finding of a number that there is not": (
        *("findings", [FINDING | {"at": [2, 7]}], "findings.0.at"),
        *("found 7", "all, or of 2, 5, 10, 25, 50, 100"),
    ),
    "finding by nothing": ("findings", [FINDING | {"by": "ablations"}], "findings.0.by", "'ablations'", "'ablation'"),
    "finding without words": ("findings", [FINDING | {"says": ""}], "findings.0.says", "''", "at least 1 character"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_mistake_is_one_line(written: dict[str, Any], tmp_path: Path, fault: str) -> None:
    where, value, place, found, expected = FAULTS[fault]
    changed = copy.deepcopy(written)
    *parts, key = [int(part) if part.isdigit() else part for part in where.split("/")]
    inner = changed
    for part in parts:
        inner = inner[part]
    inner[key] = value
    with pytest.raises(ConfigError) as raised:
        read_changed(changed, tmp_path)
    line = str(raised.value)
    before, _, after = line.partition("expected ")
    assert line.startswith(f"config/published.yaml: {place}: ")
    assert found in before, line
    assert expected in after, line
    assert "\n" not in line
