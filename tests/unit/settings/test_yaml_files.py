"""YAML files with settings: one line for every fault."""

from pathlib import Path

import pytest

from active_dendrites.settings.yaml_files import LONGEST, ConfigError, Setting, fault, fault_line, shown, unknown_key


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"value": 0}, "config/config.yaml: seeds_per_job: found 0, expected 1 or more"),
        ({"value": None}, "config/config.yaml: seeds_per_job: found None, expected 1 or more"),
        ({"found": "half a seed"}, "config/config.yaml: seeds_per_job: found half a seed, expected 1 or more"),
        ({}, "config/config.yaml: seeds_per_job: found nothing, expected 1 or more"),
    ],
)
def test_a_line_has_file_and_key_found_and_expected(arguments: dict, line: str) -> None:
    assert fault_line("config/config.yaml", "seeds_per_job", "1 or more", **arguments) == line
    error = fault("config/config.yaml", "seeds_per_job", "1 or more", **arguments)
    assert isinstance(error, ConfigError) and str(error) == line


def test_a_file_or_an_option_has_no_key() -> None:
    assert fault_line(Path("a.csv"), "", "two rows", found="one") == "a.csv: found one, expected two rows"


def test_a_setting_knows_its_file_and_key() -> None:
    error = Setting(5, "config/variants.yaml", "mine.epochs").fault("1 to 3")
    assert str(error) == "config/variants.yaml: mine.epochs: found 5, expected 1 to 3"


def test_an_unknown_key_names_the_nearest() -> None:
    error = unknown_key("config/variants.yaml", "mine.epoch", "epoch", ["epochs", "label"])
    assert str(error) == "config/variants.yaml: mine.epoch: unknown key, expected 'epochs'"


@pytest.mark.parametrize("value", ["two\nlines", list(range(1000)), 10**5000, {"a": "\r" * 300}], ids=type)
def test_any_value_is_shown_in_one_short_line(value: object) -> None:
    assert len(shown(value)) <= LONGEST
    assert len(shown(value).splitlines()) == 1
