// Where something marked is.
uniform vec2 mark;
out vec2 f_mark;
void main() { f_mark = mark; }
