"""The tools of one viewport, behind one face: events go in, an overlay comes out.

    tools = ViewportTools(viewer, settings)
    tools.pointer(PointerEvent("press", x, y, "left"))      # True: the event was used
    renderer.draw(target, viewer.camera, viewer.look, selected=..., hovered=tools.hovered, overlay=tools.overlay())

Who gets an event: the gesture that is going on; else navigation; else points of paths, the handles of lights and the
gizmo; else selection. While a gesture is on (`claims_keys`) every key is the tools', so that digits and letters typed
during a drag never reach a shortcut.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from studio.scene.entities import Id
from studio.scene.flat_camera import active_camera
from studio.viewport import navigation
from studio.viewport.camera import ViewCamera
from studio.viewport.framing import bounds_of, frame
from studio.viewport.navigation import Navigator
from studio.viewport.overlay_motion import MotionCaches, motion_drawing
from studio.viewport.overlay_records import Drawing, OverlayBatch
from studio.viewport.overlays import Icons, overlay_batch
from studio.viewport.tools import visibility
from studio.viewport.tools.events import Button, KeyEvent, PointerEvent, WheelEvent
from studio.viewport.tools.face_drag import FaceTool
from studio.viewport.tools.keys import KEYS
from studio.viewport.tools.light_handles import HandleTool
from studio.viewport.tools.light_placing import PlaceTool
from studio.viewport.tools.path_points import PointTool
from studio.viewport.tools.select import SelectTool
from studio.viewport.tools.settings import MODES, Mode, Placing, ToolSettings
from studio.viewport.tools.standpoint import Standpoint
from studio.viewport.tools.tool import Tool, Viewer
from studio.viewport.tools.transform import TransformTool

F64 = NDArray[np.float64]
_CURSORS = {"orbit": "orbit", "pan": "pan", "dolly": "dolly", "fly": "fly"}
_STEP = np.radians(15.0)
_NUDGES = {"left": (-_STEP, 0.0), "right": (_STEP, 0.0), "up": (0.0, -_STEP), "down": (0.0, _STEP)}


class ViewportTools:
    """All tools of one viewport. Belongs to the thread of its document."""

    def __init__(self, viewer: Viewer, settings: ToolSettings | None = None) -> None:
        """`settings` may be shared with other viewports of the window."""
        self.viewer = viewer
        self.settings = settings if settings is not None else ToolSettings()
        self.navigator = Navigator(self.settings.preset)
        self.standpoint = Standpoint(viewer)
        self.transform = TransformTool(viewer, self.settings)
        self.handles = HandleTool(viewer, self.settings)
        self.points = PointTool(viewer, self.settings)
        self.placing = PlaceTool(viewer, self.settings)
        self.face = FaceTool(viewer, self.settings)
        self._motion = MotionCaches()
        self.selecting = SelectTool(viewer)
        self._hand: Tool | None = None  # the tool whose gesture a button began
        self._swallowed: Button = ""  # what is left of a cancelled gesture, until this button is up
        self._begun = False  # whether the navigation going on has moved the view yet
        self._half_width = 0.36  # of the last view with perspective
        self._flattened = False  # a preset made the view orthographic, and orbiting makes it perspective again

    # --- events ------------------------------------------------------------------------------------------------------
    def pointer(self, event: PointerEvent) -> bool:
        """Feed a pointer event. False when it is nobody's: a right click without motion (open the context menu on
        its "release"), a hover over nothing."""
        self.navigator.preset = self.settings.preset
        if event.kind in ("press", "double"):
            return self._press(event)
        if event.kind == "release":
            return self._release(event)
        if event.kind == "move":
            return self._move(event)
        return self._hover(event)

    def _press(self, event: PointerEvent) -> bool:
        if self._swallowed:
            return True
        if self.transform.busy and self._hand is None:  # a transform that follows the bare pointer
            if event.button == "left":
                self.transform.finish()
            elif event.button == "right":
                self.transform.cancel()
            self._swallowed = event.button
            return True
        if self._hand is not None:
            if event.button == "right":  # the other button takes it back
                self._hand.cancel()
                self._hand, self._swallowed = None, "left"
            return True
        if self.navigator.action is not None:
            return True
        if self.navigator.begin(event, self.viewer.camera, about=self._about()):
            self._begun = False
            self.viewer.cursor(_CURSORS[str(self.navigator.action)])
            return True
        for tool in (self.points, self.handles, self.transform, self.placing, self.face, self.selecting):
            if tool.press(event):
                self._hand = tool
                return True
        return False

    def _move(self, event: PointerEvent) -> bool:
        if self.navigator.action is not None:
            camera = self.navigator.drag(event, self.viewer.camera, self.viewer.size, self.viewer.pixel_ratio)
            self._navigate(camera)
            return True
        if self._hand is not None:
            return self._hand.move(event)
        if self.transform.busy:
            return self.transform.move(event)
        return bool(self._swallowed)

    def _release(self, event: PointerEvent) -> bool:
        if self._swallowed:
            if event.button == self._swallowed:
                self._swallowed = ""
            return True
        if self.navigator.action is not None and event.button == self.navigator.button:
            moved = self.navigator.moved
            self._end_navigation()
            return moved or event.button != "right"
        if self._hand is not None:
            used = self._hand.release(event)
            if not self._hand.busy:
                self._hand = None
            return used
        return False

    def _hover(self, event: PointerEvent) -> bool:
        if self.transform.busy and self._hand is None:
            return self.transform.move(event)
        over = self.points.hover(event) or self.handles.hover(event)
        outside = PointerEvent("leave", event.x, event.y)
        over = self.transform.hover(outside if over else event) or over
        over = self.placing.hover(outside if over else event) or over
        self.transform.at = (event.x, event.y)
        return self.selecting.hover(outside if over else event) or over

    def wheel(self, event: WheelEvent) -> bool:
        """Feed a wheel event: zoom to the cursor; the speed while flying."""
        if self._hand is self.placing and event.dy:
            return self.placing.wheel(event)
        if not event.dy or self._hand is not None or self.transform.busy:
            return self._hand is not None or self.transform.busy  # a view that moves would move what is in hand
        camera = self.viewer.camera
        if self.navigator.action == "fly":
            self.navigator.wheel(event, camera, None)
            self.viewer.status(f"Fly speed × {self.navigator.speed:.2f}")
            return True
        point = self._point_under(event.x, event.y) if self.settings.zoom_to_cursor else None
        self.standpoint.begin("wheel", event.time_s)
        self.standpoint.move(self.navigator.wheel(event, self.viewer.camera, point))
        return True

    def key(self, event: KeyEvent) -> bool:
        """Feed a key that no shortcut took. True when it was used."""
        if self._hand is not None or self.transform.busy:
            return self._gesture_key(event)
        if self.navigator.action is not None:
            if event.kind == "press" and event.key == "escape":
                self._end_navigation()
                return True
            return self.navigator.key(event)
        if self.navigator.key(event) or event.kind != "press":
            return event.key == "space" and self.navigator.preset == "houdini"
        held = event.modifiers | ({"space"} if self.navigator.space else frozenset())
        call = KEYS[self.settings.preset].get((event.key, frozenset(held)))
        if call is None or (event.repeat and call[0] != "nudge"):
            return False
        method, argument = call
        getattr(self, method)(*((argument,) if argument else ()))
        return True

    def _gesture_key(self, event: KeyEvent) -> bool:
        tool = self._hand if self._hand is not None else self.transform
        used = tool.key(event)
        if self._hand is not None and not self._hand.busy:  # Esc or Enter ended it with the button still down
            self._hand, self._swallowed = None, "left"
        return used or event.kind == "press"

    def tick(self, seconds: float) -> bool:
        """Time passed. Call about 60 times a second while `wants_ticks`; True while it still does."""
        if self.navigator.action == "fly":
            self._navigate(self.navigator.tick(seconds, self.viewer.camera))
        return self.wants_ticks

    def focus_out(self) -> None:
        """The viewport lost the keyboard: held keys count as released, a gesture is cancelled."""
        self.cancel()
        self._swallowed = ""

    @property
    def claims_keys(self) -> bool:
        """True while a gesture is on: accept Qt's ShortcutOverride so that the key comes here and not to a shortcut."""
        return self._hand is not None or self.transform.busy or self.navigator.action is not None

    @property
    def wants_ticks(self) -> bool:
        """True while flying."""
        return self.navigator.action == "fly"

    @property
    def hovered(self) -> Id:
        """The entity under the pointer, "" for none, for the renderer's outline."""
        if self._hand is not None or self.transform.busy:
            return ""
        return self.placing.named[0] if self.placing.named is not None else self.selecting.hovered

    # --- navigation --------------------------------------------------------------------------------------------------
    def _about(self) -> F64 | None:
        """What an orbit turns about: the middle of the selection, when it is wished."""
        if not self.settings.orbit_selection or not self.viewer.document.selection:
            return None
        bounds = bounds_of(self.viewer.flat, self.viewer.document.selection)
        if bounds is None:
            return None
        centre = (bounds[0] + bounds[1]) / 2
        return centre if np.isfinite(centre).all() else None

    def _point_under(self, x: float, y: float) -> F64 | None:
        """The surface under a pixel, or the point on its ray as far away as the pivot."""
        hit = self.viewer.pick(x, y)
        if hit is not None and np.isfinite(hit.position).all():
            return np.asarray(hit.position, np.float64)
        camera = self.viewer.camera
        origin, direction = camera.ray(x, y, *self.viewer.size)
        return np.asarray(origin + direction * (camera.pivot_m / max(float(direction @ camera.forward), 1e-3)))

    def _navigate(self, camera: ViewCamera) -> None:
        if camera is self.viewer.camera:
            return
        if not self._begun:
            self._begun = True
            self.standpoint.begin()
            if self._flattened and self.navigator.action == "orbit" and not self.standpoint.through:
                self._flattened = False  # the turn itself begins with the next motion
                camera = navigation.perspective(self.viewer.camera, self._half_width)
        self.standpoint.move(camera)

    def _end_navigation(self) -> None:
        self.navigator.end()
        self.viewer.cursor("")

    def _go(self, camera: ViewCamera) -> None:
        self.standpoint.begin()
        self.standpoint.move(camera)

    def frame_selected(self) -> None:
        """Bring what is selected into view; everything when nothing is."""
        bounds = bounds_of(self.viewer.flat, self.viewer.document.selection)
        if bounds is None:
            self.frame_all()
        else:
            self._go(frame(bounds, self.viewer.camera, *self.viewer.size))

    def frame_all(self) -> None:
        """Bring everything into view."""
        bounds = bounds_of(self.viewer.flat)
        if bounds is not None:
            self._go(frame(bounds, self.viewer.camera, *self.viewer.size))

    def view(self, name: str) -> None:
        """Look from "front", "back", "left", "right", "top" or "bottom", orthographically; "opposite" turns round."""
        camera = self.viewer.camera
        if self.standpoint.through and not self.standpoint.lock_camera:
            camera = replace(camera, shift=(0.0, 0.0))
        if not camera.orthographic:
            self._half_width = camera.half_width
            self._flattened = name != "opposite"
        self._go(navigation.view_preset(camera, name))

    def toggle_orthographic(self) -> None:
        """Change between perspective and orthographic, keeping the size of what is at the pivot."""
        camera = self.viewer.camera
        if not camera.orthographic:
            self._half_width = camera.half_width
        self._flattened = False
        self._go(navigation.toggle_orthographic(camera, self._half_width))

    def nudge(self, way: str) -> None:
        """Orbit by 15 degrees "left", "right", "up" or "down", or step "in" or "out"."""
        camera = self.viewer.camera
        self.standpoint.begin("nudge")
        if way in _NUDGES:
            self.standpoint.move(navigation.orbit(camera, *_NUDGES[way], about=self._about()))
        else:
            self.standpoint.move(navigation.dolly(camera, 0.8 if way == "in" else 1.25))

    def look_through(self, id_: Id, *, follow: bool = False) -> None:
        """Look through a camera or a light (anything along its -z); "" goes back to the view's own camera. With
        `follow` it is the active camera, and the view goes on to others with the cuts of the timeline."""
        self.standpoint.look_through(id_, follow=follow)
        self.viewer.redraw()

    def toggle_through(self) -> None:
        """Look through the scene's active camera (or its first one), or back."""
        scene = self.viewer.document.scene
        cameras = [id_ for id_, e in scene.entities.items() if e.__struct_config__.tag == "camera"]
        active = active_camera(scene, self.viewer.flat.frame)
        self.look_through("" if self.through else active or next(iter(cameras), ""), follow=bool(active))

    @property
    def through(self) -> Id:
        """What is looked through, "" for the view's own camera."""
        return self.standpoint.through

    @property
    def lock_camera(self) -> bool:
        """Whether navigating moves what is looked through, as one undoable edit a gesture."""
        return self.standpoint.lock_camera

    @lock_camera.setter
    def lock_camera(self, on: bool) -> None:
        self.standpoint.lock_camera = on

    def undo_view(self) -> bool:
        """The view before the last navigation; False when there is none."""
        return self.standpoint.undo()

    def redo_view(self) -> bool:
        """The view that was taken back; False when there is none."""
        return self.standpoint.redo()

    # --- tools -------------------------------------------------------------------------------------------------------
    def set_mode(self, mode: Mode) -> None:
        """Choose "select", "move", "rotate", "scale", "place" or "face"."""
        if mode in MODES:
            self.settings.mode = mode
            self.viewer.redraw()

    def place(self, placing: Placing) -> None:
        """Take the place tool, for lights: by their "highlight", "illumination", "shadow" or in "orbit"."""
        self.settings.mode, self.settings.placing = "place", placing
        self.placing.pivot = None
        self.viewer.redraw()

    def begin(self, mode: Mode) -> bool:
        """Start a transform that follows the pointer without a button (Blender's G, R, S)."""
        return (
            mode != "select"
            and mode != "place"
            and mode != "face"
            and self._hand is None
            and self.transform.begin(mode)
        )

    def cancel(self) -> None:
        """End any gesture as if it had never begun."""
        if self._hand is not None:
            self._hand.cancel()
            self._hand, self._swallowed = None, "left"
        self.transform.cancel()
        if self.navigator.action is not None:
            self._end_navigation()

    # --- selection and visibility ------------------------------------------------------------------------------------
    def select(self, ids: Iterable[Id]) -> None:
        """Select these."""
        self.viewer.document.select(ids)

    def select_all(self, *, invert: bool = False) -> None:
        """Select everything that can be picked, or what is not selected."""
        chosen = set(self.viewer.document.selection) if invert else set()
        self.select(id_ for id_ in visibility.pickable(self.viewer.flat) if id_ not in chosen)

    def select_none(self) -> None:
        """Select nothing."""
        self.select(())

    def select_inverse(self) -> None:
        """Select what is not selected."""
        self.select_all(invert=True)

    def isolate(self) -> None:
        """Show only what is selected, or everything again."""
        visibility.isolate(self.viewer)

    def hide_selected(self) -> None:
        """Hide what is selected (an undoable edit)."""
        visibility.hide_selected(self.viewer)

    def hide_unselected(self) -> None:
        """Hide every light, camera and object that is neither selected nor around or below the selection."""
        visibility.hide_unselected(self.viewer)

    def unhide_all(self) -> None:
        """Show everything that is hidden, and select it."""
        visibility.unhide_all(self.viewer)

    # --- what is drawn -----------------------------------------------------------------------------------------------
    def overlay(self) -> OverlayBatch:
        """Everything to draw over the picture now, by `viewer.overlays`. Icons can be clicked where this drew them."""
        viewer = self.viewer
        flying = self.navigator.action == "fly" and self.navigator.moved
        tools = () if flying else self._drawn()
        moving = self._moving()
        batch = overlay_batch(
            viewer.document.scene,
            viewer.flat,
            viewer.camera,
            viewer.overlays,
            selection=viewer.document.selection,
            hovered=self.hovered,
            gizmo=(moving, *tools),
            size=viewer.size,
            pixel_ratio=viewer.pixel_ratio,
            isolated=viewer.look.isolated,
            through=self.through,
            aspect=viewer.aspect,
        )
        self.selecting.icons = Icons.of(batch, viewer.camera, *viewer.size)
        return batch

    def _drawn(self) -> tuple[Drawing, ...]:
        tools = (self.transform, self.handles, self.points, self.placing, self.face, self.selecting)
        return tuple(drawing for tool in tools for drawing in tool.draw())

    def _moving(self) -> Drawing:
        """Paths, motion paths and ghosts."""
        viewer, shown = self.viewer, self.viewer.overlays
        self._motion.paths.held = self._motion.ghosts.held = self._hand is not None or self.transform.busy
        return motion_drawing(
            viewer.document.scene,
            viewer.flat,
            viewer.camera,
            self._motion,
            selection=viewer.document.selection,
            hovered=self.hovered,
            size=viewer.size,
            ratio=viewer.pixel_ratio,
            paths=shown.paths,
            motion_paths=shown.motion_paths,
            ghosts=(self.settings.ghost_count, self.settings.ghost_step) if shown.ghosts else None,
        )

    def refresh(self) -> None:
        """The document, the frame or the viewport's size changed: follow what is looked through, keep the clipping
        planes around the scene. Call after every change, before drawing."""
        look, entities = self.viewer.look, self.viewer.document.scene.entities
        if look.isolated and look.isolated.isdisjoint(entities):  # another scene was opened
            self.viewer.look = replace(look, isolated=frozenset())
        self.standpoint.refresh()
