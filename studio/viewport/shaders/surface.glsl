// The surface closure: OpenPBR Surface 1.1, lobe by lobe as studio/render/tracer/surface.py has it, so that a surface
// looks in the viewport as it will in the final frame. References to papers stand there.
//
//     Surface s = no_surface();  ... set its members ...
//     Closure c = prepare(s, V);            once for a pixel, V from the surface towards the viewer
//     evaluate(c, L, diffuse, specular);    BSDF times |cos| towards a light
//
// What differs from the tracer: light that a surface lets through is not refracted on its way to the eye. `passed(c)`
// says how much of what lies behind is seen, straight ahead; lights behind rough glass are evaluated with the true lobe.
// Subsurface of transmission (depth, scatter) tints by `transmission_color` as if the depth were crossed once.
//
// Software rasterisers run both sides of every `if`, but leave a loop that no pixel is in. So what is costly stands
// in loops (see lights.glsl), and plain surfaces have a path of their own without a branch. How much of the model a
// program needs is told by SURFACE_FAMILY: 0 matte (no facets), 1 glossy (Lambert and one isotropic lobe), 2 all of it.

// SUBSURFACE and SECOND_LOBE are made for surfaces that have them (drawlist.py). SUBSURFACE 1 shows what scatters below
// as the Lambert surface that it is from afar; SUBSURFACE 2 is for the passes of subsurface.frag: the diffuse part of
// everything here is then light that reaches the base, under the layers but before view and colour, and fuzz is counted
// with what is specular.

#ifndef SURFACE_FAMILY
#define SURFACE_FAMILY 2
#endif
const bool RICH = SURFACE_FAMILY >= 2;
const bool GLOSSY = SURFACE_FAMILY >= 1;

#ifndef SUBSURFACE
#define SUBSURFACE 0
#endif
#ifdef SECOND_LOBE
const int GLOSS_LOBES = 2;
#else
const int GLOSS_LOBES = 1;
#endif

const float PI = 3.14159265358979;
const float MIN_ALPHA = 1e-3;
const float MIN_GLASS_E = 0.004;
const float FUZZ_ROUGHNESS_FROM = 0.07;

struct Surface {
    vec3 base_color;
    float diffuse_roughness, metalness, specular_weight;
    vec3 specular_color;
    float roughness, anisotropy, rotation, ior, transmission_weight;
    vec3 transmission_color;
    float transmission_depth;  // metres; above 0 the colour is that of the medium, not of the face
    float coat_weight;
    vec3 coat_color;
    float coat_roughness, coat_anisotropy, coat_ior, coat_darkening, fuzz_weight;
    vec3 fuzz_color;
    float fuzz_roughness;
    vec3 emission;
    float thin_film_weight, thin_film_thickness, thin_film_ior, opacity;
    bool thin_walled, unlit;
    vec3 N, Ng, T, B, coat_N;  // shading and geometric normal (by winding), tangents, the coat's normal
    float subsurface_weight;
    vec3 subsurface_color, subsurface_radius;  // mean free path in metres
    float second_weight, second_scale;         // of the gloss' second lobe, as share and in roughness
};

struct Closure {
    Surface s;               // within range
    vec3 V, N, Ng, T, B;     // towards the viewer; normals turned to the viewer, tangents turned by the rotation
    vec3 coat_N, coat_T, coat_B;
    float mu;                // N.V
    bool inside;             // seen from within glass
    vec2 alpha, coat_alpha;
    float eta;               // index beyond the surface over the index before it
    float film_ior;
    vec3 metal_f0, metal_dip;
    vec3 w_diffuse, w_metal, w_gloss, w_glass, w_through, w_fuzz;  // weights of the lobes under the layers above
    float w_coat;
    float fuzz_lambda;
    vec3 diffuse;            // w_diffuse * base_color / pi
    float alpha2, lambda_o;  // of the isotropic lobe
    vec3 metal_face, metal_edge, metal_tint;  // w_metal times the terms of F82
    float roughness;         // of the base as it is seen through the coat
    float mirror, coat_mirror;  // albedos of the lobes with a Fresnel factor of 1
    float gloss_share;       // albedo of the dielectric lobe
    float coat_share;
    vec4 ltc, coat_ltc;      // a, b, c, d of the matrices of ltc.glsl
#if SUBSURFACE == 2
    vec3 w_base, w_below;    // what light that reaches the base is multiplied by: where it arrives, and where it comes out
#endif
#ifdef SECOND_LOBE
    vec2 second_alpha;
    vec4 second_ltc;
    float second_mirror;
#endif
    vec3 albedo_fuzz, albedo_base, albedo_coat;  // what each lobe reflects of a white sky; base without diffuse
};

Surface no_surface() {
    Surface s;
    s.base_color = vec3(0.8);
    s.diffuse_roughness = 0.0; s.metalness = 0.0; s.specular_weight = 1.0;
    s.specular_color = vec3(1.0);
    s.roughness = 0.3; s.anisotropy = 0.0; s.rotation = 0.0; s.ior = 1.5; s.transmission_weight = 0.0;
    s.transmission_color = vec3(1.0); s.transmission_depth = 0.0;
    s.coat_weight = 0.0; s.coat_color = vec3(1.0); s.coat_roughness = 0.0; s.coat_anisotropy = 0.0;
    s.coat_ior = 1.6; s.coat_darkening = 1.0;
    s.fuzz_weight = 0.0; s.fuzz_color = vec3(1.0); s.fuzz_roughness = 0.5;
    s.emission = vec3(0.0);
    s.thin_film_weight = 0.0; s.thin_film_thickness = 0.5; s.thin_film_ior = 1.4; s.opacity = 1.0;
    s.thin_walled = false; s.unlit = false;
    s.subsurface_weight = 0.0; s.subsurface_color = vec3(0.8); s.subsurface_radius = vec3(0.0);
    s.second_weight = 0.0; s.second_scale = 1.0;
    s.N = vec3(0.0, 0.0, 1.0); s.Ng = s.N; s.T = vec3(1.0, 0.0, 0.0); s.B = vec3(0.0, 1.0, 0.0); s.coat_N = s.N;
    return s;
}

float mean3(vec3 c) { return (c.x + c.y + c.z) * (1.0 / 3.0); }
float square(float x) { return x * x; }

// --- albedo tables (studio.scene.lobe_energy: the layout is checked by a test) ---------------------------------------
uniform sampler2D lobe_table;  // LOBE_COLUMNS numbers a line
const int LOBE_COLUMNS = 256;
const float LOBE_MAX_E = 0.9;
const int LOBE_ROUGHNESS = 24, LOBE_COSINE = 32, LOBE_REFLECTIVITY = 16, LOBE_COARSE = 24, LOBE_STRETCH = 8;
const int LOBE_AZIMUTH = 6, LOBE_STRETCHED_ROUGHNESS = 12, LOBE_STRETCHED_COSINE = 16;
const int LOBE_MIRROR = 0;
const int LOBE_DIELECTRIC = LOBE_MIRROR + LOBE_ROUGHNESS * LOBE_COSINE;
const int LOBE_GLASS_IN = LOBE_DIELECTRIC + LOBE_REFLECTIVITY * LOBE_ROUGHNESS * LOBE_COSINE;
const int LOBE_GLASS_OUT = LOBE_GLASS_IN + LOBE_REFLECTIVITY * LOBE_COARSE * LOBE_COARSE;
const int LOBE_FUZZ = LOBE_GLASS_OUT + LOBE_REFLECTIVITY * LOBE_COARSE * LOBE_COARSE;
const int LOBE_STRETCHED = LOBE_FUZZ + LOBE_COARSE * LOBE_COSINE;

float lobe_at(int k) { return texelFetch(lobe_table, ivec2(k % LOBE_COLUMNS, k / LOBE_COLUMNS), 0).r; }

// Bilinear read of a rows x columns grid that begins at `start`; x and y in [0, 1].
float lobe_grid(int start, int rows, int columns, float x, float y) {
    float fx = clamp(x, 0.0, 1.0) * float(rows - 1);
    float fy = clamp(y, 0.0, 1.0) * float(columns - 1);
    int i = min(int(fx), rows - 2);
    int j = min(int(fy), columns - 2);
    int at = start + i * columns + j;
    float ty = fy - float(j);
    return mix(mix(lobe_at(at), lobe_at(at + 1), ty), mix(lobe_at(at + columns), lobe_at(at + columns + 1), ty),
               fx - float(i));
}

// Trilinear read of a stack of grids, one for each node of reflectivity e.
float lobe_stack(int start, int rows, int columns, float e, float x, float y) {
    float fz = sqrt(clamp(e * (1.0 / LOBE_MAX_E), 0.0, 1.0)) * float(LOBE_REFLECTIVITY - 1);
    int k = min(int(fz), LOBE_REFLECTIVITY - 2);
    int at = start + k * rows * columns;
    return mix(lobe_grid(at, rows, columns, x, y), lobe_grid(at + rows * columns, rows, columns, x, y), fz - float(k));
}

// Albedo of GGX with a Fresnel factor of 1. `along` is |cos| of the view's azimuth to the tangent.
float mirror_albedo(float roughness, float anisotropy, float along, float u) {
    float e = 0.0;
    if (anisotropy <= 0.0) {
        e = lobe_grid(LOBE_MIRROR, LOBE_ROUGHNESS, LOBE_COSINE, roughness, u);
    } else {
        float fx = clamp(anisotropy, 0.0, 1.0) * float(LOBE_STRETCH - 1);
        float fy = min(along, 1.0) * float(LOBE_AZIMUTH - 1);
        int i = min(int(fx), LOBE_STRETCH - 2);
        int j = min(int(fy), LOBE_AZIMUTH - 2);
        for (int corner = 0; corner < 4; corner++) {
            int right = corner & 1, up = corner >> 1;
            float weight = abs(float(1 - right) - (fx - float(i))) * abs(float(1 - up) - (fy - float(j)));
            int at = LOBE_STRETCHED
                + ((i + right) * LOBE_AZIMUTH + j + up) * LOBE_STRETCHED_ROUGHNESS * LOBE_STRETCHED_COSINE;
            e += weight * lobe_grid(at, LOBE_STRETCHED_ROUGHNESS, LOBE_STRETCHED_COSINE, roughness, u);
        }
    }
    return max(e, 0.1);
}

// Linearly transformed cosines (studio/viewport/ltc.py) stand behind the albedos.
const int LTC_SIZE = 32;
const int LTC_START = LOBE_STRETCHED + LOBE_STRETCH * LOBE_AZIMUTH * LOBE_STRETCHED_ROUGHNESS * LOBE_STRETCHED_COSINE;
const float LTC_MIN_MU = 0.02;

vec3 ltc_isotropic(float alpha, float mu) {
    float x = sqrt(min(alpha, 1.0)), y = sqrt(max(1.0 - mu, 0.0));
    int size = LTC_SIZE * LTC_SIZE;
    vec3 n = vec3(lobe_grid(LTC_START, LTC_SIZE, LTC_SIZE, x, y),
                  lobe_grid(LTC_START + size, LTC_SIZE, LTC_SIZE, x, y),
                  lobe_grid(LTC_START + 2 * size, LTC_SIZE, LTC_SIZE, x, y));
    return vec3(n.x * alpha / (mu * mu), n.z / mu, n.y * alpha);
}

// a, b, c, d of the lobe's matrix [[a, 0, -b], [d, c, 0], [0, 0, 1]], x along the view, whose azimuth to the tangent has
// this cosine and sine. The slopes of a stretched lobe's facets have a covariance; its Cholesky factor takes the place of
// alpha. What such a lobe leans aside at oblique angles is left out.
vec4 ltc_matrix(vec2 alpha, vec2 azimuth, float mu) {
    mu = max(mu, LTC_MIN_MU);
    if (!RICH || alpha.x == alpha.y) return vec4(ltc_isotropic(alpha.x, mu), 0.0);
    vec2 a2 = alpha * alpha, p = azimuth * azimuth;
    float ahead = sqrt(dot(a2, p)), across = sqrt(dot(a2, p.yx));
    float both = (a2.y - a2.x) * azimuth.x * azimuth.y / ahead;
    vec3 x = ltc_isotropic(ahead, mu);
    float c = ltc_isotropic(across, mu).z / across;
    return vec4(x.xy, c * sqrt(max(across * across - both * both, 1e-8)), c * both);
}

// --- Fresnel ---------------------------------------------------------------------------------------------------------
// Unpolarised reflectance at cosine mu >= 0; `eta` is the far index over the near one.
float fresnel_dielectric(float mu, float eta) {
    float g2 = eta * eta - 1.0 + mu * mu;
    float g = sqrt(max(g2, 0.0));
    float a = (g - mu) / (g + mu);
    float b = (mu * (g + mu) - 1.0) / (mu * (g - mu) + 1.0);
    return g2 > 0.0 ? clamp(0.5 * a * a * (1.0 + b * b), 0.0, 1.0) : 1.0;
}

// F82-tint (OpenPBR, "Metal").
vec3 fresnel_metal(vec3 f0, vec3 dip, float mu) {
    float m = clamp(1.0 - mu, 0.0, 1.0);
    float m2 = m * m;
    float m5 = m2 * m2 * m;
    return clamp(f0 + (1.0 - f0) * m5 - dip * (mu * m5 * m), 0.0, 1.0);
}

vec3 airy(float a, vec3 b, vec3 c) {
    vec3 crossed = 2.0 * a * b * c;
    return clamp((a * a + b * b + crossed) / max(1.0 + a * a * b * b + crossed, 1e-6), 0.0, 1.0);
}

// Fresnel factors at a microfacet seen at cosine mu, of the dielectric and of the metal, with the thin film.
void interface_at(Closure c, float mu, out vec3 dielectric, out vec3 metal) {
    float plain = fresnel_dielectric(mu, c.eta);
    dielectric = vec3(plain);
    metal = c.s.metalness > 0.0 ? fresnel_metal(c.metal_f0, c.metal_dip, mu) : vec3(0.0);
    if (c.s.thin_film_weight > 0.0) {
        float n1 = c.film_ior, n2 = c.eta, sin2 = 1.0 - mu * mu;
        if (c.inside) {
            n2 = 1.0 / c.eta;
            sin2 = min(sin2 * n2 * n2, 1.0);
        }
        float c0 = sqrt(max(1.0 - sin2, 0.0));
        float c1 = sqrt(max(1.0 - sin2 / (n1 * n1), 1e-4));
        float c2 = sqrt(max(1.0 - sin2 / (n2 * n2), 0.0));
        vec3 phase = min(4.0 * PI * n1 * c1 * c.s.thin_film_thickness / vec3(0.605, 0.545, 0.455), vec3(1e3));
        vec3 wave = cos(phase) * exp(-0.5 * (0.06 * phase) * (0.06 * phase));
        float over_s = (c0 - n1 * c1) / (c0 + n1 * c1);
        float over_p = (n1 * c0 - c1) / (n1 * c0 + c1);
        float under_s = (n1 * c1 - n2 * c2) / (n1 * c1 + n2 * c2);
        float under_p = (n2 * c1 - n1 * c2) / (n2 * c1 + n1 * c2);
        vec3 film = 0.5 * (airy(over_s, vec3(under_s), wave) + airy(over_p, vec3(under_p), wave));
        dielectric = plain < 1.0 ? mix(dielectric, film, c.s.thin_film_weight) : dielectric;
        vec3 under = sqrt(fresnel_metal(c.metal_f0, c.metal_dip, c1));
        film = 0.5 * (airy(over_s, -under, wave) + airy(over_p, under, wave));
        metal = c.s.metalness > 0.0 ? mix(metal, film, c.s.thin_film_weight) : metal;
    }
}

// Weights of the base at a microfacet with these Fresnel factors: reflected, transmitted.
void split_base(Closure c, vec3 dielectric, vec3 metal, out vec3 reflected, out vec3 through) {
    vec3 pane = c.s.thin_walled ? 2.0 * dielectric / (1.0 + dielectric) : dielectric;
    reflected = c.w_metal * metal + c.w_gloss * dielectric + c.w_glass * pane;
    through = c.w_through * (1.0 - pane);
}

// --- microfacets -----------------------------------------------------------------------------------------------------
vec2 alpha_of(float roughness, float anisotropy) {
    float r = clamp(roughness, 0.0, 1.0);
    float k = 1.0 - clamp(anisotropy, 0.0, 1.0);
    float along = r * r * sqrt(2.0 / (1.0 + k * k));
    return max(vec2(along, k * along), MIN_ALPHA);
}

// GGX at normal h with height-correlated Smith shadowing: D G2 / wo.z
float facets(vec2 alpha, vec3 wo, vec3 wi, vec3 h) {
    float q = square(h.x / alpha.x) + square(h.y / alpha.y) + h.z * h.z;
    float d = 1.0 / (PI * alpha.x * alpha.y * q * q);
    float zi = abs(wi.z);
    float lo = sqrt(square(alpha.x * wo.x) + square(alpha.y * wo.y) + wo.z * wo.z);
    float li = sqrt(square(alpha.x * wi.x) + square(alpha.y * wi.y) + zi * zi);
    return d * zi / max(0.5 * (lo * zi + li * wo.z), 1e-20);
}

// --- layers ----------------------------------------------------------------------------------------------------------
// Transmittance of the coat's medium along one ray that meets it at cosine mu.
vec3 coat_pass(Surface s, float mu) {
    float within = sqrt(max(1.0 - (1.0 - mu * mu) / (s.coat_ior * s.coat_ior), 0.01));
    return mix(vec3(1.0), pow(max(s.coat_color, 1e-6), vec3(0.5 / within)), s.coat_weight);
}

// Smith's Lambda of the fuzz (Estevez and Kulla 2017).
float fuzz_lambda(float r, float mu) {
    float k = (1.0 - r) * (1.0 - r);
    float a = mix(21.5473, 25.3245, k), b = mix(3.82987, 3.32435, k), c = mix(0.19823, 0.16801, k);
    float d = mix(-1.97760, -1.27393, k), e = mix(-4.32054, -4.85967, k);
    float x = min(mu, 1.0 - mu);
    float curve = a / (1.0 + b * pow(max(x, 1e-7), c)) + d * x + e;
    if (mu >= 0.5) curve = 2.0 * (a / (1.0 + b * pow(0.5, c)) + 0.5 * d + e) - curve;
    return exp(curve);
}

Surface within_range(Surface s) {
    s.base_color = clamp(s.base_color, 0.0, 1.0);
    s.diffuse_roughness = clamp(s.diffuse_roughness, 0.0, 1.0);
    s.metalness = clamp(s.metalness, 0.0, 1.0);
    s.specular_weight = max(s.specular_weight, 0.0);
    s.specular_color = clamp(s.specular_color, 0.0, 1.0);
    s.roughness = clamp(s.roughness, 0.0, 1.0);
    s.ior = max(s.ior, 1.0);
    s.transmission_weight = clamp(s.transmission_weight, 0.0, 1.0);
    s.transmission_color = clamp(s.transmission_color, 0.0, 1.0);
    s.coat_weight = clamp(s.coat_weight, 0.0, 1.0);
    s.coat_color = clamp(s.coat_color, 0.0, 1.0);
    s.coat_roughness = clamp(s.coat_roughness, 0.0, 1.0);
    s.coat_ior = max(s.coat_ior, 1.0);
    s.coat_darkening = clamp(s.coat_darkening, 0.0, 1.0);
    s.fuzz_weight = clamp(s.fuzz_weight, 0.0, 1.0);
    s.fuzz_color = clamp(s.fuzz_color, 0.0, 1.0);
    s.fuzz_roughness = clamp(s.fuzz_roughness, FUZZ_ROUGHNESS_FROM, 1.0);
    s.thin_film_weight = clamp(s.thin_film_weight, 0.0, 1.0);
    s.thin_film_thickness = max(s.thin_film_thickness, 0.0);
    s.subsurface_weight = s.thin_walled ? 0.0 : clamp(s.subsurface_weight, 0.0, 1.0);
    s.subsurface_color = clamp(s.subsurface_color, 0.0, 1.0);
    s.second_weight = clamp(s.second_weight, 0.0, 1.0);
    if (s.transmission_weight <= 0.0) s.thin_walled = false;
    return s;
}

// Two axes around n (Duff et al., "Building an Orthonormal Basis, Revisited", 2017).
void frame_around(vec3 n, out vec3 x, out vec3 y) {
    float s = n.z >= 0.0 ? 1.0 : -1.0;
    float a = -1.0 / (s + n.z);
    float b = n.x * n.y * a;
    x = vec3(1.0 + s * n.x * n.x * a, s * b, -s * n.x);
    y = vec3(b, s + n.y * n.y * a, -n.y);
}

// A normal on the side of the viewer; a bent one never faces away.
vec3 facing(vec3 n, vec3 ng, vec3 V) {
    n = dot(n, ng) < 0.0 ? -n : n;
    float d = dot(n, V);
    return d < 1e-3 ? normalize(n + V * (2e-3 - d)) : n;
}

void turn_frame(inout Closure c) {
    Surface s = c.s;
    bool back = dot(s.Ng, c.V) < 0.0;
    c.Ng = back ? -s.Ng : s.Ng;
    c.inside = back && s.transmission_weight > 0.0 && !s.thin_walled;
    c.N = facing(s.N, c.Ng, c.V);
    c.coat_N = facing(s.coat_N, c.Ng, c.V);
    vec3 t = s.T - c.N * dot(c.N, s.T);
    float length2 = dot(t, t);
    vec3 x, y;
    frame_around(c.N, x, y);
    if (length2 > 1e-12) {
        x = t * inversesqrt(length2);
        y = cross(c.N, x);
    }
    float ca = cos(s.rotation), sa = sin(s.rotation);
    c.T = x * ca + y * sa;
    c.B = y * ca - x * sa;
    // for a coat without a normal of its own these are T and B
    vec3 local = vec3(dot(c.coat_N, c.T), dot(c.coat_N, c.B), dot(c.coat_N, c.N));
    frame_around(local, x, y);
    c.coat_T = c.T * x.x + c.B * x.y + c.N * x.z;
    c.coat_B = c.T * y.x + c.B * y.y + c.N * y.z;
}

// Cosine and sine of the view's azimuth to a tangent.
vec2 azimuth_of(vec3 V, vec3 T, vec3 B) {
    vec2 v = vec2(dot(V, T), dot(V, B));
    float length2 = dot(v, v);
    return length2 > 1e-10 ? v * inversesqrt(length2) : vec2(1.0, 0.0);
}

// Everything that depends on the surface and the view alone.
Closure prepare(Surface surface, vec3 V) {
    Closure c;
    c.s = within_range(surface);
    if (!RICH) {
        c.s.coat_weight = c.s.fuzz_weight = c.s.thin_film_weight = c.s.transmission_weight = 0.0;
        c.s.anisotropy = c.s.diffuse_roughness = 0.0;
    }
#if SUBSURFACE == 1
    c.s.base_color = mix(c.s.base_color, c.s.subsurface_color, c.s.subsurface_weight * (1.0 - c.s.metalness));
#endif
    c.V = V;
    turn_frame(c);
#if SUBSURFACE > 0
    if (c.inside) c.s.subsurface_weight = 0.0;
#endif
    Surface s = c.s;
    c.mu = dot(c.N, V);
    float mu = clamp(c.mu, 1e-4, 1.0);
    float u = sqrt(mu);
    vec2 azimuth = azimuth_of(V, c.T, c.B);
    float along = abs(azimuth.x);

    // fuzz
    float share = 0.0;
    c.w_fuzz = vec3(0.0);
    c.fuzz_lambda = 0.0;
    float fuzz = RICH && !c.inside ? s.fuzz_weight : 0.0;
    if (fuzz > 0.0) {
        float at = (s.fuzz_roughness - FUZZ_ROUGHNESS_FROM) / (1.0 - FUZZ_ROUGHNESS_FROM);
        share = lobe_grid(LOBE_FUZZ, LOBE_COARSE, LOBE_COSINE, at, u);
        c.fuzz_lambda = fuzz_lambda(s.fuzz_roughness, mu);
        c.w_fuzz = fuzz * s.fuzz_color;
    }
    c.albedo_fuzz = c.w_fuzz * share;
    float below_fuzz = 1.0 - fuzz * share;

    // coat
    vec3 top = vec3(below_fuzz);
    float roughness = s.roughness;
    float eta = s.ior * mix(1.0, 1.0 / s.coat_ior, s.coat_weight * (1.0 - s.transmission_weight));
    float e0 = abs(eta - 1.0) / (eta + 1.0);
    c.w_coat = 0.0;
    c.coat_alpha = vec2(MIN_ALPHA);
    c.coat_mirror = 1.0;
    c.coat_share = 0.0;
    c.albedo_coat = vec3(0.0);
    if (RICH && s.coat_weight > 0.0) {
        float r4 = min(square(square(roughness)) + 2.0 * square(square(s.coat_roughness)), 1.0);
        roughness = mix(roughness, sqrt(sqrt(r4)), s.coat_weight);
        if (!c.inside) {
            float ce = (s.coat_ior - 1.0) / (s.coat_ior + 1.0);
            c.coat_alpha = alpha_of(s.coat_roughness, s.coat_anisotropy);
            float even = sqrt(0.5 * (c.coat_alpha.x + c.coat_alpha.y));
            c.coat_mirror = mirror_albedo(s.coat_roughness, s.coat_anisotropy, along, u);
            float gain = 1.0 + ce * ce * (1.0 - c.coat_mirror) / c.coat_mirror;
            c.coat_share = lobe_stack(LOBE_DIELECTRIC, LOBE_ROUGHNESS, LOBE_COSINE, ce, even, u);
            float coat_albedo = gain * c.coat_share;
            c.w_coat = below_fuzz * s.coat_weight * gain;
            c.albedo_coat = vec3(below_fuzz * s.coat_weight * coat_albedo);
            float average = (s.coat_ior - 1.0) / (4.08567 + 1.00071 * s.coat_ior);
            float k_smooth = fresnel_dielectric(mu, s.coat_ior);
            float k_rough = 1.0 - (1.0 - average) / (s.coat_ior * s.coat_ior);
            float shine = min(s.specular_weight, 1.0);
            float gloss = mix(1.0, roughness, min(e0 * e0 * s.specular_weight, 1.0));
            float k = mix(k_smooth, k_rough, mix(gloss, roughness, s.metalness));
            vec3 under = mix(s.base_color, s.transmission_color, s.transmission_weight);
#if SUBSURFACE == 2
            under = mix(mix(s.base_color, s.subsurface_color, s.subsurface_weight), s.transmission_color,
                        s.transmission_weight);
#endif
            under = mix(under, shine * s.base_color, s.metalness);
            vec3 dark = (1.0 - k) / (1.0 - under * k);
            top *= mix(vec3(1.0), dark, s.coat_weight * s.coat_darkening) * coat_pass(s, mu);
            top *= 1.0 - s.coat_weight * coat_albedo;
        }
    }

    // base
    float glass = (1.0 - s.metalness) * s.transmission_weight;
    float opaque = (1.0 - s.metalness) * (1.0 - s.transmission_weight);
    float e = min(sqrt(s.specular_weight) * e0, LOBE_MAX_E);
    if (glass > 0.0) e = max(e, MIN_GLASS_E);
    c.eta = (1.0 + e) / (1.0 - e);
    if (c.inside) c.eta = 1.0 / c.eta;
    c.w_diffuse = opaque * top;
    c.w_metal = vec3(0.0);
    c.w_gloss = vec3(0.0);
    c.w_glass = vec3(0.0);
    c.w_through = vec3(0.0);
    c.gloss_share = 0.0;
    c.albedo_base = vec3(0.0);
    c.roughness = roughness;
    c.alpha = alpha_of(roughness, s.anisotropy);
    c.mirror = mirror_albedo(roughness, s.anisotropy, along, u);
    c.film_ior = max(s.thin_film_ior, 1.0) / mix(1.0, s.coat_ior, s.coat_weight);
    c.metal_f0 = s.base_color;
    float m5 = 0.462664;  // (6/7)^5, where F82 is pinned
    c.metal_dip = mix(c.metal_f0, vec3(1.0), m5) * (1.0 - s.specular_color) / (m5 * (6.0 / 49.0));
    if (GLOSSY && (e > 0.0 || s.metalness > 0.0)) {
        float even = sqrt(0.5 * (c.alpha.x + c.alpha.y));
        float lost = (1.0 - c.mirror) / c.mirror;
        float lost_gloss = lost;
#ifdef SECOND_LOBE
        float soft = min(roughness * s.second_scale, 1.0);
        c.second_alpha = alpha_of(soft, s.anisotropy);
        c.second_mirror = mirror_albedo(soft, s.anisotropy, along, u);
        float even_soft = sqrt(0.5 * (c.second_alpha.x + c.second_alpha.y));
        lost_gloss = mix(lost, (1.0 - c.second_mirror) / c.second_mirror, s.second_weight);
#endif
        vec3 dielectric, metal, mean_metal, through;
        interface_at(c, mu, dielectric, metal);
        float shine = min(s.specular_weight, 1.0);
        c.w_metal = s.metalness * shine * top * (1.0 + shine * c.metal_f0 * lost);
        if (e > 0.0 && s.metalness < 1.0) {
            vec3 tint = vec3(1.0);
            if (!c.inside) {
                tint = s.specular_color;
                c.gloss_share = lobe_stack(LOBE_DIELECTRIC, LOBE_ROUGHNESS, LOBE_COSINE, e, even, u);
#ifdef SECOND_LOBE
                float share_soft = lobe_stack(LOBE_DIELECTRIC, LOBE_ROUGHNESS, LOBE_COSINE, e, even_soft, u);
                c.gloss_share = mix(c.gloss_share, share_soft, s.second_weight);
#endif
                dielectric = clamp(
                    dielectric * (c.gloss_share / max(fresnel_dielectric(mu, c.eta), 1e-6)), 0.0, 1.0);
            }
            float gain = 1.0 + e * e * lost_gloss;
            c.w_diffuse *= clamp(1.0 - gain * dielectric, 0.0, 1.0);
            c.w_gloss = opaque * gain * top * tint;
            if (RICH && glass > 0.0) {
                gain = 1.0 + lost;
                if (!s.thin_walled) {
                    int start = c.inside ? LOBE_GLASS_OUT : LOBE_GLASS_IN;
                    gain = 1.0 / max(lobe_stack(start, LOBE_COARSE, LOBE_COARSE, e, even, u), 0.1);
                }
                c.w_glass = glass * gain * top * tint;
                c.w_through = glass * gain * top * s.transmission_color;
            }
        }
        split_base(c, dielectric, metal, c.albedo_base, through);
        // a metal's lobe has no table: its albedo is that of a mirror times the Fresnel factor along its mean direction
        vec4 matrix = ltc_matrix(c.alpha, azimuth, mu);
        vec2 mean = vec2(-matrix.y, 1.0) * inversesqrt(matrix.y * matrix.y + 1.0);
        vec2 half_ = mean + vec2(sqrt(1.0 - mu * mu), mu);
        interface_at(c, clamp(0.5 * length(half_), 0.0, 1.0), dielectric, mean_metal);
        c.albedo_base += c.w_metal * (mean_metal * c.mirror - metal);
    }

    c.diffuse = c.w_diffuse * s.base_color * (1.0 / PI);
#if SUBSURFACE == 2
    c.w_base = c.w_diffuse * s.base_color * (1.0 - s.subsurface_weight);
    c.w_below = c.w_diffuse * s.subsurface_color * s.subsurface_weight;
    c.w_diffuse = c.s.base_color = vec3(1.0);
    c.s.diffuse_roughness = 0.0;
    c.diffuse = vec3(1.0 / PI);
#endif
    c.metal_face = c.w_metal * c.metal_f0;
    c.metal_edge = c.w_metal * (1.0 - c.metal_f0);
    c.metal_tint = c.w_metal * c.metal_dip;
    c.alpha2 = c.alpha.x * c.alpha.x;
    c.lambda_o = sqrt(c.alpha2 + (1.0 - c.alpha2) * c.mu * c.mu);
    c.ltc = GLOSSY ? ltc_matrix(c.alpha, azimuth, mu) : vec4(1.0, 0.0, 1.0, 0.0);
#ifdef SECOND_LOBE
    c.second_ltc = ltc_matrix(c.second_alpha, azimuth, mu);
#endif
    c.coat_ltc = vec4(1.0, 0.0, 1.0, 0.0);
    if (RICH && c.w_coat > 0.0) {
        float coat_mu = clamp(dot(c.coat_N, V), 1e-4, 1.0);
        c.coat_ltc = ltc_matrix(c.coat_alpha, azimuth_of(V, c.coat_T, c.coat_B), coat_mu);
    }
    if (s.unlit) {
        c.w_diffuse = c.w_metal = c.w_gloss = c.w_glass = c.w_through = c.w_fuzz = c.diffuse = vec3(0.0);
        c.w_coat = 0.0;
        c.albedo_fuzz = c.albedo_base = c.albedo_coat = vec3(0.0);
#if SUBSURFACE == 2
        c.w_base = c.w_below = vec3(0.0);
#endif
    }
    return c;
}

// --- evaluation ------------------------------------------------------------------------------------------------------
// Energy-preserving Oren-Nayar times pi (Portsmouth, Kutz and Hill 2025). `along` is the dot product of the two
// directions' parts in the surface.
vec3 eon(Closure c, float oz, float iz, float along) {
    float r = c.s.diffuse_roughness;
    float a = 1.0 / (1.0 + 0.287793409 * r);
    if (along > 0.0) along /= max(oz, iz);
    float mo = 1.0 - oz, mi = 1.0 - iz;
    float go = mo * (0.0571085289 + mo * (0.491881867 + mo * (-0.332181442 + mo * 0.0714429953)));
    float gi = mi * (0.0571085289 + mi * (0.491881867 + mi * (-0.332181442 + mi * 0.0714429953)));
    float mean = a * (1.0 + 0.072488212 * r);
    vec3 base = c.s.base_color;
    vec3 again = base * base * (mean / max(1.0 - mean, 1e-7)) / (1.0 - base * (1.0 - mean));
    return base * (a * max(1.0 + r * along, 0.0))
        + again * (max(1.0 - a * (1.0 + r * go), 0.0) * max(1.0 - a * (1.0 + r * gi), 0.0));
}

// Diffuse of the base over w_diffuse, per radian of cosine-weighted light that arrives around L.
vec3 diffuse_towards(Closure c, vec3 L, float iz) {
    vec3 color = c.s.base_color;
    if (c.s.diffuse_roughness > 0.0) color = eon(c, c.mu, iz, dot(c.V, L) - c.mu * iz);
    return color * (1.0 / PI);
}

// Fuzz times cos.
vec3 fuzz_towards(Closure c, vec3 L, float iz) {
    vec3 h = normalize(c.V + L);
    float hz = dot(c.N, h), r = c.s.fuzz_roughness;
    float d = (2.0 + 1.0 / r) / (2.0 * PI) * pow(max(1.0 - hz * hz, 1e-7), 0.5 / r);
    return c.w_fuzz * (d / (4.0 * max(c.mu, 1e-4) * (1.0 + c.fuzz_lambda + fuzz_lambda(r, iz))));
}

// The base's facets as they reflect (wi.z > 0) or refract (wi.z < 0), times |cos|; directions in the frame of T, B, N.
vec3 base_towards(Closure c, vec3 wo, vec3 wi) {
    vec3 g = wo + vec3(wi.xy, abs(wi.z));
    bool below = wi.z < 0.0;
    bool bent = below && !c.s.thin_walled;
    if (bent) {
        g = wo + c.eta * wi;
        g = g.z < 0.0 ? -g : g;
    }
    float length2 = max(dot(g, g), 1e-20);
    vec3 h = g * inversesqrt(length2);
    float oh = dot(wo, h);
    float jacobian = bent ? max(-oh * dot(wi, h), 0.0) * c.eta * c.eta / length2 : 0.25;
    if (oh <= 0.0 || jacobian <= 0.0) return vec3(0.0);
    vec3 dielectric, metal, reflected, through;
    interface_at(c, min(oh, 1.0), dielectric, metal);
    split_base(c, dielectric, metal, reflected, through);
    float value = facets(c.alpha, wo, wi, h);
#ifdef SECOND_LOBE
    if (!below) {
        vec3 gloss = c.w_gloss * dielectric * c.s.second_weight;
        return (reflected * value + gloss * (facets(c.second_alpha, wo, wi, h) - value)) * jacobian;
    }
#endif
    return (below ? through : reflected) * (value * jacobian);
}

// The coat's facets times cos; it has a normal of its own.
float coat_towards(Closure c, vec3 L) {
    vec3 h = normalize(c.V + L);
    vec3 wo = vec3(dot(c.V, c.coat_T), dot(c.V, c.coat_B), dot(c.V, c.coat_N));
    vec3 wi = vec3(dot(L, c.coat_T), dot(L, c.coat_B), dot(L, c.coat_N));
    if (wo.z <= 1e-7 || wi.z <= 1e-7) return 0.0;
    vec3 hl = vec3(dot(h, c.coat_T), dot(h, c.coat_B), dot(h, c.coat_N));
    return c.w_coat * fresnel_dielectric(dot(c.V, h), c.s.coat_ior) * 0.25 * facets(c.coat_alpha, wo, wi, hl);
}

// The specular part for families below 2: no branch and few divisions, for it is asked hundreds of times a pixel.
vec3 glossy_towards(Closure c, vec3 L, float nl) {
    vec3 g = c.V + L;
    float length2 = max(dot(g, g), 1e-6);
    float oh = 0.5 * sqrt(length2);
    float gz = c.mu + nl;
    vec3 slope = g - c.N * gz;  // 1 - cos^2 of the half vector would lose its digits at the peak
    float t = c.alpha2 * gz * gz + dot(slope, slope);  // times length2
    float li = sqrt(c.alpha2 + (1.0 - c.alpha2) * nl * nl);
    float value = c.alpha2 * nl * length2 * length2 / (2.0 * PI * t * t * max(c.lambda_o * nl + li * c.mu, 1e-7));
    float m = 1.0 - oh, m2 = m * m, m5 = m2 * m2 * m;
    // fresnel_dielectric over one denominator; eta >= 1 here
    float r = sqrt(c.eta * c.eta - 1.0 + oh * oh);
    float a = r - oh, b = r + oh, p = oh * a + 1.0, q = oh * b - 1.0;
    float fresnel = 0.5 * a * a * (p * p + q * q) / (b * b * p * p);
#ifdef SECOND_LOBE
    float a2 = c.second_alpha.x * c.second_alpha.x, t2 = a2 * gz * gz + dot(slope, slope);
    float lo2 = sqrt(a2 + (1.0 - a2) * c.mu * c.mu), li2 = sqrt(a2 + (1.0 - a2) * nl * nl);
    float soft = a2 * nl * length2 * length2 / (2.0 * PI * t2 * t2 * max(lo2 * nl + li2 * c.mu, 1e-7));
    return (c.metal_face + c.metal_edge * m5 - c.metal_tint * (oh * m5 * m)) * value
        + c.w_gloss * (fresnel * mix(value, soft, c.s.second_weight));
#endif
    return (c.metal_face + c.metal_edge * m5 - c.metal_tint * (oh * m5 * m) + c.w_gloss * fresnel) * value;
}

#if SUBSURFACE == 2
// Of the light that was asked for last: what of it reaches the base here, and what would reach the far side of it.
vec3 below_light = vec3(0.0), beyond_light = vec3(0.0);
float beyond_towards = 0.0, beyond_facing = 0.0;  // cosine over pi; the same, of a light's middle
#endif

// BSDF times |cos| towards L, as diffuse (with fuzz) and specular (with coat and transmission) parts.
void evaluate(Closure c, vec3 L, out vec3 diffuse, out vec3 specular) {
    diffuse = vec3(0.0);
    specular = vec3(0.0);
    float iz = dot(c.N, L);
    bool above = iz > 0.0;
#if SUBSURFACE == 2
    beyond_towards = iz < 0.0 && dot(c.Ng, L) < 0.0 ? -iz * (1.0 / PI) : 0.0;
#endif
    // a light counts only when both normals agree on which side it is
    if (abs(iz) <= 1e-7 || c.mu <= 0.0 || iz * dot(c.Ng, L) <= 0.0) return;
    if (!RICH) {
        diffuse = c.diffuse * max(iz, 0.0);
        if (GLOSSY && above) specular = glossy_towards(c, L, iz);
        return;
    }
    vec3 passes = c.s.coat_weight > 0.0 && above != c.inside ? coat_pass(c.s, abs(iz)) : vec3(1.0);
    vec3 wo = vec3(dot(c.V, c.T), dot(c.V, c.B), c.mu);
    vec3 wi = vec3(dot(L, c.T), dot(L, c.B), iz);
    specular = base_towards(c, wo, wi) * passes;
    if (above) {
        diffuse = c.w_diffuse * passes * diffuse_towards(c, L, iz) * iz;
        if (c.w_coat > 0.0) specular += coat_towards(c, L);
#if SUBSURFACE == 2
        if (c.w_fuzz.x + c.w_fuzz.y + c.w_fuzz.z > 0.0) specular += fuzz_towards(c, L, iz);
#else
        if (c.w_fuzz.x + c.w_fuzz.y + c.w_fuzz.z > 0.0) diffuse += fuzz_towards(c, L, iz);
#endif
    }
}

// How much of what lies straight behind a surface is seen through it; the rest is for the renderer to blend.
vec3 passed(Closure c) {
    vec3 dielectric, metal, reflected, through;
    interface_at(c, clamp(c.mu, 1e-4, 1.0), dielectric, metal);
    split_base(c, dielectric, metal, reflected, through);
    return clamp(through, 0.0, 1.0);
}
