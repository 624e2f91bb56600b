// Half the size: thirteen taps that overlap, so that small lights do not flicker as they move (Jimenez, "Next
// generation post processing in Call of Duty", 2014).
uniform sampler2D picture;
uniform float gain;
out vec4 f_color;

vec4 tap(vec2 at, vec2 step_, float x, float y) {
    return min(textureLod(picture, at + step_ * vec2(x, y), 0.0) * gain, vec4(6e4));
}

void main() {
    vec2 step_ = 1.0 / vec2(textureSize(picture, 0));
    vec2 at = (gl_FragCoord.xy * 2.0) * step_;
    vec4 middle = tap(at, step_, -1.0, -1.0) + tap(at, step_, 1.0, -1.0) + tap(at, step_, -1.0, 1.0) + tap(at, step_, 1.0, 1.0);
    vec4 cross_ = tap(at, step_, 0.0, -2.0) + tap(at, step_, 0.0, 2.0) + tap(at, step_, -2.0, 0.0) + tap(at, step_, 2.0, 0.0);
    vec4 corners = tap(at, step_, -2.0, -2.0) + tap(at, step_, 2.0, -2.0) + tap(at, step_, -2.0, 2.0) + tap(at, step_, 2.0, 2.0);
    f_color = vec4((middle * 0.125 + tap(at, step_, 0.0, 0.0) * 0.125 + cross_ * 0.0625 + corners * 0.03125).rgb, 1.0);
}
