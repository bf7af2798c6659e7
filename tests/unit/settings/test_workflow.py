"""config.yaml and what the command line puts over it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from active_dendrites.settings.declarations import Declarations
from active_dendrites.settings.workflow import GivenSettings
from active_dendrites.settings.yaml_files import ConfigError

CONFIG = Path(__file__).parents[3] / "config"
WRITTEN = yaml.safe_load((CONFIG / "config.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    return tmp_path / "config/config.yaml"


def given(path: Path, written: dict[str, Any], **command_line: Any) -> GivenSettings:
    """As Snakemake hands them over: the file, and over it the command line."""
    path.write_text(yaml.safe_dump(written), encoding="utf-8")
    return GivenSettings(written | command_line, path, command_line)


def test_the_command_line_is_text(path: Path) -> None:
    settings = given(path, WRITTEN, retrain="True", seeds=["3", 4], search_seeds=[1])
    assert settings.config == WRITTEN | {"retrain": True, "seeds": [3, 4], "search_seeds": [1]}
    assert [settings.source(key) for key in ("seeds", "device")] == ["--config", "config/config.yaml"]


def test_null_of_the_command_line_is_none(path: Path) -> None:
    """As in the file: the images are fetched, and searches have their published trials."""
    settings = given(
        path, WRITTEN | {"images_folder": "here", "search_seeds": [3]}, images_folder="null", search_seeds="~"
    )
    assert (settings.config["images_folder"], settings.config["search_seeds"]) == (None, None)
    with pytest.raises(ConfigError, match=r"^--config: results: found None, expected string$"):
        given(path, WRITTEN, results="null")


@pytest.mark.parametrize("key", ["results", "images_folder"])
def test_a_path_is_read_as_a_shell_reads_it(path: Path, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which does so only at the beginning of a word: `--config results=~/out` reaches Snakemake as it is."""
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("SCRATCH", "/scratch")
    for text, expected in (
        ("~/out", "/home/me/out"),
        ("$SCRATCH/out", "/scratch/out"),
        ("${SCRATCH}/a $", "/scratch/a $"),
    ):
        assert given(path, WRITTEN, **{key: text}).config[key] == expected
        assert given(path, WRITTEN | {key: text}).config[key] == expected
    monkeypatch.delenv("SCRATCH")
    for text, expected in (("$SCRATCH/out", "$SCRATCH to be set"), ("~nobody-here/out", "~ or ~<user> to be")):
        with pytest.raises(ConfigError) as raised:
            given(path, WRITTEN, **{key: text})
        assert str(raised.value).startswith(f"--config: {key}: found {text!r}, expected {expected}")


@pytest.mark.parametrize("text", ["results/", "./results", "results//", "results"])
def test_results_have_one_name(path: Path, text: str) -> None:
    assert given(path, WRITTEN, results=text).config["results"] == "results"


def test_results_that_cannot_be_written_are_one_line(path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    for text, line in (
        ("out{x}", "found 'out{x}', expected a path without braces"),
        ("{scale}/out", "found '{scale}/out', expected a path without braces"),
        ("/", "found '/', expected a folder below it"),
        ("-out", "found '-out', expected a path that no command takes for an option"),
        (f"{tmp_path}/file", f"found {tmp_path}/file, a file, expected a folder, or nothing yet"),
        (f"{tmp_path}/file/out", f"found {tmp_path}/file, a file, expected a folder, or nothing yet"),
        (
            f"{tmp_path}/link/out",
            f"found {tmp_path}/link, a symbolic link to nowhere, which is none, expected a folder",
        ),
    ):
        with pytest.raises(ConfigError) as raised:
            given(path, WRITTEN, results=text)
        assert str(raised.value).startswith(f"--config: results: {line}")
    (tmp_path / "folder").mkdir()
    (tmp_path / "elsewhere").symlink_to("folder")
    assert given(path, WRITTEN, results=f"{tmp_path}/elsewhere").config["results"] == f"{tmp_path}/elsewhere"


@pytest.mark.parametrize(
    ("written", "command_line", "line"),
    [
        # A value of the file is checked, though the command line replaces it.
        ({"device": "gpu"}, {"device": "cpu"}, "config/config.yaml: device: found 'gpu', expected 'auto', 'cpu' or"),
        ({"seeds": [1, 1]}, {"seeds": [1]}, "config/config.yaml: seeds: found [1] more than once, expected"),
        (
            {"search_seeds": [-1]},
            {"search_seeds": [1]},
            "config/config.yaml: search_seeds: found [-1], expected a list",
        ),
        # Each fault is where it was written, whichever other keys the command line has.
        ({"results": 5}, {"dataset": "kmnist"}, "config/config.yaml: results: found 5, expected string"),
        ({}, {"dataset": "kmnist", "device": "tpu"}, "--config: device: found 'tpu', expected"),
        ({}, {"sedes": [1]}, "--config: sedes: unknown key, expected 'seeds'"),
        ({}, {"mnist": {}}, "--config: mnist: found a key of earlier versions, expected `images_folder`"),
        ({"mnist": {}}, {}, "config/config.yaml: mnist: found a key of earlier versions, expected `images_folder`"),
    ],
)
def test_a_fault_is_named_where_it_was_written(path: Path, written: dict, command_line: dict, line: str) -> None:
    with pytest.raises(ConfigError) as raised:
        given(path, WRITTEN | written, **command_line)
    assert str(raised.value).startswith(line)


@pytest.mark.parametrize("key", WRITTEN)
def test_a_missing_key_is_one_line(path: Path, key: str) -> None:
    with pytest.raises(ConfigError) as raised:
        given(path, {name: value for name, value in WRITTEN.items() if name != key})
    assert str(raised.value) == f"config/config.yaml: {key}: found nothing, expected a value"


def test_seeds_of_variants_are_those_of_figures_or_searches(declarations: Declarations, path: Path) -> None:
    seeds = given(path, WRITTEN).seeds_by_variant(declarations)
    assert seeds["paper"]["prototype"] == WRITTEN["seeds"]
    assert seeds["paper"]["segment_search-2"] == list(range(1, 11))
    assert (seeds["quick"]["prototype"], seeds["quick"]["segment_search-2"]) == ([1, 2, 3], [1])
    searched = given(path, WRITTEN | {"seeds": [4], "search_seeds": [7]}).seeds_by_variant(declarations)
    assert (searched["paper"]["prototype"], searched["paper"]["segment_search-2"]) == ([4], [7])
    assert searched["quick"] == seeds["quick"]


def test_seeds_of_the_command_line_hold_at_every_scale(declarations: Declarations, path: Path) -> None:
    settings = given(path, WRITTEN, seeds=WRITTEN["seeds"], search_seeds=[7])
    for scale, seeds in settings.seeds_by_variant(declarations).items():
        assert (seeds["prototype"], seeds["segment_search-2"]) == (WRITTEN["seeds"], [7])
        assert settings.seeds(declarations, scale) == WRITTEN["seeds"]
    with pytest.raises(ConfigError, match=r"^--config: seeds: found 1, expected a list of integers from 0 to \d+$"):
        given(path, WRITTEN, seeds=1).seeds_by_variant(declarations)
    as_published = given(path, WRITTEN, search_seeds="null")
    assert as_published.seeds(declarations, "quick", "search_seeds") is None
    assert len(as_published.seeds_by_variant(declarations)["quick"]["segment_search-2"]) == 10


def test_seeds_of_the_command_line_are_those_of_searches_too(declarations: Declarations, path: Path) -> None:
    """`searches --config seeds=[1]` planned all published trials without a word."""
    seeds = given(path, WRITTEN, seeds=[4]).seeds_by_variant(declarations)
    assert {tuple(of_variant) for of_scale in seeds.values() for of_variant in of_scale.values()} == {(4,)}
    assert given(path, WRITTEN, seeds=[4], search_seeds=[7]).seeds_by_variant(declarations)["paper"][
        "segment_search-2"
    ] == [7]


def test_seeds_per_job_of_the_command_line_hold_at_every_scale(declarations: Declarations, path: Path) -> None:
    """The reduced scale's own held in silence."""
    unsaid = given(path, WRITTEN)
    assert [unsaid.seeds_per_job(declarations, scale) for scale in ("paper", "quick")] == [1, 3]
    said = given(path, WRITTEN, seeds_per_job=1)
    assert [said.seeds_per_job(declarations, scale) for scale in ("paper", "quick")] == [1, 1]


def test_every_configuration_has_a_target(declarations: Declarations) -> None:
    targets = declarations.targets()
    assert targets["prototype_10"] == ("paper", [("prototype", 10)])
    assert targets["quick_prototype_10"] == ("quick", [("prototype", 10)])
    assert len(targets["segment_search_50"][1]) == 10
    assert sum(len(configurations) for _, configurations in targets.values()) == sum(
        len(declarations.configurations(scale)) for scale in declarations.scales
    )
