"use strict";
/* The compare view: one state (what is shown, zoom, position, split), one function that puts it on the page. */
(() => {
  const { $, make } = SR;
  const shots = SR.data.previews.filter((record) => record.images.length);
  const state = { shot: null, image: null, protocol: "", left: "", right: "", zoom: 1, x: 0, y: 0, split: 50, error: false, actual: false };
  SR.compare = state;
  const root = $("#compare-view");
  if (!shots.length) {
    SR.open = () => {};
    return;
  }
  const select = { dataset: $("#c-dataset"), scale: $("#c-scale"), protocol: $("#c-protocol"), left: $("#c-left"), right: $("#c-right") };
  const split = $("#split"), stage = $("#slider-view"), panes = $("#panes");
  let views = [];

  const score = (method) => {
    const { dataset, scale } = state.shot;
    const cell = SR.cell(dataset, scale, method, state.protocol);
    const k = SR.images(dataset, scale).indexOf(state.image.image);
    return cell && k >= 0 ? SR.metrics.map((metric) => SR.number(cell[metric.name][k])) : null;
  };
  const scoreText = (method) => {
    const values = score(method);
    return values ? values.map((value, k) => SR.shown(SR.metrics[k], value)).join(" / ") : `not scored under ${state.protocol}`;
  };
  const methods = () => SR.data.order.method.filter((name) => state.image.methods[name]);
  const names = () => ["HR", ...methods()];
  const picture = (name) => {
    const { image, shot } = state;
    const error = state.error && name !== "HR";
    const asset = name === "HR" ? image.hr : image.methods[name][error ? "error" : "sr"];
    const what = error ? `Error map of ${name} against HR` : name === "HR" ? "HR original" : `Enlarged by ${name}`;
    const alt = `${what}: ${image.image} from ${shot.dataset}, x${shot.scale}`;
    return make("img", { src: SR.data.assets[asset], alt, class: error ? "error" : "", draggable: "false" });
  };
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  const place = () => {
    const span = 1 / state.zoom;
    state.x = clamp(state.x, 0, 1 - span);
    state.y = clamp(state.y, 0, 1 - span);
    const transform = `scale(${state.zoom}) translate(${-state.x * 100}%, ${-state.y * 100}%)`;
    for (const view of views) {
      view.classList.toggle("zoomed", state.zoom > 1);
      for (const img of SR.$$("img", view)) img.style.transform = transform;
    }
    $("#zoom-level").textContent = `${state.zoom.toFixed(1)}×`;
    remember();
    const [vx, vy, vw, vh] = state.image.view;
    const now = $("#whole-now");
    for (const [name, value] of [["x", vx + state.x * vw], ["y", vy + state.y * vh], ["width", vw * span], ["height", vh * span]]) now.setAttribute(name, value);
  };
  /* A pixel of the image as large as one of the page: crops of the region's own size. */
  const setActual = (actual) => {
    state.actual = actual;
    $("#zoom-one").setAttribute("aria-pressed", String(actual));
    for (const view of views) view.style.maxWidth = actual ? `${state.image.view[2]}px` : "";
    if (actual) zoomTo(1);
    else place();
  };

  /* What is shown, in the address: a link opens the same image, crop, zoom and methods. */
  const KEYS = ["dataset", "scale", "protocol", "image", "left", "right", "zoom", "x", "y", "split", "error", "actual"];
  let opened = false, waiting = 0;
  const address = () => {
    const { shot, image, left, right, protocol, error, actual } = state, short = (value) => String(Number(value.toFixed(4)));
    const values = [shot.dataset, shot.scale, protocol, image.image, left, right, short(state.zoom), short(state.x), short(state.y), short(state.split), Number(error), Number(actual)];
    return `#compare?${new URLSearchParams(KEYS.map((key, k) => [key, values[k]]))}`;
  };
  const remember = () => {
    if (!opened) return;
    clearTimeout(waiting);
    waiting = setTimeout(() => history.replaceState(null, "", address()), 150);
  };
  const recall = () => {
    const [place_, query] = location.hash.split("?");
    if (place_ !== "#compare" || !query) return;
    const asked = Object.fromEntries(new URLSearchParams(query)), number = (key, low, high) => { const value = Number(asked[key]); return Number.isFinite(value) ? clamp(value, low, high) : low; };
    const shot = shots.find((s) => s.dataset === asked.dataset && s.scale === Number(asked.scale)), k = shot ? shot.images.findIndex((entry) => entry.image === asked.image) : -1;
    $("#compare-missing").hidden = k >= 0;
    $("#compare-missing").textContent = k >= 0 ? "" : `This page holds no preview of ${asked.image} from ${asked.dataset} ×${asked.scale}, which the link asks for.`;
    if (k < 0) return;
    if (SR.data.order.protocol.includes(asked.protocol)) state.protocol = asked.protocol;
    state.error = asked.error === "1";
    $("#error").checked = state.error;
    Object.assign(state, { left: asked.left, right: asked.right });
    show(shot);
    SR.$$("#strip input")[k].checked = true;
    showImage(shot.images[k]);
    setActual(asked.actual === "1");
    Object.assign(state, { zoom: number("zoom", 1, 16), x: number("x", 0, 1), y: number("y", 0, 1) });
    place();
    setSplit(number("split", 0, 100));
    $("#compare").scrollIntoView();
  };

  const zoomTo = (zoom, px = 0.5, py = 0.5) => {
    const next = clamp(zoom, 1, 16);
    state.x += px / state.zoom - px / next;
    state.y += py / state.zoom - py / next;
    state.zoom = next;
    place();
  };
  const setSplit = (value) => {
    state.split = clamp(value, 0, 100);
    split.value = state.split;
    split.setAttribute("aria-valuetext", `${Math.round(state.split)} % ${state.left}, the rest ${state.right}`);
    $(".clip", stage).style.clipPath = `inset(0 0 0 ${state.split}%)`;
    $(".bar", stage).style.left = `${state.split}%`;
    remember();
  };
  SR.splitTo = setSplit;

  const interact = (view, drag) => {
    const pointers = new Map();
    let gap = 0;
    const local = (event) => {
      const box = view.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    };
    view.addEventListener("pointerdown", (event) => {
      view.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, local(event));
      if (pointers.size === 1) drag(local(event), [0, 0], event);
    });
    view.addEventListener("pointermove", (event) => {
      if (!pointers.has(event.pointerId)) return;
      const before = pointers.get(event.pointerId), after = local(event);
      pointers.set(event.pointerId, after);
      const points = [...pointers.values()];
      if (points.length === 2) {
        const now = Math.hypot(points[0][0] - points[1][0], points[0][1] - points[1][1]);
        if (gap) zoomTo(state.zoom * (now / gap), (points[0][0] + points[1][0]) / 2, (points[0][1] + points[1][1]) / 2);
        gap = now;
      } else drag(after, [after[0] - before[0], after[1] - before[1]], event);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      view.addEventListener(end, (event) => { pointers.delete(event.pointerId); gap = 0; });
    }
    view.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && document.activeElement !== view) return;
      event.preventDefault();
      zoomTo(state.zoom * Math.exp(-event.deltaY * 0.002), ...local(event));
    }, { passive: false });
    view.addEventListener("dblclick", (event) => zoomTo(state.zoom * 2, ...local(event)));
    view.addEventListener("keydown", (event) => {
      const step = 0.08 / state.zoom;
      const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
      if (moves[event.key]) { state.x += moves[event.key][0]; state.y += moves[event.key][1]; place(); }
      else if (event.key === "+" || event.key === "=") zoomTo(state.zoom * 1.5);
      else if (event.key === "-") zoomTo(state.zoom / 1.5);
      else if (event.key === "0") zoomTo(1);
      else return;
      event.preventDefault();
    });
  };
  const pan = (_, [dx, dy]) => { state.x -= dx / state.zoom; state.y -= dy / state.zoom; place(); };

  const viewport = (label, ...content) => {
    const [, , w, h] = state.image.view;
    const help = "arrow keys move, plus and minus zoom, zero shows all";
    return make("div", { class: "viewport", tabindex: "0", role: "group", "aria-label": `${label}: ${help}`, style: `aspect-ratio: ${w} / ${h}` }, ...content);
  };

  const drawSlider = () => {
    const clip = make("div", { class: "clip" }, picture(state.right));
    const tags = [make("span", { class: "tag l" }, state.left), make("span", { class: "tag r" }, state.right)];
    const view = viewport(`${state.left} left, ${state.right} right`, picture(state.left), clip, make("div", { class: "bar" }), ...tags);
    interact(view, (at, moved, event) => (event.shiftKey ? pan(at, moved) : setSplit(at[0] * 100)));
    stage.replaceChildren(view);
    return view;
  };
  const drawPanes = () => {
    const made = [];
    panes.replaceChildren(...names().map((name) => {
      const view = viewport(name, picture(name));
      interact(view, pan);
      made.push(view);
      const text = name === "HR" ? "the original" : scoreText(name);
      return make("figure", {}, view, make("figcaption", {}, make("b", {}, name), make("span", {}, text)));
    }));
    return made;
  };
  const drawWhole = () => {
    const { image, shot } = state, [w, h] = image.size;
    const thumb = $("#whole-image");
    thumb.src = SR.data.assets[image.thumb];
    thumb.alt = `The whole image ${image.image} from ${shot.dataset}`;
    $("#whole-svg").setAttribute("viewBox", `0 0 ${w} ${h}`);
    for (const node of ["#whole", "#whole-note"]) $(node).hidden = image.whole === false;
    const [x, y, vw, vh] = image.view;
    for (const [name, value] of [["x", x], ["y", y], ["width", vw], ["height", vh]]) $("#whole-view").setAttribute(name, value);
    const rows = methods().map((name) => {
      const values = score(name), base = score("bicubic"), apart = values && base ? values[0] - base[0] : NaN;
      const gain = name === "bicubic" ? "baseline" : Number.isFinite(apart) ? SR.signed(apart, SR.head.printed) : "not defined";
      const shown = SR.metrics.map((metric, k) => make("td", {}, values ? SR.fixed(values[k], metric.printed) : "missing"));
      return make("tr", {}, make("th", { scope: "row" }, name), ...shown, make("td", {}, gain));
    });
    $("#image-scores tbody").replaceChildren(...rows);
    $("#image-title").textContent = image.image;
    const absent = SR.data.order.method.filter((name) => !image.methods[name]);
    const notes = [`${shot.dataset}, ×${shot.scale}, ${w} × ${h} pixels; ${image.role}${image.whose ? ` (${image.whose})` : ""}.`];
    for (const name of absent) notes.push(`No image of ${name}: ${SR.missing(shot.dataset, shot.scale, name, shot.protocol)}.`);
    if (shot.protocol !== state.protocol) notes.push(`The images were made for ${shot.protocol}, the scores hold under ${state.protocol}.`);
    $("#image-note").textContent = notes.join(" ");
  };
  const draw = () => {
    views = [drawSlider(), ...drawPanes()];
    for (const view of views) view.style.maxWidth = state.actual ? `${state.image.view[2]}px` : "";
    drawWhole();
    setSplit(state.split);
    place();
    $("#error-legend").hidden = !state.error;
    $("#error-top").textContent = `${Math.round(255 / state.shot.error_gain)} or more grey levels`;
  };

  const showImage = (image) => {
    state.image = image;
    const all = names(), models = all.filter((name) => name !== "HR" && name !== "bicubic");
    if (!all.includes(state.left)) state.left = all.includes("bicubic") ? "bicubic" : all[1];
    if (!all.includes(state.right) || state.right === state.left) state.right = models.find((name) => name !== state.left) || "HR";
    SR.options(select.left, all, state.left);
    SR.options(select.right, all, state.right);
    const [vx, vy, vw, vh] = image.view, [cx, cy, cw, ch] = image.crop;
    state.zoom = clamp(Math.min(vw / cw, vh / ch) / 1.7, 1, 4);
    state.x = (cx + cw / 2 - vx) / vw - 0.5 / state.zoom;
    state.y = (cy + ch / 2 - vy) / vh - 0.5 / state.zoom;
    draw();
  };
  const drawStrip = () => {
    const strip = $("#strip");
    strip.replaceChildren(make("legend", { class: "skip" }, "Image"), ...state.shot.images.map((image, k) => {
      const input = make("input", { type: "radio", name: "image", value: k, checked: k === 0 });
      input.addEventListener("change", () => showImage(image));
      const value = image.value_db === null ? "" : `, ${image.role.includes(SR.head.label) ? SR.shown(SR.head, image.value_db) : SR.gained(image.value_db)}`;
      return make("label", {}, input, make("img", { src: SR.data.assets[image.thumb], alt: "" }), make("span", {}, image.image), make("span", { class: "role" }, `${image.role}${value}${image.whose ? ` (${image.whose})` : ""}`));
    }));
    $("#left-out").textContent = state.shot.left_out ? `${state.shot.left_out} more images were left out to keep the page small.` : "";
  };
  const show = (shot) => {
    state.shot = shot;
    const scales = [...new Set(shots.filter((s) => s.dataset === shot.dataset).map((s) => s.scale))];
    SR.options(select.dataset, [...new Set(shots.map((s) => s.dataset))], shot.dataset);
    SR.options(select.scale, scales, shot.scale, (value) => `×${value}`);
    SR.options(select.protocol, SR.data.order.protocol, state.protocol);
    drawStrip();
    showImage(shot.images[0]);
  };
  const find = (dataset, scale) => shots.find((s) => s.dataset === dataset && s.scale === scale) || shots.find((s) => s.dataset === dataset);

  SR.open = ({ dataset, scale, method, protocol, image }) => {
    const shot = shots.find((s) => s.dataset === dataset && s.scale === scale);
    $("#compare-missing").hidden = Boolean(shot);
    $("#compare-missing").textContent = shot ? "" : `This page holds no previews of ${dataset} ×${scale}.`;
    if (!shot) return;
    if (protocol) state.protocol = protocol;
    if (method && method !== "bicubic") { state.left = "bicubic"; state.right = method; }
    if (method === "bicubic") { state.left = "bicubic"; state.right = "HR"; }
    show(shot);
    const k = shot.images.findIndex((entry) => entry.image === image);
    if (k >= 0) { SR.$$("#strip input")[k].checked = true; showImage(shot.images[k]); }
  };

  select.dataset.addEventListener("change", () => show(find(select.dataset.value, state.shot.scale)));
  select.scale.addEventListener("change", () => show(find(state.shot.dataset, Number(select.scale.value))));
  select.protocol.addEventListener("change", () => { state.protocol = select.protocol.value; draw(); });
  for (const side of ["left", "right"]) select[side].addEventListener("change", () => { state[side] = select[side].value; draw(); });
  split.addEventListener("input", () => setSplit(Number(split.value)));
  $("#zoom-in").addEventListener("click", () => zoomTo(state.zoom * 1.5));
  $("#zoom-out").addEventListener("click", () => zoomTo(state.zoom / 1.5));
  $("#zoom-all").addEventListener("click", () => { setActual(false); zoomTo(1); });
  $("#zoom-one").addEventListener("click", () => setActual(!state.actual));
  $("#link").addEventListener("click", async () => {
    history.replaceState(null, "", address());
    const done = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
    $("#link-note").textContent = done ? "Copied." : "The address of this page is the link now.";
  });
  $("#error").addEventListener("change", (event) => { state.error = event.target.checked; draw(); });

  root.hidden = false;
  state.protocol = SR.data.order.protocol[0];
  show(shots.find((shot) => Object.keys(shot.images[0].methods).length > 1) || shots[0]);
  recall();
  opened = true;
  window.addEventListener("hashchange", recall);
})();
