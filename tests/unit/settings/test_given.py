"""Settings of the command line: `--set network.winner_density=0.1`."""

import re
from pathlib import Path

import pytest

from active_dendrites.settings.declarations import Declarations
from active_dendrites.settings.explain import explain, replaced_by_scale
from active_dendrites.settings.given import given_name, given_settings
from active_dendrites.settings.run import Configuration
from active_dendrites.settings.yaml_files import ConfigError

CONFIG = Path(__file__).parents[3] / "config"


def declared(*texts: str) -> Declarations:
    return Declarations(CONFIG, given=given_settings(texts))


@pytest.mark.parametrize("scale", ["paper", "quick"])
def test_they_hold_over_all_that_the_files_say(scale: str) -> None:
    plain = Declarations(CONFIG).resolve(scale, "prototype", 10, 1)
    tried = declared("network.winner_density=0.2", "epochs=7 network.hidden_units=[64,32]").resolve(
        scale, "prototype", 10, 1
    )
    assert (tried.network.winner_density, tried.epochs, tried.network.hidden_units) == (0.2, 7, [64, 32])
    network = plain.network.model_copy(update={"winner_density": 0.2, "hidden_units": [64, 32]})
    assert tried == plain.model_copy(update={"epochs": 7, "network": network})
    assert tried.settings_hash() != plain.settings_hash()


def test_what_a_search_varies_stays(declarations: Declarations) -> None:
    tried = declared("network.segments_per_unit=5").resolve("quick", "segment_search-2", 10, 1)
    assert tried == declarations.resolve("quick", "segment_search-2", 10, 1)


def test_they_are_explained_and_said() -> None:
    declarations = declared("epochs=7")
    configuration = Configuration("prototype", 10)
    (line,) = (line for line in explain(declarations, "quick", [configuration]) if "epochs" in line)
    assert re.search(r"\b7 +--set: epochs\b", line), line
    assert replaced_by_scale(declarations, "quick", [configuration]) == ["--set: epochs 7"]


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        (["epochs"], "--set: found 'epochs', expected KEY=VALUE, such as network.winner_density=0.1"),
        (["=3"], "--set: found '=3', expected KEY=VALUE, such as network.winner_density=0.1"),
        (["epochs="], "--set: found 'epochs=', expected KEY=VALUE, such as network.winner_density=0.1"),
        (["epoch=3"], "--set: epoch: unknown key, expected 'epochs'"),
        (["epochs=3 epochs=4"], "--set: epochs: found it twice, expected it once"),
        (["epochs=0"], "--set: epochs: found 0, expected greater than or equal to 1"),
        (["epochs=[1"], "--set: epochs: found '[1', expected a value, as in a YAML file"),
        (
            ["learning_rate=5e-4"],
            "--set: learning_rate: found '5e-4', expected number; YAML reads 5e-4 as text, write 5.0e-4",
        ),
    ],
)
def test_a_mistake_is_one_line(texts: list[str], line: str) -> None:
    with pytest.raises(ConfigError) as error:
        given_settings(texts)
    assert str(error.value) == line


def test_a_setting_that_nothing_reads_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^--set: consolidation\.strength: found 5\.0, expected no value"):
        declared("consolidation.strength=5.0").resolve("quick", "prototype", 2, 1)


def test_a_name_says_which_settings_in_any_order() -> None:
    one, two = "epochs=2", "network.winner_density=0.1"
    names = {given_name(given_settings(texts)) for texts in ([one, two], [two, one], [f"{two} {one}"])}
    assert names == {"epochs-2+network.winner_density-0.1"}
    assert given_name({}) == ""


def test_names_that_are_rewritten_or_cut_stay_apart() -> None:
    units = ["[64,32]", "[6,432]", "[64]", f"[{','.join('1' * 60)}]", f"[{','.join('1' * 61)}]"]
    names = [given_name(given_settings([f"network.hidden_units={each}"])) for each in units]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_.+-]{1,90}", name) for name in names)
