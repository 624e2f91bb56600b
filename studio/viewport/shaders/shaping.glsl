// What shapes a light by the direction in which it leaves: profiles, gobos, barn doors, grids, and the pictures of flat
// lights. What the columns of a light's row mean stands at LIGHT in studio/scene/lights.py; cones of spots stand where
// spots are evaluated, for every spot has one.
//
//     shaping(row, w)              what a shaped light's emission is multiplied by along w, unit, in its own frame
//     shaped_towards(row, L)       the same for light that arrives from L, a direction of the world
//     picture_towards(row, q, L)   what the picture of a flat light shows along L, over its mean; q leads to its centre
//
// Profiles and pictures are tiles of `dome_atlas` that are read texel by texel and mixed here: the filter of a graphics
// card counts in steps of 1/256, and tiles need no borders.

#include "generated.glsl"

uniform sampler2D lighting_table;  // LIGHTING_PER_LINE rows of four texels a line: lights first, then patches
uniform sampler2D dome_atlas;
const int LIGHTING_PER_LINE = 128, LIGHTING_SHIFT = 7;  // a power of two, as in lamps.glsl

vec4 lighting_at(int row, int k) {
    return texelFetch(lighting_table, ivec2((row & (LIGHTING_PER_LINE - 1)) * 4 + k, row >> LIGHTING_SHIFT), 0);
}

vec3 tile_texel(vec4 tile, int x, int y) { return texelFetch(dome_atlas, ivec2(tile.xy) + ivec2(x, y), 0).rgb; }

// The tile (left, top, width, height) as a picture, v running down; its edges go on.
vec3 tile_picture(vec4 tile, vec2 uv) {
    vec2 at = clamp(uv, 0.0, 1.0) * tile.zw - 0.5, low = floor(at), share = at - low;
    ivec2 last = ivec2(tile.zw) - 1, a = clamp(ivec2(low), ivec2(0), last), b = clamp(ivec2(low) + 1, ivec2(0), last);
    vec3 upper = mix(tile_texel(tile, a.x, a.y), tile_texel(tile, b.x, a.y), share.x);
    vec3 lower = mix(tile_texel(tile, a.x, b.y), tile_texel(tile, b.x, b.y), share.x);
    return mix(upper, lower, share.y);
}

// 0 left of a door's edge, 1 right of it; `inside` is the tangent by which a ray clears the edge.
float door(float inside, float soft) {
    float t = clamp(inside / max(soft, 1e-6) + 0.5, 0.0, 1.0);
    return t * t * (3.0 - 2.0 * t);
}

// The profile of a light along w; a tile of one column is even around the axis.
float profile_along(vec4 tile, vec3 w) {
    float aside = length(w.xy), line = atan(aside, -w.z) * ((tile.w - 1.0) * 0.318309886);
    int upper = clamp(int(line), 0, int(tile.w) - 2);
    float share = line - float(upper), turn = 0.0;
    int columns = int(tile.z), taps = columns > 1 ? 2 : 1;
    for (int k = 1; k < taps; k++) turn = aside > 1e-7 ? fract(atan(w.y, w.x) * 0.159154943) * tile.z : 0.0;
    int column = int(turn);
    float value = 0.0, beside = turn - float(column);
    for (int k = 0; k < taps; k++) {
        int at = (column + k) % columns;
        float weight = taps == 1 ? 1.0 : k == 0 ? 1.0 - beside : beside;
        value += weight * mix(tile_texel(tile, at, upper).r, tile_texel(tile, at, upper + 1).r, share);
    }
    return value;
}

// The record of a shaped light, a row of the lighting table: its x and y axis, and what lighting.py packs beside them.
struct Shaping { vec3 x, y; vec4 barn, turn; float soft, spread; bool profile, gobo; };

Shaping shaping_of(int row) {
    int at = int(lighting_at(2 * row, 0).w);
    vec4 t0 = lighting_at(at, 0), t1 = lighting_at(at, 1);
    Shaping s;
    s.x = t0.xyz;
    s.y = t1.xyz;
    s.gobo = t0.w < 0.0;
    s.profile = t1.w < 0.0;
    s.soft = s.gobo ? -1.0 - t0.w : t0.w;
    s.spread = s.profile ? -1.0 - t1.w : t1.w;
    s.barn = lighting_at(at, 2);
    s.turn = lighting_at(at, 3);
    return s;
}

// Loops of one turn or none, because software rasterisers leave those out and run both sides of a branch.
vec3 shaped(Shaping s, int row, vec3 w) {
    vec3 value = vec3(1.0);
    float ahead = -w.z;
    vec2 tangent = w.xy / max(ahead, 1e-6);
    int doors = any(notEqual(s.barn, vec4(0.0))) ? 1 : 0;
    for (int k = 0; k < doors; k++) {
        float passes = door(tangent.x + s.barn.x, s.soft) * door(s.barn.y - tangent.x, s.soft)
            * door(tangent.y + s.barn.z, s.soft) * door(s.barn.w - tangent.y, s.soft);
        value *= ahead > 0.0 ? passes : 0.0;
    }
    if (s.spread > 0.0) value *= max(1.0 - s.spread * length(w.xy) / max(abs(ahead), 1e-6), 0.0);
    int profiles = s.profile && value.x > 0.0 ? 1 : 0;
    for (int k = 0; k < profiles; k++) value *= profile_along(lighting_at(2 * row, 2), w);
    int gobos = s.gobo && value.x > 0.0 ? 1 : 0;
    for (int k = 0; k < gobos; k++) {
        vec2 uv = 0.5 + vec2(dot(s.turn.xy, tangent), -dot(s.turn.zw, tangent));
        vec3 shown = vec3(0.0);
        for (int n = ahead > 0.0 && uv == clamp(uv, 0.0, 1.0) ? 0 : 1; n < 1; n++)
            shown = tile_picture(lighting_at(2 * row, 3), uv);
        value *= shown;
    }
    return value;
}

vec3 shaping(int row, vec3 w) { return shaped(shaping_of(row), row, w); }

vec3 shaped_towards(int row, vec3 L) {
    Shaping s = shaping_of(row);
    return shaped(s, row, -vec3(dot(L, s.x), dot(L, s.y), dot(L, cross(s.x, s.y))));
}

vec3 picture_towards(int row, vec3 q, vec3 L) {
    Light light = fetch_light(row);
    vec3 z = light.open[2], s = L * (dot(q, z) / (abs(dot(L, z)) > 1e-6 ? dot(L, z) : 1e-6)) - q;
    vec2 size = light.kind == KIND_RECTANGLE ? light.size : 2.0 * light.size.xx;
    vec2 uv = 0.5 - vec2(dot(s, light.open[0]), dot(s, light.open[1])) / max(size, 1e-9);
    return tile_picture(lighting_at(2 * row, 3), uv) / max(lighting_at(2 * row, 0).rgb, 1e-9);
}
