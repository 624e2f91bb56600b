// A line as a quad on the screen: OpenGL 4.1 core has none wider than a pixel.
#include "overlay.glsl"

in vec3 in_a;
in vec3 in_b;
in vec4 in_rgba;
in float in_width;
in float in_dash;
in float in_fade;
in int in_mode;

out vec2 v_at;             // pixels along the line and off its middle
out float v_ahead;         // or its reciprocal, which is linear on the screen, with perspective
flat out vec4 v_rgba;
out float v_fade;          // what is left of the opacity, linear on the screen
flat out vec3 v_shape;     // length, half the width, dash, in pixels
flat out int v_mode;

void main() {
    vec3 a, b;
    vec2 fade = vec2(1.0, in_fade);
    v_mode = in_mode;
    if ((in_mode & 3) == SCREEN) {
        a = vec3(in_a.x, size.y - in_a.y, 1.0);
        b = vec3(in_b.x, size.y - in_b.y, 1.0);
    } else {
        vec3 p = in_a, q = in_b;
        if (flat_view == 0) {  // cut off what lies behind the eye
            float pa = -(turn * p).z, qa = -(turn * q).z;
            float least = max(max(pa, qa) * 1e-4, 1e-6);
            if (max(pa, qa) <= 1e-6) { gl_Position = vec4(2.0, 2.0, 2.0, 1.0); return; }
            if (pa < least) {
                float t = (least - pa) / (qa - pa);
                p = mix(p, q, t);
                fade.x = mix(fade.x, fade.y, t);
            }
            if (qa < least) {
                float t = (least - qa) / (pa - qa);
                q = mix(q, p, t);
                fade.y = mix(fade.y, fade.x, t);
            }
        }
        a = on_screen(p);
        b = on_screen(q);
    }
    vec2 way = b.xy - a.xy;
    float span = length(way);
    way = span > 1e-6 ? way / span : vec2(1.0, 0.0);
    float half_width = in_width * 0.5;
    float reach = half_width + 1.0 + ((in_mode & RIM) != 0 ? 1.5 * ratio : 0.0);
    bool at_end = (gl_VertexID & 1) == 1;
    float side = (gl_VertexID & 2) == 2 ? 1.0 : -1.0;
    float beyond = (in_mode & ROUND) != 0 ? reach : 0.0;
    float along = at_end ? span + beyond : -beyond;
    vec2 pixel = a.xy + way * along + vec2(-way.y, way.x) * side * reach;
    v_at = vec2(along, side * reach);
    v_fade = at_end ? fade.y : fade.x;
    v_ahead = flat_view == 1 || (in_mode & 3) == SCREEN ? (at_end ? b.z : a.z) : 1.0 / (at_end ? b.z : a.z);
    v_rgba = in_rgba;
    v_shape = vec3(span, half_width, in_dash);
    gl_Position = vec4(pixel / size * 2.0 - 1.0, 0.0, 1.0);
}
