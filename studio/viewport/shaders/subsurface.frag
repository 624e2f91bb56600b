// Spreads the light below surfaces: every pixel gathers what arrived around it on the plane of its surface, at places
// drawn by the widest channel's profile (Golubev, "Sampling Burley's Normalized Diffusion Profiles", 2019), each channel
// weighed by its own. Only what belongs to the same object counts, as far away as it truly is; what is missing is made
// good for by what was found. A profile that is narrower than a pixel finds the pixel itself: plain diffuse light.
//
// Software rasterisers leave loops alone, so pixels without such a surface cost the look at one texel.
#include "subsurface.glsl"

uniform sampler2D below_map;    // light that reaches the base, place
uniform sampler2D weight_map;   // what it is multiplied by where it comes out, first of the normal
uniform sampler2D profile_map;  // widths of profiles in millimetres, second of the normal
uniform vec4 unproject;         // clip x, y at depth 1 -> view x, y: scale, shift
uniform vec3 pixels_per_metre;  // at depth 1; whether the view is orthographic; -
uniform mat3 view_turn;         // world -> view, whose z points towards the eye
uniform vec2 draws[TAPS];       // distance over width, 1 over the profile's density there; both without d
uniform float turn;             // another rotation for each sample of a view at rest
out vec4 f_color;

const float GOLDEN = 2.39996323;
const float BOUNCE_REACH = 120.0;  // in widths of the profile: as far as folds of skin light each other

vec3 view_at(vec2 at, float ahead, vec2 size) {
    vec2 xy = (at / size * 2.0 - 1.0) * unproject.xy + unproject.zw;
    return vec3(pixels_per_metre.y > 0.5 ? xy : xy * ahead, -ahead);
}

vec2 pixel_of(vec3 p, vec2 size) {
    vec2 xy = pixels_per_metre.y > 0.5 ? p.xy : p.xy / max(-p.z, 1e-9);
    return ((xy - unproject.zw) / unproject.xy * 0.5 + 0.5) * size;
}

void main() {
    ivec2 at = ivec2(gl_FragCoord.xy);
    vec4 here = texelFetch(below_map, at, 0);
    uint object = object_of(here.a);
    vec3 sum = vec3(0.0), weights = vec3(0.0);
    vec4 shown = vec4(0.0);
    for (int once = object != 0u ? 1 : 0; once > 0; once--) {
        vec4 weight = texelFetch(weight_map, at, 0), profile = texelFetch(profile_map, at, 0);
        vec2 size = vec2(textureSize(below_map, 0));
        vec3 width = max(profile.rgb * 1e-3, 1e-9);
        float widest = max(width.r, max(width.g, width.b)), ahead = ahead_of(here.a);
        vec3 p = view_at(vec2(at) + 0.5, ahead, size);
        vec3 n = view_turn * unfolded(vec2(weight.a, profile.a));
        float turned = 1.0 / max(1.0 + n.z, 1e-3);
        vec3 x = n.z < -0.999 ? vec3(0.0, -1.0, 0.0) : vec3(1.0 - n.x * n.x * turned, -n.x * n.y * turned, -n.x);
        vec3 y = cross(n, x);
        float noise = 52.9829189 * fract(dot(gl_FragCoord.xy, vec2(0.06711056, 0.00583715)));
        noise = fract(noise + turn * 0.61803399);
        float angle = 6.283185307 * noise;
        // less than half a pixel: there is nothing to gather
        float depth = pixels_per_metre.y > 0.5 ? 1.0 : max(ahead, 1e-6);
        float reach = draws[TAPS - 1].x * widest * pixels_per_metre.x / depth;
        for (int k = reach > 0.5 ? 0 : TAPS; k < TAPS; k++) {
            float r = draws[k].x * widest;
            angle += GOLDEN;
            vec3 q = p + (x * cos(angle) + y * sin(angle)) * r;
            vec2 there = pixel_of(q, size);
            if (any(lessThan(there, vec2(0.0))) || any(greaterThanEqual(there, size))) continue;
            vec4 found = texelFetch(below_map, ivec2(there), 0);
            float deeper = ivec2(there) == at ? 0.0 : ahead_of(found.a) + q.z;
            float far = sqrt(r * r + deeper * deeper);
            vec3 e = exp(-far / (3.0 * width));
            vec3 w = (e * e * e + e) / (width * far) * (widest * r * draws[k].y);
            w = object_of(found.a) == object ? w : vec3(0.0);
            sum += w * found.rgb;
            weights += w;
        }
        vec3 gathered = mix(here.rgb, sum / max(weights, 1e-12), greaterThan(weights, vec3(1e-4)));
        // light that such surfaces throw on each other, as far as both are seen: under the brow, beside the nose. As many
        // places at every scale, for in the bowl of an ear all of it comes from nearby; what is thrown is thrown on once
        // more and so on, as if the places around saw as much of each other
        float far = min(BOUNCE_REACH * widest, 0.25 * size.y * depth / pixels_per_metre.x);
        float nearest = min(depth / pixels_per_metre.x, 0.5 * far), spread = log(far / nearest);
        vec3 thrown = vec3(0.0), kept = vec3(0.0);
        for (int k = 0; k < TAPS / 2; k++) {
            float r = nearest * exp(spread * fract((float(k) + noise) * (2.0 / float(TAPS))));
            angle += GOLDEN;
            vec2 there = pixel_of(p + vec3(cos(angle), sin(angle), 0.0) * r, size);
            if (any(lessThan(there, vec2(0.0))) || any(greaterThanEqual(there, size))) continue;
            ivec2 to = ivec2(there);
            vec4 found = texelFetch(below_map, to, 0);
            if (object_of(found.a) == 0u || to == at) continue;
            vec4 leaves = texelFetch(weight_map, to, 0);
            vec3 m = view_turn * unfolded(vec2(leaves.a, texelFetch(profile_map, to, 0).a));
            vec3 q = view_at(vec2(to) + 0.5, ahead_of(found.a), size), d = q - p;
            float d2 = max(dot(d, d), 0.25 * r * r);
            float seen = abs(pixels_per_metre.y > 0.5 ? m.z : dot(m, normalize(q)));
            float form = max(dot(n, d), 0.0) * max(-dot(m, d), 0.0) / (d2 * d2);
            float share = min(form * 2.0 * r * r * spread / max(seen, 0.15), turn > 0.0 ? 8.0 : 2.0) / float(TAPS / 2);
            thrown += found.rgb * leaves.rgb * share;
            kept += leaves.rgb * share;
        }
        gathered += thrown / (1.0 - min(kept, 0.7));
        shown = vec4(gathered * weight.rgb, 0.0);
    }
    f_color = shown;
}
