"""What a coordinator counts and its store has no more: what somebody else has taken back.

Two coordinators at one store share its claims and nothing else. When one catches a forger it removes what that one had
delivered, and the other would go on to count it. So every job is compared with the store now and then. A result is
missing when its partial or its claim is not there, each asked for by its own name, as lists may be old.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from studio.farm.chain import place_of
from studio.farm.jobs import RenderJob, claim_on, job_key
from studio.farm.model import Result
from studio.farm.store import Store

MOST = 200  # results of a job that are asked for at once


def missing(
    store: Store, generation: int, job: RenderJob, results: Mapping[int, Sequence[Result]]
) -> list[tuple[int, Result]]:
    """Results of a job, with the index of their piece, that the store of a coordinator has no more; none where the
    store is not what it was, as when its disk is gone. Raises CannotWrite when it does not answer."""
    id_, pieces = job.spec.id, job.spec.pieces
    there = {key.removesuffix(".json") for key, _ in store.list(job_key(id_))}

    def listed(row: int, result: Result) -> bool:
        first, last = result.range
        claim = job_key(id_, "done", place_of(pieces[row], result.blocks), f"{first}-{last}")
        return result.key in there and claim in there

    doubtful = [(row, result) for row, made in results.items() for result in made if not listed(row, result)]
    gone = [(row, result) for row, result in doubtful[:MOST] if not _is_there(store, job, row, result)]
    if not gone or not is_same_store(store, generation) or store.size(job_key(id_, "job.json")) is None:
        return []
    return gone


def _is_there(store: Store, job: RenderJob, row: int, result: Result) -> bool:
    if store.size(result.key) is None:
        return False
    return claim_on(store, job.spec.id, job.spec.pieces[row], result.range, result.blocks) is not None


def is_same_store(store: Store, generation: int) -> bool:
    """Whether a store is still the one at which a coordinator began, and not the empty folder below its disk."""
    return store.size(f"generations/{generation}") is not None
