"""The surface closure of the path tracer: OpenPBR Surface 1.1 as one mixture of lobes.

From top to bottom a surface is fuzz, coat, and a base that mixes metal, glossy diffuse and glass. Metal, gloss and
glass share one GGX distribution, so the base has a single microfacet lobe whose Fresnel weights, for reflection and
for refraction, are sums over the three. Beyond the specification the gloss may have a second, softer lobe, as skin has:
it is GGX of roughness r times 1 - w plus GGX of min(1, r * scale) times w, under one Fresnel factor and one gain, and
what reaches the diffuse below it is 1 less the mean of the two albedos.

Below the gloss the diffuse is mixed with light that goes into the body and comes out elsewhere (`walk`): its weight is
the diffuse one's, and `subsurface_color` is what a thick body sends back in all. What lies under a layer is scaled by
what the layer lets through at `wo` (the albedo scaling of the specification), which takes the albedos of
`studio.scene.lobe_energy`.

A hit goes through four steps. `load_surface` reads the parameters of a material; textures may then change the members
up to `separable`; `prepare` derives, once for a direction `wo`, everything that does not depend on `wi`; `evaluate`
and `sample` use only that. Taichi inlines every call, so the steps are written to be called from one place each, and
lobes that are off are skipped by branches: plain Lambert costs a few operations.

Directions are unit vectors in the shading frame, z along the normal on the side of `wo`, x along the tangent turned
by `specular_rotation` (the caller turns it). `wi.z < 0` is transmission. Transmission carries radiance over the square
of the index, so it is not scaled by it: a white environment stays white inside glass and out, and what is seen in air
is the same. There are no mirrors: alpha is kept at or above `lobe_energy.MIN_ALPHA`, and every direction has a density.

References: OpenPBR Surface 1.1 (https://academysoftwarefoundation.github.io/OpenPBR); Walter et al. 2007, Microfacet
models for refraction; Heitz 2014, Understanding the masking-shadowing function; Dupuy and Benyoub 2023, Sampling
visible GGX normals with spherical caps; Turquin 2019, Practical multiple scattering compensation; Portsmouth, Kutz
and Hill 2025, EON; Estevez and Kulla 2017, Production friendly microfacet sheen BRDF; Kulla and Conty 2017,
Revisiting physically based shading; Belcour and Barla 2017, A practical extension to microfacet theory.
"""

import taichi as ti
import taichi.math as tm

from studio.scene import lobe_energy as lt
from studio.scene.materials import OFFSET

vec2 = tm.vec2
vec3 = tm.vec3
PI = 3.14159265358979

# Two surfaces of glass whose indices match would refract without bending, and a half vector would not exist.
MIN_GLASS_E = 0.004
# Lobes of facets are drawn a little more often than their albedo asks: a facet seen edge-on reflects everything, and a
# rare draw of it must not weigh more than 1 / SPARE.
SPARE = 0.02
# Wavelengths in micrometres at which the film is seen by red, green and blue of Rec.709, and the width of their bands
# as a standard deviation relative to the wavelength: thick films fade to grey as they do to the eye.
FILM_WAVELENGTH = (0.605, 0.545, 0.455)
FILM_BAND = 0.06
SUBSURFACE = 4  # the lobe that goes below the surface
# Fujii's Oren-Nayar: 1/2 - 2/(3 pi) and 2/3 - 28/(15 pi)
EON_A = 0.287793409
EON_B = 0.072488212


@ti.dataclass
class Surface:
    """One surface at one hit. Members down to `separable` are inputs, the rest is derived by `prepare`."""

    base_color: vec3
    base_diffuse_roughness: ti.f32
    base_metalness: ti.f32
    specular_weight: ti.f32
    specular_color: vec3
    specular_roughness: ti.f32
    specular_roughness_anisotropy: ti.f32
    specular_rotation: ti.f32  # radians; for the caller's frame
    specular_ior: ti.f32
    transmission_weight: ti.f32
    transmission_color: vec3
    transmission_depth: ti.f32
    coat_weight: ti.f32
    coat_color: vec3
    coat_roughness: ti.f32
    coat_roughness_anisotropy: ti.f32
    coat_ior: ti.f32
    coat_darkening: ti.f32
    coat_normal: vec3  # in the shading frame
    fuzz_weight: ti.f32
    fuzz_color: vec3
    fuzz_roughness: ti.f32
    emission: vec3  # nits; for the caller
    thin_film_weight: ti.f32
    thin_film_thickness: ti.f32  # micrometres
    thin_film_ior: ti.f32
    geometry_opacity: ti.f32  # for the caller
    thin_walled: ti.i32
    subsurface_weight: ti.f32
    subsurface_color: vec3  # what a thick body under even light sends back
    specular_second_weight: ti.f32
    specular_second_scale: ti.f32
    inside: ti.i32  # 1: wo is on the back, inside a transmissive object
    compensate: ti.f32  # 1: OpenPBR; 0: bare GGX, without multiple scattering and with metals of constant reflectance
    separable: ti.f32  # 0: height-correlated shadowing; 1: the product of Smith's two factors, as in Mitsuba

    alpha: vec2
    second_alpha: vec2  # of the second lobe of the gloss
    p_second: ti.f32  # share of the facets that are drawn from it
    coat_alpha: vec2
    eta: ti.f32  # index beyond the surface over the index before it
    film_ior: ti.f32  # relative to what lies above
    metal_f0: vec3
    metal_dip: vec3  # what the F82 tint takes away, before mu (1 - mu)^6
    w_diffuse: vec3  # weights of the lobes, all seen through the layers above
    w_subsurface: vec3
    w_metal: vec3
    w_gloss: vec3
    w_glass: vec3
    w_through: vec3
    w_coat: ti.f32
    w_fuzz: vec3
    fuzz_lambda: ti.f32
    p_diffuse: ti.f32  # probabilities of the lobes
    p_base: ti.f32
    p_coat: ti.f32
    p_fuzz: ti.f32
    p_subsurface: ti.f32
    reflectance: vec3


@ti.func
def load_surface(materials: ti.template(), m):
    """The parameters of row `m` of the packed materials (rows x STRIDE), front side, as OpenPBR has them."""
    s = Surface(inside=0, compensate=1.0, separable=0.0)
    s.base_color = _color(materials, m, OFFSET["base_color"])
    s.base_diffuse_roughness = materials[m, OFFSET["base_diffuse_roughness"]]
    s.base_metalness = materials[m, OFFSET["base_metalness"]]
    s.specular_weight = materials[m, OFFSET["specular_weight"]]
    s.specular_color = _color(materials, m, OFFSET["specular_color"])
    s.specular_roughness = materials[m, OFFSET["specular_roughness"]]
    s.specular_roughness_anisotropy = materials[m, OFFSET["specular_roughness_anisotropy"]]
    s.specular_rotation = materials[m, OFFSET["specular_rotation"]]
    s.specular_ior = materials[m, OFFSET["specular_ior"]]
    s.transmission_weight = materials[m, OFFSET["transmission_weight"]]
    s.transmission_color = _color(materials, m, OFFSET["transmission_color"])
    s.transmission_depth = materials[m, OFFSET["transmission_depth"]]
    s.coat_weight = materials[m, OFFSET["coat_weight"]]
    s.coat_color = _color(materials, m, OFFSET["coat_color"])
    s.coat_roughness = materials[m, OFFSET["coat_roughness"]]
    s.coat_roughness_anisotropy = materials[m, OFFSET["coat_roughness_anisotropy"]]
    s.coat_ior = materials[m, OFFSET["coat_ior"]]
    s.coat_darkening = materials[m, OFFSET["coat_darkening"]]
    s.coat_normal = vec3(0.0, 0.0, 1.0)
    s.fuzz_weight = materials[m, OFFSET["fuzz_weight"]]
    s.fuzz_color = _color(materials, m, OFFSET["fuzz_color"])
    s.fuzz_roughness = materials[m, OFFSET["fuzz_roughness"]]
    s.emission = _color(materials, m, OFFSET["emission"])
    s.thin_film_weight = materials[m, OFFSET["thin_film_weight"]]
    s.thin_film_thickness = materials[m, OFFSET["thin_film_thickness"]]
    s.thin_film_ior = materials[m, OFFSET["thin_film_ior"]]
    s.geometry_opacity = materials[m, OFFSET["geometry_opacity"]]
    s.thin_walled = ti.cast(materials[m, OFFSET["thin_walled"]], ti.i32)
    s.subsurface_weight = materials[m, OFFSET["subsurface_weight"]]
    s.subsurface_color = _color(materials, m, OFFSET["subsurface_color"])
    s.specular_second_weight = materials[m, OFFSET["specular_second_weight"]]
    s.specular_second_scale = materials[m, OFFSET["specular_second_scale"]]
    return s


@ti.func
def _color(materials: ti.template(), m, column):
    return vec3(materials[m, column], materials[m, column + 1], materials[m, column + 2])


@ti.func
def _mean(c):
    return (c.x + c.y + c.z) * (1.0 / 3.0)


@ti.func
def _lerp(a, b, t):
    return a + (b - a) * t


# --- albedo tables ---------------------------------------------------------------------------------------------------


@ti.func
def _table(tables: ti.template(), start, rows, columns, x, y):
    """Bilinear read of a rows x columns grid that begins at `start`; x and y in [0, 1]."""
    fx = tm.clamp(x, 0.0, 1.0) * (rows - 1)
    fy = tm.clamp(y, 0.0, 1.0) * (columns - 1)
    i = ti.min(ti.cast(fx, ti.i32), rows - 2)
    j = ti.min(ti.cast(fy, ti.i32), columns - 2)
    at = start + i * columns + j
    ty = fy - j
    low = _lerp(tables[at], tables[at + 1], ty)
    high = _lerp(tables[at + columns], tables[at + columns + 1], ty)
    return _lerp(low, high, fx - i)


@ti.func
def _table3(tables: ti.template(), start, rows, columns, e, x, y):
    """Trilinear read of a stack of grids, one for each node of reflectivity."""
    fz = ti.sqrt(tm.clamp(e * (1.0 / lt.MAX_E), 0.0, 1.0)) * (lt.REFLECTIVITY - 1)
    k = ti.min(ti.cast(fz, ti.i32), lt.REFLECTIVITY - 2)
    at = start + k * rows * columns
    return _lerp(
        _table(tables, at, rows, columns, x, y), _table(tables, at + rows * columns, rows, columns, x, y), fz - k
    )


# --- Fresnel ---------------------------------------------------------------------------------------------------------


@ti.func
def _dielectric(mu, eta):
    """Unpolarised reflectance at cosine mu >= 0; `eta` is the far index over the near one."""
    g2 = eta * eta - 1.0 + mu * mu
    f = 1.0
    if g2 > 0.0:
        g = ti.sqrt(g2)
        a = (g - mu) / (g + mu)
        b = (mu * (g + mu) - 1.0) / (mu * (g - mu) + 1.0)
        f = tm.clamp(0.5 * a * a * (1.0 + b * b), 0.0, 1.0)
    return f


@ti.func
def _metal(s, mu):
    """F82-tint (OpenPBR, "Metal")."""
    m = tm.clamp(1.0 - mu, 0.0, 1.0)
    m5 = m * m * m * m * m
    edge = (1.0 - s.metal_f0) * m5 - s.metal_dip * (mu * m5 * m)
    return tm.clamp(s.metal_f0 + s.compensate * edge, 0.0, 1.0)


@ti.func
def _airy(a, b, c):
    """Reflectance of a film from the amplitudes at its two faces and the cosine of the phase between them."""
    cross = 2.0 * a * b * c
    return tm.clamp((a * a + b * b + cross) / ti.max(1.0 + a * a * b * b + cross, 1e-6), 0.0, 1.0)


@ti.func
def _interface(s, mu):
    """Fresnel factors at a microfacet seen at cosine `mu`: of the dielectric, and of the metal.

    The film sums all its internal reflections (Airy) for each polarisation at three wavelengths; the width of the
    colour bands damps the interference, after the Gaussian bands of Belcour and Barla 2017. F82 metal has no phase of
    its own and is taken to turn it by half a wave.
    """
    plain = _dielectric(mu, s.eta)
    dielectric = vec3(plain)
    metal = vec3(0.0)
    if s.base_metalness > 0.0:
        metal = _metal(s, mu)
    if s.thin_film_weight > 0.0:
        n1 = s.film_ior
        n2 = s.eta
        sin2 = 1.0 - mu * mu
        if s.inside != 0:
            n2 = 1.0 / s.eta
            sin2 = ti.min(sin2 * n2 * n2, 1.0)
        c0 = ti.sqrt(ti.max(1.0 - sin2, 0.0))
        c1 = ti.sqrt(ti.max(1.0 - sin2 / (n1 * n1), 1e-4))
        c2 = ti.sqrt(ti.max(1.0 - sin2 / (n2 * n2), 0.0))
        phase = ti.min(4.0 * PI * n1 * c1 * s.thin_film_thickness / vec3(FILM_WAVELENGTH), 1e3)
        wave = ti.cos(phase) * ti.exp(-0.5 * (FILM_BAND * phase) ** 2)
        over_s = (c0 - n1 * c1) / (c0 + n1 * c1)
        over_p = (n1 * c0 - c1) / (n1 * c0 + c1)
        if plain < 1.0:
            under_s = (n1 * c1 - n2 * c2) / (n1 * c1 + n2 * c2)
            under_p = (n2 * c1 - n1 * c2) / (n2 * c1 + n1 * c2)
            film = 0.5 * (_airy(over_s, under_s, wave) + _airy(over_p, under_p, wave))
            dielectric = _lerp(dielectric, film, s.thin_film_weight)
        if s.base_metalness > 0.0:
            under = ti.sqrt(_metal(s, c1))
            film = 0.5 * (_airy(over_s, -under, wave) + _airy(over_p, under, wave))
            metal = _lerp(metal, film, s.thin_film_weight)
    return dielectric, metal


@ti.func
def _split(s, dielectric, metal):
    """Weights of the base at a microfacet with these Fresnel factors: reflected, transmitted."""
    pane = dielectric
    if s.thin_walled != 0:
        pane = 2.0 * dielectric / (1.0 + dielectric)  # both faces and all reflections between them
    return s.w_metal * metal + s.w_gloss * dielectric + s.w_glass * pane, s.w_through * (1.0 - pane)


# --- microfacets -----------------------------------------------------------------------------------------------------


@ti.func
def _alpha(roughness, anisotropy):
    """OpenPBR, "Microfacet model"."""
    r = tm.clamp(roughness, 0.0, 1.0)
    k = 1.0 - tm.clamp(anisotropy, 0.0, 1.0)
    along = r * r * ti.sqrt(2.0 / (1.0 + k * k))
    return ti.max(vec2(along, k * along), lt.MIN_ALPHA)


@ti.func
def _facets(alpha, separable, wo, wi, h):
    """GGX at normal h: D G2 / wo.z and D G1(wo) / wo.z, with alpha stretched along x and y."""
    q = (h.x / alpha.x) ** 2 + (h.y / alpha.y) ** 2 + h.z * h.z
    d = 1.0 / (PI * alpha.x * alpha.y * q * q)
    zi = ti.abs(wi.z)
    lo = ti.sqrt((alpha.x * wo.x) ** 2 + (alpha.y * wo.y) ** 2 + wo.z * wo.z)
    li = ti.sqrt((alpha.x * wi.x) ** 2 + (alpha.y * wi.y) ** 2 + zi * zi)
    g2 = zi / (0.5 * (lo * zi + li * wo.z) + separable * 0.25 * (lo - wo.z) * (li - zi))
    return d * g2, d * 2.0 / (wo.z + lo)


@ti.func
def _sample_facet(wo, alpha, u):
    """A normal seen from `wo`, by spherical caps (Dupuy and Benyoub 2023)."""
    v = tm.normalize(vec3(wo.x * alpha.x, wo.y * alpha.y, wo.z))
    phi = 2.0 * PI * u.x
    z = (1.0 - u.y) * (1.0 + v.z) - v.z
    r = ti.sqrt(tm.clamp(1.0 - z * z, 0.0, 1.0))
    c = vec3(r * ti.cos(phi), r * ti.sin(phi), z) + v
    return tm.normalize(vec3(c.x * alpha.x, c.y * alpha.y, ti.max(c.z, 1e-7)))


# --- layers ----------------------------------------------------------------------------------------------------------


@ti.func
def _coat_pass(s, mu):
    """Transmittance of the coat's medium along one ray that meets it at cosine `mu` (OpenPBR, "Coat")."""
    within = ti.sqrt(ti.max(1.0 - (1.0 - mu * mu) / (s.coat_ior * s.coat_ior), 0.01))
    return _lerp(vec3(1.0), tm.pow(ti.max(s.coat_color, 1e-6), vec3(0.5 / within)), s.coat_weight)


@ti.func
def _fuzz_lambda(r, mu):
    """Smith's Lambda of the fuzz (Estevez and Kulla 2017)."""
    k = (1.0 - r) * (1.0 - r)
    a = _lerp(lt.FUZZ_SMITH[1][0], lt.FUZZ_SMITH[0][0], k)
    b = _lerp(lt.FUZZ_SMITH[1][1], lt.FUZZ_SMITH[0][1], k)
    c = _lerp(lt.FUZZ_SMITH[1][2], lt.FUZZ_SMITH[0][2], k)
    d = _lerp(lt.FUZZ_SMITH[1][3], lt.FUZZ_SMITH[0][3], k)
    e = _lerp(lt.FUZZ_SMITH[1][4], lt.FUZZ_SMITH[0][4], k)
    x = ti.min(mu, 1.0 - mu)
    curve = a / (1.0 + b * ti.pow(ti.max(x, 1e-7), c)) + d * x + e
    if mu >= 0.5:
        curve = 2.0 * (a / (1.0 + b * ti.pow(0.5, c)) + 0.5 * d + e) - curve
    return ti.exp(curve)


@ti.func
def _compensation(tables: ti.template(), roughness, anisotropy, wo, u):
    """(1 - E) / E of GGX: how much light leaves a mirror after more than one bounce (Turquin 2019)."""
    e = 0.0
    if anisotropy <= 0.0:
        e = _table(tables, lt.MIRROR, lt.ROUGHNESS, lt.COSINE, roughness, u)
    else:
        fx = tm.clamp(anisotropy, 0.0, 1.0) * (lt.STRETCH - 1)
        fy = ti.min(ti.abs(wo.x) * ti.rsqrt(ti.max(wo.x * wo.x + wo.y * wo.y, 1e-20)), 1.0) * (lt.AZIMUTH - 1)
        i = ti.min(ti.cast(fx, ti.i32), lt.STRETCH - 2)
        j = ti.min(ti.cast(fy, ti.i32), lt.AZIMUTH - 2)
        for corner in range(4):
            right = corner & 1
            up = corner >> 1
            weight = ti.abs(1 - right - (fx - i)) * ti.abs(1 - up - (fy - j))
            at = lt.STRETCHED + ((i + right) * lt.AZIMUTH + j + up) * lt.STRETCHED_ROUGHNESS * lt.STRETCHED_COSINE
            e += weight * _table(tables, at, lt.STRETCHED_ROUGHNESS, lt.STRETCHED_COSINE, roughness, u)
    e = ti.max(e, 0.1)
    return (1.0 - e) / e


@ti.func
def _within_range(s):
    """Textures may carry parameters out of their ranges, where square roots and layers have no meaning."""
    s.base_color = tm.clamp(s.base_color, 0.0, 1.0)
    s.base_diffuse_roughness = tm.clamp(s.base_diffuse_roughness, 0.0, 1.0)
    s.base_metalness = tm.clamp(s.base_metalness, 0.0, 1.0)
    s.specular_weight = ti.max(s.specular_weight, 0.0)
    s.specular_color = tm.clamp(s.specular_color, 0.0, 1.0)
    s.specular_roughness = tm.clamp(s.specular_roughness, 0.0, 1.0)
    s.specular_ior = ti.max(s.specular_ior, 1.0)
    s.transmission_weight = tm.clamp(s.transmission_weight, 0.0, 1.0)
    s.transmission_color = tm.clamp(s.transmission_color, 0.0, 1.0)
    s.coat_weight = tm.clamp(s.coat_weight, 0.0, 1.0)
    s.coat_color = tm.clamp(s.coat_color, 0.0, 1.0)
    s.coat_roughness = tm.clamp(s.coat_roughness, 0.0, 1.0)
    s.coat_ior = ti.max(s.coat_ior, 1.0)
    s.coat_darkening = tm.clamp(s.coat_darkening, 0.0, 1.0)
    s.fuzz_weight = tm.clamp(s.fuzz_weight, 0.0, 1.0)
    s.fuzz_color = tm.clamp(s.fuzz_color, 0.0, 1.0)
    s.fuzz_roughness = tm.clamp(s.fuzz_roughness, lt.MIN_FUZZ_ROUGHNESS, 1.0)
    s.thin_film_weight = tm.clamp(s.thin_film_weight, 0.0, 1.0)
    s.thin_film_thickness = ti.max(s.thin_film_thickness, 0.0)
    s.subsurface_weight = tm.clamp(s.subsurface_weight, 0.0, 1.0)
    s.subsurface_color = tm.clamp(s.subsurface_color, 0.0, 1.0)
    s.specular_second_weight = tm.clamp(s.specular_second_weight, 0.0, 1.0)
    if s.thin_walled != 0:
        s.subsurface_weight = 0.0  # there is nothing below a sheet
    if s.transmission_weight <= 0.0:
        s.thin_walled = 0
        s.inside = 0  # the back of an opaque surface is a surface like its front
    if s.thin_walled != 0:
        s.inside = 0
    if s.inside != 0:
        s.subsurface_weight = 0.0  # nor outside of glass
    return s


@ti.func
def _lay_fuzz(s, mu, tables: ti.template()):
    """The fuzz; returns also its albedo and what it lets through."""
    share = 0.0
    s.w_fuzz = vec3(0.0)
    if s.fuzz_weight > 0.0 and s.inside == 0:
        step = (s.fuzz_roughness - lt.MIN_FUZZ_ROUGHNESS) / (1.0 - lt.MIN_FUZZ_ROUGHNESS)
        share = _table(tables, lt.FUZZ, lt.COARSE, lt.COSINE, step, ti.sqrt(mu))
        s.fuzz_lambda = _fuzz_lambda(s.fuzz_roughness, mu)
        s.w_fuzz = s.fuzz_weight * s.fuzz_color
    return s, s.w_fuzz * share, 1.0 - s.fuzz_weight * share


@ti.func
def _lay_coat(s, wo, mu, top, tables: ti.template()):
    """The coat under what passes `top`; returns also its albedo, what it lets through to the base, the roughness of
    the base as it is seen through it, and the base's reflectivity e below it."""
    s.w_coat = 0.0
    albedo = 0.0
    passed = vec3(top)
    roughness = s.specular_roughness
    # Glass under a coat bends light as it does without: the coat is a sheet with parallel faces.
    eta = s.specular_ior * _lerp(1.0, 1.0 / s.coat_ior, s.coat_weight * (1.0 - s.transmission_weight))
    e = ti.abs(eta - 1.0) / (eta + 1.0)
    if s.coat_weight > 0.0:
        r4 = ti.min(roughness**4 + 2.0 * s.coat_roughness**4, 1.0)
        roughness = _lerp(roughness, ti.sqrt(ti.sqrt(r4)), s.coat_weight)
        if s.inside == 0:
            ce = (s.coat_ior - 1.0) / (s.coat_ior + 1.0)
            s.coat_alpha = _alpha(s.coat_roughness, s.coat_roughness_anisotropy)
            even = ti.sqrt(0.5 * (s.coat_alpha.x + s.coat_alpha.y))
            lost = _compensation(tables, s.coat_roughness, s.coat_roughness_anisotropy, wo, ti.sqrt(mu))
            gain = 1.0 + s.compensate * ce * ce * lost
            share = gain * _table3(tables, lt.DIELECTRIC, lt.ROUGHNESS, lt.COSINE, ce, even, ti.sqrt(mu))
            s.w_coat = top * s.coat_weight * gain
            albedo = top * s.coat_weight * share
            # "Darkening": light that the coat sends back down; the average Fresnel factor is Kulla and Conty's fit
            average = (s.coat_ior - 1.0) / (4.08567 + 1.00071 * s.coat_ior)
            k_smooth = _dielectric(mu, s.coat_ior)
            k_rough = 1.0 - (1.0 - average) / (s.coat_ior * s.coat_ior)
            shine = ti.min(s.specular_weight, 1.0)
            gloss = _lerp(1.0, roughness, ti.min(e * e * s.specular_weight, 1.0))
            k = _lerp(k_smooth, k_rough, _lerp(gloss, roughness, s.base_metalness))
            under = _lerp(s.base_color, s.subsurface_color, s.subsurface_weight)
            under = _lerp(under, s.transmission_color, s.transmission_weight)
            under = _lerp(under, shine * s.base_color, s.base_metalness)
            dark = (1.0 - k) / (1.0 - under * k)
            passed *= _lerp(vec3(1.0), dark, s.coat_weight * s.coat_darkening) * _coat_pass(s, mu)
            passed *= 1.0 - s.coat_weight * share
    return s, albedo, passed, roughness, e


@ti.func
def _lay_base(s, wo, mu, top, roughness, e0, tables: ti.template()):
    """Metal, gloss, glass and diffuse under what passes `top`; returns also what the facets reflect and transmit."""
    u = ti.sqrt(mu)
    glass = (1.0 - s.base_metalness) * s.transmission_weight
    opaque = (1.0 - s.base_metalness) * (1.0 - s.transmission_weight)
    e = ti.min(ti.sqrt(s.specular_weight) * e0, lt.MAX_E)
    if glass > 0.0:
        e = ti.max(e, MIN_GLASS_E)
    s.eta = (1.0 + e) / (1.0 - e)
    if s.inside != 0:
        s.eta = 1.0 / s.eta
    s.w_diffuse = opaque * top
    s.p_second = 0.0
    s.w_metal = vec3(0.0)
    s.w_gloss = vec3(0.0)
    s.w_glass = vec3(0.0)
    s.w_through = vec3(0.0)
    reflected = vec3(0.0)
    through = vec3(0.0)
    if e > 0.0 or s.base_metalness > 0.0:
        s.alpha = _alpha(roughness, s.specular_roughness_anisotropy)
        even = ti.sqrt(0.5 * (s.alpha.x + s.alpha.y))
        lost = s.compensate * _compensation(tables, roughness, s.specular_roughness_anisotropy, wo, u)
        soft = ti.min(roughness * s.specular_second_scale, 1.0)  # roughness of the second lobe
        even_soft = even
        lost_gloss = lost
        if s.specular_second_weight > 0.0:
            s.second_alpha = _alpha(soft, s.specular_roughness_anisotropy)
            even_soft = ti.sqrt(0.5 * (s.second_alpha.x + s.second_alpha.y))
            lost_soft = s.compensate * _compensation(tables, soft, s.specular_roughness_anisotropy, wo, u)
            lost_gloss = _lerp(lost, lost_soft, s.specular_second_weight)
        s.film_ior = ti.max(s.thin_film_ior, 1.0) / _lerp(1.0, s.coat_ior, s.coat_weight)
        s.metal_f0 = s.base_color
        m5 = (6.0 / 7.0) ** 5
        s.metal_dip = _lerp(s.metal_f0, 1.0, m5) * (1.0 - s.specular_color) / (m5 * (6.0 / 49.0))
        dielectric, metal = _interface(s, mu)
        shine = ti.min(s.specular_weight, 1.0)
        s.w_metal = s.base_metalness * shine * top * (1.0 + shine * s.metal_f0 * lost)
        if e > 0.0 and s.base_metalness < 1.0:
            tint = vec3(1.0)  # from below reflections have no tint
            if s.inside == 0:
                tint = s.specular_color
                share = _table3(tables, lt.DIELECTRIC, lt.ROUGHNESS, lt.COSINE, e, even, u)
                if s.specular_second_weight > 0.0:
                    share_soft = _table3(tables, lt.DIELECTRIC, lt.ROUGHNESS, lt.COSINE, e, even_soft, u)
                    share = _lerp(share, share_soft, s.specular_second_weight)
                dielectric = tm.clamp(dielectric * (share / ti.max(_dielectric(mu, s.eta), 1e-6)), 0.0, 1.0)
            gain = 1.0 + e * e * lost_gloss
            s.w_diffuse *= tm.clamp(1.0 - gain * dielectric, 0.0, 1.0)
            s.w_gloss = opaque * gain * top * tint
            if glass > 0.0:
                gain = 1.0 + lost
                if s.thin_walled == 0:
                    start = ti.select(s.inside != 0, lt.GLASS_OUT, lt.GLASS_IN)
                    total = _table3(tables, start, lt.COARSE, lt.COARSE, e, even, u)
                    gain = _lerp(1.0, 1.0 / ti.max(total, 0.1), s.compensate)
                s.w_glass = glass * gain * top * tint
                s.w_through = glass * gain * top
                if s.transmission_depth <= 0.0:
                    s.w_through *= s.transmission_color
        reflected, through = _split(s, dielectric, metal)
        if s.specular_second_weight > 0.0:
            gloss = _mean(s.w_gloss)
            s.p_second = s.specular_second_weight * gloss / ti.max(gloss + _mean(s.w_metal + s.w_glass), 1e-12)
    s.w_subsurface = s.w_diffuse * s.subsurface_weight
    s.w_diffuse *= 1.0 - s.subsurface_weight
    return s, reflected, through


@ti.func
def prepare(s, wo, tables: ti.template()):
    """Everything that depends on the parameters and `wo` alone. `tables` is `lobe_energy.build()`."""
    mu = tm.clamp(wo.z, 1e-4, 1.0)
    s = _within_range(s)
    s, fuzz, below_fuzz = _lay_fuzz(s, mu, tables)
    s, coat, below_coat, roughness, e = _lay_coat(s, wo, mu, below_fuzz, tables)
    s, reflected, through = _lay_base(s, wo, mu, below_coat, roughness, e, tables)
    diffuse = s.w_diffuse * s.base_color
    subsurface = s.w_subsurface * s.subsurface_color
    d = _mean(diffuse)
    w = _mean(subsurface)
    f = _mean(fuzz)
    b = _mean(reflected + through) + SPARE * _mean(s.w_metal + s.w_gloss + s.w_glass)
    c = coat + SPARE * s.w_coat
    scale = 1.0 / ti.max(d + f + b + c + w, 1e-12)
    s.p_diffuse = d * scale
    s.p_fuzz = f * scale
    s.p_base = b * scale
    s.p_coat = c * scale
    s.p_subsurface = w * scale
    s.reflectance = tm.clamp(diffuse + fuzz + reflected + through + coat + subsurface, 0.0, 1.0)
    return s


@ti.func
def emerge(s):
    """The surface as light meets it that comes out from below: white and matte, seen through the coat's medium."""
    s = _within_range(s)
    s.base_color = vec3(1.0)
    s.base_diffuse_roughness = 0.0
    s.transmission_weight = 0.0
    s.inside = 0
    s.w_diffuse = vec3(1.0)
    s.p_diffuse = 1.0
    s.w_through = vec3(0.0)
    s.p_base = 0.0
    s.p_coat = 0.0
    s.p_fuzz = 0.0
    s.p_subsurface = 0.0
    s.p_second = 0.0
    return s


@ti.func
def _eon(s, wo, wi):
    """Energy-preserving Oren-Nayar times pi (Portsmouth, Kutz and Hill 2025)."""
    r = s.base_diffuse_roughness
    a = 1.0 / (1.0 + EON_A * r)
    along = wo.x * wi.x + wo.y * wi.y
    if along > 0.0:
        along /= ti.max(wo.z, wi.z)
    mo = 1.0 - wo.z
    mi = 1.0 - wi.z
    go = mo * (0.0571085289 + mo * (0.491881867 + mo * (-0.332181442 + mo * 0.0714429953)))
    gi = mi * (0.0571085289 + mi * (0.491881867 + mi * (-0.332181442 + mi * 0.0714429953)))
    mean = a * (1.0 + EON_B * r)
    again = s.base_color * s.base_color * (mean / ti.max(1.0 - mean, 1e-7)) / (1.0 - s.base_color * (1.0 - mean))
    once = s.base_color * (a * ti.max(1.0 + r * along, 0.0))
    return once + again * (ti.max(1.0 - a * (1.0 + r * go), 0.0) * ti.max(1.0 - a * (1.0 + r * gi), 0.0))


@ti.func
def _around(n):
    """Two axes around n; for n = z they are x and y (Duff et al., "Building an Orthonormal Basis, Revisited", 2017)."""
    s = ti.select(n.z >= 0.0, 1.0, -1.0)
    a = -1.0 / (s + n.z)
    b = n.x * n.y * a
    return vec3(1.0 + s * n.x * n.x * a, s * b, -s * n.x), vec3(b, s + n.y * n.y * a, -n.y)


@ti.func
def _turn(x, y, z, v):
    return vec3(tm.dot(x, v), tm.dot(y, v), tm.dot(z, v))


@ti.func
def evaluate(s, wo, wi, tables: ti.template()):
    """BSDF times |cos(wi)|, as diffuse and specular parts, and the density of `sample` at `wi` per solid angle.

    Fuzz counts as diffuse; coat and transmission count as specular. Light that goes below the surface is not in it: it
    comes out elsewhere (`walk`).
    """
    diffuse = vec3(0.0)
    specular = vec3(0.0)
    pdf = 0.0
    above = wi.z > 0.0
    cosine = ti.abs(wi.z)
    if cosine > 1e-7 and wo.z > 0.0:
        coat_pass = vec3(1.0)
        if s.coat_weight > 0.0 and above == (s.inside == 0):
            coat_pass = _coat_pass(s, cosine)
        if above and s.p_diffuse > 0.0:
            color = s.base_color
            pdf = s.p_diffuse * (cosine / PI)
            if s.base_diffuse_roughness > 0.0:
                color = _eon(s, wo, wi)
                pdf = _lerp(pdf, s.p_diffuse / (2.0 * PI), 0.5 * s.base_diffuse_roughness)
            diffuse = s.w_diffuse * coat_pass * color * (cosine / PI)
        if s.p_base > 0.0 and (above or s.w_through.max() > 0.0):
            g = wo + vec3(wi.x, wi.y, cosine)
            bent = not above and s.thin_walled == 0
            if bent:
                g = wo + s.eta * wi
                if g.z < 0.0:
                    g = -g
            length2 = ti.max(tm.dot(g, g), 1e-20)
            h = g / ti.sqrt(length2)
            oh = tm.dot(wo, h)
            jacobian = 0.25
            if bent:
                jacobian = ti.max(-oh * tm.dot(wi, h), 0.0) * s.eta * s.eta / length2
            if oh > 0.0 and jacobian > 0.0:
                dielectric, metal = _interface(s, ti.min(oh, 1.0))
                reflected, through = _split(s, dielectric, metal)
                value, density = _facets(s.alpha, s.separable, wo, wi, h)
                weight = ti.select(above, reflected, through)
                share = _mean(weight) / ti.max(_mean(reflected + through), 1e-12)
                specular = weight * coat_pass * (value * jacobian)
                if s.p_second > 0.0:
                    # the gloss is GGX of both roughnesses; metal and glass keep the first
                    soft, soft_density = _facets(s.second_alpha, s.separable, wo, wi, h)
                    density = _lerp(density, soft_density, s.p_second)
                    if above:
                        gloss = s.w_gloss * dielectric * (s.specular_second_weight * jacobian)
                        specular += gloss * coat_pass * (soft - value)
                pdf += s.p_base * share * density * jacobian
        if above and s.p_coat > 0.0:
            h = tm.normalize(wo + wi)
            x, y = _around(s.coat_normal)
            ho, hi = _turn(x, y, s.coat_normal, wo), _turn(x, y, s.coat_normal, wi)
            if ho.z > 1e-7 and hi.z > 1e-7:
                value, density = _facets(s.coat_alpha, s.separable, ho, hi, _turn(x, y, s.coat_normal, h))
                specular += s.w_coat * _dielectric(tm.dot(wo, h), s.coat_ior) * 0.25 * value
                pdf += s.p_coat * 0.25 * density
        if above and s.p_fuzz > 0.0:
            h = tm.normalize(wo + wi)
            r = s.fuzz_roughness
            d = (2.0 + 1.0 / r) / (2.0 * PI) * ti.pow(ti.max(1.0 - h.z * h.z, 1e-7), 0.5 / r)
            shadowing = 1.0 + s.fuzz_lambda + _fuzz_lambda(r, wi.z)
            diffuse += s.w_fuzz * (d / (4.0 * ti.max(wo.z, 1e-4) * shadowing))
            pdf += s.p_fuzz / (2.0 * PI)
    return diffuse, specular, pdf


@ti.func
def sample(s, wo, u_lobe, u):
    """Draw `wi`. The lobe is 0 when the draw failed, 1 diffuse, 2 specular reflection, 3 transmission, and SUBSURFACE
    where light goes below the surface, with `wi` the normal and weight w_subsurface / p_subsurface."""
    wi = vec3(0.0, 0.0, 1.0)
    lobe = 0
    coin = u_lobe
    soft = s.p_diffuse + s.p_fuzz
    if u_lobe < soft:
        z = u.x  # rough diffuse and fuzz shine most at grazing angles, where the cosine would seldom lead
        if u_lobe < s.p_diffuse * (1.0 - 0.5 * s.base_diffuse_roughness):
            z = ti.sqrt(u.x)
        phi = 2.0 * PI * u.y
        r = ti.sqrt(ti.max(1.0 - z * z, 0.0))
        wi = vec3(r * ti.cos(phi), r * ti.sin(phi), z)
        lobe = 1
    elif s.p_subsurface > 0.0 and u_lobe >= soft + s.p_base + s.p_coat:
        lobe = SUBSURFACE
    elif s.p_base + s.p_coat > 0.0:
        coated = u_lobe >= soft + s.p_base
        z = vec3(0.0, 0.0, 1.0)
        if coated:
            z = s.coat_normal
        x, y = _around(z)
        alpha = ti.select(coated, s.coat_alpha, s.alpha)
        if not coated and s.p_second > 0.0:
            # the coin that chose the base is cut anew: within each half of it the Fresnel factor decides again
            at = (coin - soft) / s.p_base
            if at >= 1.0 - s.p_second:
                alpha = s.second_alpha
                at -= 1.0 - s.p_second
                at /= s.p_second
            else:
                at /= 1.0 - s.p_second
            coin = soft + at * s.p_base
        h = _sample_facet(_turn(x, y, z, wo), alpha, u)
        h = x * h.x + y * h.y + z * h.z
        oh = tm.dot(wo, h)
        wi = 2.0 * oh * h - wo
        lobe = 2
        if not coated and s.w_through.max() > 0.0:
            dielectric, metal = _interface(s, tm.clamp(oh, 0.0, 1.0))
            reflected, through = _split(s, dielectric, metal)
            r = _mean(reflected)
            if (coin - soft) * (r + _mean(through)) >= r * s.p_base:
                lobe = 3
                if s.thin_walled != 0:
                    wi.z = -wi.z
                else:
                    n = 1.0 / s.eta
                    bend = ti.sqrt(ti.max(1.0 - (1.0 - oh * oh) * n * n, 0.0))
                    wi = (oh * n - bend) * h - n * wo
        wi = tm.normalize(wi)
    if ti.select(lobe == 3, -wi.z, wi.z) <= 1e-7:
        lobe = 0
    return wi, lobe


@ti.func
def albedo(s):
    """What a prepared surface sends on in all, in [0, 1]: the denoiser's guide. Metals and glass show their tint."""
    return s.reflectance
