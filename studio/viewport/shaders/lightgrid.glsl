// The lights of the cell that a fragment lies in: three masks of bits, one each for its column, row and slice.
#include "lamps.glsl"

uniform usampler2D masks_table;  // a word of 32 lights a texel; COLUMNS, ROWS, SLICES lines
uniform vec2 grid_scale;         // columns and rows to a pixel
uniform vec2 grid_origin;        // of the drawn region in the picture, in pixels
uniform vec3 grid_slice;         // scale and shift of the slice; whether depths count by their logarithm
uniform ivec2 grid_words;        // words of points, words of other lights

const int COLUMNS = 64, ROWS = 36, SLICES = 64;

struct Cell { int column, row, slice; };

// `ahead` is the depth in metres in front of the camera.
Cell cell_of(float ahead) {
    Cell c;
    c.column = clamp(int((gl_FragCoord.x + grid_origin.x) * grid_scale.x), 0, COLUMNS - 1);
    c.row = COLUMNS + clamp(int((gl_FragCoord.y + grid_origin.y) * grid_scale.y), 0, ROWS - 1);
    float depth = grid_slice.z > 0.5 ? log2(max(ahead, 1e-30)) : ahead;
    c.slice = COLUMNS + ROWS + clamp(int(floor(depth * grid_slice.x + grid_slice.y)), 0, SLICES - 1);
    return c;
}

uint cell_word(Cell c, int word) {
    return texelFetch(masks_table, ivec2(word, c.column), 0).x & texelFetch(masks_table, ivec2(word, c.row), 0).x
        & texelFetch(masks_table, ivec2(word, c.slice), 0).x;
}
