// A player: clutch scores over time, his HRV under them, and what the model says in words.

import { all, get } from "./api.js";
import { axis, chart, noChart } from "./charts.js";
import { date, interval, link, make, number, percent, signed, text, UNKNOWN, words } from "./format.js";
import { asked, empty, filters, idInPath, NOBODY, page, setTitle } from "./shell.js";
import { effectsOfNights } from "./statements.js";
import { saveButton, table } from "./tables.js";

const NIGHTS = 200;

/** Stretches of clutch time of one game as one row: the leaderboard's grain. */
function byGame(stretches) {
  const games = new Map();
  for (const each of stretches) {
    const game = games.get(each.game_id) ?? { ...each, scores: [] };
    game.scores.push(each.clutch_score);
    games.set(each.game_id, game);
  }
  return [...games.values()]
    .map((each) => ({
      ...each,
      clutch_score: each.scores.reduce((sum, score) => sum + score, 0) / each.scores.length,
    }))
    .filter((each) => each.game_date)
    .reverse();
}

/** Unbroken stretches of nights that have a baseline: a gap in it is shown as one. */
function band(days) {
  const stretches = [[]];
  for (const each of days) {
    if (each.hrv_baseline_lower === null) stretches.push([]);
    else stretches.at(-1).push(each);
  }
  return stretches.filter((each) => each.length);
}

function timeline(games, nights) {
  const days = [...nights].reverse();
  const missing = days.filter((each) => each.hrv_rmssd_avg === null);
  const rows = [
    ...games.map((each) => ({ on: each.game_date, clutch_score: each.clutch_score, game_id: each.game_id })),
    ...days.map((each) => ({
      on: each.summary_date,
      hrv_rmssd_avg: each.hrv_rmssd_avg,
      hrv_baseline_lower: each.hrv_baseline_lower,
      hrv_baseline_upper: each.hrv_baseline_upper,
      missing_reason: each.missing_reason,
    })),
  ].sort((one, other) => one.on.localeCompare(other.on));
  const has = days.length > 0;
  return chart({
    name: "clutch_scores_and_hrv",
    title: has ? "Clutch score of each game, and HRV of each night" : "Clutch score of each game",
    words: has
      ? `The band is his own 28 nights before, a standard deviation either way. ${missing.length} of ${days.length} nights have no HRV; they are marked at the foot with why.`
      : "A single game's score is mostly luck; see the interval of the average.",
    height: has ? 560 : 320,
    columns: [
      { key: "on", label: "Date", left: true },
      { key: "clutch_score", label: "Clutch score, 0-100", show: number(2) },
      { key: "hrv_rmssd_avg", label: "HRV (rMSSD), ms", show: number(1) },
      { key: "hrv_baseline_lower", label: "Band from, ms", show: number(1) },
      { key: "hrv_baseline_upper", label: "to, ms", show: number(1) },
      { key: "missing_reason", label: "No HRV because", left: true, show: words },
    ],
    rows,
    draw: (c) => {
      const games_ = {
        type: "scatter",
        mode: "markers",
        name: "clutch score",
        x: games.map((each) => each.game_date),
        y: games.map((each) => each.clutch_score),
        marker: { color: c.accent, size: 9 },
        text: games.map((each) => `${each.game_date}: score ${number(1)(each.clutch_score)}`),
        hovertemplate: "%{text}<extra></extra>",
      };
      if (!has)
        return {
          data: [games_],
          layout: {
            xaxis: axis(c, "", { type: "date" }),
            yaxis: axis(c, "Clutch score, 0-100", { range: [0, 100] }),
          },
        };
      const x = days.map((each) => each.summary_date);
      const values = days
        .flatMap((each) => [each.hrv_rmssd_avg, each.hrv_baseline_lower])
        .filter((each) => each !== null);
      const foot = values.length ? Math.max(0, Math.min(...values) - 8) : 0;
      return {
        data: [
          games_,
          ...band(days).map((stretch, place) => ({
            type: "scatter",
            mode: "lines",
            name: "own 28 nights, ± 1 s.d.",
            showlegend: place === 0,
            yaxis: "y2",
            x: [
              ...stretch.map((each) => each.summary_date),
              ...stretch.map((each) => each.summary_date).reverse(),
            ],
            y: [
              ...stretch.map((each) => each.hrv_baseline_upper),
              ...stretch.map((each) => each.hrv_baseline_lower).reverse(),
            ],
            line: { width: 0 },
            fill: "toself",
            fillcolor: c.band,
            hoverinfo: "skip",
          })),
          {
            type: "scatter",
            mode: "lines+markers",
            name: "HRV",
            x,
            y: days.map((each) => each.hrv_rmssd_avg),
            yaxis: "y2",
            connectgaps: false,
            line: { color: c.second, width: 1.5 },
            marker: { color: c.second, size: 5, symbol: "square" },
            text: days.map(
              (each) =>
                `${each.summary_date}: ${number(0)(each.hrv_rmssd_avg)} ms, ${signed(1)(each.hrv_baseline_deviation)} s.d.`,
            ),
            hovertemplate: "%{text}<extra></extra>",
          },
          {
            type: "scatter",
            mode: "markers",
            name: "no HRV",
            x: missing.map((each) => each.summary_date),
            y: missing.map(() => foot),
            yaxis: "y2",
            marker: { color: c.act, size: 8, symbol: "x-thin", line: { color: c.act, width: 2 } },
            text: missing.map((each) => `${each.summary_date}: ${words(each.missing_reason)}`),
            hovertemplate: "%{text}<extra></extra>",
          },
        ],
        layout: {
          showlegend: true,
          margin: { t: 30 },
          xaxis: axis(c, "", { type: "date", anchor: "y2" }),
          yaxis: axis(c, "Clutch score, 0-100", { domain: [0.56, 1], range: [0, 100] }),
          yaxis2: axis(c, "HRV (rMSSD), ms", { domain: [0, 0.5] }),
        },
      };
    },
  });
}

const tile = (label, value, more) =>
  make(
    "div",
    { class: "tile" },
    make("dt", {}, label),
    make("dd", {}, value, more ? make("small", {}, more) : null),
  );

function model(found) {
  const said = found.model;
  return make(
    "section",
    { id: "model" },
    make("h2", {}, "What the model says of him"),
    said
      ? [
          make("p", { class: "statement" }, `Better in clutch time than at other times: ${said.statement}.`),
          make(
            "p",
            { class: "quiet" },
            `Points an attempt over an average shooter at all times: ${signed(3)(said.overall_skill)} (${interval(3)(said.overall_skill_lower_90, said.overall_skill_upper_90)} with 90 %). His shots have settled ${percent()(said.clutch_reliability)} of what could be known of his clutch deviation.`,
          ),
        ]
      : make(
          "p",
          { class: "note" },
          "No fit in force knows him: he has no shot in it, or there is none (see data health).",
        ),
  );
}

function body(wearables) {
  const latest = wearables.summary;
  if (!latest) return make("section", {}, make("h2", {}, "His nights"), make("p", { class: "note" }, NOBODY));
  return make(
    "section",
    {},
    make("h2", {}, "His nights"),
    make(
      "dl",
      { class: "tiles" },
      tile(
        "HRV (rMSSD), newest night",
        latest.hrv_rmssd_latest === null ? UNKNOWN : `${number(0)(latest.hrv_rmssd_latest)} ms`,
        `${signed(1)(latest.hrv_baseline_deviation_latest)} s.d. of his own 28 nights; ${date(latest.latest_night)}`,
      ),
      tile(
        "Recovery",
        latest.recovery_score_latest === null ? UNKNOWN : `${number(0)(latest.recovery_score_latest)} %`,
        `week ${number(0)(latest.recovery_score_7d)} %, four weeks ${number(0)(latest.recovery_score_28d)} %`,
      ),
      tile(
        "Resting heart rate",
        latest.resting_heart_rate_latest === null
          ? UNKNOWN
          : `${number(0)(latest.resting_heart_rate_latest)} /min`,
        `four weeks ${number(0)(latest.resting_heart_rate_28d)} /min`,
      ),
      tile(
        "Sleep performance",
        latest.sleep_performance_latest === null
          ? UNKNOWN
          : `${number(0)(latest.sleep_performance_latest)} %`,
        `four weeks ${number(0)(latest.sleep_performance_28d)} %`,
      ),
      tile("Nights with HRV", `${latest.nights_28d} of 28`, `last week ${latest.nights_7d} of 7`),
    ),
    make(
      "div",
      { class: "pages" },
      saveButton(
        "nights",
        NIGHT.map((each) => ({ key: each.key })),
        wearables.nights,
      ),
    ),
    table("Nights, the newest first", NIGHT, wearables.nights.slice(0, 28)),
  );
}

const NIGHT = [
  { key: "summary_date", label: "Woke on", left: true },
  { key: "hrv_rmssd_avg", label: "HRV, ms", show: number(0) },
  { key: "hrv_baseline_deviation", label: "against own, s.d.", show: signed(1) },
  { key: "hrv_normal_range", label: "week against range", left: true },
  { key: "recovery_score", label: "Recovery, %", show: number(0) },
  { key: "resting_heart_rate", label: "Resting HR, /min", show: number(0) },
  { key: "sleep_performance_score", label: "Sleep, %", show: number(0) },
  { key: "asleep_minutes", label: "Asleep, min", show: number(0) },
  { key: "day_strain", label: "Strain, 0-21", show: number(1) },
  { key: "data_completeness", label: "Complete", show: percent() },
  { key: "missing_reason", label: "Missing because", left: true, show: words },
];

const rerun = page(async () => {
  const id = idInPath();
  const season = asked().get("season") ?? "";
  const [found, wearables, fit] = await Promise.all([
    all(`/players/${id}/clutch`, { season }, { list: "games", most: 2000 }),
    get(`/players/${id}/wearables`, { limit: NIGHTS }),
    get("/model"),
  ]);
  const { player } = found;
  setTitle(player.full_name ?? `Player ${player.player_id}`);
  const seasons = season ? [season] : [...new Set(found.games.map((each) => each.season))];
  const form = filters(
    [
      {
        name: "season",
        label: "Season",
        value: season,
        options: [
          ["", "All seasons"],
          ...[...new Set([...seasons, ...found.seasons.map((each) => each.season)])].map((each) => [
            each,
            each,
          ]),
        ],
      },
    ],
    () => rerun(),
  );
  const newest = found.seasons[0];
  const games = byGame(found.games);
  const nights =
    season && games.length
      ? wearables.nights.filter(
          (each) => each.summary_date >= games[0].game_date && each.summary_date <= games.at(-1).game_date,
        )
      : wearables.nights;
  return [
    make("p", { class: "lead" }, [text(player.tricode), player.position].filter(Boolean).join(", ")),
    form,
    newest
      ? make(
          "dl",
          { class: "tiles" },
          tile(
            `Average clutch score, ${newest.season}`,
            number(1)(newest.avg_clutch_score),
            `90 %: ${interval(1)(newest.lower_90, newest.upper_90)}`,
          ),
          tile(
            "To expect of his next games",
            number(1)(newest.expected_clutch_score),
            `reliability ${percent()(newest.reliability)}`,
          ),
          tile(
            "Clutch games",
            String(newest.total_clutch_games),
            newest.clutch_percentile === null
              ? "too few for a percentile"
              : `percentile ${number(0)(newest.clutch_percentile)}`,
          ),
          tile(
            "Points over expected",
            signed(1)(newest.points_over_expected),
            `${newest.points_scored} points`,
          ),
          tile("Wins added", signed(2)(newest.win_probability_added)),
        )
      : empty("No clutch game", "He was in no game within five points in the last five minutes."),
    model(found),
    games.length || nights.length
      ? timeline(games, nights)
      : noChart("Clutch score of each game", "There is no game to show."),
    body(wearables),
    effectsOfNights(fit),
    found.games.length
      ? make(
          "section",
          {},
          make("h2", {}, "His clutch time"),
          table(
            "Stretches of clutch time, the newest first",
            [
              {
                key: "game_date",
                label: "Date",
                left: true,
                show: (value, row) => link(`/games/${row.game_id}`, value ?? row.game_id),
              },
              { key: "clutch_score", label: "Score, 0-100", show: number(1) },
              { key: "actions_total", label: "Actions" },
              { key: "actions_successful", label: "Good" },
              { key: "points_scored", label: "Points" },
              { key: "points_over_expected", label: "Over expected", show: signed(1) },
              { key: "win_probability_added", label: "Wins added", show: signed(3) },
              { key: "recovery_score_pregame", label: "Recovery, %", show: number(0) },
              { key: "hrv_baseline_deviation", label: "HRV, s.d.", show: signed(1) },
              { key: "wearables_quality_score", label: "Quality", show: percent() },
            ],
            found.games.slice(0, 100),
          ),
        )
      : null,
    found.total_games > 100
      ? make("p", { class: "quiet" }, `The newest 100 of ${found.total_games} are shown; the API has all.`)
      : null,
  ];
});
