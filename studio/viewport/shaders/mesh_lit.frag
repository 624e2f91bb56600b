// What a surface shows: light from every lamp of its cell and from those without bounds, through its closure.
// MODE 0 lit, 1 clay, 2 albedo, 3 normals, 4 how many lights, 5 which light brings most. COVERAGE as in drawlist.py.
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

out vec4 f_color;

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
uniform bool told;  // whether numbers are asked for: lamp + 1, its share, the share of what the surface itself emits
int strongest = -1;
float strength = 0.0;

float luminance_of(vec3 c) { return dot(c, vec3(0.2126, 0.7152, 0.0722)); }

void weigh(int lamp_index, vec3 value) {
    float bright = luminance_of(value);
    strongest = bright > strength ? lamp_index : strongest;
    strength = max(strength, bright);
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
#ifdef SHADOWS
            // a loop of one turn: processors that rasterise jump over loops alone
            for (int k = max(one.x, max(one.y, one.z)) > 0.0 ? 1 : 0; k > 0; k--)
                one *= point_arrives(index, position - uintBitsToFloat(texel.xyz), c.Ng, noise);
#endif
            sum += one;
#if MODE == 5
            weigh(index, one * lamp_scale * (SURFACE_FAMILY == 0 ? c.diffuse : vec3(1.0)));
#endif
        }
    }
#if SURFACE_FAMILY == 0
    sum *= c.diffuse;
#endif
    return c.mu > 0.0 ? sum * lamp_scale : vec3(0.0);
}

vec3 lit(Closure c, vec3 position) {
    Cell cell = cell_of(ahead_of_eye());
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
#ifdef SHADOWS
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
#ifdef SHADOWS
            for (int k = max(one.x, max(one.y, one.z)) > 0.0 ? 1 : 0; k > 0; k--)
                one *= light_arrives(seen, position, c.Ng, noise);
#endif
            sum += one;
#ifdef CONTACT
            if (!local) contact_consider(contact, seen, one);
#endif
#if MODE == 5
            weigh(index, one);
#endif
        }
    }
#ifdef CONTACT
    sum = max(sum - contact_blocked(contact, v_position, depth_slope), vec3(0.0));
#endif
#ifdef SHADOWS
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
    vec3 sum = lit(c, v_position + eye);
    float own = back ? 0.0 : luminance_of(s.emission), total = max(luminance_of(sum) + own, 1e-30);
    vec3 color = strength > 0.0 ? lamp_key(strongest) * (0.25 + 0.75 * strength / total) : vec3(0.02);
    if (own > strength) color = vec3(1.0);
    f_color = told ? vec4(float(strongest + 1), strength / total, own / total, 1.0) : vec4(color * s.opacity, s.opacity);
#else
#if COVERAGE == 2 && MODE == 0
    vec3 emission = s.emission, sum = glass(s);
#else
    vec3 emission = s.emission;
    Closure c = prepare(s, towards_eye());
    vec3 sum = lit(c, v_position + eye);
#endif
#if MODE == 1
    // clay without any light is lit from where one looks, so that a model can be judged before it has lights
    if (lamp_counts == ivec3(0)) sum = vec3(clay * max(c.mu, 0.0));
#endif
    if (shaded) sum *= texelFetch(occlusion_map, ivec2(gl_FragCoord.xy), 0).r;
    if (!back) sum += emission;
    f_color = vec4(sum * s.opacity, s.opacity);
#endif
}
