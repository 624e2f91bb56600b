// How much of a light arrives: one look into its shadow map (studio/viewport/shadow_maps.py says how maps lie).
//
// A point's record is one texel of the table of lights, any other light's four. What a map holds at a texel is compared
// with where the plane of the surface lies on the ray through the middle of that texel, or with the place itself if that
// is nearer to the light: so a flat surface never shadows itself, at any angle and however coarse the map is, without a
// bias that would lift shadows off what casts them. The texel is chosen with noise of a texel's width, another in every
// sample of a view at rest, which adds up to smooth edges.

uniform sampler2D shadow_atlas;
uniform int shadow_line;   // line of the first record in the table of lights
uniform vec2 shadow_turn;  // another place within texels for each sample

const float SHADOW_BIAS = 1.002;   // in depth
const float SHADOW_STEP = 1.2e-7;  // two steps of a map's depth: far from a light they are more than that
const float SHADOW_GRAZING = 1.25;  // times nearer than the place itself that its plane may be taken for

vec2 shadow_noise() {
    vec2 p = gl_FragCoord.xy;
    float n = fract(52.9829189 * fract(dot(p, vec2(0.06711056, 0.00583715))));
    return fract(vec2(n, n * 7.31 + p.y * 0.38196601) + shadow_turn) - 0.5;
}

uvec4 shadow_texel(int index) {
    return texelFetch(lights_table, ivec2(index & (LAMPS_PER_LINE - 1), shadow_line + (index >> LAMPS_SHIFT)), 0);
}

// 1 where nothing lies between plain point light `index` and the place r away from it. `Ng` may face either way.
float point_arrives(int index, vec3 r, vec3 Ng, vec2 noise) {
    uvec4 record = shadow_texel(index);
    float size = uintBitsToFloat(record.y), near = uintBitsToFloat(record.z);
    vec3 a = abs(r);
    bool is_z = a.z > max(a.x, a.y), is_y = a.y > a.x;
    vec3 p = is_z ? r : is_y ? r.xzy : r.yzx;
    vec3 n = is_z ? Ng : is_y ? Ng.xzy : Ng.yzx;
    float inverse = 1.0 / max(abs(p.z), 1e-9);
    vec2 place = floor(clamp((p.xy * inverse * 0.5 + 0.5) * size + noise, vec2(0.0), vec2(size - 0.5)));
    vec2 ray = (place + 0.5) * (2.0 / size) - 1.0;
    float plane = dot(n, vec3(ray, p.z < 0.0 ? -1.0 : 1.0)) / dot(Ng, r);
    float depth = 1.0 - near * SHADOW_BIAS * clamp(plane, inverse, inverse * SHADOW_GRAZING) - SHADOW_STEP;
    ivec2 corner = ivec2(int(record.x) & 0xffff, int(record.x >> 16));
    vec2 tile = vec2(is_z ? 2.0 : is_y ? 1.0 : 0.0, p.z < 0.0 ? 0.0 : 1.0) * size;
    return texelFetch(shadow_atlas, corner + ivec2(place + tile), 0).r >= depth ? 1.0 : 0.0;
}

// The part of light `index` of the passes' lamps, no plain point, that arrives at P: 1 for all, less where something
// lies between, down to its colour of shadow. `first` is the texel of its record.
vec3 light_arrives(int first, vec3 P, vec3 Ng, vec2 noise) {
    uvec4 t0 = shadow_texel(first), t1 = shadow_texel(first + 1), t2 = shadow_texel(first + 2);
    uvec4 t3 = shadow_texel(first + 3);
    vec3 r = P - uintBitsToFloat(t0.xyz);
    vec3 x = uintBitsToFloat(t1.xyz), y = uintBitsToFloat(t2.xyz), z = uintBitsToFloat(t3.xyz);
    float near = uintBitsToFloat(t0.w), size = uintBitsToFloat(t2.w);
    int form = int(t3.w >> 30);
    vec3 a = abs(r);
    bool cube = form == 0, is_z = a.z > max(a.x, a.y), is_y = a.y > a.x;
    vec3 p = is_z ? r : is_y ? r.xzy : r.yzx;
    vec3 n = is_z ? Ng : is_y ? Ng.xzy : Ng.yzx;
    vec2 tile = vec2(is_z ? 2.0 : is_y ? 1.0 : 0.0, p.z < 0.0 ? 0.0 : 1.0) * size;
    if (!cube) {
        p = vec3(dot(x, r), dot(y, r), dot(z, r));
        n = vec3(dot(x, Ng) / dot(x, x), dot(y, Ng) / dot(y, y), dot(z, Ng));
        tile = vec2(0.0);
    }
    float facing = dot(Ng, r);
    bool parallel = form == 2;
    float inverse = 1.0 / max(abs(p.z), 1e-9);
    vec2 place = floor(clamp((p.xy * (parallel ? 1.0 : inverse) * 0.5 + 0.5) * size + noise, vec2(0.0), vec2(size - 0.5)));
    vec2 ray = (place + 0.5) * (2.0 / size) - 1.0;
    float depth;
    if (parallel) {
        float plane = (facing - dot(n.xy, ray)) / n.z, slack = 24.0 / (size * length(x));
        depth = clamp(plane, p.z - slack, p.z) * near - 2e-6 - 2e-4 * near;
    } else {
        float plane = dot(n, vec3(ray, p.z < 0.0 ? -1.0 : 1.0)) / facing;
        depth = 1.0 - near * SHADOW_BIAS * clamp(plane, inverse, inverse * SHADOW_GRAZING) - SHADOW_STEP;
    }
    ivec2 corner = ivec2(int(t1.w) & 0xffff, int(t1.w >> 16));
    float lit = texelFetch(shadow_atlas, corner + ivec2(place + tile), 0).r >= depth ? 1.0 : 0.0;
    // a point of a lamp that the surface cannot see tells nothing of the others, whose light has been cut at the horizon
    if ((parallel ? n.z : facing) > 0.0) lit = 1.0;
    vec3 left = vec3(ivec3(int(t3.w) & 1023, int(t3.w >> 10) & 1023, int(t3.w >> 20) & 1023)) / 1023.0;
    return mix(left, vec3(1.0), lit);
}

#if SUBSURFACE == 2
// The cosine at which a light meets the surface that texel `place` of its map holds, by the nearer neighbours of that
// texel; `corner` is where the map begins, `wide` what its rays lie apart.
float entry_cosine(ivec2 corner, vec2 place, float size, float near, float wide, bool parallel) {
    vec3 at[5];
    for (int k = 0; k < 5; k++) {
        vec2 aside = k == 0 ? vec2(0.0) : k < 3 ? vec2(float(3 - 2 * k), 0.0) : vec2(0.0, float(7 - 2 * k));
        vec2 to = clamp(place + aside, vec2(0.0), vec2(size - 1.0));
        float held = texelFetch(shadow_atlas, corner + ivec2(to), 0).r;
        float z = parallel ? held / near : near / max(1.0 - held, 1e-9);
        vec2 ray = ((to + 0.5) * (2.0 / size) - 1.0) * wide;
        at[k] = vec3(ray * (parallel ? 1.0 : z), z);
    }
    vec3 x = abs(at[1].z - at[0].z) < abs(at[2].z - at[0].z) ? at[1] - at[0] : at[0] - at[2];
    vec3 y = abs(at[3].z - at[0].z) < abs(at[4].z - at[0].z) ? at[3] - at[0] : at[0] - at[4];
    vec3 n = cross(x, y), ray = parallel ? vec3(0.0, 0.0, 1.0) : at[0];
    return abs(dot(n, ray)) * inversesqrt(max(dot(n, n) * dot(ray, ray), 1e-30));
}

// Metres from the surface that plain point light `index` meets first to the plane of the place r away from it, along the
// ray through the middle of the map's texel, the size of a texel there, and the cosine at which the light meets that
// surface, if it is no further than `most`. x is below 0 where there is no map.
vec3 point_depth(int index, vec3 r, vec3 Ng, vec2 noise, float most) {
    uvec4 record = shadow_texel(index);
    float size = uintBitsToFloat(record.y), near = uintBitsToFloat(record.z);
    vec3 a = abs(r);
    bool is_z = a.z > max(a.x, a.y), is_y = a.y > a.x;
    vec3 p = is_z ? r : is_y ? r.xzy : r.yzx;
    vec3 n = is_z ? Ng : is_y ? Ng.xzy : Ng.yzx;
    float z = max(abs(p.z), 1e-9);
    vec2 place = floor(clamp((p.xy / z * 0.5 + 0.5) * size + noise, vec2(0.0), vec2(size - 0.5)));
    vec2 ray = (place + 0.5) * (2.0 / size) - 1.0;
    float plane = dot(n, vec3(ray, p.z < 0.0 ? -1.0 : 1.0)) / dot(Ng, r);
    ivec2 corner = ivec2(int(record.x) & 0xffff, int(record.x >> 16));
    vec2 tile = vec2(is_z ? 2.0 : is_y ? 1.0 : 0.0, p.z < 0.0 ? 0.0 : 1.0) * size;
    float first = near / max(1.0 - texelFetch(shadow_atlas, corner + ivec2(place + tile), 0).r, 1e-9);
    if (near > 1e29) return vec3(-1.0, 0.0, 0.0);
    float last = 1.0 / clamp(plane, 0.9 / z, 1.1 / z);
    float way = max(last - first, 0.0) * sqrt(1.0 + dot(ray, ray)), meets = 0.0;
    for (int k = way < most ? 1 : 0; k > 0; k--) meets = entry_cosine(corner + ivec2(tile), place, size, near, 1.0, false);
    return vec3(way, 2.0 * z / size, meets);
}

// The same for any other light, whose record begins at texel `first`.
vec3 light_depth(int first, vec3 P, vec3 Ng, vec2 noise, float most) {
    uvec4 t0 = shadow_texel(first), t1 = shadow_texel(first + 1), t2 = shadow_texel(first + 2);
    uvec4 t3 = shadow_texel(first + 3);
    vec3 r = P - uintBitsToFloat(t0.xyz), a = abs(r);
    vec3 x = uintBitsToFloat(t1.xyz), y = uintBitsToFloat(t2.xyz), z = uintBitsToFloat(t3.xyz);
    float near = uintBitsToFloat(t0.w), size = uintBitsToFloat(t2.w);
    int form = int(t3.w >> 30);
    bool is_z = a.z > max(a.x, a.y), is_y = a.y > a.x, parallel = form == 2;
    vec3 p = is_z ? r : is_y ? r.xzy : r.yzx;
    vec3 n = is_z ? Ng : is_y ? Ng.xzy : Ng.yzx;
    vec2 tile = vec2(is_z ? 2.0 : is_y ? 1.0 : 0.0, p.z < 0.0 ? 0.0 : 1.0) * size;
    float wide = 1.0;
    if (form != 0) {
        p = vec3(dot(x, r), dot(y, r), dot(z, r));
        n = vec3(dot(x, Ng) / dot(x, x), dot(y, Ng) / dot(y, y), dot(z, Ng));
        tile = vec2(0.0);
        wide = 1.0 / length(x);
    }
    float ahead = max(abs(p.z), 1e-9);
    vec2 place = floor(clamp((p.xy / (parallel ? 1.0 : ahead) * 0.5 + 0.5) * size + noise, vec2(0.0), vec2(size - 0.5)));
    vec2 ray = (place + 0.5) * (2.0 / size) - 1.0;
    ivec2 corner = ivec2(int(t1.w) & 0xffff, int(t1.w >> 16));
    float held = texelFetch(shadow_atlas, corner + ivec2(place + tile), 0).r, texel = 2.0 * wide / size;
    if (near > 1e29) return vec3(-1.0, 0.0, 0.0);
    float way, meets = 0.0;
    float plane = dot(n, vec3(ray, p.z < 0.0 ? -1.0 : 1.0)) / dot(Ng, r);
    float last = 1.0 / clamp(plane, 0.9 / ahead, 1.1 / ahead);
    way = max(last - near / max(1.0 - held, 1e-9), 0.0) * sqrt(1.0 + dot(ray, ray) * wide * wide);
    if (parallel) {
        last = clamp((dot(Ng, r) - dot(n.xy, ray)) / n.z, p.z - 8.0 * texel, p.z + 8.0 * texel);
        way = max(last - held / near, 0.0);
    }
    for (int k = way < most ? 1 : 0; k > 0; k--)
        meets = entry_cosine(corner + ivec2(tile), place, size, near, wide, parallel);
    return vec3(way, parallel ? texel : texel * ahead, meets);
}
#endif

// Suns of the dome whose record was looked up last.
int shadow_suns = 0;

vec3 sun_arrives(int sun, vec3 P, vec3 Ng) { return light_arrives(shadow_suns + 4 * sun, P, Ng, shadow_noise()); }

uniform int sky_count;       // draws of the sky in this sample of a view at rest
uniform int sky_first;       // texel of the first one's record
uniform vec3 sky_toward[4];
uniform vec3 sky_light[4];   // radiance over density and number of draws
uniform ivec4 sky_lamps;     // which of the lights without bounds each draw is of

// Whether the dome of a draw shines on this surface.
bool sky_shines(int draw) {
    int lamp = sky_lamps[draw];
    return (linked_word(grid_words.x + grid_words.y + lamp / 32) >> (lamp & 31) & 1u) != 0u;
}

#if MODE == 5
// The luminance of this sample's draws of the sky: what of them is blocked, all of them.
vec2 drawn_sky(Closure c, vec3 P, vec2 noise) {
    vec2 sum = vec2(0.0);
    for (int k = 0; k < sky_count; k++) {
        if (!sky_shines(k)) continue;
        vec3 diffuse, specular;
        evaluate(c, sky_toward[k], diffuse, specular);
        vec3 value = sky_light[k] * (diffuse + specular);
        for (int n = max(value.x, max(value.y, value.z)) > 0.0 ? 1 : 0; n > 0; n--) {
            float bright = dot(value, vec3(0.2126, 0.7152, 0.0722));
            vec3 blocked = value * (1.0 - light_arrives(sky_first + 4 * k, P, c.Ng, noise));
            sum += vec2(dot(blocked, vec3(0.2126, 0.7152, 0.0722)), bright);
        }
    }
    return sum;
}
#endif

// The light of domes that does not arrive. Lobes too narrow for a few draws are left as they are.
vec3 blocked_sky(Closure c, vec3 P, vec2 noise) {
    vec3 sum = vec3(0.0);
    for (int k = 0; k < sky_count; k++) {
        if (!sky_shines(k)) continue;
        vec3 diffuse, specular;
        evaluate(c, sky_toward[k], diffuse, specular);
        float broad = clamp((narrowest(c) - 0.1) * 5.0, 0.0, 1.0);
#if SUBSURFACE == 2
        vec3 base = sky_light[k] * diffuse;
        for (int n = max(base.x, max(base.y, base.z)) > 0.0 ? 1 : 0; n > 0; n--)
            below_sum -= base * (1.0 - light_arrives(sky_first + 4 * k, P, c.Ng, noise));
        for (int n = beyond_towards > 0.0 ? 1 : 0; n > 0; n--)
            below_sum += sky_light[k] * beyond_towards
                * through_body(light_depth(sky_first + 4 * k, P, c.Ng, noise, deepest), beyond_towards * PI);
        diffuse = vec3(0.0);
#endif
        vec3 value = sky_light[k] * (diffuse + specular * broad);
        for (int n = max(value.x, max(value.y, value.z)) > 0.0 ? 1 : 0; n > 0; n--)
            sum += value * (1.0 - light_arrives(sky_first + 4 * k, P, c.Ng, noise));
    }
    return sum;
}
