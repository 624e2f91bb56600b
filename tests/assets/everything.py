"""One small glTF that uses everything the reader knows, for the fuzzer and the round trip."""

from __future__ import annotations

import DracoPy
import numpy as np

from tests.assets.gltf_maker import QUAD, QUAD_INDICES, QUAD_UV, TRIANGLE, Maker


def everything() -> Maker:
    """A scene of every feature that needs no optional package."""
    m = Maker()
    _materials(m)
    _meshes(m)
    _lights_and_cameras(m)
    _animation(m)
    m.doc["extensionsUsed"] = ["KHR_lights_punctual", "KHR_materials_variants", "KHR_draco_mesh_compression"]
    m.doc["extensionsRequired"] = ["KHR_mesh_quantization"]
    return m


def _materials(m: Maker) -> None:
    rng = np.random.default_rng(7)
    color = m.image(rng.integers(0, 255, (4, 4, 4)))
    jpeg = m.image(rng.integers(0, 255, (8, 8, 3)), "JPEG")
    webp = m.image(rng.integers(0, 255, (4, 4, 3)), "WEBP")
    sampler = m.add("samplers", {"wrapS": 33071, "wrapT": 33648, "magFilter": 9728, "minFilter": 9987})
    m.add("textures", {"source": color, "sampler": sampler})
    m.add("textures", {"source": jpeg})
    m.add("textures", {"source": color, "extensions": {"EXT_texture_webp": {"source": webp}}})
    transform = {"KHR_texture_transform": {"offset": [0.1, 0.2], "rotation": 0.3, "scale": [2, 3], "texCoord": 1}}
    t = {"index": 0}
    m.add(
        "materials",
        {
            "name": "all",
            "pbrMetallicRoughness": {
                "baseColorFactor": [0.5, 0.6, 0.7, 0.8],
                "baseColorTexture": {"index": 0, "extensions": transform},
                "metallicFactor": 0.2,
                "roughnessFactor": 0.4,
                "metallicRoughnessTexture": {"index": 1},
            },
            "normalTexture": {"index": 2, "scale": 0.5},
            "occlusionTexture": {"index": 1, "strength": 0.5},
            "emissiveTexture": t,
            "emissiveFactor": [0.5, 0.25, 1.0],
            "alphaMode": "MASK",
            "alphaCutoff": 0.3,
            "doubleSided": True,
            "extensions": {
                "KHR_materials_emissive_strength": {"emissiveStrength": 20},
                "KHR_materials_ior": {"ior": 1.4},
                "KHR_materials_specular": {"specularFactor": 0.9, "specularTexture": t, "specularColorTexture": t},
                "KHR_materials_transmission": {"transmissionFactor": 0.5, "transmissionTexture": t},
                "KHR_materials_volume": {"thicknessFactor": 1, "attenuationDistance": 2, "attenuationColor": [1, 0, 0]},
                "KHR_materials_clearcoat": {"clearcoatFactor": 0.4, "clearcoatNormalTexture": t},
                "KHR_materials_sheen": {"sheenColorFactor": [0.2, 0.3, 0.4], "sheenRoughnessTexture": t},
                "KHR_materials_anisotropy": {"anisotropyStrength": 0.6, "anisotropyTexture": t},
                "KHR_materials_iridescence": {"iridescenceFactor": 0.7, "iridescenceThicknessTexture": t},
                "KHR_materials_dispersion": {"dispersion": 0.3},
            },
        },
    )
    m.add("materials", {"name": "plain", "extensions": {"KHR_materials_unlit": {}}})


def _meshes(m: Maker) -> None:
    uv = m.array(QUAD_UV)
    quantised = m.array(np.array(QUAD) * 127, "i1", normalized=True)
    sparse = {
        "count": 2,
        "indices": {"bufferView": m.view(np.array([0, 2], "<u2").tobytes()), "componentType": 5123},
        "values": {"bufferView": m.view(np.array([[0, 0, 1], [0, 0, 2]], "<f4").tobytes())},
    }
    target = m.add("accessors", {"componentType": 5126, "count": 4, "type": "VEC3", "sparse": sparse})
    names = {"extras": {"targetNames": ["smile", "frown"]}, "weights": [0.5, 0.25]}
    variant = {"KHR_materials_variants": {"mappings": [{"material": 1, "variants": [0]}]}}
    first = {
        "attributes": {
            "POSITION": m.array(QUAD),
            "NORMAL": m.array([[0, 0, 1]] * 4),
            "TEXCOORD_0": uv,
            "TEXCOORD_1": uv,
            "COLOR_0": m.array([[255, 128, 0, 255]] * 4, "u1", normalized=True),
            "JOINTS_0": m.array([[0, 1, 0, 0]] * 4, "u1"),
            "WEIGHTS_0": m.array([[0.5, 0.5, 0, 0]] * 4),
        },
        "indices": m.array(QUAD_INDICES, "u1"),
        "material": 0,
        "targets": [{"POSITION": target}, {"POSITION": m.array([[0, 0, 1]] * 4), "NORMAL": target}],
        "extensions": variant,
    }
    second = {**first, "indices": m.array([0, 1, 2, 3], "u2"), "mode": 6, "material": 1}
    skinned = m.add("meshes", {"primitives": [first, second, {"attributes": {"POSITION": target}, "mode": 1}], **names})
    packed = DracoPy.encode(
        np.array(QUAD, np.float32), np.array(QUAD_INDICES, np.uint32).reshape(-1, 3), quantization_bits=14
    )
    draco = {"bufferView": m.view(packed), "attributes": {"POSITION": 0}}
    claims = {
        "POSITION": m.add("accessors", {"componentType": 5126, "count": 4, "type": "VEC3"}),
    }
    indices = m.add("accessors", {"componentType": 5125, "count": 6, "type": "SCALAR"})
    primitive = {"attributes": claims, "indices": indices, "extensions": {"KHR_draco_mesh_compression": draco}}
    compressed = m.add("meshes", {"primitives": [primitive]})
    small = m.add("meshes", {"primitives": [{"attributes": {"POSITION": quantised}, "mode": 5, "material": 1}]})
    joints = [m.node(name="hip", translation=[0, 1, 0]), m.node(name="knee", root=False)]
    m.doc["nodes"][joints[0]]["children"] = [joints[1]]
    binds = m.array(np.tile(np.eye(4), (2, 1, 1)).reshape(2, 16))
    skin = m.add("skins", {"joints": joints, "inverseBindMatrices": binds})
    m.node(name="figure", mesh=skinned, skin=skin, weights=[0.1, 0.9])
    m.node(name="packed", mesh=compressed, matrix=[1, 0, 0, 0, 0.5, -1, 0, 0, 0, 0, 2, 0, 3, 4, 5, 1])
    rows = {
        "TRANSLATION": m.array(np.arange(30).reshape(10, 3)),
        "ROTATION": m.array([[0, 0, 0, 127]] * 10, "i1", normalized=True),
        "SCALE": m.array(np.full((10, 3), 0.5)),
    }
    m.node(name="crowd", mesh=small, extensions={"EXT_mesh_gpu_instancing": {"attributes": rows}})
    m.extension("KHR_materials_variants", {"variants": [{"name": "red"}]})


def _lights_and_cameras(m: Maker) -> None:
    m.extension(
        "KHR_lights_punctual",
        {
            "lights": [
                {"type": "point", "intensity": 40, "color": [1, 0.5, 0.25], "range": 5},
                {"type": "spot", "intensity": 90, "spot": {"innerConeAngle": 0.2, "outerConeAngle": 0.6}},
                {"type": "directional", "intensity": 1000},
            ]
        },
    )
    for light in range(3):
        m.node(name=f"light {light}", extensions={"KHR_lights_punctual": {"light": light}}, rotation=[0, 0, 0, 1])
    lens = {"yfov": 0.8, "aspectRatio": 1.5, "znear": 0.1, "zfar": 100}
    m.node(name="eye", camera=m.add("cameras", {"type": "perspective", "perspective": lens}))
    ortho = {"xmag": 2, "ymag": 1, "znear": 0.1, "zfar": 100}
    m.node(name="plan", camera=m.add("cameras", {"type": "orthographic", "orthographic": ortho}))


def _animation(m: Maker) -> None:
    times = m.array([0, 0.5, 1.0])
    half = np.sqrt(0.5)
    outputs = {
        "translation": (m.array(TRIANGLE), "LINEAR", 0),
        "rotation": (m.array([[0, 0, 0, 1], [0, half, 0, half], [0, 1, 0, 0]]), "LINEAR", 0),
        "scale": (m.array(np.ones((9, 3))), "CUBICSPLINE", 0),
        "weights": (m.array(np.linspace(0, 1, 6)), "STEP", 2),
    }
    channels, samplers = [], []
    for path, (output, interpolation, node) in outputs.items():
        samplers.append({"input": times, "output": output, "interpolation": interpolation})
        channels.append({"sampler": len(samplers) - 1, "target": {"node": node, "path": path}})
    m.add("animations", {"name": "walk", "channels": channels, "samplers": samplers})
