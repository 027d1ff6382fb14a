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

/* Per-image gain over another method by the headline metric: [{image, gain}], or null where either is missing. */
SR.gains = (dataset, scale, method, protocol, over = "bicubic") => {
  const own = SR.cell(dataset, scale, method, protocol), base = SR.cell(dataset, scale, over, protocol);
  if (!own || !base) return null;
  return SR.images(dataset, scale)
    .map((image, k) => ({ image, gain: SR.number(own[SR.head.name][k]) - SR.number(base[SR.head.name][k]) }))
    .filter((row) => Number.isFinite(row.gain));
};
/* Mean and Student's 95 % interval of gains, as `srgrid compare` has them; the ends are null for a single image. */
SR.interval = (gains) => {
  const n = gains.length, mean = gains.reduce((sum, row) => sum + row.gain, 0) / n, t = SR.data.student[n];
  if (!t) return { mean, low: null, high: null };
  const half = t * Math.sqrt(gains.reduce((sum, row) => sum + (row.gain - mean) ** 2, 0) / (n - 1) / n);
  return { mean, low: mean - half, high: mean + half };
};

(() => {
  const { $, $$, make } = SR;
  const table = $("#grid-table"), body = $("tbody", table), rows = $$("tr", body);
  const filters = { dataset: $("#f-dataset"), scale: $("#f-scale"), protocol: $("#f-protocol") };
  const sorter = $("#f-sort"), count = $("#grid-count"), base = $("#f-base"), host = $("#columns");
  const heads = $$("thead th", table), columns = heads.filter((head) => head.dataset.column).map((head) => head.dataset.column);
  const cell = (row, key) => [...row.children].find((child) => child.dataset.key === key);

  const filter = () => {
    let shown = 0;
    for (const row of rows) {
      row.hidden = Object.entries(filters).some(([name, select]) => select.value !== "" && row.dataset[name] !== select.value);
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = `${shown} of ${rows.length} rows`;
  };
  const sort = (key, direction) => {
    const value = (row) => cell(row, key).dataset.sort;
    const empty = (row) => value(row) === "";
    const order = rows.slice().sort((a, b) => {
      if (empty(a) || empty(b)) return empty(a) - empty(b);
      const x = Number(value(a)), y = Number(value(b));
      return x === y ? rows.indexOf(a) - rows.indexOf(b) : (x < y ? -1 : 1) * direction;
    });
    body.append(...order);
    for (const head of heads) {
      if (head.dataset.key === key) head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    }
    sorter.value = `${key}:${direction}`;
    if (!sorter.value) sorter.value = "";
  };
  for (const head of heads) {
    $("button", head).addEventListener("click", () => {
      const current = head.getAttribute("aria-sort"), first = Number(head.dataset.first || 1);
      sort(head.dataset.key, current ? (current === "ascending" ? -1 : 1) : first);
    });
  }
  sorter.addEventListener("change", () => { const [key, direction] = sorter.value.split(":"); sort(key, Number(direction)); });
  for (const select of Object.values(filters)) select.addEventListener("change", filter);

  /* Columns: which are shown, and in what order. */
  const hidden = new Set();
  const arrange = () => {
    for (const row of [$("thead tr", table), ...rows]) {
      const own = new Map([...row.children].filter((child) => child.dataset.column).map((child) => [child.dataset.column, child]));
      row.append(...columns.map((name) => own.get(name)));
      for (const [name, child] of own) child.hidden = hidden.has(name);
    }
  };
  const move = (name, step, button) => {
    const from = columns.indexOf(name), to = from + step;
    if (to < 0 || to >= columns.length) return;
    columns.splice(to, 0, ...columns.splice(from, 1));
    arrange();
    list();
    const again = $$("li", host)[to];
    (again.querySelector(`[data-step="${button}"]:not([disabled])`) || $("button:not([disabled])", again) || $("input", again)).focus();
  };
  const list = () => host.replaceChildren(...columns.map((name, k) => {
    const box = make("input", { type: "checkbox", checked: !hidden.has(name) });
    box.addEventListener("change", () => { if (box.checked) hidden.delete(name); else hidden.add(name); arrange(); });
    const steps = [[-1, "←", "left", k === 0], [1, "→", "right", k === columns.length - 1]].map(([step, arrow, side, disabled]) => {
      const button = make("button", { type: "button", class: "button small", "data-step": step, "aria-label": `Move ${name} to the ${side}`, disabled }, arrow);
      button.addEventListener("click", () => move(name, step, step));
      return button;
    });
    return make("li", {}, make("label", {}, box, ` ${name}`), ...steps);
  }));
  list();

  /* Gains: over bicubic as the tables have them, over another method from the images' scores. */
  const cells = $$("button.open", body).map((button) => ({ ...button.dataset, node: $(".gain", button), own: [...$(".gain", button).childNodes] }));
  const regain = () => {
    for (const { dataset, scale, method, protocol, node, own } of cells) {
      if (base.value === "bicubic") { node.replaceChildren(...own); continue; }
      const gains = method === base.value ? null : SR.gains(dataset, Number(scale), method, protocol, base.value);
      if (!gains || !gains.length) { node.replaceChildren(); continue; }
      const { mean, low, high } = SR.interval(gains), end = (value) => SR.signed(value, SR.head.printed);
      node.replaceChildren(`gain ${SR.gained(mean)}`, ...(low === null ? [] : [make("span", { class: "interval" }, ` (${end(low)} to ${end(high)})`)]));
    }
    $("#gain-note").textContent = base.value === "bicubic" ? "" : `Gains are over ${base.value}, image by image, with Student's intervals.`;
  };
  if (base) base.addEventListener("change", regain);
  $("#f-intervals").addEventListener("change", (event) => table.classList.toggle("plainly", !event.target.checked));

  /* The rows and columns that are shown, as text for a paper or a README. */
  const printed = (node, marks) => {
    const num = $(".num", node);
    if (!num) return node.dataset.column ? "" : marks.text(node.textContent.trim());
    return [...num.childNodes].map((part) => {
      const text = part.textContent.trim();
      return part.nodeName === "B" ? marks.best(text) : part.nodeName === "U" ? marks.second(text) : text;
    }).join("").replace(/\s*\/\s*/g, "/").replace("∞", marks.infinity);
  };
  const TEX = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}" };
  const tex = (text) => text.replace(/[\\~^&%$#_{}]/g, (char) => TEX[char] || `\\${char}`).replace("×", "$\\times$");
  const FORMS = {
    markdown: {
      marks: { text: (text) => text.replace(/([\\`*_[\]{}|#~$])/g, "\\$1"), best: (text) => `**${text}**`, second: (text) => `<u>${text}</u>`, infinity: "∞" },
      table: ([head, ...lines]) => [head, head.map(() => "---"), ...lines].map((line) => `| ${line.join(" | ")} |`).join("\n"),
    },
    latex: {
      marks: { text: tex, best: (text) => `\\textbf{${text}}`, second: (text) => `\\underline{${text}}`, infinity: "$\\infty$" },
      table: ([head, ...lines]) => [`\\begin{tabular}{lll${"c".repeat(head.length - 3)}}`, "\\toprule", `${head.join(" & ")} \\\\`, "\\midrule", ...lines.map((line) => `${line.join(" & ")} \\\\`), "\\bottomrule", "\\end{tabular}"].join("\n"),
    },
  };
  SR.asText = (form) => {
    const { marks, table: write } = FORMS[form];
    const shown = [...heads].map((head) => head.dataset.key).filter((key) => key !== "images" && !cell($("thead tr", table), key).hidden);
    const keys = [...$("thead tr", table).children].map((head) => head.dataset.key).filter((key) => shown.includes(key));
    const name = (key) => { const head = cell($("thead tr", table), key); return marks.text(head.dataset.column || head.textContent.trim()); };
    const lines = [...body.children].filter((row) => !row.hidden).map((row) => keys.map((key) => printed(cell(row, key), marks)));
    return `${write([keys.map(name), ...lines])}\n`;
  };
  for (const button of $$("[data-copy]")) button.addEventListener("click", async () => {
    const area = $("#copy-text");
    area.value = SR.asText(button.dataset.copy);
    area.hidden = false;
    area.select();
    const done = await navigator.clipboard?.writeText(area.value).then(() => true, () => false);
    $("#copied").textContent = done ? "Copied." : "Selected below; copy it with Ctrl+C.";
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-open]");
    if (!button) return;
    const { dataset, scale, method: chosen, protocol } = button.dataset;
    SR.open({ dataset, scale: Number(scale), method: chosen, protocol });
    $("#compare").scrollIntoView();
    $("#compare h2").focus({ preventScroll: true });
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
