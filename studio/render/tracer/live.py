"""What the live view asks of the tracer beyond a film: a table of lights that follows edits, and quick pictures.

Learning which light matters where takes a good part of a second, and while an artist drags a lamp there is none. But
whatever table lamps are drawn from, the picture is unbiased, and little of a table depends on one lamp. So after an
edit the earlier table is carried over: its lamps are found again by who they are, what a dimmed lamp brings is scaled
(it is proportional to its emission), and lamps that moved or are new are measured alone, at the points of the scene
that the last learning visited. When the artist rests, the whole is learned as for a final frame.
"""

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from studio.render.tracer import light_rows as lr
from studio.render.tracer import lightpick
from studio.render.tracer.tracer import Tracer

i64_2d = ti.types.ndarray(dtype=ti.i64, ndim=2)
f32_2d = ti.types.ndarray(dtype=ti.f32, ndim=2)
f32_1d = ti.types.ndarray(dtype=ti.f32, ndim=1)
i32_1d = ti.types.ndarray(dtype=ti.i32, ndim=1)

COARSEST = 32  # pixels between two samples of the first pass, at most
_OUTSHINES = 4.0  # a lamp so many times stronger than when it was measured may matter where it did not
_LARGEST_ESTIMATE = 1 << 24  # cells times lamps to be measured; beyond it everything is learned anew
MEASURED_RAYS = 1 << 18  # shadow rays that lamps which changed may cost; beyond it they are taken as unshadowed
_SCALED = [
    *range(lr.EMISSION, lr.EMISSION + 3),
    lr.OFFSET_HI,
    lr.OFFSET_LO,
    lr.PICKS_HI,
    lr.PICKS_LO,
    lr.STRENGTH,
    lr.POWER,
    lr.PORTALS,
    lr.PORTALS_HI,
    lr.PORTALS_LO,
]
_SHAPE = np.setdiff1d(np.arange(lr.LIGHT_STRIDE), _SCALED)


@ti.kernel
def develop(
    sums: i64_2d,
    counts: i32_1d,
    minima: f32_2d,
    columns: i32_1d,
    scales: f32_1d,
    under: f32_2d,
    has_under: ti.i32,
    width: ti.i32,
    height: ti.i32,
    out: f32_2d,
):
    """Means of channels as f32, (pixels, channels); `columns` below 0 are minima. A pixel without a sample shows
    `under`, when there is one, else the nearest sample of the finest grid that has one."""
    for i in range(width * height):
        x, y = i % width, i // width
        from_ = i if counts[i] > 0 else -1
        if from_ < 0 and has_under == 0:
            step = 2
            while step <= COARSEST and from_ < 0:
                sx, sy = (x + step // 2) // step * step, (y + step // 2) // step * step
                if sx >= width:
                    sx -= step
                if sy >= height:
                    sy -= step
                if counts[sy * width + sx] > 0:
                    from_ = sy * width + sx
                step *= 2
        for c in range(columns.shape[0]):
            value = 0.0
            if from_ >= 0:
                if columns[c] >= 0:
                    total = ti.cast(sums[from_, columns[c]], ti.f32)
                    value = total * scales[c] / ti.cast(counts[from_], ti.f32)
                else:
                    value = minima[from_, -1 - columns[c]]
            elif has_under == 1:
                value = under[i, c]
            out[i, c] = value


class Developer:
    """Quick pictures of the film on the device: the channels that a view shows, and nothing else, as floats."""

    def __init__(self, tracer: Tracer, channels: tuple[str, ...]) -> None:
        layout = tracer.layout
        names = [c.name for c in layout.channels]
        columns = [names.index(c) if c in names else -1 - layout.minima.index(c) for c in channels]
        scales = [2.0 ** -layout.channels[k].exponent if k >= 0 else 1.0 for k in columns]
        x0, y0, x1, y1 = layout.crop
        self.width, self.height = x1 - x0, y1 - y0
        shape = (self.width * self.height, len(channels))
        self.columns, self.scales = ti.ndarray(ti.i32, len(columns)), ti.ndarray(ti.f32, len(scales))
        self.columns.from_numpy(np.array(columns, np.int32))
        self.scales.from_numpy(np.array(scales, np.float32))
        self.out = ti.ndarray(ti.f32, shape)
        self.under = None
        self.blank = ti.ndarray(ti.f32, (1, 1))

    def cover(self, picture: NDArray[np.float32] | None) -> None:
        """What pixels without a sample show from now on: a picture (h, w, channels), or None for their neighbours."""
        self.under = None
        if picture is not None:
            self.under = ti.ndarray(ti.f32, tuple(self.out.shape))
            self.under.from_numpy(np.ascontiguousarray(picture, np.float32).reshape(self.out.shape))

    def picture(self, tracer: Tracer) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """(h, w, channels) means and (h, w) samples taken."""
        d = tracer.device
        under = self.blank if self.under is None else self.under
        columns, scales, covered = self.columns, self.scales, int(self.under is not None)
        develop(
            d.film_sums,
            d.film_counts,
            d.film_minima,
            columns,
            scales,
            under,
            covered,
            self.width,
            self.height,
            self.out,
        )
        shape = (self.height, self.width)
        return self.out.to_numpy().reshape(*shape, -1), d.film_counts.to_numpy().reshape(shape)


class LightMemory:
    """The table learned last, by who its lamps are, and the lamps as they were then."""

    def __init__(self) -> None:
        self.learned: lightpick.Learned | None = None
        self._lamps: tuple[str, ...] = ()
        self._rows: NDArray[np.float32] | None = None
        self._weighed: dict[str, float] = {}  # how strong a lamp was when it was last asked where it matters

    def keep(self, tracer: Tracer, lamps: tuple[str, ...]) -> None:
        """Remember what the tracer has learned; `lamps` names its rows of lights."""
        self.learned, self._lamps, self._rows = tracer.learned, lamps, tracer.lights.rows
        self._weighed = dict(zip(lamps, tracer.lights.rows[:, lr.STRENGTH].tolist(), strict=False))

    def carry_over(self, tracer: Tracer, lamps: tuple[str, ...]) -> bool:
        """Give the tracer, which has loaded another scene since, a table made of the one remembered.

        False when there is none to make it of; the tracer then picks lights by their power.
        """
        before = self.learned
        if before is None or len(lamps) < 2 or set(self._lamps).isdisjoint(lamps):
            return False
        factor, fresh = self._matched(tracer.lights.rows, lamps)
        if int(fresh.sum()) * before.n_cells > _LARGEST_ESTIMATE:
            return False
        origin = {lamp: k for k, lamp in enumerate(self._lamps)}
        to = np.full(len(self._lamps), -1, np.int64)
        for k, lamp in enumerate(lamps):
            if not fresh[k]:
                to[origin[lamp]] = k
        kept = to[before.pairs[:, 1]] >= 0
        pairs = before.pairs[kept]
        pairs[:, 1] = to[pairs[:, 1]]
        value = before.value[kept] * factor[pairs[:, 1]]
        new, worth = self._measured(tracer, np.flatnonzero(fresh).astype(np.int32), before.n_cells)
        pairs, value = _sorted(np.concatenate([pairs, new]), np.concatenate([value, worth]), len(lamps))
        learned = lightpick.Learned(
            before.prints, before.slots, pairs, value, before.n_cells, before.grid, before.coarse, before.links
        )
        tracer.use_table(learned)
        weighed = {lamp: self._weighed[lamp] for k, lamp in enumerate(lamps) if not fresh[k]}
        self.keep(tracer, lamps)
        self._weighed |= weighed
        return True

    def _matched(
        self, rows: NDArray[np.float32], lamps: tuple[str, ...]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """For each lamp how much stronger it is than before, and whether it has to be measured anew."""
        assert self._rows is not None
        origin = {lamp: k for k, lamp in enumerate(self._lamps)}
        factor, fresh = np.ones(len(lamps), np.float32), np.ones(len(lamps), np.bool_)
        for k, lamp in enumerate(lamps):
            j = origin.get(lamp, -1)
            if j < 0:
                continue
            now, then = rows[k], self._rows[j]
            ratio = float(now[lr.STRENGTH]) / max(float(then[lr.STRENGTH]), 1e-30)
            known = float(now[lr.STRENGTH]) <= _OUTSHINES * self._weighed[lamp]
            if known and ratio < 1e30 and np.array_equal(now[_SHAPE], then[_SHAPE]):
                factor[k], fresh[k] = ratio, False
        return factor, fresh

    def _measured(
        self, tracer: Tracer, fresh: NDArray[np.int32], cells: int
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Pairs and values of lamps that changed, over the points that were visited when the rest was learned."""
        if not len(fresh):
            return np.zeros((0, 3), np.int32), np.zeros(0, np.float32)
        d = tracer.device
        rows = ti.ndarray(ti.f32, (len(fresh), lr.LIGHT_STRIDE))
        rows.from_numpy(np.ascontiguousarray(tracer.lights.rows[fresh]))
        points = int(np.clip(MEASURED_RAYS // (cells * len(fresh)), 1, lightpick.FEW))
        out = ti.ndarray(ti.f32, (cells, len(fresh)))
        lightpick.estimate_cells(rows, d.table, d.grid, d.reps, d.count, points, 0, cells, out)
        estimate = out.to_numpy()
        cell, lamp = np.nonzero(estimate > 0.0)
        value = estimate[cell, lamp]
        pairs = np.stack([cell, fresh[lamp], np.full(len(cell), points)], 1).astype(np.int32)
        if len(pairs) * points <= MEASURED_RAYS:
            value = tracer.measure_pairs(pairs, value)
        return pairs, value


def _sorted(
    pairs: NDArray[np.int32], value: NDArray[np.float32], lamps: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """By cell, then lamp, as `make_table` wants them."""
    key = pairs[:, 0].astype(np.int64) * lamps + pairs[:, 1]
    if not (key[1:] >= key[:-1]).all():
        order = np.argsort(key, kind="stable")  # two sorted runs: a merge
        pairs, value = pairs[order], value[order]
    return np.ascontiguousarray(pairs), value
