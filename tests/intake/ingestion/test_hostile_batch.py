"""Whole batches with files that crash, hang, fill memory or have odd names: their neighbours are read all the same."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from support.dicoms import radiograph, save
from support.hostile import ITEM_END, OPEN_ITEM, SEQUENCE_END, UNDEFINED, deflated, element, spliced, tag_of
from support.roots import settings_of, where_found

from dagster_project.core.atomic_io import content_hash, read_table
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch import passes
from dagster_project.intake.ingestion.batch.ingest import ingest
from dagster_project.intake.ingestion.batch.pixel_reader import PixelRead, PixelReader
from dagster_project.intake.ingestion.headers.sources import SourceFile
from dagster_project.intake.root import Root

NAMES = [
    b"-rf",
    b"--help.dcm",
    b" blank .dcm",
    b"line\nbreak.dcm",
    b"tab\tand\rreturn.dcm",
    b"caf\xe9.dcm",
    b"caf\xc3\xa9.dcm",
    b"cafe\xcc\x81.dcm",
    b"\xff\xfe\x01",
    b"=cmd()|x!A1.dcm",
    b"<script>.dcm",
    b"$(touch CANARYTOUCHED).dcm",
    b"quote\"'`;.dcm",
    b"back\\slash.dcm",
    b"turned\xe2\x80\xaemcd.dcm",
    b"~",
    b"*",
    b"NUL.dcm",
    b"x" * 251 + b".dcm",
    b"\xfe" * 251 + b".dcm",
]


def crashing(path: Path) -> None:
    save(radiograph(902), path)


@dataclass(frozen=True)
class CrashingPixelReader(PixelReader):
    """Dies in the decoder at one file: no decoder in use is known to crash any more, but the next one may."""

    def __call__(self, file: SourceFile) -> PixelRead:
        if file.path.endswith("05-crash.dcm"):
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().__call__(file)


def hanging(path: Path) -> None:
    """Keeps the parser busy for many seconds: a million empty items."""
    tag = tag_of("RequestAttributesSequence")
    items = element(tag, "SQ", (OPEN_ITEM + ITEM_END) * 1_500_000 + SEQUENCE_END, UNDEFINED)
    path.write_bytes(spliced(save(radiograph(900), path).read_bytes(), tag, items))


def filling(path: Path) -> None:
    deflated(radiograph(901), path, element(tag_of("StudyComments"), "UT", bytes(700 << 20)))


@pytest.mark.slow
def test_a_crash_a_hang_and_a_bomb_in_one_batch_harm_nobody_else(
    empty_root: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "PixelReader", CrashingPixelReader)
    settings = yaml.safe_load(empty_root.settings.read_text())
    settings["ingestion"] |= {"workers": 2, "memory_mb": 1100, "seconds_per_file": 6}
    empty_root.settings.write_text(yaml.safe_dump(settings))
    source = tmp_path / "source"
    for seed in range(20):
        save(radiograph(seed), source / f"{seed:02}.dcm")
    for name, make in {"05-crash.dcm": crashing, "10-hang.dcm": hanging, "15-bomb.dcm": filling}.items():
        make(source / name)
    ingest(Root(empty_root, settings_of(empty_root)), source, "hostile")
    found = {Path(row.path).name: (row.verdict, row.reason) for row in read_table(empty_root.files).itertuples()}
    assert found.pop("05-crash.dcm") == ("quarantine", "decoder_crashed")
    assert found.pop("10-hang.dcm") == ("quarantine", "too_slow")
    assert found.pop("15-bomb.dcm") == ("quarantine", "too_large")
    assert found == {f"{seed:02}.dcm": ("accept", "") for seed in range(20)}


def test_files_of_any_name_are_read_each_once_and_a_rerun_finds_them_done(
    empty_root: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "source"
    for seed, name in enumerate(NAMES):
        save(radiograph(seed), source / "a.dcm").rename(source / os.fsdecode(name))
    summary = ingest(Root(empty_root, settings_of(empty_root)), source, "names")
    assert (summary.images, summary.verdicts) == (len(NAMES), {"accept": len(NAMES)})
    files = read_table(empty_root.files)
    assert files["path"].is_unique
    assert files["file_id"].is_unique
    before = content_hash(empty_root.files), empty_root.pixels("names").stat().st_mtime_ns
    ingest(Root(empty_root, settings_of(empty_root)), source, "names")
    assert (content_hash(empty_root.files), empty_root.pixels("names").stat().st_mtime_ns) == before
    assert list(tmp_path.rglob("CANARYTOUCHED")) == []
    for word in ("mcd.dcm", "cmd()", "break.dcm", "xxxxxxxx"):
        assert where_found(word, empty_root.root, leave_out=("data/private",)) == []
