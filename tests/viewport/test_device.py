"""The device: OpenGL 4.1 alone, programs by name, and sentences for what is not to be had."""

from __future__ import annotations

import re
import sys
from importlib import resources
from typing import Any

import moderngl
import pytest

from studio.errors import DeviceFault, Unsupported
from studio.viewport import programs
from studio.viewport.device import Device


def test_nothing_newer_than_opengl_41_is_asked_for(device: Device) -> None:
    assert device.context.version_code == 410
    for file in (resources.files("studio.viewport") / "shaders").iterdir():
        if file.name.endswith((".glsl", ".vert", ".frag")):
            text = file.read_text()
            assert "#version" not in text and "#extension" not in text, file.name
            # storage buffers, images, compute, explicit bindings: all of 4.2 or later
            assert not re.search(r"\b(buffer|imageLoad|imageStore|binding\s*=|local_size|gl_BaseInstance)\b", text)


VERTEX_TABLES = {"instances_table", "draws_table", "objects_table"}  # read by vertex shaders alone
SAMPLERS = {0x8B5E, 0x8B62, 0x8DC1, 0x8DC4, 0x8DD2, 0x8DD7}  # of floats and words, flat, layered, and of shadows


@pytest.mark.parametrize("coverage", [0, 1, 2, 3])
def test_shaders_stay_within_the_sixteen_samplers_of_opengl_41(device: Device, coverage: int) -> None:
    parts: dict[str, Any] = {"CONTACT": 1} if coverage < 2 else {}  # as passes.py asks for it
    program = device.program(
        "mesh_lit", MODE=0, SURFACE_FAMILY=2, TEXTURED=1, COVERAGE=coverage, SHADOWS=1, SHAPED=1, LINKED=1, **parts
    )
    members = [program[name] for name in program]
    uniforms = [member for member in members if isinstance(member, moderngl.Uniform)]
    typed = {uniform.name: uniform.gl_type for uniform in uniforms}  # type: ignore[attr-defined]
    used = {name for name, kind in typed.items() if kind in SAMPLERS} - VERTEX_TABLES
    assert {"materials_table", "lights_table", "shadow_atlas"} <= used
    assert len(used) <= 16, sorted(used)


def test_a_broken_shader_is_told_with_its_file_and_line(device: Device) -> None:
    broken = "vec4 view_transform(vec4 c) {\n    return no_such_thing(c);\n}\n"
    with pytest.raises(DeviceFault, match=r"display at view\.glsl:2: .*no_such_thing"):
        device.program("display", snippets={"view.glsl": broken}, KIND=0)


def test_a_shader_that_is_not_there_is_told(device: Device) -> None:
    with pytest.raises(DeviceFault, match=r"nowhere\.frag is missing"):
        device.program("nowhere")


def test_programs_are_compiled_once(device: Device) -> None:
    first = device.program("copy")
    assert device.program("copy") is first
    assert (
        device.program("display", snippets={"view.glsl": "vec4 view_transform(vec4 c) { return c; }"}, KIND=1)
        is not first
    )


def test_an_unknown_kind_of_display_is_refused() -> None:
    with pytest.raises(Unsupported, match="'glx'; choose from egl, x11"):
        Device.offscreen(kind="glx")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X11 is asked for on Linux alone")
def test_x11_without_a_display_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(Unsupported, match="no X display"):
        Device.offscreen(kind="x11")


def test_includes_are_joined_once_and_lines_remember_their_files() -> None:
    source = programs.joined("mesh_lit.frag", defines={"MODE": 0, "SURFACE_FAMILY": 0, "TEXTURED": 0, "COVERAGE": 0})
    files = [file for file, _ in source.lines]
    assert source.text.startswith("#version 410 core\n")
    assert source.text.count("struct Light {") == 1
    assert {"surface.glsl", "lights.glsl", "generated.glsl", "mesh_lit.frag"} <= set(files)
    assert len(source.lines) == source.text.count("\n")
