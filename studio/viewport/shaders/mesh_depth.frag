// Depth alone, so that what follows shades each pixel once. Cut-out materials are cut here.
#if COVERAGE == 1
#include "scene.glsl"
void main() {
    Material m = fetch_material(int(v_row.y));
    if (opacity_of(m, dFdx(v_uv), dFdy(v_uv)) < 0.5) discard;
}
#else
void main() {}
#endif
