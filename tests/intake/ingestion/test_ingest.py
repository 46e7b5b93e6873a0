"""One batch from export to tables: right, the same every time, whole or not there, and private."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from support.dicoms import radiograph, save, write_export
from support.exports import BATCH, GOOD, IMAGES, ODD_FILES
from support.readers import PIXELS, source_file
from support.roots import settings_of, where_found

from dagster_project.core.atomic_io import content_hash, read_json, read_table
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.ingest import BatchSummary, ingest
from dagster_project.intake.ingestion.batch.store import ingested_batches, load_headers, open_pixels
from dagster_project.intake.root import Root

SMALLEST_FILE = 20_000  # bytes that no file may pass on a full disk; the staged images take more
RAYTRUTH = "from dagster_project.cli.main import main; main()"
PLAIN = """
import sys
from pathlib import Path
from dagster_project.core.errors import RayTruthError
from dagster_project.intake.ingestion.batch.ingest import ingest
from dagster_project.intake.root import open_root
try:
    ingest(open_root(Path(sys.argv[2])), Path(sys.argv[4]), sys.argv[6])
except RayTruthError as error:
    sys.exit(str(error))
except OSError as error:
    sys.exit(error.strerror)
"""  # `raytruth ingest` without the command line, which imports all stages


def run(paths: Paths, source: Path, batch: str = BATCH) -> BatchSummary:
    return ingest(Root(paths, settings_of(paths)), source, batch)


def started(script: str, paths: Paths, source: Path, **options: object) -> subprocess.Popen[str]:
    """An ingestion in a process group of its own, by RAYTRUTH or the quicker PLAIN."""
    words = [sys.executable, "-c", script, "--root", str(paths.root), "ingest", str(source), "--batch", BATCH]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(words, env=environment, start_new_session=True, **pipes, **options)  # type: ignore[call-overload]


def tables(paths: Paths) -> dict[str, str]:
    """Content hashes of everything that an ingestion publishes."""
    path_list = (paths.headers_dir, paths.pixels_dir, paths.quarantine_dir, paths.patient_evidence_dir)
    path_list += (paths.files, paths.identities)
    hashes = {str(path.relative_to(paths.root)): content_hash(path) for path in (*path_list, paths.label_texts)}
    return hashes | {"batches": content_hash(paths.batches)}


def test_every_file_gets_its_verdict(ingested: Paths) -> None:
    files = read_table(ingested.files)
    found = {Path(row.path).name: (row.verdict, row.reason) for row in files.itertuples()}
    assert len(files) == GOOD + len(ODD_FILES)
    pairs = {"again.dcm": "IM0.dcm", "conflict.dcm": "IM1.dcm"}  # of two files of one instance, either may count
    for name, expected in ODD_FILES.items():
        assert expected in (found[name], found[pairs.get(name, name)])
    plain = {f"IM{seed}.dcm" for seed in range(GOOD)} - set(pairs.values()) - {"IM2.dcm"}
    assert {found[name] for name in plain} == {("accept", "")}
    assert found["IM2.dcm"] == ("accept_warn", "same_pixels")


def test_the_quarantine_table_lists_what_was_not_plainly_accepted_and_no_path(ingested: Paths) -> None:
    files = read_table(ingested.files).set_index("file_id")
    refused = read_table(ingested.quarantine(BATCH)).set_index("file_id")
    assert list(refused.columns) == ["verdict", "reason"]
    assert set(refused["verdict"]) == {"warn", "skip", "quarantine"}
    listed = files[files["verdict"] != "accept"]
    assert refused["reason"].to_dict() == listed["reason"].to_dict()


def test_rows_images_and_identities_stand_in_one_order(ingested: Paths) -> None:
    headers, shard = load_headers(ingested, BATCH), open_pixels(ingested, BATCH)
    identities = read_table(ingested.identities)
    assert len(headers) == len(shard) == IMAGES
    assert headers["image_id"].tolist() == sorted(headers["image_id"]) == identities["image_id"].tolist()
    for path, image in zip(identities["path"], shard, strict=True):
        np.testing.assert_array_equal(image, PIXELS(source_file(Path(path))).image)


def test_one_instance_stands_there_once_and_twins_share_a_digest(ingested: Paths) -> None:
    headers = load_headers(ingested, BATCH)
    assert headers["image_id"].is_unique
    twins = headers[headers["warnings"].str.contains("same_pixels")]
    assert (len(twins), twins["pixel_digest"].nunique(), headers["pixel_digest"].nunique()) == (2, 1, IMAGES - 1)


def test_the_pixel_digest_is_keyed(ingested: Paths, export: Path) -> None:
    plain = PIXELS(source_file(export / "CANARYDIR3" / "IM3.dcm")).pixel_digest
    assert not any(digest in plain for digest in load_headers(ingested, BATCH)["pixel_digest"])


def test_nothing_outside_the_private_folder_names_a_patient_an_original_uid_or_a_path(ingested: Paths) -> None:
    for word in ("CANARY", str(radiograph(0).SOPInstanceUID), str(radiograph(0).StudyInstanceUID)):
        assert where_found(word, ingested.root, leave_out=("data/private",)) == []
        assert where_found(word, ingested.private)


def test_private_files_are_their_owners_alone(ingested: Paths) -> None:
    assert ingested.private.stat().st_mode & 0o777 == 0o700
    for path in (ingested.pseudonym_key, ingested.files, ingested.identities, ingested.label_texts):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_second_run_finds_everything_done(root: Paths, export: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (root.headers(BATCH), root.pixels(BATCH), root.files)}
    summary = run(root, export)
    assert (summary.images, sum(summary.verdicts.values())) == (IMAGES, GOOD + len(ODD_FILES))
    assert summary.reasons["same_pixels"] == 2
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not root.staging(BATCH).exists()


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["1", "2"])
def test_another_process_finds_everything_done(
    seed: str, root: Paths, export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its hash seed, on which the order of a set depends."""
    before = root.headers(BATCH).stat().st_mtime_ns
    monkeypatch.setenv("PYTHONHASHSEED", seed)
    process = started(PLAIN, root, export)
    assert (process.communicate(timeout=120)[1], process.returncode) == ("", 0)
    assert root.headers(BATCH).stat().st_mtime_ns == before


def test_the_same_export_gives_the_same_bytes_under_the_same_key(
    ingested: Paths, empty_root: Paths, export: Path
) -> None:
    run(empty_root, export)
    assert tables(empty_root) == tables(ingested)


def test_a_changed_source_is_ingested_again(root: Paths, export: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(export, tmp_path / "changed"))
    first = run(root, source, "april")
    (source / "CANARYDIR3" / "IM3.dcm").unlink()
    save(radiograph(70, BodyPartExamined="HAND"), source / "new.dcm")
    save(radiograph(71), source / "newer.dcm")
    second = run(root, source, "april")
    assert (first.images, second.images) == (IMAGES, IMAGES + 1)
    assert len(open_pixels(root, "april")) == IMAGES + 1
    assert read_table(root.files)["batch"].value_counts().to_dict() == {
        BATCH: GOOD + len(ODD_FILES),
        "april": GOOD + len(ODD_FILES) + 1,
    }
    gone = str(source / "CANARYDIR3" / "IM3.dcm")
    assert gone not in read_table(root.identities)["path"].tolist()
    assert ingested_batches(root) == ["april", BATCH]


def test_without_a_usable_radiograph_verdicts_are_kept_and_what_stood_published_stays(
    root: Paths, tmp_path: Path
) -> None:
    source = tmp_path / "CANARYSOURCE"
    path = save(radiograph(70), source / "a.dcm")
    run(root, source, "april")
    before = content_hash(root.headers("april")), content_hash(root.pixels("april"))
    path.write_text("no image any more")
    with pytest.raises(RayTruthError, match="no usable radiograph: 1 not_dicom_content") as error:
        run(root, source, "april")
    assert "CANARY" not in str(error.value)
    assert read_table(root.quarantine("april"))["reason"].tolist() == ["not_dicom_content"]
    assert (content_hash(root.headers("april")), content_hash(root.pixels("april"))) == before


def test_a_name_that_belongs_to_another_source_is_refused_and_nothing_changes(root: Paths, tmp_path: Path) -> None:
    before = tables(root)
    other = write_export(tmp_path / "CANARYOTHER", {"HAND": 1})
    with pytest.raises(RayTruthError, match="already used for another source") as error:
        run(root, other)
    assert "CANARY" not in str(error.value)
    assert tables(root) == before


@pytest.mark.parametrize("name", ["CANARYID0002", "export-canaryid0002-march"])
def test_a_name_that_repeats_a_patients_id_is_refused_and_stays_free(
    name: str, root: Paths, export: Path, tmp_path: Path
) -> None:
    with pytest.raises(RayTruthError, match="repeats a patient's ID") as error:
        run(root, export, name)
    assert "canary" not in str(error.value).casefold()
    assert where_found(name, root.root, leave_out=("data/private",)) == []
    assert name not in read_json(root.sources)


@pytest.mark.parametrize("name", ["", "a/b", "../x", "x.y", "ü", "a" * 65])
def test_a_name_that_cannot_be_a_file_is_refused(name: str, empty_root: Paths, export: Path) -> None:
    with pytest.raises(RayTruthError, match="batch name"):
        run(empty_root, export, name)
    assert not empty_root.batches.exists()


def test_a_batch_that_another_process_ingests_is_left_alone(root: Paths, export: Path) -> None:
    before = tables(root)
    lock = root.staging(BATCH).with_suffix(".lock")
    with FileLock(lock), pytest.raises(RayTruthError, match="Another process is ingesting"):
        run(root, export)
    assert tables(root) == before
    assert run(root, export).images == IMAGES


def test_two_processes_on_one_batch_leave_the_tables_of_one(ingested: Paths, empty_root: Paths, export: Path) -> None:
    both = [started(PLAIN, empty_root, export) for _ in range(2)]
    said = [process.communicate(timeout=120)[1] for process in both]
    assert 0 in {process.returncode for process in both}, said
    for process, words in zip(both, said, strict=True):
        assert process.returncode == 0 or words.startswith("Another process is ingesting this batch")
    assert tables(empty_root) == tables(ingested)


@pytest.mark.parametrize(
    ("script", "moment"),
    [(PLAIN, "reading headers"), (RAYTRUTH, "pixels staged"), (PLAIN, "published in part")],
    ids=["headers", "pixels", "published"],
)
def test_killed_at_any_moment_a_rerun_ends_with_the_same_tables(
    script: str, moment: str, ingested: Paths, empty_root: Paths, export: Path
) -> None:
    staging = empty_root.staging(BATCH)
    reached = {
        "reading headers": staging,
        "pixels staged": staging / "block-0000000.json",
        "published in part": empty_root.files,
    }[moment]
    process = started(script, empty_root, export)
    while process.poll() is None and not reached.exists():
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert reached.exists()
    if BATCH in ingested_batches(empty_root):  # then it is whole
        assert len(load_headers(empty_root, BATCH)) == len(open_pixels(empty_root, BATCH)) == IMAGES
    run(empty_root, export)
    assert tables(empty_root) == tables(ingested)
    assert not staging.exists()


def test_on_a_full_disk_the_last_good_state_stays(root: Paths, export: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(export, tmp_path / "changed"))
    save(radiograph(80), source / "new.dcm")
    sources = root.sources.read_text().replace(str(export), str(source))
    root.sources.write_text(sources)
    before = {path: content_hash(path) for path in (root.headers(BATCH), root.pixels(BATCH), root.identities)}
    limit = (SMALLEST_FILE, SMALLEST_FILE)
    process = started(PLAIN, root, source, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    assert process.communicate(timeout=120)[1].strip() == "File too large"
    assert process.returncode == 1
    assert {path: content_hash(path) for path in before} == before
    assert run(root, source).images == IMAGES + 1
