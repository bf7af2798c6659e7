"""What config.yaml may hold: what is to be made here, on what, and where it goes."""

from typing import Annotated, Any, Literal

from pydantic import Field

from active_dendrites.settings.datasets import DatasetName
from active_dendrites.settings.run import PositiveInt
from active_dendrites.settings.yaml_files import Section


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
