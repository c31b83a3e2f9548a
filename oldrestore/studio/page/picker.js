// The dialog in which a colour is picked: likely ones first, and a wheel of what the place's lightness can show.
import { css, limited, rgb } from "./lab.js";

const dialog = document.getElementById("picker");
const wheel = document.getElementById("wheel");
const REACH = 110; // Lab units from the wheel's middle to its edge
let L = 50;
let ab = [0, 0];

/** Ask for a colour; `hint` (ab, radius) is the one to change, or null. Resolves to {ab, radius}, "delete" or null. */
export function pick(found, hint, radius) {
  L = Math.min(97, Math.max(5, found.lightness));
  ab = hint ? hint.ab : found.colors[0]?.ab ?? [0, 0];
  document.getElementById("remove").hidden = !hint;
  const field = document.getElementById("radius");
  field.value = Math.round(hint ? hint.radius : radius);
  const buttons = found.colors.map((color) => {
    const button = document.createElement("button");
    button.type = "button";
    button.style.background = color.color;
    button.setAttribute("aria-label", `${color.color}, ${Math.round(100 * color.share)} % likely`);
    button.title = `${Math.round(100 * color.share)} %`;
    button.addEventListener("click", () => choose(color.ab));
    return button;
  });
  document.getElementById("likely").replaceChildren(...buttons);
  paintWheel();
  choose(ab);
  dialog.returnValue = "cancel";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const radius = Math.min(2000, Math.max(0, Number(field.value) || 0));
      resolve({ use: { ab, radius }, delete: "delete" }[dialog.returnValue] ?? null);
    }, { once: true });
  });
}

function choose(wanted) {
  ab = limited(L, ...wanted).map((v) => Math.round(v * 100) / 100);
  document.getElementById("swatch").style.background = css(L, ...ab);
  document.getElementById("chosen").textContent = `a ${ab[0].toFixed(0)}, b ${ab[1].toFixed(0)}`;
  for (const button of document.querySelectorAll("#likely button")) {
    const same = button.style.background === document.getElementById("swatch").style.background;
    button.setAttribute("aria-pressed", same);
  }
  paintMark();
}

let disc = null;

function paintWheel() {
  const side = wheel.width;
  disc = new ImageData(side, side);
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1) {
      const [a, b] = fromWheel(x, y);
      if (Math.hypot(a, b) > REACH) continue;
      const [inA, inB] = limited(L, a, b);
      const shown = Math.hypot(inA - a, inB - b) < 0.5;
      disc.data.set([...rgb(L, inA, inB), shown ? 255 : 60], 4 * (y * side + x));
    }
  }
}

function paintMark() {
  const pen = wheel.getContext("2d");
  pen.putImageData(disc, 0, 0);
  const half = wheel.width / 2;
  pen.beginPath();
  pen.arc(half + (ab[0] / REACH) * half, half - (ab[1] / REACH) * half, 7, 0, 2 * Math.PI);
  [pen.lineWidth, pen.strokeStyle] = [4, "black"];
  pen.stroke();
  [pen.lineWidth, pen.strokeStyle] = [2, "white"];
  pen.stroke();
}

const fromWheel = (x, y) => [(x / wheel.width - 0.5) * 2 * REACH, (0.5 - y / wheel.height) * 2 * REACH];

function onWheel(event) {
  if (!event.buttons) return;
  const box = wheel.getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width) * wheel.width;
  choose(fromWheel(x, ((event.clientY - box.top) / box.height) * wheel.height));
}

wheel.addEventListener("pointerdown", (event) => {
  wheel.setPointerCapture(event.pointerId);
  onWheel(event);
});
wheel.addEventListener("pointermove", onWheel);
wheel.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [-4, 0], ArrowRight: [4, 0], ArrowUp: [0, 4], ArrowDown: [0, -4] }[event.key];
  if (!step) return;
  event.preventDefault();
  choose([ab[0] + step[0], ab[1] + step[1]]);
});
