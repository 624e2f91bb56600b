// What lies behind glass: the opaque picture, and one over the depth ahead of the eye, 0 where there is nothing.
uniform sampler2D picture, depth_map;
uniform vec3 pixels_per_metre;  // -; whether the view is orthographic; -
uniform vec2 depth_terms;       // window depth -> depth ahead
out vec4 f_color;

void main() {
    ivec2 at = ivec2(gl_FragCoord.xy);
    float z = texelFetch(depth_map, at, 0).r;
    float ahead = pixels_per_metre.y > 0.5 ? z * depth_terms.x + depth_terms.y : depth_terms.x / (depth_terms.y - z);
    f_color = vec4(texelFetch(picture, at, 0).rgb, z < 1.0 ? 1.0 / ahead : 0.0);
}
