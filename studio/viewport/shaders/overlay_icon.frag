// Icons as signed distances: sharp at any size, with no pictures to load. Distances after I. Quilez, "2D distance
// functions"; the shapes are our own.
#include "overlay_depth.glsl"

in vec2 v_at;
flat in float v_pixel;
flat in float v_ahead;
flat in vec4 v_rgba;
flat in ivec3 v_what;

out vec4 colour;

float segment(vec2 p, vec2 a, vec2 b) {
    vec2 off = p - a, way = b - a;
    return length(off - way * clamp(dot(off, way) / dot(way, way), 0.0, 1.0));
}

float box(vec2 p, vec2 half_size, float round) {
    vec2 d = abs(p) - half_size + round;
    return length(max(d, 0.0)) + min(max(d.x, d.y), 0.0) - round;
}

float ring(vec2 p, float radius) { return abs(length(p) - radius); }

// short strokes around the middle, between two radii
float rays(vec2 p, float count, float inner, float outer) {
    float slice = 6.2831853 / count;
    float angle = mod(atan(p.y, p.x) + slice * 0.5, slice) - slice * 0.5;
    vec2 q = length(p) * vec2(cos(angle), sin(angle));
    return segment(q, vec2(inner, 0.0), vec2(outer, 0.0));
}

// x: distance to strokes, y: distance to filled parts
vec2 glyph(int kind, vec2 p) {
    const float FAR = 9.0;
    if (kind == 0) return vec2(rays(p, 8.0, 0.47, 0.66), length(p) - 0.26);
    if (kind == 1) {  // spot: a lamp head and its cone
        float cone = min(segment(p, vec2(-0.16, 0.18), vec2(-0.46, -0.56)), segment(p, vec2(0.16, 0.18), vec2(0.46, -0.56)));
        cone = min(cone, segment(p, vec2(-0.46, -0.56), vec2(0.46, -0.56)));
        return vec2(cone, box(p - vec2(0.0, 0.38), vec2(0.24, 0.22), 0.08));
    }
    if (kind == 2) {  // rectangle, shining down
        float strokes = abs(box(p - vec2(0.0, 0.22), vec2(0.56, 0.30), 0.05));
        for (int i = -1; i <= 1; ++i) {
            float x = float(i) * 0.38;
            strokes = min(strokes, segment(p, vec2(x, -0.26), vec2(x, -0.54)));
        }
        return vec2(strokes, FAR);
    }
    if (kind == 3) {  // disk
        vec2 q = p - vec2(0.0, 0.22);
        float strokes = abs(length(q * vec2(1.0, 1.9)) - 0.58) / 1.45;
        for (int i = -1; i <= 1; ++i) {
            float x = float(i) * 0.34;
            strokes = min(strokes, segment(p, vec2(x, -0.28), vec2(x, -0.54)));
        }
        return vec2(strokes, FAR);
    }
    if (kind == 4) {  // sphere, with its equator
        float equator = max(abs(length(p * vec2(1.0, 2.8)) - 0.55) / 1.9, p.y);
        return vec2(min(ring(p, 0.55), equator), FAR);
    }
    if (kind == 5) return vec2(min(abs(box(p, vec2(0.68, 0.22), 0.20)), segment(p, vec2(-0.42, 0.0), vec2(0.42, 0.0))), FAR);
    if (kind == 6) return vec2(min(ring(p, 0.30), rays(p, 8.0, 0.50, 0.72)), FAR);
    if (kind == 7) {  // dome over a horizon
        float arc = max(ring(p + vec2(0.0, 0.24), 0.62), -p.y - 0.24);
        float inner = max(ring(p + vec2(0.0, 0.24), 0.32), -p.y - 0.24);
        return vec2(min(min(arc, inner), segment(p, vec2(-0.66, -0.26), vec2(0.66, -0.26))), FAR);
    }
    if (kind == 8) {  // camera
        float lens = min(segment(p, vec2(0.26, 0.06), vec2(0.62, 0.26)), segment(p, vec2(0.62, 0.26), vec2(0.62, -0.34)));
        lens = min(lens, segment(p, vec2(0.62, -0.34), vec2(0.26, -0.14)));
        float body = abs(box(p - vec2(-0.18, -0.04), vec2(0.42, 0.32), 0.08));
        return vec2(min(min(lens, body), min(ring(p - vec2(-0.38, 0.48), 0.13), ring(p - vec2(0.02, 0.48), 0.13))), FAR);
    }
    if (kind == 9) return vec2(min(segment(p, vec2(-0.6, 0.0), vec2(0.6, 0.0)), segment(p, vec2(0.0, -0.6), vec2(0.0, 0.6))), FAR);
    if (kind == 11) return vec2(min(ring(p, 0.62), min(min(segment(p, vec2(0.4, 0.0), vec2(0.95, 0.0)), segment(p, vec2(-0.4, 0.0), vec2(-0.95, 0.0))),
                                min(segment(p, vec2(0.0, 0.4), vec2(0.0, 0.95)), segment(p, vec2(0.0, -0.4), vec2(0.0, -0.95))))), length(p) - 0.14);
    if (kind == 12) return vec2(min(segment(p, vec2(0.0, 0.45), vec2(0.0, 0.95)), segment(p, vec2(0.0, -0.45), vec2(0.0, -0.95))), length(p) - 0.48);
    if (kind == 13) {  // portal: a window with light falling through
        vec2 q = p - vec2(0.0, 0.20);
        float bars = min(segment(q, vec2(0.0, -0.36), vec2(0.0, 0.36)), segment(q, vec2(-0.52, 0.0), vec2(0.52, 0.0)));
        float strokes = min(abs(box(q, vec2(0.52, 0.36), 0.05)), bars);
        strokes = min(strokes, segment(p, vec2(-0.34, -0.34), vec2(-0.52, -0.62)));
        return vec2(min(strokes, segment(p, vec2(0.34, -0.34), vec2(0.52, -0.62))), FAR);
    }
    return vec2(FAR, length(p) - 0.72);
}

float covered(float distance) { return clamp(0.5 - distance / v_pixel, 0.0, 1.0); }

void main() {
    bool bare = (v_what.y & 4) != 0;
    float grown = bare ? 1.0 : 1.22;  // on a plate, the shapes may fill it
    vec2 d = glyph(v_what.x, v_at / grown) * grown;
    float thick = max(0.072, v_pixel * 0.62);
    float shape = min(d.x - thick, d.y);
    bool struck = (v_what.y & 1) != 0, chosen = (v_what.y & 2) != 0;
    float ink = covered(shape);
    float stroke = segment(v_at, vec2(-0.62, -0.62), vec2(0.62, 0.62));
    if (struck) ink = max(ink * (1.0 - covered(stroke - thick * 2.2)), covered(stroke - thick));
    if (chosen) ink = max(ink, covered(ring(v_at, 1.04) - thick * 0.9));
    // a dark plate or a dark edge keeps it readable over anything
    float plate = bare ? covered(shape - v_pixel * 1.6) * 0.75 : covered(length(v_at) - 1.04) * 0.62;
    float left = left_of(v_what.z, v_ahead);
    float alpha = v_rgba.a * ink * left;
    float dark = plate * left * (1.0 - alpha) * v_rgba.a;
    if (alpha + dark < 0.002) discard;
    colour = vec4(v_rgba.rgb * alpha + vec3(0.035, 0.035, 0.04) * dark, alpha + dark);
}
