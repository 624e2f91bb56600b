// The surface at a fragment: its material with textures applied, as studio/render/tracer/hit.py does it.
// SURFACE_FAMILY says how much of the model is needed (0 matte, 1 glossy, 2 full), TEXTURED whether there are slots: what a
// family leaves out is a constant here, and the compiler takes everything away that follows from it.
#include "generated.glsl"
#include "images.glsl"
#include "surface.glsl"

in vec3 v_position;
in vec3 v_normal;
in vec4 v_tangent;
in vec4 v_uv;
in vec4 v_color;
flat in uvec4 v_row;
flat in float v_mirror;

uniform sampler2D slots_table;
uniform vec3 eye;
uniform vec3 forward;      // where the camera looks; for orthographic views
uniform bool orthographic;

const int SLOT_TEXELS = 6;

struct Slot {
    vec4 head;    // target, image, uv set, channel
    vec4 wrap;    // wrap u, wrap v, filter, colour space
    vec4 scale;   // gain, bias, first two of the matrix
    vec4 matrix_;
    vec4 place;
    vec2 size;
};

Slot fetch_slot(int row) {
    ivec2 at = ivec2((row % PER_LINE) * SLOT_TEXELS, row / PER_LINE);
    Slot s;
    s.head = texelFetch(slots_table, at, 0);
    s.wrap = texelFetch(slots_table, at + ivec2(1, 0), 0);
    s.scale = texelFetch(slots_table, at + ivec2(2, 0), 0);
    s.matrix_ = texelFetch(slots_table, at + ivec2(3, 0), 0);
    s.place = texelFetch(slots_table, at + ivec2(4, 0), 0);
    s.size = texelFetch(slots_table, at + ivec2(5, 0), 0).xy;
    return s;
}

// The slot at coordinates moved by `shift`: the texel, its channel chosen, times gain plus bias.
vec4 slot_value(Slot s, vec4 uvs, vec4 dx, vec4 dy, float shift_u, float shift_v) {
    bool second = s.head.z > 0.5;
    mat2 turn = mat2(s.scale.z, s.matrix_.y, s.scale.w, s.matrix_.z);
    vec2 offset = vec2(s.matrix_.x, s.matrix_.w);
    vec2 uv = (second ? uvs.zw : uvs.xy) + vec2(shift_u, shift_v);
    vec4 value = vec4(1.0, 0.0, 1.0, 1.0);
    bool missing = s.place.x < 0.0;
    if (!missing) {
        value = image_at(s.place, s.size, turn * uv + offset, turn * (second ? dx.zw : dx.xy),
                         turn * (second ? dy.zw : dy.xy), ivec2(s.wrap.xy), s.wrap.z > 0.5);
    }
    int channel = int(s.head.w);
    float gain = s.scale.x, bias = s.scale.y;
    if (channel < 4) {
        float scalar = channel == 0 ? value.x : channel == 1 ? value.y : channel == 2 ? value.z : value.w;
        return missing ? vec4(1.0) : vec4(scalar * gain + bias);
    }
    return missing ? value : vec4(value.xyz * gain + bias, value.w);
}

bool seen_from_front() { return gl_FrontFacing == (v_mirror > 0.0); }

// From the surface towards the eye.
vec3 towards_eye() { return orthographic ? -forward : normalize(-v_position); }

// Opacity after textures, vertex colours and the alpha mode.
float opacity_of(Material m, vec4 dx, vec4 dy) {
    float alpha = m.geometry_opacity * v_color.a;
#if TEXTURED
    for (int k = int(m.slot_start), end = int(m.slot_start) + int(m.slot_count); k < end; k++) {
        Slot slot = fetch_slot(k);
        if (int(slot.head.x) == SLOT_GEOMETRY_OPACITY) alpha *= slot_value(slot, v_uv, dx, dy, 0.0, 0.0).x;
    }
#endif
    if (m.alpha_mode == 0.0) return 1.0;
    if (m.alpha_mode == 1.0) return alpha >= m.alpha_cutoff ? 1.0 : 0.0;
    return clamp(alpha, 0.0, 1.0);
}

// Where light arrives at what is seen here, relative to the eye. fetch_surface sets it: before a cornea it is not here.
vec3 lit_place;

#ifdef EYE
#include "eye.glsl"
#endif

void bend(inout Surface s, vec3 q, inout float hand) {
    s.N = normalize(s.T * q.x + s.B * q.y + s.N * max(q.z, 1e-3));
    vec3 t = s.T - s.N * dot(s.N, s.T);
    s.T = dot(t, t) > 1e-20 ? normalize(t) : s.T;
    vec3 b = cross(s.N, s.T);
    s.B = dot(s.B, b) >= 0.0 ? b : -b;
}

// How far the map of a slot shows: all of it, or as far as wrinkles do.
float wrinkle_of(Material m, int target) {
    if (target < SLOT_WRINKLE_1_NORMAL) return 1.0;
    int which = (target - SLOT_WRINKLE_1_NORMAL) % 3;
    return which == 0 ? m.wrinkle_1 : which == 1 ? m.wrinkle_2 : m.wrinkle_3;
}

// Everything of the surface here; `back` says whether its emission is on the other side.
Surface fetch_surface(out Material m, out bool back) {
    vec3 dpx = dFdx(v_position), dpy = dFdy(v_position);
    vec4 dx = dFdx(v_uv), dy = dFdy(v_uv);
    m = fetch_material(int(v_row.y));
    Surface s = no_surface();
    s.base_color = m.base_color * v_color.rgb;
    s.emission = m.emission;
    s.unlit = m.unlit > 0.5;
    s.specular_weight = 0.0;
#if SURFACE_FAMILY >= 1
    s.metalness = m.base_metalness;
    s.specular_weight = m.specular_weight;
    s.specular_color = m.specular_color;
    s.roughness = m.specular_roughness;
    s.ior = m.specular_ior;
#endif
#if SURFACE_FAMILY >= 2
    s.diffuse_roughness = m.base_diffuse_roughness;
    s.anisotropy = m.specular_roughness_anisotropy;
    s.rotation = m.specular_rotation;
    s.transmission_weight = m.transmission_weight;
    s.transmission_color = m.transmission_color;
    s.transmission_depth = m.transmission_depth;
    s.coat_weight = m.coat_weight;
    s.coat_color = m.coat_color;
    s.coat_roughness = m.coat_roughness;
    s.coat_anisotropy = m.coat_roughness_anisotropy;
    s.coat_ior = m.coat_ior;
    s.coat_darkening = m.coat_darkening;
    s.fuzz_weight = m.fuzz_weight;
    s.fuzz_color = m.fuzz_color;
    s.fuzz_roughness = m.fuzz_roughness;
    s.thin_film_weight = m.thin_film_weight;
    s.thin_film_thickness = m.thin_film_thickness;
    s.thin_film_ior = m.thin_film_ior;
    s.thin_walled = m.thin_walled > 0.5;
#endif
#if SUBSURFACE > 0
    s.subsurface_weight = m.thin_walled > 0.5 ? 0.0 : m.subsurface_weight;
    s.subsurface_color = m.subsurface_color;
    s.subsurface_radius = m.subsurface_radius;
#endif
#ifdef SECOND_LOBE
    s.second_weight = m.specular_second_weight;
    s.second_scale = m.specular_second_scale;
#endif
    s.opacity = m.alpha_mode == 0.0 ? 1.0 : m.geometry_opacity * v_color.a;

    bool front = seen_from_front();
    back = !front && m.double_sided < 0.5;
    vec3 ng = cross(dpx, dpy);
    float length2 = dot(ng, ng);
    ng = length2 > 0.0 ? ng * inversesqrt(length2) : normalize(v_normal);
    s.Ng = (dot(ng, towards_eye()) < 0.0) == front ? -ng : ng;
    length2 = dot(v_normal, v_normal);
    s.N = length2 > 1e-20 ? v_normal * inversesqrt(length2) : s.Ng;
    // along u of the texture, or as given
    float det = dx.x * dy.y - dx.y * dy.x;
    float hand = det < 0.0 ? -1.0 : 1.0;
    vec3 t = (dpx * dy.y - dpy * dx.y) * hand;
    hand = -hand;  // v runs down: an image that is not mirrored turns the other way than u and v do
    if (v_tangent.w != 0.0) {
        t = v_tangent.xyz;
        hand = v_tangent.w;
    }
    t -= s.N * dot(t, s.N);
    length2 = dot(t, t);
    if (length2 > 1e-24) {
        s.T = t * inversesqrt(length2);
        s.B = cross(s.N, s.T) * sign(hand);
    } else {
        frame_around(s.N, s.T, s.B);
    }
    s.coat_N = s.N;
    lit_place = v_position;
    vec4 uvs = v_uv;
#ifdef EYE
    Eye eyeball = look_into(m, s, towards_eye());
    wear_eye(eyeball, s);
    lit_place = eyeball.place;
    uvs = eyeball.uv.xyxy;
    dx = dFdx(uvs);
    dy = dFdy(uvs);
#endif
#if TEXTURED
    mat3 smooth_frame = mat3(s.T, s.B, s.N);
    for (int k = int(m.slot_start), end = int(m.slot_start) + int(m.slot_count); k < end; k++) {
        Slot slot = fetch_slot(k);
        int target = int(slot.head.x);
        float wrinkle = wrinkle_of(m, target);
        vec4 value = vec4(1.0);
        // a loop of one turn, or of none for wrinkles that are smooth: processors that rasterise jump over loops alone
        for (int turn = wrinkle > 0.0 ? 1 : 0; turn > 0; turn--) value = slot_value(slot, uvs, dx, dy, 0.0, 0.0);
        vec3 rgb = value.rgb;
        if (target == SLOT_BASE_COLOR) s.base_color *= rgb;
        else if (target == SLOT_EMISSION_COLOR) s.emission *= rgb;
        else if (target == SLOT_GEOMETRY_OPACITY) s.opacity *= m.alpha_mode == 0.0 ? 1.0 : value.x;
        else if (target == SLOT_GEOMETRY_NORMAL)
            bend(s, vec3((rgb.xy * 2.0 - 1.0) * m.normal_scale, rgb.z * 2.0 - 1.0), hand);
        else if (target == SLOT_BUMP) {
            const float step_ = 1.0 / 1024.0;
            float u = slot_value(slot, uvs, dx, dy, step_, 0.0).x, v = slot_value(slot, uvs, dx, dy, 0.0, step_).x;
            vec2 slope = (vec2(u, v) - value.x) / step_;
            bend(s, vec3(vec2(-slope.x, slope.y) * sign(m.bump_scale), 1.0 / max(abs(m.bump_scale), 1e-9)), hand);
        }
        else if (target >= SLOT_WRINKLE_1_COLOR) {
            vec3 tint = mix(vec3(1.0), rgb, wrinkle);
            s.base_color *= tint;
            s.subsurface_color *= tint;
        } else if (target >= SLOT_WRINKLE_1_NORMAL) {
            // laid over what bends the surface already, by how far it shows
            if (wrinkle > 0.0)
                bend(s, vec3((rgb.xy * 2.0 - 1.0) * (m.normal_scale * wrinkle), rgb.z * 2.0 - 1.0), hand);
        }
#if SUBSURFACE > 0
        else if (target == SLOT_SUBSURFACE_WEIGHT) s.subsurface_weight *= value.x;
        else if (target == SLOT_SUBSURFACE_COLOR) s.subsurface_color *= rgb;
#endif
#if SURFACE_FAMILY >= 1
        else if (target == SLOT_BASE_METALNESS) s.metalness *= value.x;
        else if (target == SLOT_SPECULAR_ROUGHNESS) s.roughness *= value.x;
        else if (target == SLOT_SPECULAR_WEIGHT) s.specular_weight *= value.x;
        else if (target == SLOT_SPECULAR_COLOR) s.specular_color *= rgb;
#endif
#if SURFACE_FAMILY >= 2
        else if (target == SLOT_SPECULAR_ROUGHNESS_ANISOTROPY) s.anisotropy *= value.x;
        else if (target == SLOT_SPECULAR_ROTATION) s.rotation += 6.283185307 * value.x;
        else if (target == SLOT_TRANSMISSION_WEIGHT) s.transmission_weight *= value.x;
        else if (target == SLOT_COAT_WEIGHT) s.coat_weight *= value.x;
        else if (target == SLOT_COAT_ROUGHNESS) s.coat_roughness *= value.x;
        else if (target == SLOT_COAT_COLOR) s.coat_color *= rgb;
        else if (target == SLOT_FUZZ_WEIGHT) s.fuzz_weight *= value.x;
        else if (target == SLOT_FUZZ_COLOR) s.fuzz_color *= rgb;
        else if (target == SLOT_FUZZ_ROUGHNESS) s.fuzz_roughness *= value.x;
        else if (target == SLOT_THIN_FILM_WEIGHT) s.thin_film_weight *= value.x;
        else if (target == SLOT_THIN_FILM_THICKNESS) s.thin_film_thickness *= value.x;
        else if (target == SLOT_GEOMETRY_COAT_NORMAL) {
            vec3 q = rgb * 2.0 - 1.0;
            s.coat_N = normalize(smooth_frame * vec3(q.xy, max(q.z, 1e-3)));
        }
#endif
    }
#endif
#ifdef EYE
    tint_eye(eyeball, m, s);
#endif
    if (m.alpha_mode == 1.0) s.opacity = s.opacity >= m.alpha_cutoff ? 1.0 : 0.0;
    if (s.unlit) {
        s.emission = s.base_color;
        back = false;
    }
    s.opacity = clamp(s.opacity, 0.0, 1.0);
    return s;
}
