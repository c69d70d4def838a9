// Charts: plotly.js from its package, each with a table that has the same numbers, PNG and CSV.

import { make } from "./format.js";
import { csv, save, table } from "./tables.js";

let loading = null;
const drawn = new Set();

function plotly() {
  loading ??= new Promise((done, failed) => {
    const script = make("script", { src: document.documentElement.dataset.plotly, async: true });
    script.addEventListener("load", () => done(window.Plotly));
    script.addEventListener("error", () => failed(new Error("plotly.js was not loaded")));
    document.head.append(script);
  });
  return loading;
}

// while the figures are on their way; whoever draws says what failed
plotly().catch(() => {});

/** The colours of the scheme in force. */
export function colours() {
  const style = getComputedStyle(document.documentElement);
  const names = [
    "ground",
    "raised",
    "line",
    "text",
    "quiet",
    "accent",
    "second",
    "mark",
    "band",
    "shade",
    "act",
    "watch",
  ];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

function merged(base, over) {
  const result = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const both =
      value &&
      typeof value === "object" &&
      !Array.isArray(value) &&
      base[key] &&
      typeof base[key] === "object";
    result[key] = both ? merged(base[key], value) : value;
  }
  return result;
}

/** An axis as all charts have it. */
export const axis = (c, title, more = {}) =>
  merged(
    {
      title: { text: title, font: { size: 13 } },
      gridcolor: c.line,
      zerolinecolor: c.mark,
      linecolor: c.mark,
      tickfont: { size: 12 },
      automargin: true,
      fixedrange: true,
    },
    more,
  );

/**
 * A chart with its twin.
 * @param {Object} spec - name: of its files; title; words: what it shows and says, one or two sentences;
 *   height: px; draw: (colours) => {data, layout}; columns, rows: the twin; tools: more buttons
 * @returns {HTMLElement} a figure; its plot is drawn once the library is there
 */
export function chart(spec) {
  const id = `chart-${spec.name}`;
  const plot = make("div", {
    class: "plot waiting",
    id,
    role: "img",
    "aria-label": `${spec.title}. ${spec.words}`,
    style: `height: ${spec.height}px`,
  });
  const twin = make("div", { hidden: true });
  const button = (label, act, more = {}) =>
    make("button", { type: "button", class: "small", on: { click: act }, ...more }, label);
  const toTable = button(
    "Table",
    () => {
      twin.hidden = !twin.hidden;
      toTable.setAttribute("aria-pressed", String(!twin.hidden));
      if (!twin.hidden && !twin.firstChild)
        twin.append(table(`${spec.title}: the numbers`, spec.columns, spec.rows, { twin: true }));
    },
    { "aria-pressed": "false" },
  );
  const png = button("PNG", async () => {
    const Plotly = await plotly();
    const image = await Plotly.toImage(plot, {
      format: "png",
      width: Math.max(plot.clientWidth, 900),
      height: spec.height,
      scale: 2,
    });
    save(
      `${spec.name}.png`,
      Uint8Array.from(atob(image.split(",")[1]), (each) => each.charCodeAt(0)),
      "image/png",
    );
  });
  const toCsv = button("CSV", () =>
    save(`${spec.name}.csv`, csv(spec.columns, spec.rows), "text/csv;charset=utf-8"),
  );
  const figure = make(
    "figure",
    {},
    make(
      "figcaption",
      {},
      make("h2", {}, spec.title),
      make("div", { class: "tools" }, spec.tools ?? [], toTable, png, toCsv),
    ),
    make("p", {}, spec.words),
    plot,
    twin,
  );
  const draw = async () => {
    const Plotly = await plotly();
    // it measures its place, which it has when the page that it was made for is there
    await new Promise((done) => setTimeout(done));
    if (!plot.isConnected) return;
    const c = colours();
    const { data, layout } = spec.draw(c);
    const whole = merged(
      {
        paper_bgcolor: c.ground,
        plot_bgcolor: c.ground,
        height: spec.height,
        font: { family: getComputedStyle(document.body).fontFamily, color: c.text, size: 13 },
        margin: { l: 56, r: 16, t: 12, b: 48 },
        hovermode: "closest",
        dragmode: false,
        hoverlabel: { bgcolor: c.raised, bordercolor: c.mark, font: { color: c.text } },
        showlegend: false,
        legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, font: { size: 13 } },
      },
      layout,
    );
    await Plotly.react(plot, data, whole, {
      displayModeBar: false,
      responsive: true,
      doubleClick: false,
      scrollZoom: false,
    });
    plot.classList.remove("waiting");
    plot.dataset.drawn = "true";
  };
  drawn.add({ plot, draw });
  draw().catch((error) => {
    console.error(error);
    plot.replaceWith(
      make(
        "p",
        { class: "note bad", role: "alert" },
        "The chart could not be drawn in this browser. Its numbers stand below.",
      ),
    );
    if (twin.hidden) toTable.click();
  });
  figure.redraw = draw;
  return figure;
}

function redrawAll() {
  for (const each of drawn) {
    if (!each.plot.isConnected) drawn.delete(each);
    else each.draw().catch(console.error);
  }
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
document.addEventListener("themechange", redrawAll);

/** No plot at all: why, where it would be. */
export const noChart = (title, why) =>
  make("figure", {}, make("figcaption", {}, make("h2", {}, title)), make("p", { class: "note" }, why));
