// The performance sphere: scores as latitude, points over expected as longitude, and a ring of what
// was worn. Every figure is a label, an axis of the flat twin and a cell of the table; the sphere
// adds none. It is drawn without perspective, from one fixed side, and nothing lies behind it.

import { all, get } from "./api.js";
import { axis, chart } from "./charts.js";
import { date, interval, make, number, player, signed, text } from "./format.js";
import { ask, asked, empty, filters, NOBODY, page, setTitle } from "./shell.js";
import { table } from "./tables.js";

// Degrees a point: chosen so that what occurs lies on the front, and said under the picture.
const SCALES = {
  season: {
    latitude: 5,
    longitude: 60,
    eastward: "points over expected a game",
    ticks: [-1, -0.5, 0, 0.5, 1],
    parallels: [35, 40, 45, 50, 55, 60, 65],
  },
  games: {
    latitude: 1.7,
    longitude: 15,
    eastward: "points over expected in the game",
    ticks: [-5, -3, -1, 0, 1, 3, 5],
    parallels: [10, 30, 50, 70, 90],
  },
};
const EDGE = 85;
const RADIANS = Math.PI / 180;
const clamp = (degrees) => Math.max(-EDGE, Math.min(EDGE, degrees));
// Size of a label on the picture, as shares of its width and height.
const LABEL = { width: 0.34, height: 0.06 };
// anew each time: the library writes into what it is given
const firstView = () => ({
  eye: { x: 0, y: -2.1, z: 0 },
  up: { x: 0, y: 0, z: 1 },
  center: { x: 0, y: 0, z: 0 },
  projection: { type: "orthographic" },
});

/** Place on a sphere seen from the south (-y): east is right, north is up. */
const place = (latitude, longitude, radius = 1) => [
  radius * Math.cos(latitude * RADIANS) * Math.sin(longitude * RADIANS),
  -radius * Math.cos(latitude * RADIANS) * Math.cos(longitude * RADIANS),
  radius * Math.sin(latitude * RADIANS),
];
const columnsOf = (points) => ({
  x: points.map((each) => each[0]),
  y: points.map((each) => each[1]),
  z: points.map((each) => each[2]),
});
const steps = (from, to, count) =>
  Array.from({ length: count + 1 }, (_, each) => from + ((to - from) * each) / count);

function located(rows, scale) {
  return rows.map((row) => {
    const [north, east] = [scale.latitude * (row.score - 50), scale.longitude * row.over];
    return {
      ...row,
      latitude: clamp(north),
      longitude: clamp(east),
      at_edge: Math.abs(north) > EDGE || Math.abs(east) > EDGE,
    };
  });
}

/** Many lines as one trace, with gaps: each trace costs a card, and more so a machine without one. */
function lines(c, name, paths, width = 2) {
  const gap = [null, null, null];
  return {
    type: "scatter3d",
    mode: "lines",
    name,
    ...columnsOf(paths.flatMap((path) => [...path, gap])),
    connectgaps: false,
    line: { color: c.line, width },
    hoverinfo: "skip",
  };
}

function grid(c, scale) {
  return lines(c, "grid", [
    ...scale.parallels.map((score) =>
      steps(-90, 90, 36).map((east) => place(scale.latitude * (score - 50), east, 0.995)),
    ),
    ...scale.ticks.map((over) =>
      steps(-90, 90, 36).map((north) => place(north, scale.longitude * over, 0.995)),
    ),
  ]);
}

/** Words in the picture: drawn over it, so that nothing hides them, and turned with it. */
function written(c, scale, rows, labels, gauges) {
  const note = ([x, y, z], words, more = {}) => ({
    x,
    y,
    z,
    text: words,
    showarrow: false,
    font: { color: c.text, size: 12 },
    ...more,
  });
  const quiet = { font: { color: c.quiet, size: 12 } };
  const outer = 1.22 + 0.1 * gauges.length;
  return [
    ...scale.parallels.map((score) =>
      note(place(scale.latitude * (score - 50), -90, 1.02), String(score), { ...quiet, xanchor: "right" }),
    ),
    ...scale.ticks.map((over) => note(place(-60, scale.longitude * over), signed(1)(over), quiet)),
    ...(gauges.length
      ? [
          [0.25, "left"],
          [0.5, "center"],
          [0.75, "right"],
        ]
      : []
    ).map(([share, xanchor]) =>
      note(
        [outer * Math.sin(2 * Math.PI * share), 0, outer * Math.cos(2 * Math.PI * share)],
        `${100 * share} %`,
        { ...quiet, xanchor },
      ),
    ),
    ...rows
      .filter((row) => labels.has(row.id))
      .map((row) =>
        note(place(row.latitude, row.longitude, 1.03), labels.get(row.id), { yanchor: "bottom", yshift: 7 }),
      ),
  ];
}

/** The marked one and the best, as many as have room: a label that covers another says nothing. */
function labelled(rows, chosen, at, most) {
  const spread = (values) => Math.max(...values) - Math.min(...values) || 1;
  const places = new Map(rows.map((row) => [row.id, at(row)]));
  const [wide, high] = [0, 1].map((side) => spread([...places.values()].map((each) => each[side])));
  const taken = [];
  const labels = new Map();
  for (const row of [
    ...(chosen ? [chosen] : []),
    ...[...rows].sort((one, other) => other.score - one.score),
  ]) {
    const [x, y] = places.get(row.id);
    const isFree = taken.every(
      ([left, low]) => Math.abs(left - x) > LABEL.width * wide || Math.abs(low - y) > LABEL.height * high,
    );
    if (!labels.has(row.id) && isFree && labels.size < most) {
      taken.push([x, y]);
      labels.set(row.id, `${row.short} ${number(1)(row.score)}`);
    }
  }
  return labels;
}

function ball(c) {
  const [norths, easts] = [steps(-90, 90, 16), steps(-90, 90, 16)];
  const at = (axis) => norths.map((north) => easts.map((east) => place(north, east, 0.98)[axis]));
  return {
    type: "surface",
    x: at(0),
    y: at(1),
    z: at(2),
    surfacecolor: at(1),
    colorscale: [
      [0, c.raised],
      [1, c.raised],
    ],
    showscale: false,
    hoverinfo: "skip",
    lighting: { ambient: 1, diffuse: 0, specular: 0, fresnel: 0 },
    contours: { x: { highlight: false }, y: { highlight: false }, z: { highlight: false } },
  };
}

const tonesOf = (c) => [c.accent, c.second, c.mark, c.text];

/** Arcs from the top, clockwise: a full turn is 100 %, for each the same. */
function ring(c, gauges) {
  const turn = (share, radius) => [
    radius * Math.sin(2 * Math.PI * share),
    0,
    radius * Math.cos(2 * Math.PI * share),
  ];
  const arc = (to, radius, color, width, name) => ({
    type: "scatter3d",
    mode: "lines",
    ...columnsOf(steps(0, to, Math.max(2, Math.ceil(120 * to))).map((share) => turn(share, radius))),
    line: { color, width },
    hoverinfo: "skip",
    name,
  });
  const tones = tonesOf(c);
  if (!gauges.length) return [];
  const circle = (radius) => steps(0, 1, 120).map((share) => turn(share, radius));
  const traces = [
    lines(
      c,
      "tracks",
      gauges.map((_, place_) => circle(1.2 + 0.1 * place_)),
    ),
  ];
  gauges.forEach((gauge, place_) => {
    const radius = 1.2 + 0.1 * place_;
    if (gauge.percent !== null && gauge.percent > 0)
      traces.push(arc(gauge.percent / 100, radius, tones[place_], 10, gauge.label));
  });
  return traces;
}

function sphere(rows, scale, gauges, chosen, mode, change) {
  const flat = asked().get("view") === "flat";
  const width = document.getElementById("content").clientWidth;
  const isNarrow = width < 640;
  const most = isNarrow ? 5 : 16;
  // on a phone the words about the ring stand above it and not beside it
  const top = isNarrow ? 24 * gauges.length : 0;
  const height = flat ? 520 : Math.min(640, width) + top;
  const labels = flat
    ? labelled(rows, chosen, (row) => [row.over, row.score], most)
    : labelled(
        rows,
        chosen,
        (row) => {
          const [x, , z] = place(row.latitude, row.longitude);
          return [x, z];
        },
        most,
      );
  const toggle = () => {
    ask({ view: flat ? null : "flat" });
    change();
  };
  const tone = (c) => rows.map((row) => (chosen && row.id === chosen.id ? c.second : c.accent));
  const size = (base) => rows.map((row) => base + 2.2 * Math.sqrt(row.weight));
  const hover = rows.map(
    (row) => `${row.label}: score ${number(1)(row.score)}, ${signed(2)(row.over)} ${scale.eastward}`,
  );
  const bars = [...gauges].reverse();
  const draw = flat
    ? (c) => ({
        data: [
          {
            type: "scatter",
            mode: "markers+text",
            x: rows.map((row) => row.over),
            y: rows.map((row) => row.score),
            text: rows.map((row) => labels.get(row.id) ?? ""),
            textposition: "top center",
            textfont: { size: 12 },
            cliponaxis: false,
            marker: { color: tone(c), size: size(4), line: { color: c.ground, width: 1 } },
            hovertext: hover,
            hoverinfo: "text",
            customdata: rows.map((row) => row.id),
          },
          ...(gauges.length
            ? [
                {
                  type: "bar",
                  orientation: "h",
                  x: bars.map((each) => each.percent),
                  y: bars.map((each) => each.label),
                  xaxis: "x2",
                  yaxis: "y2",
                  marker: { color: c.accent },
                  text: bars.map((each) => each.words),
                  textposition: "outside",
                  cliponaxis: false,
                  hoverinfo: "skip",
                },
              ]
            : []),
        ],
        layout: {
          xaxis: axis(c, scale.eastward, { domain: gauges.length ? [0, 0.6] : [0, 1] }),
          yaxis: axis(c, "Clutch score, 0-100"),
          xaxis2: axis(c, "% of a full turn", { domain: [0.76, 0.97], range: [0, 100], anchor: "y2" }),
          yaxis2: axis(c, "", { anchor: "x2" }),
        },
      })
    : (c) => ({
        data: [
          ball(c),
          grid(c, scale),
          ...ring(c, gauges),
          {
            type: "scatter3d",
            mode: "markers",
            name: "points",
            ...columnsOf(rows.map((row) => place(row.latitude, row.longitude, 1.03))),
            marker: { color: tone(c), size: size(2), line: { color: c.ground, width: 1 } },
            hovertext: hover,
            hoverinfo: "text",
            customdata: rows.map((row) => row.id),
          },
        ],
        layout: {
          annotations: gauges.map((each, place_) => ({
            xref: "paper",
            yref: "paper",
            x: 0,
            y: 1,
            yshift: top - 24 * place_,
            xanchor: "left",
            yanchor: "top",
            showarrow: false,
            align: "left",
            text: `<span style="color:${tonesOf(c)[place_]}">●</span> ${each.label} ${each.words}`,
            font: { size: 13 },
          })),
          margin: { l: 0, r: 0, t: top, b: 0 },
          dragmode: "orbit",
          uirevision: "first view",
          scene: {
            camera: firstView(),
            aspectmode: "manual",
            aspectratio: { x: 2.3, y: 2.3, z: 2.3 },
            annotations: written(c, scale, rows, labels, gauges),
            ...Object.fromEntries(
              ["xaxis", "yaxis", "zaxis"].map((name) => [name, { visible: false, range: [-1.75, 1.75] }]),
            ),
          },
        },
      });
  const button = (name, act, more = {}) =>
    make("button", { type: "button", class: "small", on: { click: act }, ...more }, name);
  const figure = chart({
    name: flat ? "performance_flat" : "performance_sphere",
    title: flat ? "The same, flat" : "Performance sphere",
    words: `North is a higher clutch score: the equator is 50, a point is ${scale.latitude} degrees. East is more ${scale.eastward}: a point is ${scale.longitude} degrees. What would lie beyond ${EDGE} degrees is drawn at the edge and said so in the table. Larger points stand on more ${mode === "season" ? "games" : "actions"}.`,
    height,
    tools: [
      button(flat ? "Sphere (F)" : "Flat (F)", toggle),
      flat
        ? null
        : button("First view (R)", () =>
            window.Plotly.relayout(figure.querySelector(".plot"), { "scene.camera": firstView() }),
          ),
    ].filter(Boolean),
    columns: [
      { key: "label", label: mode === "season" ? "Player" : "Game", left: true },
      { key: "score", label: "Clutch score, 0-100 (north)", show: number(2) },
      { key: "over", label: `${scale.eastward} (east)`, show: signed(2) },
      { key: "weight", label: mode === "season" ? "Games" : "Actions" },
      { key: "latitude", label: "Latitude, degrees", show: number(1) },
      { key: "longitude", label: "Longitude, degrees", show: number(1) },
      { key: "at_edge", label: "Drawn at the edge", show: (is) => (is ? "yes" : "no") },
    ],
    rows,
    draw,
  });
  figure.dataset.keys = "sphere";
  // while the focus is in the figure alone, so that no reader's own keys are taken
  figure.tabIndex = 0;
  figure.setAttribute("aria-label", "Performance sphere. F: flat, R: first view.");
  figure.setAttribute("aria-keyshortcuts", "F R");
  figure.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key.toLowerCase() === "f") {
      toggle();
      event.preventDefault();
    }
    if (event.key.toLowerCase() === "r" && !flat) {
      figure.querySelector(".tools button:nth-of-type(2)").click();
      event.preventDefault();
    }
  });
  return figure;
}

function gaugesTable(gauges, of) {
  if (!gauges.length) return make("p", { class: "note" }, NOBODY);
  return make(
    "section",
    {},
    make("h2", {}, `Ring of ${of}`),
    table(
      "Arcs of the ring: each begins at the top and runs clockwise, a full turn is 100 %",
      [
        { key: "label", label: "Arc, from the inside", left: true },
        { key: "percent", label: "% of a full turn", show: number(1) },
        { key: "words", label: "Value", left: true },
      ],
      gauges,
      { sortable: false },
    ),
  );
}

const gauge = (label, percent, words) => ({
  label,
  percent: percent ?? null,
  words: percent === null || percent === undefined ? "not known" : words,
});

const rerun = page(async () => {
  const now = asked();
  const id = now.get("player");
  const { items: seasons } = await get("/seasons");
  if (!seasons.length)
    return empty("No finished game yet", "Load games (clutch ingest nba), then build (dbt build).");
  const season = now.get("season") ?? seasons[0].season;
  const of = now.get("of") === "games" && id ? "games" : "season";
  const minimum = Number(now.get("min_games") ?? 10);
  const board = await all("/leaderboard", { season, min_games: minimum });
  const names = board.items
    .map((row) => [row.player_id, row.full_name ?? row.player_id])
    .sort((one, other) => one[1].localeCompare(other[1]));
  const wearer = board.items.find((row) => row.avg_recovery_score !== null);
  const selected = id ?? wearer?.player_id ?? board.items[0]?.player_id ?? null;
  if (id && !names.some(([each]) => each === id)) names.unshift([id, `Player ${id}`]);
  const form = filters(
    [
      {
        name: "season",
        label: "Season",
        value: season,
        options: seasons.map((each) => [each.season, each.season]),
      },
      { name: "player", label: "Player of the ring", value: selected, options: names },
      {
        name: "of",
        label: "Points are",
        value: of,
        options: [
          ["", "players of the season"],
          ["games", "games of this player"],
        ],
      },
      {
        name: "min_games",
        label: "Clutch games, at least",
        value: minimum,
        input: { type: "number", min: 1, max: 200, required: true, inputmode: "numeric" },
      },
    ],
    () => {
      if (asked().get("of") === "games" && !asked().get("player"))
        ask({ player: selected }, { replace: true });
      rerun();
    },
  );
  if (!selected)
    return [form, empty("Nobody has so many clutch games", "Ask for fewer games or another season.")];
  const scale = SCALES[of];
  const wearables = await get(`/players/${selected}/wearables`, { limit: 1 });
  const name = wearables.player.full_name ?? selected;
  let rows;
  let gauges;
  let chosen = null;
  let ringOf = `${name}, four weeks`;
  if (of === "season") {
    rows = board.items.map((row) => ({
      id: row.player_id,
      player_id: row.player_id,
      full_name: row.full_name,
      label: row.full_name ?? row.player_id,
      short: (row.full_name ?? row.player_id).split(" ").at(-1),
      score: row.avg_clutch_score,
      over: row.points_over_expected / row.total_clutch_games,
      weight: row.total_clutch_games,
    }));
    chosen = rows.find((row) => row.id === selected) ?? null;
    const latest = wearables.summary;
    gauges = latest
      ? [
          gauge("Recovery", latest.recovery_score_28d, `${number(0)(latest.recovery_score_28d)} %`),
          gauge(
            "Sleep performance",
            latest.sleep_performance_28d,
            `${number(0)(latest.sleep_performance_28d)} %`,
          ),
          gauge(
            "Nights complete",
            latest.data_completeness_28d === null ? null : 100 * latest.data_completeness_28d,
            `${number(0)(100 * latest.data_completeness_28d)} %`,
          ),
          gauge(
            "Strain, newest closed day",
            latest.day_strain_latest === null ? null : (100 * latest.day_strain_latest) / 21,
            `${number(1)(latest.day_strain_latest)} of 21`,
          ),
        ]
      : [];
  } else {
    const found = await all(`/players/${selected}/clutch`, { season }, { list: "games" });
    rows = found.games
      .filter((row) => row.points_over_expected !== null)
      .map((row) => ({
        id: row.situation_id,
        label: `${date(row.game_date)}, ${row.situation_id}`,
        short: (row.game_date ?? "").slice(5),
        score: row.clutch_score,
        over: row.points_over_expected,
        weight: row.actions_total,
        source: row,
      }));
    const asked_ = now.get("stretch");
    chosen =
      rows.find((row) => row.id === asked_) ?? rows.find((row) => row.source.has_wearables_data) ?? null;
    const worn = chosen?.source.has_wearables_data ? chosen.source : null;
    ringOf = chosen ? `${name} before the game of ${date(chosen.source.game_date)}` : name;
    gauges = worn
      ? [
          gauge("Recovery", worn.recovery_score_pregame, `${number(0)(worn.recovery_score_pregame)} %`),
          gauge(
            "Sleep performance",
            worn.sleep_performance_pregame,
            `${number(0)(worn.sleep_performance_pregame)} %`,
          ),
          gauge(
            "Quality of the night's data",
            worn.wearables_quality_score === null ? null : 100 * worn.wearables_quality_score,
            `${number(0)(100 * worn.wearables_quality_score)} %`,
          ),
        ]
      : [];
  }
  setTitle(of === "season" ? `Performance sphere, ${season}` : `Performance sphere of ${name}, ${season}`);
  const located_ = located(rows, scale);
  chosen = chosen && located_.find((row) => row.id === chosen.id);
  const choice =
    of === "games" && rows.length
      ? filters(
          [
            {
              name: "stretch",
              label: "Stretch of the ring",
              value: chosen?.id,
              options: rows.map((row) => [row.id, row.label]),
            },
          ],
          () => rerun(),
        )
      : null;
  return [
    form,
    choice,
    rows.length
      ? sphere(located_, scale, gauges, chosen, of, () => rerun())
      : empty("Nothing to place", "He has no clutch time in this season."),
    gaugesTable(gauges, ringOf),
    chosen
      ? make(
          "p",
          { class: "quiet" },
          "Marked: ",
          of === "season" ? player(chosen) : chosen.label,
          `, score ${number(1)(chosen.score)}.`,
        )
      : null,
  ];
});
