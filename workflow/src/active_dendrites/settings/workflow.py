"""config.yaml and what the command line puts over it: what is to be made here, on what, and where it goes."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from active_dendrites.settings.datasets import DatasetName
from active_dendrites.settings.declarations import Declarations
from active_dendrites.settings.forms import checked_seeds
from active_dendrites.settings.given import given_settings
from active_dendrites.settings.run import PositiveInt
from active_dendrites.settings.yaml_files import Section, display, fault, read_yaml, typed

COMMAND_LINE = "--config"
FORMER_KEYS = {"mnist": "`images_folder` for its folder; sums are in config/datasets.yaml"}  # and what took their place
SEED = re.compile(r"0|[1-9]\d*")
WORDS = {"null": None, "~": None, "true": True, "false": False}  # of YAML, which Snakemake leaves as text


class WorkflowSettings(Section):
    """What config.yaml may hold; the seeds are checked with those of the scales."""

    dataset: DatasetName
    images_folder: str | None
    results: Annotated[str, Field(min_length=1)]
    device: Literal["auto", "cpu", "cuda"]
    seeds: Any
    search_seeds: Any
    seeds_per_job: PositiveInt
    set: str | None
    log: Literal["text", "tensorboard"]
    keep_network: Literal["reduced", "all", "none"]
    retrain: bool


class GivenSettings:
    """The workflow's `config`: a file, and over it `--config KEY=VALUE`, of which Snakemake hands over some as text.

    Every value of the file is checked, whether or not the command line replaces it. Raises: ConfigError.
    """

    def __init__(self, config: dict[str, Any], path: Path, command_line: Mapping[str, Any]) -> None:
        """Read and check.

        Args:
            config: the values, of the command line where it has a key.
            path: of the file.
            command_line: what `--config` says. A workflow that uses this one as a module may not hand it over.
        """
        self.command_line = {key for key, value in command_line.items() if config.get(key) == value}
        self.file = display(path)
        self.written = read_yaml(path)
        # A workflow that uses this one as a module may give some keys alone.
        self.config = self.written | {key: self._plain(key, value) for key, value in config.items()}
        for key in FORMER_KEYS.keys() & config.keys():
            raise fault(self.source(key), key, FORMER_KEYS[key], found="a key of earlier versions")
        typed(WorkflowSettings, self.written, self.file)
        checked_seeds(self.written["seeds"], self.file, "seeds")
        if self.written["search_seeds"] is not None:
            checked_seeds(self.written["search_seeds"], self.file, "search_seeds")
        for key, value in self.config.items():
            typed(WorkflowSettings, self.written | {key: value}, self.source(key))
        self.pairs = (self.config["set"] or "").split()
        self.settings = given_settings(self.pairs, self.source("set"), "set")
        self.config["results"] = results_path(self.config["results"], self.source("results"))
        if self.config["images_folder"] is not None:
            self.config["images_folder"] = expanded(
                self.config["images_folder"], self.source("images_folder"), "images_folder"
            )

    def source(self, key: str) -> str:
        """Where a value was written."""
        return COMMAND_LINE if self._is_replaced(key, self.config.get(key)) else self.file

    def _is_replaced(self, key: str, value: Any) -> bool:
        return key in self.command_line or bool(value != self.written.get(key))

    def _plain(self, key: str, value: Any) -> Any:
        """Text of the command line as what YAML takes it for: null, true, and the numbers of seeds=[1,2]."""
        if not self._is_replaced(key, value):
            return value
        if isinstance(value, list):
            return [int(item) if SEED.fullmatch(str(item)) else item for item in value]
        return WORDS.get(value.lower(), value) if isinstance(value, str) else value

    def seeds(self, declarations: Declarations, scale: str, key: str = "seeds") -> list[int] | None:
        """The seeds of a scale, or its `search_seeds`: those of the command line; its own; those of the file."""
        given = self.config[key]
        if key in self.command_line:
            return None if given is None and key == "search_seeds" else checked_seeds(given, COMMAND_LINE, key)
        return declarations.seeds(scale, given, self.source(key), key)

    def seeds_per_job(self, declarations: Declarations, scale: str) -> int:
        """Likewise, how many seeds a job trains side by side."""
        of_scale = None if "seeds_per_job" in self.command_line else declarations.scales[scale].seeds_per_job
        number: int = of_scale or self.config["seeds_per_job"]
        return number

    def seeds_by_variant(self, declarations: Declarations) -> dict[str, dict[str, list[int]]]:
        """{scale: {variant: seeds}}: those of the scale; of a search, as many as were published if none are given."""
        seeds: dict[str, dict[str, list[int]]] = {}
        for scale in declarations.scales:
            common, of_searches = self.seeds(declarations, scale), self.seeds(declarations, scale, "search_seeds")
            assert common is not None  # only search_seeds may be
            if "seeds" in self.command_line and "search_seeds" not in self.command_line:
                of_searches = common  # who types seeds means all that is asked for
            trials = {variant: declarations.trials(variant) for variant in declarations.variants}
            seeds[scale] = {
                variant: common if number is None else of_searches or list(range(1, number + 1))
                for variant, number in trials.items()
            }
        return seeds


def results_path(text: str, source: str) -> str:
    """The folder of results, which need not exist, as patterns and commands name it. Raises: ConfigError."""
    path = Path(expanded(text, source, "results"))
    if "{" in str(path) or "}" in str(path):
        raise fault(source, "results", "a path without braces, which stand for wildcards", value=text)
    if str(path).startswith("-"):
        raise fault(source, "results", "a path that no command takes for an option", value=text)
    if path.anchor and path == Path(path.anchor):
        raise fault(source, "results", "a folder below it", value=text)
    for part in (path, *path.parents):
        if os.path.lexists(part) and not part.is_dir():
            what = f"a symbolic link to {part.readlink()}, which is none" if part.is_symlink() else "a file"
            raise fault(source, "results", "a folder, or nothing yet", found=f"{part}, {what}")
    return str(path)


def expanded(text: str, source: str, key: str) -> str:
    """A path with `~` and `$NAME` replaced, as a shell does at the beginning of a word alone. Raises: ConfigError."""
    path = os.path.expandvars(os.path.expanduser(text))
    if path.startswith("~"):
        raise fault(source, key, "~ or ~<user> to be somebody's home", value=text)
    if unset := re.search(r"\$([A-Za-z_]\w*|\{\w+\})", path):
        raise fault(source, key, f"{unset[0]} to be set in the environment", value=text)
    return path
