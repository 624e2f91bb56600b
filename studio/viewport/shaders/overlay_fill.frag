// A plain colour where it is not hidden.
#include "overlay_depth.glsl"

in float v_ahead;
flat in vec4 v_rgba;
flat in int v_mode;

out vec4 colour;

void main() {
    float alpha = v_rgba.a * left_of(v_mode, v_ahead);
    colour = vec4(v_rgba.rgb * alpha, alpha);
}
