// Casters with holes: cut-outs where their material cuts them, and what blends by chance, so that a map holds as much of
// it as it blocks light; another chance each time it is drawn. COVERAGE 1 is cut, 3 blends.
#include "scene.glsl"

uniform float chance;

void main() {
    Material m = fetch_material(int(v_row.y));
    float opacity = opacity_of(m, dFdx(v_uv), dFdy(v_uv));
#if COVERAGE == 1
    if (opacity < 0.5) discard;
#else
    // a number of each place in each layer, so that two layers block as two do
    uvec3 h = uvec3(gl_FragCoord.xy, floatBitsToUint(gl_FragCoord.z) + 0x9e3779b9u * (uint(chance) + 1u));
    h = h * 1664525u + 1013904223u;
    h.x += h.y * h.z;
    h.y += h.z * h.x;
    h.z += h.x * h.y;
    h ^= h >> 16u;
    h.x += h.y * h.z;
    h.y += h.z * h.x;
    h.z += h.x * h.y;
    if (opacity <= float(h.x >> 8) * (1.0 / 16777216.0)) discard;
#endif
}
