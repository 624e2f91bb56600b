"""Arrays between two processes: blocks of shared memory, and flat scenes as the difference to what was sent before.

Every array, mesh and image gets a number when it is first sent, and a section that is the same object as last time is
not sent again. The receiver rebuilds a `FlatScene` whose unchanged sections are again the same objects.
"""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
from typing import Any

import numpy as np

from studio.errors import OutOfDeviceMemory
from studio.render.film import Array, Layout
from studio.render.protocol import ArrayRef, BlockRef, CameraRef, DeformedRef, ImageRef, Load, MeshRef
from studio.scene.flat import INSTANCE, FlatCamera, FlatScene
from studio.scene.geometry import Deformed, Image, Mesh
from studio.scene.lights import LIGHT, PORTAL

_RECORDS = {"instance": INSTANCE, "light": LIGHT, "portal": PORTAL}  # structured types, sent by name
_ALIGNMENT = 64


# shared memory


class Block:
    """Memory that two processes map: a file in /dev/shm, or in the temporary folder where there is none.

    The space is reserved when the block is made, so a full memory is an error here and not a crash at some later
    write (a container's /dev/shm may be as small as 64 MB; the temporary folder then serves).
    """

    def __init__(self, path: str, nbytes: int, memory: mmap.mmap) -> None:
        self.ref = BlockRef(path, nbytes)
        self.memory = memory

    @classmethod
    def create(cls, nbytes: int) -> Block:
        """A block of zeros; raises `OutOfDeviceMemory` when no place has room."""
        nbytes = max(nbytes, _ALIGNMENT)
        for folder in ("/dev/shm", tempfile.gettempdir()):
            if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
                continue
            handle, path = tempfile.mkstemp(prefix="myriad-", dir=folder)
            try:
                _reserve(handle, nbytes)
                return cls(path, nbytes, mmap.mmap(handle, nbytes))
            except OSError as error:
                os.unlink(path)
                if error.errno not in (errno.ENOSPC, errno.ENOMEM, errno.EFBIG, errno.EINVAL):
                    raise
            finally:
                os.close(handle)
        raise OutOfDeviceMemory(
            f"there is no room for {nbytes / 1e9:.1f} GB in shared memory or {tempfile.gettempdir()}; "
            "render smaller, in crops, or with fewer AOVs"
        )

    @classmethod
    def attach(cls, ref: BlockRef) -> Block:
        """The block of another process. Its name is given up, so it ends with the last process that maps it."""
        with open(ref.path, "r+b") as file:
            block = cls(ref.path, ref.nbytes, mmap.mmap(file.fileno(), ref.nbytes))
        if os.name == "posix":
            block.unlink()
        return block

    def unlink(self) -> None:
        """Give up the name. Windows keeps it while another process maps the block."""
        try:
            os.unlink(self.ref.path)
        except OSError:
            return  # it is gone already, or still mapped elsewhere and removed when the session closes

    def array(self, ref: ArrayRef) -> Array:
        """A read-only array in the block."""
        dtype = np.dtype(_RECORDS.get(ref.dtype, ref.dtype))
        array: Array = np.ndarray(ref.shape, dtype, memoryview(self.memory), ref.offset)
        array.flags.writeable = False
        return array


def _reserve(handle: int, nbytes: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, nbytes)
    else:
        os.ftruncate(handle, nbytes)


# scenes


_SECTIONS = (
    "instances",
    "instance_materials",
    "materials",
    "slots",
    "lights",
    "light_links",
    "shadow_links",
    "portals",
)
_NAMES = ("object_names", "material_names", "light_names", "light_groups", "light_ids")
_MESH_ARRAYS = ("positions", "triangles", "normals", "tangents", "uv0", "uv1", "colors")
_DEFORMED_ARRAYS = ("positions", "normals", "tangents", "positions_close")


class ScenePacker:
    """The sending side: what the worker has, by number. One for each worker."""

    def __init__(self) -> None:
        self._numbers: dict[int, tuple[int, Any]] = {}  # id of an object -> its number, and the object kept alive
        self._next = 0
        self._slots: dict[str, FlatScene] = {}
        self._used: dict[str, set[int]] = {}

    def pack(self, flat: FlatScene, slot: str) -> tuple[Load, Block | None]:
        """The message that brings the worker's `slot` to `flat`, and the block that holds its new arrays."""
        parcel = _Parcel(self)
        before = self._slots.get(slot)
        scene_meshes = tuple(parcel.deformed_of(deformed) for deformed in flat.meshes)
        scene_textures = tuple(parcel.image_of(image) for image in flat.textures)
        sections = {name: parcel.array_of(getattr(flat, name)) for name in _SECTIONS}
        names = {
            name: getattr(flat, name)
            for name in _NAMES
            if before is None or getattr(before, name) is not getattr(flat, name)
        }
        camera = None if before is not None and before.camera is flat.camera else camera_ref(flat.camera)
        self._slots[slot], self._used[slot] = flat, parcel.used
        block, arrays = parcel.ship()
        message = Load(
            slot=slot,
            frame=flat.frame,
            fps=flat.fps,
            block=block.ref if block else None,
            arrays=arrays,
            meshes=parcel.meshes,
            deformed=parcel.deformed,
            images=parcel.images,
            camera=camera,
            names=names,
            sections=sections,
            scene_meshes=scene_meshes,
            scene_textures=scene_textures,
            forget=self._forget(),
        )
        return message, block

    def number(self, thing: Any) -> tuple[int, bool]:
        """The number of an object, and whether the worker has it."""
        found = self._numbers.get(id(thing))
        if found is not None:
            return found[0], True
        self._next += 1
        self._numbers[id(thing)] = self._next, thing
        return self._next, False

    def _forget(self) -> tuple[int, ...]:
        used = set().union(*self._used.values())
        gone = {key: number for key, (number, _) in self._numbers.items() if number not in used}
        for key in gone:
            del self._numbers[key]
        return tuple(gone.values())


class _Parcel:
    """New objects of one message, collected and laid into a block."""

    def __init__(self, packer: ScenePacker) -> None:
        self.packer = packer
        self.used: set[int] = set()
        self.meshes: dict[int, MeshRef] = {}
        self.deformed: dict[int, DeformedRef] = {}
        self.images: dict[int, ImageRef] = {}
        self._arrays: dict[int, Array] = {}

    def array_of(self, array: Array) -> int:
        number, known = self.packer.number(array)
        self.used.add(number)
        if not known:
            self._arrays[number] = array
        return number

    def deformed_of(self, deformed: Deformed) -> int:
        number, known = self.packer.number(deformed)
        self.used.add(number)
        # the parts are visited even when they are known, to be counted as used
        ref = DeformedRef(self._mesh_of(deformed.mesh), self._arrays_of(deformed, _DEFORMED_ARRAYS))
        if not known:
            self.deformed[number] = ref
        return number

    def _mesh_of(self, mesh: Mesh) -> int:
        number, known = self.packer.number(mesh)
        self.used.add(number)
        ref = MeshRef(mesh.key, tuple(mesh.parts), self._arrays_of(mesh, _MESH_ARRAYS))
        if not known:
            self.meshes[number] = ref
        return number

    def image_of(self, image: Image) -> int:
        number, known = self.packer.number(image)
        self.used.add(number)
        ref = ImageRef(image.key, image.colour_space, self.array_of(image.pixels))
        if not known:
            self.images[number] = ref
        return number

    def _arrays_of(self, record: Any, fields: tuple[str, ...]) -> dict[str, int]:
        found = {name: getattr(record, name) for name in fields}
        return {name: self.array_of(array) for name, array in found.items() if array is not None}

    def ship(self) -> tuple[Block | None, dict[int, ArrayRef]]:
        refs, offset = {}, 0
        for number, array in self._arrays.items():
            refs[number] = ArrayRef(_type_name(array), array.shape, offset)
            offset += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
        if not refs:
            return None, {}
        block = Block.create(offset)
        for number, array in self._arrays.items():
            target: Array = np.ndarray(array.shape, array.dtype, memoryview(block.memory), refs[number].offset)
            target[...] = array
        return block, refs


def _type_name(array: Array) -> str:
    return next((name for name, dtype in _RECORDS.items() if array.dtype == dtype), array.dtype.str)


def camera_ref(camera: FlatCamera) -> CameraRef:
    """A camera as a message has it."""
    fields = {name: getattr(camera, name) for name in CameraRef.__struct_fields__}
    fields |= {name: tuple(getattr(camera, name).ravel().tolist()) for name in ("open", "close")}
    return CameraRef(**fields)


class SceneStore:
    """The receiving side: objects by number, and the flat scene of each slot."""

    def __init__(self) -> None:
        self._things: dict[int, Any] = {}
        self.slots: dict[str, FlatScene] = {}

    def unpack(self, message: Load) -> FlatScene:
        """The flat scene of a message. Its arrays are views of shared memory."""
        things = self._things
        if message.block is not None:
            block = Block.attach(message.block)
            things.update({number: block.array(ref) for number, ref in message.arrays.items()})
        for number, mesh in message.meshes.items():
            arrays: dict[str, Any] = {name: things[n] for name, n in mesh.arrays.items()}
            things[number] = Mesh(key=mesh.key, parts=mesh.parts, **arrays)
        for number, moved in message.deformed.items():
            arrays = {"normals": None} | {name: things[n] for name, n in moved.arrays.items()}
            things[number] = Deformed(mesh=things[moved.mesh], **arrays)
        for number, image in message.images.items():
            things[number] = Image(key=image.key, pixels=things[image.pixels], colour_space=image.colour_space)
        flat = self._assemble(message)
        self.slots[message.slot] = flat
        for number in message.forget:
            things.pop(number, None)
        return flat

    def _assemble(self, message: Load) -> FlatScene:
        before = self.slots.get(message.slot)
        names: dict[str, Any] = {name: message.names.get(name, getattr(before, name, ())) for name in _NAMES}
        camera = before.camera if message.camera is None and before is not None else camera_of(message.camera)
        return FlatScene(
            frame=message.frame,
            fps=message.fps,
            camera=camera,
            meshes=_same_or_new(before.meshes if before else None, [self._things[n] for n in message.scene_meshes]),
            textures=_same_or_new(
                before.textures if before else None, [self._things[n] for n in message.scene_textures]
            ),
            **names,
            **{name: self._things[number] for name, number in message.sections.items()},
        )


def _same_or_new(before: tuple[Any, ...] | None, now: list[Any]) -> tuple[Any, ...]:
    if before is not None and len(before) == len(now) and all(a is b for a, b in zip(before, now, strict=True)):
        return before
    return tuple(now)


def camera_of(ref: CameraRef | None) -> FlatCamera:
    """The camera of a message; ValueError for one that is none."""
    if ref is None:
        raise ValueError("a scene without a camera")
    fields = {name: getattr(ref, name) for name in CameraRef.__struct_fields__}
    fields |= {name: np.array(fields[name], np.float32).reshape(3, 4) for name in ("open", "close")}
    return FlatCamera(**fields)


# the film


def film_buffers(block: Block, layout: Layout) -> dict[str, Array]:
    """The arrays of a film in a block that was made for it."""
    return layout.carve(memoryview(block.memory))
