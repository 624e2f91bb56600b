// What a surface shows: light from every lamp of its cell and from those without bounds, through its closure.
// MODE 0 lit, 1 clay, 2 albedo, 3 normals, 4 how many lights. COVERAGE as in drawlist.py.
#include "scene.glsl"
#include "lightgrid.glsl"
#if MODE <= 1
#include "lights.glsl"
#endif

out vec4 f_color;

uniform float clay;               // reflectance of clay
uniform bool shaded;              // whether ambient occlusion was made
uniform sampler2D occlusion_map;  // how much of the sky is open
uniform sampler2D behind_map;     // the opaque picture with mipmaps, for what lets light through
uniform vec4 behind_scale;        // 1 / its size; its number of levels
uniform mat4 turn_clip;

float ahead_of_eye() { return dot(v_position, forward); }

// Where shadows will come in: the part of light `row` that arrives.
float visibility(int row, vec3 to_light) { return 1.0; }

#if MODE <= 1
// Light of the plain points of a cell: what the closure makes of all of them.
vec3 lit_by_points(Closure c, vec3 position, Cell cell) {
    vec3 sum = vec3(0.0);
    for (int word = 0; word < grid_words.x; word++) {
        uint bits = cell_word(cell, word);
        while (bits != 0u) {
            uvec4 texel = lamp(word * 32 + findLSB(bits));
            bits &= bits - 1u;
#if SURFACE_FAMILY == 0
            // shade_point of a Lambert surface, with what all lights share taken out of the loop
            vec3 d = uintBitsToFloat(texel.xyz) - position;
            float inverse2 = 1.0 / max(dot(d, d), 1e-12);
            float nd = dot(c.N, d);
            sum += point_colour(texel.w) * (min(nd, dot(c.Ng, d)) > 0.0 ? nd * inverse2 * sqrt(inverse2) : 0.0);
#else
            sum += shade_point(c, position, uintBitsToFloat(texel.xyz), point_colour(texel.w));
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
    vec3 sum = lit_by_points(c, position, cell);
    // lights of a place, then in words of their own those without bounds; what is asked for at length stands in one place
    // alone, because compilers put all of it wherever it is called
    int words = grid_words.y + (lamp_counts.z + 31) / 32;
    for (int word = 0; word < words; word++) {
        bool local = word < grid_words.y;
        int first = lamp_counts.x + word * 32, rest = lamp_counts.z;
        uint bits = 0u, close = 0u;
        if (local) {
            bits = cell_word(cell, grid_words.x + word);
        } else {
            int before = (word - grid_words.y) * 32;
            first = lamp_counts.x + lamp_counts.y + before;
            rest -= before;
            close = rest >= 32 ? 0xffffffffu : (1u << rest) - 1u;
        }
        while (bits != 0u) {
            int bit = findLSB(bits);
            bits &= bits - 1u;
            bool near;
            sum += shade_afar(c, position, light_row(first + bit), near);
            close |= near ? 1u << bit : 0u;
        }
        while (close != 0u) {
            int index = first + findLSB(close);
            close &= close - 1u;
            sum += shade_light(c, position, light_row(index));
        }
    }
    return sum;
}
#endif

#if COVERAGE == 2 && MODE == 0
// What lies behind: the opaque picture where the refracted ray leaves the object's reach, blurred by roughness.
vec3 seen_through(Closure c) {
    vec3 into = -c.V;
    float thickness = c.s.thin_walled ? 0.0 : 0.15;
    vec3 bent = refract(into, c.N, 1.0 / max(c.s.ior, 1.0));
    vec3 exit_ = v_position + (dot(bent, bent) > 0.0 ? bent : into) * thickness;
    vec4 clip = turn_clip * vec4(exit_, 1.0);
    vec2 uv = clip.xy / max(clip.w, 1e-6) * 0.5 + 0.5;
    float level = c.s.roughness * (behind_scale.z - 1.0) * clamp(c.s.ior * 2.0 - 2.0, 0.0, 1.0);
    return textureLod(behind_map, clamp(uv, vec2(0.0), vec2(1.0)), level).rgb * passed(c);
}
#endif

void main() {
    Material m;
    bool back;
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
    int count = lamp_counts.z;
    for (int word = 0; word < grid_words.x + grid_words.y; word++) count += bitCount(cell_word(cell, word));
    f_color = vec4(float(count), float(count), float(count), 1.0);
#else
    Closure c = prepare(s, towards_eye());
    vec3 sum = lit(c, v_position + eye);
#if MODE == 1
    // clay without any light is lit from where one looks, so that a model can be judged before it has lights
    if (lamp_counts == ivec3(0)) sum = vec3(clay * max(c.mu, 0.0));
#endif
    if (shaded) sum *= texelFetch(occlusion_map, ivec2(gl_FragCoord.xy), 0).r;
    if (!back) sum += s.emission;
#if COVERAGE == 2 && MODE == 0
    sum += seen_through(c);
#endif
    f_color = vec4(sum * s.opacity, s.opacity);
#endif
}
