// An icon: a square of constant size on the screen about a point of the world.
#include "overlay.glsl"

in vec3 in_at;
in vec4 in_rgba;
in float in_size;
in int in_glyph;
in int in_flags;
in int in_mode;

out vec2 v_at;          // -1..1 within the icon, a little more around it
flat out float v_pixel; // how large a pixel is in those units
flat out float v_ahead;
flat out vec4 v_rgba;
flat out ivec3 v_what;  // glyph, flags, mode

void main() {
    vec3 middle = (in_mode & 3) == SCREEN ? vec3(in_at.x, size.y - in_at.y, 1.0) : on_screen(in_at);
    v_rgba = in_rgba;
    v_what = ivec3(in_glyph, in_flags, in_mode);
    v_ahead = middle.z;
    v_pixel = 2.0 / in_size;
    vec2 corner = vec2((gl_VertexID & 1) == 1 ? 1.0 : -1.0, (gl_VertexID & 2) == 2 ? 1.0 : -1.0) * 1.3;
    v_at = corner;
    if (middle.z <= 0.0 && flat_view == 0) { gl_Position = vec4(2.0, 2.0, 2.0, 1.0); return; }
    gl_Position = vec4((middle.xy + corner * in_size * 0.5) / size * 2.0 - 1.0, 0.0, 1.0);
}
