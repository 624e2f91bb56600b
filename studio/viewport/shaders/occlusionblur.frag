// Occlusion without its noise: the mean of 4 x 4 pixels at like depths, the size of the noise's tile.
uniform sampler2D depth_map, raw;
uniform vec3 pixels_per_metre;
uniform vec2 depth_terms;
uniform float reach;
out float f_open;

float ahead(ivec2 at) {
    float z = texelFetch(depth_map, at, 0).r;
    return pixels_per_metre.y > 0.5 ? z * depth_terms.x + depth_terms.y : depth_terms.x / (depth_terms.y - z);
}

void main() {
    ivec2 at = ivec2(gl_FragCoord.xy), last = textureSize(raw, 0) - 1;
    float here = ahead(at), sum = 0.0, weight = 0.0;
    for (int y = -2; y <= 2; y++)
        for (int x = -2; x <= 2; x++) {
            ivec2 there = clamp(at + ivec2(x, y), ivec2(0), last);
            float w = exp(-8.0 * abs(ahead(there) - here) / max(reach, 0.01 * here));
            sum += w * texelFetch(raw, there, 0).r;
            weight += w;
        }
    f_open = sum / max(weight, 1e-6);
}
