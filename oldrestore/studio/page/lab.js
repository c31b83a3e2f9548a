// CIELAB (D65) to sRGB, as oldrestore/color/lab.py has it.
const WHITE = [0.95047, 1, 1.08883];
const TO_RGB = [
  [3.2404542, -1.5371385, -0.4985314],
  [-0.969266, 1.8760108, 0.041556],
  [0.0556434, -0.2040259, 1.0572252],
];

function linear(L, a, b) {
  const fy = (L + 16) / 116;
  const xyz = [fy + a / 500, fy, fy - b / 200].map((f, i) =>
    WHITE[i] * (f > 6 / 29 ? f ** 3 : 3 * (6 / 29) ** 2 * (f - 4 / 29)));
  return TO_RGB.map((row) => row[0] * xyz[0] + row[1] * xyz[1] + row[2] * xyz[2]);
}

export function fits(L, a, b) {
  return linear(L, a, b).every((v) => v >= -0.0005 && v <= 1.0005);
}

/** The largest part of (a, b) that sRGB shows at lightness L. */
export function limited(L, a, b) {
  if (fits(L, a, b)) return [a, b];
  let inside = 0;
  let outside = 1;
  for (let i = 0; i < 12; i += 1) {
    const middle = (inside + outside) / 2;
    if (fits(L, a * middle, b * middle)) inside = middle; else outside = middle;
  }
  return [a * inside, b * inside];
}

/** sRGB 0..255 of a colour that fits. */
export function rgb(L, a, b) {
  return linear(L, a, b).map((v) => {
    const u = Math.min(1, Math.max(0, v));
    return Math.round(255 * (u <= 0.0031308 ? 12.92 * u : 1.055 * u ** (1 / 2.4) - 0.055));
  });
}

export const css = (L, a, b) => `rgb(${rgb(L, ...limited(L, a, b)).join(" ")})`;
