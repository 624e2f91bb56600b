"""The passes of a frame, from meshes to what a display shows. `Renderer` says in which order and when."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import moderngl
import numpy as np

from studio.scene import color
from studio.viewport import display as shown
from studio.viewport.device import Device
from studio.viewport.display import Display
from studio.viewport.drawlist import BLENDED, FAMILIES, FEATURES, MASKED, SUBSURFACE, THROUGH, Batch, Kind
from studio.viewport.frames import Frame
from studio.viewport.gpuscene import FREE_UNIT, UNITS, GpuScene, set_uniform
from studio.viewport.shadows import AHEAD_UNIT, ATLAS_UNIT, Shadows
from studio.viewport.states import HIDDEN, HOVERED, SELECTED, ObjectStates
from studio.viewport.subsurface import Scattering
from studio.viewport.targets import Target
from studio.viewport.timing import Timers
from studio.viewport.view import Look, Mode

CLAY = 0.5  # reflectance of clay
_MODES = {
    Mode.LIT: 0,
    Mode.EXPOSURE: 0,
    Mode.CLAY: 1,
    Mode.ALBEDO: 2,
    Mode.NORMALS: 3,
    Mode.COMPLEXITY: 4,
    Mode.DOMINANT: 5,
}
_KINDS = {
    Mode.NORMALS: shown.PLAIN,
    Mode.WIREFRAME: shown.PLAIN,
    Mode.DOMINANT: shown.PLAIN,
    Mode.COMPLEXITY: shown.HEAT,
    Mode.EXPOSURE: shown.STOPS,
}
_CONTACT = (Mode.LIT, Mode.CLAY, Mode.EXPOSURE)
_SCATTERED = (Mode.LIT, Mode.EXPOSURE)
OCCLUSION_UNIT, BEHIND_UNIT = FREE_UNIT, FREE_UNIT + 1
_SHAPE_VERTICES = 24 * 12 * 6  # of a light's shape: shaders/lamp.vert
_WIRE = (0.78, 0.80, 0.84)
SELECTED_COLOUR, HOVERED_COLOUR = (1.0, 0.56, 0.12, 1.0), (0.92, 0.94, 1.0, 0.75)


class Passes:
    """Draws the passes of frames of one scene."""

    def __init__(
        self, device: Device, scene: GpuScene, display: Display, states: ObjectStates, shadows: Shadows
    ) -> None:
        self._device, self._scene, self._display, self._states = device, scene, display, states
        self._shadows = shadows
        self._context = device.context
        self._scattering = Scattering(device)
        self.timers = Timers(device)

    # --- meshes -------------------------------------------------------------------------------------------------------
    def program(self, frame: Frame, name: str, **parts: int) -> moderngl.Program:
        """A program on meshes, told of the frame and of where tables are bound."""
        program = self._device.program(name, snippets=None, **parts)
        self._scene.wire(program)
        frame.tell(program)
        set_uniform(program, "skipped", HIDDEN)
        return program

    def by_program(
        self,
        batches: Iterable[Batch],
        program: Callable[[int, bool, int, int], moderngl.Program],
        *,
        plain: bool = False,
    ) -> None:
        """Draw batches in their order, runs of one kind with one program; `plain` takes all families for matte."""
        run: list[Batch] = []
        last: Kind | None = None
        for batch in batches:
            family, features = (0, 0) if plain else (FAMILIES.index(batch.family), batch.features)
            kind = (family, batch.textured, batch.coverage, features)
            if kind != last and run and last is not None:
                self._scene.draw(program(*last), run)
                run = []
            last = kind
            run.append(batch)
        if run and last is not None:
            self._scene.draw(program(*last), run)

    def draw_depth(self, frame: Frame, batches: Iterable[Batch]) -> None:
        """Depth of what is opaque, cut-outs included."""

        def program(family: int, textured: bool, coverage: int, _: int) -> moderngl.Program:
            cut = coverage == MASKED
            return self.program(
                frame, "mesh_depth", COVERAGE=int(cut), SURFACE_FAMILY=0, TEXTURED=int(textured and cut)
            )

        self.by_program(batches, program, plain=True)

    def draw_surfaces(
        self,
        frame: Frame,
        look: Look,
        batches: Iterable[Batch],
        *,
        shaded: bool = False,
        told: int = 0,
        sky_blocked: float = -1.0,
        contact: bool = False,
        scatter: bool = False,
    ) -> None:
        """Batches in their order, each by the cheapest program that holds all of its surface. `told` asks Mode.DOMINANT
        for numbers in place of colours, 1: lamp + 1, its share, the share of what the surface emits; 2: how much of
        this sample's draws of the sky is blocked, all of them. `sky_blocked` is that share where it is known better,
        else below 0. `contact` looks for what is in a light's way in the depth of the picture (`_draw_ahead`).
        `scatter` keeps light below surfaces apart (`subsurface.py`)."""
        mode = _MODES[look.mode]
        lighting = self._scene.lighting
        wanted = {
            "LINKED": self._scene.linked,
            "SHAPED": lighting.shaped or (lighting.pictured and frame.uniforms["still_turn"] > 0),
            "SHADOWS": look.shadows and self._shadows.ready and mode in (0, 1, 5),
        }
        more = {name: 1 for name, on in wanted.items() if on}

        def program(family: int, textured: bool, coverage: int, features: int) -> moderngl.Program:
            parts = more | ({"CONTACT": 1} if contact and "SHADOWS" in more else {})
            parts |= {name: 1 for bit, name in FEATURES.items() if features & bit}
            family = max(family, 1 if features & SUBSURFACE else 0)  # matte ones have a path without closures
            if scatter:
                parts["SUBSURFACE"] = 2
            made = self.program(
                frame, "mesh_lit", MODE=mode, SURFACE_FAMILY=family, TEXTURED=int(textured), COVERAGE=coverage, **parts
            )
            set_uniform(made, "clay", CLAY)
            set_uniform(made, "shaded", shaded)
            set_uniform(made, "told", told)
            set_uniform(made, "sky_blocked", sky_blocked)
            set_uniform(made, "occlusion_map", OCCLUSION_UNIT)
            set_uniform(made, "shadow_atlas", ATLAS_UNIT)
            set_uniform(made, "ahead_map", AHEAD_UNIT)
            if look.shadows:
                for name, value in self._shadows.uniforms().items():
                    set_uniform(made, name, value)
            set_uniform(made, "behind_map", BEHIND_UNIT)
            return made

        self.by_program(batches, program, plain=mode == 1)

    def draw_scene(self, frame: Frame, target: Target, look: Look, *, turn: int = 0) -> None:
        """Everything in the scene, in nits, into the target's scene buffer. `turn` varies the noise of samples."""
        context = self._context
        self.bind()
        target.scene.use()
        target.scene.clear(0.0, 0.0, 0.0, 0.0, depth=1.0)
        context.enable_only(moderngl.DEPTH_TEST)
        context.depth_func = "<="
        solid = sorted((b for b in self._scene.batches if b.coverage <= MASKED), key=lambda b: b.coverage)
        if look.mode == Mode.WIREFRAME:
            with self.timers("wires"):
                self._draw_hidden_lines(frame, target)
            return
        with self.timers("depth"):
            target.depth.use()
            self.draw_depth(frame, solid)
            target.scene.use()
        skies = look.shadows and self._shadows.sky_count > 0  # their shadows are drawn; nothing has to be guessed
        shaded = look.ambient_occlusion and not skies and look.mode in (Mode.LIT, Mode.CLAY, Mode.EXPOSURE)
        if shaded:
            with self.timers("occlusion"):
                self._draw_occlusion(frame, target, turn)
            self.bind()
            target.scene.use()
            context.enable_only(moderngl.DEPTH_TEST)
        contact = look.contact_shadows and look.shadows and self._shadows.contacts and look.mode in _CONTACT
        if contact:
            with self.timers("contact"):
                self._draw_ahead(frame, target)
            self.bind()
            target.scene.use()
            context.enable_only(moderngl.DEPTH_TEST)
        with self.timers("light"):
            below = [b for b in solid if b.features & SUBSURFACE] if look.mode in _SCATTERED else []
            plain = [b for b in solid if b not in below] if below else solid
            self.draw_surfaces(frame, look, plain, shaded=shaded, contact=contact)
        if below:
            with self.timers("subsurface"):
                self._draw_below(frame, target, look, below, shaded=shaded, contact=contact)
        with self.timers("light"):
            if look.mode in (Mode.LIT, Mode.EXPOSURE, Mode.DOMINANT):
                self.draw_lamps(frame, look)
        if look.background is None and look.mode in (Mode.LIT, Mode.CLAY, Mode.EXPOSURE):
            with self.timers("sky"):
                self._draw_sky(frame)
        with self.timers("through"):
            self._draw_through(frame, target, look, shaded)

    def _draw_below(
        self, frame: Frame, target: Target, look: Look, batches: Iterable[Batch], *, shaded: bool, contact: bool
    ) -> None:
        """Surfaces that light goes below, and that light spread."""
        target.begin_below().use()
        self.draw_surfaces(frame, look, batches, shaded=shaded, contact=contact, scatter=True)
        self._scattering.spread(frame, target, still=frame.uniforms["still_turn"])
        self.bind()
        target.scene.use()
        self._context.enable_only(moderngl.DEPTH_TEST)

    def bind(self) -> None:
        """Bind everything of the scene; whoever used its units in between does so again."""
        self._scene.use()
        self._states.use(UNITS["objects_table"])
        self._shadows.use()

    def _draw_hidden_lines(self, frame: Frame, target: Target) -> None:
        context = self._context
        target.depth.use()
        context.polygon_offset = 1.0, 1.0
        self.by_program(
            self._scene.batches,
            lambda *_: self.program(frame, "mesh_depth", COVERAGE=0, SURFACE_FAMILY=0, TEXTURED=0),
            plain=True,
        )
        context.polygon_offset = 0.0, 0.0
        target.scene.use()
        self._draw_lines(frame, (*_WIRE, 1.0))

    def _draw_lines(self, frame: Frame, rgba: tuple[float, float, float, float]) -> None:
        program = self.program(frame, "mesh_wire")
        program["rgba"].value = rgba  # type: ignore[union-attr]
        self._context.wireframe = True
        self._scene.draw(program, self._scene.batches)
        self._context.wireframe = False

    def draw_lamps(self, frame: Frame, look: Look, *, told: bool = False) -> None:
        """The shapes of area lights that the camera sees; `told` as in `draw_surfaces`."""
        lamps = self._scene.lamps
        if not len(lamps.local):
            return
        program = self.program(frame, "lamp", MODE=_MODES[look.mode])
        set_uniform(program, "told", told)
        self._device.screen(program).render(moderngl.TRIANGLES, vertices=_SHAPE_VERTICES, instances=len(lamps.local))

    def _draw_sky(self, frame: Frame) -> None:
        """The dome behind everything."""
        if not len(self._scene.lamps.infinite):
            return
        program = self.program(frame, "sky")
        self._device.screen(program).render(vertices=3)

    def _draw_through(self, frame: Frame, target: Target, look: Look, shaded: bool) -> None:
        """What lets light through, over a blurred copy of what lies behind, then what blends; far things first."""
        context = self._context
        eye = frame.camera.eye
        far_first = sorted(
            (b for b in self._scene.batches if b.coverage >= THROUGH),
            key=lambda b: -float(np.sum((np.asarray(b.centre) - eye) ** 2)),
        )
        through = [b for b in far_first if b.coverage == THROUGH]
        blended = [b for b in far_first if b.coverage == BLENDED]
        if through:
            self._copy_behind(frame, target)
            self.bind()
            target.scene.use()
            context.enable_only(moderngl.DEPTH_TEST)
            self.draw_surfaces(frame, look, through)
        if blended:
            context.enable_only(moderngl.DEPTH_TEST | moderngl.BLEND | moderngl.CULL_FACE)
            context.blend_func = moderngl.ONE, moderngl.ONE_MINUS_SRC_ALPHA
            target.scene.depth_mask = False
            for batch in blended:
                for hidden in ("front", "back"):  # of one thing, the far side first
                    context.cull_face = hidden
                    self.draw_surfaces(frame, look, [batch])
            target.scene.depth_mask = True
            context.enable_only(moderngl.DEPTH_TEST)

    def _copy_behind(self, frame: Frame, target: Target) -> None:
        """The opaque picture with depth, in smaller and smaller copies."""
        texture, buffer = target.extra("behind", 4, "f2", mipmaps=True)
        program = self._device.program("behind")
        frame.tell(program)
        target.scene_texture.use(0)
        target.depth_texture.use(1)
        set_uniform(program, "picture", 0)
        set_uniform(program, "depth_map", 1)
        buffer.use()
        self._context.enable_only(moderngl.NOTHING)
        self._device.screen(program).render(vertices=3)
        texture.build_mipmaps()
        texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        texture.use(BEHIND_UNIT)

    def _draw_ahead(self, frame: Frame, target: Target) -> None:
        """How far ahead of the eye everything opaque is."""
        texture, buffer = target.extra("ahead", 1, "f4")
        program = self._device.program("ahead")
        frame.tell(program)
        target.depth_texture.use(0)
        set_uniform(program, "depth_map", 0)
        buffer.use()
        self._context.enable_only(moderngl.NOTHING)
        self._device.screen(program).render(vertices=3)
        texture.use(AHEAD_UNIT)

    # --- ambient occlusion --------------------------------------------------------------------------------------------
    def _draw_occlusion(self, frame: Frame, target: Target, turn: int) -> None:
        """How much of the sky each pixel sees among its neighbours, smoothed; `turn` varies the noise."""
        low, high = self._scene.bounds
        reach = float(np.clip(0.04 * np.linalg.norm(high - low), 0.01, 2.0))
        context = self._context
        context.enable_only(moderngl.NOTHING)
        raw, raw_buffer = target.extra("occlusion raw", 1, "f2")
        smooth, smooth_buffer = target.extra("occlusion", 1, "f2")
        for name, source, buffer in (("occlusion", None, raw_buffer), ("occlusionblur", raw, smooth_buffer)):
            program = self._device.program(name)
            frame.tell(program)
            target.depth_texture.use(0)
            if source is not None:
                source.use(1)
            for uniform, value in {
                "depth_map": 0,
                "raw": 1,
                "reach": reach,
                "turn": float(turn),
            }.items():
                set_uniform(program, uniform, value)
            buffer.use()
            self._device.screen(program).render(vertices=3)
        smooth.use(OCCLUSION_UNIT)

    # --- the picture --------------------------------------------------------------------------------------------------
    def add_up(self, target: Target) -> None:
        """Add the scene buffer to the target's sum."""
        _, buffer = target.extra("sum", 4, "f4")
        if target.samples == 0:
            buffer.clear()
        program = self._device.program("copy")
        target.scene_texture.use(0)
        set_uniform(program, "picture", 0)
        set_uniform(program, "gain", 1.0)
        buffer.use()
        self._context.enable_only(moderngl.BLEND)
        self._context.blend_func = moderngl.ONE, moderngl.ONE
        self._device.screen(program).render(vertices=3)
        self._context.enable_only(moderngl.NOTHING)
        target.samples += 1

    def show(self, target: Target, look: Look, *, lights: int, smooth: bool) -> None:
        """Bring the scene buffer, or the sum of samples, to the display; `smooth` blurs jagged edges along them."""
        samples = max(target.samples, 1)
        picture = target.extra("sum", 4, "f4")[0] if target.samples else target.scene_texture
        kind = _KINDS.get(look.mode, shown.VIEW)
        albedo = look.mode == Mode.ALBEDO
        exposure = 0.0 if albedo else float(np.clip(look.exposure_ev, -100.0, 100.0))
        glow = 0.0
        if look.bloom and kind == shown.VIEW and not albedo:
            with self.timers("bloom"):
                self._glow(target, picture, 2.0**exposure / samples)
            glow = 0.08
        view = color.PLAIN_VIEW if albedo else look.view
        program = self._display.program(kind, view=view, display=look.display)
        picture.use(0)
        for name, value in {
            "picture": 0,
            "glow": 1,
            "glow_share": glow,
            "share": 1.0 / samples,
            "gain": 2.0**exposure,
            "inverse_gamma": 1.0 / float(np.clip(look.gamma, 0.01, 100.0)),
            "backdrop": look.background or (0.0, 0.0, 0.0),
            "heat_scale": 1.0 / max(lights, 1),
        }.items():
            set_uniform(program, name, value)
        between = target.extra("display", 4, "f1") if smooth else None
        (between[1] if between else target.display).use()
        self._context.enable_only(moderngl.NOTHING)
        self._device.screen(program).render(vertices=3)
        if between:
            program = self._device.program("edges")
            between[0].use(0)
            set_uniform(program, "picture", 0)
            target.display.use()
            self._device.screen(program).render(vertices=3)

    def _glow(self, target: Target, picture: moderngl.Texture, gain: float) -> None:
        """Bloom: the exposed picture halved again and again, and added up on the way back."""
        levels = []
        width, height = target.size
        for level in range(6):
            width, height = max(width // 2, 1), max(height // 2, 1)
            levels.append(target.extra(f"glow {level}", 4, "f2", size=(width, height)))
        context = self._context
        context.enable_only(moderngl.NOTHING)
        down, up = self._device.program("glowdown"), self._device.program("glowup")
        source = picture
        for level, (texture, buffer) in enumerate(levels):
            source.use(0)
            set_uniform(down, "picture", 0)
            set_uniform(down, "gain", gain if level == 0 else 1.0)
            buffer.use()
            self._device.screen(down).render(vertices=3)
            source = texture
        context.enable_only(moderngl.BLEND)
        context.blend_func = moderngl.ONE, moderngl.SRC_ALPHA
        for (texture, _), (_, buffer) in zip(levels[:0:-1], levels[-2::-1]):
            texture.use(0)
            set_uniform(up, "picture", 0)
            buffer.use()
            self._device.screen(up).render(vertices=3)
        context.enable_only(moderngl.NOTHING)
        levels[0][0].use(1)

    # --- over the picture ---------------------------------------------------------------------------------------------
    def draw_wires(self, frame: Frame, target: Target) -> None:
        """The triangles' edges over the shown picture, where they are not hidden."""
        self.bind()
        target.over.use()
        self._context.enable_only(moderngl.DEPTH_TEST | moderngl.BLEND)
        self._context.depth_func = "<="
        self._context.blend_func = moderngl.SRC_ALPHA, moderngl.ONE_MINUS_SRC_ALPHA
        target.over.depth_mask = False
        self._context.polygon_offset = -1.0, -1.0
        self._draw_lines(frame, (0.0, 0.0, 0.0, 0.45))
        self._context.polygon_offset = 0.0, 0.0
        target.over.depth_mask = True

    def draw_outlines(self, frame: Frame, target: Target) -> None:
        """Lines around what is selected and what the pointer is over, hidden parts too."""
        bits = self._states.bits
        if not (bits & (SELECTED | HOVERED)).any():
            return
        self.bind()
        texture, buffer = target.extra("marks", 2, "f1")
        buffer.clear()
        buffer.use()
        self._context.enable_only(moderngl.BLEND)
        self._context.blend_func = moderngl.ONE, moderngl.ONE
        program = self.program(frame, "mesh_mark")
        for state, mark in ((SELECTED, (1.0, 0.0)), (HOVERED, (0.0, 1.0))):
            set_uniform(program, "wanted", state)
            set_uniform(program, "mark", mark)
            objects = set(np.flatnonzero(bits & state).tolist())
            self._scene.draw(program, [b for b in self._scene.batches if b.object < 0 or b.object in objects])
        program = self._device.program("outline")
        texture.use(0)
        set_uniform(program, "marks", 0)
        set_uniform(program, "selected_colour", SELECTED_COLOUR)
        set_uniform(program, "hovered_colour", HOVERED_COLOUR)
        target.display.use()
        self._context.blend_func = moderngl.SRC_ALPHA, moderngl.ONE_MINUS_SRC_ALPHA
        self._device.screen(program).render(vertices=3)
        self._context.enable_only(moderngl.NOTHING)

    def release(self) -> None:
        """Give back what the passes made."""
        self.timers.release()
