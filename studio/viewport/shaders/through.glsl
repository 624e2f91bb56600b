// Light that comes through glass, from the face that is seen to whatever lies beyond the thing.
//
// A solid thing of glass is taken for a ball of the curvature that the face has here, cut down to a slab where the ball
// would be thicker than the thing: the ray is bent as it goes in, crosses the chord, and is bent as it goes out. A ball
// is exact, a pane is exact, a vase is a likeness. What the ray then meets is looked for in the opaque picture; where it
// meets nothing, light from all around and from lamps is what a mirror would show that is turned to look along the ray,
// as rough as both faces together. So every light and every dome is seen through glass by the code that lights surfaces.
// Light that is thrown back inside and other things of glass are left out.

uniform sampler2D behind_map;  // behind.frag, with mipmaps
uniform mat4 turn_clip;
uniform float thickest;        // metres that a ray can go inside the thing

struct Beyond {
    vec3 weight;     // how much of what arrives is seen
    vec3 from;       // where the ray comes out, relative to the eye
    vec3 direction;
    float alpha;     // of the mirror
};

const int BEYOND_STEPS = 16;

// `curl` is the change of the normal and `stride` that of the place from this pixel to the next.
Beyond beyond(Closure c, vec3 position, float curl, float stride) {
    Beyond b;
    b.weight = passed(c);
    b.from = position;
    b.direction = -c.V;
    b.alpha = 0.0;
    if (c.s.thin_walled) return b;
    float even = sqrt(c.alpha.x * c.alpha.y), eta = c.inside ? 1.0 / c.eta : c.eta;
    vec3 bent = refract(-c.V, c.N, 1.0 / c.eta);
    if (dot(bent, bent) <= 0.0) {
        b.weight = vec3(0.0);
        return b;
    }
    // a rough face spreads light as its slopes are spread, at grazing angles the more
    float within = max(-dot(c.N, bent), 1e-3);
    b.alpha = min(0.72 * even * abs(eta - 1.0) * within / max(c.mu, 0.2), 0.5);
    if (c.inside) {
        b.direction = bent;
        return b;
    }
    float chord = 2.0 * within * stride / max(curl, 1e-5 * stride);
    float crossed = min(chord, thickest / within);
    vec3 round_ = c.N + 2.0 * within * bent;  // the far face of a ball, outward
    vec3 out_ = unit(mix(-c.N, round_, crossed / chord));
    vec3 gone = refract(bent, -out_, eta);
    b.direction = dot(gone, gone) > 0.0 ? unit(gone) : reflect(bent, out_);
    b.from = position + bent * crossed;
    vec3 tint = c.s.transmission_depth > 0.0
        ? pow(max(c.s.transmission_color, 1e-6), vec3(crossed / c.s.transmission_depth))
        : c.s.transmission_color;
    // what the far face throws back inside comes out elsewhere, after one more way; it is counted here
    b.weight *= tint * mix(vec3(1.0), tint, fresnel_dielectric(clamp(c.mu, 1e-4, 1.0), c.eta));
    return b;
}

// The surface of the mirror that shows what comes along the ray.
Surface mirror_of(Beyond b) {
    Surface s = no_surface();
    s.base_color = vec3(1.0);
    s.metalness = 1.0;
    s.roughness = sqrt(b.alpha);
    s.N = s.Ng = s.coat_N = b.direction;
    frame_around(s.N, s.T, s.B);
    return s;
}

// What of the opaque picture the ray meets; alpha 0 where it leaves the picture or meets nothing.
vec4 met(Beyond b, vec3 forward_) {
    vec2 size = vec2(textureSize(behind_map, 0));
    float first = max(0.02 * dot(b.from, forward_), 1e-4), way = 0.0;
    float before = dot(b.from, forward_);
    for (int k = 0; k < BEYOND_STEPS; k++) {
        way = way * 1.4 + first;
        vec3 at = b.from + b.direction * way;
        vec4 clip = turn_clip * vec4(at, 1.0);
        vec2 uv = clip.xy / max(clip.w, 1e-6) * 0.5 + 0.5;
        float ahead = dot(at, forward_);
        if (clip.w <= 0.0 || any(lessThan(uv, vec2(0.0))) || any(greaterThan(uv, vec2(1.0)))) return vec4(0.0);
        float there = textureLod(behind_map, uv, 0.0).a;
        if (there > 0.0) {
            float depth = 1.0 / there, slack = 0.5 * abs(ahead - before) + 0.01 * depth;
            if (depth <= max(ahead, before) && depth >= min(ahead, before) - slack) {
                // as wide as the lobe is by then, in pixels
                float wide = 2.0 * b.alpha * way / max(ahead, 1e-6) * size.y;
                vec4 seen = textureLod(behind_map, uv, log2(max(wide, 1.0)));
                return vec4(seen.rgb, 1.0);
            }
        }
        before = ahead;
    }
    return vec4(0.0);
}
