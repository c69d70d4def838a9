// Leaderboard: scores with what luck leaves open, against recovery where it may be seen.

import { all, get } from "./api.js";
import { axis, chart, noChart } from "./charts.js";
import { interval, make, number, percent, player, signed, UNKNOWN } from "./format.js";
import { asked, empty, filters, NOBODY, page, pager, seasonFilter, teamFilter } from "./shell.js";
import { effectsOfNights } from "./statements.js";
import { saveButton, table } from "./tables.js";

const SIZE = 50;

function columns(rows) {
  const shared = new Map();
  for (const row of rows) shared.set(row.rank, (shared.get(row.rank) ?? 0) + 1);
  return [
    { key: "rank", label: "Rank", show: (rank) => (shared.get(rank) > 1 ? `=${rank}` : String(rank)) },
    {
      key: "rank_lower_90",
      label: "Ranks luck leaves open",
      show: (_, row) => interval(0)(row.rank_lower_90, row.rank_upper_90),
    },
    { key: "full_name", label: "Player", left: true, show: (_, row) => player(row) },
    { key: "tricode", label: "Team", left: true },
    { key: "total_clutch_games", label: "Games" },
    { key: "avg_clutch_score", label: "Score, 0-100", show: number(1) },
    { key: "lower_90", label: "90 % interval", show: (_, row) => interval(1)(row.lower_90, row.upper_90) },
    { key: "reliability", label: "Reliability", show: percent() },
    { key: "expected_clutch_score", label: "To expect", show: number(1) },
    { key: "points_over_expected", label: "Points over expected", show: signed(1) },
    { key: "win_probability_added", label: "Wins added", show: signed(2) },
    {
      key: "avg_recovery_score",
      label: "Recovery, %",
      show: (value, row) => (value === null ? UNKNOWN : `${number(0)(value)} (${row.recovery_games})`),
    },
  ];
}

const CSV = [
  "rank",
  "rank_lower_90",
  "rank_upper_90",
  "player_id",
  "full_name",
  "tricode",
  "total_clutch_games",
  "avg_clutch_score",
  "lower_90",
  "upper_90",
  "reliability",
  "expected_clutch_score",
  "clutch_percentile",
  "points_scored",
  "points_over_expected",
  "win_probability_added",
  "avg_recovery_score",
  "recovery_games",
].map((key) => ({ key }));

/** The 90 % interval of each average, as lengths either way. */
const whiskers = (c, rows) => ({
  type: "data",
  symmetric: false,
  color: c.mark,
  array: rows.map((row) => (row.upper_90 === null ? 0 : row.upper_90 - row.avg_clutch_score)),
  arrayminus: rows.map((row) => (row.lower_90 === null ? 0 : row.avg_clutch_score - row.lower_90)),
});

function scores(rows) {
  const shown = [...rows].reverse();
  const known = (key) => shown.map((row) => row[key]);
  return chart({
    name: "clutch_scores",
    title: "Average clutch score with its 90 % interval",
    words:
      "Where intervals overlap, the order of two players is mostly luck. The cross is what to expect of his next games.",
    height: Math.max(320, 90 + 17 * rows.length),
    columns: [
      { key: "full_name", label: "Player", left: true },
      { key: "avg_clutch_score", label: "Score, 0-100", show: number(2) },
      { key: "lower_90", label: "Lower end", show: number(2) },
      { key: "upper_90", label: "Upper end", show: number(2) },
      { key: "expected_clutch_score", label: "To expect", show: number(2) },
    ],
    rows,
    draw: (c) => ({
      data: [
        {
          type: "scatter",
          mode: "markers",
          name: "score",
          x: known("avg_clutch_score"),
          y: shown.map((_, place) => place),
          marker: { color: c.accent, size: 8 },
          customdata: shown.map((row) => row.player_id),
          error_x: {
            ...whiskers(c, shown),
            thickness: 1.5,
            width: 3,
          },
          hovertemplate: "%{text}<extra></extra>",
          text: shown.map(
            (row) =>
              `${row.full_name}: ${number(1)(row.avg_clutch_score)} (${interval(1)(row.lower_90, row.upper_90)})`,
          ),
        },
        {
          type: "scatter",
          mode: "markers",
          name: "to expect",
          x: known("expected_clutch_score"),
          y: shown.map((_, place) => place),
          marker: { color: c.second, size: 8, symbol: "x-thin", line: { color: c.second, width: 2 } },
          hovertemplate: "to expect: %{x:.1f}<extra></extra>",
        },
      ],
      layout: {
        showlegend: true,
        margin: { l: 150, t: 30 },
        xaxis: axis(c, "Clutch score, 0-100"),
        yaxis: axis(c, "", {
          tickmode: "array",
          tickvals: shown.map((_, place) => place),
          ticktext: shown.map((row) => `${row.full_name ?? row.player_id}  ${row.rank}`),
          range: [-0.8, shown.length - 0.2],
          showgrid: false,
        }),
      },
    }),
  });
}

function againstRecovery(rows) {
  const title = "Clutch score against recovery";
  const seen = rows.filter((row) => row.avg_recovery_score !== null);
  if (!seen.length) return noChart(title, NOBODY);
  return chart({
    name: "clutch_score_against_recovery",
    title,
    words: `Each of ${seen.length} players once: mean recovery before his clutch games and average clutch score with its 90 % interval. Between players this shows who they are and not what a night does; for that see the model's words below.`,
    height: 420,
    columns: [
      { key: "full_name", label: "Player", left: true },
      { key: "avg_recovery_score", label: "Recovery, %", show: number(2) },
      { key: "recovery_games", label: "Games with one" },
      { key: "avg_clutch_score", label: "Score, 0-100", show: number(2) },
      { key: "lower_90", label: "Lower end", show: number(2) },
      { key: "upper_90", label: "Upper end", show: number(2) },
    ],
    rows: seen,
    draw: (c) => ({
      data: [
        {
          type: "scatter",
          mode: "markers+text",
          x: seen.map((row) => row.avg_recovery_score),
          y: seen.map((row) => row.avg_clutch_score),
          text: seen.length <= 25 ? seen.map((row) => row.full_name?.split(" ").at(-1) ?? row.player_id) : [],
          textposition: "top center",
          textfont: { size: 12 },
          marker: { color: c.accent, size: seen.map((row) => 6 + Math.sqrt(row.recovery_games) * 2) },
          error_y: {
            ...whiskers(c, seen),
            thickness: 1,
            width: 0,
          },
          hovertext: seen.map(
            (row) =>
              `${row.full_name}: score ${number(1)(row.avg_clutch_score)}, recovery ${number(0)(row.avg_recovery_score)} % over ${row.recovery_games} games`,
          ),
          hoverinfo: "text",
        },
      ],
      layout: {
        xaxis: axis(c, "Mean recovery before his clutch games, %"),
        yaxis: axis(c, "Clutch score, 0-100"),
      },
    }),
  });
}

const rerun = page(async () => {
  const [{ items: seasons }, { items: teams }] = await Promise.all([get("/seasons"), get("/teams")]);
  if (!seasons.length)
    return empty("No finished game yet", "Load games (clutch ingest nba), then build (dbt build).");
  const now = asked();
  const season = now.get("season") ?? seasons[0].season;
  const minimum = Number(now.get("min_games") ?? 10);
  const team = now.get("team_id") ?? "";
  const offset = Number(now.get("offset") ?? 0);
  const [board, model] = await Promise.all([
    all("/leaderboard", { season, min_games: minimum, team_id: team }),
    get("/model"),
  ]);
  const form = filters(
    [
      seasonFilter(seasons, season),
      teamFilter(teams, team),
      {
        name: "min_games",
        label: "Clutch games, at least",
        value: minimum,
        input: { type: "number", min: 1, max: 200, required: true, inputmode: "numeric" },
      },
    ],
    () => rerun(),
  );
  const rows = board.items;
  if (!rows.length)
    return [
      form,
      empty("Nobody has so many clutch games", "Ask for fewer games, another team or another season."),
    ];
  const shown = rows.slice(offset, offset + SIZE);
  const someSeen = rows.some((row) => row.avg_recovery_score !== null);
  const open = rows.filter((row) => row.rank === 1 || row.rank_lower_90 === 1).length;
  return [
    form,
    make(
      "p",
      { class: "lead" },
      `${rows.length} players. Luck leaves the first rank open to ${open} of them: each of the differences to the leader is smaller than what luck alone does in one of ten cases. Reliability is the share of the differences between players at so many games that is not luck.`,
    ),
    someSeen ? againstRecovery(rows) : null,
    make("div", { class: "pages" }, saveButton(`clutch_leaderboard_${season}`, CSV, rows)),
    table(
      `Players by average clutch score, ${season}, with at least ${minimum} clutch games`,
      columns(rows),
      shown,
    ),
    pager(rows.length, offset, SIZE, () => rerun()),
    scores(shown),
    someSeen ? null : againstRecovery(rows),
    effectsOfNights(model),
  ];
});
