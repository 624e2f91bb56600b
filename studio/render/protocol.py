"""What the studio and its render worker say to each other: framed msgpack records, and blocks of shared memory.

Records travel over the worker's own standard input and output; arrays lie in memory that both processes map. Nothing
is pickled, so neither side can make the other run anything. `studio.render.transfer` has the arrays.
"""

from __future__ import annotations

import struct
import threading
from typing import IO, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.render.film import Crop, Layout
from studio.render.layer_plan import LayerPlan
from studio.render.settings import RenderSettings

_LONGEST_MESSAGE = 1 << 30


# what crosses


class ArrayRef(msgspec.Struct, frozen=True, array_like=True):
    """An array in a block: numpy's name of a plain type, or one of `_RECORDS`."""

    dtype: str
    shape: tuple[int, ...]
    offset: int


class BlockRef(msgspec.Struct, frozen=True, array_like=True):
    """A block of shared memory by the file that it is."""

    path: str
    nbytes: int


class MeshRef(msgspec.Struct, frozen=True):
    """A mesh, its arrays by number."""

    key: str
    parts: tuple[int, ...]
    arrays: dict[str, int]


class DeformedRef(msgspec.Struct, frozen=True):
    """A deformed mesh, its mesh and arrays by number."""

    mesh: int
    arrays: dict[str, int]


class ImageRef(msgspec.Struct, frozen=True):
    """An image, its pixels by number."""

    key: str
    colour_space: str
    pixels: int


class CameraRef(msgspec.Struct, frozen=True):
    """A `FlatCamera`; its matrices as twelve numbers each, row by row."""

    name: str
    open: tuple[float, ...]
    close: tuple[float, ...]
    orthographic: bool
    half_width: float
    fit: str
    shift: tuple[float, float]
    lens_radius_m: float
    focus_distance_m: float
    blades: int
    blade_rotation: float
    exposure_ev: float
    shutter: tuple[float, float]


class Start(msgspec.Struct, frozen=True, tag=True):
    """The first command: which device to take, and how to warm up while the scene is still being read."""

    backends: tuple[str, ...]  # to try, in order
    threads: int
    cache: str  # folder of compiled kernels
    warm_up: bool = True
    every_aov: bool = False  # also the kernels that only data AOVs and mattes need
    live: bool = False  # also those of the live view; and the window goes before on the processor


class Load(msgspec.Struct, frozen=True, tag=True):
    """A scene, as the difference to what the worker has. `slot` is "current" or "following"."""

    slot: str
    frame: float
    fps: float
    block: BlockRef | None
    arrays: dict[int, ArrayRef]
    meshes: dict[int, MeshRef]
    deformed: dict[int, DeformedRef]
    images: dict[int, ImageRef]
    camera: CameraRef | None  # None: as before
    names: dict[str, tuple[str, ...]]  # those that changed
    sections: dict[str, int]  # array sections by number
    scene_meshes: tuple[int, ...]
    scene_textures: tuple[int, ...]
    forget: tuple[int, ...]


class Begin(msgspec.Struct, frozen=True, tag=True):
    """Aim at the frame's camera, learn its lights and make a film, which is handed over in `block`."""

    layout: Layout
    settings: RenderSettings
    block: BlockRef
    following: bool
    layers: LayerPlan | None = None  # to keep the lights apart
    again: bool = False  # another crop of the frame begun before: its lights are learned


class Render(msgspec.Struct, frozen=True, tag=True):
    """Add samples `first` to `first + count` of pixels (int32 y * width + x; empty: the whole crop)."""

    number: int  # counts up, for `Stop`
    first: int
    count: int
    pixels: bytes


class Develop(msgspec.Struct, frozen=True, tag=True):
    """Write what each light brought to the crop begun last to `block`, as `LayerPlan.carve` lays it out."""

    block: BlockRef


class Weigh(msgspec.Struct, frozen=True, tag=True):
    """Say how the samples of light are shared out among the lights of the frame begun last."""


class Stop(msgspec.Struct, frozen=True, tag=True):
    """End the `Render` of this number after its current round of samples; nothing, when it is done already."""

    number: int


class Watch(msgspec.Struct, frozen=True, tag=True):
    """Begin a live render of the scene loaded last, which goes on until it is finished or another command comes.

    Its pictures (float32, crop height x width x channels) and then the samples of each pixel (int32) go to `pictures`.
    """

    generation: int  # counts up
    layout: Layout
    settings: RenderSettings
    channels: tuple[str, ...]  # of the layout's channels and minima, or of `live_layers.SLOW`
    lamps: tuple[str, ...]  # who the rows of lights are, so that one is found again in the next scene
    pictures: BlockRef
    region: Crop | None = None
    paused: bool = False
    interacting: bool = False
    own: tuple[tuple[int, int], ...] = ()  # ranges of samples, in the order in which to render them; (): the settings'
    look: bool = False  # a first look only: lights are never learned for more


class Steer(msgspec.Struct, frozen=True, tag=True):
    """Go on with the live render in another way; what it has so far is kept."""

    channels: tuple[str, ...]
    pictures: BlockRef
    samples: int
    region: Crop | None
    paused: bool
    interacting: bool
    own: tuple[tuple[int, int], ...] = ()  # as in `Watch`; what was begun of them stays at their beginning
    claim: int = 0  # counts up when others are to render what this machine may have begun; pictures say it back


class Seen(msgspec.Struct, frozen=True, tag=True):
    """The picture of this number was read; another may be put in its place."""

    number: int


class Take(msgspec.Struct, frozen=True, tag=True):
    """Copy the film of the live render, as it stands, into `block`."""

    number: int
    block: BlockRef


Command = Start | Load | Begin | Render | Develop | Weigh | Stop | Watch | Steer | Seen | Take


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The device is there. `device` is its name for people, `device_class` that within which bits are the same."""

    pid: int
    backend: str
    device: str
    device_class: str
    seconds: float


class Compiling(msgspec.Struct, frozen=True, tag=True):
    """A step of compiling, or of fetching what was compiled before, is about to start."""

    step: int
    steps: int
    what: str


class Warm(msgspec.Struct, frozen=True, tag=True):
    """All kernels are ready."""

    seconds: float


class Loaded(msgspec.Struct, frozen=True, tag=True):
    """The scene is on the device."""

    slot: str
    seconds: float
    rebuilt: tuple[str, ...] = ()  # of textures, lights, geometry and surfaces


class Begun(msgspec.Struct, frozen=True, tag=True):
    """Lights are learned and the film is empty."""

    seconds: float


class Progress(msgspec.Struct, frozen=True, tag=True):
    """Samples of pixels done in the `Render` at work."""

    done: int


class Rendered(msgspec.Struct, frozen=True, tag=True):
    """The film block holds what the last `Render` added: `samples` for each of its pixels."""

    samples: int
    seconds: float
    rays: int
    peak_bytes: int


class Developed(msgspec.Struct, frozen=True, tag=True):
    """The block of the last `Develop` holds the layers."""

    seconds: float


class Weighed(msgspec.Struct, frozen=True, tag=True):
    """The share of every row of lights on each set of receivers, as expected of the learned table; together 1."""

    shares: tuple[tuple[float, ...], ...]


class Failed(msgspec.Struct, frozen=True, tag=True):
    """A command failed; `kind` names a subclass of `StudioError`, "" is a fault that nobody foresaw."""

    kind: str
    sentence: str
    trace: str = ""


class Learning(msgspec.Struct, frozen=True, tag=True):
    """The live render learns its lights; a newer scene ends that."""

    generation: int


class Watching(msgspec.Struct, frozen=True, tag=True):
    """A live render begins with its first sample. `exact`: its film will have the bits of a final render's."""

    generation: int
    seconds: float
    exact: bool


class Pictured(msgspec.Struct, frozen=True, tag=True):
    """A picture of the live render is there to be read."""

    generation: int
    number: int
    step: int  # distance in pixels of the samples that every part of the picture has; 1: all have one
    samples: float  # mean of the pixels at work
    of: int
    seconds: float  # of rendering
    rays: int
    complete: bool
    exact: bool
    channels: tuple[str, ...]
    claim: int = 0  # of the last `Steer`: nothing beyond what that left is begun any more


class Taken(msgspec.Struct, frozen=True, tag=True):
    """The film was copied; `layout` says how it lies, None that there is none."""

    number: int
    generation: int
    layout: Layout | None


Event = (
    Ready
    | Compiling
    | Warm
    | Loaded
    | Begun
    | Progress
    | Rendered
    | Developed
    | Weighed
    | Failed
    | Learning
    | Watching
    | Pictured
    | Taken
)


# the pipe


class Channel:
    """One direction of the pipe: messages with their length before them. Sending is safe from any thread."""

    def __init__(self, stream: IO[bytes], kind: Any) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(kind)

    def send(self, message: Command | Event) -> None:
        """Send a message; OSError when the other side is gone."""
        data = self._encoder.encode(message)
        with self._lock:
            self._stream.write(struct.pack("<I", len(data)))
            self._stream.write(data)
            self._stream.flush()

    def receive(self) -> Any:
        """The next message, or None when the other side is gone."""
        head = self._stream.read(4)
        if len(head) < 4:
            return None
        (length,) = struct.unpack("<I", head)
        if length > _LONGEST_MESSAGE:
            return None
        data = self._stream.read(length)
        return self._decoder.decode(data) if len(data) == length else None

    def close(self) -> None:
        """Close the stream; the other side then sees its end."""
        try:
            self._stream.close()
        except OSError:
            return  # the other side was gone before the last bytes


def crop_pixels(layout: Layout) -> NDArray[np.int32]:
    """All pixels of a layout's crop as y * width + x, row by row."""
    x0, y0, x1, y1 = layout.crop
    rows, columns = np.arange(y0, y1, dtype=np.int32), np.arange(x0, x1, dtype=np.int32)
    return (rows[:, None] * np.int32(layout.width) + columns).ravel()
