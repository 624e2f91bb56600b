// Edges of triangles.
uniform vec4 rgba;
out vec4 f_color;
void main() { f_color = rgba; }
