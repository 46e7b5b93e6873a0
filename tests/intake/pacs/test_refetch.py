"""What changes at the PACS after it was taken in: what a sweep notices, and taking studies in anew by name."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid
from support.orthanc import Orthanc
from support.pacs import change, configure, one_study, uid_of, uids_in
from support.roots import settings_of
from typer.testing import CliRunner

from dagster_project.cli.main import app
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.headers.pseudonyms import load_pseudonyms
from dagster_project.intake.ingestion.headers.sources import fingerprint, list_files
from dagster_project.intake.pacs.incoming_batch import IncomingBatch
from dagster_project.intake.pacs.pull import Pulled, pull
from dagster_project.intake.pacs.refetch import Refetched, refetch_studies
from dagster_project.intake.pacs.state import State
from dagster_project.intake.root import Root

pytestmark = pytest.mark.pacs


def pull_main(root: Paths) -> Pulled:
    return pull(Root(root, settings_of(root)), "main")


def again(root: Paths, *files: Path) -> Refetched:
    return refetch_studies(
        Root(root, settings_of(root)), "main", [f"{dcmread(file).StudyInstanceUID}\n" for file in files]
    )


def files_in(folder: Path) -> dict[str, str]:
    """SOP Instance UID -> BodyPartExamined."""
    found = [dcmread(path) for path in folder.rglob("*.dcm")] if folder.exists() else []
    return {str(ds.SOPInstanceUID): str(ds.BodyPartExamined) for ds in found}


@pytest.fixture
def study(images: list[Path], tmp_path: Path) -> list[Path]:
    """Three images of one study."""
    files = one_study(images[:3], tmp_path)
    for file in files:
        change(file, BodyPartExamined="KNEE")
    return files


def test_an_image_in_the_place_of_another_comes_at_the_next_sweep_though_the_number_is_the_same(
    web: Paths, pacs: Orthanc, study: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pacs.add(*study[:2])
    pull_main(web)
    assert pull_main(web).outcomes == {"arrived": 2}
    pacs.empty()
    pacs.add(*study[1:])
    assert pull_main(web).outcomes == {}, "a poll looks at the number alone"
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 25 * 3600)
    swept = pull_main(web)
    assert (swept.outcomes, swept.swept, swept.waiting) == ({"arrived": 1}, True, 0)
    assert uids_in(web.inbox) == sorted(map(uid_of, study))


def test_a_replaced_image_takes_the_old_ones_place_when_its_study_is_taken_in_anew(
    source: Paths, pacs: Orthanc, study: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pacs.add(*study[:2])
    pull_main(source)
    batch = source.inbox / str(pull_main(source).batch)
    pseudonyms = load_pseudonyms(source.pseudonym_key)
    before = fingerprint(list_files(batch), pseudonyms)
    pacs.empty()
    change(study[0], BodyPartExamined="FOOT")
    pacs.add(*study)
    refetched = again(source, study[0], study[1])
    assert refetched.outcomes == {"replaced": 1, "known already": 1, "arrived": 1}
    assert files_in(batch) == {uid_of(study[0]): "FOOT", uid_of(study[1]): "KNEE"}
    assert files_in(source.inbox / str(refetched.batch)) == {uid_of(study[2]): "KNEE"}
    assert files_in(source.set_aside("main")) == {uid_of(study[0]): "KNEE"}, "nothing is lost"
    assert fingerprint(list_files(batch), pseudonyms) != before, "so that the batch is ingested again, if of equal size"
    assert {oct(path.stat().st_mode & 0o777) for path in batch.iterdir()} == {"0o600"}
    assert again(source, study[0]) == Refetched({"known already": 3}, None)
    assert pull_main(source).outcomes == {}


@pytest.mark.parametrize(("where", "step"), [(IncomingBatch, "_set_aside"), (State, "replaced")])
def test_stopped_on_its_way_it_is_completed_by_the_next(
    where: type, step: str, web: Paths, pacs: Orthanc, study: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pacs.add(study[0])
    pull_main(web)
    pull_main(web)
    pacs.empty()
    change(study[0], BodyPartExamined="FOOT")
    pacs.add(study[0])
    with monkeypatch.context() as broken:
        broken.setattr(where, step, lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            again(web, study[0])
    again(web, study[0])
    assert again(web, study[0]).outcomes == {"known already": 1}
    assert len(list(web.inbox.rglob("*.dcm"))) == 1
    assert files_in(web.inbox) == {uid_of(study[0]): "FOOT"}
    assert files_in(web.set_aside("main")) == {uid_of(study[0]): "KNEE"}


def test_where_the_batch_is_gone_from_the_inbox_the_new_content_is_set_aside(
    web: Paths, pacs: Orthanc, study: list[Path], tmp_path: Path
) -> None:
    pacs.add(study[0])
    pull_main(web)
    pull_main(web)
    next(web.inbox.iterdir()).rename(tmp_path / "elsewhere")
    change(study[0], BodyPartExamined="FOOT")
    pacs.empty()
    pacs.add(study[0])
    assert again(web, study[0]).outcomes == {"same UID, other content": 1}
    assert files_in(web.set_aside("main")) == {uid_of(study[0]): "FOOT"}


def test_by_the_command_line_and_what_is_no_uid_is_said_without_repeating_it(
    web: Paths, pacs: Orthanc, study: list[Path]
) -> None:
    pacs.add(study[0])
    command = ["--root", str(web.root), "pull", "main", "--refetch", "-"]
    said = CliRunner().invoke(app, command, input=f"\ufeff{dcmread(study[0]).StudyInstanceUID}\r\n\n{generate_uid()}\n")
    assert said.exit_code == 0, said.output
    assert "arrived" in said.output
    assert "studies without a radiograph" in said.output
    assert uids_in(web.inbox) == [uid_of(study[0])]
    with pytest.raises(RayTruthError, match="not a Study Instance UID") as caught:
        refetch_studies(Root(web, settings_of(web)), "main", ["1.2.3\n", "CANARY^JANE\n"])
    assert "line 2" in str(caught.value)
    assert "CANARY" not in str(caught.value)


def test_without_room_on_the_disk_nothing_is_fetched(web: Paths, pacs: Orthanc, study: list[Path]) -> None:
    configure(web, min_free_gb=1e9)
    pacs.add(study[0])
    with pytest.raises(RayTruthError, match="Too little disk"):
        again(web, study[0])
