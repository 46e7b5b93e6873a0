"""`linear_evaluation`: how good each encoder is."""

from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd

from dagster_project.core.dagster_helpers import LEARNERS, as_image, as_table
from dagster_project.core.settings.settings import Settings
from dagster_project.intake.resources import RootResource
from dagster_project.learning.pretraining.methods_on import methods_on

if TYPE_CHECKING:
    from dagster_project.learning.evaluation.linear_evaluation import EncoderEvaluation


def evaluation_asset(settings: Settings) -> dg.AssetsDefinition:
    """`linear_evaluation` of every encoder that is trained here."""

    @dg.asset(
        deps=["training_set", "orientation", *(m.encoder for m in methods_on(settings)), "plugged_in_encoders"],
        group_name="evaluation",
        owners=[LEARNERS],
        kinds={"scikitlearn"},
    )
    def linear_evaluation(root: RootResource) -> dg.MaterializeResult:
        """Accuracy of a linear probe with 1 %, 10 % and 100 % of the labels, nearest neighbours, calibration, recall.

        Measured on the test split, against the given labels. Intervals (95 %) resample patients.
        """
        from dagster_project.learning.evaluation.linear_evaluation import evaluate  # torch takes seconds to import

        paths = root.paths
        results = evaluate(root.open())
        versions = root.commit("linear_evaluation")
        plots = paths.plots_dir / "linear_evaluation"
        return dg.MaterializeResult(
            data_version=versions.of(paths.embeddings_dir),
            metadata={
                "test accuracy": as_table(pd.DataFrame([row for result in results for row in _rows(result)])),
                "recall by region": as_table(
                    pd.DataFrame({r.encoder: r.full["recall"] for r in results}).reset_index(names="region")
                ),
                "accuracy by share of labels": as_image(plots / "label_fractions.png"),
                "confusion": as_image(*(plots / f"confusion_{r.encoder}.png" for r in results)),
                "embedding map": as_image(*(plots / f"embedding_map_{r.encoder}.png" for r in results)),
            },
        )

    return linear_evaluation


def _rows(result: "EncoderEvaluation") -> list[dict[str, object]]:
    named = {f"{fraction:.0%} of labels": i for fraction, i in result.fractions.items()}
    named["nearest neighbours"] = result.neighbours
    return [
        {"encoder": result.encoder, "probe": name, "accuracy": i.value, "low": i.low, "high": i.high}
        for name, i in named.items()
    ]
