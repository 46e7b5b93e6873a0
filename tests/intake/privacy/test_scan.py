"""A leak planted in any kind of place is found, and named by place, not by content."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from pydicom.uid import generate_uid
from safetensors.torch import save_file
from support.dicoms import radiograph, save
from support.roots import settings_of, small_root
from typer.testing import CliRunner

from dagster_project.cli.main import app
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.ingest import ingest
from dagster_project.intake.privacy.deidentification_report import load_report
from dagster_project.intake.privacy.scan import Scan, scan
from dagster_project.intake.root import Root

pytestmark = pytest.mark.slow

NAME, ID, ACCESSION = "Qwertzmann^Jane", "4711082", "ACC-20931-7"
UID = str(generate_uid(entropy_srcs=["sop", "3"]))
FILE = "QWERTZ_9/IM0815.dcm"
SECRETS = [NAME, ID, ACCESSION, UID, FILE, "qwertzmann"]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A root with two small batches; the identities above are the first's."""
    paths = small_root(tmp_path_factory.mktemp("root"))
    for batch, who in (("march", {"PatientName": NAME, "PatientID": ID, "AccessionNumber": ACCESSION}), ("april", {})):
        source = tmp_path_factory.mktemp("export")
        for seed in range(3, 6):
            save(radiograph(seed, **who), source / (FILE if seed == 3 and who else f"x/{seed}.dcm"))
        ingest(Root(paths, settings_of(paths)), source, batch)
    return paths


def text(leak: str, path: Path) -> None:
    path.write_text(f"2026-03-01 an odd file: {leak}\n")


def escaped_json(leak: str, path: Path) -> None:
    path.write_text(json.dumps({"message": f"\n{leak}\t"}))


def parquet(leak: str, path: Path) -> None:
    pd.DataFrame({"a": ["x", None], "notes": [None, f"of {leak}"]}).to_parquet(path, compression="zstd")


def parquet_categories(leak: str, path: Path) -> None:
    pd.DataFrame({"notes": pd.Categorical(["x", leak])}).to_parquet(path)


def parquet_lists(leak: str, path: Path) -> None:
    pq.write_table(pa.table({"notes": pa.array([["x"], ["y", leak]])}), path)


def parquet_column_name(leak: str, path: Path) -> None:
    pd.DataFrame({leak: [1.0]}).to_parquet(path)


def database(leak: str, path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("create table events (n integer, body text)")
        connection.executemany("insert into events values (?, ?)", [(i, "x" * 3000) for i in range(5)])
        connection.execute("insert into events values (?, ?)", (7, "y" * 5000 + f" {leak} "))  # over two pages
    connection.close()


def compressed_log(leak: str, path: Path) -> None:
    path.write_bytes(gzip.compress(f"line\n{leak}\n".encode()))


def archive(leak: str, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("data.json", json.dumps([leak]))


def weights(leak: str, path: Path) -> None:
    save_file({"w": torch.zeros(9)}, path, metadata={"source": leak})


def second_chunk(leak: str, path: Path) -> None:
    path.write_bytes(b"y " * ((4 << 20) - 2) + leak.encode())  # across the seam of two chunks


def own_name(leak: str, path: Path) -> None:
    path.with_name(f"plot {leak.replace('/', '_')}.png").write_bytes(b"x")


def folder_name(leak: str, path: Path) -> None:
    path.with_name(f"of {leak.replace('/', '_')}").mkdir()


def link_name(leak: str, path: Path) -> None:
    path.with_name(f"{leak.replace('/', '_')}").symlink_to("nowhere")


WRITERS: list[Callable[[str, Path], None]] = [
    *(text, escaped_json, parquet, parquet_categories, parquet_lists, parquet_column_name, database),
    *(compressed_log, archive, weights, second_chunk, own_name, folder_name, link_name),
]
PLACES = [
    *(
        "data/headers/leak.parquet",
        "data/reports/data_docs/leak.html",
        "models/plots/leak.csv",
        ".dagster/history/leak.db",
    ),
    *(".dvc/cache/files/md5/ab/cdef", ".dvc/tmp/leak", "data/leak", "data/deeper/and/deeper/leak"),
]


@pytest.fixture
def place(paths: Paths, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A path under the root, in a folder of its own that goes afterwards."""
    path = paths.root / request.param
    folder = path.parent / "planted"
    folder.mkdir(parents=True)
    yield folder / path.name
    for planted in sorted(folder.rglob("*"), reverse=True):
        planted.rmdir() if planted.is_dir() and not planted.is_symlink() else planted.unlink()
    folder.rmdir()


def shown(result: Scan) -> str:
    return repr(result.finds) + repr(result.unread) + json.dumps(result.report("march"))


def test_what_an_ingestion_writes_holds_no_identity(paths: Paths) -> None:
    result = scan(paths, ["march", "april"])
    assert result.clean
    assert result.identities > 20
    assert result.files > 8


@pytest.mark.parametrize("write", WRITERS, ids=lambda w: w.__name__)
@pytest.mark.parametrize("place", ["models/leak"], indirect=True)
def test_a_leak_is_found_however_it_is_written(paths: Paths, place: Path, write: Callable[[str, Path], None]) -> None:
    for leak in (NAME, ID, ACCESSION, UID):
        write(leak, place)
        result = scan(paths, ["march"])
        assert [f.batch for f in result.finds][:1] == ["march"], leak
        assert all("planted" in f.place for f in result.finds)
        assert not any(secret.casefold() in shown(result).casefold() for secret in SECRETS)
        for planted in place.parent.iterdir():
            planted.rmdir() if planted.is_dir() and not planted.is_symlink() else planted.unlink()


@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_a_leak_is_found_wherever_it_is_written(paths: Paths, place: Path) -> None:
    text(f"{NAME} {FILE}", place)
    assert {f.kind for f in scan(paths, ["march"]).finds} == {"name", "path"}
    assert scan(paths, ["april"]).clean, "another batch's patients"


def test_what_a_running_program_has_not_yet_moved_into_its_database_is_searched(paths: Paths) -> None:
    path = paths.dagster_home / "runs.db"
    path.parent.mkdir(exist_ok=True)
    with sqlite3.connect(path) as connection:
        connection.execute("pragma journal_mode=wal")
        connection.execute("create table t (body)")
        connection.commit()
        connection.execute("insert into t values (?)", (f"for {NAME}",))
        connection.commit()
        assert any("table t" in f.place for f in scan(paths, ["march"]).finds)
    connection.close()
    path.unlink()


def test_a_number_in_a_column_of_numbers_is_found(paths: Paths) -> None:
    table = paths.root / "data" / "numbers.parquet"
    pd.DataFrame({"n": [1, int(ID)]}).to_parquet(table)
    (find,) = scan(paths, ["march"]).finds
    assert (find.place, find.kind) == ("data/numbers.parquet: column n", "ID")
    table.unlink()


def test_images_that_read_as_digits_are_no_leak(paths: Paths) -> None:
    shard = paths.root / "data" / "dark.npy"
    np.save(shard, np.frombuffer(ID.encode() + b" qwertzmann " + bytes(4), np.uint8).repeat(1))
    assert scan(paths, ["march"]).clean
    shard.unlink()


def test_a_file_outside_is_searched_when_named_and_a_second_name_of_a_file_too(paths: Paths, tmp_path: Path) -> None:
    log = tmp_path / "dagster.log"
    log.write_text(f"a {ACCESSION} b")
    os.link(log, tmp_path / f"{ACCESSION}.log")
    assert scan(paths, ["march"]).clean
    assert {(f.kind, f.times) for f in scan(paths, ["march"], [tmp_path]).finds} == {("ID", 1)}
    assert len(scan(paths, ["march"], [tmp_path]).finds) == 2
    with pytest.raises(RayTruthError, match="no such file"):
        scan(paths, ["march"], [tmp_path / "missing"])


def test_a_file_that_cannot_be_read_is_not_passed_over(paths: Paths) -> None:
    broken = paths.root / "data" / "broken.parquet"
    broken.write_bytes(b"PAR1 and nothing more")
    result = scan(paths, ["march"])
    assert (result.unread, result.clean) == (["data/broken.parquet"], False)
    broken.unlink()


def test_the_command_says_where_and_ends_with_status_1_and_the_proof_holds_it(paths: Paths) -> None:
    leak = paths.reports / "leak.txt"
    text(NAME, leak)
    done = CliRunner().invoke(app, ["--root", str(paths.root), "scan-identities", "march"])
    assert done.exit_code == 1
    assert "data/reports/leak.txt" in done.output
    assert "qwertz" not in done.output.casefold()
    assert load_report(paths, "march")["scan"]["found"][0]["place"] == "data/reports/leak.txt"
    leak.unlink()
    done = CliRunner().invoke(app, ["--root", str(paths.root), "scan-identities"])
    assert (done.exit_code, "nothing found" in done.output) == (0, True)
    assert load_report(paths, "march")["scan"]["found"] == []
