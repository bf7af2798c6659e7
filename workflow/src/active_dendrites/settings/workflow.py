"""config.yaml and what the command line puts over it: what is to be made here, on what, and where it goes."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from active_dendrites.settings.datasets import DatasetName
from active_dendrites.settings.declarations import Declarations
from active_dendrites.settings.forms import checked_seeds
from active_dendrites.settings.run import PositiveInt
from active_dendrites.settings.yaml_files import Section, display, fault, read_yaml, typed

COMMAND_LINE = "--config"
FORMER_KEYS = {"mnist": "`images_folder` for its folder; sums are in config/datasets.yaml"}  # and what took their place


class WorkflowSettings(Section):
    """What config.yaml may hold; the seeds are checked with those of the scales."""

    dataset: DatasetName
    images_folder: str | None
    results: Annotated[str, Field(min_length=1)]
    device: Literal["auto", "cpu", "cuda"]
    seeds: Any
    search_seeds: Any
    seeds_per_job: PositiveInt
    retrain: bool


class GivenSettings:
    """The workflow's `config`: a file, and over it `--config KEY=VALUE`, of which Snakemake hands over some as text.

    Every value of the file is checked, whether or not the command line replaces it. Raises: ConfigError.
    """

    def __init__(self, config: dict[str, Any], path: Path) -> None:
        self.file = display(path)
        self.written = read_yaml(path)
        self.config = {key: self._plain(key, value) for key, value in config.items()}
        for key in FORMER_KEYS.keys() & config.keys():
            raise fault(self.source(key), key, FORMER_KEYS[key], found="a key of earlier versions")
        typed(WorkflowSettings, self.written, self.file)
        checked_seeds(self.written["seeds"], self.file, "seeds")
        if self.written["search_seeds"] is not None:
            checked_seeds(self.written["search_seeds"], self.file, "search_seeds")
        for key, value in self.config.items():
            typed(WorkflowSettings, self.written | {key: value}, self.source(key))

    def source(self, key: str) -> str:
        """Where a value was written."""
        return COMMAND_LINE if self._is_replaced(key, self.config.get(key)) else self.file

    def _is_replaced(self, key: str, value: Any) -> bool:
        return bool(value != self.written.get(key))

    def _plain(self, key: str, value: Any) -> Any:
        """Text of the command line as what it stands for: true, and the numbers of seeds=[1,2]."""
        if not self._is_replaced(key, value):
            return value
        if key == "retrain" and isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if key in ("seeds", "search_seeds") and isinstance(value, list):
            return [int(seed) if str(seed).isdecimal() else seed for seed in value]
        return value

    def seeds_by_variant(self, declarations: Declarations) -> dict[str, dict[str, list[int]]]:
        """{scale: {variant: seeds}}: those of the scale; of a search, as many as were published if none are given."""
        seeds: dict[str, dict[str, list[int]]] = {}
        for scale in declarations.scales:
            common = declarations.seeds(scale, self.config["seeds"], self.source("seeds"))
            of_searches = declarations.seeds(
                scale, self.config["search_seeds"], self.source("search_seeds"), "search_seeds"
            )
            assert common is not None  # only search_seeds may be
            trials = {variant: declarations.trials(variant) for variant in declarations.variants}
            seeds[scale] = {
                variant: common if number is None else of_searches or list(range(1, number + 1))
                for variant, number in trials.items()
            }
        return seeds
