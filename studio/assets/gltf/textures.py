"""Textures: a texture info of a glTF material becomes a `Texture` bound to an `Image` of the right colour space."""

from __future__ import annotations

import dataclasses
import math

from studio.assets.gltf.accessors import Accessors
from studio.assets.gltf.container import Source
from studio.assets.gltf.records import ImageRecord, SamplerRecord, TextureInfo, TextureSource, TextureTransform
from studio.assets.images import decode_image, kind_of, with_colour_space
from studio.errors import BadAsset, Unsupported
from studio.scene.geometry import Image
from studio.scene.materials import Texture

WRAPS = {10497: "repeat", 33648: "mirror", 33071: "clamp"}
NEAREST = 9728


class TextureReader:
    """Reads the textures of one file; `images` gathers the images that were used, by key."""

    def __init__(self, source: Source, accessors: Accessors) -> None:
        self.source = source
        self.accessors = accessors
        self.images: dict[str, Image] = {}
        self._decoded: dict[int, Image | None] = {}
        self._spaces: dict[tuple[int, str], Image] = {}
        self._files: dict[int, str] = {}  # of images that are missing
        self._lost = ""  # the file that the last image without pixels was looked for in

    def texture(
        self,
        info: TextureInfo | None,
        place: str,
        *,
        channel: str = "rgb",
        colour: bool = False,
        gain: float = 1.0,
        bias: float = 0.0,
    ) -> Texture | None:
        """The texture of a slot, or None when the slot is empty or cannot be drawn at all."""
        if info is None:
            return None
        record = self.source.follow(self.source.document.textures, info.index, place, "texture")
        transform = self.source.extension(info.extensions, "KHR_texture_transform", TextureTransform, place)
        transform = transform or TextureTransform()
        uv = info.tex_coord if transform.tex_coord is None else transform.tex_coord
        if uv > 1:
            self.source.notes.dropped(f"{place} uses texture coordinate set {uv}, of which two are read.")
            return None
        sampler = SamplerRecord()
        if record.sampler is not None:
            sampler = self.source.follow(
                self.source.document.samplers, record.sampler, f"textures[{info.index}]", "sampler"
            )
        image = self._image_of(info.index, "srgb" if colour else "data")
        return Texture(
            image=image,
            path="" if image else self._lost,
            channel=channel,
            uv=uv,
            offset=transform.offset,
            rotation_deg=math.degrees(transform.rotation),
            scale=transform.scale,
            wrap_u=WRAPS.get(sampler.wrap_s, "repeat"),
            wrap_v=WRAPS.get(sampler.wrap_t, "repeat"),
            filter="nearest" if sampler.mag_filter == NEAREST else "linear",
            gain=gain,
            bias=bias,
        )

    def has_alpha(self, texture: Texture | None) -> bool:
        """Whether an image has an alpha channel."""
        if texture is None or texture.image not in self.images:
            return False
        return self.images[texture.image].pixels.shape[2] in (2, 4)

    def image_key(self, index: int, place: str, space: str) -> str:
        """The key of image `index` read as a colour space; "" when it is missing."""
        key = (index, space)
        if key not in self._spaces:
            image = self._image(index, place)
            if image is None:
                self._lost = self._files.get(index, "")
                return ""
            self._spaces[key] = with_colour_space(image, space)
            self.images[self._spaces[key].key] = self._spaces[key]
        return self._spaces[key].key

    def _image_of(self, texture: int, space: str) -> str:
        """The image of a texture: WebP and Basis by their extensions, the plain one where those cannot be read."""
        self._lost = ""
        record = self.source.document.textures[texture]
        place = f"textures[{texture}]"
        candidates: list[int] = []
        for name in ("KHR_texture_basisu", "EXT_texture_webp"):
            extension = self.source.extension(record.extensions, name, TextureSource, place)
            if extension is not None:
                candidates.append(extension.source)
        if record.source is not None:
            candidates.append(record.source)
        if not candidates:
            self.source.notes.warn(f"{place} names no image that can be read; it is drawn magenta.")
            return ""
        for index in candidates[:-1]:
            try:
                return self.image_key(index, place, space)
            except Unsupported as error:
                self.source.notes.mapped(f"{error} Its plain twin was used instead.")
        return self.image_key(candidates[-1], place, space)

    def _image(self, index: int, place: str) -> Image | None:
        if index not in self._decoded:
            record = self.source.follow(self.source.document.images, index, place, "image")
            self._decoded[index] = self._decode(record, f"images[{index}]")
            if self._decoded[index] is None and record.uri is not None:
                self._files[index] = str(self.source.beside(record.uri, f"images[{index}]"))
        return self._decoded[index]

    def _decode(self, record: ImageRecord, place: str) -> Image | None:
        mime, path = record.mime_type, ""
        if record.buffer_view is not None:
            data = self.accessors.view(record.buffer_view, place)[0].tobytes()
        elif record.uri is None:
            raise self.source.bad(place, "has neither a file nor a buffer view; export it again")
        elif record.uri[:5].lower() == "data:":
            data, mime = self.source.resource(record.uri, place)
        else:
            file = self.source.beside(record.uri, place)
            try:
                data = self.source.resource(record.uri, place)[0]
            except BadAsset as error:
                if self.source.strict:
                    raise
                self.source.notes.warn(f"{error} It is drawn magenta.")
                return None
            path = str(file)
        name = f"{self.source.name}: {place}"
        image = decode_image(data, mime or kind_of(data), name=name, budget=self.source.budget)
        return dataclasses.replace(image, name=record.name, path=path)
