"""One asset for each PACS source; a root without sources has no such asset."""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from dagster_project.core.dagster_helpers import ENGINEERS, as_counts, as_table
from dagster_project.core.settings.pacs import RECEIVED, PacsSettings
from dagster_project.intake.ingestion.assets import INBOX
from dagster_project.intake.pacs.resources import Pacs

GROUP = "pacs"


def pacs_assets(settings: PacsSettings) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """One asset for each source to pull from, and one for received images if any sender is allowed."""
    pulled = [_pulled(name, source.protocol) for name, source in sorted(settings.sources.items())]
    return [*pulled, RECEIVED_ASSET] if settings.receive.allowed else [*pulled]


def inbox_asset(settings: PacsSettings) -> dg.AssetSpec:
    """The inbox, which depends on every source. A new batch in the inbox does not make older batches out of date."""
    sources = [*settings.sources, *([RECEIVED] if settings.receive.allowed else [])]
    return INBOX.replace_attributes(deps=[key_of(name) for name in sorted(sources)])


def key_of(source: str) -> dg.AssetKey:
    """The asset key of a source."""
    return dg.AssetKey([GROUP, source])


RECEIVED_ASSET = dg.AssetSpec(
    key_of(RECEIVED),
    description="Images that senders pushed to `raytruth receive`, which runs outside Dagster: counts of arrived and "
    "refused objects. Batches go to the inbox.",
    group_name=GROUP,
    owners=[ENGINEERS],
    kinds={"dicom"},
)


def _pulled(name: str, protocol: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=key_of(name),
        description=f"New radiographs from the PACS `{name}`, fetched over {protocol} into a batch in the inbox.",
        group_name=GROUP,
        owners=[ENGINEERS],
        kinds={"dicom"},
        pool=f"pacs_{name}",
        output_required=False,
    )
    def pulled(context: dg.AssetExecutionContext, pacs: Pacs) -> Iterator[dg.MaterializeResult]:
        done = pacs.pull(name)
        polled: dict[str, dg.MetadataValue | int | bool] = {
            "studies listed": done.studies,
            "incomplete studies": done.waiting,
            "full sweep": done.swept,
            "objects by day": tallies_table(pacs, name),
        }
        if not (done.batch or done.outcomes):  # most polls; the history shows only polls that fetched something
            context.log_event(dg.AssetObservation(key_of(name), metadata=polled))
            return
        objects = as_counts(done.outcomes, "outcome", "objects")
        yield dg.MaterializeResult(metadata={"batch": done.batch or "(none)", "objects by outcome": objects, **polled})

    return pulled


def tallies_table(pacs: Pacs, source: str) -> dg.TableMetadataValue:
    """Numbers of arrived and refused objects by day."""
    return as_table(pd.DataFrame(pacs.tallies(source), columns=["day", "outcome", "objects"]))
