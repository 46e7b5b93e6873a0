"""Draws the triangles of closed surfaces: adds each one's depth, signed by its orientation, to the pixels it covers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]
Index = NDArray[np.intp]

_SUBPIXEL = 16  # vertices snap to this fraction of a pixel: edge tests are exact integers, so meshes stay watertight
_TILES = np.array([3, 5, 8, 16, 32])  # pixels; triangles are drawn together, by the tile that holds them
_CHUNK = 1 << 15  # candidate pixels handled at once, so that the work stays in the processor's cache
_FAR = (-(1 << 14), 1 << 15)  # snapped coordinates are clipped here, beyond any detector: products fit 32 bits


class _Points(NamedTuple):
    """One corner of every triangle, in subpixels."""

    x: Int32
    y: Int32


class _Linear(NamedTuple):
    """A quantity linear over the image, one per triangle: its value at the tile's first pixel and its steps."""

    start: NDArray[Any]
    right: NDArray[Any]
    down: NDArray[Any]

    def on(self, members: Index, rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[Any]:
        """Its values on the members' tiles, (rows, columns, triangles): triangles last, for long inner loops."""
        start, right, down = (v[members] for v in self)
        return (start + down * rows[:, None])[:, None] + right * columns[:, None]


def signed_depth(corners: Float32, faces: Index, layer: Index, shape: tuple[int, int, int]) -> Float32:
    """Sum over triangles of orientation times depth at each pixel centre.

    `corners` (3, V): column, row and depth in mm of each vertex. `faces` (F, 3), wound outward; `layer` (F,): the
    image each face is added to. `shape`: layers, rows, columns. Returns (layers, rows, columns) in mm: for a closed
    surface the depth at which rays leave it minus that at which they enter.
    """
    layers, rows, columns = shape
    kept, (a, b, c), low, extent = _covering(corners[:2], np.ascontiguousarray(faces.T), (rows, columns))
    area = _cross(a, b, c)  # twice the area
    turned = area < 0  # every triangle is drawn with positive area; the sign keeps its orientation
    b, c = _either(turned, c, b), _either(turned, b, c)
    za, zb, zc = (corners[2][faces[kept, i]] for i in range(3))
    zb, zc = np.where(turned, zc, zb), np.where(turned, zb, zc)

    ab, bc, ca = (_edge(p, q, low) for p, q in ((a, b), (b, c), (c, a)))
    # depth is the mean of the corners', each weighted by the value of the edge opposite to it
    scale = np.float32(1) / np.where(area == 0, 1, area).astype(np.float32)
    plane = _Linear(*((scale * (bc[i] * za + ca[i] * zb + ab[i] * zc)).astype(np.float32) for i in range(3)))
    edges = [_open_on_one_side(edge) for edge in (ab, bc, ca)]

    pad = int(_TILES[-1])  # tiles may reach beyond the last row and column
    stride = columns + pad
    first = (layer[kept] * (rows + pad) + low.y // _SUBPIXEL) * stride + low.x // _SUBPIXEL
    total = np.zeros(layers * (rows + pad) * stride)
    for members, size in _tiles(extent, area != 0):
        _draw(members, size, edges, plane, first, stride, total)
    return total.reshape(layers, rows + pad, stride)[:, :rows, :columns].astype(np.float32)


def _covering(
    pixels: Float32, faces: Index, shape: tuple[int, int]
) -> tuple[Index, list[_Points], _Points, tuple[Int32, Int32]]:
    """The triangles with a pixel centre in their box: indices, corners, the box's first pixel, its rows and columns."""
    snapped = np.clip(np.rint(pixels * _SUBPIXEL), *_FAR).astype(np.int32)
    boxes: list[tuple[Int32, Int32]] = []
    kept: Index | slice = slice(None)
    for line, size in zip(snapped, shape[::-1], strict=True):  # columns, then rows of what is left
        a, b, c = (line[f[kept]] for f in faces)
        low = np.maximum(-(-np.minimum(np.minimum(a, b), c) // _SUBPIXEL), 0)
        high = np.minimum(np.maximum(np.maximum(a, b), c) // _SUBPIXEL, size - 1)
        inside = np.flatnonzero(high >= low)
        boxes = [(v[inside], n[inside]) for v, n in boxes] + [(low[inside], (high - low + 1)[inside])]
        kept = inside if isinstance(kept, slice) else kept[inside]
    assert not isinstance(kept, slice)
    corners = [_Points(snapped[0][f[kept]], snapped[1][f[kept]]) for f in faces]
    (x, width), (y, height) = boxes
    return kept, corners, _Points(x * _SUBPIXEL, y * _SUBPIXEL), (height, width)


def _tiles(extent: tuple[Int32, Int32], drawn: NDArray[np.bool_]) -> Iterator[tuple[Index, tuple[int, int]]]:
    """Triangles of about one size together: their indices and the rows and columns of the tile that holds each."""
    rows, columns = (np.searchsorted(_TILES, n).astype(np.uint8) for n in extent)
    key = np.where(drawn, rows * np.uint8(16) + columns, np.uint8(255))
    order = np.argsort(key, kind="stable")  # a radix sort
    for members in np.split(order, np.flatnonzero(np.diff(key[order])) + 1) if len(order) else ():
        row, column = divmod(int(key[members[0]]), 16)
        if row == 15:  # triangles seen edge on cover nothing
            continue
        if max(row, column) == len(_TILES):  # larger than any tile: one at a time, on its own box
            yield from ((members[i : i + 1], (extent[0][m], extent[1][m])) for i, m in enumerate(members))
            continue
        size = int(_TILES[row]), int(_TILES[column])
        step = max(1, _CHUNK // (size[0] * size[1]))
        yield from ((members[i : i + step], size) for i in range(0, len(members), step))


def _draw(
    members: Index,
    size: tuple[int, int],
    edges: list[_Linear],
    plane: _Linear,
    first: Index,
    stride: int,
    total: NDArray[np.float64],
) -> None:
    rows, columns = (np.arange(n, dtype=np.int32) for n in size)
    ab, bc, ca = (edge.on(members, rows, columns) for edge in edges)
    # an integer is negative exactly if its sign bit is set: one test for the three edges
    inside = np.flatnonzero(((ab | bc | ca) >= 0).ravel())
    if not len(inside):
        return
    depth = plane.on(members, rows.astype(np.float32), columns.astype(np.float32)).ravel()[inside]
    offset = (rows[:, None] * stride + columns).ravel()
    pixel = first[members[inside % len(members)]] + offset[inside // len(members)]
    begin = int(pixel.min())
    added = np.bincount(pixel - begin, depth)
    total[begin : begin + len(added)] += added


def _either(condition: NDArray[np.bool_], yes: _Points, no: _Points) -> _Points:
    return _Points(np.where(condition, yes.x, no.x), np.where(condition, yes.y, no.y))


def _cross(p: _Points, q: _Points, r: _Points) -> Int32:
    """The cross product of p to q with p to r, twice the triangle's signed area."""
    return (q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x)


def _edge(p: _Points, q: _Points, at: _Points) -> _Linear:
    """The edge function of p to q (positive on the inner side) at a point, and its change a pixel right and down."""
    return _Linear(_cross(p, q, at), (p.y - q.y) * np.int32(_SUBPIXEL), (q.x - p.x) * np.int32(_SUBPIXEL))


def _open_on_one_side(edge: _Linear) -> _Linear:
    """Lowered by one where the edge itself belongs to the neighbour: a pixel on a shared edge is drawn exactly once."""
    owned = (edge.right > 0) | ((edge.right == 0) & (edge.down > 0))
    return _Linear(edge.start - ~owned, edge.right, edge.down)
