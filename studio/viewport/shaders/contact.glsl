// What the map of a parallel light is too coarse to hold, looked for in the depth of the picture on the first part of the
// way to the light. Such a map lies over the whole scene, and in wide ones its texels are larger than many things; the
// maps of lamps are fine where it matters, and there a march found more that is not so than it mended.
//
// One light is marched to for each pixel: while the view moves the one that brings most; in the samples of a view at rest
// any one, as often as its share of all, which adds up to all of them.

uniform sampler2D ahead_map;  // metres ahead of the eye, 0 where nothing is
uniform mat4 turn_clip;

const int CONTACT_STEPS = 8;
const float CONTACT_TEXELS = 1.5;  // of the light's map that a march is long
const float CONTACT_FAR = 0.2;     // of the way from the eye that it is long at most

struct Contact {
    int record;    // of the light that is marched to
    vec3 value;    // what it brings
    float weight;
    float all;     // weight of all parallel lights
    float chance;
};

Contact contact_begin(vec2 noise) {
    return Contact(0, vec3(0.0), 0.0, 0.0, fract(noise.x * 5.13 + noise.y * 3.71 + 0.5));
}

void contact_consider(inout Contact c, int record, vec3 value) {
    float weight = value.x + value.y + value.z;
    if (weight <= 0.0 || shadow_texel(record + 3).w >> 30 != 2u) return;
    c.all += weight;
    // draws one of a row with one number: what is left of it after each choice is as even as it was
    float share = weight / c.all;
    bool chosen = still_turn > 0 ? c.chance < share : weight > c.weight;
    c.chance = chosen ? min(c.chance / share, 1.0) : (c.chance - share) / max(1.0 - share, 1e-6);
    if (chosen) {
        c.record = record;
        c.value = value;
        c.weight = weight;
    }
}

// The light that is blocked near the place `position`, `slope` metres deeper from one pixel to the next.
vec3 contact_blocked(Contact c, vec3 position, float slope) {
    if (c.weight <= 0.0) return vec3(0.0);
    uvec4 t1 = shadow_texel(c.record + 1), t3 = shadow_texel(c.record + 3);
    float size = uintBitsToFloat(shadow_texel(c.record + 2).w), ahead = ahead_of_eye();
    float texel = 2.0 / (size * length(uintBitsToFloat(t1.xyz)));
    float reach = min(CONTACT_TEXELS * texel, CONTACT_FAR * ahead);
    vec3 way = -uintBitsToFloat(t3.xyz) * reach;
    vec4 b = turn_clip * vec4(position + way, 1.0);
    vec2 there = vec2(textureSize(ahead_map, 0));
    vec2 start = gl_FragCoord.xy, end = (b.xy / b.w * 0.5 + 0.5) * there;
    float pixels = length(end - start), far = ahead + dot(way, forward), slack = 0.6 * slope + 2e-4 * ahead;
    if (pixels < 1.5 || b.w <= 0.0) return vec3(0.0);
    for (int k = 0; k < CONTACT_STEPS; k++) {
        float t = max((float(k) + c.chance) / float(CONTACT_STEPS), 1.5 / pixels);
        vec2 at = mix(start, end, t);
        if (any(lessThan(at, vec2(0.0))) || any(greaterThanEqual(at, there))) break;
        float own = orthographic ? mix(ahead, far, t) : 1.0 / mix(1.0 / ahead, 1.0 / far, t);
        float found = texelFetch(ahead_map, ivec2(at), 0).r;
        if (found > 0.0 && found < own - slack && found > own - slack - reach) {
            vec3 left = vec3(ivec3(int(t3.w) & 1023, int(t3.w >> 10) & 1023, int(t3.w >> 20) & 1023)) / 1023.0;
            return c.value * (1.0 - left) * (still_turn > 0 ? c.all / c.weight : 1.0);
        }
    }
    return vec3(0.0);
}
