"""params.yaml, typed. The file holds every setting: an unknown key and a missing key are errors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, model_validator

from dagster_project.core.errors import RayTruthError
from dagster_project.core.settings.pacs import PacsSettings
from dagster_project.core.settings.problems import problems_of
from dagster_project.core.settings.section import Positive, Section, Share

Device = Literal["cpu", "cuda"]


class Ingestion(Section):
    """From files to tables and shards."""

    image_size: Annotated[int, Field(ge=32, le=2048, multiple_of=32)]
    percentiles: tuple[float, float]
    clean: bool
    workers: Annotated[int, Field(ge=0)]
    memory_mb: Annotated[int, Field(ge=512)]
    seconds_per_file: Annotated[float, Field(gt=0)]
    max_megapixels: Annotated[float, Field(gt=0)]

    @model_validator(mode="after")
    def _percentiles_ascend(self) -> Ingestion:
        if not 0 <= self.percentiles[0] < self.percentiles[1] <= 100:
            raise ValueError("percentiles must ascend within 0 to 100")
        return self


class Validation(Section):
    """Limits of the Great Expectations suite."""

    max_missing_label: Share
    max_ambiguous_label: Share
    max_label_conflict: Share
    min_side: Positive
    max_side: Positive
    first_year: Annotated[int, Field(ge=1895)]

    @model_validator(mode="after")
    def _sides_ascend(self) -> Validation:
        if self.min_side > self.max_side:
            raise ValueError("min_side must not be above max_side")
        return self


class TrainingSet(Section):
    """Split, folds, near-duplicates."""

    test: Share
    validation: Share
    min_patients: Annotated[int, Field(ge=3)]
    near_duplicate_similarity: Share
    folds: Annotated[int, Field(ge=3)]  # one held out, one to choose settings, the others for training
    region_map: dict[str, str | None]  # a former class that verdicts name -> its successor, or null

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> TrainingSet:
        if not 0 < self.test + self.validation < 1 or min(self.test, self.validation) == 0:
            raise ValueError("test and validation must each be above 0 and together below 1")
        return self


class Evaluation(Section):
    """Linear probe, k-nearest neighbours, intervals."""

    fractions: tuple[Annotated[float, Field(gt=0, le=1)], ...]
    repeats: Positive
    inverse_regularisation: tuple[Annotated[float, Field(gt=0)], ...]
    neighbours: Positive
    bootstrap: Positive


class Orientation(Section):
    """Turned and inverted images."""

    images: Positive
    flag_above: Annotated[float, Field(ge=0.5, lt=1)]
    correct_above: Annotated[float, Field(ge=0.5, lt=1)] | None


class Ensembling(Section):
    """Member selection and the champion's gate."""

    max_members: Positive
    min_gain: Annotated[float, Field(ge=0)]
    class_tolerance: Share
    min_class_images: Positive
    auto_label_accuracy: tuple[Annotated[float, Field(gt=0, lt=1)], ...]


class LabelErrors(Section):
    """Ranking and worklist."""

    neighbours: Positive
    worklist_length: Positive


class Review(Section):
    """Which images a second reviewer reads."""

    second_reading: Share


class Monitoring(Section):
    """Thresholds of drift, one for each cause, and when to retrain."""

    label_mix_drift: Annotated[float, Field(gt=0)]
    acquisition_drift: Annotated[float, Field(gt=0)]
    embedding_drift: Annotated[float, Field(gt=0.5, le=1)]
    confidence_drift: Annotated[float, Field(gt=0)]
    min_images: Positive
    retrain_cron: str


class Pretraining(Section):
    """The encoders to train, and encoders from elsewhere.

    The registry in `learning/pretraining` has the methods and checks the names. `plugged_in` names folders under
    `models/plugged_in/`.
    """

    methods: tuple[str, ...]
    plugged_in: tuple[str, ...]
    reference_encoder: str


class NetworkSettings(Section):
    """A network, its input size in pixels, and its device. Width, block and blocks are those of a ResNet."""

    device: Device
    architecture: Literal["resnet", "efficientnet_lite0"]
    input_size: Annotated[int, Field(ge=32)]
    width: Annotated[int, Field(ge=8, multiple_of=8)]  # on a CPU, torch writes past the end of narrower layers
    block: Literal["basic", "bottleneck"]
    blocks: tuple[Positive, Positive, Positive, Positive]


class Profile(NetworkSettings):
    """Training settings that suit one kind of machine."""

    initial_weights: Literal["imagenet"] | None
    batch_size: Annotated[int, Field(ge=8)]
    micro_batch_size: Positive | Literal["batch"]
    weight_decay: Annotated[float, Field(ge=0)]
    warmup: Share
    methods: dict[str, dict[str, Any]]  # settings of each pretraining method; the registry checks the keys

    @model_validator(mode="after")
    def _micro_batches_fill_the_batch(self) -> Profile:
        if self.micro_batch_size != "batch" and self.batch_size % self.micro_batch_size:
            raise ValueError("micro_batch_size must divide batch_size, or be the word batch")
        return self

    @model_validator(mode="after")
    def _initial_weights_are_of_the_network(self) -> Profile:
        if self.initial_weights and self.architecture != "efficientnet_lite0":
            raise ValueError("initial_weights: imagenet are EfficientNet-Lite0's; set architecture: efficientnet_lite0")
        return self

    @property
    def trains(self) -> bool:
        """Whether encoders are trained; without methods, plugged-in encoders are the only ones."""
        return bool(self.methods)

    @property
    def network(self) -> NetworkSettings:
        """The settings of the network only."""
        return NetworkSettings(**{name: getattr(self, name) for name in NetworkSettings.model_fields})


class Settings(Section):
    """All of params.yaml."""

    seed: int
    regions: str
    profile: str
    data_licence: Annotated[str, Field(min_length=1)]  # shown in every model card
    ingestion: Ingestion
    validation: Validation
    training_set: TrainingSet
    pretraining: Pretraining
    orientation: Orientation
    evaluation: Evaluation
    ensembling: Ensembling
    label_errors: LabelErrors
    review: Review
    monitoring: Monitoring
    pacs: PacsSettings
    profiles: dict[str, Profile]

    @model_validator(mode="after")
    def _profile_exists(self) -> Settings:
        if self.profile not in self.profiles:
            raise ValueError(f"profile {self.profile!r} is none of {', '.join(sorted(self.profiles))}")
        return self

    @property
    def learning(self) -> Profile:
        """The profile in use."""
        return self.profiles[self.profile]


def load_settings(path: Path) -> Settings:
    """Read and check a params.yaml.

    Raises RayTruthError if the file is missing, is not a YAML mapping, or has unknown, missing or invalid keys. The
    message names every such key and, for an unknown key, the nearest known key.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RayTruthError(
            "There is no params.yaml here", where=str(path), do="create a working root with `raytruth init DIR`"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RayTruthError(
            f"params.yaml is not valid YAML in UTF-8: {error}", where=str(path), do="correct the line that is named"
        ) from None
    problems = problems_of(Settings, values)
    if problems:
        raise unusable_settings(problems, str(path))
    return Settings.model_validate(values)


def unusable_settings(problems: list[str], where: str) -> RayTruthError:
    """The error for a params.yaml with invalid settings, one line for each problem."""
    return RayTruthError(
        "params.yaml has settings that RayTruth cannot use:\n" + "\n".join(f"  {problem}" for problem in problems),
        where=where,
        do="correct these keys; `raytruth init` writes a complete file to compare with",
    )
