// From nits to what a display shows. KIND 0: the OCIO view, 1: as it is, 2: stops around middle grey in false colours,
// 3: how many lights, in a scale of heat.
#include "view.glsl"

uniform sampler2D picture;  // premultiplied; a sum of samples
uniform sampler2D glow;     // bloom
uniform float glow_share;
uniform float share;        // 1 / samples
uniform float gain;         // 2^exposure
uniform float inverse_gamma;
uniform vec3 backdrop;      // display-referred
uniform float heat_scale;

out vec4 f_color;

vec3 finite(vec3 c) {
    return vec3(isnan(c.r) ? 0.0 : clamp(c.r, -65504.0, 65504.0), isnan(c.g) ? 0.0 : clamp(c.g, -65504.0, 65504.0),
                isnan(c.b) ? 0.0 : clamp(c.b, -65504.0, 65504.0));
}

// Bands of one stop from 6 below to 6 above middle grey (0.18), black and white beyond.
vec3 stops(float luminance) {
    float ev = log2(max(luminance, 1e-10) / 0.18);
    const vec3 scale[13] = vec3[13](
        vec3(0.10, 0.04, 0.20), vec3(0.16, 0.08, 0.45), vec3(0.10, 0.20, 0.70), vec3(0.05, 0.40, 0.78),
        vec3(0.05, 0.58, 0.66), vec3(0.10, 0.62, 0.38), vec3(0.50, 0.50, 0.50), vec3(0.45, 0.72, 0.18),
        vec3(0.80, 0.80, 0.12), vec3(0.96, 0.66, 0.10), vec3(0.95, 0.42, 0.10), vec3(0.88, 0.16, 0.12),
        vec3(0.98, 0.55, 0.65));
    if (ev < -6.5) return vec3(0.0);
    if (ev >= 6.5) return vec3(1.0);
    return scale[int(floor(ev + 6.5))];
}

vec3 heat(float x) {
    x = clamp(x, 0.0, 1.0);
    return clamp(vec3(1.5 - abs(4.0 * x - 3.0), 1.5 - abs(4.0 * x - 2.0), 1.5 - abs(4.0 * x - 1.0)), 0.0, 1.0);
}

void main() {
    vec4 scene = texelFetch(picture, ivec2(gl_FragCoord.xy), 0) * share;
    float coverage = clamp(scene.a, 0.0, 1.0);
    vec3 shown = scene.rgb / max(coverage, 1e-6);
    if (glow_share > 0.0) shown = mix(shown, textureLod(glow, gl_FragCoord.xy / vec2(textureSize(picture, 0)), 0.0).rgb, glow_share);
#if KIND == 0
    shown = view_transform(vec4(finite(shown * gain), 1.0)).rgb;
    shown = pow(clamp(shown, 0.0, 1.0), vec3(inverse_gamma));
#elif KIND == 2
    shown = stops(dot(finite(shown * gain), vec3(0.2126, 0.7152, 0.0722)));
#elif KIND == 3
    shown = heat(shown.r * heat_scale);
#endif
    f_color = vec4(mix(backdrop, clamp(shown, 0.0, 1.0), coverage), 1.0);
}
