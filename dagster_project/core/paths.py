"""The paths of all files under a root. No other module spells a path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dagster_project.core.errors import RayTruthError

_BATCH_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def checked_batch_name(name: str) -> str:
    """Return `name` if it is a valid batch name: 1 to 64 letters, digits, `-` or `_`.

    The name becomes a file name and a partition. Raises RayTruthError if it is not valid.
    """
    if not _BATCH_NAME.fullmatch(name):
        raise RayTruthError(
            "A batch name must be 1 to 64 letters, digits, '-' or '_' and begin with a letter or digit",
            where="the batch name, or the folder name in data/inbox/",
            do="choose another name, such as 2026-11",
        )
    return name


@dataclass(frozen=True)
class Paths:
    """Paths under one working root (see the README's architecture section)."""

    root: Path

    def place(self, path: Path) -> str:
        """A path under the root as errors name it: relative to the root."""
        return path.relative_to(self.root).as_posix()

    # Settings
    @property
    def settings(self) -> Path:
        """All settings of the pipeline."""
        return self.root / "params.yaml"

    @property
    def dvc_yaml(self) -> Path:
        """The DVC stages."""
        return self.root / "dvc.yaml"

    @property
    def dagster_home(self) -> Path:
        """Dagster's own store: runs, events, schedules."""
        return self.root / ".dagster"

    # Private: the only place that holds identities
    @property
    def private(self) -> Path:
        """Mode 0700; ignored by git and DVC."""
        return self.root / "data" / "private"

    @property
    def pseudonym_key(self) -> Path:
        """The pseudonym key, mode 0600."""
        return self.private / "pseudonym.key"

    @property
    def identities(self) -> Path:
        """image_id -> original UIDs, PatientID, path."""
        return self.private / "identities.parquet"

    @property
    def files(self) -> Path:
        """One row for each file ever seen, with its verdict."""
        return self.private / "files.parquet"

    @property
    def label_texts(self) -> Path:
        """The original label texts, which may hold anything that somebody typed."""
        return self.private / "label_texts.parquet"

    @property
    def identifiers(self) -> Path:
        """Names, IDs and accession numbers of each batch, for the search for identities; not linked to patients."""
        return self.private / "identifiers.parquet"

    @property
    def sources(self) -> Path:
        """Batch -> source folder."""
        return self.private / "sources.json"

    @property
    def pacs(self) -> Path:
        """What came from a PACS and is not yet in a batch, and the state of the pulls."""
        return self.private / "pacs"

    @property
    def pacs_state(self) -> Path:
        """SQLite: studies seen, images taken in."""
        return self.pacs / "state.sqlite"

    def incoming_batch(self, source: str) -> Path:
        """A source's open batch; it moves to the inbox as a whole."""
        return self.pacs / source / "open"

    def spool(self, source: str) -> Path:
        """A source's objects in transfer."""
        return self.pacs / source / "spool"

    def set_aside(self, source: str) -> Path:
        """Objects with other content than an earlier object under the same UID."""
        return self.pacs / source / "set_aside"

    @property
    def pushed(self) -> Path:
        """SQLite: the outcome of each corrected object that was sent to a PACS."""
        return self.private / "corrections" / "pushed.sqlite"

    @property
    def pushed_list(self) -> Path:
        """The same as CSV, for people who have to undo a push."""
        return self.private / "corrections" / "pushed.csv"

    def staging(self, batch: str) -> Path:
        """A batch in progress; published only when complete."""
        return self.private / "staging" / batch

    @property
    def lock(self) -> Path:
        """Held while a batch is published or a shared table is rewritten."""
        return self.private / "root.lock"

    # Batches
    @property
    def inbox(self) -> Path:
        """Folders placed here become batches."""
        return self.root / "data" / "inbox"

    @property
    def batches(self) -> Path:
        """The registered batches: name and keyed fingerprint of the content, without a path."""
        return self.root / "data" / "batches.json"

    @property
    def headers_dir(self) -> Path:
        """One table a batch."""
        return self.root / "data" / "headers"

    def headers(self, batch: str) -> Path:
        """One row an image."""
        return self.headers_dir / f"{batch}.parquet"

    @property
    def pixels_dir(self) -> Path:
        """One shard a batch."""
        return self.root / "data" / "pixels"

    def pixels(self, batch: str) -> Path:
        """uint8 (N, side, side), rows in the headers' order."""
        return self.pixels_dir / f"{batch}.npy"

    @property
    def quarantine_dir(self) -> Path:
        """One table a batch."""
        return self.root / "data" / "quarantine"

    def quarantine(self, batch: str) -> Path:
        """Refused and skipped files, and files with warnings: file_id, verdict, reason."""
        return self.quarantine_dir / f"{batch}.parquet"

    @property
    def patient_evidence_dir(self) -> Path:
        """One table a batch."""
        return self.root / "data" / "patient_evidence"

    def patient_evidence(self, batch: str) -> Path:
        """Each patient's studies, series, images and numbers, under pseudonyms; refused files included."""
        return self.patient_evidence_dir / f"{batch}.parquet"

    @property
    def validation_dir(self) -> Path:
        """One result a batch."""
        return self.root / "data" / "validation"

    def validation(self, batch: str) -> Path:
        """The results of all expectations on the batch's headers."""
        return self.validation_dir / f"{batch}.json"

    # Learning
    @property
    def training_set(self) -> Path:
        """One row an image: label, split, fold, near-duplicate group."""
        return self.root / "data" / "training_set.parquet"

    @property
    def splits(self) -> Path:
        """Patient -> split; append-only, so that no patient ever changes sides."""
        return self.root / "data" / "splits.parquet"

    @property
    def patient_links(self) -> Path:
        """Patients who are linked to one person: the kinds of link, and what contradicts the link."""
        return self.root / "data" / "patient_links.parquet"

    def encoder(self, name: str) -> Path:
        """Weights and card of an encoder; `learning/pretraining/methods.py` lists the encoders trained here.

        The name of a plugged-in encoder is `plugged_in/<name>`.
        """
        return self.root / "models" / name

    @property
    def plugged_in(self) -> Path:
        """The encoders that were trained elsewhere, a folder for each."""
        return self.root / "models" / "plugged_in"

    @property
    def embedding_cache(self) -> Path:
        """Embeddings of single images by plugged-in encoders; can be deleted at any time."""
        return self.root / "data" / ".embedding_cache"

    def checkpoints(self, name: str) -> Path:
        """The state of an unfinished training, which then resumes."""
        return self.root / "models" / ".checkpoints" / name

    @property
    def embeddings_dir(self) -> Path:
        """One float32 array (N, D) for each encoder, rows in the training set's order."""
        return self.root / "data" / "embeddings"

    def embeddings(self, encoder: str) -> Path:
        """float32 (N, D), rows in the training set's order."""
        return self.embeddings_dir / f"{encoder}.npy"

    @property
    def orientation(self) -> Path:
        """How each image of the training set is turned, and whether it is inverted."""
        return self.root / "data" / "orientation.parquet"

    @property
    def orientation_probe(self) -> Path:
        """The probe that judges the orientation of later batches, if there is one."""
        return self.root / "models" / "orientation"

    def test_predictions(self, stage: str) -> Path:
        """The prediction of each probe (`linear_evaluation`) or mixture (`ensemble`) for each test image."""
        return self.root / "data" / "test_predictions" / f"{stage}.parquet"

    @property
    def ensemble(self) -> Path:
        """The challenger: the chosen members and their calibrated heads."""
        return self.root / "models" / "ensemble"

    @property
    def champion(self) -> Path:
        """The content hash of the promoted model."""
        return self.root / "models" / "champion.json"

    @property
    def champions_dir(self) -> Path:
        """Promoted models, each complete in a folder named by its content hash."""
        return self.root / "models" / "champions"

    @property
    def metrics_dir(self) -> Path:
        """DVC metrics."""
        return self.root / "models" / "metrics"

    def metrics(self, stage: str) -> Path:
        """One JSON a stage."""
        return self.metrics_dir / f"{stage}.json"

    @property
    def plots_dir(self) -> Path:
        """DVC plots: tables and images."""
        return self.root / "models" / "plots"

    def plot(self, stage: str, name: str) -> Path:
        """A CSV or PNG for `dvc plots show`."""
        return self.plots_dir / stage / name

    # Label errors, review, corrections
    @property
    def label_errors(self) -> Path:
        """Every image, ranked by the probability that its label is wrong."""
        return self.root / "data" / "label_errors.parquet"

    @property
    def oof_predictions(self) -> Path:
        """The predictions of each out-of-fold model: image_id, oof_model, one probability for each region."""
        return self.root / "data" / "oof_predictions.parquet"

    @property
    def error_causes(self) -> Path:
        """Groups of images whose labels are wrong more often than those of comparable images."""
        return self.root / "data" / "error_causes.parquet"

    @property
    def private_error_causes(self) -> Path:
        """The same groups by protocol texts and true months, which may identify a patient."""
        return self.private / "error_causes.parquet"

    @property
    def worklist(self) -> Path:
        """The cards and images of the review page."""
        return self.reports / "worklist"

    @property
    def random_sample(self) -> Path:
        """The cards and images of a random sample of the images outside the worklist."""
        return self.reports / "random_sample"

    @property
    def verdicts(self) -> Path:
        """The append-only ledger of the reviewers' verdicts."""
        return self.root / "data" / "verdicts.parquet"

    @property
    def corrected_labels(self) -> Path:
        """The latest verdict on each image, ready for the training set."""
        return self.root / "data" / "corrected_labels.parquet"

    # Monitoring and reports
    @property
    def predictions_dir(self) -> Path:
        """One table a batch."""
        return self.root / "data" / "predictions"

    def predictions(self, batch: str) -> Path:
        """The champion's predictions on one batch."""
        return self.predictions_dir / f"{batch}.parquet"

    def prediction_embeddings(self, batch: str) -> Path:
        """float16 (N, D) of the champion's main encoder, rows in the headers' order."""
        return self.predictions_dir / f"{batch}.npy"

    @property
    def drift_dir(self) -> Path:
        """One result a batch."""
        return self.root / "data" / "drift"

    def drift(self, batch: str) -> Path:
        """Drift of one batch, by cause."""
        return self.drift_dir / f"{batch}.json"

    @property
    def reports(self) -> Path:
        """Pages for people."""
        return self.root / "data" / "reports"

    @property
    def data_docs(self) -> Path:
        """Great Expectations' pages."""
        return self.reports / "data_docs"

    def deidentification(self, batch: str) -> Path:
        """What happened to each attribute of a batch, and the results of the search for its identities."""
        return self.reports / "deidentification" / f"{batch}.json"

    def drift_page(self, batch: str) -> Path:
        """Evidently's page for one batch."""
        return self.reports / "drift" / f"{batch}.html"

    @property
    def failures(self) -> Path:
        """Failed Dagster runs, one JSON object per line."""
        return self.reports / "failed_runs.jsonl"


def outputs(paths: Paths) -> tuple[Path, ...]:
    """What RayTruth, Dagster and DVC write under a root. `data/` also holds private and incoming files."""
    root = paths.root
    return root / "data", root / "models", paths.dagster_home, root / ".dvc", root / "dvc.lock"
