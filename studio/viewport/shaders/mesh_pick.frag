// What lies under a pixel: instance, part and triangle, where it is (from the eye), and which way it faces.
#if COVERAGE == 1
#include "scene.glsl"
#else
in vec3 v_position;
flat in uvec4 v_row;
#endif
layout(location = 0) out uvec4 f_ids;
layout(location = 1) out vec4 f_position;
layout(location = 2) out vec4 f_normal;

void main() {
#if COVERAGE == 1
    if (opacity_of(fetch_material(int(v_row.y)), dFdx(v_uv), dFdy(v_uv)) < 0.5) discard;
#endif
    vec3 n = cross(dFdx(v_position), dFdy(v_position));
    f_ids = uvec4(v_row.x + 1u, v_row.z, v_row.w, uint(gl_PrimitiveID));
    f_position = vec4(v_position, 1.0);
    f_normal = vec4(dot(n, n) > 0.0 ? normalize(n) : vec3(0.0), 1.0);
}
