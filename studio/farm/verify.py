"""Whether a partial is what its node says: read whole, of this job and range, and sane.

What is wrong is said in one sentence and never reaches a merge. Spot checks by other nodes, canaries and reputation
stand in `studio.farm.trust.inspector`; this is what every partial goes through.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset
from studio.farm.bundles.cas import digest_of as digest_of
from studio.farm.jobs import RenderJob, crop_of, is_adaptive
from studio.farm.model import Needs, Piece, Result
from studio.farm.store import Store
from studio.render.film import Array, Film, plan_layout
from studio.render.partial import Header, header_in, read_partial, settings_digest
from studio.render.session import film_aovs
from studio.render.settings import RenderSettings

MOST_LIGHT_GROUPS = 256  # of a scene whose lights are summed apart
EVERY_BLOCK = "all"
_HEADER_BYTES = 4 << 20
_MOST_LOOKED_AT = 8  # results, of which the first ones may be damaged


def largest_part(job: RenderJob, piece: Piece) -> int:
    """How many bytes a partial of a piece can have: those of its film, which deflating may make a little longer."""
    settings = job.settings
    layout = plan_layout(
        settings.width,
        settings.height,
        aovs=film_aovs(settings),
        light_groups=[str(i) for i in range(MOST_LIGHT_GROUPS)] if "lights" in film_aovs(settings) else (),
        exponent=0,
        crop=piece.crop or settings.crop,
    )
    return layout.nbytes + layout.nbytes // 1000 + _HEADER_BYTES


def needs_of(store: Store, job: RenderJob, results: Iterable[Result]) -> Needs:
    """What a node must be to work at a job of which there are results: of their class of device and their build, as
    others would not add up to a picture. As the job says, where nothing that there is can be read."""
    needs = job.spec.needs
    for result in islice(results, _MOST_LOOKED_AT):
        if needs.device and needs.backend and needs.build:
            break
        try:
            made = header_in(
                partial(store.get_range, result.key), store.size(result.key) or 0, f"{store.name}: {result.key}"
            )
        except BadAsset:  # it was claimed, and is looked for by whoever merges
            continue
        return msgspec.structs.replace(needs, device=made.device, backend=made.backend, build=made.build)
    return needs


def header_blocks(job: RenderJob, blocks: str) -> str:
    """What a part's header calls the blocks of pixels that it is of."""
    return (blocks or EVERY_BLOCK) if is_adaptive(job) else ""


def check_partial(
    path: Path, job: RenderJob, piece: Piece, result: Result, pixels: NDArray[np.bool_] | None = None
) -> tuple[Film, Header]:
    """The film and header of a partial that is the result of a piece's range; BadAsset when it is anything else.
    `pixels`, (height, width), are those of the blocks that it is of (`rounds.Choices.pixels`); None for all."""
    if digest_of(path.read_bytes()) != result.digest:
        raise BadAsset("the partial is not what its node said: its digest differs; it was damaged on the way")
    film, header = read_partial(path)
    first, last = result.range
    settings = job.settings
    width, height = settings.width, settings.height
    faults = (
        (header.ranges == ((first, last),), f"it holds samples {header.ranges}, not {first}:{last}"),
        (header.frame == piece.frame, f"it is of frame {header.frame:g}, not {piece.frame:g}"),
        (header.complete and header.adaptive == is_adaptive(job), "it lacks samples"),
        (header.blocks == header_blocks(job, result.blocks), "it is of other blocks of pixels"),
        ((film.layout.width, film.layout.height) == (width, height), "it is of another size"),
        (tuple(film.layout.crop) == tuple(crop_of(job, piece)), "it is of another crop"),
        (header.build == job.spec.needs.build or not job.spec.needs.build, "it is of another build of the renderer"),
        (header.settings == settings_digest(plain_settings(job)), "it was rendered with other settings"),
    )
    for fits, what in faults:
        if not fits:
            raise BadAsset(f"the partial is not what was asked for: {what}")
    check_sane(film, last - first, pixels)
    return film, header


def check_sane(film: Film, samples: int, pixels: NDArray[np.bool_] | None = None) -> None:
    """Raise BadAsset for a film whose sums cannot be those of a picture, or of some pixels of one."""
    if not (film.counts == (samples if pixels is None else np.where(pixels, samples, 0))).all():
        raise BadAsset(f"the partial has pixels without their {samples} samples")
    if pixels is not None:
        for name, array in film.buffers().items():
            if _touched(array, np.inf if name == "minima" else 0)[~pixels].any():
                raise BadAsset(f"the partial has {name} where it has no samples")
    alpha = next((i for i, c in enumerate(film.layout.channels) if c.name == "A"), None)
    if alpha is not None:
        coverage = film.sums[..., alpha].astype(np.float64)
        if coverage.min(initial=0.0) < 0:
            raise BadAsset("the partial covers pixels less than not at all")


def _touched(array: Array, empty: float) -> NDArray[np.bool_]:
    """(height, width) Where a buffer of a film is not empty; those of mattes are (mattes, height, width, slots)."""
    axes = {2: (), 3: (2,), 4: (0, 3)}[array.ndim]
    touched: NDArray[np.bool_] = np.any(array != empty, axis=axes)
    return touched


def plain_settings(job: RenderJob) -> RenderSettings:
    """The settings as a partial's header has them: switches and the AOVs that they stand for are the same request."""
    aovs = tuple(sorted(set(film_aovs(job.settings))))
    return msgspec.structs.replace(job.settings, aovs=aovs, light_groups=False, cryptomatte=False)
