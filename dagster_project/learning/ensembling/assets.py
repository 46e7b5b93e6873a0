"""`ensemble`, the challenger."""

from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd

from dagster_project.core.dagster_helpers import LEARNERS, as_counts, as_image, as_numbers, as_table
from dagster_project.core.settings.settings import Settings
from dagster_project.intake.resources import RootResource
from dagster_project.learning.pretraining.methods_on import methods_on

if TYPE_CHECKING:
    from dagster_project.learning.ensembling.test_evaluation import EnsembleSummary


def ensemble_asset(settings: Settings) -> dg.AssetsDefinition:
    """`ensemble` of the encoders that are trained here."""

    @dg.asset(
        deps=["training_set", "linear_evaluation", *(m.encoder for m in methods_on(settings)), "plugged_in_encoders"],
        group_name="ensembling",
        owners=[LEARNERS],
        kinds={"scikitlearn", "pytorch"},
    )
    def ensemble(root: RootResource) -> dg.MaterializeResult:
        """The challenger: calibrated members, chosen on validation only, evaluated once on the test split."""
        from dagster_project.learning.ensembling.ensemble import build_ensemble  # torch takes seconds to import

        paths = root.paths
        summary = build_ensemble(root.open())
        versions = root.commit("ensemble")
        plots = paths.plots_dir / "ensemble"
        numbers = ("balanced_accuracy", "log_loss", "calibration_error", "calibration_error_uncalibrated")
        means = [
            {"model": name, "share of labels": f, "accuracy": i.value, "low": i.low, "high": i.high}
            for name, line in summary.fractions.items()
            for f, i in line.items()
        ]
        return dg.MaterializeResult(
            data_version=versions.of(paths.ensemble),
            metadata={
                "test accuracy": summary.accuracy.value,
                "test accuracy, low (95 %)": summary.accuracy.low,
                "test accuracy, high (95 %)": summary.accuracy.high,
                **{name.replace("_", " "): value for name, value in as_numbers(summary.test, numbers).items()},
                "members": as_counts(summary.weights, "member", "weight"),
                **({"what training added": as_table(_training(summary))} if summary.training else {}),
                "accuracy of the most confident images": as_table(_most_confident(summary)),
                "auto-labelling thresholds": as_table(_auto_label(summary)),
                "combined encoders": as_table(pd.DataFrame(means)),
                "confusion": as_image(plots / "confusion_ensemble.png"),
                "accuracy by share of labels": as_image(plots / "label_fractions.png"),
                "accuracy by coverage": as_image(plots / "risk_coverage.png"),
                "reliability": as_image(plots / "reliability.png"),
                "model card": dg.MetadataValue.md((paths.ensemble / "README.md").read_text(encoding="utf-8")),
            },
        )

    return ensemble


def _training(summary: "EnsembleSummary") -> pd.DataFrame:
    assert summary.training
    rows = {
        f"{summary.training.encoder} alone": summary.training.alone,
        "ensemble": summary.accuracy,
        "difference": summary.training.gain,
    }
    return pd.DataFrame(
        [{"model": name, "test accuracy": i.value, "low": i.low, "high": i.high} for name, i in rows.items()]
    )


def _most_confident(summary: "EnsembleSummary") -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"coverage": coverage, "accuracy": i.value, "low": i.low, "high": i.high}
            for coverage, i in summary.selective.accuracy.items()
        ]
    )


def _auto_label(summary: "EnsembleSummary") -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "target accuracy": a.wanted,
                "minimum confidence": a.confidence,
                "share of test images": a.coverage,
                "test accuracy": a.accuracy and a.accuracy.value,
                "low": a.accuracy and a.accuracy.low,
                "high": a.accuracy and a.accuracy.high,
            }
            for a in summary.selective.auto_label
        ]
    )
