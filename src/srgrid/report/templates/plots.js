"use strict";
/* Plots drawn as SVG at the width they have on the screen, so that their text keeps its size. */
(() => {
  const { $, make, data, head } = SR;
  const DASHES = ["none", "7 4", "2 3", "9 3 2 3", "12 4", "4 4"];
  const SERIES = { lr: "learning rate", loss: "loss", psnr: "held-out PSNR, dB" };
  const seriesName = (name) => SERIES[name] || name;
  const COLOURS = ["var(--cool)", "var(--accent)", "#6d8b3c", "#9a6bb5", "#b08a2e", "#4c9a92"];
  const svg = (tag, attributes = {}, ...children) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children.map((child) => (child instanceof Node ? child : document.createTextNode(String(child)))));
    return node;
  };
  const ticks = (low, high, count) => {
    const raw = (high - low || 1) / count, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((k) => k * power).find((k) => k >= raw);
    const found = [];
    for (let value = Math.ceil(low / step - 1e-9) * step; value <= high + step * 1e-9; value += step) found.push(Number(value.toPrecision(12)));
    return found;
  };
  const linear = (from, to) => (value) => to[0] + ((value - from[0]) / (from[1] - from[0] || 1)) * (to[1] - to[0]);
  const padded = (values, share = 0.06) => {
    const low = Math.min(...values), high = Math.max(...values), more = (high - low || Math.abs(high) || 1) * share;
    return [low - more, high + more];
  };
  const quantile = (sorted, q) => {
    const at = (sorted.length - 1) * q, k = Math.floor(at);
    return sorted[k] + (at - k) * ((sorted[k + 1] ?? sorted[k]) - sorted[k]);
  };
  const minus = (text) => String(text).replace("-", "−");
  const canvas = (width, height, label) => svg("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": label });
  const yAxis = (chart, scale, values, x, end, title, at = 12) => {
    chart.append(svg("text", { x: 0, y: at }, title));
    for (const value of values) chart.append(
      svg("line", { x1: x, x2: end, y1: scale(value), y2: scale(value), class: value === 0 ? "zero" : "axis" }),
      svg("text", { x: x - 7, y: scale(value) + 4, "text-anchor": "end" }, minus(value)),
    );
  };
  const nothing = (host, why) => host.replaceChildren(make("p", { class: "note" }, why));
  const now = () => ({ dataset: $("#p-dataset").value, scale: Number($("#p-scale").value), method: $("#p-method").value, protocol: $("#p-protocol").value });

  const over = () => { const { method } = now(), base = $("#p-base").value; return base === method ? "" : base; };
  const nameless = (method, base) => (SR.models.length ? `${method} is compared with itself; choose another method, or another to compare with.` : "No model was run, so there is no gain over bicubic to show.");
  /* Names of images below their bars, slanted, as far as there is room. */
  const gainPlot = (host, width) => {
    const { dataset, scale, method, protocol } = now(), base = over();
    if (!base) return nothing(host, nameless(method, base));
    const rows = SR.gains(dataset, scale, method, protocol, base);
    if (!rows || !rows.length) return nothing(host, `No gain to show: ${[method, base].map((name) => SR.cell(dataset, scale, name, protocol) ? "" : `${name} ${SR.missing(dataset, scale, name, protocol)}`).filter(Boolean).join("; ")}.`);
    rows.sort((a, b) => head.sign * (b.gain - a.gain));
    const left = 46, slot = Math.min((width - left) / rows.length, 64), named = slot >= 18, below = named ? 76 : 26, height = 224 + below;
    const values = rows.map((row) => row.gain), y = linear(padded([0, ...values]).reverse(), [22, height - below]);
    const losses = values.filter((value) => value * head.sign < 0).length, { mean } = SR.interval(rows);
    const chart = canvas(width, height, `${rows.length} images sorted by ${head.label} gain of ${method} over ${base}: mean ${SR.gained(mean)}, ${losses} losses`);
    yAxis(chart, y, ticks(...padded([0, ...values], 0), 5), left, width, SR.united(head, `${head.label} gain over ${base},`));
    const shot = data.previews.find((s) => s.dataset === dataset && s.scale === scale);
    rows.forEach((row, k) => {
      const has = shot && shot.images.some((image) => image.image === row.image), middle = left + k * slot + slot / 2;
      const bar = svg("rect", { x: left + k * slot + slot * 0.1, width: Math.max(slot * 0.8, 0.5), y: Math.min(y(0), y(row.gain)), height: Math.max(Math.abs(y(row.gain) - y(0)), 0.5), class: (row.gain * head.sign < 0 ? "down" : "up") + (has ? " shown" : "") }, svg("title", {}, `${row.image}: ${SR.gained(row.gain)}`));
      if (has) {
        bar.addEventListener("click", () => { SR.open({ dataset, scale, method, protocol, image: row.image }); $("#compare").scrollIntoView(); });
        chart.append(svg("rect", { x: middle - 2, y: height - below + 4, width: 4, height: 4, class: "mark" }));
      }
      if (named) chart.append(svg("text", { x: middle + 4, y: height - below + 18, "text-anchor": "end", transform: `rotate(-40 ${middle + 4} ${height - below + 18})` }, row.image.length > 13 ? `${row.image.slice(0, 12)}…` : row.image));
      chart.append(bar);
    });
    chart.append(svg("line", { x1: left, x2: width, y1: y(mean), y2: y(mean), class: "dash" }), svg("text", { x: width, y: y(mean) - 6, "text-anchor": "end", class: "strong" }, `mean ${SR.gained(mean)}`));
    if (!named) chart.append(svg("text", { x: left, y: height - 4 }, "largest gain"), svg("text", { x: Math.max(left + slot * rows.length, left + 170), y: height - 4, "text-anchor": "end" }, losses ? "largest loss" : "smallest gain"));
    host.replaceChildren(chart);
  };

  /* A horizontal axis of gains over rows that begin at `left`. */
  const gainAxis = (chart, values, left, width, height, title) => {
    const x = linear(padded([0, ...values]), [left, width - 8]);
    for (const value of ticks(...padded([0, ...values], 0), width < 460 ? 4 : 6)) chart.append(svg("line", { x1: x(value), x2: x(value), y1: 4, y2: height - 38, class: value === 0 ? "zero" : "axis" }), svg("text", { x: x(value), y: height - 22, "text-anchor": "middle" }, minus(value)));
    chart.append(svg("text", { x: width, y: height - 4, "text-anchor": "end" }, title));
    return x;
  };
  const spreadPlot = (host, width) => {
    const { scale, method, protocol } = now(), base = over();
    if (!base) return nothing(host, nameless(method, base));
    const sets = data.order.dataset.map((dataset) => ({ dataset, rows: SR.gains(dataset, scale, method, protocol, base) || [] }));
    const all = sets.flatMap((set) => set.rows.map((row) => row.gain));
    if (!all.length) return nothing(host, `No gains of ${method} over ${base} at ×${scale} under ${protocol} in this run.`);
    const height = 48 + sets.length * 48, left = Math.min(130, width * 0.3);
    const chart = canvas(width, height, `Distribution of ${head.label} gain over ${base} per data set, ${method} at x${scale}`);
    const x = gainAxis(chart, all, left, width, height, SR.united(head, `${head.label} gain over ${base},`));
    sets.forEach(({ dataset, rows }, k) => {
      const y = 28 + k * 48, sorted = rows.map((row) => row.gain).sort((a, b) => a - b);
      chart.append(svg("text", { x: 0, y: y + 4, class: "strong" }, dataset));
      if (!rows.length) return chart.append(svg("text", { x: left + 6, y: y + 4 }, SR.missing(dataset, scale, method, protocol)));
      rows.forEach((row, n) => chart.append(svg("circle", { cx: x(row.gain), cy: y + (((n * 7) % 11) / 10 - 0.5) * 22, r: 2.6, class: "dot" }, svg("title", {}, `${row.image}: ${SR.gained(row.gain)}`))));
      const [q1, q2, q3] = [0.25, 0.5, 0.75].map((q) => x(quantile(sorted, q)));
      chart.append(svg("rect", { x: q1, y: y - 15, width: Math.max(q3 - q1, 1), height: 30, class: "box" }), svg("line", { x1: q2, x2: q2, y1: y - 15, y2: y + 15, class: "box" }));
      return null;
    });
    host.replaceChildren(chart);
  };

  /* The mean gain of every cell with Student's interval; grey where it holds 0. */
  const forestPlot = (host, width) => {
    const { method, protocol } = now(), base = over();
    if (!base) return nothing(host, nameless(method, base));
    const rows = data.order.dataset.flatMap((dataset) => data.order.scale.map((scale) => ({ dataset, scale, gains: SR.gains(dataset, scale, method, protocol, base) })))
      .filter((row) => row.gains && row.gains.length).map((row) => ({ ...row, ...SR.interval(row.gains) }));
    if (!rows.length) return nothing(host, `No gains of ${method} over ${base} under ${protocol} in this run.`);
    const left = Math.min(150, width * 0.34), right = width < 520 ? 0 : 190, height = 44 + rows.length * 24, ends = rows.flatMap((row) => [row.mean, row.low ?? row.mean, row.high ?? row.mean]);
    const chart = canvas(width, height, `Mean ${head.label} gain of ${method} over ${base} in ${rows.length} cells, with 95 % intervals: ${rows.map((row) => `${row.dataset} x${row.scale} ${SR.gained(row.mean)}`).join("; ")}`);
    const x = gainAxis(chart, ends, left, width - right, height, SR.united(head, `mean ${head.label} gain over ${base},`));
    rows.forEach((row, k) => {
      const y = 16 + k * 24, unsure = row.low === null || (row.low <= 0 && row.high >= 0), end = (value) => SR.signed(value, head.printed);
      const text = row.low === null ? SR.gained(row.mean) : `${SR.gained(row.mean)} (${end(row.low)} to ${end(row.high)})`;
      chart.append(svg("text", { x: 0, y: y + 4, class: "strong" }, `${row.dataset} ×${row.scale}`));
      if (row.low !== null) chart.append(svg("line", { x1: x(row.low), x2: x(row.high), y1: y, y2: y, class: `whisker${unsure ? " unsure" : ""}` }));
      chart.append(svg("circle", { cx: x(row.mean), cy: y, r: 4.5, class: row.mean * head.sign < 0 ? "down" : "up" }, svg("title", {}, `${row.gains.length} images: ${text}`)));
      if (right) chart.append(svg("text", { x: width, y: y + 4, "text-anchor": "end" }, text));
    });
    host.replaceChildren(chart);
  };

  /* What each choice of a protocol moves bicubic by, from the smallest to the largest change over the cells. */
  const effectPlot = (host, width) => {
    const rows = data.effects.filter((effect) => effect.psnr.some((value) => Math.abs(value) >= 0.0005));
    if (!rows.length) return nothing(host, "No choice moves PSNR in this run.");
    const line = 42, height = 44 + rows.length * line, chart = canvas(width, height, `What protocol choices move bicubic's PSNR by, in dB: ${rows.map((row) => `${row.about} ${Math.min(...row.psnr)} to ${Math.max(...row.psnr)}`).join("; ")}`);
    const x = gainAxis(chart, rows.flatMap((row) => row.psnr), 6, width, height, "change of bicubic's PSNR, dB");
    rows.forEach((row, k) => {
      const y = 30 + k * line, low = Math.min(...row.psnr), high = Math.max(...row.psnr), most = Math.floor(width / 6.4);
      chart.append(svg("text", { x: 0, y: y - 12, class: "strong" }, row.about.length > most ? `${row.about.slice(0, most - 1)}…` : row.about, svg("title", {}, row.about)));
      chart.append(svg("rect", { x: x(low) - 1, y: y - 5, width: x(high) - x(low) + 2, height: 12, class: "up" }, svg("title", {}, `${SR.signed(low, 3)} to ${SR.signed(high, 3)} dB over ${row.psnr.length} cells`)));
    });
    host.replaceChildren(chart);
  };

  /* What a cost is called on its axis, and how a value of it is written. */
  const amount = (value) => { const [unit, name] = [[1e9, "G"], [1e6, "M"], [1e3, "K"]].find(([u]) => value >= u) || [1, ""]; return `${Number((value / unit).toPrecision(3))}${name}`; };
  const seconds = (value) => `${Number(value.toPrecision(3))} s`;
  const COSTS = {
    parameters: { axis: "parameters", shown: amount },
    multiply_adds: { axis: "multiply-adds for an output of 1280 × 720", shown: amount },
    seconds: { axis: "seconds an image, measured", shown: seconds },
    training: { axis: "training time, measured", shown: seconds },
  };
  /* Labels beside their points, each where it covers no other; what finds no place has its title alone. */
  const labelled = (chart, points, bounds) => {
    const taken = points.map((p) => [p.x - 5, p.y - 5, p.x + 5, p.y + 5]);
    const free = (box) => box[0] >= bounds[0] && box[1] >= bounds[1] && box[2] <= bounds[2] && box[3] <= bounds[3] && !taken.some((t) => t[0] < box[2] && box[0] < t[2] && t[1] < box[3] && box[1] < t[3]);
    for (const p of points) {
      const wide = p.name.length * 6.6 + 2, spots = [[9, -6], [-9 - wide, -6], [-wide / 2, -20], [-wide / 2, 8], [7, -18], [7, 6], [-7 - wide, -18], [-7 - wide, 6]];
      const box = spots.map(([dx, dy]) => [p.x + dx, p.y + dy, p.x + dx + wide, p.y + dy + 13]).find(free);
      if (!box) continue;
      taken.push(box);
      chart.append(svg("text", { x: box[0], y: box[1] + 11, class: p.own ? "strong" : "" }, p.name));
    }
  };
  const sizePlot = (host, width) => {
    const { dataset, scale, protocol } = now(), by = $("#p-cost").value, cost = COSTS[by];
    if (!cost) return nothing(host, "This run has no record of what a method costs.");
    const mean = (method) => { const cell = SR.cell(dataset, scale, method, protocol), value = cell ? SR.number(cell[`${head.name}_ci`][0]) : null; return Number.isFinite(value) ? value : null; };
    const own = data.costs.filter((c) => c.scale === scale && c[by] && mean(c.method) !== null).map((c) => ({ name: c.method, cost: c[by], value: mean(c.method), own: true }));
    if (!own.length) return nothing(host, `No method of ×${scale} in this run has both a score on ${dataset} under ${protocol} and a recorded value of ${cost.axis}.`);
    const others = data.literature.filter((p) => p.dataset === dataset && p.scale === scale && p.protocol === protocol && p[by] && p[head.name]).map((p) => ({ name: p.method, cost: p[by], value: p[head.name], from: `${p.label}${p.training ? `, trained on ${p.training}` : ""}` }));
    const points = [...own, ...others], base = mean("bicubic"), left = 46, height = others.length ? 420 : 250, logs = points.map((p) => Math.log10(p.cost));
    const middle = (Math.min(...logs) + Math.max(...logs)) / 2, half = Math.max((Math.max(...logs) - Math.min(...logs)) * 0.58, 0.35);
    const x = linear([middle - half, middle + half], [left, width - 10]);
    const range = padded([...points.map((p) => p.value), ...(base === null || others.length ? [] : [base])], 0.12), y = linear([range[1], range[0]], [24, height - 44]);
    const chart = canvas(width, height, `Mean ${head.label} on ${dataset} x${scale} against ${cost.axis}: ${own.map((p) => `${p.name} ${cost.shown(p.cost)}, ${SR.shown(head, p.value)}`).join("; ")}${others.length ? `; among ${others.length} printed networks` : ""}`);
    yAxis(chart, y, ticks(...range, 5), left, width, SR.united(head, `mean ${head.label},`));
    const [low, high] = [middle - half, middle + half];
    let last = -Infinity;
    for (let power = Math.floor(low); power <= high; power += 1) for (const digit of [1, 2, 5]) {
      const at = x(power + Math.log10(digit));
      if (at < left + 14 || at > width - 18 || at - last < 48) continue;
      last = at;
      chart.append(svg("line", { x1: at, x2: at, y1: 24, y2: height - 40, class: "axis" }), svg("text", { x: at, y: height - 24, "text-anchor": "middle" }, cost.shown(digit * 10 ** power)));
    }
    chart.append(svg("text", { x: width, y: height - 4, "text-anchor": "end" }, `${cost.axis}, log scale`));
    if (base !== null && !others.length) chart.append(svg("line", { x1: left, x2: width, y1: y(base), y2: y(base), class: "dash" }), svg("text", { x: left + 4, y: y(base) - 6, class: "strong" }, `bicubic ${SR.shown(head, base)}`));
    const placed = points.map((p) => ({ ...p, x: x(Math.log10(p.cost)), y: y(p.value) }));
    for (const p of [...placed].reverse()) chart.append(svg("circle", { cx: p.x, cy: p.y, r: p.own ? 5.5 : 4, class: p.own ? "mark" : "printed" }, svg("title", {}, `${p.name}: ${SR.shown(head, p.value)}, ${cost.shown(p.cost)}${p.from ? ` (${p.from})` : ""}`)));
    labelled(chart, placed, [left, 20, width, height - 44]);
    host.replaceChildren(chart);
  };

  /* Series are told apart by their dashes and by a name at their end, not by colour alone. */
  const curvePlot = (host, width) => {
    const name = $("#p-series").value, lines = data.curves.filter((curve) => curve.series[name]);
    if (!lines.length) return nothing(host, "This run holds no training log.");
    const narrow = width < 520, right = narrow ? 12 : 150, top = narrow ? 24 + lines.length * 16 : 24, height = 226 + top, left = 58, points = lines.flatMap((line) => line.series[name]);
    const log = /loss/i.test(name) && points.every((p) => p[1] > 0), value = log ? Math.log10 : (v) => v;
    const range = padded(points.map((p) => value(p[1]))), y = linear([range[1], range[0]], [top, height - 40]), end = Math.max(...points.map((p) => p[0])), x = linear([0, end], [left, width - right]);
    const chart = canvas(width, height, `Training curves of ${lines.map((line) => line.name).join(", ")}: ${seriesName(name)} over steps`);
    const marks = log ? [1, 2, 5].flatMap((digit) => [-6, -5, -4, -3, -2, -1, 0, 1, 2].map((power) => Number((digit * 10 ** power).toPrecision(1)))).filter((v) => Math.log10(v) > range[0] && Math.log10(v) < range[1]) : ticks(...range, 5);
    yAxis(chart, (v) => y(value(v)), marks, left, width - right, `${seriesName(name)}${log ? ", log scale" : ""}`, narrow ? 10 : 12);
    for (const step of ticks(0, end, width < 420 ? 3 : 5)) chart.append(svg("text", { x: x(step), y: height - 22, "text-anchor": "middle" }, step));
    chart.append(svg("text", { x: width - right, y: height - 4, "text-anchor": "end" }, "step"));
    const ends = lines.map((line, k) => ({ k, at: y(value(line.series[name].at(-1)[1])) })).sort((a, b) => a.at - b.at);
    ends.forEach((one, k) => { if (k) one.at = Math.max(one.at, ends[k - 1].at + 14); });
    for (const { k, at } of ends) {
      const line = lines[k], style = `stroke: ${COLOURS[k % COLOURS.length]}; stroke-dasharray: ${DASHES[k % DASHES.length]}`;
      chart.append(svg("polyline", { points: line.series[name].map((p) => `${x(p[0]).toFixed(1)},${y(value(p[1])).toFixed(1)}`).join(" "), class: "line", style }));
      const [lx, ly] = narrow ? [left, 24 + k * 16] : [x(line.series[name].at(-1)[0]) + 6, at];
      chart.append(svg("line", { x1: lx, x2: lx + 22, y1: ly, y2: ly, class: "line", style }), svg("text", { x: lx + 27, y: ly + 4, class: "strong" }, line.name));
    }
    host.replaceChildren(chart);
  };

  const publishedPlot = (host, width) => {
    const rows = data.published.map((p) => {
      const cell = SR.cell(p.dataset, p.scale, p.method, p.protocol);
      return { ...p, remade: cell && cell.psnr_ci ? SR.number(cell.psnr_ci[0]) : null };
    }).filter((p) => data.order.method.includes(p.method));
    const met = rows.filter((p) => p.remade !== null && Number.isFinite(p.remade));
    if (!met.length) return nothing(host, rows.length ? "Published values exist, but none of them under a protocol and for a method of this run." : "Nothing was published for these data sets and methods.");
    const narrow = width < 620, left = narrow ? 0 : 270, line = narrow ? 44 : 26, right = narrow ? 0 : 200, height = met.length * line + 40;
    const x = linear(padded([0, -0.1, 0.1, ...met.map((p) => p.remade - p.psnr)]), [left + 6, width - right - 6]);
    const chart = canvas(width, height, `Re-made minus published PSNR of ${met.length} cells under the same protocol`);
    for (const value of ticks(...padded([0, -0.1, 0.1, ...met.map((p) => p.remade - p.psnr)], 0), narrow ? 4 : 6)) chart.append(svg("line", { x1: x(value), x2: x(value), y1: 0, y2: height - 28, class: value === 0 ? "zero" : "axis" }), svg("text", { x: x(value), y: height - 12, "text-anchor": "middle" }, minus(value)));
    met.forEach((p, k) => {
      const y = k * line + (narrow ? 32 : 14), difference = p.remade - p.psnr, decimals = (p.text.split("/")[0].split(".")[1] || "").length;
      const same = p.remade.toFixed(decimals) === p.psnr.toFixed(decimals);
      chart.append(svg("text", { x: 0, y: narrow ? y - 14 : y + 4, class: "strong" }, `${p.dataset} ×${p.scale} ${p.method} (${p.label}, ${p.protocol})`));
      chart.append(svg("line", { x1: x(0), x2: x(difference), y1: y, y2: y, style: "stroke: currentColor; stroke-width: 1.5" }), svg("circle", { cx: x(difference), cy: y, r: 5, class: same ? "up" : "down" }, svg("title", {}, `published ${p.text}, re-made ${SR.fixed(p.remade, 4)} dB`)));
      if (!narrow) chart.append(svg("text", { x: width, y: y + 4, "text-anchor": "end", class: same ? "strong" : "" }, `${p.psnr.toFixed(decimals)} → ${p.remade.toFixed(decimals)}${same ? "  same digits" : `  ${SR.signed(difference, 2)} dB`}`));
    });
    host.replaceChildren(chart);
    const others = rows.length - met.length;
    if (others) host.append(make("p", { class: "note" }, `Published values of these methods without a re-made cell under the same protocol in this run: ${others}.`));
  };

  const plots = { gain: gainPlot, spread: spreadPlot, forest: forestPlot, size: sizePlot, curve: curvePlot, published: publishedPlot, effects: effectPlot };
  const draw = () => {
    for (const [name, plot] of Object.entries(plots)) { const host = $(`#plot-${name}`); if (host) plot(host, Math.max(host.clientWidth, 240)); }
    for (const node of SR.$$("#plots .over")) node.textContent = $("#p-base").value;
  };

  SR.options($("#p-dataset"), data.order.dataset, data.order.dataset[0]);
  SR.options($("#p-scale"), data.order.scale, data.order.scale[0], (value) => `×${value}`);
  SR.options($("#p-method"), SR.models.length ? SR.models : ["bicubic"]);
  SR.options($("#p-base"), data.order.method, "bicubic");
  SR.options($("#p-protocol"), data.order.protocol);
  const series = [...new Set(data.curves.flatMap((curve) => Object.keys(curve.series)))];
  const liked = series.find((name) => /psnr/i.test(name)) || series.find((name) => /loss/i.test(name)) || series[0];
  SR.options($("#p-series"), series.length ? series : ["none"], liked, seriesName);
  $("#p-series").closest(".controls").hidden = !series.length;
  for (const by of Object.keys(COSTS)) if (!data.costs.some((c) => c[by])) $(`#p-cost option[value=${by}]`)?.remove();
  for (const select of SR.$$("#plots select")) select.addEventListener("change", draw);
  let width = 0;
  new ResizeObserver(() => { const next = $("#plots").clientWidth; if (next !== width) { width = next; draw(); } }).observe($("#plots"));
})();
