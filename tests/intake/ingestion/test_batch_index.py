"""What both passes found, kept on disk: which file of an instance counts, what comes back, and a disk that is full."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from random import Random

import pytest

from dagster_project.intake.ingestion.batch.batch_index import BatchIndex, batch_index
from dagster_project.intake.ingestion.batch.staged_pixels import StagedImage
from dagster_project.intake.ingestion.headers.header_reader import HeaderRead, Identity

WHO = Identity("1.2", "3.4", "5.6", "patient")
FILLING = """
import sys
from pathlib import Path
from dagster_project.intake.ingestion.batch.disk_index import disk_index
try:
    with disk_index(Path(sys.argv[1])) as database:
        database.execute("CREATE TABLE t (x)")
        for number in range(100_000):
            database.execute("INSERT INTO t VALUES (?)", (f"{number:0200d}",))
except OSError as error:
    sys.exit(error.strerror)
"""


def header(named: str, reasons: list[str] | None = None) -> HeaderRead:
    row = {"image_id": named, "kvp": float("nan"), "patient": "p"}
    return HeaderRead(reasons or [], row, WHO, {"StudyDescription": "kn\udce9e"}, [("name", "A"), ("name", "A")])


def staged(place: int | None, pixels: str, file: str, masked: float = 0.0) -> StagedImage:
    return StagedImage(["rescaled"] if place is not None else ["pixels_short"], place, pixels, file, masked=masked)


def filled(index: BatchIndex, files: list[tuple[str, StagedImage]]) -> None:
    for number, (named, _) in enumerate(files):
        index.add_header(number, f"id{number:04d}", f"/x/{number}", header(named))
    for number, (_, image) in enumerate(files):
        index.add_image(number, image)
    index.settle()


def test_of_one_instance_the_first_by_content_counts_and_the_others_are_the_same_again_or_a_conflict(
    tmp_path: Path,
) -> None:
    """Against the same rules in plain words, on files of which many share an instance, bytes or pixels."""
    random = Random(4)
    files = [
        (
            f"image {random.randrange(12)}",
            staged(number if random.random() < 0.8 else None, f"p{random.randrange(9)}", f"f{random.randrange(3)}"),
        )
        for number in range(60)
    ]
    with batch_index(tmp_path / "index.sqlite") as index:
        filled(index, files)
        reasons = {int(file.path[3:]): set(file.reasons) for file in index.seen()}
        used = [file.pixels.place for file in index.used()]
        assert index.places().tolist() == used
    by_image, by_pixels, expected = defaultdict(list), defaultdict(list), {}
    for number, (named, image) in enumerate(files):
        expected[number] = set(image.reasons)
        if image.place is not None:
            by_image[named].append(number)
    firsts = []
    for named in sorted(by_image):
        first, *others = sorted(by_image[named], key=lambda n: files[n][1].file_digest)
        firsts.append(first)
        by_pixels[files[first][1].pixel_digest].append(first)
        for other in others:
            same = files[other][1].file_digest == files[first][1].file_digest
            expected[other].add("duplicate_file" if same else "uid_conflict")
    for twins in by_pixels.values():
        for twin in twins if len(twins) > 1 else []:
            expected[twin].add("same_pixels")
    assert used == firsts
    assert reasons == expected


def test_what_was_found_comes_back_as_it_was(tmp_path: Path) -> None:
    path = "/x/caf\udce9.dcm"
    with batch_index(tmp_path / "index.sqlite") as index:
        index.add_header(0, "b", path, header("image", ["charset"]))
        index.add_header(1, "a", "/x/refused", HeaderRead(["not_dicom"]))
        assert index.with_header() == [0]
        index.add_image(0, staged(7, "pixels", "file", masked=0.25))
        index.settle()
        (used,) = index.used()
        assert (used.path, used.identity, used.row["patient"]) == (path, WHO, "p")
        assert (used.label_texts, used.pixels) == ({"StudyDescription": "kn\udce9e"}, staged(7, "pixels", "file", 0.25))
        assert [(file.file_id, file.reasons) for file in index.seen()] == [
            ("a", ["not_dicom"]),
            ("b", ["charset", "rescaled"]),
        ]
        assert index.masked() == 1
        assert list(index.identifiers()) == [("name", "A")]


def test_nothing_stays_on_disk_and_what_a_killed_process_left_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").write_text("CANARY half of it")
    with batch_index(tmp_path / "index.sqlite") as index:
        assert index.with_header() == []
    with pytest.raises(ValueError, match="stop"), batch_index(tmp_path / "index.sqlite"):
        raise ValueError("stop")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_no_more_is_an_oserror(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILLING, str(tmp_path / "index.sqlite")],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr.strip()) == (1, "Input/output error")
    assert list(tmp_path.iterdir()) == []
