// Images: layers of six texture arrays. The tables say which; a texel comes back in linear light.
uniform sampler2DArray images_0, images_1, images_2, images_3, images_4, images_5;

vec4 layer_grad(int array, vec3 at, vec2 dx, vec2 dy) {
    switch (array) {
        case 0: return textureGrad(images_0, at, dx, dy);
        case 1: return textureGrad(images_1, at, dx, dy);
        case 2: return textureGrad(images_2, at, dx, dy);
        case 3: return textureGrad(images_3, at, dx, dy);
        case 4: return textureGrad(images_4, at, dx, dy);
        default: return textureGrad(images_5, at, dx, dy);
    }
}

// One coordinate wrapped: 0 repeat, 1 mirror, 2 clamp. `edge` keeps the filter from reaching over the image's end.
float wrapped(float x, int mode, float edge) {
    if (!(abs(x) < 1e6)) return 0.5;
    if (mode == 0) return x;
    if (mode == 1) x = 1.0 - abs(x - 2.0 * floor(x * 0.5) - 1.0);
    return clamp(x, edge, 1.0 - edge);
}

// The image at `place` (array, layer, power of two, side of a layer) and uv, v running down. A filter takes all of its two
// levels, which the longer of the steps chooses for both axes: the coarser one's half texel is what an edge keeps away.
vec4 image_at(vec4 place, vec2 size, vec2 uv, vec2 dx, vec2 dy, ivec2 wrap, bool smooth_) {
    if (!smooth_) {
        uv = (floor(uv * size) + 0.5) / size;
        dx = dy = vec2(0.0);
    }
    float step_ = sqrt(max(dot(dx, dx), dot(dy, dy))) * place.w;
    float coarse = exp2(ceil(log2(max(step_, 1.0)) - 0.01)) / max(place.w, 1.0);
    vec2 edge = min(0.5 * max(1.0 / max(size, 1.0), vec2(coarse)), 0.5);
    vec3 at = vec3(wrapped(uv.x, wrap.x, edge.x), wrapped(uv.y, wrap.y, edge.y), place.y);
    return layer_grad(int(place.x), at, dx, dy) * exp2(place.z);
}
