"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  root.classList.add("script");
  const make = (tag, attributes = {}, ...inner) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...inner);
    return made;
  };
  const signed = (value, plus) => (value < 0 ? "\u2212" : value > 0 ? plus : "") + Math.abs(value).toFixed(Math.abs(value) < 10 ? 2 : 1);
  const grouped = (value) => value.toLocaleString("en-US", { maximumFractionDigits: value < 10 ? 3 : 1 });

  // Tables: a click on a head sorts, a text field filters long ones.
  const key = (row, column) => {
    const cell = row.cells[column];
    if (cell.dataset.key !== undefined) return Number(cell.dataset.key);
    const text = (cell.firstChild ? cell.firstChild.textContent : "").trim();
    if (text === "\u2013" || text === "") return NaN;
    if (/^(not reached|nothing)/.test(text)) return -Infinity;
    if (/^more than/.test(text)) return Infinity;
    const found = /^(?:at (?:least|most) |< )?([+\u2212-]?[\d,]*\.?\d+)/.exec(text);
    return found && column ? Number(found[1].replace("\u2212", "-").replaceAll(",", "")) : text.toLowerCase();
  };
  const compare = (first, second) =>
    typeof first === "number" && typeof second === "number" ? first - second : String(first).localeCompare(String(second));
  const sort = (table, head) => {
    const body = table.tBodies[0], column = head.cellIndex;
    const rows = [...body.rows].map((row) => [key(row, column), row]);
    const numeric = rows.some(([value]) => typeof value === "number");
    const now = head.getAttribute("aria-sort");
    const way = now ? (now === "descending" ? 1 : -1) : numeric ? -1 : 1;
    rows.sort(([first], [second]) => Number.isNaN(first) - Number.isNaN(second) || way * compare(first, second));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", way < 0 ? "descending" : "ascending");
    body.append(...rows.map(([, row]) => row));
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const count = table.tBodies[0].rows.length;
    if (count < 2) continue;
    for (const head of table.tHead.querySelectorAll("th")) {
      const button = make("button", { type: "button", title: "Sort" }, head.textContent);
      button.addEventListener("click", () => sort(table, head));
      head.replaceChildren(button);
    }
    if (count <= 8) continue;
    const field = make("input", { type: "search", class: "filter", placeholder: "Filter the rows", "aria-label": "Filter the rows" });
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/);
      for (const row of table.tBodies[0].rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
    });
    table.parentElement.before(field);
  }

  // Curves: those that are chosen in a section's legend are in color; their labels keep apart.
  const GAP = 14;
  const vertices = (path) => [...path.matchAll(/(-?[\d.]+) (-?[\d.]+)/g)].map((found) => [Number(found[1]), Number(found[2])]);
  const label = (plot) => {
    const ends = [...plot.querySelectorAll(".curve.on")].map((curve) => {
      const [x, y] = vertices(curve.querySelector(".line").getAttribute("d")).at(-1);
      return { curve, x, y };
    });
    ends.sort((first, second) => first.y - second.y);
    const groups = [];
    const start = (group) => {
      const middle = group.reduce((sum, end, place) => sum + end.y - GAP * place, 0) / group.length;
      return Math.max(16, Math.min(middle, 266 - GAP * (group.length - 1)));
    };
    for (const end of ends) {
      groups.push([end]);
      while (groups.length > 1 && start(groups.at(-1)) < start(groups.at(-2)) + GAP * groups.at(-2).length)
        groups.at(-2).push(...groups.pop());
    }
    for (const group of groups)
      group.forEach(({ curve, x, y }, place) => {
        const height = start(group) + GAP * place;
        curve.querySelector(".end").setAttribute("y", height + 4);
        curve.querySelector(".leader").setAttribute("d", `M${x + 3} ${y}L${x + 10} ${height}`);
      });
  };
  for (const legend of document.querySelectorAll(".legend")) {
    const section = legend.closest("section");
    const choose = (item) => {
      const on = item.classList.toggle("on");
      item.setAttribute("aria-pressed", on);
      for (const plot of section.querySelectorAll(".plot[data-figure]")) {
        const curve = plot.querySelector(`.curve[data-series="${item.dataset.series}"]`);
        if (!curve) continue;
        curve.classList.toggle("on", on);
        if (on) curve.parentElement.append(curve);
        label(plot);
      }
      section.dispatchEvent(new Event("chosen"));
    };
    for (const item of legend.children) {
      for (const [name, value] of [["role", "button"], ["tabindex", "0"], ["aria-pressed", item.classList.contains("on")]])
        item.setAttribute(name, value);
      item.addEventListener("click", () => choose(item));
      item.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        choose(item);
      });
    }
  }

  // The value under the pointer: of the nearest point of any curve.
  const tip = make("div", { class: "tip", hidden: "" });
  document.body.append(tip);
  const figure = (plot) => {
    const [section, metric, kind] = plot.dataset.figure.split(".");
    return [data.sections[section - 1].metrics[metric], kind];
  };
  const hide = (plot) => {
    tip.hidden = true;
    plot.querySelector(".pointed")?.remove();
    plot.querySelector(".near")?.classList.remove("near");
  };
  const point = (plot, curves, event) => {
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(plot.getScreenCTM().inverse());
    let best = { distance: 40 ** 2 };
    for (const { curve, points } of curves)
      points.forEach(([x, y], number) => {
        // A curve in color is preferred to a gray one nearly as near.
        const distance = (x - place.x) ** 2 + (y - place.y) ** 2 + (curve.classList.contains("on") ? 0 : 30);
        if (distance < best.distance) best = { distance, curve, number, x, y };
      });
    hide(plot);
    if (!best.curve) return;
    const [metric, kind] = figure(plot), series = best.curve.dataset.series;
    const [mean, low, high] = metric[kind][series].map((values) => values[best.number]);
    const plus = kind === "gain" ? "+" : "";
    const unit = { gain: " points", speed: " times" }[kind] ?? "\u00a0%";
    const range = low === undefined ? "" : `${signed(low, plus)} to ${signed(high, plus)} (95\u00a0% interval)`;
    tip.replaceChildren(
      make("b", {}, data.strategies[series]),
      ` ${signed(mean, plus)}${unit} with ${grouped(metric.labels[best.number])} labels`,
      make("small", {}, range),
    );
    best.curve.classList.add("near");
    const mark = document.createElementNS(plot.namespaceURI, "circle");
    for (const [name, value] of [["class", "pointed"], ["cx", best.x], ["cy", best.y], ["r", 5]]) mark.setAttribute(name, value);
    best.curve.append(mark);
    tip.hidden = false;
    const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${event.clientY > innerHeight - 90 ? event.clientY - tip.offsetHeight - 12 : event.clientY + 14}px`;
  };
  for (const plot of document.querySelectorAll(".plot[data-figure]")) {
    const curves = [...plot.querySelectorAll(".curve")].map((curve) => ({
      curve,
      points: vertices(curve.querySelector(".line").getAttribute("d")),
    }));
    plot.addEventListener("pointermove", (event) => point(plot, curves, event));
    plot.addEventListener("pointerleave", () => hide(plot));
  }

  // On paper, what is folded is open.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open], .explorer)")];
    for (const details of folded) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of folded) details.open = false;
  });

  // The explorer: uPlot, drawn when it is opened; zoom by dragging, double click shows all.
  const DASHES = [[], [7, 3], [2, 2.5], [9, 2.5, 2, 2.5]];
  const color = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const look = (series, on) => {
    const place = series - 1;
    if (!on) return { stroke: color("--rest"), width: 1, points: { show: false } };
    const stroke = series === 0 ? color("--random") : color(`--series-${place % 8}`);
    return { stroke, width: 2, dash: series === 0 ? [5, 3] : DASHES[Math.floor(place / 8) % 4], points: { show: true, size: 6, fill: stroke } };
  };
  const select = (words, options) => {
    const field = make("select", {}, ...options.map(([value, text]) => make("option", { value }, text)));
    return [make("label", {}, `${words} `, field), field];
  };
  const explore = (details) => {
    const found = data.sections[details.dataset.section - 1], section = details.closest("section");
    const [metricLabel, metric] = select("Show", found.metrics.map((each, place) => [place, each.name]));
    const gains = Object.keys(found.metrics[0].gain).length ? [["gain", `gain over ${data.strategies[found.baseline]}`]] : [];
    const [kindLabel, kind] = select("as", [["value", "mean"], ...gains]);
    const axes = [["", "number of labels"], ...Object.keys(found.costs).map((name) => [name, name])];
    const [againstLabel, against] = select("against", axes);
    const reset = make("button", { type: "button" }, "Show all");
    const hint = make("p", { class: "hint" }, "Drag to zoom. Strategies are chosen in the legend above.");
    const place = make("div");
    details.append(make("div", { class: "choices" }, metricLabel, kindLabel, againstLabel, reset), place, hint);
    let chart;
    const draw = () => {
      chart?.destroy();
      if (!details.open) return;
      const chosen = found.metrics[metric.value], curves = chosen[kind.value];
      const costs = found.costs[against.value];
      const on = new Set([...section.querySelectorAll(".legend .on")].map((item) => item.dataset.series));
      const series = Object.keys(curves).filter((each) => !costs || costs[each]?.length === curves[each][0].length);
      series.sort((first, second) => on.has(first) - on.has(second) || first - second);
      const tables = series.map((each) => [costs ? costs[each] : chosen.labels, curves[each][0]]);
      const plus = kind.value === "gain" ? "+" : "";
      const lines = series.map((each) => ({
        label: data.strategies[each],
        spanGaps: true,
        value: (_, value) => (value == null ? "\u2013" : signed(value, plus)),
        ...look(Number(each), on.has(each)),
        class: on.has(each) ? "chosen" : "rest",
      }));
      const axis = { stroke: color("--ink"), grid: { stroke: color("--grid"), width: 1 }, ticks: { stroke: color("--grid") } };
      chart = new uPlot(
        {
          width: place.clientWidth,
          height: Math.round(Math.min(460, Math.max(280, innerHeight * 0.55))),
          scales: { x: { time: false } },
          cursor: { drag: { x: true, y: true, uni: 30 }, focus: { prox: 24 } },
          focus: { alpha: 0.35 },
          series: [{ label: against.value || "labels", value: (_, value) => (value == null ? "\u2013" : grouped(value)) }, ...lines],
          axes: [
            { ...axis, label: against.value || "number of labels" },
            { ...axis, label: kind.value === "gain" ? "points" : "%", values: (_, splits) => splits.map((value) => signed(value, plus).replace(/\.?0+$/, "")) },
          ],
        },
        uPlot.join(tables),
        place,
      );
    };
    for (const field of [metric, kind, against]) field.addEventListener("change", draw);
    reset.addEventListener("click", draw);
    section.addEventListener("chosen", draw);
    addEventListener("resize", draw);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    return draw;
  };
  for (const details of document.querySelectorAll("details.explorer")) {
    let draw;
    details.addEventListener("toggle", () => {
      draw ??= explore(details);
      draw();
    });
  }
})();
