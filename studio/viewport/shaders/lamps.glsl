// Lights as the passes sort them (studio/viewport/lamps.py): plain points, then the rows of all other lights.
#include "generated.glsl"

uniform int lamps_line;     // line of the first lamp in the table of lights
uniform ivec3 lamp_counts;  // points, other lights of a place, lights without bounds
uniform ivec2 lamp_words;   // line of the first key, and which word from there on is the first of links
uniform int linked_words;   // words of links to a set of objects: points, other lights of a place, lights without bounds
uniform float lamp_scale;   // what the points' packed colours are multiples of

// A power of two: processors that rasterise divide one lane at a time.
const int LAMPS_SHIFT = 9, LAMPS_PER_LINE = 512;

uvec4 lamp(int index) {
    return texelFetch(lights_table, ivec2(index & (LAMPS_PER_LINE - 1), lamps_line + (index >> LAMPS_SHIFT)), 0);
}

// The colour of a point over lamp_scale: three mantissas of nine bits and an exponent of five. (Signed numbers become
// floats in one instruction on processors, unsigned ones do not.)
vec3 point_colour(uint packed_) {
    int word = int(packed_);
    float scale = intBitsToFloat((int(packed_ >> 27) + 127) << 23);
    return vec3(float(word & 511), float((word >> 9) & 511), float((word >> 18) & 511)) * scale;
}

// The row of FlatScene.lights of a light that is no plain point.
int light_row(int index) { return int(lamp(index).x); }

uint lamp_word(int index) {
    ivec2 at = ivec2(index & (LAMPS_PER_LINE - 1), lamp_words.x + (index >> LAMPS_SHIFT));
    return texelFetch(lights_table, at, 0).x;
}

// The colour that stands for a light where lights are told apart.
vec3 lamp_key(int index) {
    uint key = lamp_word(index);
    return vec3(float(key & 255u), float((key >> 8) & 255u), float((key >> 16) & 255u)) / 255.0;
}

// Which of 32 lights shine on the objects of a set; words go as those of the light grid, then lights without bounds.
uint link_word(int set, int word) { return lamp_word(lamp_words.y + set * linked_words + word); }
