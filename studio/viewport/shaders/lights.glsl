// Every kind of light, in the units of studio/scene/photometry.py: what a light sends to a point of a surface.
//
//     shade_point(c, P, position, candela)   a plain point light without gains, the path for hundreds of them
//     shade_light(c, P, row)                 any row of FlatScene.lights, domes and meshes too
//     shade_afar(c, P, row, near)            the same for a light that is small beside the lobe, else `near` is true and
//                                            shade_light has to be asked
//
// A renderer walks over its lights with shade_afar first and over those that were near with shade_light after that: one
// texel row and one evaluation for most lights, and a software rasteriser, which runs what a branch leaves out, meets
// the long form only where it is needed. Where one form ends the other begins with the same value.
//
// `lighting_table` holds what the rows themselves do not say and `studio/viewport/lighting.py` works out: the mean of a
// light's picture (which an area light shines with while a view moves), the patches of a mesh light, where pictures and
// profiles lie and which suns were cut out of a dome's. What shapes a light by direction is in shaping.glsl; where light
// comes from many points of a lamp, each is shaped by its own direction. Programs for scenes with such lights are made
// with SHAPED; others shall not pay for it. There are no shadows here.

#include "generated.glsl"
#include "surface.glsl"
#include "ltc.glsl"

const uint LIGHT_IN_REFLECTIONS = 2u, LIGHT_CASTS_SHADOWS = 4u, LIGHT_TWO_SIDED = 8u;  // flags of LIGHT
const int ROUND_CORNERS = 16, SHARP_CORNERS = 28;  // of round shapes, for broad and for narrow lobes

#include "ibl.glsl"

vec3 shade_point(Closure c, vec3 P, vec3 position, vec3 candela) {
    vec3 d = position - P;
    float inverse = inversesqrt(max(dot(d, d), 1e-12));
    vec3 L = d * inverse;
    if (RICH) {
        vec3 diffuse, specular;
        evaluate(c, L, diffuse, specular);
#if SUBSURFACE == 2
        below_light = candela * (inverse * inverse) * diffuse;
        beyond_light = candela * (inverse * inverse * beyond_towards);
        diffuse = vec3(0.0);
#endif
        return candela * (inverse * inverse) * (diffuse + specular);
    }
    float nl = dot(c.N, L);
    // from below either normal nothing arrives
    float lit = min(nl, dot(c.Ng, L)) > 1e-7 ? inverse * inverse : 0.0;
    nl = max(nl, 1e-7);
    vec3 value = c.diffuse * nl;
#if SUBSURFACE == 2
    float away = max(max(dot(c.N, L), dot(c.Ng, L)), -1.0);
    below_light = candela * lit * value;
    beyond_light = away < 0.0 ? candela * (inverse * inverse * -dot(c.N, L) * (1.0 / PI)) : vec3(0.0);
    value = vec3(0.0);
#endif
    if (GLOSSY) value += glossy_towards(c, L, nl);
    return candela * lit * value;
}

int corners_of(Closure c) { return narrowest(c) > 0.15 ? ROUND_CORNERS : SHARP_CORNERS; }

Shape flat_shape(vec3 q, vec3 a, vec3 b, int n, float phase, float area, float reach) {
    Shape h;
    float d2 = max(dot(q, q), 1e-12);
    h.q = q; h.a = a; h.b = b; h.n = n; h.phase = phase;
    h.half_axis = vec3(0.0);
    h.arc = 0.0;
    h.row = -1;
    h.towards = q * inversesqrt(d2);
    h.seen = area * abs(dot(h.towards, unit(cross(a, b)))) / d2;
    h.extent = reach * inversesqrt(d2);
    return h;
}

// A round cap of the sky around `towards` (unit) whose half angle has this sine and cosine.
Shape cap_shape(vec3 towards, float sine, float cosine, int n) {
    vec3 x, y;
    frame_around(towards, x, y);
    float radius = sine / max(cosine, 1e-3) * even_area(n);
    Shape h = flat_shape(towards, x * radius, y * radius, n, 0.0, PI * sine * sine, sine);
    h.seen = PI * sine * sine;
    return h;
}

Shape rectangle_shape(vec3 q, vec3 x, vec3 y, vec2 size) {
    // corners of a square lie at odd multiples of 45 degrees, sqrt(2) out; -y, so that the front is -z
    float out_ = 0.70710678;
    return flat_shape(q, x * size.x * out_, -y * size.y * out_, 4, 0.25 * PI, size.x * size.y, 0.5 * length(size));
}

// A tube along x without caps, from outside: the corners run over the near arcs of its ends, where tangents meet it.
Shape tube_shape(vec3 q, vec3 x, vec2 size) {
    Shape h;
    vec3 across = q - x * dot(q, x);
    float away = max(length(across), size.x * 1.0001);
    vec3 near = -unit(across);
    h.q = q; h.a = near * size.x; h.b = cross(x, near) * size.x;
    h.half_axis = x * (0.5 * size.y);
    h.arc = acos(clamp(size.x / away, 0.0, 1.0));
    h.n = 12;
    h.phase = 0.0;
    h.row = -1;
    float d2 = max(dot(q, q), 1e-12);
    h.towards = q * inversesqrt(d2);
    float along = dot(h.towards, x);
    h.seen = 2.0 * size.x * size.y * sqrt(max(1.0 - along * along, 0.0)) / d2;
    h.extent = length(vec2(size.x, 0.5 * size.y)) * inversesqrt(d2);
    return h;
}

// What stands in row `row`: a polygon or a blob of a mesh light, the latter with the area that it shows to each side, or
// a sun of a dome whose turn is `frame`.
Shape patch_shape(vec3 P, int row, int n, mat3 frame, out bool there, out vec3 tint) {
    vec4 t0 = lighting_at(row, 0), t1 = lighting_at(row, 1), t2 = lighting_at(row, 2), t3 = lighting_at(row, 3);
    vec3 q = t0.xyz - P;
    tint = t3.rgb;
    if (t0.w > 0.0) {
        vec3 normal = cross(t1.xyz, t2.xyz);
        there = t1.w > 1.5 || dot(normal, q) < 0.0;
        // a regular polygon of n corners in the circle of a and b
        float area = 0.5 * t0.w * sin(2.0 * PI / t0.w) * length(normal);
        return flat_shape(q, t1.xyz, t2.xyz, int(t0.w), t2.w, area, max(length(t1.xyz), length(t2.xyz)));
    }
    if (t0.w < 0.0) {
        there = true;
        return cap_shape(frame * t0.xyz, t1.w, sqrt(max(1.0 - t1.w * t1.w, 0.0)), n);
    }
    vec3 d = -unit(q);
    float shown = max(t1.w + dot(t1.xyz, d) + t2.x * (d.x * d.x - d.z * d.z) + t2.y * (d.y * d.y - d.z * d.z)
        + t2.z * d.x * d.y + t2.w * d.x * d.z + t3.w * d.y * d.z, 0.0);
    there = shown > 0.0;
    float sine2 = min(shown / (PI * max(dot(q, q), 1e-12)), 0.998);
    return cap_shape(-d, sqrt(sine2), sqrt(1.0 - sine2), n);
}

vec3 shade_afar(Closure c, vec3 P, int row, out bool near) {
    vec4 t0 = lighting_at(2 * row + 1, 0), t1 = lighting_at(2 * row + 1, 1);
    vec4 t2 = lighting_at(2 * row + 1, 2), t3 = lighting_at(2 * row + 1, 3);
    vec3 q = t0.xyz - P;
    float d2 = max(dot(q, q), 1e-12), inverse = inversesqrt(d2);
    vec3 L = q * inverse, d = -L;
    float shown = t1.w + dot(t1.xyz, d) + t2.x * (d.x * d.x - d.z * d.z) + t2.y * (d.y * d.y - d.z * d.z)
        + t2.z * d.x * d.y + t2.w * d.x * d.z + t3.w * d.y * d.z;
    float cone = clamp((dot(t1.xyz, d) - t2.x) * t2.y, 0.0, 1.0);
    // -1 and -1.5 are spots, with gains in the last two of t2, -2 has no such form, from -4 down the reach of what is
    // shaped
    bool sized = t0.w <= -4.0, shaped = sized || t0.w == -1.5, spot = !sized && t0.w < -0.5;
    float extent = (sized ? -4.0 - t0.w : t0.w) * inverse;
    shown = spot ? cone * cone : max(shown, 0.0);
    near = t0.w == -2.0 || (!spot && extent > (sized && still_turn > 0 ? SHAPED_EXTENT : NEAR_EXTENT * narrowest(c)));
    vec3 seen = vec3(near ? 0.0 : shown * inverse * inverse);
#ifdef SHAPED
    int shapes = shaped && !near && shown > 0.0 ? 1 : 0;  // a loop, because software rasterisers run all branches
    for (int k = 0; k < shapes; k++) seen *= shaped_towards(row, L);
#endif
    vec3 diffuse, specular;
    evaluate(c, L, diffuse, specular);
    vec2 gain = spot ? t2.zw : vec2(1.0);
#if SUBSURFACE == 2
    below_light = t3.rgb * seen * diffuse * gain.x;
    beyond_light = t3.rgb * seen * (beyond_towards * gain.x);
    beyond_facing = beyond_towards;
    diffuse = vec3(0.0);
#endif
    return t3.rgb * seen * (diffuse * gain.x + specular * gain.y);
}

#ifdef SHADOWS
vec3 sun_arrives(int sun, vec3 P, vec3 Ng);  // shadows.glsl
#endif

vec3 shade_light(Closure c, vec3 P, int row) {
    Light light = fetch_light(row);
    vec4 own = lighting_at(2 * row, 0), more = lighting_at(2 * row, 1);
    vec3 x = light.open[0], y = light.open[1], z = light.open[2];
    vec3 q = light.open[3] - P;
    vec3 radiance = light.emission * own.rgb;
    vec2 gain = light.gain;
    if ((light.flags & LIGHT_IN_REFLECTIONS) == 0u) gain.y = 0.0;
    int round_ = corners_of(c);

    // points and spots: all from one direction
    float d2 = max(dot(q, q), 1e-12);
    vec3 L = q * inversesqrt(d2);
    float cosine = dot(L, z);
    float cone = clamp((cosine - light.cone.y) / max(light.cone.x - light.cone.y, 1e-6), 0.0, 1.0);
    float narrow = (light.kind == KIND_SPOT ? cone * cone : 1.0) / d2;

    // what has a size, one shape at a time
    int shapes = light.kind >= KIND_DOME ? int(more.x) : 1;
    vec3 sum = vec3(0.0);
#if SUBSURFACE == 2
    below_light = beyond_light = vec3(0.0);
#endif
    for (int k = 0; k < shapes; k++) {
        Shape h = cap_shape(z, 0.0, 1.0, round_);
        bool there = true;
        vec3 tint = vec3(1.0);
        if (light.kind <= KIND_SPOT) {
            h.towards = L;
            h.seen = narrow;
        } else if (light.kind == KIND_RECTANGLE || light.kind == KIND_DISK) {
            vec2 reach = light.size.xx * even_area(round_);
            h = light.kind == KIND_RECTANGLE
                ? rectangle_shape(q, x, y, light.size)
                : flat_shape(q, x * reach.x, -y * reach.y, round_, 0.0, PI * light.size.x * light.size.x, light.size.x);
            there = (light.flags & LIGHT_TWO_SIDED) != 0u || dot(q, z) > 0.0;
        } else if (light.kind == KIND_SPHERE) {
            float sine2 = light.size.x * light.size.x / d2;
            there = sine2 < 1.0;
            sine2 = min(sine2, 0.999999);
            h = cap_shape(L, sqrt(sine2), sqrt(1.0 - sine2), round_);
        } else if (light.kind == KIND_CYLINDER) {
            vec3 beside = q - x * dot(q, x);
            there = dot(beside, beside) > light.size.x * light.size.x;
            h = tube_shape(q, x, light.size);
        } else if (light.kind == KIND_DISTANT) {
            // lux at normal incidence: the point form has them as they are, the cap as radiance
            float half_ = 0.5 * clamp(light.size.x, 0.0, PI), sine = sin(half_);
            h = cap_shape(z, sine, cos(half_), round_);
            tint = vec3(1.0 / max(h.seen, 1e-12));
            if (sine < 1e-6) h.seen = 1e-12;
        } else {
            h = patch_shape(P, int(own.w) + k, round_, mat3(x, y, z), there, tint);
        }
        if (dot(h.q, h.q) < 1e-12) there = false;
        h.row = more.z > 0.5 || (more.w > 0.5 && still_turn > 0) ? row : -1;
        vec3 diffuse, specular;
        shade_shape(c, h, diffuse, specular);
#ifdef SHADOWS
        if (light.kind == KIND_DOME) tint *= sun_arrives(k, P, c.Ng);
#endif
#if SUBSURFACE == 2
        if (there) {
            below_light += radiance * tint * diffuse * gain.x;
            beyond_light += radiance * tint * (shape_beyond * gain.x);
            beyond_facing = max(-dot(c.N, h.towards), 0.1) * (1.0 / PI);
        }
        diffuse = vec3(0.0);
#endif
        if (there) sum += tint * (diffuse * gain.x + specular * gain.y);
    }
    sum *= radiance;
    int domes = light.kind == KIND_DOME ? 1 : 0;
    for (int k = 0; k < domes; k++) {
        vec3 diffuse, specular;
        dome_parts(c, row, mat3(x, y, z), diffuse, specular);
#if SUBSURFACE == 2
        below_light += light.emission * diffuse * gain.x;
        diffuse = vec3(0.0);
#endif
        sum += light.emission * (diffuse * gain.x + specular * gain.y);
    }
    return sum;
}
