"""The encoders: one asset per method, made in one step, several at once on a CPU; one for all plugged-in encoders."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd

from dagster_project.core.dagster_helpers import GPU, LEARNERS, as_image, as_table
from dagster_project.core.plotting import drawing
from dagster_project.core.settings.settings import Settings
from dagster_project.intake.resources import RootResource
from dagster_project.learning.pretraining.methods import CROSSFIT
from dagster_project.learning.pretraining.methods_on import methods_on

if TYPE_CHECKING:
    from dagster_project.learning.pretraining.plan import EncoderSummary


def encoder_assets(settings: Settings) -> dg.AssetsDefinition:
    """One asset for each method that is on, and one for the encoders of the folds."""
    methods = {method.encoder: method for method in (*methods_on(settings), CROSSFIT)}

    @dg.multi_asset(
        specs=[
            dg.AssetSpec(
                method.encoder,
                deps=["training_set", "radiograph_pixels"],
                group_name="pretraining",
                description=method.about,
                owners=[LEARNERS],
                kinds={"pytorch", "lightning"},
            )
            for method in methods.values()
        ],
        can_subset=True,
        pool=GPU,
    )
    def encoders(context: dg.AssetExecutionContext, root: RootResource) -> Iterator[dg.MaterializeResult]:
        """Pretrain the selected encoders.

        If labels are few, encoders that see labels start from the reference encoder. The graph has no edge for this:
        within one step Dagster compares with the version before the step, and would always report them as outdated.
        """
        from dagster_project.learning.pretraining.pretrain import pretrain  # torch and Lightning take seconds to import

        chosen = {key.to_user_string() for key in context.selected_asset_keys}
        names = [name for name in methods if name in chosen]
        summaries = pretrain(root.open(), *(methods[name].name for name in names))
        for name in names:
            if not summaries:
                yield _not_trained(root, name)
                continue
            yield _result(root, name, [s for s in summaries if s.name.split("/")[0] == name])

    return encoders


@dg.asset(deps=["radiograph_pixels"], group_name="pretraining", owners=[LEARNERS], kinds={"onnx"})
def plugged_in_encoders(root: RootResource) -> dg.MaterializeResult:
    """Encoders from elsewhere, each with its card: tried on images of this root."""
    from dagster_project.learning.encoders.plugged_in import check_plugged_in

    tried = check_plugged_in(root.open())
    versions = root.commit("plugged_in_encoders")
    rows = [{"encoder": t.encoder, "ms per image": round(1000 * t.seconds_per_image, 1), **t.card} for t in tried]
    return dg.MaterializeResult(
        data_version=versions.of(root.paths.plugged_in),
        metadata={"encoders": len(rows)} | ({"cards": as_table(pd.DataFrame(rows))} if rows else {}),
    )


def _not_trained(root: RootResource, name: str) -> dg.MaterializeResult:
    versions = root.commit(name)
    return dg.MaterializeResult(
        asset_key=name,
        data_version=versions.of(root.paths.encoder(name)),
        metadata={"trained": "no: the profile in use trains no encoder"},
    )


def _result(root: RootResource, name: str, summaries: "list[EncoderSummary]") -> dg.MaterializeResult:
    paths = root.paths
    versions = root.commit(name)
    curves = pd.DataFrame({s.name.split("/")[-1]: s.curve for s in summaries})
    image = paths.private / f"{name}.png"
    with drawing(image, width=6, height=3.2) as axes:
        curves.plot(ax=axes, xlabel="epoch", ylabel="loss", grid=True)
    shown = as_image(image)
    image.unlink()
    rows = [(s.name, s.images, s.labels, s.curve[0], s.curve[-1]) for s in summaries]
    columns = ["encoder", "images", "labels seen", "first loss", "last loss"]
    return dg.MaterializeResult(
        asset_key=name,
        data_version=versions.of(paths.encoder(name)),
        metadata={"training": as_table(pd.DataFrame(rows, columns=columns)), "loss": shown},
    )
