"use strict";
// What the page does beside being read: charts, sorting, the gallery's order and slider, light and dark, copying.
(() => {
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // Light and dark: as the system has it, until the button is pressed.
  const theme = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const remember = (value) => {
    try {
      if (value === undefined) return localStorage.getItem("oldrestore-theme");
      localStorage.setItem("oldrestore-theme", value);
    } catch { /* a page from disk may have no storage */ }
    return null;
  };
  const nameTheme = () => { theme.textContent = isDark() ? "Light" : "Dark"; theme.title = `Show the page in ${isDark() ? "light" : "dark"} colours`; };
  const kept = remember();
  if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
  theme.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    remember(document.documentElement.dataset.theme);
    nameTheme();
  });
  system.addEventListener("change", nameTheme);
  nameTheme();
  theme.hidden = false;

  // Charts. Expressions are interpreted, as the page's policy lets no text become code.
  const options = { mode: "vega-lite", renderer: "svg", actions: false, ast: true, tooltip: { theme: "custom" } };
  const views = new Map();
  const draw = async (element, spec) => {
    views.get(element)?.finalize();
    try {
      views.set(element, await window.vegaEmbed(element, spec, options));
    } catch (error) {
      element.textContent = "This chart could not be drawn; its numbers are below.";
      console.error(error);
    }
  };
  // What is on the screen is drawn at once (`data-ready`), the others when they come near it or when there is nothing
  // else to do (`data-drawn`): a page may be printed, or read by a machine, without ever being scrolled.
  const waiting = new Map();
  const drawNow = async (elements) => {
    for (const element of elements) {
      const work = waiting.get(element);
      waiting.delete(element);
      if (!work) continue;
      near.unobserve(element);
      await work();
      await new Promise((resolve) => { setTimeout(resolve); });
    }
  };
  const near = new IntersectionObserver(async (entries) => {
    await drawNow(entries.filter((entry) => entry.isIntersecting).map((entry) => entry.target));
    if (document.documentElement.dataset.ready) return;
    document.documentElement.dataset.ready = "yes";
    idle(drawRest);
  }, { rootMargin: "200px 0px" });
  const idle = window.requestIdleCallback ?? ((work) => setTimeout(work, 50));
  const drawRest = async () => {
    const [first] = waiting.keys();
    if (!first) { document.documentElement.dataset.drawn = "all"; return; }
    await drawNow([first]);
    idle(drawRest);
  };
  const later = (element, work, spec) => {
    // Its room is kept, so that nothing moves when it is drawn.
    if (spec?.height) element.style.minHeight = `${spec.height}px`;
    waiting.set(element, work);
    near.observe(element);
  };
  all(".chart").forEach((element) => {
    const spec = data.specs[element.id];
    if (spec && !element.id.endsWith("-metrics")) later(element, () => draw(element, spec), spec);
  });

  // A measure over iterations, of those that were taken.
  all("[data-over]").forEach((select) => {
    const key = select.dataset.over;
    const element = document.getElementById(`${key}-over`);
    const parts = all("[data-name]", element.parentElement);
    const show = () => {
      parts.forEach((part) => {
        part.hidden = part.dataset.name !== select.value;
        if (!part.hidden) element.setAttribute("aria-label", part.dataset.description);
      });
      return draw(element, data.specs[`${key}-${select.value}`]);
    };
    select.addEventListener("change", show);
    later(element, show, data.specs[`${key}-${select.value}`]);
  });

  // Metric against metric: the specification has places for two names.
  all("[data-axes][id$='-axis-x']").forEach((across) => {
    const key = across.dataset.axes;
    const up = document.getElementById(`${key}-axis-y`);
    const element = document.getElementById(`${key}-metrics`);
    const { axes } = data.groups[key].scatter;
    const show = () => {
      let text = JSON.stringify(data.specs[`${key}-metrics`]);
      for (const [axis, name] of [["x", across.value], ["y", up.value]]) {
        for (const part of ["title", "format"]) text = text.replaceAll(`"@${axis}${part}"`, () => JSON.stringify(axes[name][part]));
        const quoted = name.replaceAll("\\", "\\\\").replaceAll("'", "\\'");
        text = text.replaceAll(`@${axis}`, () => JSON.stringify(quoted).slice(1, -1));
      }
      return draw(element, JSON.parse(text));
    };
    across.addEventListener("change", show);
    up.addEventListener("change", show);
    later(element, show, data.specs[`${key}-metrics`]);
  });

  // Tables are sorted by their headings; what is better comes first, and a second press turns the order round.
  all("table.sortable").forEach((table) => {
    const headings = all("thead th", table);
    headings.forEach((heading, column) => {
      heading.querySelector("button").addEventListener("click", (event) => {
        const isText = event.currentTarget.dataset.kind === "text";
        const first = isText || heading.dataset.better === "min" ? "ascending" : "descending";
        const turned = first === "ascending" ? "descending" : "ascending";
        const order = heading.getAttribute("aria-sort") === first ? turned : first;
        headings.forEach((other) => other.setAttribute("aria-sort", other === heading ? order : "none"));
        const sign = order === "ascending" ? 1 : -1;
        const value = (row) => row.cells[column].dataset.sort;
        const rows = all("tbody tr", table).sort((a, b) => {
          if (value(a) === "" || value(b) === "") return (value(a) === "") - (value(b) === "");
          return sign * (isText ? value(a).localeCompare(value(b)) : value(a) - value(b));
        });
        table.tBodies[0].append(...rows);
      });
    });
  });

  // Gallery.
  all("[data-gallery]").forEach((gallery) => {
    const own = data.groups[gallery.dataset.gallery].gallery;
    if (!own) return;
    const list = gallery.querySelector(".photographs");
    const items = all("li", list);
    const order = gallery.querySelector("[data-order]");
    const by = gallery.querySelector("[data-by]");
    const nth = gallery.querySelector("select[data-nth]");
    const count = gallery.querySelector(".count");
    const rank = (values, sign) => {
      const known = items.map((_, index) => index).filter((index) => values[index] !== null);
      return known.sort((a, b) => sign * (values[a] - values[b]) || a - b);
    };
    const arrange = () => {
      const scores = by ? own.scores[by.value] : null;
      let shown = items.map((_, index) => index);
      if (scores && order.value !== "all") {
        const [values, sign] = order.value === "apart" ? [scores.apart, -1] : [scores.good, order.value === "worst" ? 1 : -1];
        shown = rank(values, sign).slice(0, own.shown);
      }
      items.forEach((item) => { item.hidden = true; });
      shown.forEach((index) => { items[index].hidden = false; list.append(items[index]); });
      all("figure[data-nth]", list).forEach((figure) => { figure.hidden = nth ? figure.dataset.nth !== nth.value : false; });
      if (scores) {
        items.forEach((item, index) => all("[data-choose]", item).forEach((button) => {
          const place = button.parentElement.querySelector(".score");
          if (place) place.textContent = scores.text[button.dataset.choose]?.[index] ?? "";
        }));
      }
      count.textContent = `${shown.length} of ${items.length}`;
    };
    for (const control of [order, by, nth]) control?.addEventListener("change", arrange);
    gallery.querySelector("[data-filter]").hidden = false;
    arrange();

    const compare = gallery.querySelector("[data-compare]");
    const pick = Object.fromEntries(all("[data-pick]", compare).map((select) => [select.dataset.pick, select]));
    const stage = compare.querySelector(".stage");
    const slide = compare.querySelector("input[type=range]");
    const told = compare.querySelector(".told");
    const picture = (key) => all("[data-choose]", items[pick.photo.value]).find((button) => button.dataset.choose === key);
    const label = (side) => pick[side].selectedOptions[0].textContent;
    const move = () => {
      stage.style.setProperty("--at", `${slide.value}%`);
      slide.setAttribute("aria-valuetext", `${slide.value}% ${label("left")}, ${100 - slide.value}% ${label("right")}`);
    };
    const show = () => {
      for (const side of ["left", "right"]) {
        const from = picture(pick[side].value).querySelector("img");
        const to = stage.querySelector(`.${side}`);
        to.width = from.getAttribute("width");
        to.height = from.getAttribute("height");
        to.src = from.src;
        to.alt = from.alt;
      }
      told.textContent = `${label("left")} | ${label("right")}`;
      all("[data-choose]", list).forEach((button) => button.removeAttribute("aria-pressed"));
      picture(pick.right.value).setAttribute("aria-pressed", "true");
      move();
    };
    Object.values(pick).forEach((select) => select.addEventListener("change", show));
    slide.addEventListener("input", move);
    const drag = (event) => {
      const box = stage.getBoundingClientRect();
      slide.value = Math.round(100 * (event.clientX - box.left) / box.width);
      move();
    };
    stage.addEventListener("pointerdown", (event) => { stage.setPointerCapture(event.pointerId); drag(event); });
    stage.addEventListener("pointermove", (event) => { if (stage.hasPointerCapture(event.pointerId)) drag(event); });
    list.addEventListener("click", (event) => {
      const button = event.target.closest("[data-choose]");
      if (!button) return;
      pick.photo.value = button.closest("li").dataset.index;
      pick.right.value = button.dataset.choose;
      show();
      compare.scrollIntoView({ block: "nearest" });
    });
    compare.hidden = false;
    pick.photo.value = all("li:not([hidden])", list)[0]?.dataset.index ?? "0";
    show();
  });

  // Copying.
  all("[data-copy]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      let done = false;
      try {
        await navigator.clipboard.writeText(source.textContent);
        done = true;
      } catch {
        const range = document.createRange();
        range.selectNodeContents(source);
        getSelection().removeAllRanges();
        getSelection().addRange(range);
        done = document.execCommand("copy");
      }
      button.textContent = done ? "Copied" : "Selected";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  });

  if (waiting.size === 0) Object.assign(document.documentElement.dataset, { ready: "yes", drawn: "all" });
})();
