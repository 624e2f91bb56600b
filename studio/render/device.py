"""Which devices there are to render on, found without starting any of them.

The tracer runs on what Taichi runs on: CUDA, Metal, Vulkan and the CPU. `auto` takes the first of those, leaving out
a Vulkan that is a CPU in disguise (llvmpipe), which would be the slowest of all. Devices are asked for by the smallest
means that the drivers offer, so `studio doctor` and the renderer agree and neither imports Taichi for it.

Renders are bit-identical within a class of device only: other instructions and other libraries of the processor's
maker round the last bit differently. The class is part of every partial render.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import platform
import subprocess
from functools import cache
from pathlib import Path
from uuid import UUID

import msgspec

from studio.errors import Unsupported, UsageError

BACKENDS = ("cuda", "metal", "vulkan", "cpu")  # in the order of `auto`
CHOICES = ("auto", *BACKENDS)


class DeviceInfo(msgspec.Struct, frozen=True):
    """A device: its backend, its name for people and its class, within which renders have the same bits."""

    backend: str
    name: str
    device_class: str
    memory_bytes: int = 0  # 0: unknown


def candidates(device: str) -> tuple[str, ...]:
    """Backends to try for a `--device`, in order.

    Raises `UsageError` for an unknown name and `Unsupported` for a backend that this machine does not have.
    """
    if device not in CHOICES:
        raise UsageError(f"there is no device {device!r}; choose from {', '.join(CHOICES)}")
    if device == "auto":
        return tuple(info.backend for info in devices() if not _is_software(info))
    if device not in {info.backend for info in devices()}:
        there = ", ".join(f"{info.backend} ({info.name})" for info in devices())
        raise Unsupported(f"there is no {device} device on this machine; it has {there}")
    return (device,)


@cache
def devices() -> tuple[DeviceInfo, ...]:
    """The devices of this machine, the best first; the CPU is always the last."""
    found = [_cuda(), _metal(), _vulkan(), _cpu()]
    return tuple(info for info in found if info is not None)


def info_of(backend: str) -> DeviceInfo:
    """The device of a backend that is there."""
    return next(info for info in devices() if info.backend == backend)


def system_memory() -> int:
    """Bytes of memory that processes may use: the machine's, or less in a container; 0 when unknown."""
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0  # Windows
    for limit in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        text = _read(limit).strip()
        if text.isdecimal():
            whole = min(whole, int(text))
    return whole


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""  # not a Linux


def _is_software(info: DeviceInfo) -> bool:
    return info.backend == "vulkan" and info.device_class.endswith("/software")


def _cpu() -> DeviceInfo:
    machine = platform.machine().lower().replace("amd64", "x86_64")
    text = _read(Path("/proc/cpuinfo"))
    pairs = [line.partition(":") for line in text.split("\n\n")[0].splitlines()]
    lines = {key.strip(): value.strip() for key, _, value in pairs}
    flags = set(lines.get("flags", "").split())
    level = next((name for name in ("avx512f", "avx2", "avx") if name in flags), "")
    name = lines.get("model name") or _sysctl("machdep.cpu.brand_string") or platform.processor() or machine
    library = "-".join(part for part in platform.libc_ver() if part) or platform.system().lower()
    parts = [machine, level, library]
    return DeviceInfo("cpu", name, "/".join(part for part in parts if part), system_memory())


def _sysctl(key: str) -> str:
    if platform.system() != "Darwin":
        return ""
    done = subprocess.run(["/usr/sbin/sysctl", "-n", key], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _metal() -> DeviceInfo | None:
    if platform.system() != "Darwin":
        return None
    name = _sysctl("machdep.cpu.brand_string") or "Metal"
    return DeviceInfo("metal", name, f"{name}/{platform.mac_ver()[0]}", system_memory())


def _library(*names: str) -> ctypes.CDLL | None:
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue  # the driver is not installed
    return None


def cuda_devices() -> tuple[str, ...]:
    """The CUDA devices that this process may use, as CUDA_VISIBLE_DEVICES names them; none where there is no driver.

    The names are those of the driver's UUIDs, as `nvidia-smi -L` shows them (CUDA driver API, cuDeviceGetUuid).
    """
    driver, count = _cuda_driver()
    out = []
    for index in range(count):
        device, uuid = ctypes.c_int(), (ctypes.c_ubyte * 16)()
        if driver is None or driver.cuDeviceGet(ctypes.byref(device), index) != 0:
            return ()
        if driver.cuDeviceGetUuid(ctypes.byref(uuid), device) != 0:
            return ()
        out.append(f"GPU-{UUID(bytes=bytes(uuid))}")
    return tuple(out)


def cuda_device_of(device: str, index: int) -> str:
    """Which CUDA device one of several processes on this machine takes, for CUDA_VISIBLE_DEVICES: each another one, as
    far as there are so many. "" where it takes none, or the only one."""
    there = cuda_devices() if device in ("auto", "cuda") else ()
    return there[index % len(there)] if len(there) > 1 else ""


def _cuda_driver() -> tuple[ctypes.CDLL | None, int]:
    """The driver and how many devices it shows."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return None, 0
    driver = _library("nvcuda.dll") if os.name == "nt" else _library("libcuda.so.1", "libcuda.so")
    if driver is None or driver.cuInit(0) != 0:
        return None, 0
    count = ctypes.c_int()
    if driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return None, 0
    return driver, count.value


def _cuda() -> DeviceInfo | None:
    """The first CUDA device, by the driver API."""
    driver, count = _cuda_driver()
    device = ctypes.c_int()
    if driver is None or not count or driver.cuDeviceGet(ctypes.byref(device), 0) != 0:
        return None
    name, memory, version = ctypes.create_string_buffer(256), ctypes.c_size_t(), ctypes.c_int()
    driver.cuDeviceGetName(name, 256, device)
    driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    driver.cuDriverGetVersion(ctypes.byref(version))
    major, minor = ctypes.c_int(), ctypes.c_int()
    driver.cuDeviceGetAttribute(ctypes.byref(major), 75, device)  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
    driver.cuDeviceGetAttribute(ctypes.byref(minor), 76, device)
    title = name.value.decode(errors="replace")
    return DeviceInfo("cuda", title, f"sm_{major.value}{minor.value}/{version.value}", memory.value)


class _VkApplicationInfo(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("version", ctypes.c_uint32),
        ("engine", ctypes.c_char_p),
        ("engine_version", ctypes.c_uint32),
        ("api", ctypes.c_uint32),
    ]


class _VkInstanceCreateInfo(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("flags", ctypes.c_uint32),
        ("application", ctypes.POINTER(_VkApplicationInfo)),
        ("layers", ctypes.c_uint32),
        ("layer_names", ctypes.c_void_p),
        ("extensions", ctypes.c_uint32),
        ("extension_names", ctypes.c_void_p),
    ]


_VK_CPU = 4  # VK_PHYSICAL_DEVICE_TYPE_CPU
_VK_RANK = {2: 0, 1: 1, 3: 2}  # discrete, integrated, virtual


def _vulkan() -> DeviceInfo | None:
    """The best Vulkan device, by the loader; on macOS Metal is used instead."""
    if platform.system() == "Darwin":
        return None
    loader = _library("vulkan-1.dll") if os.name == "nt" else _library("libvulkan.so.1")
    if loader is None:
        return None
    application = _VkApplicationInfo(0, None, b"myriad", 1, b"myriad", 1, (1 << 22) | (1 << 12))
    create = _VkInstanceCreateInfo(1, None, 0, ctypes.pointer(application), 0, None, 0, None)
    instance = ctypes.c_void_p()
    if loader.vkCreateInstance(ctypes.byref(create), None, ctypes.byref(instance)) != 0:
        return None
    try:
        found = _vulkan_devices(loader, instance)
    finally:
        loader.vkDestroyInstance(instance, None)
    if not found:
        return None
    kind, name, version = min(found, key=lambda device: _VK_RANK.get(device[0], 3))
    return DeviceInfo("vulkan", name, f"{name}/{version}" + ("/software" if kind == _VK_CPU else ""))


def _vulkan_devices(loader: ctypes.CDLL, instance: ctypes.c_void_p) -> list[tuple[int, str, int]]:
    """(type, name, driver version) of every device."""
    count = ctypes.c_uint32()
    if loader.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), None) != 0:
        return []
    handles = (ctypes.c_void_p * count.value)()
    if loader.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), handles) != 0:
        return []
    found = []
    for handle in handles[: count.value]:
        # VkPhysicalDeviceProperties: apiVersion, driverVersion, vendorID, deviceID, deviceType, deviceName[256], ...
        properties = ctypes.create_string_buffer(4096)
        loader.vkGetPhysicalDeviceProperties(ctypes.c_void_p(handle), properties)
        numbers = (ctypes.c_uint32 * 5).from_buffer(properties)
        name = properties.raw[20:276].split(b"\0")[0].decode(errors="replace")
        found.append((int(numbers[4]), name, int(numbers[1])))
    return found


def cache_root() -> Path:
    """The user's cache folder for Myriad; MYRIAD_CACHE names another."""
    wanted = os.environ.get("MYRIAD_CACHE")
    if wanted:
        return Path(wanted)
    import platformdirs

    return Path(platformdirs.user_cache_dir("myriad-studio", appauthor=False))


def cache_folder() -> Path:
    """Where compiled kernels are kept for this version."""
    import studio

    return cache_root() / studio.__version__ / "kernels"
