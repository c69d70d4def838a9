// Data health: whether what is shown is new and whole, and what to do where it is not.

import { get } from "./api.js";
import { date, link, make, moment, number, severity, text, words } from "./format.js";
import { asked, empty, page, pager } from "./shell.js";
import { table } from "./tables.js";

const SIZE = 25;
const SAYS = { good: "All is as it should be.", late: "Something is late.", bad: "Something needs a hand." };
const digits = (value) =>
  value === null ? text(null) : Number.isInteger(value) ? String(value) : number(1)(value);

const measured = (value, row) =>
  row.unit === "0/1" && value !== null ? (value ? "yes" : "no") : `${digits(value)} ${row.unit}`;

const rerun = page(async () => {
  const offset = Number(asked().get("offset") ?? 0);
  const [health, changes, model] = await Promise.all([
    get("/data-health"),
    get("/restatements", { limit: SIZE, offset }),
    get("/model"),
  ]);
  const { run } = model;
  return [
    make(
      "p",
      { class: "lead", id: "state" },
      severity(health.state),
      ` ${SAYS[health.state]} As of ${moment(health.items[0]?.measured_at)}.`,
    ),
    table(
      "What is looked at",
      [
        { key: "state", label: "State", left: true, show: severity },
        { key: "subject", label: "Subject", left: true, show: words },
        { key: "metric", label: "What", left: true, show: words },
        { key: "value", label: "Value", show: measured },
        { key: "late_above", label: "Late above", show: digits },
        { key: "bad_above", label: "Bad above", show: digits },
        { key: "explanation", label: "What it means", left: true, wrap: true },
        { key: "what_to_do", label: "What to do", left: true, wrap: true },
      ],
      health.items,
    ),
    make(
      "section",
      {},
      make("h2", {}, "In quarantine"),
      health.quarantine.length
        ? table(
            "Refused, kept and not replaced yet",
            [
              { key: "source", label: "Source", left: true },
              { key: "resource", label: "Kind", left: true },
              { key: "reason", label: "Why", left: true, wrap: true },
              { key: "entries", label: "Entries" },
              { key: "first_seen_at", label: "First", left: true, show: moment },
              { key: "last_seen_at", label: "Last", left: true, show: moment },
            ],
            health.quarantine,
          )
        : empty("Nothing is in quarantine"),
    ),
    make(
      "section",
      {},
      make("h2", {}, "Last fit in force"),
      run
        ? make(
            "p",
            {},
            `${run.model_run_id}: ${run.seasons}, ${run.games} games, ${run.players} players, ${run.athletes} with nights, ${run.attempts} shots; ended ${moment(run.fitted_at)}.`,
          )
        : empty(
            "No fit is in force",
            "clutch fit makes one, or says why it refuses; a withdrawal takes a fit out of force at once.",
          ),
    ),
    make(
      "section",
      {},
      make("h2", {}, "Restatements"),
      changes.items.length
        ? [
            table(
              "What the league changed after a game was over, the newest first",
              [
                { key: "seen_at", label: "Seen", left: true, show: moment },
                {
                  key: "game_id",
                  label: "Game",
                  left: true,
                  show: (id, row) =>
                    link(
                      `/games/${id}`,
                      `${date(row.game_date)} ${text(row.away_tricode)} at ${text(row.home_tricode)}`,
                    ),
                },
                { key: "record_type", label: "Of", left: true },
                { key: "full_name", label: "Player", left: true },
                { key: "field", label: "Field", left: true },
                { key: "old_value", label: "Was", left: true, wrap: true },
                { key: "new_value", label: "Is", left: true, wrap: true },
                { key: "is_clutch_time", label: "Clutch", show: (is) => (is ? "yes" : "no") },
              ],
              changes.items,
            ),
            pager(changes.total, offset, SIZE, () => rerun()),
          ]
        : empty("The league changed nothing after a game was over"),
    ),
  ];
});
