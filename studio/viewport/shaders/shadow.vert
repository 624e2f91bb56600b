// Casters as maps of lights see them: every instance of this draw is a pair of an instance of the scene and a map. What
// leaves its tile of the atlas is clipped, so one draw fills as many tiles as it has pairs for.
#define USE_INSTANCES
#include "generated.glsl"

in vec3 in_position;
in vec2 in_uv0;
in vec2 in_uv1;
in vec4 in_color;

uniform usampler2D pairs_table;  // instance, material, map, object
uniform sampler2D maps_table;    // studio/viewport/shadow_maps.py: four texels a map
uniform int first_pair;
uniform float tall;              // the atlas' width over its height

out vec3 v_position;
out vec3 v_normal;
out vec4 v_tangent;
out vec4 v_uv;
out vec4 v_color;
flat out uvec4 v_row;
flat out float v_mirror;
out float gl_ClipDistance[4];

void main() {
    int pair = first_pair + gl_InstanceID;
    v_row = texelFetch(pairs_table, ivec2(pair & 1023, pair >> 10), 0);
    ivec2 at = ivec2((int(v_row.z) & 127) * 4, int(v_row.z) >> 7);
    vec4 m0 = texelFetch(maps_table, at, 0), m1 = texelFetch(maps_table, at + ivec2(1, 0), 0);
    vec4 m2 = texelFetch(maps_table, at + ivec2(2, 0), 0), m3 = texelFetch(maps_table, at + ivec2(3, 0), 0);
    mat4x3 world = fetch_instance(int(v_row.x)).open;
    vec3 d = mat3(world) * in_position + (world[3] - m0.xyz);
    float x = dot(m1.xyz, d), y = dot(m2.xyz, d), z = dot(m3.xyz, d);
    bool parallel = m3.w < 0.0;
    float w = parallel ? 1.0 : z;
    // depth 1 - near / z of maps from a point, z / length of parallel ones
    z = parallel ? 2.0 * z * m0.w - 1.0 : z - 2.0 * m0.w;
    gl_ClipDistance[0] = w + x;
    gl_ClipDistance[1] = w - x;
    gl_ClipDistance[2] = w + y;
    gl_ClipDistance[3] = w - y;
    gl_Position = vec4(x * abs(m3.w) + m1.w * w, y * abs(m3.w) * tall + m2.w * w, z, w);
    v_position = d;
    v_normal = vec3(0.0, 0.0, 1.0);
    v_tangent = vec4(0.0);
    v_uv = vec4(in_uv0, in_uv1);
    v_color = in_color;
    v_mirror = 1.0;
}
