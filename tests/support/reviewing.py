"""A root with a ranked list to review, made from drawn images without learning anything."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pydicom import dcmread

from dagster_project.cli.init import template
from dagster_project.core.atomic_io import write_array, write_table
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import Settings, load_settings
from dagster_project.intake.ingestion.batch.pixel_reader import decode, digest_of
from dagster_project.intake.ingestion.headers.pseudonyms import load_pseudonyms
from dagster_project.intake.taxonomy.taxonomy import load_taxonomy
from dagster_project.intake.training_set.tables import TRAINING_SET
from support.archive import write_regions
from support.dicoms import image, radiograph, save

SIDE = 64
KINDS = ("wrong_label", "wrong_label", "wrong_label", "missing_label", "out_of_domain")


def ranked_root(paths: Paths, suspects: int, others: int = 40, files: int = 0) -> Settings:
    """`suspects` suspicious images in two batches, kinds in turn, and `others` that are not; none second-read by lot.

    Two images make a study and a patient; the first two images are copies of each other. The first `files` have
    their files in `export/` beside the root, named by number, and all have rows in the header tables.
    """
    paths.root.mkdir(parents=True, exist_ok=True)
    write_regions(paths.root / "regions.yaml")
    settings = template("params.yaml").read_text()
    settings = settings.replace("dagster_project/intake/taxonomy/regions.yaml", "regions.yaml")
    settings = settings.replace("plugged_in: [imagenet]", "plugged_in: []")
    paths.settings.write_text(settings.replace("second_reading: 0.1", "second_reading: 0.0"))
    regions = load_taxonomy(paths.root / "regions.yaml").regions
    count, draw = suspects + others, np.random.default_rng(3)
    number = np.arange(count)
    table = pd.DataFrame(dict.fromkeys(TRAINING_SET.types, ""), index=number)
    kind = np.where(number < suspects, np.array(KINDS)[number % len(KINDS)], "none")
    truth = number % len(regions)
    headers = _write_files(paths, files, count)
    table["image_id"] = headers["image_id"]
    table["batch"] = np.where(number % 2, "north", "south")
    table["row"] = (number // 2).astype("int32")
    table["patient"] = table["patient_group"] = [f"p{i // 2:04d}" for i in number]
    table["study"] = [f"s{i // 2:04d}" for i in number]
    table["near_duplicate_group"] = np.where(number < 2, 0, number).astype("int32")
    table["split"], table["fold"], table["reviewed"] = "train", (number % 3).astype("int32"), False
    wrong = kind == "wrong_label"
    given = np.array(regions, dtype=object)[np.where(wrong, (truth + 1) % len(regions), truth)]
    table["region"] = table["given_region"] = table["header_region"] = np.where(kind == "missing_label", None, given)
    table["label_status"] = np.where(kind == "missing_label", "missing", "region")
    table["label_attribute"] = np.where(kind == "missing_label", "", "BodyPartExamined")
    table["label_rule"], table["label_matched"] = "term", "KNEE"
    write_table(paths.training_set, table[list(TRAINING_SET.types)])
    proposed = np.where(kind == "out_of_domain", "", np.array(regions, dtype=object)[truth])
    ranked = pd.DataFrame({"image_id": table["image_id"], "given_region": table["region"], "kind": kind})
    ranked = ranked.assign(proposed_region=proposed, error_probability=1 - number / count, rank=number + 1)
    ranked = ranked.assign(confidence=0.9, neighbourhood_noise=0.5, model_agreement=2 / 3)
    ranked = ranked.assign(visible_regions=f"{regions[0]}:0.97;{regions[1]}:0.62")
    write_table(paths.label_errors, ranked)
    write_array(paths.embeddings("encoder_simclr"), draw.normal(size=(count, 8)).astype(np.float32))
    for batch, rows in table.groupby("batch"):
        shapes = np.zeros((len(rows), SIDE, SIDE), np.uint8)
        for i, n in enumerate(rows.index):
            shapes[i, 8 : 12 + n % 40, 10 : 14 + truth[n] * 12] = 90 + n % 120
        write_array(paths.pixels(str(batch)), shapes)
        write_table(paths.headers(str(batch)), headers.loc[rows.index].assign(batch=batch))
    return load_settings(paths.settings)


def _write_files(paths: Paths, files: int, count: int) -> pd.DataFrame:
    """Header rows of `count` images in three rooms, of which the first `files` have a file each."""
    number = np.arange(count)
    rows = pd.DataFrame({"image_id": [f"{i:032x}" for i in number], "pixel_digest": ""}).astype("string")
    rows = rows.assign(manufacturer="ACME", model="DR-1", label_attribute="BodyPartExamined", label_matched="KNEE")
    rows["station"] = [f"ROOM{i % 3 + 1}" for i in number]
    if not files:
        return rows
    pseudonyms, path_list = load_pseudonyms(paths.pseudonym_key), []
    for i in range(files):
        ds = radiograph(i, pixels=image(i, (500, 400)))
        path_list.append(save(ds, paths.root.parent / "export" / f"IM{i}.dcm"))
        rows.loc[i, "image_id"] = pseudonyms.of("image", ds.SOPInstanceUID)
        rows.loc[i, "pixel_digest"] = pseudonyms.of("pixels", digest_of(decode(dcmread(path_list[-1]), [])))
    known = pd.DataFrame({"image_id": rows["image_id"][:files], "path": list(map(str, path_list))})
    write_table(paths.identities, known)
    return rows
