"""The whole way under the real daemon: stored in Orthanc, or sent to us, until ingested and shown."""

from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg
import pydicom
import pytest
from dagster_graphql import DagsterGraphQLClient
from support.daemon import Served, dagster_on, wait_for
from support.orthanc import Orthanc
from support.pacs import change, configure, described, uid_of
from support.receiver import receiving, storescu
from support.roots import settings_of, small_root

from dagster_project.core.atomic_io import read_table
from dagster_project.intake.pacs.assets import key_of
from dagster_project.intake.pacs.pull import pull
from dagster_project.intake.privacy.scan import scan
from dagster_project.intake.root import Root

pytestmark = [pytest.mark.slow, pytest.mark.daemon, pytest.mark.pacs]
HEADERS = dg.AssetKey("radiograph_headers")


def test_what_a_pacs_holds_and_what_a_sender_sends_is_ingested_once_and_shown(
    pacs: Orthanc, images: list[Path], tmp_path: Path, credentials: None
) -> None:
    paths, log = small_root(tmp_path / "root"), tmp_path / "ui.log"
    configure(paths, sources={"main": described("dicomweb", pacs)})
    blank = tmp_path / "blank.dcm"
    shutil.copy(images[6], blank)
    change(blank, PixelData=bytes(len(pydicom.dcmread(blank).PixelData)))
    pacs.add(*images[:4])
    pull(
        Root(paths, settings_of(paths)), "main"
    )  # an earlier poll, so that the daemon's first one finds settled studies
    with receiving(paths, quiet_seconds=5), dagster_on(paths, log) as served:
        wait_for("the pulled batch", lambda: shown_by(served, "main"))
        assert storescu(paths, *images[:6], blank) == "", "four that the pull brought, and others"
        wait_for("two ingestions", lambda: sum(run.is_success for run in served.runs("ingest_batch")) == 2)
        wait_for("what was received", lambda: counts(served) == {"arrived": 3, "known already": 4})
        assert not [run.job_name for run in served.instance.get_runs() if run.is_failure_or_canceled], log.read_text()

        first, second = sorted(served.instance.get_dynamic_partitions("batches"))
        assert (first, second.split("_")[0]) == (shown_by(served, "main")["batch"].value, "received")
        assert table(shown_by(served, "main")["objects by outcome"], "outcome") == {"arrived": 4}
        assert {run.tags["dagster/partition"] for run in served.runs("ingest_batch")} == {first, second}
        assert sum(table(of_batch(served, first)["files by verdict"], "verdict").values()) == 4
        assert table(of_batch(served, second)["files by verdict"], "verdict")["quarantine"] == 1
        assert table(of_batch(served, second)["files by reason"], "reason")["constant"] == 1
        assert [stale_status(served, batch) for batch in (first, second)] == ["FRESH", "FRESH"]
    assert sorted(read_table(paths.identities)["sop_instance_uid"]) == sorted(map(uid_of, images[:6]))
    searched = scan(paths, [first, second], [log])
    assert searched.identities > 20
    assert (searched.finds, searched.unread) == ([], [])


def shown_by(served: Served, source: str) -> dict[str, dg.MetadataValue]:
    """What a source's asset shows of its latest arrivals; {} if there are none yet."""
    instance, key = served.instance, key_of(source)
    seen = [r.asset_observation for r in instance.fetch_observations(key, limit=5).records]
    made = [r.asset_materialization for r in instance.fetch_materializations(key, limit=5).records]
    shown = [dict(event.metadata) for event in (*seen, *made) if event]
    return next((s for s in shown if table(s["objects by day"], "outcome")), {})


def counts(served: Served) -> dict[str, int]:
    """What the receiver's asset shows; {} if nothing yet."""
    shown = shown_by(served, "received")
    return table(shown["objects by day"], "outcome") if shown else {}


def of_batch(served: Served, batch: str) -> dict[str, dg.MetadataValue]:
    """What a batch's partition of the headers shows."""
    wanted = dg.AssetRecordsFilter(HEADERS, asset_partitions=[batch])
    (record,) = served.instance.fetch_materializations(wanted, limit=5).records
    assert record.asset_materialization
    return dict(record.asset_materialization.metadata)


def table(shown: dg.MetadataValue, what: str) -> dict[str, int]:
    """A table of counts: a column's text -> the number beside it."""
    rows = [record.data for record in shown.value.records]
    return {str(row[what]): next(n for n in row.values() if isinstance(n, int)) for row in rows}


def stale_status(served: Served, batch: str) -> str:
    query = f'{{ assetNodes(assetKeys: [{{path: ["{HEADERS.path[0]}"]}}]) {{ staleStatus(partition: "{batch}") }} }}'
    answer = DagsterGraphQLClient("127.0.0.1", port_number=served.port)._execute(query)
    return str(answer["assetNodes"][0]["staleStatus"])
