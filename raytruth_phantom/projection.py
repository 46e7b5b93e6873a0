"""Perspective projection of closed surfaces: how many millimetres of each material every ray crosses.

For a closed, outward-oriented surface the path length of a ray inside is the sum of the depths at which it leaves
minus the sum of those at which it enters. So every triangle is drawn once, its depth added to the pixels it covers
with the sign of its orientation: exact for any shape, hollow or not, and linear in the number of triangles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raytruth_phantom.meshes import Mesh
from raytruth_phantom.rasteriser import signed_depth

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Beam:
    """A point source and a flat detector.

    `origin` (3,): the point, in mm, that the central ray passes through and that `source_to_origin` is measured to.
    `axes` (3, 3): rows are the unit vectors of the detector's columns (right), its rows (down), and the beam's
    direction. `pitch`: detector pixel in mm. `shape`: rows, columns. `centre`: where the central ray falls, as a row
    and a column.
    """

    origin: NDArray[np.float64]
    axes: NDArray[np.float64]
    source_to_origin: float
    source_to_detector: float
    pitch: float
    shape: tuple[int, int]
    centre: tuple[float, float]

    def to_pixels(self, points: NDArray[np.floating]) -> Float32:
        """Project `points` (N, 3) mm: (3, N), column and row in pixels and depth in mm beyond the origin."""
        axes = self.axes.astype(np.float32)
        # einsum, not BLAS: the same bits for any number of threads
        local = np.einsum("ij,nj->in", axes, points.astype(np.float32) - self.origin.astype(np.float32))
        scale = np.float32(self.source_to_detector / self.pitch) / np.maximum(
            local[2] + np.float32(self.source_to_origin), 1
        )
        local[0] = local[0] * scale + np.float32(self.centre[1])
        local[1] = local[1] * scale + np.float32(self.centre[0])
        return local

    def obliquity(self) -> Float32:
        """Path length per millimetre of depth for each pixel's ray, (rows, columns), 1 at the central ray."""
        rows = (np.arange(self.shape[0], dtype=np.float32) - self.centre[0]) * self.pitch / self.source_to_detector
        columns = (np.arange(self.shape[1], dtype=np.float32) - self.centre[1]) * self.pitch / self.source_to_detector
        return np.sqrt(1 + rows[:, None] ** 2 + columns[None, :] ** 2).astype(np.float32)

    def coarser(self, factor: int) -> Beam:
        """The same beam on pixels `factor` times larger, for smooth things that need no detail."""
        shape = (-(-self.shape[0] // factor), -(-self.shape[1] // factor))
        # the sample of a coarse pixel lies in the middle of its fine pixels
        row, column = ((c + 0.5) / factor - 0.5 for c in self.centre)
        return Beam(
            self.origin,
            self.axes,
            self.source_to_origin,
            self.source_to_detector,
            self.pitch * factor,
            shape,
            (row, column),
        )


def path_lengths(meshes: list[Mesh], channels: list[int], beam: Beam, layers: int = 1) -> Float32:
    """Millimetres of path inside each channel's meshes along every pixel's ray, (layers, rows, columns).

    `channels`: the layer, 0 to `layers` - 1, to which each mesh is added. A mesh with a mirroring transform already
    applied must have its faces turned (`Mesh.transformed` does). Meshes of one channel add up: where two of them
    overlap, the overlap counts twice.
    """
    if not meshes:
        return np.zeros((layers, *beam.shape), np.float32)
    start = np.cumsum([0] + [len(m.vertices) for m in meshes[:-1]])
    faces = np.concatenate([m.faces + s for m, s in zip(meshes, start, strict=True)])
    channel = np.repeat(np.asarray(channels, np.intp), [len(m.faces) for m in meshes])
    corners = beam.to_pixels(np.concatenate([m.vertices for m in meshes]))
    return signed_depth(corners, faces, channel, (layers, *beam.shape)) * beam.obliquity()
