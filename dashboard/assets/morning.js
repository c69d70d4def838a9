// Morning board: who plays next, how rested he is, how good the figures are, and what to ask about.

import { all } from "./api.js";
import { axis, chart } from "./charts.js";
import {
  interval,
  make,
  moment,
  number,
  percent,
  player,
  severity,
  signed,
  text,
  UNKNOWN,
  words,
} from "./format.js";
import { asked, empty, filters, NOBODY, page } from "./shell.js";
import { saveButton, table } from "./tables.js";

const GRAVITY = { act: 0, watch: 1 };
const gameName = (row) =>
  row.is_home
    ? `${text(row.opponent_tricode)} at ${text(row.team_tricode)}`
    : `${text(row.team_tricode)} at ${text(row.opponent_tricode)}`;
const isSeen = (row) => row.quality_score !== null;
const reasons = (list) => (list.length ? words(list.join(",")) : UNKNOWN);

const COLUMNS = [
  { key: "full_name", label: "Player", left: true, show: (_, row) => player(row) },
  { key: "team_tricode", label: "Team", left: true },
  { key: "severity", label: "Alert", left: true, show: (name) => (name ? severity(name) : UNKNOWN) },
  { key: "hrv_baseline_deviation", label: "HRV, s.d. of own", show: signed(1) },
  { key: "hrv_normal_range", label: "Week of HRV", left: true },
  { key: "recovery_score_pregame", label: "Recovery, %", show: number(0) },
  { key: "resting_heart_rate_deviation", label: "Resting HR, s.d.", show: signed(1) },
  {
    key: "asleep_minutes_pregame",
    label: "Asleep, h",
    show: (value) => (value === null ? UNKNOWN : number(1)(value / 60)),
  },
  { key: "day_strain_pregame", label: "Strain, 0-21", show: number(1) },
  { key: "quality_score", label: "Quality", show: percent() },
  { key: "quality_reasons", label: "What lowers it", left: true, wrap: true, show: reasons },
  {
    key: "predicted_clutch_score",
    label: "Prediction, 0-100",
    show: (value, row) =>
      value === null ? UNKNOWN : `${number(0)(value)} (${interval(0)(row.lower_90, row.upper_90)})`,
  },
];
const CSV = [
  "game_id",
  "tipoff_at",
  "player_id",
  "full_name",
  "team_tricode",
  "opponent_tricode",
  "severity",
  "alerts",
  "hrv_rmssd_pregame",
  "hrv_baseline_deviation",
  "hrv_normal_range",
  "recovery_score_pregame",
  "resting_heart_rate_deviation",
  "sleep_performance_pregame",
  "asleep_minutes_pregame",
  "day_strain_pregame",
  "quality_score",
  "quality_reasons",
  "missing_reason",
  "predicted_clutch_score",
  "lower_90",
  "upper_90",
  "reliability",
  "used_wearables",
].map((key) => ({ key }));

function alertList(alerts, seen) {
  const heading = make("h2", {}, "To ask about");
  if (!seen) return make("section", { id: "alerts" }, heading, make("p", { class: "note" }, NOBODY));
  if (!alerts.length)
    return make(
      "section",
      { id: "alerts" },
      heading,
      make("p", {}, "No rule fires for anybody whom you may see."),
    );
  const sorted = [...alerts].sort((one, other) => GRAVITY[one.severity] - GRAVITY[other.severity]);
  return make(
    "section",
    { id: "alerts" },
    heading,
    make("p", { class: "quiet" }, "Each is a reason to ask him how he is, never a verdict on who plays."),
    table(
      "Rules that fire, the gravest first",
      [
        { key: "severity", label: "Alert", left: true, show: severity },
        { key: "full_name", label: "Player", left: true, show: (_, row) => player(row) },
        { key: "words", label: "What it says", left: true, wrap: true },
        {
          key: "value",
          label: "Value",
          show: (value, row) =>
            `${signed(1)(value).replace(/^\+/, row.unit.startsWith("s.d") ? "+" : "")} ${row.unit}`,
        },
        { key: "threshold", label: "Rule", show: (value, row) => `${row.comparison} ${number(1)(value)}` },
        { key: "quality_score", label: "Quality", show: percent() },
      ],
      sorted,
    ),
  );
}

function strip(rows) {
  const shown = rows
    .filter((row) => row.hrv_baseline_deviation !== null)
    .sort((one, other) => other.hrv_baseline_deviation - one.hrv_baseline_deviation);
  if (!shown.length) return null;
  const shape = { act: "triangle-up", watch: "diamond" };
  return chart({
    name: "hrv_of_last_night",
    title: "Last night's HRV against his own 28 nights",
    words:
      "In standard deviations of each athlete's own nights; the band is one either way. A triangle marks an alert to act on, a diamond one to watch, of whatever kind.",
    height: 110 + 24 * shown.length,
    columns: [
      { key: "full_name", label: "Player", left: true },
      { key: "hrv_baseline_deviation", label: "HRV, s.d. of own", show: signed(2) },
      { key: "hrv_rmssd_pregame", label: "HRV (rMSSD), ms", show: number(1) },
      { key: "severity", label: "Alert", left: true },
      { key: "quality_score", label: "Quality", show: percent() },
    ],
    rows: shown,
    draw: (c) => ({
      data: [
        {
          type: "scatter",
          mode: "markers",
          x: shown.map((row) => row.hrv_baseline_deviation),
          y: shown.map((_, place) => place),
          marker: {
            size: 12,
            symbol: shown.map((row) => shape[row.severity] ?? "circle"),
            color: shown.map((row) =>
              row.severity === "act" ? c.act : row.severity === "watch" ? c.watch : c.accent,
            ),
          },
          text: shown.map(
            (row) =>
              `${row.full_name}: ${signed(1)(row.hrv_baseline_deviation)} s.d., ${number(0)(row.hrv_rmssd_pregame)} ms, quality ${percent()(row.quality_score)}`,
          ),
          hovertemplate: "%{text}<extra></extra>",
        },
      ],
      layout: {
        margin: { l: 150 },
        xaxis: axis(c, "Standard deviations of his own 28 nights", {
          zeroline: true,
          range: [
            Math.min(-3, ...shown.map((row) => row.hrv_baseline_deviation - 0.3)),
            Math.max(3, ...shown.map((row) => row.hrv_baseline_deviation + 0.3)),
          ],
        }),
        yaxis: axis(c, "", {
          tickmode: "array",
          tickvals: shown.map((_, place) => place),
          ticktext: shown.map((row) => row.full_name ?? row.player_id),
          range: [-0.7, shown.length - 0.3],
          showgrid: false,
        }),
        shapes: [
          {
            type: "rect",
            xref: "x",
            yref: "paper",
            x0: -1,
            x1: 1,
            y0: 0,
            y1: 1,
            fillcolor: c.band,
            line: { width: 0 },
            layer: "below",
          },
        ],
      },
    }),
  });
}

const byNeed = (one, other) =>
  (GRAVITY[one.severity] ?? 2) - (GRAVITY[other.severity] ?? 2) ||
  (one.full_name ?? "").localeCompare(other.full_name ?? "");

/** A game: who may be seen first; of the others there is a prediction at most, which can be opened. */
function game(id, list, anybodySeen) {
  const name = gameName(list[0]);
  const [seen, rest] = [list.filter(isSeen).sort(byNeed), list.filter((row) => !isSeen(row)).sort(byNeed)];
  const others = `${rest.length} ${seen.length ? "more " : ""}players, without a night that you may see`;
  return make(
    "section",
    { id: `game-${id}` },
    make("h2", {}, `${name}, ${moment(list[0].tipoff_at)}`),
    seen.length ? table(`Players of ${name}, whoever needs a word first`, COLUMNS, seen) : null,
    rest.length
      ? make(
          "details",
          { open: !anybodySeen },
          make("summary", {}, others),
          table(
            `Predictions for ${name}`,
            COLUMNS.filter((column) =>
              ["full_name", "team_tricode", "predicted_clutch_score"].includes(column.key),
            ),
            rest,
          ),
        )
      : null,
  );
}

const rerun = page(async () => {
  const [board, alerts] = await Promise.all([all("/morning"), all("/alerts")]);
  if (!board.items.length)
    return empty(
      "No game in the next two days",
      "As far as the schedule is loaded. Data health says how new it is; games that were played are on their own page.",
    );
  const team = asked().get("team_id") ?? "";
  const teams = [
    ...new Map(
      board.items.filter((row) => row.team_id).map((row) => [row.team_id, row.team_tricode ?? row.team_id]),
    ),
  ].sort((one, other) => one[1].localeCompare(other[1]));
  const of = (rows) => (team ? rows.filter((row) => row.team_id === team) : rows);
  const rows = of(board.items);
  const seen = rows.filter(isSeen);
  const games = new Map();
  for (const row of rows) games.set(row.game_id, [...(games.get(row.game_id) ?? []), row]);
  const form = filters(
    [{ name: "team_id", label: "Team", value: team, options: [["", "All teams"], ...teams] }],
    () => rerun(),
  );
  return [
    form,
    rows.length
      ? make(
          "p",
          { class: "lead" },
          `${games.size} ${games.size === 1 ? "game" : "games"}, ${rows.length} players, ${seen.length} with a night that you may see. Predictions are of the clutch score, 0-100, with the range that holds nine of ten games.`,
        )
      : empty("This team does not play in the next two days"),
    alertList(of(alerts.items), seen.length > 0),
    strip(rows),
    ...[...games].map(([id, list]) => game(id, list, seen.length > 0)),
    rows.length ? make("div", { class: "pages" }, saveButton("morning_board", CSV, rows)) : null,
  ];
});
