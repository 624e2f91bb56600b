"""From rows of a flat scene back to the entities that an artist points at."""

import numpy as np

from studio.scene.entities import Camera, Group, MeshObject
from studio.scene.flatten import flatten
from studio.scene.geometry import make_mesh
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.placement import light_ids, placement
from studio.scene.scene import Scene


def _scene() -> Scene:
    mesh = make_mesh(positions=[[0, 0, 0], [1, 0, 0], [0, 1, 0]], triangles=[[0, 1, 2]])
    glow = Material(id="glow", name="glow", emission_luminance=100.0)
    entities = [
        Group(id="rig", translation=(0.0, 2.0, 0.0)),
        Light(id="key", parent="rig", name="twin", translation=(1.0, 0.0, 0.0)),
        MeshObject(id="gone", mesh="nowhere"),
        MeshObject(id="bulb", name="twin", mesh=mesh.key, materials=("glow",)),
        Light(id="off", muted=True),
        Light(id="fill", parent="rig", visible=False),
        Light(id="rim"),
        Camera(id="cam", translation=(0.0, 0.0, 5.0)),
    ]
    return Scene(entities={e.id: e for e in entities}, materials={"glow": glow}, meshes={mesh.key: mesh}, camera="cam")


def test_every_entity_has_its_world_matrix_and_its_switches():
    places = placement(flatten(_scene(), 0.0))
    assert np.allclose(places.world_of("key")[:, 3], (1.0, 2.0, 0.0))
    assert np.allclose(places.world_of("nobody"), np.eye(4)[:3])
    assert [i for i, hidden in zip(places.ids, places.hidden) if hidden] == ["fill"]
    assert "off" in [i for i, silent in zip(places.ids, places.silent) if silent]


def test_objects_and_lights_lead_back_to_their_entities_whatever_their_names():
    flat = flatten(_scene(), 0.0)
    places = placement(flat)
    assert [places.object_id(int(row["object"])) for row in flat.instances] == ["bulb"]
    assert places.object_id(-1) == "" and places.object_id(99) == ""
    assert light_ids(flat) == ["key", "rim", "bulb"]
