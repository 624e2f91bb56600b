// Jagged edges of a single sample, blurred along them (after Lottes, "FXAA", NVIDIA 2009): where brightness changes, two
// and four taps across its gradient; the wider pair is kept only while it stays within its neighbours' brightness.
uniform sampler2D picture;
out vec4 f_color;

float bright(vec3 c) { return dot(c, vec3(0.299, 0.587, 0.114)); }

void main() {
    vec2 step_ = 1.0 / vec2(textureSize(picture, 0)), at = gl_FragCoord.xy * step_;
    vec3 middle = textureLod(picture, at, 0.0).rgb;
    float m = bright(middle);
    float nw = bright(textureLod(picture, at + step_ * vec2(-1.0, 1.0), 0.0).rgb);
    float ne = bright(textureLod(picture, at + step_ * vec2(1.0, 1.0), 0.0).rgb);
    float sw = bright(textureLod(picture, at + step_ * vec2(-1.0, -1.0), 0.0).rgb);
    float se = bright(textureLod(picture, at + step_ * vec2(1.0, -1.0), 0.0).rgb);
    float low = min(m, min(min(nw, ne), min(sw, se))), high = max(m, max(max(nw, ne), max(sw, se)));
    vec3 result = middle;
    if (high - low > max(0.03, high * 0.1)) {
        vec2 along = vec2((sw + se) - (nw + ne), (nw + sw) - (ne + se));
        float soft = max((nw + ne + sw + se) * 0.03125, 0.0078125);
        along = clamp(along / (min(abs(along.x), abs(along.y)) + soft), -8.0, 8.0) * step_;
        vec3 near = 0.5 * (textureLod(picture, at - along / 6.0, 0.0).rgb + textureLod(picture, at + along / 6.0, 0.0).rgb);
        vec3 wide = 0.5 * near
            + 0.25 * (textureLod(picture, at - along * 0.5, 0.0).rgb + textureLod(picture, at + along * 0.5, 0.0).rgb);
        float b = bright(wide);
        result = b < low || b > high ? near : wide;
    }
    f_color = vec4(result, 1.0);
}
