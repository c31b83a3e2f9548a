// Mouse, pen, touch and keyboard on the photograph: what is done with the tool, told to `act`.
import * as view from "./view.js";

const canvas = document.getElementById("view");
const pointers = new Map();
let moving = null; // the hint that is dragged: its number and where it was taken
let moved = false;

const at = (event) => {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
};

/** `act` has pick(place, number of a hint or -1), drag(number, place), stroke(stroke), remove(number), radius(). */
export function listen(act) {
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
    moved = false;
    const place = view.place(...at(event));
    if (pointers.size > 1) {
      [view.shown.stroke, moving] = [null, null];
    } else if (view.shown.tool === "brush" || view.shown.tool === "eraser") {
      view.shown.stroke = { tool: view.shown.tool, radius: act.radius(), points: [place] };
    } else if (view.shown.tool === "color" && view.hintAt(place) >= 0) {
      moving = view.hintAt(place);
    }
    view.redraw();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return;
    const before = pointers.get(event.pointerId);
    const now = at(event);
    if (Math.hypot(now[0] - before[0], now[1] - before[1]) < (moved ? 0.5 : 3)) return;
    moved = true;
    const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    pointers.set(event.pointerId, now);
    if (others.length) {
      const spread = (point) => Math.hypot(point[0] - others[0][0], point[1] - others[0][1]);
      view.zoomBy(spread(now) / Math.max(1, spread(before)), ...others[0]);
    } else if (view.shown.stroke) {
      view.shown.stroke.points.push(view.place(...now));
      view.redraw();
    } else if (moving !== null) {
      const place = view.place(...now);
      if (view.inside(place)) [view.shown.hints[moving].x, view.shown.hints[moving].y] = place;
      view.redraw();
    } else {
      view.pan(now[0] - before[0], now[1] - before[1]);
    }
  });
  const up = (event) => {
    if (!pointers.delete(event.pointerId) || pointers.size) return;
    const place = view.place(...at(event));
    const stroke = view.shown.stroke;
    view.shown.stroke = null;
    if (event.type === "pointercancel") view.redraw();
    else if (stroke) act.stroke(stroke);
    else if (moving !== null && moved) act.drag(moving);
    else if (view.shown.tool === "color" && !moved && view.inside(place)) act.pick(place, view.hintAt(place));
    moving = null;
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    view.zoomBy(Math.exp(-event.deltaY / 400), ...at(event));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => key(event, act));
  canvas.addEventListener("blur", () => {
    view.shown.cursor = null;
    view.redraw();
  });
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function key(event, act) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { shown } = view;
  const cursor = shown.cursor ?? [Math.floor(shown.width / 2), Math.floor(shown.height / 2)];
  if (event.key in ARROWS) {
    const step = Math.max(1, Math.round(Math.min(shown.width, shown.height) / (event.shiftKey ? 10 : 50)));
    const limits = [shown.width - 1, shown.height - 1];
    shown.cursor = ARROWS[event.key].map((d, i) => Math.min(limits[i], Math.max(0, cursor[i] + d * step)));
  } else if (event.key === "Enter" || event.key === " ") {
    shown.cursor = cursor;
    if (shown.tool === "color") act.pick(cursor, view.hintAt(cursor));
    else if (shown.tool !== "look") act.stroke({ tool: shown.tool, radius: act.radius(), points: [cursor] });
  } else if (event.key === "Delete" || event.key === "Backspace") {
    if (view.hintAt(cursor) >= 0) act.remove(view.hintAt(cursor));
  } else if (event.key === "+" || event.key === "-") view.zoomBy(event.key === "+" ? 1.25 : 0.8);
  else if (event.key === "0") view.fit();
  else return;
  event.preventDefault();
  view.redraw();
}
