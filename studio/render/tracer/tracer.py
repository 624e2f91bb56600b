"""The tracer as its worker sees it: load a flat scene, learn its lights, render sample ranges into a film.

Nothing here depends on tiles or ranges: `render` may be called for any pixels and any samples in any order, and the
film ends in the same bits.
"""

import math
import time as clock
from collections.abc import Callable
from typing import Any

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from studio.render.cryptomatte import matte_ids
from studio.render.film import MATTE_SLOTS, Film, Layout
from studio.render.layer_plan import LayerPlan
from studio.render.settings import RenderSettings
from studio.render.tracer import bvh, dimming, gather, kernels, lightpick, paths
from studio.render.tracer import light_rows as lr
from studio.render.tracer.buffers import Device, build_host_scene, eye_instances, host_parts, host_slots
from studio.render.tracer.camera import pack_camera
from studio.render.tracer.drift import vertex_drift
from studio.render.tracer.light_sums import LightSums
from studio.render.tracer.light_tables import LightTables, build_light_tables
from studio.render.tracer.pick_shares import pick_shares
from studio.render.tracer.recall import MOST_ESTIMATES, Cells, Known, Lit, Recall, cells_of, known, view_of
from studio.render.tracer.textures import pack_textures
from studio.render.tracer.walk import walk
from studio.scene import lobe_energy
from studio.scene.flatten import FlatScene
from studio.scene.lights import CASTS_SHADOWS, KINDS, SEEN_IN_REFLECTIONS, SHADOW_LINKED
from studio.scene.materials import OFFSET

BATCH = 1 << 17  # paths in flight: fewer leave the threads waiting for launches, more gain nothing
LEARN_PATHS = 1 << 16
QUICK_PATHS = 1 << 13
LEARN_SEED = 0x5EED
LEARN_DEPTH = 7
RAYS = 3 << 19  # to learn from, where one for each pair of a point and a light is less
SHAPES = ("meshes", "instances")  # sections that the hierarchy of triangles is made of, with what is cut out of them
LIT = ("lights", "meshes", "instances", "instance_materials", "portals")  # and of the lights, with `lit_surfaces`
PAIRS_AT_ONCE = 1 << 17  # measured between two pause points of learning
ESTIMATES = 1 << 24  # unshadowed estimates before fewer points of a cell are asked; each is some 20 ns


class Tracer:
    """One Taichi runtime's path tracer. Not thread safe; lives in the render worker."""

    def __init__(self, *, batch: int = BATCH) -> None:
        self.device = Device()
        self.batch = batch
        self.seconds: dict[str, float] = {}
        self.device.put("tables", lobe_energy.build())
        self.state = ti.ndarray(ti.f32, (paths.STATE_ROWS, batch + paths.SKEW))
        self.no_split = self.entries = ti.ndarray(ti.f32, (1, 1))
        self.asked = ti.ndarray(ti.i32, 1)
        self.apart: LightSums | None = None  # what keeps the lights apart, while a film with light layers is made
        self.plan: gather.Plan | None = None
        self.flat: FlatScene | None = None
        self._lamps: tuple[bytes, ...] = ()
        self._cutouts = b""
        self.rebuilt: tuple[str, ...] = ()  # what the last `load` made anew: textures, lights, geometry, surfaces
        self.pause_point: Callable[[], None] = lambda: None  # called between steps of learning; may raise to give it up
        self.hasty = False  # scale lights that only shine more or less: not to the last bit, for the live view
        self.scaled = False  # whether that was done since the lights were worked out
        self.quick = False  # learn from few paths and without shadows: a tenth of the time, for the live view's start
        self.learned: lightpick.Learned | None = None  # by `prepare`, of the scene loaded
        self.met = np.zeros((0, 2), np.int32)  # hashes of the cells of all points that it was learned at
        self.recall: Recall | None = None  # what was learned last, as long as any of it can hold
        self.asked_in: Cells | None = None  # on the device, of the learning that was finished last
        self.clamp = 0.0
        self.rays = 0  # traced into films collected so far
        self.candidates = 2
        self.roulette = 1
        self.patience = 3.0
        self.compensate = 1.0

    def load(self, flat: FlatScene) -> None:
        """Take a scene; what is the same object as in the last one stays on the device."""
        t = clock.perf_counter()
        before, self.flat = self.flat, None  # a load that fails leaves no scene to build on
        if self.recall is not None and not self.recall.serves(flat):
            self.recall = None
        rebuilt = []
        if before is None or flat.textures is not before.textures:
            texels, images = pack_textures(flat.textures)
            self.device.put("texels", texels)
            self.device.put("images", images)
            rebuilt.append("textures")
        lamps = lit_surfaces(flat)
        self._load_links(flat)
        if before is None or lamps != self._lamps or not _same(flat, before, LIT):
            if not self._dim_lights(flat, before):
                self._load_lights(flat)
            rebuilt.append("lights")
        solid = ("instance_materials", "materials", "slots")
        linked = before is None or flat.instances is not before.instances
        if "lights" in rebuilt or linked or not _same(flat, before, (*SHAPES, *solid)):
            rebuilt.append(self._load_surfaces(flat, before))
        self.scatters = bool((flat.materials[:, OFFSET["subsurface_weight"]] > 0.0).any())  # below its surfaces
        self.flat, self._lamps, self.rebuilt = flat, lamps, tuple(rebuilt)
        self.forget_table()
        self.count_shadow_rays(on=False)
        ti.sync()
        self.seconds["build"] = clock.perf_counter() - t

    def _load_links(self, flat: FlatScene) -> None:
        """Which lights light which sets of receivers, and are blocked by which sets of blockers."""
        n = len(flat.lights)
        self.allowed: NDArray[np.bool_] | None = None  # (sets, lights); None where all light all
        if len(flat.light_links) > 1:
            words = np.ascontiguousarray(flat.light_links, "<u4")
            self.allowed = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")[:, :n].astype(bool)
        for name, bits in (("links", flat.light_links), ("shadow_links", flat.shadow_links)):
            self.device.put(name, np.ascontiguousarray(bits, np.uint32).view(np.int32))

    def _load_surfaces(self, flat: FlatScene, before: FlatScene | None) -> str:
        """Which surface is where. Triangles and their hierarchy stay where only what they wear has changed."""
        d = self.device
        parts, _, marks = host_parts(flat, self.lights.mesh_light_of)
        cutouts = marks.tobytes() + eye_instances(flat).tobytes()  # eyes are never baked
        if before is not None and cutouts == self._cutouts and _same(flat, before, SHAPES):
            d.put("parts", parts)
            d.put("materials", np.ascontiguousarray(flat.materials, np.float32))
            d.put("slots", host_slots(flat))
            return "surfaces"
        self._load_geometry(flat)
        self._cutouts = cutouts
        return "geometry"

    def _load_geometry(self, flat: FlatScene) -> None:
        host = build_host_scene(flat, self.lights.mesh_light_of)
        self.lo, self.hi, self.root = host.lo, host.hi, host.root
        self.part_start, self.first_vertex = host.part_start, host.first_vertex
        for name in ("nodes", "triangles", "indices", "vertices", "instances", "parts", "materials", "slots"):
            self.device.put(name, getattr(host, name))
            setattr(host, name, None)  # a million triangles need not be held twice

    def _dim_lights(self, flat: FlatScene, before: FlatScene | None) -> bool:
        """Scale the lights where that is enough and allowed."""
        lights = dimming.dimmed(self.lights, before, flat) if self.hasty and before is not None else None
        if lights is None:
            return False
        self.lights, self.scaled = lights, True
        self.device.put("rows", lights.rows)
        return True

    def settle_lights(self) -> None:
        """Work out anew what was only scaled, to the bits of a final frame."""
        if self.scaled:
            self._load_lights(self.flat)

    def _load_lights(self, flat: FlatScene) -> None:
        d = self.device
        self.scaled = False
        lights = build_light_tables(flat)
        self.lights: LightTables = lights
        d.put("rows", lights.rows)
        d.put("table", lights.table)
        n = len(flat.lights)
        info = np.zeros((max(n, 1), 8), np.float32)
        bits = info.view(np.int32)
        if n:
            even = SEEN_IN_REFLECTIONS | CASTS_SHADOWS
            alike = np.isin(flat.instances["flags"] & even, (0, even)).all()  # every object, to both kinds of rays
            color = np.nan_to_num(flat.lights["shadow_color"], nan=0.0).clip(0.0, 1.0)
            met = (flat.lights["flags"] & (even | SHADOW_LINKED) == even) & alike & ~color.any(1)
            bits[:, 0] = flat.lights["flags"] | np.where(met, np.uint32(paths.BOTH_WAYS), np.uint32(0))
            bits[:, 1] = flat.lights["group"]
            info[:, 2:4] = flat.lights["gain"]
            info[:, 4:7] = color
        d.put("info", info)
        self.info = info
        kinds = flat.lights["kind"]
        infinite = np.flatnonzero((kinds == KINDS["dome"]) | (kinds == KINDS["distant"])).astype(np.int32)
        self.n_infinite = len(infinite)
        shaped = lights.rows[:, lr.FILTERED] == lr.SHAPED
        self.narrow = np.resize(kinds == KINDS["spot"], max(n, 1)) | shaped
        self.everywhere = np.isin(np.arange(max(n, 1)), infinite)
        d.put("infinite", infinite if len(infinite) else np.zeros(1, np.int32))
        shapes = bvh.build(lights.shape_boxes)
        ids = lights.shape_ids[shapes.order].astype(np.int32)
        d.put("shape_nodes", shapes.nodes)
        d.put("shape_ids", ids if len(ids) else np.zeros(1, np.int32))
        self.n_shapes = len(ids)
        self.n_lights = n

    def _put_table(self, table: lightpick.LightTable) -> None:
        for name in ("keys", "start", "light", "cdf", "power_cdf", "grid"):
            self.device.put(name, getattr(table, name))

    # --- one wave -----------------------------------------------------------------------------------------------
    def _start(self, pixels, first: int, count: int, settings: RenderSettings, *, seed: int) -> int:
        d = self.device
        n = pixels.shape[0] * count
        kernels.start_paths(
            self.state,
            d.camera,
            pixels,
            pixels.shape[0],
            first,
            count,
            settings.width,
            settings.height,
            int(np.float32(self.flat.frame).view(np.int32)),
            seed,
            self.shutter,
        )
        return n

    def _bounce(self, n: int, bounce: int, depth: int, candidates: int) -> None:
        self._meet(n, bounce, depth, candidates)
        if self.scatters and bounce + 1 < depth:
            self._emerge(n, bounce, depth, candidates)

    def _surface(self) -> tuple[Any, ...]:
        d = self.device
        return d.triangles, d.indices, d.vertices, d.instances, d.parts, d.materials, d.slots, d.texels, d.images

    def _meet(self, n: int, bounce: int, depth: int, candidates: int) -> None:
        """Rays to what they hit, and that shaded."""
        d = self.device
        kernels.extend(
            self.state,
            n,
            bounce,
            d.nodes,
            *self._surface(),
            self.root,
            d.shape_nodes,
            d.shape_ids,
            self.n_shapes,
            d.rows,
            d.info,
            d.links,
        )
        if bounce == 0 and candidates > 0 and self.plan is not None and self.plan.first_hit:
            gather.first_hit(
                self.state,
                n,
                *self._surface(),
                d.tables,
                d.camera,
                d.next_camera,
                d.motion,
                d.drift_start,
                d.drifts,
                float(self.layout.width),
                float(self.layout.height),
                self.hits,
            )
        self._shade(n, paths.ALIVE, bounce, depth, candidates)

    def _emerge(self, n: int, bounce: int, depth: int, candidates: int) -> None:
        """Paths that went below a surface to where they come out, and that shaded."""
        d = self.device
        walk(self.state, n, bounce, d.nodes, d.triangles, d.instances, d.parts, d.materials)
        self._shade(n, paths.LEFT, bounce, depth, candidates)

    def _shade(self, n: int, stage: int, bounce: int, depth: int, candidates: int) -> None:
        d = self.device
        split, layers, groups = self.no_split, 0, 0
        if self.plan is not None and candidates > 0 and self.plan.split_rows:
            split, layers, groups = self.split, self.plan.n_layers, self.plan.n_groups
        apart = int(self.apart is not None and candidates > 0)
        surface = self._surface()
        kernels.shade(
            self.state,
            n,
            stage,
            bounce,
            depth,
            candidates,
            self.roulette,
            self.patience,
            self.clamp if candidates > 0 else 0.0,
            *surface,
            d.tables,
            d.rows,
            d.table,
            d.info,
            d.infinite,
            self.n_infinite,
            self.n_lights,
            d.grid,
            d.keys,
            d.start,
            d.light,
            d.cdf,
            d.power_cdf,
            self.compensate,
            d.links,
            split,
            layers,
            groups,
            self.entries,
            apart,
        )
        if candidates > 0 and self.n_lights > 0 and bounce + 1 < depth:
            kernels.connect(
                self.state,
                n,
                bounce,
                self.clamp,
                d.nodes,
                *surface,
                self.root,
                d.info,
                d.shadow_links,
                self.asked,
                split,
                layers,
                groups,
                self.entries,
                apart,
            )

    # --- learning ----------------------------------------------------------------------------------------------
    def prepare(self, settings: RenderSettings) -> None:
        """Point the tracer at the frame's camera and learn which lights matter where."""
        t = clock.perf_counter()
        self.aim(settings)
        if self.n_lights > 1:
            self._learn(settings)
        ti.sync()
        self.seconds["learn"] = clock.perf_counter() - t

    def aim(self, settings: RenderSettings) -> None:
        """Point the tracer at the frame's camera; lights are picked by the table that is there."""
        flat = self.flat
        self.device.put("camera", pack_camera(flat.camera, settings))
        self.shutter = int(
            not np.array_equal(flat.camera.open, flat.camera.close)
            or not np.array_equal(flat.lights["open"], flat.lights["close"])
            or any(m.positions_close is not None for m in flat.meshes)
            or not np.array_equal(flat.instances["open"], flat.instances["close"])
        )

    def _visit(self, settings: RenderSettings) -> NDArray[np.float32]:
        """Vertices (n, 7), with normals and sets of receivers, of paths over the frame, without light sampling."""
        w, h = settings.width, settings.height
        wanted = QUICK_PATHS if self.quick else LEARN_PATHS
        rounds = max(1, wanted // (w * h))  # of a small picture every pixel, with other samples
        grid = np.arange(w * h)
        if w * h > wanted:
            rng = np.random.default_rng(LEARN_SEED)
            grid = np.sort((np.arange(wanted) + rng.random(wanted)) * (w * h / wanted)).astype(np.int64)
        found = []
        step = max(1, self.batch // rounds)
        for a in range(0, len(grid), step):
            part = np.minimum(grid[a : a + step], w * h - 1).astype(np.int32)
            n = len(part) * min(rounds, self.batch)
            pixels = ti.ndarray(ti.i32, len(part))
            pixels.from_numpy(part)
            out = ti.ndarray(ti.f32, (n, 8))
            self._start(pixels, 0, min(rounds, self.batch), settings, seed=LEARN_SEED)
            for bounce in range(min(settings.depth - 1, LEARN_DEPTH)):
                for stage in (self._meet, self._emerge) if self.scatters else (self._meet,):
                    stage(n, bounce, settings.depth, 0)
                    kernels.visited_vertices(self.state, n, int(self.allowed is not None), out)
                    rows = out.to_numpy()
                    found.append(rows[rows[:, 0] > 0.0, 1:])
                self.pause_point()
        if not found:  # a depth of one segment sees lamps and nothing they light
            return np.zeros((0, 7), np.float32)
        points = np.concatenate(found)
        return np.ascontiguousarray(points[np.isfinite(points).all(1)])

    def _lit(self, settings: RenderSettings) -> Lit:
        """The scene as it is learned."""
        flat = self.flat
        ways = (self.batch, self.shutter, self.scatters, self.roulette, self.patience, self.compensate)
        view = view_of(pack_camera(flat.camera, settings), flat.frame, settings, *ways)
        return Lit(flat, self.lights, self.info, self.allowed, view)

    def _cells(self, settings: RenderSettings) -> Cells | None:
        """The cells that paths visit; None where they visit nothing."""
        d = self.device
        points = self._visit(settings)
        if not len(points):
            return None
        grid = lightpick.uniform_grid(self.flat.camera.open[:, 3], points, self.lo, self.hi)
        d.put("grid", grid)
        hashes = ti.ndarray(ti.i32, (len(points), 2))
        d.put("points", points)
        lightpick.hash_vertices(d.points, d.grid, 0, hashes)
        met = hashes.to_numpy()
        prints, slots, reps, count = lightpick.gather_cells(points, met)
        # lift representatives off their surfaces as shading does
        lift = 4e-6 * np.abs(reps[:, :3]).max(1, keepdims=True) + 1e-5
        reps[:, :3] += reps[:, 3:6] * lift
        coarse = ti.ndarray(ti.i32, (len(count), 2))
        d.put("points", np.ascontiguousarray(reps[:: lightpick.REPRESENTATIVES]))
        lightpick.hash_vertices(d.points, d.grid, 1, coarse)
        return Cells(prints, slots, reps, count, met, grid, coarse.to_numpy())

    def _learn(self, settings: RenderSettings) -> None:
        """Learn. Where that is given up the cells on the device stay: a live view measures its next edits in them."""
        try:
            self._find(settings)
        except BaseException:
            if self.asked_in is not None:
                self._put_cells(self.asked_in)
            raise

    def _put_cells(self, cells: Cells) -> None:
        for name in ("grid", "reps", "count"):
            self.device.put(name, getattr(cells, name))

    def _find(self, settings: RenderSettings) -> None:
        lit = self._lit(settings)
        before = None if self.quick else self.recall
        cells = cells_of(before, lit) or self._cells(settings)
        if cells is None:
            self.forget_table()  # an earlier one may be of another camera
            return
        count, n = cells.count, len(cells.count)
        self._put_cells(cells)
        links = cells.reps[:: lightpick.REPRESENTATIVES, 6].astype(np.int32)
        same = known(before, lit, cells)
        estimates = self._estimates(n, same)
        pairs, unshadowed = self._relevant_pairs(n, links, estimates)
        value = unshadowed
        if not self.quick and len(pairs):
            rays = np.minimum(count[pairs[:, 0]], pairs[:, 2])
            pairs[:, 2] *= int(np.clip(RAYS // rays.sum(dtype=np.int64), 1, lightpick.MORE))
            pairs[self.narrow[pairs[:, 1]], 2] = lightpick.REPRESENTATIVES
            value = self._measure(pairs, unshadowed, same)
        self.use_table(lightpick.Learned(cells.prints, cells.slots, pairs, value, n, cells.grid, cells.coarse, links))
        self.asked_in, self.met = cells, cells.met
        if not self.quick:
            self.recall = Recall(lit, cells, estimates, pairs, value)

    def _measure(
        self, pairs: NDArray[np.int32], unshadowed: NDArray[np.float32], same: Known | None
    ) -> NDArray[np.float32]:
        """What lights bring to cells, shadowed; those that were asked before are not asked again."""
        if same is None:
            return self.measure_pairs(pairs, unshadowed)
        there, found = same.measured(pairs)
        value = np.empty(len(pairs), np.float32)
        value[there] = found
        value[~there] = self.measure_pairs(np.ascontiguousarray(pairs[~there]), unshadowed[~there])
        return value

    def forget_table(self) -> None:
        """Pick lights by their power, as before anything is learned."""
        self.learned = None
        self._put_table(lightpick.empty_table(self.lights.power, self.allowed))

    def pick_shares(self) -> NDArray[np.float64]:
        """(sets, lights) The share of all light samples that each row of lights takes on surfaces of each set of
        receivers, in the frame that was prepared, as expected."""
        if not self.n_lights:
            return np.zeros((1, 0))
        return pick_shares(self.learned, self.met, self.lights.power, self.allowed)

    def use_table(self, learned: lightpick.Learned) -> None:
        """Pick lights by what was learned, here or of a scene much like this one."""
        self.learned, x = learned, learned
        pairs, value = x.pairs, x.value
        if self.allowed is not None:  # links may be younger than what was learned
            mine = self.allowed[np.minimum(x.links, len(self.allowed) - 1)[pairs[:, 0]], pairs[:, 1]]
            pairs, value = pairs[mine], value[mine]
        own = (x.prints, x.slots, pairs, value)
        more = lightpick.parents(x.coarse, pairs, value, self.n_lights)
        prints, slots, pairs, value = (np.concatenate(both) for both in zip(own, more, strict=True))
        power = self.lights.power
        self._put_table(lightpick.make_table(prints, slots, pairs, value, len(prints), power, x.grid, self.allowed))

    def measure_pairs(self, pairs: NDArray[np.int32], unshadowed: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the lights of (cell, light, points to ask) bring, shadowed; `reps` and `count` are on the device."""
        d = self.device
        surface = (d.triangles, d.indices, d.vertices, d.instances, d.parts, d.materials, d.slots)
        found = [np.zeros(0, np.float32)]
        for first in range(0, len(pairs), PAIRS_AT_ONCE):
            part = pairs[first : first + PAIRS_AT_ONCE]
            out = ti.ndarray(ti.f32, len(part))
            d.put("pairs", part)
            d.put("unshadowed", unshadowed[first : first + PAIRS_AT_ONCE])
            lightpick.measure_pairs(
                d.pairs,
                d.unshadowed,
                d.reps,
                d.count,
                len(part),
                lightpick.DOUBT,
                d.rows,
                d.table,
                d.info,
                d.nodes,
                *surface,
                d.texels,
                d.images,
                self.root,
                d.shadow_links,
                out,
            )
            found.append(out.to_numpy())
            self.pause_point()
        return np.concatenate(found)

    def _estimates(self, n: int, same: Known | None) -> NDArray[np.float32] | None:
        """(n, lights) What each light would bring to each cell without shadows; None where that is too much to keep."""
        if self.quick or n * self.n_lights > MOST_ESTIMATES:
            return None
        d = self.device
        if same is None or same.estimates is None:
            return self._estimated(d.rows, self.n_lights, 0, n, n)
        changed = np.flatnonzero(same.changed)
        estimates = same.estimates
        if len(changed):
            rows = ti.ndarray(ti.f32, (len(changed), lr.LIGHT_STRIDE))
            rows.from_numpy(np.ascontiguousarray(self.lights.rows[changed]))
            estimates = estimates.copy()
            estimates[:, changed] = self._estimated(rows, len(changed), 0, n, n)
        return estimates

    def _estimated(self, rows: Any, lights: int, first: int, k: int, n: int) -> NDArray[np.float32]:
        """(k, lights) Estimates of lights with these rows at cells first .. first + k of n."""
        d = self.device
        most = lightpick.FEW if self.quick else lightpick.ASKED
        reps_used = int(np.clip(ESTIMATES // (n * self.n_lights), 1, most))
        out = ti.ndarray(ti.f32, (k, lights))
        lightpick.estimate_cells(rows, d.table, d.grid, d.reps, d.count, reps_used, first, k, out)
        self.pause_point()
        return out.to_numpy()

    def _relevant_pairs(
        self, n: int, links: NDArray[np.int32], estimates: NDArray[np.float32] | None
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Cell, light and points to ask where the unshadowed estimate is not negligible, sorted; and the estimates.

        `links` (n,) is the set of receivers of each cell, which only its own lights light.
        """
        step = max(1, (1 << 22) // max(self.n_lights, 1))
        found, values = [], []
        for first in range(0, n, step):
            k = min(step, n - first)
            if estimates is None:
                e = self._estimated(self.device.rows, self.n_lights, first, k, n)
            else:
                e = estimates[first : first + k]
            if self.allowed is not None:
                e = e * self.allowed[links[first : first + k]]
            lamps = np.where(self.everywhere, np.float32(0.0), e)  # beside a sun every lamp would be nothing
            total, strongest = lamps.sum(1, keepdims=True), lamps.max(1)
            cell, light = np.nonzero(e > lightpick.RELEVANT * total)
            part = e[cell, light] / np.maximum(strongest[cell], 1e-30)
            points = np.where(part > lightpick.MINOR, lightpick.ASKED, lightpick.FEW)
            points[part > lightpick.STRONG] = lightpick.REPRESENTATIVES
            found.append(np.stack([cell + first, light, points], 1).astype(np.int32))
            values.append(e[cell, light])
            self.pause_point()
        return np.ascontiguousarray(np.concatenate(found)), np.concatenate(values)

    # --- rendering ----------------------------------------------------------------------------------------------
    def begin(
        self,
        layout: Layout,
        settings: RenderSettings,
        *,
        following: FlatScene | None = None,
        layers: LayerPlan | None = None,
        again: bool = False,
    ) -> None:
        """Make room for a film; `following` is the next frame's flat scene when motion vectors are wanted. `layers`
        keeps the lights apart (`develop_layers`); `again` is another crop of the frame begun before."""
        d = self.device
        self.layout, self.settings = layout, settings
        self.clamp = settings.clamp_indirect
        self.plan = plan = gather.Plan(layout)
        d.put("columns", plan.columns)
        d.put("scales", plan.scales)
        x0, y0, x1, y1 = layout.crop
        size = (x1 - x0) * (y1 - y0)
        blank = {
            "sums": np.zeros((size, len(layout.channels)), np.int64),
            "squares": np.zeros(size, np.int64),
            "halves": np.zeros((size, 3), np.int64),
            "half_counts": np.zeros(size, np.int32),
            "counts": np.zeros(size, np.int32),
            "rays": np.zeros(size, np.int64),
            "minima": np.full((size, max(1, len(layout.minima))), np.inf, np.float32),
            "matte_ids": np.zeros((max(1, len(layout.mattes) * size), MATTE_SLOTS), np.uint32),
            "matte_counts": np.zeros((max(1, len(layout.mattes) * size), MATTE_SLOTS), np.uint32),
            "matte_lost": np.zeros(size, np.int32),
        }
        for name, array in blank.items():
            d.put("film_" + name, array)
        self._begin_layers(layout, settings, layers, again=again)
        self.hits = ti.ndarray(ti.f32, (gather.FIRST_HIT_ROWS, self.batch if plan.first_hit else 1))
        self.split = ti.ndarray(ti.f32, (max(1, plan.split_rows), self.batch if plan.split_rows else 1))
        if plan.first_hit and not again:
            d.put("next_camera", pack_camera((following or self.flat).camera, settings))
            d.put("motion", object_motion(self.flat, following))
            start, drifts = vertex_drift(self.flat, following, self.part_start, self.first_vertex)
            d.put("drift_start", start)
            d.put("drifts", drifts)
        for k, names in enumerate(
            {"object": self.flat.object_names, "material": self.flat.material_names}[m] for m in layout.mattes
        ):
            d.put(f"matte_names_{k}", np.asarray(matte_ids(names), np.uint32) if names else np.ones(1, np.uint32))

    def _begin_layers(self, layout: Layout, settings: RenderSettings, layers: LayerPlan | None, *, again: bool) -> None:
        """Lists of contributions for a frame and sums for a crop of it, or neither."""
        if layers is None or not again or self.apart is None:
            self.apart, self.entries = None, self.no_split
            if layers is not None:
                self.apart = LightSums(layers, settings.depth, self.n_infinite, self.batch, below=self.scatters)
                self.entries = self.apart.entries
        if self.apart is not None:
            self.apart.begin(layout)

    def develop_layers(self, halves: NDArray[np.float16], floats: NDArray[np.float32]) -> None:
        """What each light brought to the crop begun last, to arrays as `LayerPlan.carve` makes them."""
        if self.apart is not None:
            self.apart.develop(halves, floats)

    def render(
        self, pixels: NDArray[np.int32], first: int, count: int, *, go_on: Callable[[int], bool] | None = None
    ) -> int:
        """Add samples first .. first + count of `pixels` (y * width + x) to the film on the device.

        `go_on(samples_done)` is asked after each wave with the number of pixel samples done in this call; when it says
        no, rendering stops after a whole round of samples of all `pixels`. Returns the samples done per pixel.
        """
        d, plan, layout = self.device, self.plan, self.layout
        done = 0
        wave = self.batch if self.apart is None else self.apart.wave
        per_round = max(1, wave // max(len(pixels), 1))
        slices = []
        for a in range(0, len(pixels), wave):
            part = ti.ndarray(ti.i32, len(pixels[a : a + wave]))
            part.from_numpy(np.ascontiguousarray(pixels[a : a + wave], np.int32))
            slices.append(part)
        x0, y0, x1, y1 = layout.crop
        while done < count:
            k = min(per_round, count - done)
            if done == 0 and self.apart is None:
                k = 1  # something to look at soon
            stop = False
            for n_slice, part in enumerate(slices):
                n = self._start(part, first + done, k, self.settings, seed=self.settings.seed)
                if plan.split_rows:
                    self.split.fill(0.0)
                for bounce in range(self.settings.depth):
                    self._bounce(n, bounce, self.settings.depth, self.candidates)
                gather.into_film(
                    self.state,
                    self.hits,
                    self.split,
                    part,
                    part.shape[0],
                    k,
                    layout.width,
                    x0,
                    y0,
                    x1 - x0,
                    d.columns,
                    d.scales,
                    layout.limit,
                    math.ldexp(1.0, layout.square_exponent),
                    ti.math.vec3(*layout.luminance),
                    d.film_sums,
                    d.film_squares,
                    d.film_halves,
                    d.film_half_counts,
                    d.film_counts,
                    d.film_rays,
                    d.film_minima,
                    len(layout.minima),
                )
                if self.apart is not None:
                    self.apart.add(self.state, part, k)
                for layer, kind in enumerate(layout.mattes):
                    gather.into_mattes(
                        self.hits,
                        part,
                        part.shape[0],
                        k,
                        layout.width,
                        x0,
                        y0,
                        x1 - x0,
                        (x1 - x0) * (y1 - y0),
                        getattr(d, f"matte_names_{layer}"),
                        gather.OBJECT if kind == "object" else gather.MATERIAL,
                        layer,
                        d.film_matte_ids,
                        d.film_matte_counts,
                        d.film_matte_lost,
                    )
                if go_on is not None:
                    ti.sync()
                    stop = not go_on(done * len(pixels) + k * min((n_slice + 1) * wave, len(pixels))) or stop
            done += k
            if stop:
                break
        return done

    def developed(self) -> Film:
        """What the device's film holds since the last `collect`, as a new film; the device keeps it."""
        part = {}
        for name, (dtype, shape) in self.layout.shapes().items():
            array = getattr(self.device, "film_" + name)
            part[name] = array.to_numpy().astype(dtype, copy=False).reshape(-1)[: math.prod(shape)].reshape(shape)
        film = Film.over(part, self.layout)
        film.settle()
        return film

    def collect(self, film: Film) -> None:
        """Add everything rendered since the last call to `film` and empty the device's film."""
        self.developed().merge_into(film)
        for name in self.layout.shapes():
            getattr(self.device, "film_" + name).fill(math.inf if name == "minima" else 0)
        self.rays += int(self.device.film_rays.to_numpy().sum())
        self.device.film_rays.fill(0)

    def count_shadow_rays(self, *, on: bool = True) -> None:
        """Count shadow rays by light from now on, from 0, or no longer; another scene ends it."""
        self.asked = ti.ndarray(ti.i32, 1 + (self.n_lights if on else 0))
        self.asked.fill(0)

    @property
    def counts(self) -> NDArray[np.int32]:
        """Shadow rays traced to each light (lights,) since `count_shadow_rays`; empty where nobody counts."""
        return np.asarray(self.asked.to_numpy()[1:])

    # --- measuring ---------------------------------------------------------------------------------------------
    def mean_image(self, settings: RenderSettings) -> NDArray[np.float32]:
        """Plain mean radiance (h, w, 3) without a film."""
        self.apart, self.entries = None, self.no_split
        w, h = settings.width, settings.height
        n = w * h
        host = np.arange(n, dtype=np.int32)
        total = np.zeros((n, 3), np.float64)
        chunk = min(n, self.batch)
        for a in range(0, n, chunk):
            part = host[a : a + chunk]
            pixels = ti.ndarray(ti.i32, len(part))
            pixels.from_numpy(part)
            out = ti.ndarray(ti.f32, (len(part), 3))
            out.fill(0.0)
            per = max(1, self.batch // len(part))
            s = settings.first_sample
            end = s + settings.samples
            while s < end:
                k = min(per, end - s)
                m = self._start(pixels, s, k, settings, seed=settings.seed)
                for bounce in range(settings.depth):
                    self._bounce(m, bounce, settings.depth, self.candidates)
                kernels.gather_mean(self.state, len(part), k, out)
                s += k
            total[a : a + chunk] = out.to_numpy()
        return (total / settings.samples).reshape(h, w, 3).astype(np.float32)


def lit_surfaces(flat: FlatScene) -> tuple[bytes, ...]:
    """What lights take from surfaces: the materials of emissive parts, with slots and images where any has some."""
    lamps = flat.lights[(flat.lights["kind"] == KINDS["mesh"]) & (flat.lights["instance"] >= 0)]
    rows = flat.instances["material_start"][lamps["instance"]] + lamps["part"]
    known = len(flat.materials) > 0 and len(rows) > 0
    worn = np.take(flat.materials, flat.instance_materials[rows], axis=0, mode="clip") if known else flat.materials[:0]
    slotted = bool((worn[:, OFFSET["slot_count"]] > 0).any())
    shown = slotted or any(bool((flat.lights[name] >= 0).any()) for name in ("image", "profile", "gobo"))
    images = "\n".join(f"{image.key} {image.colour_space}" for image in flat.textures) if shown else ""
    return worn.tobytes(), flat.slots.tobytes() if slotted else b"", images.encode()


def _same(a: FlatScene, b: FlatScene, sections: tuple[str, ...]) -> bool:
    return all(
        getattr(a, name) is getattr(b, name)
        or (name == "instances" and same_but_links(a.instances, b.instances))
        or (name == "portals" and np.array_equal(a.portals, b.portals))
        for name in sections
    )


def same_but_links(a: NDArray[np.void], b: NDArray[np.void]) -> bool:
    """Whether instances differ at most in the lights that are linked to them, which moves no triangle."""
    names = [name for name in a.dtype.names or () if name not in ("link", "shadow_link")]
    return len(a) == len(b) and all(np.array_equal(a[name], b[name]) for name in names)


def object_motion(flat: FlatScene, following: FlatScene | None) -> NDArray[np.float32]:
    """Per object (n, 12): the affine map from where it is now to where it is in the next frame."""
    out = np.tile(np.eye(4, dtype=np.float32)[:3].ravel(), (max(1, len(flat.object_names)), 1))
    if following is None or following is flat:
        return out
    index = {name: i for i, name in enumerate(following.object_names)}
    rows = {int(r["object"]): r["open"] for r in following.instances}
    for row in flat.instances:
        then = rows.get(index.get(flat.object_names[row["object"]], -1))
        if then is not None and not np.array_equal(then, row["open"]):
            a, b = np.eye(4), np.eye(4)
            a[:3], b[:3] = row["open"], then
            out[row["object"]] = (b @ np.linalg.inv(a))[:3].ravel()
    return out
