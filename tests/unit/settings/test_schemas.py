"""The schemas of config/ are today's, fit the files, and find what is wrong in others."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from active_dendrites.settings import schemas

CONFIG = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").exists()) / "config"
FILES = sorted(path.stem for path in CONFIG.glob("*.yaml"))


@pytest.fixture(scope="module")
def validators() -> dict[str, Draft202012Validator]:
    made = {name.partition(".")[0]: json.loads(text) for name, text in schemas.schema_files(CONFIG).items()}
    for schema in made.values():
        Draft202012Validator.check_schema(schema)
    return {name: Draft202012Validator(schema) for name, schema in made.items()}


def as_json(tree: Any) -> Any:
    """Keys are text in JSON, and to editors."""
    return json.loads(json.dumps(tree))


def test_what_is_in_git_is_made_from_the_types() -> None:
    """Where this fails: envs/run python -m active_dendrites.settings.schemas."""
    kept = {path.name: path.read_text(encoding="utf-8") for path in (CONFIG / schemas.FOLDER).iterdir()}
    assert kept == schemas.schema_files(CONFIG)
    readme = (CONFIG / "README.md").read_text(encoding="utf-8")
    assert readme == schemas.with_tables(readme, CONFIG)


@pytest.mark.parametrize("name", FILES)
def test_a_file_names_its_schema_and_fits_it(name: str, validators) -> None:
    text = (CONFIG / f"{name}.yaml").read_text(encoding="utf-8")
    begin, _, schema = text.splitlines()[0].partition("=")
    assert begin == "# yaml-language-server: $schema"
    assert (CONFIG / schema).exists() and schema.startswith(f"schemas/{name}.schema.")
    assert [error.message for error in validators[name].iter_errors(as_json(yaml.safe_load(text)))] == []


def test_every_setting_has_a_meaning() -> None:
    assert "|  |" not in schemas.tables(CONFIG)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("variants", {"mine": {"network": {"winner_denstiy": 0.1}}}),
        ("variants", {"mine": {"network": {"winner_density": 2}}}),
        ("variants", {"mine": {"epochs": 0}}),
        ("variants", {"my variant": {"epochs": 1}}),
        ("variants", {"mine": {"learning_rate": "5e-4"}}),
        ("variants", {"mine": {"by_num_tasks": {10: {"epoch": 1}}}}),
        ("variants", {"mine": {"by_num_tasks": {"ten": {"epochs": 1}}}}),
        ("variants", {"mine": {"sweep": {"network.winners": [1]}}}),
        ("experiments", {"mine": {"variants": {"prototype": [2]}}}),
        ("experiments", {"mine": {"title": "Mine", "kind": "summery", "variants": {"prototype": [2]}}}),
        ("quick", {"settings": {"epochs": 1.5}}),
        ("quick", {"variants": {"prototype": {"data": {"images": 10}}}}),
        ("config", {"dataset": "cifar"}),
        ("config", {"seeds": [1, 1]}),
        ("datasets", {"mnist": {"sha256": {"train-images-idx3-ubyte": "0"}}}),
        ("defaults", {"numerics": {"precision": "float16", "deterministic": True}}),
        ("published", {"findings": [{"of": "prototype", "at": [2], "says": "so"}]}),
    ],
)
def test_a_mistake_is_found(name: str, change: dict[str, Any], validators) -> None:
    tree = yaml.safe_load((CONFIG / f"{name}.yaml").read_text(encoding="utf-8"))
    assert not validators[name].is_valid(as_json(tree | change))


def test_one_segment_a_task_and_a_sweep_are_settings(validators) -> None:
    mine = {"label": "Mine", "network": {"segments_per_unit": "one_per_task"}, "sweep": {"epochs": [1, 2]}}
    assert validators["variants"].is_valid(as_json({"mine": mine | {"by_num_tasks": {10: {"epochs": 5}}}}))


def test_comments_of_a_section_and_of_two_lines(tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text(
        "# a file\n\nfirst: 1  # one\n\nsection:\n  inner: [1, 2]  # two\n         # lines\n  bare: 1\nlast: x  # end\n"
    )
    assert schemas.comments(path) == {"first": "one", "section.inner": "two lines", "last": "end"}
