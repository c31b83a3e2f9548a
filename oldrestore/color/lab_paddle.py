"""sRGB and CIE Lab on tensors (B, 3, h, w), on the device where they are: the maths of ``lab.py``, float32.

Channels are combined by explicit sums, not by a matrix product: mixed precision and TensorFloat-32 would
round a product to three digits, and no colour conversion survives that. Gradients are finite everywhere:
where a curve has two branches, the one not taken is evaluated at the junction and not at the value.
"""

from __future__ import annotations

import numpy as np
import paddle

from oldrestore.color import lab


def rgb_to_lab_nchw(rgb_b3hw: paddle.Tensor) -> paddle.Tensor:
    """Convert sRGB, uint8 0..255 or floating point 0..1, to CIE Lab, float32; `TypeError` for other integers.

    The range of floating-point values is not checked: on a GPU the check would wait for the device at every step.
    """
    _require_three_channels(rgb_b3hw, "rgb")
    if rgb_b3hw.dtype == paddle.uint8 and rgb_b3hw.place.is_cpu_place():
        return paddle.to_tensor(lab.rgb8_to_lab_b3hw(rgb_b3hw.numpy()), place=rgb_b3hw.place)
    return rgb_to_lab_on_device(rgb_b3hw)


def rgb_to_lab_on_device(rgb_b3hw: paddle.Tensor) -> paddle.Tensor:
    """Convert with Paddle's operations, as on a GPU."""
    if rgb_b3hw.dtype == paddle.uint8:
        table = paddle.to_tensor(lab.LINEAR_LIGHT.astype(np.float32), place=rgb_b3hw.place)
        linear = paddle.gather(table, rgb_b3hw.flatten().astype("int32")).reshape(rgb_b3hw.shape)
    elif rgb_b3hw.is_floating_point():
        linear = _decode_gamma(rgb_b3hw.astype("float32"))
    else:
        raise TypeError(f"rgb must be uint8 (0..255) or floating point (0..1), not {rgb_b3hw.dtype}")
    fx, fy, fz = (_lab_curve(x) for x in _combine(lab.RELATIVE_XYZ_FROM_RGB, linear))
    return paddle.stack([116.0 * fy - 16.0, 500.0 * (fx - fy), 200.0 * (fy - fz)], axis=1)


def lab_to_rgb_nchw(lab_b3hw: paddle.Tensor) -> paddle.Tensor:
    """Convert CIE Lab (B, 3, h, w) to sRGB, float32 (B, 3, h, w), 0..1.

    Colours that sRGB cannot show are clipped channel by channel; a clipped channel has gradient zero.
    """
    _require_three_channels(lab_b3hw, "lab")
    L, a, b = lab_b3hw.astype("float32").unbind(axis=1)
    fy = (L + 16.0) / 116.0
    fx = fy + a / 500.0
    fz = paddle.clip(fy - b / 200.0, min=0.0)
    f = paddle.stack([fx, fy, fz], axis=1)
    linear = paddle.stack(_combine(lab.RGB_FROM_RELATIVE_XYZ, _inverse_lab_curve(f)), axis=1)
    return _encode_gamma(linear)


def lightness_to_gray(L: paddle.Tensor) -> paddle.Tensor:
    """Return the sRGB gray of a lightness, float32 0..1, in any shape: what red, green and blue are, all alike.

    `lab_to_rgb_nchw` gives the three up to 4e-5 apart, since its white is rounded as scikit-image's is.
    """
    return _encode_gamma(_inverse_lab_curve((L.astype("float32") + 16.0) / 116.0))


def _require_three_channels(tensor: paddle.Tensor, name: str) -> None:
    if tensor.ndim != 4 or tensor.shape[1] != 3:
        raise ValueError(f"{name} must have shape (B, 3, h, w), got {tuple(tensor.shape)}")


def _combine(matrix_33, tensor_b3hw: paddle.Tensor) -> list[paddle.Tensor]:
    x, y, z = tensor_b3hw.unbind(axis=1)
    return [float(m[0]) * x + float(m[1]) * y + float(m[2]) * z for m in matrix_33]


def _decode_gamma(encoded: paddle.Tensor) -> paddle.Tensor:
    curve = ((paddle.clip(encoded, min=lab.ENCODED_JUNCTION) + 0.055) / 1.055) ** 2.4
    return paddle.where(encoded > lab.ENCODED_JUNCTION, curve, encoded / 12.92)


def _encode_gamma(linear: paddle.Tensor) -> paddle.Tensor:
    curve = 1.055 * paddle.clip(linear, min=lab.LINEAR_JUNCTION) ** (1.0 / 2.4) - 0.055
    encoded = paddle.where(linear > lab.LINEAR_JUNCTION, curve, linear * 12.92)
    return paddle.clip(encoded, 0.0, 1.0)


def _inverse_lab_curve(f: paddle.Tensor) -> paddle.Tensor:
    return paddle.where(f > lab.F_JUNCTION, f * f * f, (f - lab.F_OFFSET) / lab.F_SLOPE)


def _lab_curve(relative_xyz: paddle.Tensor) -> paddle.Tensor:
    # The cube root's slope is infinite at black, where the linear branch is the one taken.
    curve = paddle.clip(relative_xyz, min=lab.XYZ_JUNCTION) ** (1.0 / 3.0)
    return paddle.where(relative_xyz > lab.XYZ_JUNCTION, curve, lab.F_SLOPE * relative_xyz + lab.F_OFFSET)
