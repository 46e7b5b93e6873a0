"""The encoders: an asset a method, made by one step, which trains them side by side on a CPU; in the pool `gpu`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd

from dagster_project.core.dagster_helpers import GPU, LEARNERS, as_image, as_table
from dagster_project.core.paths import CROSSFIT
from dagster_project.core.plotting import drawing
from dagster_project.intake.resources import RootResource

if TYPE_CHECKING:
    from dagster_project.learning.pretraining.encoder import EncoderSummary

_METHOD_OF = {
    "encoder_simclr": "simclr",
    "encoder_byol": "byol",
    "encoder_supcon": "supcon",
    CROSSFIT: "crossfit",
}
_ABOUT = {
    "simclr": "Encoder pretrained without labels: two views of an image attract (Chen et al. 2020).",
    "byol": "Encoder pretrained without labels: one view predicts the other (Grill et al. 2020).",
    "supcon": "Encoder pretrained with the training labels, wrong ones included (Khosla et al. 2020).",
    "crossfit": "One SupCon encoder a fold, trained on the other folds: the only ones with labels that may judge any.",
}


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            name,
            deps=["training_set", "radiograph_pixels"],
            group_name="pretraining",
            description=_ABOUT[method],
            owners=[LEARNERS],
            kinds={"pytorch", "lightning"},
        )
        for name, method in _METHOD_OF.items()
    ],
    can_subset=True,
    pool=GPU,
)
def encoders(context: dg.AssetExecutionContext, root: RootResource) -> Iterator[dg.MaterializeResult]:
    """Pretrain the chosen encoders.

    Where labels are few the later two begin from `encoder_simclr`. That is no edge of the graph: within one step
    Dagster compares with the version from before the step, and would call them out of date for ever.
    """
    from dagster_project.learning.pretraining.pretrain import pretrain  # torch and Lightning take seconds to import

    chosen = {key.to_user_string() for key in context.selected_asset_keys}
    names = [name for name in _METHOD_OF if name in chosen]
    summaries = pretrain(root.open(), *(_METHOD_OF[name] for name in names))
    for name in names:
        yield _result(root, name, [s for s in summaries if s.name.split("/")[0] == name])


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
