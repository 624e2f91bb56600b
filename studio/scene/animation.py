"""Animation curves on any field of an entity or material.

A track is a `Curve` stored in `Scene.tracks` under "<id>.<field>" (or "<id>.<field>[i]" for one item of a tuple).
Times are frames at the scene's fps, values rows of `dim` floats. Rotations are quaternions and interpolate on the
sphere when `interpolation` is linear.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Keys of one field. `interpolation` is "step", "linear", "cubic" (glTF's cubic spline: tangents are slopes per
    frame) or "bezier" (tangents are handle offsets (frames, value)). `pre` and `post` say what happens outside:
    "hold", "linear", "loop", "pingpong", "offset" (loop that accumulates)."""

    times: F64  # (k,), strictly rising, frames
    values: F64  # (k, dim)
    interpolation: str = "linear"
    in_tangents: F64 | None = None  # cubic: (k, dim); bezier: (k, dim, 2)
    out_tangents: F64 | None = None
    pre: str = "hold"
    post: str = "hold"
    rotation: bool = False  # values are unit quaternions x, y, z, w
