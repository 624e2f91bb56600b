// Lines two pixels wide around what is marked (red: selected, green: under the pointer).
uniform sampler2D marks;
uniform vec4 selected_colour, hovered_colour;
out vec4 f_color;

void main() {
    ivec2 at = ivec2(gl_FragCoord.xy), last = textureSize(marks, 0) - 1;
    vec2 here = step(0.5, texelFetch(marks, at, 0).rg), near = vec2(0.0);
    for (int y = -2; y <= 2; y++)
        for (int x = -2; x <= 2; x++) {
            float share = clamp(2.6 - length(vec2(x, y)), 0.0, 1.0);
            near = max(near, share * step(0.5, texelFetch(marks, clamp(at + ivec2(x, y), ivec2(0), last), 0).rg));
        }
    near *= 1.0 - here;
    f_color = vec4(hovered_colour.rgb, hovered_colour.a * near.g);
    if (near.r > 0.0) f_color = vec4(selected_colour.rgb, selected_colour.a * near.r);
}
