// Ambient occlusion from depth: the part of the cosine-weighted sky above each pixel that its neighbours leave open, by
// horizons along slices (Jimenez et al., "Practical realtime strategies for accurate indirect occlusion", 2016).
uniform sampler2D depth_map;
uniform vec4 unproject;         // clip x, y at depth 1 -> view x, y: scale, shift
uniform vec3 pixels_per_metre;  // at depth 1; whether the view is orthographic; -
uniform vec2 depth_terms;       // window depth -> depth ahead
uniform float reach;            // metres
uniform float turn;             // another noise for each sample
out float f_open;

const int SLICES_ = 3, STEPS = 6;

float ahead(ivec2 at) {
    float z = texelFetch(depth_map, at, 0).r;
    return pixels_per_metre.y > 0.5 ? z * depth_terms.x + depth_terms.y : depth_terms.x / (depth_terms.y - z);
}

vec3 view_at(ivec2 at, ivec2 size) {
    float depth = ahead(at);
    vec2 clip = (vec2(at) + 0.5) / vec2(size) * 2.0 - 1.0;
    vec2 xy = clip * unproject.xy + unproject.zw;
    return vec3(pixels_per_metre.y > 0.5 ? xy : xy * depth, -depth);
}

// Towards the nearer of both neighbours, so that normals do not mix two surfaces.
vec3 slope(ivec2 at, ivec2 step_, vec3 here, ivec2 size) {
    if (any(lessThan(at - step_, ivec2(0)))) return view_at(at + step_, size) - here;
    if (any(greaterThanEqual(at + step_, size))) return here - view_at(at - step_, size);
    vec3 before = here - view_at(at - step_, size), after = view_at(at + step_, size) - here;
    return abs(after.z) < abs(before.z) ? after : before;
}

void main() {
    ivec2 size = textureSize(depth_map, 0), at = ivec2(gl_FragCoord.xy), last = size - 1;
    f_open = 1.0;
    if (texelFetch(depth_map, at, 0).r >= 1.0) return;
    vec3 p = view_at(at, size);
    vec3 n = normalize(cross(slope(at, ivec2(1, 0), p, size), slope(at, ivec2(0, 1), p, size)));
    vec3 v = pixels_per_metre.y > 0.5 ? vec3(0.0, 0.0, 1.0) : normalize(-p);
    float radius = reach * pixels_per_metre.x / (pixels_per_metre.y > 0.5 ? 1.0 : -p.z);
    radius = min(radius, 0.25 * float(size.y));
    if (radius < 1.0) return;
    float noise = fract(52.9829189 * fract(dot(gl_FragCoord.xy + 5.588238 * turn, vec2(0.06711056, 0.00583715))));
    float start = fract(noise * 7.31 + turn * 0.61803399);
    float open_ = 0.0;
    for (int s = 0; s < SLICES_; s++) {
        float phi = (float(s) + noise) * 3.14159265 / float(SLICES_);
        vec2 along = vec2(cos(phi), sin(phi));
        vec3 direction = vec3(along, 0.0);
        vec3 flat_ = direction - v * dot(direction, v), axis = cross(flat_, v);
        vec3 m = n - axis * (dot(n, axis) / max(dot(axis, axis), 1e-9));
        float length_ = length(m);
        float gamma = sign(dot(flat_, m)) * acos(clamp(dot(m, v) / max(length_, 1e-6), -1.0, 1.0));
        vec2 horizon = vec2(-1.0);
        for (int k = 0; k < STEPS; k++) {
            float t = (float(k) + start) / float(STEPS);
            vec2 away = along * (1.0 + t * t * radius);
            for (int side = 0; side < 2; side++) {
                ivec2 there = at + ivec2(round(side == 0 ? away : -away));
                if (any(lessThan(there, ivec2(0))) || any(greaterThan(there, last))) continue;
                vec3 d = view_at(there, size) - p;
                float far2 = dot(d, d);
                float fade = clamp(2.0 - 2.0 * far2 / (reach * reach), 0.0, 1.0);
                float c = mix(-1.0, dot(d, v) * inversesqrt(max(far2, 1e-12)), fade);
                horizon[side] = max(horizon[side], c);
            }
        }
        float h1 = gamma + min(acos(horizon.x) - gamma, 1.5707963);
        float h0 = gamma + max(-acos(horizon.y) - gamma, -1.5707963);
        float arc = 0.25 * (-cos(2.0 * h1 - gamma) + cos(gamma) + 2.0 * h1 * sin(gamma))
            + 0.25 * (-cos(2.0 * h0 - gamma) + cos(gamma) + 2.0 * h0 * sin(gamma));
        open_ += length_ * arc;
    }
    f_open = clamp(open_ / float(SLICES_), 0.0, 1.0);
}
