// Shapes of area lights: 24 x 12 quads bent to a rectangle, disk, sphere or tube. Others are moved out of sight.
#include "generated.glsl"
#include "lamps.glsl"

uniform mat4 turn_clip;
uniform vec3 eye;
flat out vec3 v_radiance;
flat out vec3 v_centre;   // of the light, from the eye
flat out int v_light;     // its row
flat out int v_lamp;      // its place among lamps
out vec3 v_place;         // from the eye

uniform sampler2D lighting_table;

void main() {
    int row = light_row(lamp_counts.x + gl_InstanceID);
    Light light = fetch_light(row);
    int quad = gl_VertexID / 6, corner = gl_VertexID % 6;
    vec2 at = vec2(quad % 24, quad / 24) + vec2(corner == 1 || corner == 2 || corner == 4 ? 1.0 : 0.0,
                                                corner == 2 || corner == 4 || corner == 5 ? 1.0 : 0.0);
    at /= vec2(24.0, 12.0);
    float turn = at.x * 6.2831853, rise = (at.y - 0.5) * 3.14159265;
    vec3 p = vec3(0.0);
    if (light.kind == KIND_RECTANGLE) p = vec3((at - 0.5) * light.size, 0.0);
    else if (light.kind == KIND_DISK) p = vec3(cos(turn), sin(turn), 0.0) * (at.y * light.size.x);
    else if (light.kind == KIND_SPHERE) p = vec3(cos(turn) * cos(rise), sin(rise), sin(turn) * cos(rise)) * light.size.x;
    else if (light.kind == KIND_CYLINDER)
        p = vec3((at.y - 0.5) * light.size.y, cos(turn) * light.size.x, sin(turn) * light.size.x);
    bool flat_ = light.kind == KIND_RECTANGLE || light.kind == KIND_DISK;
    vec3 from_eye = light.open[3] - eye;
    // it shines along -z; from behind there is nothing
    bool behind = flat_ && (light.flags & 8u) == 0u && dot(from_eye, light.open[2]) < 0.0;
    int at_table = 2 * row;  // two rows a light, see lighting.py
    v_radiance = light.emission * texelFetch(lighting_table, ivec2((at_table % 128) * 4, at_table / 128), 0).rgb;
    v_light = row;
    v_lamp = lamp_counts.x + gl_InstanceID;
    v_centre = from_eye;
    v_place = mat3(light.open[0], light.open[1], light.open[2]) * p + from_eye;
    gl_Position = turn_clip * vec4(v_place, 1.0);
    if ((light.flags & 1u) == 0u || p == vec3(0.0) && light.kind <= KIND_SPOT || light.kind >= KIND_DISTANT || behind)
        gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
}
