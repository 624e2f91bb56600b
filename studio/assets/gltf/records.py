"""The JSON of a glTF 2.0 file as typed records.

msgspec checks every type while it decodes and says where a fault is, so the readers see only well-typed values.
Indices are checked against their arrays where they are followed. Extensions and extras stay raw until somebody asks
for one by name. Source: glTF 2.0 specification, https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Raw

Index = Annotated[int, msgspec.Meta(ge=0, le=1 << 31)]
Size = Annotated[int, msgspec.Meta(ge=0, le=1 << 48)]
Vec2 = tuple[float, float]
Vec3 = tuple[float, float, float]
Vec4 = tuple[float, float, float, float]
Extensions = dict[str, Raw]


class Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Common to all objects of the format."""

    name: str = ""
    extensions: Extensions = {}
    extras: Raw = Raw(b"null")


class Asset(Record, frozen=True):
    version: str
    min_version: str = ""
    generator: str = ""


class SceneRecord(Record, frozen=True):
    nodes: list[Index] = []


class NodeRecord(Record, frozen=True):
    children: list[Index] = []
    matrix: Annotated[list[float], msgspec.Meta(min_length=16, max_length=16)] | None = None
    translation: Vec3 | None = None
    rotation: Vec4 | None = None
    scale: Vec3 | None = None
    mesh: Index | None = None
    camera: Index | None = None
    skin: Index | None = None
    weights: list[float] | None = None


class PrimitiveRecord(Record, frozen=True):
    attributes: dict[str, Index]
    indices: Index | None = None
    material: Index | None = None
    mode: int = 4
    targets: list[dict[str, Index]] = []


class MeshRecord(Record, frozen=True):
    primitives: list[PrimitiveRecord]
    weights: list[float] = []


class SparseIndices(Record, frozen=True):
    buffer_view: Index
    component_type: int
    byte_offset: Size = 0


class SparseValues(Record, frozen=True):
    buffer_view: Index
    byte_offset: Size = 0


class Sparse(Record, frozen=True):
    count: Size
    indices: SparseIndices
    values: SparseValues


class AccessorRecord(Record, frozen=True):
    component_type: int
    count: Size
    type: str
    buffer_view: Index | None = None
    byte_offset: Size = 0
    normalized: bool = False
    sparse: Sparse | None = None


class BufferRecord(Record, frozen=True):
    byte_length: Size
    uri: str | None = None


class BufferViewRecord(Record, frozen=True):
    buffer: Index
    byte_length: Size
    byte_offset: Size = 0
    byte_stride: Size | None = None


class TextureInfo(Record, frozen=True):
    """A texture bound to a slot; `scale` is the normal map's, `strength` the occlusion's."""

    index: Index
    tex_coord: Index = 0
    scale: float = 1.0
    strength: float = 1.0


class MetallicRoughness(Record, frozen=True):
    base_color_factor: Vec4 = (1.0, 1.0, 1.0, 1.0)
    base_color_texture: TextureInfo | None = None
    metallic_factor: float = 1.0
    roughness_factor: float = 1.0
    metallic_roughness_texture: TextureInfo | None = None


class MaterialRecord(Record, frozen=True):
    pbr_metallic_roughness: MetallicRoughness = MetallicRoughness()
    normal_texture: TextureInfo | None = None
    occlusion_texture: TextureInfo | None = None
    emissive_texture: TextureInfo | None = None
    emissive_factor: Vec3 = (0.0, 0.0, 0.0)
    alpha_mode: str = "OPAQUE"
    alpha_cutoff: float = 0.5
    double_sided: bool = False


class TextureRecord(Record, frozen=True):
    sampler: Index | None = None
    source: Index | None = None


class SamplerRecord(Record, frozen=True):
    mag_filter: int | None = None
    min_filter: int | None = None
    wrap_s: int = 10497
    wrap_t: int = 10497


class ImageRecord(Record, frozen=True):
    uri: str | None = None
    mime_type: str = ""
    buffer_view: Index | None = None


class Perspective(Record, frozen=True):
    yfov: float
    znear: float = 0.01
    zfar: float | None = None
    aspect_ratio: float | None = None


class Orthographic(Record, frozen=True):
    xmag: float
    ymag: float
    znear: float = 0.0
    zfar: float = 1000.0


class CameraRecord(Record, frozen=True):
    type: str
    perspective: Perspective | None = None
    orthographic: Orthographic | None = None


class SkinRecord(Record, frozen=True):
    joints: list[Index]
    inverse_bind_matrices: Index | None = None


class ChannelTarget(Record, frozen=True):
    path: str
    node: Index | None = None


class Channel(Record, frozen=True):
    sampler: Index
    target: ChannelTarget


class SamplerCurve(Record, frozen=True):
    input: Index
    output: Index
    interpolation: str = "LINEAR"


class AnimationRecord(Record, frozen=True):
    channels: list[Channel]
    samplers: list[SamplerCurve]


class Gltf(Record, frozen=True):
    """A whole document."""

    asset: Asset
    scene: Index | None = None
    scenes: list[SceneRecord] = []
    nodes: list[NodeRecord] = []
    meshes: list[MeshRecord] = []
    accessors: list[AccessorRecord] = []
    buffers: list[BufferRecord] = []
    buffer_views: list[BufferViewRecord] = []
    materials: list[MaterialRecord] = []
    textures: list[TextureRecord] = []
    samplers: list[SamplerRecord] = []
    images: list[ImageRecord] = []
    cameras: list[CameraRecord] = []
    skins: list[SkinRecord] = []
    animations: list[AnimationRecord] = []
    extensions_used: list[str] = []
    extensions_required: list[str] = []


# --- extensions, each decoded when it is asked for -------------------------------------------------------------------


class LightRecord(Record, frozen=True):
    """KHR_lights_punctual."""

    type: str
    color: Vec3 = (1.0, 1.0, 1.0)
    intensity: float = 1.0
    range: float | None = None
    spot: Spot | None = None


class Spot(Record, frozen=True):
    inner_cone_angle: float = 0.0
    outer_cone_angle: float = 0.7853981633974483


class LightList(Record, frozen=True):
    lights: list[LightRecord] = []


class LightIndex(Record, frozen=True):
    light: Index


class GpuInstancing(Record, frozen=True):
    """EXT_mesh_gpu_instancing."""

    attributes: dict[str, Index]


class VariantName(Record, frozen=True):
    pass


class VariantList(Record, frozen=True):
    """KHR_materials_variants at the root."""

    variants: list[VariantName] = []


class VariantMapping(Record, frozen=True):
    material: Index
    variants: list[Index] = []


class VariantMappings(Record, frozen=True):
    """KHR_materials_variants at a primitive."""

    mappings: list[VariantMapping] = []


class DracoPrimitive(Record, frozen=True):
    """KHR_draco_mesh_compression."""

    buffer_view: Index
    attributes: dict[str, Index]


class MeshoptView(Record, frozen=True):
    """EXT_meshopt_compression."""

    buffer: Index
    byte_length: Size
    byte_stride: Size
    count: Size
    mode: str
    byte_offset: Size = 0
    filter: str = "NONE"


class TextureTransform(Record, frozen=True):
    """KHR_texture_transform."""

    offset: Vec2 = (0.0, 0.0)
    rotation: float = 0.0
    scale: Vec2 = (1.0, 1.0)
    tex_coord: Index | None = None


class TextureSource(Record, frozen=True):
    """EXT_texture_webp and KHR_texture_basisu."""

    source: Index


class EmissiveStrength(Record, frozen=True):
    emissive_strength: float = 1.0


class Ior(Record, frozen=True):
    ior: float = 1.5


class Specular(Record, frozen=True):
    specular_factor: float = 1.0
    specular_texture: TextureInfo | None = None
    specular_color_factor: Vec3 = (1.0, 1.0, 1.0)
    specular_color_texture: TextureInfo | None = None


class Transmission(Record, frozen=True):
    transmission_factor: float = 0.0
    transmission_texture: TextureInfo | None = None


class Volume(Record, frozen=True):
    thickness_factor: float = 0.0
    thickness_texture: TextureInfo | None = None
    attenuation_distance: float | None = None
    attenuation_color: Vec3 = (1.0, 1.0, 1.0)


class Clearcoat(Record, frozen=True):
    clearcoat_factor: float = 0.0
    clearcoat_texture: TextureInfo | None = None
    clearcoat_roughness_factor: float = 0.0
    clearcoat_roughness_texture: TextureInfo | None = None
    clearcoat_normal_texture: TextureInfo | None = None


class Sheen(Record, frozen=True):
    sheen_color_factor: Vec3 = (0.0, 0.0, 0.0)
    sheen_color_texture: TextureInfo | None = None
    sheen_roughness_factor: float = 0.0
    sheen_roughness_texture: TextureInfo | None = None


class Anisotropy(Record, frozen=True):
    anisotropy_strength: float = 0.0
    anisotropy_rotation: float = 0.0
    anisotropy_texture: TextureInfo | None = None


class Iridescence(Record, frozen=True):
    iridescence_factor: float = 0.0
    iridescence_texture: TextureInfo | None = None
    iridescence_ior: float = 1.3
    iridescence_thickness_minimum: float = 100.0
    iridescence_thickness_maximum: float = 400.0
    iridescence_thickness_texture: TextureInfo | None = None


class Dispersion(Record, frozen=True):
    dispersion: float = 0.0


class Unlit(Record, frozen=True):
    pass
