// The tiles of maps, as far away as can be.
uniform sampler2D maps_table;
uniform float tall;

void main() {
    ivec2 at = ivec2((gl_InstanceID & 127) * 4, gl_InstanceID >> 7);
    float x = texelFetch(maps_table, at + ivec2(1, 0), 0).w, y = texelFetch(maps_table, at + ivec2(2, 0), 0).w;
    float half_ = abs(texelFetch(maps_table, at + ivec2(3, 0), 0).w);
    const vec2 corners[6] = vec2[6](vec2(-1.0), vec2(1.0, -1.0), vec2(1.0), vec2(-1.0), vec2(1.0), vec2(-1.0, 1.0));
    gl_Position = vec4(vec2(x, y) + corners[gl_VertexID] * vec2(half_, half_ * tall), 1.0, 1.0);
}
