// The explorer: what is chosen, kept in the address; what follows from it, drawn by Vega-Lite.
"use strict";

const MOST_VARIANTS = 6;
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9"]; // told apart with any colour vision
const byId = (id) => document.getElementById(id);
const unique = (values) => [...new Set(values)];
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const deviation = (values) => Math.sqrt(
  values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0) / (values.length - 1));

const labels = new Map(RUNS.map((run) => [run.variant, run.label]));
const counts = unique(RUNS.map((run) => run.tasks)).sort((a, b) => a - b);

// -- the choice ----------------------------------------------------------------------------------------------

function variantsAt(tasks) {
  return unique(RUNS.filter((run) => run.tasks === tasks).map((run) => run.variant));
}

function choiceFromAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const most = counts.reduce((best, tasks) => (variantsAt(tasks).length >= variantsAt(best).length ? tasks : best));
  const tasks = counts.includes(Number(given.get("tasks"))) ? Number(given.get("tasks")) : most;
  const known = variantsAt(tasks);
  const wanted = (given.get("variants") ?? "").split(",").filter((variant) => known.includes(variant));
  const usual = ["prototype", "sparse_representations_only", "three_layer_mlp"].filter((each) => known.includes(each));
  const variants = (wanted.length ? wanted : usual.length ? usual : known.slice(0, 3)).slice(0, MOST_VARIANTS);
  const seeds = (given.get("seeds") ?? "").split(",").filter(Boolean).map(Number);
  return { tasks, variants, seeds }; // no seeds: all
}

let choice = choiceFromAddress();

function keep(changed) {
  choice = { ...choice, ...changed };
  const kept = { tasks: choice.tasks, variants: choice.variants.join(","), seeds: choice.seeds.join(",") };
  if (!choice.seeds.length) delete kept.seeds;
  history.replaceState(null, "", "#" + new URLSearchParams(kept));
  show();
}

function box(text, checked, changed, detail) {
  const label = document.createElement("label"), input = document.createElement("input");
  input.type = "checkbox";
  input.checked = checked;
  input.addEventListener("change", () => changed(input));
  label.append(input, " ", text);
  if (detail) label.append(Object.assign(document.createElement("code"), { textContent: detail }));
  return label;
}

function showForm() {
  const select = byId("tasks");
  select.replaceChildren(...counts.map((tasks) => new Option(tasks, tasks, false, tasks === choice.tasks)));
  select.onchange = () => {
    const known = variantsAt(Number(select.value));
    const variants = choice.variants.filter((variant) => known.includes(variant));
    keep({ tasks: Number(select.value), variants: variants.length ? variants : known.slice(0, 3), seeds: [] });
    showForm();
  };
  byId("variants").replaceChildren(...variantsAt(choice.tasks).map((variant) =>
    box(labels.get(variant), choice.variants.includes(variant), (input) => {
      const others = choice.variants.filter((each) => each !== variant);
      if (input.checked && others.length >= MOST_VARIANTS) {
        input.checked = false;
        byId("said").textContent = `${MOST_VARIANTS} variants are shown: leave one out first.`;
        return;
      }
      keep({ variants: input.checked ? [...others, variant] : others });
    }, variant)));
  const seeds = unique(RUNS.filter((run) => run.tasks === choice.tasks).map((run) => run.seed)).sort((a, b) => a - b);
  const isOn = (seed) => !choice.seeds.length || choice.seeds.includes(seed);
  byId("seeds").replaceChildren(...seeds.map((seed) => box(seed, isOn(seed), (input) => {
    const on = seeds.filter((each) => (each === seed ? input.checked : isOn(each)));
    if (!on.length) {
      input.checked = true;
      byId("said").textContent = "One seed at least is shown.";
      return;
    }
    keep({ seeds: on.length === seeds.length ? [] : on });
  })));
}

// -- what follows from it --------------------------------------------------------------------------------------

function chosenRuns() {
  return RUNS.filter((run) => run.tasks === choice.tasks && choice.variants.includes(run.variant)
    && (!choice.seeds.length || choice.seeds.includes(run.seed)));
}

function averages(run) { // after each task at which all tasks seen were tested
  const of = Map.groupBy ? Map.groupBy(run.rows, (row) => row[0]) : grouped(run.rows);
  return [...of].filter(([after, rows]) => rows.length === after)
    .map(([after, rows]) => ({ after, value: mean(rows.map((row) => row[2])) }));
}

function grouped(rows) {
  const groups = new Map();
  for (const row of rows) groups.set(row[0], [...(groups.get(row[0]) ?? []), row]);
  return groups;
}

function forgetting(run) { // null of a single task
  const best = new Map(), last = new Map();
  for (const [after, task, value] of run.rows) {
    if (after === run.tasks) last.set(task, value);
    else best.set(task, Math.max(best.get(task) ?? -1, value));
  }
  const lost = [...best].map(([task, value]) => value - last.get(task));
  return lost.length ? mean(lost) : null;
}

function meansOfTests(runs) { // of each variant, task learned and task tested, over the seeds
  const tests = new Map();
  for (const run of runs) {
    for (const [after, task, value] of run.rows) {
      const key = `${run.variant} ${after} ${task}`;
      const test = tests.get(key) ?? { variant: run.label, after, task, values: [] };
      test.values.push(value);
      tests.set(key, test);
    }
  }
  return [...tests.values()].map(({ values, ...test }) => ({ ...test, value: mean(values), n: values.length }));
}

// -- charts ----------------------------------------------------------------------------------------------------

function config() {
  const style = getComputedStyle(document.documentElement);
  const [ink, soft, line] = ["--ink", "--soft", "--line"].map((name) => style.getPropertyValue(name).trim());
  const text = { labelColor: ink, titleColor: ink, labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal" };
  return {
    background: "transparent", font: "system-ui, sans-serif", view: { stroke: null },
    axis: { ...text, gridColor: line, domainColor: soft, tickColor: soft, labelOverlap: true },
    header: { labelColor: ink, titleColor: ink, labelFontSize: 13, labelLimit: 300, labelAnchor: "start" },
    legend: { ...text, labelLimit: 320 }, concat: { spacing: 20 },
  };
}

function draw(id, spec) {
  const options = { actions: false, renderer: "svg", tooltip: true };
  return vegaEmbed("#" + id, { $schema: "https://vega.github.io/schema/vega-lite/v6.json", config: config(), ...spec }, options);
}

const room = () => byId("average").clientWidth;
const percent = { format: ".2%" };

function facets(spec, width, domain) {
  const columns = Math.max(1, Math.min(choice.variants.length, Math.floor((room() - 100) / (width + 50))));
  return { facet: { field: "variant", title: null, sort: domain }, columns, spec };
}

async function show() {
  const runs = chosenRuns(), tests = meansOfTests(runs);
  byId("said").textContent = `${runs.length} runs: ${choice.variants.map((each) => labels.get(each)).join("; ") || "no variant is chosen"}.`;
  const domain = choice.variants.map((variant) => labels.get(variant));
  const colour = { field: "variant", type: "nominal", title: null, scale: { domain, range: COLOURS },
    legend: { orient: "top", columns: room() < 600 ? 1 : 3, symbolStrokeWidth: 3, symbolType: "stroke", symbolOpacity: 1 } };
  const learned = { field: "after", type: "quantitative", title: "tasks learned", 
    axis: { grid: false, format: "d", ...(choice.tasks <= 10 && { values: Array.from({ length: choice.tasks }, (_, task) => task + 1) }) },
    scale: { domain: [1, choice.tasks], nice: false } };
  const accuracy = { field: "value", type: "quantitative", title: "accuracy", axis: { format: ".1~%" }, scale: { zero: false } };
  const lines = runs.flatMap((run) => averages(run).map((row) => ({ ...row, variant: run.label, seed: run.seed })));
  const side = Math.max(160, Math.min(260, room() - 100));
  const ticks = { labelOverlap: true, grid: false, labelAngle: 0 };
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const scheme = { name: "viridis", extent: isDark ? [0.25, 1] : [0, 0.9] }; // neither end is lost in the page's colour
  const task = { field: "task", title: "task", scale: { scheme }, type: choice.tasks <= 10 ? "ordinal" : "quantitative" };
  await Promise.all([
    draw("average", {
      data: { values: lines }, width: Math.max(200, Math.min(760, room() - 80)), height: 300,
      description: "Average accuracy on the tasks seen, by the number of tasks learned",
      encoding: { x: learned, color: colour },
      layer: [
        { mark: { type: "line", strokeWidth: 1, opacity: 0.4 }, encoding: { y: accuracy, detail: { field: "seed" } } },
        { mark: { type: "line", strokeWidth: 3, point: true },
          encoding: { y: { ...accuracy, aggregate: "mean" }, tooltip: [{ field: "variant", title: "variant" },
            { field: "after", title: "tasks learned" }, { field: "value", aggregate: "mean", title: "mean", ...percent },
            { aggregate: "count", title: "seeds" }] } },
      ],
    }),
    draw("matrix", {
      data: { values: tests }, description: "Accuracy on each task after each task, mean of the seeds",
      ...facets({ width: side, height: side, mark: "rect", encoding: {
        x: { field: "task", type: "ordinal", title: "task tested", axis: ticks },
        y: { field: "after", type: "ordinal", title: "task learned", axis: ticks },
        color: { field: "value", type: "quantitative", title: "accuracy", scale: { scheme }, legend: { format: ".1~%" } },
        tooltip: [{ field: "after", title: "after task" }, { field: "task", title: "on task" },
          { field: "value", title: "mean", ...percent }, { field: "n", title: "seeds" }],
      } }, side, domain),
    }),
    draw("curves", {
      data: { values: tests }, description: "Accuracy of each task as later tasks are learned, mean of the seeds",
      ...facets({ width: side, height: side * 0.8, mark: { type: "line", point: choice.tasks <= 10, strokeWidth: 1.5 }, encoding: {
        x: learned, y: accuracy, detail: { field: "task" },
        color: task,
        tooltip: [{ field: "task", title: "task" }, { field: "after", title: "after task" }, { field: "value", title: "mean", ...percent }],
      } }, side, domain),
    }),
    draw("forgetting", {
      data: { values: runs.map((run) => ({ variant: run.label, seed: run.seed, value: 100 * forgetting(run) })) },
      description: "Forgetting of each seed", width: Math.max(160, Math.min(560, room() - 260)), height: { step: 34 },
      encoding: { y: { field: "variant", type: "nominal", title: null, sort: domain, axis: { labelLimit: room() < 600 ? 130 : 230 } },
        color: { ...colour, legend: null } },
      layer: [
        { mark: { type: "point", filled: true, size: 50, opacity: 0.6 }, encoding: {
          x: { field: "value", type: "quantitative", title: "forgetting, points of accuracy" },
          tooltip: [{ field: "seed" }, { field: "value", title: "forgetting, points", format: ".2f" }] } },
        { mark: { type: "tick", thickness: 3, size: 24 }, encoding: { x: { field: "value", type: "quantitative", aggregate: "mean" } } },
      ],
    }),
  ]);
  showNumbers(runs);
  document.body.dataset.shown = String(runs.length); // for those who wait for the charts
}

function spread(values, digits) {
  const number = mean(values).toFixed(digits).replace("-", "\u2212");
  return values.length > 1 ? `${number} ± ${deviation(values).toFixed(digits)}` : number;
}

function showNumbers(runs) {
  const rows = choice.variants.map((variant) => {
    const own = runs.filter((run) => run.variant === variant), row = document.createElement("tr");
    const head = Object.assign(document.createElement("th"), { scope: "row", textContent: labels.get(variant) });
    const final = own.map((run) => 100 * averages(run).at(-1).value), lost = own.map(forgetting).filter((each) => each !== null);
    const cells = [["seeds", own.map((run) => run.seed).join(", ")], ["average accuracy, %", own.length ? spread(final, 2) : ""],
      ["forgetting, points", lost.length ? spread(lost.map((each) => 100 * each), 2) : ""]];
    row.append(head, ...cells.map(([name, textContent]) => {
      const cell = Object.assign(document.createElement("td"), { textContent });
      cell.dataset.name = name;
      return cell;
    }));
    return row;
  });
  byId("numbers").tBodies[0].replaceChildren(...rows);
}

addEventListener("hashchange", () => { choice = choiceFromAddress(); showForm(); show(); });
let waiting;
addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(show, 200); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
showForm();
show();
