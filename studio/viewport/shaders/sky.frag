// The dome behind everything, where the camera sees it.
#include "generated.glsl"
#include "lightgrid.glsl"
#include "lights.glsl"

uniform mat4 clip_turn;  // clip space -> directions of the world
uniform vec3 forward;
uniform bool orthographic;
out vec4 f_color;

const uint SEEN_BY_CAMERA = 1u;

void main() {
    vec2 at = gl_FragCoord.xy * grid_scale / vec2(COLUMNS, ROWS) * 2.0 - 1.0;
    vec4 far = clip_turn * vec4(at, 1.0, 1.0);
    vec3 direction = orthographic ? forward : normalize(far.xyz / far.w);
    vec3 sum = vec3(0.0);
    for (int k = 0; k < lamp_counts.z; k++) {
        int row = light_row(lamp_counts.x + lamp_counts.y + k);
        Light light = fetch_light(row);
        if (light.kind == KIND_DOME && (light.flags & SEEN_BY_CAMERA) != 0u) sum += dome_background(row, direction);
    }
    f_color = vec4(sum, 1.0);
}
