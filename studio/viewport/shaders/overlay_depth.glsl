// How a part of an overlay meets the scene's depth; for fragment shaders.
#include "overlay.glsl"

uniform sampler2D depth;
uniform int has_depth;
uniform vec2 planes;  // near, far

const float WHERE_HIDDEN = 0.22;  // what is left of a part behind a surface

// how far ahead the scene is at a pixel
float scene_ahead(ivec2 pixel) {
    float d = texelFetch(depth, pixel, 0).r;
    if (d >= 1.0) return 3.0e38;
    if (flat_view == 1) return mix(planes.x, planes.y, d);
    return planes.x * planes.y / (planes.y - d * (planes.y - planes.x));
}

// what is left of a part `ahead` metres away, by its depth mode
float left_of(int mode, float ahead) {
    int kind = mode & 3;
    if (kind >= FRONT || has_depth == 0) return 1.0;
    float slack = flat_view == 1 ? (planes.y - planes.x) * 1e-5 : ahead * (0.002 + ahead / planes.x * 2.4e-7);
    float scene = scene_ahead(ivec2(gl_FragCoord.xy));
    // a floor seen from low down is much farther away one pixel up
    if ((mode & BEHIND) != 0) slack = -slack - 1.5 * min(fwidth(scene), ahead);
    bool hidden = scene < ahead - slack;
    return hidden ? (kind == DIMMED ? WHERE_HIDDEN : 0.0) : 1.0;
}
