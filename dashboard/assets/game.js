// A game: its win probability, clutch time in it, who did what, and how rested the sides were.

import { get } from "./api.js";
import { axis, chart } from "./charts.js";
import { date, make, moment, number, percent, player, signed, text, words } from "./format.js";
import { ask, asked, empty, idInPath, NOBODY, page, setTitle } from "./shell.js";
import { table } from "./tables.js";

const REGULAR = 720;
const OVERTIME = 300;
const begins = (period) => (period <= 4 ? (period - 1) * REGULAR : 4 * REGULAR + (period - 5) * OVERTIME);
const lasts = (period) => (period <= 4 ? REGULAR : OVERTIME);
/** Seconds played. */
const played = (period, left) => begins(period) + lasts(period) - left;
const seconds = (clock) => {
  const [minutes, rest] = clock.split(":");
  return 60 * Number(minutes) + Number(rest);
};
const clockText = (left) =>
  left === null ? "" : `${Math.floor(left / 60)}:${String(Math.floor(left % 60)).padStart(2, "0")}`;
const periodName = (period) => (period <= 4 ? `Q${period}` : `OT${period - 4}`);

function wave(found, byClock, change) {
  const { game } = found;
  const rows = found.moments.filter(
    (each) =>
      each.home_win_probability !== null &&
      (byClock ? each.seconds_remaining !== null : each.action_timestamp),
  );
  const place = (each) =>
    byClock ? played(each.period, each.seconds_remaining) / 60 : each.action_timestamp;
  const home = game.home_tricode ?? "home";
  const byOrder = new Map(rows.map((each) => [each.order_number, each]));
  const acts = found.actions.filter((each) => byOrder.has(each.order_number));
  const spells = found.windows
    .map((each) =>
      byClock
        ? [
            played(each.period, seconds(each.game_clock_start)) / 60,
            played(each.period, seconds(each.game_clock_end)) / 60,
          ]
        : [each.start_timestamp, each.end_timestamp],
    )
    .filter(([from, to]) => from !== null && to !== null);
  const button = (label, value, on) =>
    make(
      "button",
      {
        type: "button",
        class: "small",
        "aria-pressed": String(on),
        on: {
          click: () => {
            ask({ axis: value });
            change();
          },
        },
      },
      label,
    );
  const ends = rows.length ? Math.max(...rows.map((each) => each.period)) : 4;
  return chart({
    name: `win_probability_${game.game_id}`,
    title: `Win probability of ${home} over ${byClock ? "game time" : "real time"}`,
    words: `After every action. Clutch time (last five minutes, five points or fewer) is shaded; its actions are marked, circles for the home side and diamonds for visitors, filled where they succeeded.`,
    height: 440,
    tools: [button("Game time", null, byClock), button("Real time", "real", !byClock)],
    columns: [
      { key: "order_number", label: "Order" },
      { key: "period", label: "Period", show: periodName },
      { key: "seconds_remaining", label: "Clock", show: clockText },
      { key: "action_timestamp", label: "Time (UTC)", left: true },
      { key: "home_margin", label: `${home} ahead by`, show: signed(0) },
      { key: "home_win_probability", label: "Win probability", show: percent(1) },
      { key: "leverage", label: "Leverage", show: number(3) },
      { key: "is_clutch", label: "Clutch", show: (is) => (is ? "yes" : "no") },
    ],
    rows,
    draw: (c) => ({
      data: [
        {
          type: "scatter",
          mode: "lines",
          name: "win probability",
          x: rows.map(place),
          y: rows.map((each) => 100 * each.home_win_probability),
          line: { color: c.accent, width: 2, shape: "hv" },
          text: rows.map(
            (each) =>
              `${periodName(each.period)} ${clockText(each.seconds_remaining)}, ${home} ${signed(0)(each.home_margin)}: ${percent(1)(each.home_win_probability)}`,
          ),
          hovertemplate: "%{text}<extra></extra>",
        },
        {
          type: "scatter",
          mode: "markers",
          name: "action in clutch time",
          x: acts.map((each) => place(byOrder.get(each.order_number))),
          y: acts.map((each) => 100 * byOrder.get(each.order_number).home_win_probability),
          marker: {
            color: acts.map((each) => (each.is_successful ? c.second : c.ground)),
            size: 9,
            line: { color: c.second, width: 2 },
            symbol: acts.map((each) => (each.team_id === game.home_team_id ? "circle" : "diamond")),
          },
          text: acts.map(
            (each) =>
              `${each.full_name ?? each.player_id}: ${each.action_subtype ?? ""} ${each.action_type}, ${each.is_successful ? "good" : "not good"}, wins ${signed(3)(each.win_probability_added)}`,
          ),
          hovertemplate: "%{text}<extra></extra>",
        },
      ],
      layout: {
        showlegend: true,
        margin: { t: 30 },
        xaxis: byClock
          ? axis(c, "Minutes played", {
              range: [0, (begins(ends) + lasts(ends)) / 60],
              tickvals: [
                0,
                12,
                24,
                36,
                48,
                ...Array.from({ length: Math.max(0, ends - 4) }, (_, each) => 53 + 5 * each),
              ],
            })
          : axis(c, "Time of day (UTC)", { type: "date" }),
        yaxis: axis(c, `Win probability of ${home}, %`, { range: [0, 100], tickvals: [0, 25, 50, 75, 100] }),
        shapes: [
          ...spells.map(([x0, x1]) => ({
            type: "rect",
            xref: "x",
            yref: "paper",
            x0,
            x1,
            y0: 0,
            y1: 1,
            fillcolor: c.shade,
            line: { width: 0 },
            layer: "below",
          })),
          {
            type: "line",
            xref: "paper",
            x0: 0,
            x1: 1,
            y0: 50,
            y1: 50,
            line: { color: c.mark, width: 1, dash: "dot" },
          },
        ],
        annotations: spells.length
          ? [
              {
                x: spells.at(-1)[0],
                y: 1,
                yref: "paper",
                yanchor: "top",
                xanchor: "right",
                text: "clutch time",
                showarrow: false,
                font: { size: 12 },
              },
            ]
          : [],
      },
    }),
  });
}

function actions(found) {
  if (!found.actions.length)
    return empty(
      "No clutch time in this game",
      "Nothing was within five points in the last five minutes or overtime.",
    );
  const at = new Map(found.moments.map((each) => [each.order_number, each]));
  const rows = found.actions.map((each) => ({
    ...each,
    period: at.get(each.order_number)?.period ?? null,
    seconds_remaining: at.get(each.order_number)?.seconds_remaining ?? null,
  }));
  const side = new Map([
    [found.game.home_team_id, found.game.home_tricode],
    [found.game.away_team_id, found.game.away_tricode],
  ]);
  return make(
    "section",
    {},
    make("h2", {}, "In clutch time"),
    table(
      "Actions in clutch time and who is credited",
      [
        {
          key: "order_number",
          label: "When",
          show: (_, row) =>
            row.period ? `${periodName(row.period)} ${clockText(row.seconds_remaining)}` : "–",
        },
        { key: "full_name", label: "Player", left: true, show: (_, row) => player(row) },
        { key: "team_id", label: "Side", left: true, show: (id) => text(side.get(id)) },
        {
          key: "action_type",
          label: "Action",
          left: true,
          show: (type, row) => [type, row.action_subtype].filter(Boolean).join(", "),
        },
        { key: "is_successful", label: "Good", show: (is) => (is ? "yes" : "no") },
        { key: "points_scored", label: "Points" },
        { key: "expected_points", label: "Expected", show: number(2) },
        { key: "win_probability_added", label: "Wins added", show: signed(3) },
      ],
      rows,
    ),
  );
}

function readiness(found) {
  const { game } = found;
  const known = found.players.filter((each) => each.quality_score !== null);
  const heading = make("h2", {}, "How rested they were, as known at tip-off");
  if (!known.length) return make("section", {}, heading, make("p", { class: "note" }, NOBODY));
  const sides = [
    [game.away_team_id, game.away_tricode ?? "Visitors"],
    [game.home_team_id, game.home_tricode ?? "Home"],
  ];
  return make(
    "section",
    {},
    heading,
    make(
      "div",
      { class: "sides" },
      sides.map(([team, name]) => {
        const rows = found.players.filter((each) => each.team_id === team && each.quality_score !== null);
        const count = found.players.filter((each) => each.team_id === team).length;
        return make(
          "div",
          {},
          make("h3", {}, `${name}: ${rows.length} of ${count} players`),
          rows.length
            ? table(
                `${name} before this game`,
                [
                  { key: "full_name", label: "Player", left: true, show: (_, row) => player(row) },
                  {
                    key: "hrv_baseline_deviation",
                    label: "HRV against own 28 nights, s.d.",
                    show: signed(1),
                  },
                  { key: "recovery_score_pregame", label: "Recovery, %", show: number(0) },
                  { key: "sleep_performance_pregame", label: "Sleep, %", show: number(0) },
                  { key: "quality_score", label: "Quality", show: percent() },
                  { key: "quality_reasons", label: "What lowers it", left: true, show: words },
                ],
                rows,
              )
            : make("p", { class: "note" }, NOBODY),
        );
      }),
    ),
  );
}

const rerun = page(async () => {
  const id = idInPath();
  const [found, rested] = await Promise.all([
    get(`/games/${id}/win-probability`),
    get(`/games/${id}/readiness`),
  ]);
  const { game } = found;
  setTitle(`${text(game.away_tricode)} ${game.away_score} – ${game.home_score} ${text(game.home_tricode)}`);
  const byClock = asked().get("axis") !== "real";
  return [
    make(
      "p",
      { class: "lead" },
      `${text(game.season_type)}, ${game.season}, ${date(game.game_date)}; tip-off ${moment(game.tipoff_at)}${game.is_final ? "" : "; running"}.`,
    ),
    found.moments.length
      ? wave(found, byClock, () => rerun())
      : empty(
          "No win probability",
          "This game has no action with a clock that could be read; see data health.",
        ),
    actions(found),
    readiness(rested),
  ];
});
