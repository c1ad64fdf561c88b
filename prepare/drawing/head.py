"""Head, neck and ears: skin as a lit relief over a painted albedo."""

import cv2
import numpy as np

from prepare.drawing.canvas import ellipse, mirrored, moved, shade, smooth_curve, smooth_noise
from prepare.drawing.face import EYE_DEPTH, NOSE_DEPTH, Face, Sitter
from prepare.drawing.features import paint_lips

SKULL_HALF_HEIGHT = 1.78  # face units, from the eye line to the crown and to the chin
# Light that entered the skin leaves it reddened, so red fades last in the shade; the powers also
# encode linear light as sRGB.
SHADE_POWERS = (0.41, 0.51, 0.54)
SHADE_FLOOR = 0.16  # light from all around


def half_width(sitter: Sitter, y: np.ndarray | np.floating) -> np.ndarray:
    """Half width of the head at height y, both in face units; 0 above the crown, below the chin."""
    jaw = np.clip((y - 0.1) / 1.5, 0, 1)
    taper = 1 - sitter.jaw_taper * jaw * jaw * (3 - 2 * jaw)
    return sitter.face_width * taper * np.sqrt(np.clip(1 - (y / SKULL_HALF_HEIGHT) ** 2, 0, 1))


def head_outline(sitter: Sitter) -> np.ndarray:
    """Outline of the head, (240, 2), face units."""
    y = -SKULL_HALF_HEIGHT * np.cos(np.linspace(0, np.pi, 120))
    x = half_width(sitter, y)
    return np.concatenate([np.stack([x, y], -1), np.stack([-x, y], -1)[::-1]])


def bump(
    x: np.ndarray, y: np.ndarray, center: tuple[float, float], spread: tuple[float, float]
) -> np.ndarray:
    return np.exp(-(((x - center[0]) / spread[0]) ** 2) - ((y - center[1]) / spread[1]) ** 2)


def relief(sitter: Sitter, x: np.ndarray, y: np.ndarray, turn: float) -> np.ndarray:
    """Height of the face over the picture plane, in face units like x and y."""
    across = np.abs(x) / np.maximum(half_width(sitter, y), 0.05)
    height = 0.95 * np.sqrt(np.clip(1 - across**2.4, 0, 1))
    height *= np.sqrt(np.clip(1 - (np.abs(y) / 1.9) ** 3, 0.02, 1))
    nose_x, x = x - turn * NOSE_DEPTH, x - turn * EYE_DEPTH
    beside = np.abs(x)
    wide = sitter.nose_width
    bridge = np.clip((y + 0.25) / 0.9, 0, 1) ** 1.4 / (1 + np.exp((y - 0.68) * 28))
    height += 0.34 * bridge * np.exp(-((nose_x / (0.12 * wide + 0.05 * bridge)) ** 2))
    height += 0.07 * bump(nose_x, y, (0, 0.58), (0.13 * wide, 0.12))  # tip of the nose
    height += 0.12 * bump(np.abs(nose_x), y, (0.17 * wide, 0.64), (0.08, 0.09))  # its wings
    for center, spread, amount in (
        ((0.50, -0.02), (0.34, 0.20), -0.16),  # eye sockets
        ((0.50, 0.00), (0.23, 0.14), 0.09),  # lids
        ((0.45, -0.38), (0.40, 0.13), 0.04 + 0.03 * sitter.masculine),  # brows
        ((0.72, 0.48), (0.26, 0.24), 0.06 + 0.05 * sitter.smile),  # cheeks
        ((0.00, 1.05), (0.42, 0.26), 0.08),  # mouth
        ((0.00, 0.98), (0.34, 0.05), 0.04),  # lips
        ((0.00, 1.15), (0.30, 0.07), 0.06),
        ((0.00, 0.84), (0.05, 0.10), -0.025),  # groove over the lips
        ((0.00, 1.30), (0.28, 0.07), -0.05),  # under them
        ((0.00, 1.55), (0.26, 0.16), 0.10),  # chin
    ):
        height += amount * bump(beside, y, center, spread)
    fold = beside - (0.24 + 0.55 * (y - 0.62))
    depth = 0.02 + 0.05 * max(sitter.age, sitter.smile)
    height -= depth * np.exp(-((fold / 0.05) ** 2)) * bump(x, y, (0, 0.85), (9, 0.22))
    return height


def cast_shadow(height: np.ndarray, unit_px: float, light: np.ndarray) -> np.ndarray:
    """Marches towards the light: 0 where the relief hides it, 1 where it does not."""
    hidden, side = np.zeros_like(height), len(height)
    for distance in np.linspace(0.06, 0.6, 10):
        right, down = -light[:2] * distance * unit_px
        move = np.array([(1, 0, right), (0, 1, down)], np.float32)
        towards = cv2.warpAffine(height, move, (side, side), borderMode=cv2.BORDER_REPLICATE)
        np.maximum(hidden, towards - height - light[2] * distance, out=hidden)
    return 1 - np.clip(cv2.GaussianBlur(hidden, (0, 0), 0.02 * unit_px) * 12, 0, 1)


def render_skin(albedo: np.ndarray, height: np.ndarray, face: Face) -> np.ndarray:
    """Lights a painted surface, uint8, (side, side, 3) RGB, by the face's light.

    Its relief, (side / 2, side / 2), is in face units; the result is float32, 0..255 and a little
    above.
    """
    unit_px, light = face.unit_px / 2, face.sitter.light
    slope_y, slope_x = np.gradient(height * unit_px)
    length = np.sqrt(slope_x**2 + slope_y**2 + 1)
    facing = (-slope_x * light[0] - slope_y * light[1] + light[2]) / length
    halfway = light + np.array([0, 0, 1])
    halfway /= np.linalg.norm(halfway)
    gloss = (-slope_x * halfway[0] - slope_y * halfway[1] + halfway[2]) / length
    cavity = cv2.GaussianBlur(height, (0, 0), 0.09 * unit_px) - height
    diffuse = np.clip((facing + 0.15) / 1.1, 0, 1) * np.clip(1 - 5 * cavity, 0.5, 1.05)
    seen = 0.35 + 0.65 * cast_shadow(height, unit_px, light)
    diffuse = SHADE_FLOOR + (1 - SHADE_FLOOR) * diffuse * seen
    gloss = np.clip(gloss, 0, 1) ** 28 * seen

    size = albedo.shape[1::-1]
    tinted = np.dstack([diffuse**power for power in SHADE_POWERS])
    factor = cv2.resize(tinted, size, interpolation=cv2.INTER_LINEAR)
    shine = cv2.resize(gloss * 36, size, interpolation=cv2.INTER_LINEAR)
    return albedo * factor + shine[..., None]


def unlit_skin(face: Face, lightness: float = 1.0) -> np.ndarray:
    """A canvas of one skin color."""
    albedo = np.zeros_like(face.canvas)
    albedo[:] = np.clip(face.sitter.skin * lightness, 0, 255)
    return albedo


def mottle(face: Face) -> None:
    """Makes the color uneven, from patches down to pores."""
    shade(face.canvas, 1 + 0.03 * smooth_noise(face.rng, face.side, 0.06, 2))
    pores = (0.025 + 0.02 * face.sitter.age) * face.sitter.skin_detail
    shade(face.canvas, 1 + pores * smooth_noise(face.rng, face.side, 0.006, 2))


def paint_freckles(face: Face) -> None:
    rng, sitter = face.rng, face.sitter
    for _ in range(int(220 * sitter.freckles * sitter.skin_detail)):
        center = rng.normal((0, 0.4), (0.55, 0.25))
        size = rng.uniform(0.008, 0.02)
        color = sitter.skin * (0.86, 0.74, 0.66) * rng.uniform(0.9, 1.1)
        face.fill(ellipse(center, size, size, 8), color, 0.3)


def paint_wrinkles(face: Face) -> None:
    """Furrows of forehead, eye corners and lower lids, as thin dark lines beside light ones."""
    rng, sitter = face.rng, face.sitter
    lines = [
        [(-0.7, y), (-0.3, y - 0.05), (0.1, y + 0.01), (0.4, y - 0.05), (0.75, y + 0.02)]
        for y in np.arange(-0.95, -0.55, 0.11)
    ]
    for sign in (-1, 1):
        lines += [
            [(sign * 0.82, 0.03 + drop / 3), (sign * 0.93, 0.02 + drop), (sign * 1, drop * 1.8)]
            for drop in (-0.07, -0.02, 0.04, 0.09)
        ]
        lines += [
            [(sign * 0.28, 0.16), (sign * 0.5, 0.2 + drop), (sign * 0.74, 0.13 + drop)]
            for drop in (0.04, 0.1)
        ]
    painted = face.on(face.canvas.copy())
    for line in lines:
        curve = smooth_curve(line + rng.normal(0, 0.012, np.shape(line)))
        width = rng.uniform(0.006, 0.014)
        painted.stroke(moved(curve, 0, 0.016), sitter.skin * 1.12, width, 0.3)
        painted.stroke(curve, sitter.skin * (0.72, 0.62, 0.58), width, 0.3)
    strength = (0.04 + 0.6 * sitter.age) * sitter.skin_detail
    face.canvas[:] = cv2.addWeighted(painted.canvas, strength, face.canvas, 1 - strength, 0)


def draw_head(face: Face) -> None:
    """Draws the bare head: skin and the shape of nose and lips, no eyes, no hair."""
    skin = face.sitter.skin
    unlit = face.on(unlit_skin(face))
    x, y = face.grid(face.side // 2)
    height = relief(face.sitter, x, y, face.turn)
    blush = bump(np.abs(x), y, (0.62, 0.5), (0.4, 0.3)) + bump(x, y, (0, 0.55), (0.25, 0.2))
    blush = cv2.resize(blush * 0.3, (face.side, face.side))
    unlit.blend(skin * (1.03, 0.83, 0.79), blush)
    mottle(unlit)
    paint_freckles(unlit)
    paint_wrinkles(unlit)
    paint_lips(unlit)  # so that they are lit like the skin around them
    lit = render_skin(unlit.canvas, height, face)
    face.blend(lit, face.inside(head_outline(face.sitter), softness_px=0.6))


def draw_neck(face: Face) -> None:
    """Draws neck and upper chest, in the shadow of the chin."""
    sitter = face.sitter
    thick = 0.62 + 0.14 * sitter.masculine
    right = smooth_curve([(thick, 0.9), (thick, 1.7), (thick + 0.1, 2.1), (1.6, 2.5), (2.2, 3.2)])
    outline = np.concatenate([right, mirrored(right)[::-1]])
    x, y = face.grid(face.side // 2)
    spread = thick + np.clip(y - 1.8, 0, 2) ** 2 * 2
    height = 0.5 * np.sqrt(np.clip(1 - (x / spread) ** 2, 0.02, 1)).astype(np.float32)
    height += 0.08 * bump(np.abs(x) - 0.5 * (2.3 - y), y, (0, 2), (0.12, 0.5))
    albedo = unlit_skin(face, 0.96)
    mottle(face.on(albedo))
    skin = render_skin(albedo, height, face)
    shadow = head_outline(sitter) - sitter.light[:2] * (0.25, 0.4)
    skin *= 1 - 0.55 * face.inside(shadow, softness_px=0.1 * face.unit_px)[..., None]
    face.blend(skin, face.inside(outline, softness_px=0.6))


def draw_ears(face: Face) -> None:
    """Draws both ears, the one away from the light darker."""
    sitter = face.sitter
    width = half_width(sitter, np.float64(0.3))
    shape = [
        (0, -0.2), (0.12, -0.3), (0.22, -0.15), (0.2, 0.15), (0.1, 0.42), (0, 0.5), (-0.1, 0.1),
    ]  # fmt: skip
    rim = [(0.02, -0.1), (0.1, -0.2), (0.15, -0.1), (0.14, 0.12), (0.06, 0.3)]
    fold = [(0.03, 0.0), (0.08, -0.06), (0.09, 0.08), (0.04, 0.18)]
    for sign in (-1, 1):
        lit = 0.72 + 0.3 * sign * sitter.light[0]
        place = np.array([sign * width, 0.12])
        outline = smooth_curve(shape, 40, closed=True) * (sign, 1) + place
        color = sitter.skin * lit * (1.02, 0.92, 0.88)
        face.blend(color, face.inside(outline, -0.2, 0.6))
        for curve, darkness, curve_width in ((rim, 0.62, 0.03), (fold, 0.5, 0.05)):
            color = sitter.skin * lit * darkness * (1.1, 0.9, 0.85)
            face.stroke(smooth_curve(curve) * (sign, 1) + place, color, curve_width, -0.2)
