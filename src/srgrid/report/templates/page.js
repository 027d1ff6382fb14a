"use strict";
/* Data, small helpers, the grid's sorting and filters, the theme. No library, no request. */
const SR = { data: JSON.parse(document.getElementById("data").textContent), listeners: [] };

SR.$ = (selector, root = document) => root.querySelector(selector);
SR.$$ = (selector, root = document) => [...root.querySelectorAll(selector)];
SR.number = (value) => (value === "inf" ? Infinity : value === "-inf" ? -Infinity : value);
SR.fixed = (value, digits) => (value === null || Number.isNaN(value) ? "not defined" : value === Infinity ? "∞" : value === -Infinity ? "−∞" : value.toFixed(digits).replace("-", "−"));
SR.signed = (value, digits) => (value >= 0 ? "+" : "") + SR.fixed(value, digits);
/* The run's metrics; the first is the headline, whose gains are shown. sign is -1 where lower is better. */
SR.metrics = SR.data.metrics;
SR.head = SR.metrics[0];
SR.united = (metric, text) => (metric.unit ? `${text} ${metric.unit}` : text);
SR.shown = (metric, value) => SR.united(metric, SR.fixed(SR.number(value), metric.printed));
SR.gained = (value) => SR.united(SR.head, SR.signed(value, SR.head.printed));
SR.key = (...parts) => parts.join("\u0000");

/* Elements are built from text nodes alone: what comes from data is never parsed as markup. */
SR.make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return node;
};
SR.options = (select, values, chosen, label = (value) => value) => {
  select.replaceChildren(...values.map((value) => SR.make("option", { value }, label(value))));
  select.value = values.map(String).includes(String(chosen)) ? chosen : values[0];
};

SR.cells = new Map(SR.data.cells.map((cell) => [SR.key(cell.dataset, cell.scale, cell.method, cell.protocol), cell]));
SR.cell = (dataset, scale, method, protocol) => SR.cells.get(SR.key(dataset, scale, method, protocol));
SR.images = (dataset, scale) => SR.data.images[`${dataset}|${scale}`] || [];
SR.missing = (dataset, scale, method, protocol) => {
  const row = SR.data.missing.find((m) => m[0] === dataset && m[1] === scale && m[2] === method && m[3] === protocol);
  return row ? row[4] : "not scored in this run";
};
SR.models = SR.data.order.method.filter((method) => method !== "bicubic");

/* Per-image gain over bicubic by the headline metric: [{image, gain}], or null where either is missing. */
SR.gains = (dataset, scale, method, protocol) => {
  const own = SR.cell(dataset, scale, method, protocol), base = SR.cell(dataset, scale, "bicubic", protocol);
  if (!own || !base) return null;
  return SR.images(dataset, scale)
    .map((image, k) => ({ image, gain: SR.number(own[SR.head.name][k]) - SR.number(base[SR.head.name][k]) }))
    .filter((row) => Number.isFinite(row.gain));
};

(() => {
  const table = SR.$("#grid-table"), body = SR.$("tbody", table), rows = SR.$$("tr", body);
  const filters = { dataset: SR.$("#f-dataset"), scale: SR.$("#f-scale"), protocol: SR.$("#f-protocol") };
  const method = SR.$("#f-method"), sorter = SR.$("#f-sort"), count = SR.$("#grid-count");
  const heads = SR.$$("thead th", table);

  const filter = () => {
    let shown = 0;
    for (const row of rows) {
      row.hidden = Object.entries(filters).some(([name, select]) => select.value !== "" && row.dataset[name] !== select.value);
      shown += row.hidden ? 0 : 1;
    }
    for (const cell of SR.$$("td[data-method], th[data-method]", table)) cell.hidden = method.value !== "" && cell.dataset.method !== method.value;
    count.textContent = `${shown} of ${rows.length} rows`;
  };
  const sort = (column, direction) => {
    const value = (row) => row.children[column].dataset.sort;
    const empty = (row) => value(row) === "";
    const order = rows.slice().sort((a, b) => {
      if (empty(a) || empty(b)) return empty(a) - empty(b);
      const x = Number(value(a)), y = Number(value(b));
      return x === y ? rows.indexOf(a) - rows.indexOf(b) : (x < y ? -1 : 1) * direction;
    });
    body.append(...order);
    heads.forEach((head, k) => {
      if (k === column) head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    });
    sorter.value = `${column}:${direction}`;
    if (!sorter.value) sorter.value = "";
  };
  heads.forEach((head, k) => {
    const button = SR.$("button", head);
    if (!button) return;
    button.addEventListener("click", () => {
      const current = head.getAttribute("aria-sort"), first = Number(head.dataset.first || 1);
      sort(k, current ? (current === "ascending" ? -1 : 1) : first);
    });
  });
  sorter.addEventListener("change", () => sort(...sorter.value.split(":").map(Number)));
  for (const select of [...Object.values(filters), method]) select.addEventListener("change", filter);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-open]");
    if (!button) return;
    const { dataset, scale, method: chosen, protocol } = button.dataset;
    SR.open({ dataset, scale: Number(scale), method: chosen, protocol });
    SR.$("#compare").scrollIntoView();
    SR.$("#compare h2").focus({ preventScroll: true });
  });
  filter();
})();

(() => {
  const button = SR.$("#theme"), modes = ["system", "light", "dark"];
  let mode = 0;
  button.addEventListener("click", () => {
    mode = (mode + 1) % modes.length;
    if (mode) document.documentElement.dataset.theme = modes[mode];
    else delete document.documentElement.dataset.theme;
    button.textContent = `Theme: ${modes[mode]}`;
  });
})();
