// What a light shows of itself: its radiance, the mean of its picture if it has one.
flat in vec3 v_radiance;
out vec4 f_color;
void main() { f_color = vec4(v_radiance, 1.0); }
