// The page: keeps the session that the server has, changes it, and shows what becomes of the photograph.
import * as api from "./api.js";
import { css } from "./lab.js";
import { pick } from "./picker.js";
import { listen } from "./pointing.js";
import * as view from "./view.js";

const $ = (id) => document.getElementById(id);
const controls = [...document.querySelectorAll("[data-setting]")];
let networks = [];
let number = 0;
let state = null; // revision, session, can_undo, can_redo
let turn = Promise.resolve(); // changes go one after another: each names the revision that it is of
let wanted = 0; // pictures of earlier requests are not shown
let masked = null; // what the mask that is shown is of
let saving = null;

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

let tasks = 0;
function busy(more) {
  tasks += more;
  $("stage").setAttribute("aria-busy", tasks > 0);
}

const failed = (error) => {
  view.shown.hints = structuredClone(state?.session.hints ?? []);
  view.redraw();
  say(error.message, true);
};

/** Do something that changes the session, after what is under way; `how` returns a promise of the new state. */
function change(how) {
  busy(1);
  turn = turn.then(async () => {
    try {
      accept(await how());
      refresh();
    } catch (error) {
      if (error.status === 409) {
        accept(await api.open(number));
        refresh();
      }
      failed(error);
    }
  }).catch(failed).finally(() => busy(-1));
  return turn;
}

const edit = (alter) => change(() => {
  const session = structuredClone(state.session);
  alter(session);
  return api.put(number, state.revision, session);
});
const set = (name, value) => edit((session) => { session.settings[name] = value; });

function accept(now) {
  state = now;
  const { session } = state;
  const { settings } = session;
  $("undo").disabled = !state.can_undo;
  $("redo").disabled = !state.can_redo;
  for (const control of controls) {
    const value = settings[control.dataset.setting];
    if (control.type === "checkbox") control.checked = value;
    else control.value = value;
    const label = control.closest("label").querySelector("output");
    if (label) label.textContent = value;
  }
  const network = networks.find((one) => one.sha256 === settings.network?.sha256);
  $("network").value = network?.sha256 ?? "";
  $("nohints").hidden = network?.reads_hints ?? true;
  $("variants").hidden = !network?.has_variants;
  $("strokes").disabled = !session.strokes.length;
  [view.shown.width, view.shown.height] = [session.photograph.width, session.photograph.height];
  view.shown.hints = structuredClone(session.hints);
  $("hints").replaceChildren(...session.hints.map(listed));
  view.redraw();
}

function listed(hint, index) {
  const item = document.createElement("li");
  const dot = document.createElement("span");
  dot.className = "dot";
  dot.style.background = css(60, ...hint.ab);
  const where = `hint ${index + 1} at ${Math.round(hint.x)}, ${Math.round(hint.y)}`;
  const again = document.createElement("button");
  again.textContent = where[0].toUpperCase() + where.slice(1);
  again.addEventListener("click", () => choose([hint.x, hint.y], index));
  const remove = document.createElement("button");
  remove.textContent = "×";
  remove.setAttribute("aria-label", `Delete ${where}`);
  remove.addEventListener("click", () => act.remove(index));
  item.append(dot, again, remove);
  return item;
}

/** Show what has changed: first, soon, in the colours of a single pass of the network, and then in the best ones. */
async function refresh() {
  wanted += 1;
  const mine = wanted;
  const { strokes, settings } = state.session;
  const found = JSON.stringify([number, strokes, settings.detect, settings.threshold]);
  busy(1);
  say("Working …");
  const later = async (which, put) => {
    if (mine !== wanted) return;
    const picture = await api.picture(number, which);
    if (mine === wanted) put(picture);
    view.redraw();
  };
  const result = (picture) => { view.shown.result = picture; };
  try {
    if (!view.shown.original) await later("original", (picture) => { view.shown.original = picture; });
    if (found !== masked) {
      await later("mask", (picture) => {
        view.shown.mask = view.tinted(picture);
        masked = found;
      });
    }
    await later("quick", result);
    await later("result", result);
    if (mine === wanted) say("");
  } catch (error) {
    if (mine === wanted && error.status !== 409) say(error.message, true);
    else if (mine === wanted) setTimeout(() => mine === wanted && refresh(), 300); // another page asked for the same
  } finally {
    busy(-1);
  }
}

const usualRadius = () => Math.max(2, Math.round(Math.min(view.shown.width, view.shown.height) / 60));

async function choose(place, index) {
  const network = networks.find((one) => one.sha256 === state.session.settings.network?.sha256);
  if (!network?.reads_hints) {
    say("This network reads no hints: choose another, or start the studio with --weights of one that does.", true);
    return;
  }
  try {
    say("Looking for likely colours …");
    const found = await api.likely(number, ...place);
    say("");
    const answer = await pick(found, state.session.hints[index] ?? null, usualRadius());
    if (answer === "delete") act.remove(index);
    else if (answer) {
      const hint = { x: place[0], y: place[1], ...answer };
      edit(({ hints, settings }) => {
        settings.colorize = true;
        if (index >= 0) hints[index] = { ...hints[index], ...answer };
        else hints.push(hint);
      });
    }
  } catch (error) {
    failed(error);
  }
  $("view").focus();
}

const act = {
  pick: choose,
  drag: (index) => {
    const { x, y } = view.shown.hints[index];
    edit(({ hints }) => { Object.assign(hints[index], { x, y }); });
  },
  stroke: ({ tool, radius, points }) => edit(({ strokes }) => {
    const round = (value) => Math.round(value * 10) / 10;
    strokes.push({ tool, radius: Math.min(2000, round(radius)), points: points.map((point) => point.map(round)) });
  }),
  remove: (index) => edit(({ hints }) => { hints.splice(index, 1); }),
  radius: () => (Number($("brush").value) / 1000) * Math.max(view.shown.width, view.shown.height),
};

async function open(next) {
  number = next;
  wanted += 1; // what is under way is of another photograph
  masked = null;
  Object.assign(view.shown, { original: null, result: null, mask: null });
  say("Opening …");
  $("photograph").value = number;
  busy(1);
  try {
    accept(await api.open(number));
    view.fit();
    refresh();
  } catch (error) {
    state = null;
    view.redraw();
    say(error.message, true);
  } finally {
    busy(-1);
  }
}

async function save() {
  try {
    await turn;
    saving = (await api.save(number)).job;
    for (const id of ["progress", "stop"]) $(id).hidden = false;
    $("save").disabled = true;
    for (;;) {
      const { stage, written, error } = await api.job(saving);
      if (error) throw new Error(`Not saved: ${error}`);
      if (written) {
        say(`Saved ${written[0]}`);
        break;
      }
      say(`Saving at full size: ${stage} …`);
      await new Promise((resolve) => { setTimeout(resolve, 400); });
    }
  } catch (error) {
    say(error.message, true);
  } finally {
    for (const id of ["progress", "stop"]) $(id).hidden = true;
    $("save").disabled = false;
    saving = null;
  }
}

for (const control of controls) {
  const value = () => (control.type === "checkbox" ? control.checked : Number(control.value));
  control.addEventListener("change", () => set(control.dataset.setting, value()));
  control.addEventListener("input", () => {
    const label = control.closest("label").querySelector("output");
    if (label) label.textContent = value();
  });
}
$("network").addEventListener("change", () => {
  const { name, sha256 } = networks.find((one) => one.sha256 === $("network").value);
  set("network", { name, sha256 });
});
$("tool").addEventListener("change", (event) => {
  if (event.target.name !== "tool") return;
  view.shown.tool = event.target.value;
  $("view").style.cursor = event.target.value === "look" ? "grab" : "crosshair";
});
$("overlay").addEventListener("change", () => {
  view.shown.overlay = $("overlay").checked;
  view.redraw();
});
$("split").addEventListener("input", () => {
  view.shown.split = Number($("split").value);
  view.redraw();
});
$("strokes").addEventListener("click", () => edit((session) => { session.strokes = []; }));
$("photograph").addEventListener("change", () => open(Number($("photograph").value)));
$("undo").addEventListener("click", () => change(() => api.undo(number, state.revision)));
$("redo").addEventListener("click", () => change(() => api.redo(number, state.revision)));
$("save").addEventListener("click", save);
$("stop").addEventListener("click", () => saving && api.stop(saving).catch(failed));
$("fit").addEventListener("click", view.fit);
$("in").addEventListener("click", () => view.zoomBy(1.25));
$("out").addEventListener("click", () => view.zoomBy(0.8));
document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z" || $("picker").open) return;
  event.preventDefault();
  (event.shiftKey ? $("redo") : $("undo")).click();
});
// Another page may have changed the session meanwhile.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && state) change(() => api.open(number));
});

view.shown.color = (hint) => css(60, ...hint.ab);
listen(act);
try {
  const overview = await api.studio();
  networks = overview.networks;
  const option = (text, value) => Object.assign(document.createElement("option"), { textContent: text, value });
  $("photograph").replaceChildren(...overview.photographs.map(option));
  $("network").replaceChildren(...networks.map((one) => option(one.name, one.sha256)));
  await open(0);
} catch (error) {
  say(error.message, true);
}
