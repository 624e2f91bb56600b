// Depth alone, of casters without holes.
void main() {}
