// Lights that have a size: the integral of a cosine, and of glossy lobes, over the polygon that a shape shows.
//
// A shape is a polygon around a centre: a rectangle, a triangle, and for everything round one of `n` corners with the
// same area. One walk around it clips every edge at the horizon and adds it to three integrals: of the cosine, of the
// base's lobe, of the coat's lobe, the latter two in spaces where the lobe is a cosine (studio/viewport/ltc.py). The
// integrals are vectors; where they point is where the light comes from as the lobe weighs it, which tells the Fresnel
// factor, rough diffuse and fuzz. A lobe that sees light everywhere must give its albedo, so the Fresnel factor is led
// to the albedo's as the light fills the lobe.
//
// A cosine cannot follow the long tail of a GGX lobe. But away from its peak the lobe is smooth, and a few points spread
// over the shape, for which the closure is evaluated as it is, are exact there; as is one point for a light that is small
// beside the lobe. The two forms are blended where the light comes near the peak.

#include "shaping.glsl"

uniform int still_turn;  // which sample of a view at rest this is, 0 while it moves

// Where in 0..1 draw k of `count` lies: along a lattice that every sample of a view at rest shifts.
vec2 draw_at(int k, int count) {
    vec2 shift = fract(float(still_turn) * vec2(0.7548776662, 0.5698402910) + vec2(0.5, 0.0));
    return vec2((float(k) + shift.x) / float(count), fract(float(k) * 0.6180339887 + shift.y));
}

// How many draws share the sphere, samples of a view at rest among them.
float draws_of_all(int count) { return float(count * clamp(4 * still_turn, 1, 64)); }

// A regular polygon has the area of the circle when its corners stand out by this.
float even_area(int n) {
    float turn = 2.0 * PI / float(n);
    return sqrt(turn / sin(turn));
}

vec3 unit(vec3 v) { return v * inversesqrt(max(dot(v, v), 1e-30)); }

struct Shape {
    vec3 q;          // centre, from the receiver
    vec3 a, b;       // half axes: corners are q + a cos + b sin
    int n;           // corners
    float phase;     // of the first corner
    vec3 half_axis;  // tubes: from the middle to an end; the corners then run over the near arcs of both ends
    float arc;       // tubes: half the angle of an arc, else 0
    vec3 towards;    // unit direction to the middle
    float seen;      // solid angle, for a light that is small
    float extent;    // sine of half the angle that the shape fills, roughly
    int row;         // of the light where its shaping and its picture count, else -1
};

const int SHAPE_POINTS = 16;      // of a light that is not small
const int POINTS_FROM = 3;        // sample of a view at rest from which on points take the place of cosines
const float NEAR_EXTENT = 0.3;    // a light that fills less beside the narrowest lobe is a point to it
const float SHAPED_EXTENT = 0.01; // and one that is shaped by direction is none to a view at rest beyond this

// What the shaping of a light makes of its light from L, and at rest its picture.
vec3 filtered(Shape h, vec3 L) {
    vec4 has = lighting_at(2 * h.row, 1);
    vec3 value = vec3(1.0);
    int shapes = has.z > 0.5 ? 1 : 0, pictures = still_turn > 0 && has.w > 0.5 ? 1 : 0;
    for (int k = 0; k < shapes; k++) value = shaped_towards(h.row, L);
    for (int k = 0; k < pictures; k++) value *= picture_towards(h.row, h.q, L);
    return value;
}

// The least alpha of the lobes; a Lambert surface counts as a broad one.
float narrowest(Closure c) {
    float narrow = GLOSSY ? min(c.alpha.x, c.alpha.y) : 0.4;
    if (RICH && c.w_coat > 0.0) narrow = min(narrow, min(c.coat_alpha.x, c.coat_alpha.y));
#ifdef SECOND_LOBE
    narrow = min(narrow, min(c.second_alpha.x, c.second_alpha.y));
#endif
    return min(narrow, 0.4);
}

// Point k of `count` spread evenly over a shape, from the receiver, and its solid angle.
vec3 shape_point(Shape h, int k, int count, out float seen) {
    vec2 u = draw_at(k, count);
    u.y = fract(u.y + 0.5);
    vec3 v = h.q, normal = cross(h.a, h.b);
    float area = 0.0;
    if (h.arc > 0.0) {
        // a tube: along it, and by the sine of the angle across
        vec3 x = unit(h.half_axis);
        float across = (2.0 * u.y - 1.0) * sin(h.arc);
        normal = h.a * sqrt(1.0 - across * across) + h.b * across;
        v += h.half_axis * (2.0 * u.x - 1.0) + normal;
        area = 4.0 * length(h.half_axis) * length(h.a) * sin(h.arc) / sqrt(1.0 - across * across);
    } else if (h.n == 3) {
        float r = sqrt(u.x);
        vec3 c0 = h.a, c1 = -0.5 * h.a + 0.8660254 * h.b, c2 = -0.5 * h.a - 0.8660254 * h.b;
        v += c0 * (1.0 - r) + c1 * (r * (1.0 - u.y)) + c2 * (r * u.y);
        area = 1.2990381 * length(normal);
    } else if (h.n == 4) {
        v += (h.a * (2.0 * u.x - 1.0) + h.b * (2.0 * u.y - 1.0)) * 0.70710678;
        area = 2.0 * length(normal);
    } else {
        float r = sqrt(u.x) / even_area(h.n), turn = 2.0 * PI * u.y;
        v += (h.a * cos(turn) + h.b * sin(turn)) * r;
        area = PI * length(normal) / (even_area(h.n) * even_area(h.n));
    }
    float d2 = max(dot(v, v), 1e-12);
    v *= inversesqrt(d2);
    seen = area * abs(dot(v, unit(normal))) / (d2 * float(count));
    return v;
}

vec3 shape_corner(Shape h, int k) {
    float turn = h.phase + 2.0 * PI * float(k) / float(h.n);
    vec3 end = vec3(0.0);
    if (h.arc > 0.0) {
        int half_ = h.n / 2;
        bool first = k < half_;
        turn = (2.0 * float(first ? k : h.n - 1 - k) / float(half_ - 1) - 1.0) * h.arc;
        end = first ? h.half_axis : -h.half_axis;
    }
    return h.q + end + h.a * cos(turn) + h.b * sin(turn);
}

// Integral of the cosine's vector along the edge from a to b (unit): their cross product times angle over sine of it.
// The angle over its sine is our own rational fit over cosines 0 .. 1, within 6e-7.
vec3 edge_vector(vec3 a, vec3 b) {
    float x = dot(a, b), y = abs(x);
    float v = (1.57079545 + y * (0.90582022 + y * 0.02603294)) / (1.0 + y * (1.21324314 + y * 0.28940408));
    if (x < 0.0) v = PI * inversesqrt(max(1.0 - x * x, 1e-7)) - v;
    return cross(a, b) * v;
}

vec3 ltc_inverse(vec4 m, vec3 v) {
    float x = (v.x + m.y * v.z) / m.x;
    return vec3(x, (v.y - m.w * x) / m.z, v.z);
}
vec3 ltc_forward(vec4 m, vec3 v) { return vec3(m.x * v.x - m.y * v.z, m.z * v.y + m.w * v.x, v.z); }

// The frame of a lobe: x along the view on the surface.
mat3 lobe_frame(vec3 N, vec3 V, vec3 T) {
    vec3 x = V - N * dot(N, V);
    float length2 = dot(x, x);
    x = length2 > 1e-10 ? x * inversesqrt(length2) : unit(T - N * dot(N, T));
    return mat3(x, cross(N, x), N);
}

struct Walk {
    mat3 frame, coat_frame;    // columns are the axes
    vec4 ltc, coat_ltc;
    vec3 cosine, base, coat;   // the integrals so far
#ifdef SECOND_LOBE
    vec4 second_ltc;
    vec3 second;
#endif
};

void walk_edge(inout Walk w, vec3 a, vec3 b) {
    w.cosine += edge_vector(unit(a), unit(b));
    if (GLOSSY) w.base += edge_vector(unit(ltc_inverse(w.ltc, a)), unit(ltc_inverse(w.ltc, b)));
#ifdef SECOND_LOBE
    w.second += edge_vector(unit(ltc_inverse(w.second_ltc, a)), unit(ltc_inverse(w.second_ltc, b)));
#endif
    if (RICH) {
        vec3 ca = ltc_inverse(w.coat_ltc, (w.frame * a) * w.coat_frame);
        vec3 cb = ltc_inverse(w.coat_ltc, (w.frame * b) * w.coat_frame);
        w.coat += edge_vector(unit(ca), unit(cb));
    }
}

Walk walk_shape(Closure c, Shape h, bool there) {
    Walk w;
    w.frame = lobe_frame(c.N, c.V, c.T);
    w.coat_frame = RICH ? lobe_frame(c.coat_N, c.V, c.T) : w.frame;
    w.ltc = c.ltc;
    w.coat_ltc = c.coat_ltc;
    w.cosine = w.base = w.coat = vec3(0.0);
#ifdef SECOND_LOBE
    w.second_ltc = c.second_ltc;
    w.second = vec3(0.0);
#endif
    vec3 last = shape_corner(h, h.n - 1) * w.frame;
    vec3 leave = vec3(0.0), enter = vec3(0.0);
    int corners = there ? h.n : 0;
    for (int k = 0; k < corners; k++) {
        vec3 next = shape_corner(h, k) * w.frame;
        vec3 a = last, b = next;
        last = next;
        if (max(a.z, b.z) > 0.0) {
            vec3 crossing = mix(a, b, a.z / (abs(a.z - b.z) > 1e-30 ? a.z - b.z : 1.0));
            crossing.z = 0.0;
            if (a.z <= 0.0) enter = a = crossing;
            if (b.z <= 0.0) leave = b = crossing;
            walk_edge(w, a, b);
        }
    }
    if (dot(leave, leave) > 0.0 && dot(enter, enter) > 0.0) walk_edge(w, leave, enter);
    // seen from the other side a polygon runs the other way
    float side = w.cosine.z < 0.0 ? -1.0 : 1.0;
    w.cosine *= side;
    w.base *= side;
#ifdef SECOND_LOBE
    w.second *= side;
#endif
    w.coat *= side;
    return w;
}

// What a lobe makes of light that its integral `v` found: its share of the lobe, and the direction it came from.
float lobe_share(vec4 m, mat3 frame, vec3 v, out vec3 L) {
    L = frame * unit(ltc_forward(m, v));
    return clamp(v.z / (2.0 * PI), 0.0, 1.0);
}

// Fresnel factor at the mean direction of a whole lobe.
float whole_fresnel(vec4 m, mat3 frame, vec3 V, float eta) {
    vec3 L = frame * unit(vec3(-m.y, 0.0, 1.0));
    return fresnel_dielectric(clamp(dot(V, unit(V + L)), 0.0, 1.0), eta);
}

#if SUBSURFACE == 2
float shape_beyond = 0.0;  // of the shape that was asked for last: what would reach the far side of the base
#endif

// Light of radiance 1 from a shape, as diffuse and specular parts.
void shade_shape(Closure c, Shape h, out vec3 diffuse, out vec3 specular) {
    float narrow = narrowest(c);
    // how far the nearest of the light is from the peak, as the half vector sees it
    vec3 H = unit(c.V + h.towards);
    float sine2 = 1.0 - square(dot(c.N, H));
    if (RICH && c.w_coat > 0.0) sine2 = min(sine2, 1.0 - square(dot(c.coat_N, H)));  // a coat may have its own normal
    float off = max(sqrt(max(sine2, 0.0)) - 0.5 * h.extent, 0.0);
    float large = smoothstep(NEAR_EXTENT, 2.0 * NEAR_EXTENT, h.extent / narrow);
    float peak = large * smoothstep(0.2, 0.5, 0.26 * h.extent * inversesqrt(narrow * narrow + off * off));
    // a cosine is a likeness of a lobe, of a stretched one a poor one. The points of a view at rest, others in every
    // sample, are exact together for lobes that are not too narrow beside the light; the first samples are spared the sight of them
    bool stretched = RICH && c.alpha.y < 0.8 * c.alpha.x;
    if (still_turn >= POINTS_FROM && narrow > (stretched || h.row >= 0 ? 0.03 : 0.12) * h.extent) peak = 0.0;
    vec3 through = vec3(0.0);  // from behind, where cosines know nothing
    diffuse = specular = vec3(0.0);
    float sampled = 0.0;
#if SUBSURFACE == 2
    shape_beyond = 0.0;
#endif
    int count = large > 0.0 ? SHAPE_POINTS : 1;
#ifdef SHAPED
    int filters = h.row >= 0 ? 1 : 0;  // loops, because software rasterisers leave those out and run branches
    if (filters > 0 && still_turn > 0 && h.extent > SHAPED_EXTENT) count = SHAPE_POINTS;
#endif
    for (int k = 0; k < count; k++) {
        float seen = h.seen;
        vec3 L = h.towards;
        if (count > 1) L = shape_point(h, k, count, seen);
        vec3 soft, shiny;
        evaluate(c, L, soft, shiny);
#if SUBSURFACE == 2
        shape_beyond += beyond_towards * seen;
#endif
#ifdef SHAPED
        for (int f = 0; f < filters; f++) {
            vec3 kept = filtered(h, L);
            soft *= kept;
            shiny *= kept;
        }
#endif
        diffuse += soft * seen;
        if (dot(c.Ng, L) > 0.0) sampled += max(dot(c.N, L), 0.0) * seen;
        if (dot(c.N, L) < 0.0) through += shiny * seen;
        else specular += shiny * seen;
    }
    specular += through;
    Walk w = walk_shape(c, h, large > 0.0);
    if (large <= 0.0) return;

    // the points say how the surface scatters what arrives, the polygon how much that is
    float lux = 0.5 * w.cosine.z;
    vec3 soft = sampled > 1e-9 ? diffuse * (lux / sampled) : c.diffuse * lux, shiny = vec3(0.0), L;
#ifdef SHAPED
    filters = peak > 0.0 ? filters : 0;
#endif
    if (GLOSSY) {
        float share = lobe_share(w.ltc, w.frame, w.base, L);
        vec3 dielectric, metal, reflected, refracted;
        interface_at(c, clamp(dot(c.V, unit(c.V + L)), 0.0, 1.0), dielectric, metal);
        if (c.gloss_share > 0.0) {
            float whole = max(whole_fresnel(w.ltc, w.frame, c.V, c.eta) * c.mirror, 1e-6);
            dielectric *= mix(1.0, c.gloss_share / whole, share);
        }
        split_base(c, dielectric, metal, reflected, refracted);
        shiny = reflected * (share * c.mirror);
#ifdef SECOND_LOBE
        vec3 L2;
        float share2 = lobe_share(w.second_ltc, w.frame, w.second, L2);
        float fresnel2 = fresnel_dielectric(clamp(dot(c.V, unit(c.V + L2)), 0.0, 1.0), c.eta);
        if (c.gloss_share > 0.0) {
            float whole2 = max(whole_fresnel(w.second_ltc, w.frame, c.V, c.eta) * c.second_mirror, 1e-6);
            fresnel2 *= mix(1.0, c.gloss_share / whole2, share2);
        }
        shiny += c.s.second_weight * c.w_gloss * (fresnel2 * share2 * c.second_mirror - dielectric * share * c.mirror);
#endif
        if (RICH && c.s.coat_weight > 0.0 && !c.inside) shiny *= coat_pass(c.s, clamp(dot(c.N, L), 0.0, 1.0));
#ifdef SHAPED
        for (int f = 0; f < filters; f++) shiny *= filtered(h, L);
#endif
    }
    if (RICH && c.w_coat > 0.0) {
        float share = lobe_share(w.coat_ltc, w.coat_frame, w.coat, L);
        float fresnel = fresnel_dielectric(clamp(dot(c.V, unit(c.V + L)), 0.0, 1.0), c.s.coat_ior);
        float whole = max(whole_fresnel(w.coat_ltc, w.coat_frame, c.V, c.s.coat_ior) * c.coat_mirror, 1e-6);
        vec3 coat = vec3(c.w_coat * fresnel * mix(1.0, c.coat_share / whole, share) * share * c.coat_mirror);
#ifdef SHAPED
        for (int f = 0; f < filters; f++) coat *= filtered(h, L);
#endif
        shiny += coat;
    }
    diffuse = mix(diffuse, soft, large);
    specular = mix(specular, shiny + through, peak);
}
