// What a light shows of itself: its radiance towards the eye, and its picture if it has one and is flat. MODE as in
// mesh_lit.frag: 5 shows the colour that stands for the light, or tells its place.
#include "shaping.glsl"
#include "lamps.glsl"

flat in vec3 v_radiance, v_centre;
flat in int v_light, v_lamp;
in vec3 v_place;
out vec4 f_color;

#if MODE == 5
uniform bool told;

void main() { f_color = told ? vec4(float(v_lamp + 1), 1.0, 0.0, 1.0) : vec4(lamp_key(v_lamp), 1.0); }
#else
void main() {
    vec3 L = normalize(v_place), shown = v_radiance;
    vec4 has = lighting_at(2 * v_light, 1);
    if (has.z > 0.5) shown *= shaped_towards(v_light, L);
    if (has.w > 0.5) shown *= picture_towards(v_light, v_centre, L);
    f_color = vec4(shown, 1.0);
}
#endif
