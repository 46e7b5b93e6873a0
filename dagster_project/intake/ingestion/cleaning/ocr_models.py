"""Two small networks that find and read lines of text: PP-OCRv4, from the package rapidocr-onnxruntime.

Only the model files of the package are used (Apache-2.0; nothing is downloaded); onnxruntime runs them in one thread.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

STRIDE = 32  # px: both sides of the finding network's input must be a multiple of this
_LINE = 48  # px: height of the reading network's input
_LONGEST = 1200  # px: maximum width of that input
_BLANK = 0  # the reading network's class for "no letter"


def text_map(image: np.ndarray) -> np.ndarray:
    """For each pixel of a uint8 image (rows, columns), the probability of the core of a line of text; 0..1.

    The core is the line without about a fifth at the top and at the bottom (Liao et al. 2020, arXiv 1911.08947).
    """
    rows, columns = image.shape
    padded = np.pad(image, ((0, -rows % STRIDE), (0, -columns % STRIDE)), mode="edge")
    (found,) = _session("ch_PP-OCRv4_det_infer").run(None, {"x": _as_input(padded)})
    return found[0, 0, :rows, :columns]


def read_line(image: np.ndarray) -> tuple[str, float]:
    """The text in a uint8 image (rows, columns) of one line, and the mean confidence of the letters in 0..1."""
    rows, columns = image.shape
    width = int(np.clip(round(_LINE * columns / rows / 8) * 8, _LINE, _LONGEST))
    line = np.asarray(Image.fromarray(image).resize((width, _LINE), Image.Resampling.BILINEAR))
    session = _session("ch_PP-OCRv4_rec_infer")
    (found,) = session.run(None, {"x": _as_input(line)})
    steps = found[0]  # (steps, letters)
    letters, confidence = steps.argmax(axis=1), steps.max(axis=1)
    kept = (letters != _BLANK) & np.r_[True, letters[1:] != letters[:-1]]  # CTC: a repeated letter counts once
    if not kept.any():
        return "", 0.0
    alphabet = _alphabet()
    return "".join(alphabet[letter] for letter in letters[kept]), float(confidence[kept].mean())


def _as_input(image: np.ndarray) -> np.ndarray:
    """A grey image as three equal channels in -1..1: float32 (1, 3, rows, columns)."""
    scaled = image.astype(np.float32) / 127.5 - 1
    return np.repeat(scaled[None, None], 3, axis=1)


@cache
def _alphabet() -> tuple[str, ...]:
    listed = _session("ch_PP-OCRv4_rec_infer").get_modelmeta().custom_metadata_map["character"].splitlines()
    return "", *listed, " "


@cache
def _session(name: str) -> InferenceSession:
    import onnxruntime

    from dagster_project.intake.ingestion.cleaning.onnx_graph_rewrites import folded

    spec = find_spec("rapidocr_onnxruntime")  # not imported, because the package would load OpenCV
    folder = Path((spec.submodule_search_locations or [""])[0] if spec else "")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # there is one worker process per core
    options.enable_cpu_mem_arena = False  # images differ in size, and the arena would keep memory for each size
    model = folded(folder / "models" / f"{name}.onnx")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
