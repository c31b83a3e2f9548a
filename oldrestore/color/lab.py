"""sRGB and CIE 1976 L*a*b* (D65, 2 degree observer), in NumPy.

The matrix, the white point and the junction constants are those of scikit-image (``skimage.color``), so that
published colorization code and this package speak of the same numbers. In Lab units: L is 0..100; for sRGB
colours a lies in about -86..98 and b in about -108..95.
"""

from __future__ import annotations

import cv2
import numpy as np

# IEC 61966-2-1 primaries, linear RGB to CIE XYZ.
XYZ_FROM_RGB = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
WHITE_D65 = np.array([0.95047, 1.0, 1.08883])
# One matrix each way, with the white point folded in: linear RGB <-> XYZ relative to white.
RELATIVE_XYZ_FROM_RGB = XYZ_FROM_RGB / WHITE_D65[:, None]
RGB_FROM_RELATIVE_XYZ = np.linalg.inv(RELATIVE_XYZ_FROM_RGB)

# The sRGB transfer curve is linear below these values (encoded, and linear light).
ENCODED_JUNCTION = 0.04045
LINEAR_JUNCTION = 0.0031308
# The Lab curve is linear below this relative XYZ, and below this value of f.
XYZ_JUNCTION = 0.008856
F_JUNCTION = 0.2068966
F_SLOPE = 7.787
F_OFFSET = 16.0 / 116.0

_SCALE_AB = np.array([[500.0], [200.0]])
# L, a and b of two ways of computing f in float64 differ by less: f is at most 1, and its error 8 units of 2^-53.
_ROUNDING = np.array([[2e-13], [1e-12], [4e-13]])
_PIXELS_AT_ONCE = 32_768


def rgb_to_lab(rgb: np.ndarray) -> np.ndarray:
    """Convert sRGB (..., 3), uint8 0..255 or floating point 0..1, to CIE Lab, float32 (..., 3).

    Raises
    ------
    TypeError
        For any other integer type, whose range would have to be guessed.
    ValueError
        If the last axis is not 3, or floating-point values leave 0..1 (or are NaN).
    """
    f = _lab_curve(_relative_xyz(rgb))
    lab = np.empty_like(f)
    lab[..., 0] = 116.0 * f[..., 1] - 16.0
    lab[..., 1] = 500.0 * (f[..., 0] - f[..., 1])
    lab[..., 2] = 200.0 * (f[..., 1] - f[..., 2])
    return lab


def rgb_to_lightness(rgb: np.ndarray) -> np.ndarray:
    """Lightness of sRGB (..., 3), float32 (...), 0..100: exactly the first channel of `rgb_to_lab`, in less time."""
    # The same product as there: another one would round otherwise.
    return 116.0 * _lab_curve(_relative_xyz(rgb)[..., 1]) - 16.0


def rgb8_to_lab_b3hw(rgb_b3hw: np.ndarray) -> np.ndarray:
    """Convert uint8 sRGB (B, 3, H, W), with any strides, to CIE Lab, float32 (B, 3, H, W): a training step's input.

    In float64 and channel by channel the result is the float32 nearest to the exact value, within one unit in the last
    place, on whatever machine; in float32 it would depend on the processor's instructions. OpenCV's power and a step
    of Newton's method take half of the time of NumPy's cube root, and are within `_ROUNDING` of it: where that could
    decide how a value is rounded, it is computed with NumPy's, so that the bits are NumPy's for every colour.
    """
    lab_b3hw = np.empty(rgb_b3hw.shape, np.float32)
    if not lab_b3hw.size:
        return lab_b3hw
    # So few photographs at a time that their planes stay in the processor's cache, and not many calls for small ones.
    count = max(1, _PIXELS_AT_ONCE // lab_b3hw[0, 0].size)
    for first in range(0, len(lab_b3hw), count):
        part = lab_b3hw[first : first + count].swapaxes(0, 1)
        rgb = rgb_b3hw[first : first + count].swapaxes(0, 1).reshape(3, -1)
        linear, xyz, f, lab = np.empty((4, *rgb.shape))
        high, low = part.reshape(3, -1), np.empty(rgb.shape, np.float32)
        cv2.LUT(rgb, LINEAR_LIGHT, dst=linear)
        np.matmul(RELATIVE_XYZ_FROM_RGB, linear, out=xyz)
        cv2.pow(xyz, 1.0 / 3.0, dst=f)
        with np.errstate(invalid="ignore"):  # 0 / 0 where it is black, and put right below
            np.divide(xyz, np.multiply(f, f, out=lab), out=lab)
        f += np.multiply(np.subtract(lab, f, out=lab), 1.0 / 3.0, out=lab)
        dark = np.flatnonzero(xyz <= XYZ_JUNCTION)
        f.reshape(-1)[dark] = F_SLOPE * xyz.reshape(-1)[dark] + F_OFFSET
        np.subtract(np.multiply(f[1], 116.0, out=lab[0]), 16.0, out=lab[0])
        np.subtract(f[:2], f[1:], out=lab[1:])
        lab[1:] *= _SCALE_AB
        np.add(lab, _ROUNDING, out=high, casting="same_kind")
        np.subtract(lab, _ROUNDING, out=low, casting="same_kind")
        if not np.array_equal(low, high):
            undecided = np.flatnonzero((low != high).any(axis=0))
            high[:, undecided] = _exactly(rgb[:, undecided])
        if not np.may_share_memory(high, part):
            part[...] = high.reshape(part.shape)
    return lab_b3hw


def _exactly(rgb_3n: np.ndarray) -> np.ndarray:
    """CIE Lab of uint8 sRGB (3, n), float64 (3, n), by NumPy's cube root."""
    products = RELATIVE_XYZ_FROM_RGB[:, :, None] * LINEAR_LIGHT[rgb_3n]
    fx, fy, fz = _lab_curve(products[:, 0] + products[:, 1] + products[:, 2])
    return np.stack([116.0 * fy - 16.0, 500.0 * (fx - fy), 200.0 * (fy - fz)])


def _relative_xyz(rgb: np.ndarray) -> np.ndarray:
    """CIE XYZ relative to white, float32 (..., 3), of sRGB as for `rgb_to_lab`."""
    rgb = _with_three_channels(rgb, "rgb")
    if rgb.dtype == np.uint8:
        linear = _LINEAR_LIGHT_FLOAT32[rgb]
    elif np.issubdtype(rgb.dtype, np.floating):
        rgb = rgb.astype(np.float32, copy=False)
        if rgb.size and not (rgb.min() >= -1e-4 and rgb.max() <= 1.0 + 1e-4):
            raise ValueError(f"floating-point rgb must lie in 0..1, got {rgb.min():g}..{rgb.max():g}")
        linear = _decode_gamma(rgb)
    else:
        raise TypeError(f"rgb must be uint8 (0..255) or floating point (0..1), not {rgb.dtype}")
    return linear @ RELATIVE_XYZ_FROM_RGB.T.astype(np.float32)


def lab_to_rgb(lab: np.ndarray) -> np.ndarray:
    """Convert CIE Lab (..., 3) to sRGB, float32, 0..1; what sRGB cannot show is clipped channel by channel."""
    return _encode_gamma(lab_to_linear_rgb(lab))


def lab_to_linear_rgb(lab: np.ndarray) -> np.ndarray:
    """Convert CIE Lab (..., 3) to linear light, float32; colours that sRGB cannot show leave 0..1."""
    lab = _with_three_channels(lab, "lab").astype(np.float32, copy=False)
    f = np.empty_like(lab)
    f[..., 1] = (lab[..., 0] + 16.0) / 116.0
    f[..., 0] = f[..., 1] + lab[..., 1] / 500.0
    # A strongly yellow, dark prediction would need negative Z: scikit-image stops f_z at zero, and so do we.
    f[..., 2] = np.maximum(f[..., 1] - lab[..., 2] / 200.0, 0.0)
    return _inverse_lab_curve(f) @ RGB_FROM_RELATIVE_XYZ.T.astype(np.float32)


def lab_to_rgb8(lab: np.ndarray) -> np.ndarray:
    """Convert CIE Lab (..., 3) to 8-bit sRGB, uint8 (..., 3), rounded to the nearest value.

    ``lab_to_rgb8(rgb_to_lab(rgb))`` gives back every uint8 colour exactly.
    """
    return linear_to_rgb8(lab_to_linear_rgb(lab))


def linear_to_rgb8(linear: np.ndarray) -> np.ndarray:
    """Encode linear light as 8-bit sRGB, rounded to the nearest value; what leaves 0..1 is clipped."""
    return _round_to_8_bits(_encode_gamma(linear))


def gray_rgb8(L_hw: np.ndarray) -> np.ndarray:
    """Render lightness (...), 0..100, as a gray photograph, uint8 (..., 3), three equal channels.

    The white point of Lab and the sum of the sRGB primaries differ in the fifth digit, so a = b = 0 is not
    exactly gray in sRGB. Luminance is used for all three channels, which are therefore always equal.
    """
    f = (np.asarray(L_hw, dtype=np.float32) + 16.0) / 116.0
    gray = _round_to_8_bits(_encode_gamma(_inverse_lab_curve(f)))
    return np.repeat(gray[..., None], 3, axis=-1)


def _with_three_channels(values: np.ndarray, name: str) -> np.ndarray:
    values = np.asarray(values)
    if values.ndim == 0 or values.shape[-1] != 3:
        raise ValueError(f"{name} must have 3 channels on its last axis, got shape {values.shape}")
    return values


def _decode_gamma(encoded: np.ndarray) -> np.ndarray:
    curve = ((np.maximum(encoded, ENCODED_JUNCTION) + 0.055) / 1.055) ** 2.4
    return np.where(encoded > ENCODED_JUNCTION, curve, encoded / 12.92)


def _encode_gamma(linear: np.ndarray) -> np.ndarray:
    curve = 1.055 * np.maximum(linear, LINEAR_JUNCTION) ** (1.0 / 2.4) - 0.055
    return np.clip(np.where(linear > LINEAR_JUNCTION, curve, linear * 12.92), 0.0, 1.0)


def _lab_curve(relative_xyz: np.ndarray) -> np.ndarray:
    return np.where(relative_xyz > XYZ_JUNCTION, np.cbrt(relative_xyz), F_SLOPE * relative_xyz + F_OFFSET)


def _inverse_lab_curve(f: np.ndarray) -> np.ndarray:
    return np.where(f > F_JUNCTION, f * f * f, (f - F_OFFSET) / F_SLOPE)


def _round_to_8_bits(unit: np.ndarray) -> np.ndarray:
    return np.rint(unit * 255.0).astype(np.uint8)


# Linear light, 0..1, of each of the 256 8-bit sRGB values, float64 (256,).
LINEAR_LIGHT = _decode_gamma(np.arange(256) / 255.0)
_LINEAR_LIGHT_FLOAT32 = LINEAR_LIGHT.astype(np.float32)
