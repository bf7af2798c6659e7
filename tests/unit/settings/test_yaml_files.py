"""YAML files with settings: one line for every fault."""

from pathlib import Path

import pytest

from active_dendrites.settings.yaml_files import (
    LONGEST,
    ConfigError,
    Setting,
    fault,
    fault_line,
    one_of,
    read_yaml,
    shown,
    unknown_key,
)


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


def test_of_many_names_the_first_are_shown() -> None:
    line = one_of("nothing like them", [f"name{index}" for index in range(300)])
    assert line.startswith("one of name0, name1") and line.endswith(" and 288 others")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    return tmp_path / "config/variants.yaml"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "on: {label: x}",
            "line 1: found key True, expected text or a number; write text in quotes; YAML",
        ),
        ("a:\n  no: 1", "line 2: found key False, expected text or a number"),
        ("2024: {label: x}", "found key 2024, expected text, such as '2024' in quotes"),
        ("2024-01-01: {}", "line 1: found key datetime.date(2024, 1, 1), expected text"),
        ("~: {}", "line 1: found key None, expected text"),
        ('"": {}', "line 1: found key '', expected text"),
        ("? [1, 2]\n: {}", "line 1: found key [1, 2], expected text"),
        ("a: 1\nb: 2\na: 3", "line 3: found key 'a' twice, expected YAML"),
        ("a: {b: 1, b: 2}", "line 1: found key 'b' twice, expected YAML"),
        ("a: &a {b: 1}\nc: {<<: *a, <<: *a}", "line 2: found key '<<' twice, expected YAML"),
        ("a: {<<: 3}", "line 1: expected a mapping or list of mappings for merging, but found scalar, expected YAML"),
        ("a: *b", "line 1: found undefined alias"),
        ("a: [1", "line "),
        ("a: 1\n---\nb: 2", "line 2: but found another document, expected YAML"),
        ("a: \0", "unacceptable character"),
        ("a: 2024-13-41", "month must be in 1..12, expected YAML"),
        (f"a: {'9' * 5000}", "Exceeds the limit (4300 digits)"),
        ("- a", "found ['a'], expected a mapping"),
        ("", "found None, expected a mapping"),
    ],
)
def test_what_is_no_mapping_of_text_is_one_line(path: Path, text: str, line: str) -> None:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        read_yaml(path)
    assert str(raised.value).startswith(f"config/variants.yaml: {line}")
    assert len(str(raised.value).splitlines()) == 1


def test_a_merge_key_takes_what_is_not_written_here(path: Path) -> None:
    path.write_text("a: &a {epochs: 1, label: A}\nb: {<<: *a, label: B}\nc: {<<: [*a, {extends: x}]}", encoding="utf-8")
    assert read_yaml(path) == {
        "a": {"epochs": 1, "label": "A"},
        "b": {"epochs": 1, "label": "B"},
        "c": {"epochs": 1, "label": "A", "extends": "x"},
    }


@pytest.mark.parametrize("text", ["1:30", "1:30.5", "010", "-0777", "0b11", "0o17"])
def test_numbers_that_nobody_means_are_text(path: Path, text: str) -> None:
    """YAML 1.1 reads 1:30 as 90 and 010 as 8."""
    path.write_text(f"key: {text}\n")
    assert read_yaml(path) == {"key": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-12", -12),
        ("1_000", 1000),
        ("0x1F", 31),
        ("1.5", 1.5),
        ("5.0e-4", 5e-4),
        (".5", 0.5),
        ("-.inf", float("-inf")),
    ],
)
def test_numbers_are_numbers(path: Path, text: str, value: float) -> None:
    path.write_text(f"key: {text}\n")
    assert read_yaml(path) == {"key": value} and type(read_yaml(path)["key"]) is type(value)


def test_aliases_that_grow_without_bound_are_one_line(path: Path) -> None:
    """A kilobyte that stands for a billion values."""
    levels = [f"level_{depth}: &level_{depth} [{', '.join([f'*level_{depth - 1}'] * 10)}]" for depth in range(1, 10)]
    path.write_text("\n".join(["level_0: &level_0 [1, 2]", *levels]))
    with pytest.raises(ConfigError, match="line 1: found aliases that stand for more than 1,000,000 values"):
        read_yaml(path)


def test_a_few_aliases_are_allowed(path: Path) -> None:
    path.write_text("one: &one {epochs: 2}\ntwo: *one\nthree: &three [*one, *one]\n")
    assert read_yaml(path)["three"] == [{"epochs": 2}] * 2
