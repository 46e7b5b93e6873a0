"""One asset a source of images; a root without any has none."""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from dagster_project.core.dagster_helpers import ENGINEERS, as_counts, as_table
from dagster_project.core.settings.pacs import RECEIVED, PacsSettings
from dagster_project.intake.ingestion.assets import INBOX
from dagster_project.intake.pacs.resources import Pacs

GROUP = "pacs"


def pacs_assets(settings: PacsSettings) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """An asset for each source to pull from, and one for what is received, if anybody may send."""
    pulled = [_pulled(name, source.protocol) for name, source in sorted(settings.sources.items())]
    return [*pulled, RECEIVED_ASSET] if settings.receive.allowed else [*pulled]


def inbox_asset(settings: PacsSettings) -> dg.AssetSpec:
    """The inbox, where what comes from each source goes. Batches come of it, so none is out of date when one grows."""
    sources = [*settings.sources, *([RECEIVED] if settings.receive.allowed else [])]
    return INBOX.replace_attributes(deps=[key_of(name) for name in sorted(sources)])


def key_of(source: str) -> dg.AssetKey:
    """The asset of a source."""
    return dg.AssetKey([GROUP, source])


RECEIVED_ASSET = dg.AssetSpec(
    key_of(RECEIVED),
    description="What senders pushed to `raytruth receive`, which runs beside Dagster: counts of what arrived and what "
    "was refused. Batches go to the inbox.",
    group_name=GROUP,
    owners=[ENGINEERS],
    kinds={"dicom"},
)


def _pulled(name: str, protocol: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=key_of(name),
        description=f"New radiographs of the PACS `{name}`, fetched by {protocol} into a batch in the inbox.",
        group_name=GROUP,
        owners=[ENGINEERS],
        kinds={"dicom"},
        pool=f"pacs_{name}",
        output_required=False,
    )
    def pulled(context: dg.AssetExecutionContext, pacs: Pacs) -> Iterator[dg.MaterializeResult]:
        done = pacs.pull(name)
        looked: dict[str, dg.MetadataValue | int | bool] = {
            "studies looked at": done.studies,
            "studies not fetched in full": done.waiting,
            "full sweep": done.swept,
            "by day": tallies_table(pacs, name),
        }
        if not (done.batch or done.outcomes):  # most polls: the history is to show what came
            context.log_event(dg.AssetObservation(key_of(name), metadata=looked))
            return
        objects = as_counts(done.outcomes, "what became of them", "objects")
        yield dg.MaterializeResult(metadata={"batch": done.batch or "(none)", "objects": objects, **looked})

    return pulled


def tallies_table(pacs: Pacs, source: str) -> dg.TableMetadataValue:
    """What came and what was refused, by day."""
    return as_table(pd.DataFrame(pacs.tallies(source), columns=["day", "what", "objects"]))
