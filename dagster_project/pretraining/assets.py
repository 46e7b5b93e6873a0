"""The encoders, one asset a method, in the pool `gpu`."""

from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd

from dagster_project.layout import CROSSFIT
from dagster_project.pictures import drawing
from dagster_project.resources import GPU, LEARNERS, Root, as_picture, as_table

if TYPE_CHECKING:
    from dagster_project.pretraining.pretrain import EncoderSummary

_ABOUT = {
    "simclr": "Encoder pretrained without labels: two views of a picture attract (Chen et al. 2020).",
    "byol": "Encoder pretrained without labels: one view predicts the other (Grill et al. 2020).",
    "supcon": "Encoder pretrained with the training labels, wrong ones included (Khosla et al. 2020).",
}


def _encoder(method: str) -> dg.AssetsDefinition:
    name = f"encoder_{method}"

    @dg.asset(
        name=name,
        deps=["training_set", "radiograph_pixels"],
        group_name="pretraining",
        description=_ABOUT[method],
        owners=[LEARNERS],
        kinds={"pytorch", "lightning"},
        pool=GPU,
    )
    def encoder(root: Root) -> dg.MaterializeResult:
        from dagster_project.pretraining.pretrain import pretrain  # torch and Lightning take seconds to import

        return _result(root, name, [pretrain(root.layout, root.params, method)])

    return encoder


encoder_simclr, encoder_byol, encoder_supcon = map(_encoder, _ABOUT)


@dg.asset(
    deps=["training_set", "radiograph_pixels"],
    group_name="pretraining",
    owners=[LEARNERS],
    kinds={"pytorch", "lightning"},
    pool=GPU,
)
def encoder_supcon_crossfit(root: Root) -> dg.MaterializeResult:
    """One SupCon encoder a fold, trained on the other folds: the only ones with labels that may judge labels."""
    from dagster_project.pretraining.pretrain import pretrain_crossfit

    return _result(root, CROSSFIT, pretrain_crossfit(root.layout, root.params))


def _result(root: Root, name: str, summaries: "list[EncoderSummary]") -> dg.MaterializeResult:
    layout = root.layout
    versions = root.commit(name)
    curves = pd.DataFrame({s.name.split("/")[-1]: s.curve for s in summaries})
    picture = layout.private / f"{name}.png"
    with drawing(picture, width=6, height=3.2) as axes:
        curves.plot(ax=axes, xlabel="epoch", ylabel="loss", grid=True)
    shown = as_picture(picture)
    picture.unlink()
    rows = [(s.name, s.pictures, s.labels, s.curve[0], s.curve[-1]) for s in summaries]
    columns = ["encoder", "pictures", "labels seen", "first loss", "last loss"]
    return dg.MaterializeResult(
        data_version=versions.of(layout.encoder(name)),
        metadata={"training": as_table(pd.DataFrame(rows, columns=columns)), "loss": shown},
    )
