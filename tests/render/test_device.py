"""Which CUDA devices there are, by a driver that is pretended, and who takes which."""

from __future__ import annotations

from typing import Any

import pytest

from studio.command_line import farm_places as places
from studio.farm.local import LocalFarm
from studio.farm.work import WorkOrder
from studio.render import device

UUIDS = tuple(bytes([n] * 16) for n in (1, 2))
NAMES = ("GPU-01010101-0101-0101-0101-010101010101", "GPU-02020202-0202-0202-0202-020202020202")


class Driver:
    """As much of the CUDA driver API as is asked, of so many devices; `faults` are functions that fail."""

    def __init__(self, count: int, *faults: str) -> None:
        self.count, self.faults = count, faults

    def _call(self, name: str) -> int:
        return 999 if name in self.faults else 0

    def cuInit(self, flags: int) -> int:
        return self._call("cuInit")

    def cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = self.count
        return self._call("cuDeviceGetCount")

    def cuDeviceGet(self, found: Any, index: int) -> int:
        found._obj.value = index
        return self._call("cuDeviceGet")

    def cuDeviceGetUuid(self, uuid: Any, found: Any) -> int:
        uuid._obj[:] = UUIDS[found.value]
        return self._call("cuDeviceGetUuid")


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def install(count: int, *faults: str) -> None:
        monkeypatch.setattr(device, "_library", lambda *names: Driver(count, *faults))

    return install


def test_devices_are_called_by_their_uuids(driver: Any) -> None:
    driver(2)
    assert device.cuda_devices() == NAMES
    driver(0)
    assert device.cuda_devices() == ()


@pytest.mark.parametrize("fault", ["cuInit", "cuDeviceGetCount", "cuDeviceGet", "cuDeviceGetUuid"])
def test_a_driver_that_fails_shows_none(driver: Any, fault: str) -> None:
    driver(2, fault)
    assert device.cuda_devices() == () and device.cuda_device_of("cuda", 0) == ""


def test_devices_that_are_hidden_are_not_there(driver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    driver(2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert device.cuda_devices() == ()


def test_each_of_several_processes_takes_another_device(driver: Any) -> None:
    driver(2)
    assert [device.cuda_device_of("auto", index) for index in range(3)] == [*NAMES, NAMES[0]]
    assert device.cuda_device_of("cpu", 1) == "" and device.cuda_device_of("vulkan", 1) == ""
    driver(1)
    assert device.cuda_device_of("auto", 1) == "", "the only one needs no name"


def test_nodes_of_a_machine_have_a_device_each(driver: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    driver(2)
    orders: list[WorkOrder] = []

    def refuse(order: WorkOrder) -> None:
        orders.append(order)
        if len(orders) == 3:
            raise OSError("no more")

    monkeypatch.setattr("studio.farm.local.start_node", refuse)
    monkeypatch.setattr(LocalFarm, "_end_nodes", lambda self: None)
    monkeypatch.setattr("studio.farm.local.score_of", lambda *_, **__: type("Score", (), {"value": 1.0}))
    with pytest.raises(Exception, match="cannot be started"):
        LocalFarm(tmp_path / "store", nodes=3, device="cuda")
    assert [order.gpu for order in orders] == [*NAMES, NAMES[0]]


def test_without_a_number_there_is_a_node_for_each_device(driver: Any) -> None:
    driver(2)
    assert places.nodes_of(None, "auto") == 2 and places.nodes_of("5", "auto") == 5
    assert places.nodes_of(None, "cpu") == 1
    driver(0)
    assert places.nodes_of(None, "auto") == 1
