"""From the partials of a job to its pictures: films are sums, so any order of any parts gives the same bits."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from studio.farm.jobs import RenderJob
from studio.farm.model import Result
from studio.farm.rounds import Choices
from studio.farm.store import Store
from studio.farm.verify import check_partial
from studio.render.film import Film
from studio.render.partial import Header, merge_partials


def merged(
    store: Store, job: RenderJob, piece: int, results: Sequence[Result], *, gaps: bool = False
) -> tuple[Film, Header]:
    """The film of a piece out of its results, each fetched and checked once more.

    With `gaps` it is what there is, for a look. Raises BadAsset for a partial that is damaged, UsageError for gaps.
    """
    choices = Choices(store)
    with tempfile.TemporaryDirectory(prefix="myriad-farm-") as folder:
        paths = []
        for number, result in enumerate(sorted(results, key=lambda r: r.range)):
            path = Path(folder) / f"{number}.part"
            path.write_bytes(store.get(result.key))
            pixels = choices.pixels(job, job.spec.pieces[piece], result.range, result.blocks)
            check_partial(path, job, job.spec.pieces[piece], result, pixels)
            paths.append(path)
        return merge_partials(paths, allow_gaps=gaps)
