// What all overlays share: from metres about the eye to pixels, and how a part meets the scene's depth.
#define DIMMED 0
#define HIDDEN 1
#define FRONT 2
#define SCREEN 3
#define ROUND 4
#define RIM 8
#define BEHIND 16

uniform mat3 turn;        // world to camera
uniform vec2 extent;      // half the image plane, at distance 1 or in metres
uniform vec2 centre;      // where on it the middle of the picture is
uniform vec2 size;        // pixels
uniform int flat_view;    // 1 without perspective
uniform float ratio;      // device pixels per logical one

// x, y in pixels (y up), z the distance ahead
vec3 on_screen(vec3 from_eye) {
    vec3 p = turn * from_eye;
    vec2 plane = flat_view == 1 ? p.xy : p.xy / max(-p.z, 1e-20);
    return vec3(((plane - centre) / extent * 0.5 + 0.5) * size, -p.z);
}
