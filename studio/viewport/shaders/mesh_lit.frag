// What a surface shows: light from every lamp of its cell and from those without bounds, through its closure.
// MODE 0 lit, 1 clay, 2 albedo, 3 normals, 4 how many lights, 5 which light brings most. COVERAGE as in drawlist.py.
// SUBSURFACE 2: light that goes below the surface is kept apart, for subsurface.frag to spread.
// LINKED: some lights do not shine on some objects; every word of lights is then cut down to those of the object's set.
#include "scene.glsl"
#include "lightgrid.glsl"
#if MODE <= 1 || MODE == 5
#define BY_LIGHTS
#include "lights.glsl"
#if COVERAGE == 2 && MODE == 0
#include "through.glsl"
#endif
#endif

#if SUBSURFACE == 2
#include "subsurface.glsl"
layout(location = 0) out vec4 f_color;
layout(location = 1) out vec4 f_below;    // light that reaches the base, place
layout(location = 2) out vec4 f_weight;   // what it is multiplied by where it comes out, first of the normal
layout(location = 3) out vec4 f_profile;  // widths of profiles in millimetres, second of the normal
vec3 below_sum = vec3(0.0);               // what lights bring below the surface
Below below = Below(vec3(1.0), vec3(0.5), vec3(1.0), vec3(1.0));
float deepest = 0.0;                      // metres from which hardly any light comes through
float curved = 0.0;                       // radius of the surface in metres, large where it is flat or hollow

// What light of a far side leaves here of itself, counted at a cosine of `facing`: it went `way.x` metres below the
// surface, as a map with texels of `way.y` metres tells, and went in at a cosine of `way.z`. In a ball half of it comes
// out elsewhere. Where the map is too coarse to tell one face from the other, and where there is none (x below 0), the
// body is a ball of the curvature here.
vec3 through_body(vec3 way, float facing) {
    float chord = 2.0 * curved * facing;
    float far = way.x < 0.0 ? chord : max(way.x, min(chord, 0.5 * way.y));
    float round_ = clamp(far / max(chord, 1e-9), 0.0, 1.0);
    // what the light meets first is this face, from within: the body is open, and no light has gone into it there
    float entered = way.x < 0.0 ? 1.0 : smoothstep(0.05, 0.25, way.x / max(way.y, 1e-9));
    float meets = way.x < 0.0 ? facing : way.z;
    entered *= meets / max(facing, 1e-3) * smoothstep(0.0, 0.2, facing);
    // at a slant the way to the other face is shorter, if that goes on so far; half of that is counted
    return slab_passes(below, far * mix(meets, 1.0, max(round_, 0.5))) * (entered * (1.0 - 0.5 * round_));
}
#else
out vec4 f_color;
#endif

uniform float clay;               // reflectance of clay
uniform bool shaded;              // whether ambient occlusion was made
uniform sampler2D occlusion_map;  // how much of the sky is open

#ifdef LINKED
flat in uint v_link;  // row of the table of links
uint linked_word(int word) { return link_word(int(v_link), word); }
#else
uint linked_word(int word) { return 0xffffffffu; }
#endif

float ahead_of_eye() { return dot(v_position, forward); }

#ifdef SHADOWS
#include "shadows.glsl"
#endif
#ifdef CONTACT
#include "contact.glsl"
Contact contact;
float depth_slope;  // metres from one pixel to the next
#endif

#if MODE == 5
uniform int told;           // 1 asks for numbers: lamp + 1, its share, the share of what the surface itself emits
                            // 2 asks for the luminance of this sample's draws of the sky: what is blocked, all of it
uniform float sky_blocked;  // share of the sky that does not arrive, from many samples; below 0: from this one's draws
int strongest = -1;
vec2 sky = vec2(0.0);
float strength = 0.0, weighed = 0.0;  // the most that one light brings, all of them

float luminance_of(vec3 c) { return dot(c, vec3(0.2126, 0.7152, 0.0722)); }

void weigh(int lamp_index, vec3 value) {
    float bright = max(luminance_of(value), 0.0);
    strongest = bright > strength ? lamp_index : strongest;
    strength = max(strength, bright);
    weighed += bright;
}

// A light in row `row` that may be a dome: of one that casts shadows, as much arrives as of the draws of the sky.
void weigh_afar(int lamp_index, vec3 value, int row, float left) {
    Light light = fetch_light(row);
    bool shadowed = light.kind == KIND_DOME && (light.flags & LIGHT_CASTS_SHADOWS) != 0u;
    weigh(lamp_index, value * (shadowed ? left : 1.0));
}
#endif

#ifdef BY_LIGHTS
// Light of the plain points of a cell: what the closure makes of all of them.
vec3 lit_by_points(Closure c, vec3 position, Cell cell) {
    vec3 sum = vec3(0.0);
#ifdef SHADOWS
    vec2 noise = shadow_noise();
#endif
    for (int word = 0; word < grid_words.x; word++) {
        uint bits = cell_word(cell, word) & linked_word(word);
        while (bits != 0u) {
            int index = word * 32 + findLSB(bits);
            uvec4 texel = lamp(index);
            bits &= bits - 1u;
#if SURFACE_FAMILY == 0
            // shade_point of a Lambert surface, with what all lights share taken out of the loop
            vec3 d = uintBitsToFloat(texel.xyz) - position;
            float inverse2 = 1.0 / max(dot(d, d), 1e-12);
            float nd = dot(c.N, d);
            vec3 one = point_colour(texel.w) * (min(nd, dot(c.Ng, d)) > 0.0 ? nd * inverse2 * sqrt(inverse2) : 0.0);
#else
            vec3 one = shade_point(c, position, uintBitsToFloat(texel.xyz), point_colour(texel.w));
#endif
#if SUBSURFACE == 2
            vec3 r = position - uintBitsToFloat(texel.xyz);
            float facing = dot(c.N, r) * inversesqrt(max(dot(r, r), 1e-12));
            vec3 way = vec3(-1.0, 0.0, 0.0);
            bool beyond = max(beyond_light.x, max(beyond_light.y, beyond_light.z)) > 0.0;
#ifdef SHADOWS
            for (int k = beyond ? 1 : 0; k > 0; k--) way = point_depth(index, r, c.Ng, noise, deepest);
            for (int k = max(below_light.x, max(below_light.y, below_light.z)) > 0.0 ? 1 : 0; k > 0; k--) {
                float arrives = point_arrives(index, r, c.Ng, noise);
                one *= arrives;
                below_light *= arrives;
            }
#endif
            for (int k = beyond && way.x < deepest ? 1 : 0; k > 0; k--) below_light += beyond_light * through_body(way, facing);
            below_sum += below_light * lamp_scale;
#elif defined(SHADOWS)
            // a loop of one turn: processors that rasterise jump over loops alone
            for (int k = max(one.x, max(one.y, one.z)) > 0.0 ? 1 : 0; k > 0; k--)
                one *= point_arrives(index, position - uintBitsToFloat(texel.xyz), c.Ng, noise);
#endif
            sum += one;
#if MODE == 5
            weigh(index, one * (c.mu > 0.0 ? lamp_scale : 0.0) * (SURFACE_FAMILY == 0 ? c.diffuse : vec3(1.0)));
#endif
        }
    }
#if SURFACE_FAMILY == 0
    sum *= c.diffuse;
#endif
    return c.mu > 0.0 ? sum * lamp_scale : vec3(0.0);
}

#if SUBSURFACE == 2
// What of a light that was just asked for gets past shadows, and what it brings below the surface; `seen` is its record.
vec3 below_arrives(vec3 one, Closure c, int seen, vec3 position, vec2 noise) {
    for (int k = max(beyond_light.x, max(beyond_light.y, beyond_light.z)) > 0.0 ? 1 : 0; k > 0; k--) {
        vec3 way = vec3(-1.0, 0.0, 0.0);
#ifdef SHADOWS
        way = light_depth(seen, position, c.Ng, noise, deepest);
#endif
        vec3 left = vec3(0.0);
        for (int n = way.x < deepest ? 1 : 0; n > 0; n--) left = through_body(way, beyond_facing * PI);
        beyond_light *= left;
    }
#ifdef SHADOWS
    for (int k = max(one.x + below_light.x, max(one.y + below_light.y, one.z + below_light.z)) > 0.0 ? 1 : 0; k > 0; k--) {
        vec3 arrives = light_arrives(seen, position, c.Ng, noise);
        one *= arrives;
        below_light *= arrives;
    }
#endif
    below_light += beyond_light;
    below_sum += below_light;
    return one;
}
#endif

vec3 lit(Closure c, vec3 position) {
    Cell cell = cell_of(ahead_of_eye());
#if MODE == 5
    float left = 1.0 - clamp(sky_blocked, 0.0, 1.0);
#ifdef SHADOWS
    vec2 drawn = drawn_sky(c, position, shadow_noise());
    if (sky_blocked < 0.0) left = 1.0 - drawn.x / max(drawn.y, 1e-30);
    if (told == 2) sky = drawn;
#endif
#endif
#ifdef CONTACT
    contact = contact_begin(shadow_noise());
#endif
    vec3 sum = lit_by_points(c, position, cell);
#ifdef SHADOWS
    vec2 noise = shadow_noise();
    int records = (lamp_counts.x + 3) & ~3;
#endif
    // lights of a place, then in words of their own those without bounds; what is asked for at length stands in one place
    // alone, because compilers put all of it wherever it is called
#if SUBSURFACE == 2 && defined(CONTACT)
    vec3 contact_below = vec3(0.0), contact_shine = vec3(0.0);
#endif
    int words = grid_words.y + (lamp_counts.z + 31) / 32;
    for (int word = 0; word < words; word++) {
        bool local = word < grid_words.y;
        int first = lamp_counts.x + word * 32, rest = lamp_counts.z;
        uint bits = 0u, close = 0u;
        if (local) {
            bits = cell_word(cell, grid_words.x + word) & linked_word(grid_words.x + word);
        } else {
            int before = (word - grid_words.y) * 32;
            first = lamp_counts.x + lamp_counts.y + before;
            rest -= before;
            close = (rest >= 32 ? 0xffffffffu : (1u << rest) - 1u) & linked_word(grid_words.x + word);
        }
        while (bits != 0u) {
            int bit = findLSB(bits);
            bits &= bits - 1u;
            bool near;
            vec3 one = shade_afar(c, position, light_row(first + bit), near);
#if SUBSURFACE == 2
#ifdef SHADOWS
            one = below_arrives(one, c, records + 4 * (first + bit - lamp_counts.x), position, noise);
#else
            one = below_arrives(one, c, 0, position, vec2(0.0));
#endif
#elif defined(SHADOWS)
            int seen = records + 4 * (first + bit - lamp_counts.x);
            for (int k = max(one.x, max(one.y, one.z)) > 0.0 ? 1 : 0; k > 0; k--)
                one *= light_arrives(seen, position, c.Ng, noise);
#endif
            sum += one;
#if MODE == 5
            weigh(first + bit, one);
#endif
            close |= near ? 1u << bit : 0u;
        }
        while (close != 0u) {
            int index = first + findLSB(close);
            close &= close - 1u;
#ifdef SHADOWS
            int seen = records + 4 * (index - lamp_counts.x);
            shadow_suns = int(shadow_texel(seen + 2).x);
#endif
            vec3 one = shade_light(c, position, light_row(index));
#if SUBSURFACE == 2
#ifdef SHADOWS
            one = below_arrives(one, c, seen, position, noise);
#else
            one = below_arrives(one, c, 0, position, vec2(0.0));
#endif
#elif defined(SHADOWS)
            for (int k = max(one.x, max(one.y, one.z)) > 0.0 ? 1 : 0; k > 0; k--)
                one *= light_arrives(seen, position, c.Ng, noise);
#endif
            sum += one;
#ifdef CONTACT
#if SUBSURFACE == 2
            if (!local) {
                contact_consider(contact, seen, one + below_light * (c.w_base + c.w_below));
                contact_below = contact.record == seen ? below_light : contact_below;
                contact_shine = contact.record == seen ? one : contact_shine;
            }
#else
            if (!local) contact_consider(contact, seen, one);
#endif
#endif
#if MODE == 5
            weigh_afar(index, one, light_row(index), left);
#endif
        }
    }
#ifdef CONTACT
#if SUBSURFACE == 2
    contact.value = vec3(1.0);
    vec3 share = contact_blocked(contact, v_position, depth_slope);
    below_sum = max(below_sum - share * contact_below, vec3(0.0));
    sum = max(sum - share * contact_shine, vec3(0.0));
#else
    sum = max(sum - contact_blocked(contact, v_position, depth_slope), vec3(0.0));
#endif
#endif
#if defined(SHADOWS) && MODE != 5
    sum -= blocked_sky(c, position, noise);
#endif
    return sum;
}
#endif

#if COVERAGE == 2 && MODE == 0
// Glass: what the face shows, and through it what lies beyond. One loop, for compilers put all of a surface wherever it
// is asked for.
vec3 glass(Surface s) {
    vec3 sum = vec3(0.0), V = towards_eye(), position = v_position, weight = vec3(1.0);
    vec3 nx = dFdx(s.N), ny = dFdy(s.N), px = dFdx(v_position), py = dFdy(v_position);
    float curl = sqrt(dot(nx, nx) + dot(ny, ny)), stride = sqrt(dot(px, px) + dot(py, py));
    for (int k = 0; k < 2; k++) {
        Closure c = prepare(s, V);
        Beyond b = beyond(c, v_position, curl, stride);
        // what shines from behind on one face of a solid thing has to come through the other one
        if (!c.s.thin_walled) c.w_through = vec3(0.0);
        sum += weight * lit(c, position + eye);
        if (k > 0) break;
        vec4 hit = met(b, forward);
        weight = b.weight * (1.0 - hit.a);
        sum += b.weight * hit.rgb;
        s = mirror_of(b);
        V = b.direction;
        position = b.from;
        if (max(weight.x, max(weight.y, weight.z)) <= 0.0) break;
    }
    return sum;
}
#endif

void main() {
    Material m;
    bool back;
#ifdef CONTACT
    depth_slope = fwidth(ahead_of_eye());
#endif
#if SUBSURFACE == 2
    vec3 smooth_ = normalize(v_normal + vec3(1e-20));
    vec3 nx = dFdx(smooth_), ny = dFdy(smooth_), px = dFdx(v_position), py = dFdy(v_position);
    float e = dot(px, px), f = dot(px, py), g = dot(py, py);
    float bend_ = (dot(nx, px) * g - (dot(nx, py) + dot(ny, px)) * f + dot(ny, py) * e) / max(2.0 * (e * g - f * f), 1e-30);
#endif
    Surface s = fetch_surface(m, back);
#if COVERAGE == 1
    if (s.opacity < 0.5) discard;
#endif
#if MODE == 1
    s.base_color = vec3(clay);
    s.emission = vec3(0.0);
    s.unlit = false;
    s.opacity = 1.0;
#endif
#if MODE == 2 && SUBSURFACE == 1
    s.base_color = mix(s.base_color, s.subsurface_color, s.subsurface_weight * (1.0 - s.metalness));
#endif
#if MODE == 2
    f_color = vec4((s.unlit ? s.emission : s.base_color) * s.opacity, s.opacity);
#elif MODE == 3
    vec3 n = dot(s.N, s.Ng) * dot(s.Ng, towards_eye()) < 0.0 ? -s.N : s.N;
    f_color = vec4(n * 0.5 + 0.5, 1.0);
#elif MODE == 4
    Cell cell = cell_of(ahead_of_eye());
    int count = 0, unbounded = (lamp_counts.z + 31) / 32, rest = lamp_counts.z;
    for (int word = 0; word < grid_words.x + grid_words.y; word++)
        count += bitCount(cell_word(cell, word) & linked_word(word));
    for (int word = 0; word < unbounded; word++, rest -= 32)
        count += bitCount((rest >= 32 ? 0xffffffffu : (1u << rest) - 1u) & linked_word(grid_words.x + grid_words.y + word));
    f_color = vec4(float(count), float(count), float(count), 1.0);
#elif MODE == 5
    Closure c = prepare(s, towards_eye());
    lit(c, lit_place + eye);
    float own = back ? 0.0 : max(luminance_of(s.emission), 0.0), total = max(weighed + own, 1e-30);
    vec3 color = strength > 0.0 ? lamp_key(strongest) * (0.25 + 0.75 * strength / total) : vec3(0.02);
    if (own > strength) color = vec3(1.0);
    vec4 numbers = told == 2 ? vec4(sky, 0.0, 1.0) : vec4(float(strongest + 1), strength / total, own / total, 1.0);
    f_color = told > 0 ? numbers : vec4(color * s.opacity, s.opacity);
#else
#if COVERAGE == 2 && MODE == 0
    vec3 emission = s.emission, sum = glass(s);
#else
    vec3 emission = s.emission;
    Closure c = prepare(s, towards_eye());
#if SUBSURFACE == 2
    bend_ = dot(s.Ng, towards_eye()) < 0.0 ? -bend_ : bend_;
    curved = 1.0 / max(bend_, 1e-6);
    below = below_of(s.subsurface_radius, c.s.subsurface_color, clamp(m.subsurface_scatter_anisotropy, -0.95, 0.95));
    deepest = 6.0 / max(min(below.rate.x, min(below.rate.y, below.rate.z)), 1e-6);
#endif
    vec3 sum = lit(c, lit_place + eye);
#endif
#if MODE == 1
    // clay without any light is lit from where one looks, so that a model can be judged before it has lights
    if (lamp_counts == ivec3(0)) sum = vec3(clay * max(c.mu, 0.0));
#endif
#if SUBSURFACE == 2
    below_sum = max(below_sum, vec3(0.0)) * bent_albedo(below, bend_);
    if (shaded) {
        // Lagarde and de Rousiers, "Moving Frostbite to PBR", 2014: what of a lobe's cone is open
        float open_ = texelFetch(occlusion_map, ivec2(gl_FragCoord.xy), 0).r;
        float blunt = exp2(-16.0 * sqrt(c.alpha.x * c.alpha.y) - 1.0);
        sum *= clamp(pow(clamp(c.mu, 0.0, 1.0) + open_, blunt) - 1.0 + open_, 0.0, 1.0);
        below_sum *= open_;
    }
    sum += below_sum * c.w_base;
    vec2 bent = folded(c.Ng);
    f_below = vec4(below_sum, packed_place(ahead_of_eye(), v_row.w));
    f_weight = vec4(c.w_below, bent.x);
    f_profile = vec4(below.width * 1e3, bent.y);
#else
    if (shaded) sum *= texelFetch(occlusion_map, ivec2(gl_FragCoord.xy), 0).r;
#endif
    if (!back) sum += emission;
    f_color = vec4(sum * s.opacity, s.opacity);
#endif
}
