// Light below a surface, for the pass that lights it (mesh_lit.frag with SUBSURFACE 2) and the one that spreads it
// (subsurface.frag): Burley's normalised diffusion (Christensen and Burley, "Approximate Reflectance Profiles for
// Efficient Subsurface Scattering", 2015). A profile of width d leaves A (e^(-r/d) + e^(-r/3d)) / (8 pi d r) of the
// light that arrives at distance r; in the plane that is a quarter of each exponential's weight and three.

// It is measured from surfaces that have no other side near; what comes through thin bodies is that of a slab under even
// light (Kubelka and Munk, "Ein Beitrag zur Optik der Farbanstriche", 1931), whose reflectance without a background and
// rate of extinction are the body's; it is within 8 % of random walks at colours from 0.2 to 0.8.

struct Below {
    vec3 width;  // of the profile in metres
    vec3 color;  // what a thick body under even light sends back
    vec3 rate;   // at which light fades on its way, per metre
    vec3 path;   // after which the direction is forgotten, in metres
};

// Of a mean free path in metres, the body's colour, and how much it scatters ahead (-1 .. 1). The rate is that of
// diffusion for the albedo of OpenPBR's inversion (see studio/render/tracer/walk.py), with its first correction.
Below below_of(vec3 free_path, vec3 color, float ahead) {
    Below b;
    vec3 x = color - 0.8;
    vec3 s = max(4.09712 + 4.20863 * color - sqrt(9.59217 + 41.6808 * color + 17.7126 * color * color), 0.0);
    vec3 path = max(free_path, 1e-7) * (1.0 - ahead * s * s) / (1.0 - ahead);
    b.path = path;
    b.width = path / (1.9 - color + 3.5 * x * x);
    b.color = clamp(color, 0.02, 0.998);
    b.rate = 1.7320508 * s * (1.0 - 0.4 * s * s) / path;
    return b;
}

// What a body sends back over what a plane would, by its mean curvature (per metre, above 0 where it bulges): light has
// less way to be absorbed on. Fitted to random walks in balls.
vec3 bent_albedo(Below b, float curvature) {
    return clamp(1.0 + 1.25 * sqrt(1.0 - b.color) * b.path * curvature, 0.7, 1.4);
}

// Light that comes through a slab of this thickness, over that which a thick body would send back.
vec3 slab_passes(Below b, float thickness) {
    vec3 y = exp(-b.rate * max(thickness, 0.0));
    vec3 dark = 1.0 - b.color;  // of little scattering two streams take too much
    vec3 kept = b.color * b.color;
    return y * (1.0 - 0.3 * dark * dark * dark) * (1.0 - kept) / (b.color * (1.0 - kept * y * y));
}

// Distance ahead of the eye and the object (7 bits, 0: nothing) in one number. What is left of the distance is exact to
// a part in 65,000.
float packed_place(float ahead, uint object) {
    uint bits = (floatBitsToUint(ahead) & ~127u) | (object % 127u + 1u);
    return uintBitsToFloat(bits);
}
uint object_of(float place) { return floatBitsToUint(place) & 127u; }
float ahead_of(float place) { return uintBitsToFloat(floatBitsToUint(place) & ~127u); }

vec2 folded(vec3 n) {
    n /= abs(n.x) + abs(n.y) + abs(n.z);
    vec2 turned = (1.0 - abs(n.yx)) * vec2(n.x >= 0.0 ? 1.0 : -1.0, n.y >= 0.0 ? 1.0 : -1.0);
    return n.z < 0.0 ? turned : n.xy;
}
vec3 unfolded(vec2 f) {
    vec3 n = vec3(f, 1.0 - abs(f.x) - abs(f.y));
    vec2 turned = (1.0 - abs(n.yx)) * vec2(n.x >= 0.0 ? 1.0 : -1.0, n.y >= 0.0 ? 1.0 : -1.0);
    n.xy = n.z < 0.0 ? turned : n.xy;
    return normalize(n);
}
