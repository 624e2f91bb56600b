// The share of a pixel that a line covers, worked out rather than sampled.
#include "overlay_depth.glsl"

in vec2 v_at;
in float v_ahead;
flat in vec4 v_rgba;
in float v_fade;
flat in vec3 v_shape;
flat in int v_mode;

out vec4 colour;

void main() {
    float off = abs(v_at.y);
    if ((v_mode & ROUND) != 0) {
        float past = max(max(-v_at.x, v_at.x - v_shape.x), 0.0);
        off = length(vec2(off, past));
    }
    // a line thinner than a pixel is a fainter one of a pixel
    float half_width = max(v_shape.y, 0.5);
    float core = clamp(half_width + 0.5 - off, 0.0, 1.0) * min(v_shape.y * 2.0, 1.0) * v_rgba.a;
    float rim = (v_mode & RIM) != 0 ? clamp(half_width + 1.5 * ratio + 0.5 - off, 0.0, 1.0) * 0.35 * v_rgba.a : 0.0;
    if (v_shape.z > 0.0) {
        float at = abs(fract(v_at.x / (2.0 * v_shape.z)) - 0.5) * 2.0 * v_shape.z;
        core *= clamp(at - v_shape.z * 0.5 + 0.5, 0.0, 1.0);
    }
    float left = left_of(v_mode, flat_view == 1 || (v_mode & 3) == SCREEN ? v_ahead : 1.0 / v_ahead);
    left *= v_fade;
    core *= left;
    rim *= left * (1.0 - core);
    if (core + rim < 0.002) discard;
    colour = vec4(v_rgba.rgb * core, core + rim);
}
