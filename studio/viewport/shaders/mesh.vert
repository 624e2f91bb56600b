// Vertices of meshes: which instance they belong to, where they stand relative to the eye.
#define USE_INSTANCES
#include "generated.glsl"

in vec3 in_position;
in ivec4 in_normal;  // in steps of 1 / 32767, for moderngl knows no normalised shorts
in ivec4 in_tangent;
in vec2 in_uv0;
in vec2 in_uv1;
in vec4 in_color;
in uint in_part;

uniform usampler2D draws_table;
uniform usampler2D objects_table;
uniform int draw_base;   // row of the table of draws; -1: each vertex brings its own
uniform mat4 turn_clip;  // directions and positions relative to the eye -> clip space
uniform vec3 eye;
uniform uint skipped;    // objects with any of these bits are not drawn
uniform uint wanted;     // and, where this is not 0, only those with any of these

out vec3 v_position;     // relative to the eye
out vec3 v_normal;
out vec4 v_tangent;
out vec4 v_uv;
out vec4 v_color;
flat out uvec4 v_row;    // instance, material, part, object
flat out float v_mirror; // -1 where the instance turns the winding
#ifdef LINKED
flat out uint v_link;    // the set of receivers that the instance belongs to
#endif
#ifdef EYE
flat out vec3 v_axis_x, v_axis_y, v_axis_z, v_origin;  // object to world, the origin relative to the eye
#endif

invariant gl_Position;

void main() {
    int row = draw_base < 0 ? int(in_part) : draw_base + gl_InstanceID;
    v_row = texelFetch(draws_table, ivec2(row % PER_LINE, row / PER_LINE), 0);
    Instance instance = fetch_instance(int(v_row.x));
    mat4x3 world = instance.open;
#ifdef LINKED
    v_link = instance.link;
#endif
    v_position = mat3(world) * in_position + (world[3] - eye);
#ifdef EYE
    v_axis_x = world[0];
    v_axis_y = world[1];
    v_axis_z = world[2];
    v_origin = world[3] - eye;
#endif
    vec3 normal = vec3(in_normal.xyz) * (1.0 / 32767.0);
    vec3 yz = cross(world[1], world[2]);
    float side = dot(world[0], yz) < 0.0 ? -1.0 : 1.0;
    v_normal = (yz * normal.x + cross(world[2], world[0]) * normal.y + cross(world[0], world[1]) * normal.z)
        * side;
    v_tangent = vec4(mat3(world) * vec3(in_tangent.xyz) * (1.0 / 32767.0), sign(float(in_tangent.w)));
    v_uv = vec4(in_uv0, in_uv1);
    v_color = in_color;
    v_mirror = side;
    gl_Position = turn_clip * vec4(v_position, 1.0);
    uint state = texelFetch(objects_table, ivec2(int(v_row.w) & 1023, int(v_row.w) >> 10), 0).x;
    if ((state & skipped) != 0u || (wanted != 0u && (state & wanted) == 0u)) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
}
