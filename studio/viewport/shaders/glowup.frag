// Twice the size: a tent of nine taps, to be mixed half and half with the finer level (alpha is the share that stays).
uniform sampler2D picture;
out vec4 f_color;

void main() {
    vec2 step_ = 1.0 / vec2(textureSize(picture, 0));
    vec2 at = gl_FragCoord.xy * 0.5 * step_;
    vec3 sum = vec3(0.0);
    for (int y = -1; y <= 1; y++)
        for (int x = -1; x <= 1; x++)
            sum += textureLod(picture, at + step_ * vec2(x, y), 0.0).rgb * (4.0 / float((1 + abs(x)) * (1 + abs(y)))) / 16.0;
    f_color = vec4(sum * 0.5, 0.5);
}
