// Filled parts: planes of the gizmo, the marquee, the darkness outside the gate.
#include "overlay.glsl"

in vec3 in_at;
in vec4 in_rgba;
in int in_mode;

out float v_ahead;
flat out vec4 v_rgba;
flat out int v_mode;

void main() {
    v_rgba = in_rgba;
    v_mode = in_mode;
    v_ahead = 1.0;
    if ((in_mode & 3) == SCREEN) {
        gl_Position = vec4(in_at.x / size.x * 2.0 - 1.0, 1.0 - in_at.y / size.y * 2.0, 0.0, 1.0);
        return;
    }
    vec3 p = turn * in_at;
    float w = flat_view == 1 ? 1.0 : -p.z;
    v_ahead = -p.z;
    gl_Position = vec4((p.xy - centre * w) / extent, 0.0, w);
}
