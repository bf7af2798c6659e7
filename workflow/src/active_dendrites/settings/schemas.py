"""JSON schemas of the YAML files in config/, and the tables of settings in config/README.md.

Editors complete and check the files by these schemas.

    python -m active_dendrites.settings.schemas

writes schemas and tables from the typed settings and from the comments of defaults.yaml and config.yaml. A schema
checks what can be said of one file: names, types, ranges. What concerns several files is checked when the workflow
starts.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from active_dendrites.settings.checks import NAME
from active_dendrites.settings.forms import (
    DatasetDeclaration,
    ExperimentDeclaration,
    ScaleDeclaration,
    VariantDeclaration,
)
from active_dendrites.settings.published import Finding, Numbers, PublishedFile, Rule, StandIn
from active_dendrites.settings.run import BY_VARIANT, IDENTITY, ONE_PER_TASK, RunConfig, run_keys
from active_dendrites.settings.workflow import WorkflowSettings
from active_dendrites.settings.yaml_files import Section

FOLDER = "schemas"  # within config/
BEGIN, END = "<!-- settings:begin -->", "<!-- settings:end -->"  # around the tables in config/README.md
DIALECT = "https://json-schema.org/draft/2020-12/schema"
COUNT = {"pattern": "^[1-9][0-9]*$"}  # a number of tasks as a key
SEEDS = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "uniqueItems": True}
SANITY = 1_000_000  # a bound from here on is of no interest to readers
FOLDER_NAMES = {"propertyNames": {"pattern": f"^{NAME.pattern}$"}}
SOME_SETTINGS = {"$ref": "#/$defs/settings"}

Schema = dict[str, Any]


def main(folder: Path = Path("config")) -> None:
    """Write the schemas of a config folder, and the tables into its README. Raises: ValueError, OSError."""
    (folder / FOLDER).mkdir(exist_ok=True)
    for name, text in schema_files(folder).items():
        (folder / FOLDER / name).write_text(text, encoding="utf-8")
    readme = folder / "README.md"
    readme.write_text(with_tables(readme.read_text(encoding="utf-8"), folder), encoding="utf-8")


# -- the schemas ------------------------------------------------------------------------------------------


def schema_files(folder: Path) -> dict[str, str]:
    """{name: text} of every schema. That of config.yaml is called as the Snakemake workflow catalogue looks for it."""
    meanings = comments(folder / "defaults.yaml")
    settings = some_settings(meanings)
    shared = {"$defs": {"settings": settings}}
    schemas = {
        "config.schema.yaml": described(with_seeds(schema_of(WorkflowSettings)), comments(folder / "config.yaml")),
        "defaults.schema.json": all_settings(meanings),
        "variants.schema.json": shared | named(variant(settings)) | FOLDER_NAMES,
        "experiments.schema.json": named(schema_of(ExperimentDeclaration)) | FOLDER_NAMES,
        "quick.schema.json": shared | scale(),
        "datasets.schema.json": named(dataset(settings)),
        "published.schema.json": published(),
    }
    return {name: json.dumps({"$schema": DIALECT} | schema, indent=2) + "\n" for name, schema in schemas.items()}


def schema_of(model: type[Section]) -> Schema:
    """The schema that pydantic makes, its definitions in place and without titles, which only repeat names."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def plain(node: Any) -> Any:
        if isinstance(node, list):
            return [plain(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return plain(definitions[node["$ref"].rpartition("/")[2]])
        return {key: plain(value) for key, value in node.items() if key != "title" or not isinstance(value, str)}

    result: Schema = plain(schema)
    return result


def named(schema: Schema) -> Schema:
    """A file that maps names of one's own to entries of a kind."""
    return {"type": "object", "additionalProperties": schema}


def or_null(schema: Schema) -> Schema:
    return schema if {"type": "null"} in schema.get("anyOf", ()) else {"anyOf": [schema, {"type": "null"}]}


def described(schema: Schema, meanings: dict[str, str], where: str = "") -> Schema:
    """A schema whose properties have descriptions, by dotted key."""
    properties = {}
    for key, value in schema["properties"].items():
        inner = described(value, meanings, f"{where}{key}.") if "properties" in value else value
        properties[key] = inner | ({"description": meanings[where + key]} if where + key in meanings else {})
    return schema | {"properties": properties}


def all_settings(meanings: dict[str, str]) -> Schema:
    """Every setting of a run but what the workflow says of it; as defaults.yaml and variants may write it."""
    schema = schema_of(RunConfig)
    properties = {key: value for key, value in schema["properties"].items() if key not in IDENTITY}
    for key in BY_VARIANT:
        properties[key] = or_null(properties[key])
    network = properties["network"]["properties"]
    network["segments_per_unit"] = {"anyOf": [network["segments_per_unit"], {"const": ONE_PER_TASK}]}
    required = [key for key in schema["required"] if key not in IDENTITY]
    return described(schema | {"properties": properties, "required": required}, meanings)


def some_settings(meanings: dict[str, str]) -> Schema:
    """Any of the settings of a run."""
    schema = all_settings(meanings)
    properties = {key: without(value, "required") for key, value in schema["properties"].items()}
    return without(schema, "required", "description") | {"properties": properties}


def without(schema: Schema, *keys: str) -> Schema:
    return {key: value for key, value in schema.items() if key not in keys}


def variant(settings: Schema) -> Schema:
    schema = schema_of(VariantDeclaration)
    properties = schema["properties"] | settings["properties"]
    properties["by_num_tasks"] |= {"propertyNames": COUNT, "additionalProperties": SOME_SETTINGS}
    properties["sweep"] |= {"propertyNames": swept()}
    return schema | {"properties": properties, "additionalProperties": False}


def swept() -> Schema:
    return {"enum": [f"{section}.{key}" if section else key for section, key in run_keys()]}


def with_seeds(schema: Schema) -> Schema:
    """With the seeds, which other code checks than the types."""
    return schema | {"properties": schema["properties"] | {"seeds": SEEDS, "search_seeds": or_null(SEEDS)}}


def scale() -> Schema:
    schema = with_seeds(schema_of(ScaleDeclaration))
    properties = schema["properties"]
    properties["settings"] = SOME_SETTINGS
    properties["variants"] = named(SOME_SETTINGS)
    properties["sweeps"]["additionalProperties"] |= {"propertyNames": swept()}
    return schema


def dataset(settings: Schema) -> Schema:
    schema = schema_of(DatasetDeclaration)
    schema["properties"]["data"] = settings["properties"]["data"]
    return schema


def published() -> Schema:
    schema, numbers = schema_of(PublishedFile), schema_of(Numbers)
    properties = {part: named(numbers) for part in ("curves", "searches", "clusters", "text")}
    properties |= {"rule": schema_of(Rule), "stand_ins": named(schema_of(StandIn))}
    properties["findings"] = {"type": "array", "items": schema_of(Finding)}
    return schema | {"properties": {part: properties[part] for part in schema["properties"]}}


# -- what the comments say ----------------------------------------------------------------------------------


def comments(path: Path) -> dict[str, str]:
    """{dotted key: the comment behind it, and those of the lines below}; of files with sections one level deep."""
    meanings: dict[str, str] = {}
    section = key = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if entry := re.match(r"( *)(\w+):([^#]*)(?:# (.*))?$", line):
            indent, name, value, comment = entry.groups()
            section = section if indent else (f"{name}." if not value.strip() else "")
            key = f"{section}{name}" if indent else name
            if comment:
                meanings[key] = comment.strip()
        elif more := re.match(r" +# (.*)$", line):
            meanings[key] = f"{meanings[key]} {more[1].strip()}"
    return meanings


# -- the tables of config/README.md -------------------------------------------------------------------------


def with_tables(text: str, folder: Path) -> str:
    """A README with tables of today's settings. Raises: ValueError if it lacks the marks around them."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{folder}/README.md: found no {BEGIN} ... {END}, expected them around the tables")
    return f"{before}{BEGIN}\n\n{tables(folder)}\n\n{END}{after}"


def tables(folder: Path) -> str:
    """What config.yaml and defaults.yaml may hold: key, values and meaning of each setting."""
    files = schema_files(folder)
    lines = []
    for name, title in (("config.schema.yaml", "config.yaml"), ("defaults.schema.json", "A run: defaults.yaml")):
        lines += [f"### {title}", "", "| setting | values | meaning |", "|---|---|---|"]
        lines += [f"| {' | '.join(map(cell, row))} |" for row in rows(json.loads(files[name]))]
        lines.append("")
    return "\n".join(lines[:-1])


def rows(schema: Schema, where: str = "") -> Iterator[tuple[str, str, str]]:
    for key, value in schema["properties"].items():
        if "properties" in value:
            yield from rows(value, f"{where}{key}.")
        else:
            yield f"`{where}{key}`", values(value), value.get("description", "")


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def values(schema: Schema) -> str:
    """The values that a schema allows, in words."""
    if "anyOf" in schema:
        return ", or ".join(map(values, schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind: str = schema.get("type", "")
    if kind == "array":
        return f"list of {values(schema['items'])}"
    words = {"boolean": "`true`, `false`", "null": "`null`", "string": "text"}
    bounds = [
        f"{sign} {schema[key]:g}"
        for key, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
        if key in schema and abs(schema[key]) < SANITY
    ]
    return " ".join([words.get(kind, kind), " and ".join(bounds)]).strip()


if __name__ == "__main__":
    main()
