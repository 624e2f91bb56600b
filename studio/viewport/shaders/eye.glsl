// The eye closure, as studio/render/tracer/eye.py has it: what is seen through a cornea. The reasons stand there, and the
// numbers have the same names. Only programs made with EYE hold it (drawlist.py); mesh.vert brings the object's matrix.
//
//     Eye e = look_into(m, s, V);    before textures: their coordinates are e.uv
//     wear_eye(e, s);                the hit is that of the iris where the cornea is
//     tint_eye(e, m, s);             after textures

flat in vec3 v_axis_x, v_axis_y, v_axis_z, v_origin;  // object to world, the origin relative to the eye that looks

const vec2 EYE_REACH = vec2(0.94, 1.04), EYE_RIM = vec2(0.94, 1.04);
const float EYE_RING_AT = 0.98, EYE_RING_WIDTH = 0.1;
const float EYE_DRAWN_PUPIL = 0.35;
const float EYE_WIDEST = 1.9;
const float EYE_LIFT = 0.65;
const float EYE_BOWL = 0.25;
const float EYE_LEAN = 0.85;
const float EYE_FLATTEST = 0.05;
const float EYE_EDGE = 0.0005;

struct Eye {
    vec2 uv;
    float iris, ring;   // how far the iris shows, how light the limbus leaves it
    vec3 place;         // of what is lit, relative to the eye that looks
    vec3 normal, Ng, T, B;
};

float drawn_radius(float r, float pupil) {
    if (r < pupil) return r * (EYE_DRAWN_PUPIL / pupil);
    return r < 1.0 ? EYE_DRAWN_PUPIL + (r - pupil) * ((1.0 - EYE_DRAWN_PUPIL) / (1.0 - pupil)) : r;
}

Eye look_into(Material m, Surface s, vec3 V) {
    Eye e;
    vec3 x = v_axis_x, y = v_axis_y, z = v_axis_z;
    vec3 yz = cross(y, z), zx = cross(z, x), xy = cross(x, y);
    float det = dot(x, yz), side = det < 0.0 ? -1.0 : 1.0;
    float scale = abs(det) > 1e-30 ? 1.0 / det : 0.0;
    vec3 d = v_position - v_origin;
    vec3 at = vec3(dot(yz, d), dot(zx, d), dot(xy, d)) * scale;
    float radius = m.eye_iris_radius;
    vec2 place = at.xy;
    vec3 axis = normalize(xy * side);
    vec3 n = dot(s.N, s.Ng) >= 0.0 ? s.N : -s.N;
    float reach = 0.0;
    e.iris = 0.0;
    e.ring = 1.0;
    if (at.z > 0.0 && dot(s.Ng, V) > 0.0) {
        reach = 1.0 - smoothstep(EYE_REACH.x, EYE_REACH.y, length(place) / radius);
        // Snell's law, and on to the plane in the object's space
        float eta = 1.0 / max(m.coat_ior, 1.0), c = max(dot(n, V), 0.0);
        vec3 t = n * (eta * c - sqrt(max(1.0 - eta * eta * (1.0 - c * c), 0.0))) - V * eta;
        vec3 ray = normalize(vec3(dot(yz, t), dot(zx, t), dot(xy, t)) * scale);
        vec2 q = place + ray.xy * (max(at.z - m.eye_iris_plane, 0.0) / max(-ray.z, EYE_FLATTEST));
        q *= min(EYE_WIDEST * radius / max(length(q), 1e-12), 1.0);
        place += (q - place) * reach;
        float r = length(place) / radius, ring = (r - EYE_RING_AT) / EYE_RING_WIDTH;
        e.iris = reach * (1.0 - smoothstep(EYE_RIM.x, EYE_RIM.y, r));
        e.ring = 1.0 - m.eye_limbus * exp(-ring * ring);
    }
    vec2 share = place / radius;
    float r = length(share);
    vec2 drawn = share * (drawn_radius(r, clamp(m.eye_pupil, 0.1, 0.9)) / max(r, 1e-6));
    e.uv = clamp(vec2(0.5 + 0.25 * drawn.x, 0.5 - 0.25 * drawn.y), EYE_EDGE, 1.0 - EYE_EDGE);
    e.place = v_position;
    e.normal = s.N;
    e.Ng = s.Ng;
    if (e.iris > 0.0) {
        vec3 bowl = (yz * (-EYE_BOWL * share.x) + zx * (-EYE_BOWL * share.y) + xy) * side;
        e.normal = normalize(mix(n, normalize(bowl), e.iris));
        float lean = EYE_LEAN * e.iris * clamp(4.0 * dot(axis, V), 0.0, 1.0);
        e.Ng = normalize(mix(s.Ng, axis, lean));
        vec3 lifted = v_origin + x * place.x + y * place.y + z * (m.eye_iris_plane + EYE_LIFT * radius);
        e.place = mix(v_position, lifted, smoothstep(0.05, 0.35, e.iris));
    }
    // the map's axes on the surface that is lit
    vec3 along = x - e.normal * dot(x, e.normal);
    float length2 = dot(along, along);
    e.T = length2 > 1e-24 ? along * inversesqrt(length2) : s.T;
    e.B = length2 > 1e-24 ? cross(e.normal, e.T) * side : s.B;
    return e;
}

void wear_eye(Eye e, inout Surface s) {
    s.N = e.normal;
    s.Ng = e.Ng;
    s.T = e.T;
    s.B = e.B;
    s.specular_weight *= 1.0 - e.iris;
    s.subsurface_weight *= 1.0 - smoothstep(0.0, 0.05, e.iris);
}

void tint_eye(Eye e, Material m, inout Surface s) {
    vec3 tint = mix(vec3(1.0), m.eye_iris_color, e.iris) * e.ring;
    s.base_color *= tint;
    s.subsurface_color *= tint;
}
