// Depth as metres ahead of the eye, 0 where nothing is.
uniform sampler2D depth_map;
uniform vec3 pixels_per_metre;  // -; whether the view is orthographic; -
uniform vec2 depth_terms;       // window depth -> depth ahead
out float f_ahead;

void main() {
    float z = texelFetch(depth_map, ivec2(gl_FragCoord.xy), 0).r;
    float ahead = pixels_per_metre.y > 0.5 ? z * depth_terms.x + depth_terms.y : depth_terms.x / (depth_terms.y - z);
    f_ahead = z < 1.0 ? ahead : 0.0;
}
