"""The two queries that BI tools already send, word for word (the data contract)."""

from __future__ import annotations

LEADERBOARD = (
    "SELECT * FROM clutch_leaderboard WHERE total_clutch_games >= 10 "
    "ORDER BY avg_clutch_score DESC LIMIT 50;"
)

PLAYER_SEASON = """\
SELECT cps.*, g.game_date, g.home_team_id, g.away_team_id, cs.clutch_intensity
FROM clutch_performance_scores cps
JOIN games g ON cps.game_id = g.game_id
JOIN clutch_situations cs ON cps.situation_id = cs.situation_id
WHERE cps.player_id = '201939' AND g.season = '2023-24'
ORDER BY g.game_date DESC;
"""
