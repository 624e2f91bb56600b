// A picture times a gain, within what halves hold.
uniform sampler2D picture;
uniform float gain;
out vec4 f_color;
void main() { f_color = texelFetch(picture, ivec2(gl_FragCoord.xy), 0) * gain; }
