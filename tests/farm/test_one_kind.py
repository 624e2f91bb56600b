"""A job has the samples of one class of device and one build, also when another coordinator goes on with it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import msgspec
import pytest

from studio.errors import BadAsset
from studio.farm.model import NodeInfo
from studio.farm.service import Service
from studio.farm.store import Store, open_store
from studio.render.checkpoint import build_id
from studio.render.partial import header_in
from tests.farm.results_of import DEVICE, deliver, job_in

NODE = NodeInfo(id="n", device=DEVICE.device_class, backend=DEVICE.backend, build=build_id(), memory_bytes=1 << 30)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


@pytest.mark.parametrize("other", [{"device": "another"}, {"backend": "cuda"}, {"build": "1+earlier"}])
def test_whoever_goes_on_with_a_job_gives_it_to_the_kind_of_node_that_began_it(
    tmp_path: Path, store: Store, other: dict[str, str]
) -> None:
    job = job_in(store, tmp_path)
    deliver(store, job, tmp_path, 0, (0, 8))
    service = Service(store)
    service.submit(job)
    service.join(msgspec.structs.replace(NODE, id="other", **other))
    assert service.ask("other") is None
    assert "another kind of node than there is (cpu test, build" in service.status(job.spec.id).why
    service.join(NODE)
    lease = service.ask("n")
    assert lease is not None and lease.job == job.spec.id and service.status(job.spec.id).why == ""


def test_a_job_with_nothing_done_or_nothing_that_can_be_read_is_anybodys(tmp_path: Path, store: Store) -> None:
    untouched, damaged = job_in(store, tmp_path), job_in(store, tmp_path, frames=(3.0,))
    store.put(deliver(store, damaged, tmp_path, 0, (0, 8)).key, b"what is left of it")
    service = Service(store)
    for job in (untouched, damaged):
        service.submit(job)
        service.join(msgspec.structs.replace(NODE, device="another"))
        assert service.status(job.spec.id).why == ""
        lease = service.ask("n")
        assert lease is not None and lease.job == job.spec.id
        service.forget(job.spec.id)


@pytest.mark.parametrize("damage", [b"", b"MYRDPRT1", b"MYRDPRT1\xff\xff\xff\xff{}", b"MYRDPRT1\2\0\0\0{}", b"x" * 99])
def test_what_a_damaged_partial_says_it_is_nobody_hears(store: Store, damage: bytes) -> None:
    store.put("a.part", damage)
    with pytest.raises(BadAsset, match=r"a\.part"):
        header_in(partial(store.get_range, "a.part"), store.size("a.part") or 0, "a.part")
