// Games, the newest first.

import { get } from "./api.js";
import { date, link, number, percent, text } from "./format.js";
import { asked, empty, filters, page, pager, seasonFilter, teamFilter } from "./shell.js";
import { table } from "./tables.js";

const SIZE = 50;
const rerun = page(async () => {
  const [{ items: seasons }, { items: teams }] = await Promise.all([get("/seasons"), get("/teams")]);
  const now = asked();
  const [season, team, offset] = [
    now.get("season") ?? "",
    now.get("team_id") ?? "",
    Number(now.get("offset") ?? 0),
  ];
  const found = await get("/games", { season, team_id: team, limit: SIZE, offset });
  const form = filters([seasonFilter(seasons, season, "All seasons"), teamFilter(teams, team)], () =>
    rerun(),
  );
  if (!found.items.length) return [form, empty("No game here", "Ask for another season or team.")];
  return [
    form,
    table(
      "Games, the newest first. A swing is the sum of all changes of the win probability.",
      [
        { key: "game_date", label: "Date", left: true, show: date },
        {
          key: "game_id",
          label: "Game",
          left: true,
          show: (id, row) => link(`/games/${id}`, `${text(row.away_tricode)} at ${text(row.home_tricode)}`),
        },
        {
          key: "home_score",
          label: "Score, visitors first",
          show: (_, row) => `${row.away_score} – ${row.home_score}${row.is_final ? "" : " (running)"}`,
        },
        { key: "periods", label: "Overtimes", show: (periods) => String(Math.max(0, (periods ?? 4) - 4)) },
        { key: "clutch_windows", label: "Stretches of clutch time" },
        { key: "total_swing", label: "Swing", show: number(1) },
        { key: "lowest_win_probability_of_winner", label: "Winner's lowest chance", show: percent(1) },
        { key: "season_type", label: "Kind", left: true },
      ],
      found.items,
    ),
    pager(found.total, offset, SIZE, () => rerun()),
  ];
});
