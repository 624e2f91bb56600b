// Light from all around: the picture of a dome, blurred ahead of time (studio/viewport/environment.py).
//
// A dome's tile of `dome_atlas` holds its radiance on an octahedral map in levels of half the size each, the first at
// the left and the others below each other at its right, then the irradiance over pi on a small map. Every map has a
// border of one texel, so that the bilinear filter of the hardware runs over its folds.
//
// Diffuse light is one read of the irradiance. A glossy lobe is drawn from as the tracer draws from it, a few times at
// fixed places, and every draw reads the level whose texels are as large as its share of the sphere (Krivanek and
// Colbert, "Real-time shading with filtered importance sampling", EGSR 2008). So the lobe keeps its true shape,
// stretched at grazing angles, its Fresnel factor and its shadowing, and a sun in the picture cannot flicker.

//
// A view at rest adds up many pictures, each with other draws, and the more of them there are the less each may blur.

const int DOME_IRRADIANCE = 32;  // side of the irradiance's map
const int DOME_SMALLEST = 4;     // side of the last level
const int DOME_DRAWS = 32;

vec2 octahedral(vec3 d) {
    vec3 p = d / (abs(d.x) + abs(d.y) + abs(d.z));
    vec2 fold = (1.0 - abs(p.yx)) * vec2(p.x >= 0.0 ? 1.0 : -1.0, p.y >= 0.0 ? 1.0 : -1.0);
    return (p.z < 0.0 ? fold : p.xy) * 0.5 + 0.5;
}

vec3 dome_map(vec2 origin, float size, vec2 at) {
    return textureLod(dome_atlas, (origin + 1.0 + at * size) / vec2(textureSize(dome_atlas, 0)), 0.0).rgb;
}

// Radiance along d, in the dome's frame, of level `lod` of the tile at `origin` whose first level has side `size`.
vec3 dome_level(vec2 origin, float size, vec3 d, float lod) {
    vec2 at = octahedral(d);
    float last = log2(size / float(DOME_SMALLEST));
    lod = clamp(lod, 0.0, last);
    float low = floor(lod), high = min(low + 1.0, last);
    vec3 sum = vec3(0.0);
    for (int k = 0; k < 2; k++) {
        float level = k == 0 ? low : high;
        float side = size * exp2(-level);
        // the heights of levels 1 .. level - 1 and their borders
        float above = level > 0.5 ? size - 2.0 * side + 2.0 * (level - 1.0) : 0.0;
        vec2 corner = origin + (level > 0.5 ? vec2(size + 2.0, above) : vec2(0.0));
        sum += dome_map(corner, side, at) * (k == 0 ? 1.0 - (lod - low) : lod - low);
    }
    return sum;
}

vec3 dome_irradiance(vec2 origin, float size, vec3 d) {
    float levels = log2(size / float(DOME_SMALLEST));
    vec2 corner = origin + vec2(size + 2.0, size - float(DOME_SMALLEST) + 2.0 * levels);
    return dome_map(corner, float(DOME_IRRADIANCE), octahedral(d));
}

// What light of row `row` shows of its picture along a direction of the world, times its emission.
vec3 dome_background(int row, vec3 direction) {
    Light light = fetch_light(row);
    vec4 more = lighting_at(2 * row, 1), tile = lighting_at(2 * row, 2);
    vec3 d = direction * mat3(light.open[0], light.open[1], light.open[2]);
    vec3 sky = more.y > 0.5 ? dome_level(tile.xy, tile.z, d, 0.0) : lighting_at(2 * row, 3).rgb;
    int first = int(lighting_at(2 * row, 0).w), suns = int(more.x);
    for (int k = first; k < first + suns; k++) {
        vec3 away = cross(d, lighting_at(k, 0).xyz);
        float sine = lighting_at(k, 1).w;
        if (dot(d, lighting_at(k, 0).xyz) > 0.0 && dot(away, away) < sine * sine) sky += lighting_at(k, 3).rgb;
    }
    return light.emission * sky;
}

// What the diffuse base reflects of a white sky.
vec3 diffuse_albedo(Closure c) {
    vec3 base = c.s.base_color;
    float r = c.s.diffuse_roughness;
    if (!RICH || r <= 0.0) return base;
    float a = 1.0 / (1.0 + 0.287793409 * r), m = 1.0 - c.mu;
    float g = m * (0.0571085289 + m * (0.491881867 + m * (-0.332181442 + m * 0.0714429953)));
    float once = a * (1.0 + r * g), mean = a * (1.0 + 0.072488212 * r);
    return base * once + base * base * mean * (1.0 - once) / (1.0 - base * (1.0 - mean));
}

// One of the facets that the view sees (Dupuy and Benyoub 2023).
vec3 facet_at(vec3 wo, vec2 alpha, vec2 u) {
    vec3 v = unit(vec3(wo.xy * alpha, wo.z));
    float turn = 2.0 * PI * u.y;
    float z = (1.0 - u.x) * (1.0 + v.z) - v.z;
    float r = sqrt(clamp(1.0 - z * z, 0.0, 1.0));
    vec3 h = vec3(r * cos(turn), r * sin(turn), z) + v;
    return unit(vec3(h.xy * alpha, max(h.z, 1e-7)));
}

// GGX towards wi: shadowing of wi given that wo sees the facet, and the density of wi in facet_at.
void facet_terms(vec2 alpha, vec3 wo, vec3 wi, vec3 h, out float shadowing, out float pdf) {
    float q = square(h.x / alpha.x) + square(h.y / alpha.y) + h.z * h.z;
    float lo = sqrt(square(alpha.x * wo.x) + square(alpha.y * wo.y) + wo.z * wo.z);
    float li = sqrt(square(alpha.x * wi.x) + square(alpha.y * wi.y) + wi.z * wi.z);
    shadowing = wi.z * (wo.z + lo) / max(lo * wi.z + li * wo.z, 1e-20);
    pdf = 0.5 / (PI * alpha.x * alpha.y * q * q * max(wo.z + lo, 1e-7));
}

// The level whose texels are as large as the share of the sphere that a draw stands for.
float level_of(float size, vec3 d, float share) {
    float l1 = abs(d.x) + abs(d.y) + abs(d.z);
    float texel = 4.0 / (size * size) * l1 * l1 * l1;
    return 0.5 * log2(max(share / texel, 1e-6)) + 0.5;
}

int draws_for(vec2 alpha) { return max(alpha.x, alpha.y) < 0.01 ? 4 : DOME_DRAWS; }

vec3 dome_base(Closure c, vec2 origin, float size, mat3 frame) {
    vec3 wo = vec3(dot(c.V, c.T), dot(c.V, c.B), c.mu);
    vec3 sum = vec3(0.0);
    int count = draws_for(c.alpha);
    for (int k = 0; k < count * GLOSS_LOBES; k++) {
        vec2 alpha = c.alpha;
#ifdef SECOND_LOBE
        if (k >= count) alpha = c.second_alpha;
#endif
        vec3 h = facet_at(wo, alpha, draw_at(k % count, count));
        float oh = dot(wo, h);
        vec3 wi = 2.0 * oh * h - wo;
        vec3 L = c.T * wi.x + c.B * wi.y + c.N * wi.z;
        if (wi.z > 1e-4 && dot(c.Ng, L) > 0.0 && oh > 0.0) {
            float shadowing, pdf;
            facet_terms(alpha, wo, wi, h, shadowing, pdf);
            vec3 dielectric, metal, reflected, through;
            interface_at(c, min(oh, 1.0), dielectric, metal);
            split_base(c, dielectric, metal, reflected, through);
#ifdef SECOND_LOBE
            vec3 second = c.s.second_weight * c.w_gloss * dielectric;
            reflected = k < count ? reflected - second : second;
#endif
            if (RICH && c.s.coat_weight > 0.0 && !c.inside) reflected *= coat_pass(c.s, wi.z);
            vec3 d = L * frame;
            float level = level_of(size, d, 1.0 / (pdf * draws_of_all(count)));
            sum += reflected * shadowing * dome_level(origin, size, d, level);
        }
    }
    return sum / float(count);
}

vec3 dome_coat(Closure c, vec2 origin, float size, mat3 frame) {
    vec3 wo = vec3(dot(c.V, c.coat_T), dot(c.V, c.coat_B), dot(c.V, c.coat_N));
    vec3 sum = vec3(0.0);
    int count = c.w_coat > 0.0 ? draws_for(c.coat_alpha) : 0;
    for (int k = 0; k < count; k++) {
        vec3 h = facet_at(wo, c.coat_alpha, draw_at(k, count));
        float oh = dot(wo, h);
        vec3 wi = 2.0 * oh * h - wo;
        vec3 L = c.coat_T * wi.x + c.coat_B * wi.y + c.coat_N * wi.z;
        if (wi.z > 1e-4 && min(dot(c.Ng, L), dot(c.N, L)) > 0.0 && oh > 0.0) {
            float shadowing, pdf;
            facet_terms(c.coat_alpha, wo, wi, h, shadowing, pdf);
            vec3 d = L * frame;
            float weight = fresnel_dielectric(min(oh, 1.0), c.s.coat_ior) * shadowing;
            sum += weight * dome_level(origin, size, d, level_of(size, d, 1.0 / (pdf * draws_of_all(count))));
        }
    }
    return c.w_coat * sum / float(max(count, 1));
}

// Rough diffuse and fuzz under a picture, over what a Lambert surface of w_diffuse 1 would make of the same few draws.
vec3 dome_soft(Closure c, vec2 origin, float size, mat3 frame) {
    vec3 sum = vec3(0.0), plain = vec3(0.0);
    const int count = DOME_DRAWS;
    for (int k = 0; k < count; k++) {
        vec2 u = draw_at(k, count);
        float turn = 2.0 * PI * u.y, z = sqrt(u.x), r = sqrt(1.0 - u.x);
        vec3 L = c.T * (r * cos(turn)) + c.B * (r * sin(turn)) + c.N * z;
        vec3 d = L * frame;
        vec3 sky = dome_level(origin, size, d, level_of(size, d, PI / (z * draws_of_all(count))));
        vec3 passes = c.s.coat_weight > 0.0 && !c.inside ? coat_pass(c.s, z) : vec3(1.0);
        vec3 value = c.w_diffuse * passes * diffuse_towards(c, L, z);
        if (c.w_fuzz.x + c.w_fuzz.y + c.w_fuzz.z > 0.0) value += fuzz_towards(c, L, z) / z;
        sum += value * sky;
        plain += sky;
    }
    return PI * sum / max(plain, 1e-12);
}

// Light of a dome of emission 1 whose row in the tables is `row`; `frame` is its turn, columns its axes.
void dome_parts(Closure c, int row, mat3 frame, out vec3 diffuse, out vec3 specular) {
    vec4 more = lighting_at(2 * row, 1), tile = lighting_at(2 * row, 2);
    bool flat_ = more.y < 0.5;
    vec3 sky = flat_ ? lighting_at(2 * row, 3).rgb : dome_irradiance(tile.xy, tile.z, c.N * frame);
    vec3 passes = RICH && c.s.coat_weight > 0.0 && !c.inside ? coat_pass(c.s, 0.6) : vec3(1.0);
    diffuse = sky * (c.w_diffuse * passes * diffuse_albedo(c) + c.albedo_fuzz);
#if SUBSURFACE == 2
    const bool rough = false;
    diffuse = sky * passes;
    vec3 fuzz = sky * c.albedo_fuzz;
#else
    bool rough = RICH && !flat_ && (c.s.diffuse_roughness > 0.0 || c.w_fuzz.x + c.w_fuzz.y + c.w_fuzz.z > 0.0);
#endif
    for (int k = 0; k < (rough ? 1 : 0); k++) diffuse = sky * dome_soft(c, tile.xy, tile.z, frame);
    passes = RICH && c.s.coat_weight > 0.0 && !c.inside ? coat_pass(c.s, c.mu) : vec3(1.0);
    specular = sky * (c.albedo_base * passes + c.albedo_coat);
    int pictures = GLOSSY && !flat_ ? 1 : 0;
    for (int k = 0; k < pictures; k++) {
        specular = dome_base(c, tile.xy, tile.z, frame);
        if (RICH) specular += dome_coat(c, tile.xy, tile.z, frame);
    }
#if SUBSURFACE == 2
    specular += fuzz;
#endif
}

vec3 shade_dome(Closure c, vec3 P, int row) {
    Light light = fetch_light(row);
    vec3 diffuse, specular;
    dome_parts(c, row, mat3(light.open[0], light.open[1], light.open[2]), diffuse, specular);
    float shows = (light.flags & LIGHT_IN_REFLECTIONS) != 0u ? light.gain.y : 0.0;
    return light.emission * (diffuse * light.gain.x + specular * shows);
}
