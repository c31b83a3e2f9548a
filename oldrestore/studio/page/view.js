// The photograph on its canvas: zoom, pan, before and after, mask, hints; pointers become places in its pixels.
const canvas = document.getElementById("view");
const draw = canvas.getContext("2d");

export const shown = {
  width: 1, height: 1, original: null, result: null, mask: null,
  overlay: true, split: 0, hints: [], stroke: null, cursor: null, tool: "look", color: () => "white",
};
let zoom = 1; // screen pixels for one of the photograph
let left = 0;
let top = 0;
let waiting = false;

export function fit() {
  zoom = Math.min(canvas.clientWidth / shown.width, canvas.clientHeight / shown.height);
  left = (canvas.clientWidth - shown.width * zoom) / 2;
  top = (canvas.clientHeight - shown.height * zoom) / 2;
  redraw();
}

export function zoomBy(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
  const wanted = Math.min(40, Math.max(0.02, zoom * factor));
  left = x - (x - left) * (wanted / zoom);
  top = y - (y - top) * (wanted / zoom);
  zoom = wanted;
  redraw();
}

export function pan(dx, dy) {
  left += dx;
  top += dy;
  redraw();
}

/** Pixel coordinates of the photograph; the middle of the upper left pixel is (0, 0). */
export const place = (x, y) => [(x - left) / zoom - 0.5, (y - top) / zoom - 0.5];
export const inside = ([x, y]) => x >= 0 && y >= 0 && x <= shown.width - 1 && y <= shown.height - 1;
export const onScreen = ([x, y]) => [(x + 0.5) * zoom + left, (y + 0.5) * zoom + top];

export function hintAt(at) {
  const reach = (hint) => Math.max(hint.radius, 12 / zoom);
  return shown.hints.findLastIndex((hint) => Math.hypot(hint.x - at[0], hint.y - at[1]) <= reach(hint));
}

/** The mask as the page shows it: red where damage is. */
export function tinted(mask) {
  const made = new OffscreenCanvas(mask.width, mask.height);
  const pen = made.getContext("2d");
  pen.drawImage(mask, 0, 0);
  const pixels = pen.getImageData(0, 0, mask.width, mask.height);
  for (let i = 0; i < pixels.data.length; i += 4) pixels.data.set([230, 30, 60, pixels.data[i] ? 150 : 0], i);
  pen.putImageData(pixels, 0, 0);
  return made;
}

export function redraw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    paint();
  });
}

function paint() {
  const ratio = devicePixelRatio;
  const [w, h] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  draw.setTransform(ratio, 0, 0, ratio, 0, 0);
  draw.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  const box = [left, top, shown.width * zoom, shown.height * zoom];
  const after = shown.result ?? shown.original;
  if (after) draw.drawImage(after, ...box);
  const edge = left + (shown.width * zoom * shown.split) / 100;
  if (shown.original && shown.split > 0) {
    draw.save();
    draw.beginPath();
    draw.rect(left, top, edge - left, box[3]);
    draw.clip();
    draw.drawImage(shown.original, ...box);
    draw.restore();
    line([[edge, top], [edge, top + box[3]]], 2, "white");
  }
  if (shown.mask && shown.overlay) draw.drawImage(shown.mask, ...box);
  if (shown.stroke) {
    const color = shown.stroke.tool === "brush" ? "rgb(230 30 60 / .6)" : "rgb(255 255 255 / .6)";
    line(shown.stroke.points.map(onScreen), Math.max(1, 2 * shown.stroke.radius * zoom), color);
  }
  for (const hint of shown.hints) disc(onScreen([hint.x, hint.y]), Math.max(7, hint.radius * zoom), shown.color(hint));
  if (shown.cursor) {
    const [x, y] = onScreen(shown.cursor);
    line([[x - 9, y], [x + 9, y]], 2, "white");
    line([[x, y - 9], [x, y + 9]], 2, "white");
  }
}

function line(points, width, color) {
  draw.beginPath();
  draw.moveTo(...points[0]);
  for (const point of points.length > 1 ? points : [points[0], points[0]]) draw.lineTo(...point);
  [draw.lineWidth, draw.strokeStyle, draw.lineCap, draw.lineJoin] = [width, color, "round", "round"];
  draw.stroke();
}

function disc([x, y], radius, color) {
  draw.beginPath();
  draw.arc(x, y, radius, 0, 2 * Math.PI);
  draw.fillStyle = color;
  draw.fill();
  [draw.lineWidth, draw.strokeStyle] = [3, "black"];
  draw.stroke();
  [draw.lineWidth, draw.strokeStyle] = [1.5, "white"];
  draw.stroke();
}

new ResizeObserver(() => fit()).observe(canvas);
