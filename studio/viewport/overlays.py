"""What is drawn over a picture of the scene: grid, icons, shapes of lights, cameras, names, gate.

`overlay_batch` reads the flat scene and gives arrays; `OverlayPass` draws them. It runs with every frame, so all that
depends on the number of lights is one array operation for all of them. Colours say what a thing is: orange what is
selected, the brighter one what was selected last, cyan what a click would take, grey and struck through what is
silent; an unselected light wears its own colour.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from studio.scene.entities import Camera, Entity, Group, Id, Path
from studio.scene.flat import FlatScene
from studio.scene.placement import Placement, placement
from studio.scene.scene import Scene
from studio.scene.transforms import Bool, rigid
from studio.viewport.camera import ViewCamera
from studio.viewport.framing import below
from studio.viewport.gate import gate_drawing
from studio.viewport.overlay_grid import grid_lines
from studio.viewport.overlay_records import (
    DIMMED,
    ICON,
    NO_LINES,
    RING,
    STRUCK,
    Drawing,
    Label,
    OverlayBatch,
    Rows,
    lines,
)
from studio.viewport.overlay_shapes import frustum, light_shapes
from studio.viewport.snapping import grid_spacing
from studio.viewport.view import Look, Overlays, Statistics

__all__ = ["Drawing", "HudLine", "Icons", "OverlayBatch", "hud_lines", "overlay_batch"]

F64 = NDArray[np.float64]

SELECTED: tuple[float, float, float] = (1.0, 0.55, 0.10)
ACTIVE: tuple[float, float, float] = (1.0, 0.74, 0.36)
HOVERED: tuple[float, float, float] = (0.30, 0.88, 1.0)
SILENT: tuple[float, float, float] = (0.46, 0.46, 0.48)
PLAIN: tuple[float, float, float] = (0.80, 0.80, 0.84)
ICON_PX, REACH_PX = 26.0, 14.0  # logical pixels: an icon's side, and how near a click must come to its middle
GLYPHS: Mapping[str, int] = {
    "point": 0,
    "spot": 1,
    "rectangle": 2,
    "disk": 3,
    "sphere": 4,
    "cylinder": 5,
    "distant": 6,
    "dome": 7,
    "camera": 8,
    "group": 9,
    "dot": 10,
    "target": 11,
    "strength": 12,
    "portal": 13,
}
_AT_EYE_M = 0.05  # a scene camera this near to the eye is where one stands: its shape would be a smear over the picture
_FAINT = 0.66  # of the colour of an icon, for the shape around it
_MOST_NAMES = 250


@dataclass(frozen=True, slots=True, eq=False)
class Icons:
    """Icons as they stand on the screen: entity, middle (n, 2) and side (n,) in device pixels, distance ahead (n,)."""

    ids: Sequence[Id] = ()
    at: F64 = field(default_factory=lambda: np.zeros((0, 2)))
    size: F64 = field(default_factory=lambda: np.zeros(0))
    ahead: F64 = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def of(cls, batch: OverlayBatch, camera: ViewCamera, width: float, height: float) -> Icons:
        """Where the icons of a batch are drawn by a camera."""
        seen = camera.project(batch.icons["at"], width, height)
        keep = np.flatnonzero((seen[:, 2] > 0) | camera.orthographic)
        ids = [batch.icon_ids[i] for i in keep.tolist()]
        return cls(ids, seen[keep, :2], batch.icons["size"][keep].astype(np.float64), seen[keep, 2])

    def under(self, x: float, y: float, ratio: float) -> list[Id]:
        """Those at a pixel: icons whose middle is nearest first, of those about as near the foremost."""
        if not len(self.ids):
            return []
        away = np.hypot(self.at[:, 0] - x, self.at[:, 1] - y)
        close = np.flatnonzero(away <= np.maximum(self.size / 2, REACH_PX * ratio))
        order = close[np.lexsort((self.ahead[close], np.round(away[close] / (4.0 * ratio))))]
        return [id_ for id_ in dict.fromkeys(self.ids[i] for i in order.tolist()) if id_]

    def within(self, x0: float, y0: float, x1: float, y1: float) -> list[Id]:
        """Those whose middle lies in a rectangle."""
        x, y = self.at.T
        found = np.flatnonzero((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)).tolist()
        return [id_ for id_ in dict.fromkeys(self.ids[i] for i in found) if id_]


def overlay_batch(
    scene: Scene,
    flat: FlatScene,
    camera: ViewCamera,
    overlays: Overlays,
    *,
    selection: Sequence[Id] = (),
    hovered: Id = "",
    gizmo: Sequence[Drawing] = (),
    size: tuple[int, int],
    pixel_ratio: float = 1.0,
    isolated: Collection[Id] = (),
    through: Id = "",
    aspect: float = 16 / 9,
) -> OverlayBatch:
    """Everything to draw over one picture of `size` device pixels.

    `gizmo` is what the tools show, one over the other and over all else; `through` is the entity looked through, which
    is not drawn itself; `aspect` is that of the rendered picture, for the gate.
    """
    width, height = size
    places = placement(flat)
    state = _State(places, selection, hovered, isolated, through)
    state.leave_out_cameras_at(camera)
    parts: list[Rows] = [NO_LINES]
    if overlays.grid or overlays.axes:
        parts.append(grid_lines(camera, size, pixel_ratio, lines=overlays.grid, axes=overlays.axes))
    icons, ids = _icons(state, camera, size, pixel_ratio, overlays)
    if overlays.outlines:
        parts.append(_light_lines(state, camera, size, pixel_ratio))
        parts.append(_group_lines(state, camera, size, pixel_ratio))
    if overlays.frusta:
        parts.append(_frusta(state, camera, size, pixel_ratio))
    gate = Drawing()
    if overlays.gate or overlays.safe_frames:
        gate = gate_drawing(
            aspect, width, height, safe_frames=overlays.safe_frames, ratio=pixel_ratio, shade=0.55 if through else 0.35
        )
    return OverlayBatch(
        lines=np.concatenate([*parts, gate.lines]),
        corners=gate.corners,
        icons=icons,
        icon_ids=ids,
        labels=(*_names(state, camera, size, pixel_ratio, overlays), *(label for d in gizmo for label in d.labels)),
        top=tuple(gizmo),
        pixel_ratio=pixel_ratio,
        grid_m=grid_spacing(camera.metres_per_pixel(camera.pivot, *size) * pixel_ratio) if overlays.grid else 0.0,
    )


class _State:
    """Columns over all entities that say how each is drawn."""

    def __init__(
        self, places: Placement, selection: Sequence[Id], hovered: Id, isolated: Collection[Id], through: Id
    ) -> None:
        n = len(places.ids)
        self.places = places
        self.selected = np.zeros(n, np.bool_)
        rows = [places.row[id_] for id_ in selection if id_ in places.row]
        self.selected[rows] = True
        self.active = rows[-1] if rows else -1
        self.hovered = places.row.get(hovered, -1)
        self.through = places.row.get(through, -1)
        self.shown = ~places.hidden & ~places.broken
        if isolated:
            self.shown = self.shown & below(places, isolated)
        if self.through >= 0:
            self.shown = self.shown.copy()
            self.shown[self.through] = False

    def leave_out_cameras_at(self, camera: ViewCamera) -> None:
        """Leave out cameras that stand where the view does; a parallel view stands nowhere."""
        rows = self.places.camera_rows
        if camera.orthographic or not len(rows):
            return
        away = np.linalg.norm(self.places.world[rows][:, :, 3] - camera.eye, axis=1)
        self.shown = self.shown.copy()
        self.shown[rows[away < _AT_EYE_M]] = False

    def strong(self, rows: NDArray[np.intp]) -> Bool:
        """Which rows are selected or hovered."""
        return np.asarray(self.selected[rows] | (rows == self.hovered))

    def colours(self, rows: NDArray[np.intp], own: F64, alpha: float) -> F64:
        """(n, 4) colours: `own` (n, 3) unless something more is to be said of them."""
        out = np.empty((len(rows), 4))
        out[:, :3], out[:, 3] = own, alpha
        strong = self.selected[rows]
        out[strong, :3], out[strong, 3] = SELECTED, 1.0
        out[rows == self.active, :3] = ACTIVE
        hot = rows == self.hovered
        out[hot & ~strong, :3], out[hot, 3] = HOVERED, 1.0
        return out


def metres_per_pixel(camera: ViewCamera, points: F64, width: float, height: float) -> F64:
    """(n,) how long a device pixel is at points (n, 3)."""
    hx, _ = camera.half_extents(width, height)
    if camera.orthographic:
        return np.full(len(points), 2.0 * hx / width)
    return np.asarray(2.0 * hx / width * np.maximum((points - camera.eye) @ camera.forward, camera.near_m))


# --- lights ----------------------------------------------------------------------------------------------------------
def _own_colours(state: _State) -> F64:
    """(lights, 3) display colours of light entities: the hue of what they emit, grey when silent."""
    places = state.places
    emission = np.maximum(places.lights["emission"].astype(np.float64), 0.0)
    peak = emission.max(axis=1, keepdims=True)
    hue = np.where(peak > 0, emission / np.where(peak > 0, peak, 1.0), 1.0)
    out = 0.30 + 0.68 * np.sqrt(hue)
    out[places.silent[places.light_rows]] = SILENT
    return np.asarray(out)


def _light_lines(state: _State, camera: ViewCamera, size: tuple[int, int], ratio: float) -> Rows:
    rows = state.places.light_rows
    keep = state.shown[rows]
    rows = rows[keep]
    if not len(rows):
        return NO_LINES
    matrices = rigid(state.places.world[rows])
    strong = state.strong(rows)
    rgba = state.colours(rows, _own_colours(state)[keep] * _FAINT, 1.0)
    metres = metres_per_pixel(camera, matrices[:, :, 3], *size) * ratio
    width = np.where(strong, 1.8, 1.2) * ratio
    return light_shapes(state.places.lights[keep], matrices, metres, rgba, width, strong, facing=camera.world[:, :3])


def _icons(
    state: _State, camera: ViewCamera, size: tuple[int, int], ratio: float, overlays: Overlays
) -> tuple[Rows, list[Id]]:
    """ICON rows of lights, cameras and paths in view, far ones first and what is selected last, and their ids."""
    places = state.places
    paths = _path_rows(places)
    rows = np.concatenate([places.light_rows, places.camera_rows, paths])
    own = np.concatenate([_own_colours(state), np.full((len(places.camera_rows) + len(paths), 3), PLAIN)])
    at = places.world[rows][:, :, 3]
    seen = camera.project(at, *size) if len(rows) else np.zeros((0, 3))
    edge = ICON_PX * ratio
    inside = (np.abs(seen[:, 0] - size[0] / 2) < size[0] / 2 + edge) & (
        np.abs(seen[:, 1] - size[1] / 2) < size[1] / 2 + edge
    )
    keep = state.shown[rows] & inside & ((seen[:, 2] > 0) | camera.orthographic)
    if not overlays.icons:
        keep &= False
    strong = state.strong(rows)
    order = np.lexsort((-seen[:, 2], strong))
    order = order[keep[order]]
    chosen = rows[order]
    out = np.zeros(len(order), ICON)
    out["at"] = at[order]
    out["rgba"] = state.colours(chosen, own[order], 0.92)
    out["size"] = np.where(strong[order], ICON_PX * 1.12, ICON_PX) * ratio
    out["glyph"] = [glyph(places.entities[row]) for row in chosen.tolist()]
    out["flags"] = np.where(places.silent[chosen] & (order < len(places.light_rows)), STRUCK, 0) | np.where(
        state.selected[chosen], RING, 0
    )
    out["mode"] = DIMMED
    return out, [places.ids[row] for row in chosen.tolist()]


def _path_rows(places: Placement) -> NDArray[np.intp]:
    """Rows of paths, which are clicked at their origin."""
    if Path not in set(map(type, places.entities)):
        return np.zeros(0, np.intp)
    return np.flatnonzero([isinstance(entity, Path) for entity in places.entities])


def glyph(entity: Entity) -> int:
    """The shape of an entity's icon."""
    if isinstance(entity, Path):
        return GLYPHS["target"]
    kind = getattr(entity, "light", None)
    return GLYPHS.get(kind, 0) if kind is not None else GLYPHS["camera" if isinstance(entity, Camera) else "group"]


# --- the rest --------------------------------------------------------------------------------------------------------
def _frusta(state: _State, camera: ViewCamera, size: tuple[int, int], ratio: float) -> Rows:
    places = state.places
    parts = []
    rows = places.camera_rows[state.shown[places.camera_rows]]
    colours = state.colours(rows, np.full((len(rows), 3), PLAIN) * _FAINT, 1.0)
    for row, rgba in zip(rows.tolist(), colours.tolist(), strict=True):
        entity, world = places.entities[row], places.world[row]
        metres = float(metres_per_pixel(camera, world[None, :, 3], *size)[0]) * ratio
        if isinstance(entity, Camera):
            parts.append(frustum(entity, world, metres, tuple(rgba), 1.3 * ratio))
    return np.concatenate(parts) if parts else NO_LINES


def _group_lines(state: _State, camera: ViewCamera, size: tuple[int, int], ratio: float) -> Rows:
    """A cross where a selected or hovered group stands: it has nothing else to be seen by."""
    places = state.places
    rows = [row for row in (*np.flatnonzero(state.selected).tolist(), state.hovered) if row >= 0 and state.shown[row]]
    rows = [row for row in dict.fromkeys(rows) if isinstance(places.entities[row], Group)]
    if not rows:
        return NO_LINES
    matrices = rigid(places.world[rows])
    arm = metres_per_pixel(camera, matrices[:, :, 3], *size) * 14.0 * ratio
    centre = np.repeat(matrices[:, :, 3], 3, axis=0)
    off = (matrices[:, :, :3].transpose(0, 2, 1) * arm[:, None, None]).reshape(-1, 3)
    rgba = np.repeat(state.colours(np.array(rows), np.full((len(rows), 3), PLAIN), 0.9), 3, axis=0)
    return lines(centre - off, centre + off, rgba, width=1.5 * ratio)


def _names(
    state: _State, camera: ViewCamera, size: tuple[int, int], ratio: float, overlays: Overlays
) -> tuple[Label, ...]:
    """Names beside lights and cameras, the nearest first and none over another."""
    if not overlays.names:
        return ()
    places = state.places
    rows = np.concatenate([places.light_rows, places.camera_rows, np.flatnonzero(state.selected)])
    rows = np.unique(rows[state.shown[rows]])
    if not len(rows):
        return ()
    seen = camera.project(places.world[rows][:, :, 3], *size)
    x, y, ahead = seen.T
    on = ((ahead > 0) | camera.orthographic) & (x > 0) & (x < size[0]) & (y > 0) & (y < size[1])
    order = np.lexsort((ahead, ~state.strong(rows)))
    colours = state.colours(rows, np.full((len(rows), 3), PLAIN), 0.85)
    out: list[Label] = []
    taken: set[tuple[int, int]] = set()
    for i in order[on[order]].tolist():
        if len(out) >= _MOST_NAMES:
            break
        line, start = int(y[i] // (14.0 * ratio)), int(x[i] // (60.0 * ratio))
        cells = {(line, start), (line, start + 1), (line + 1, start), (line - 1, start)}
        if taken & cells:
            continue
        taken |= {(line, start), (line, start + 1)}
        entity = places.entities[rows[i]]
        r, g, b, a = colours[i].tolist()
        out.append(Label(float(x[i]) + 16.0 * ratio, float(y[i]), entity.name or entity.id, (r, g, b, a)))
    return tuple(out)


# --- head-up display -------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class HudLine:
    """One line of the head-up display: a word to translate and what it is now."""

    name: str
    value: str


def hud_lines(
    statistics: Statistics,
    *,
    look: Look | None = None,
    frame_seconds: float = 0.0,
    through: str = "",
    grid_m: float = 0.0,
) -> tuple[HudLine, ...]:
    """What the head-up display says, as data; the widget translates the names and draws them. `frame_seconds` is the
    time from one frame to the next, 0 where the view is at rest."""
    out = []
    if through:
        out.append(HudLine("Through", through))
    if frame_seconds > 0:
        out.append(HudLine("Frames a second", f"{1.0 / frame_seconds:.0f}"))
    elif statistics.samples:
        out.append(HudLine("Samples", str(statistics.samples)))
    out.append(HudLine("Frame", f"{statistics.seconds * 1000:.1f} ms"))
    out.append(HudLine("Lights", _counted(statistics.lights)))
    out.append(HudLine("Triangles", _counted(statistics.triangles)))
    out.append(HudLine("Objects", _counted(statistics.instances)))
    out.append(HudLine("Memory", f"{statistics.gpu_bytes / 2**20:.0f} MB"))
    if grid_m > 0:
        out.append(HudLine("Grid", f"{grid_m:g} m" if grid_m < 1000 else f"{grid_m / 1000:g} km"))
    if look is not None and look.exposure_ev:
        out.append(HudLine("Exposure", f"{look.exposure_ev:+.2f} EV"))
    if look is not None and look.isolated:
        out.append(HudLine("Isolated", str(len(look.isolated))))
    return tuple(out)


def _counted(number: int) -> str:
    if number < 10_000:
        return str(number)
    return f"{number / 1e3:.1f} k" if number < 1_000_000 else f"{number / 1e6:.2f} M"
