-- Grain: one row per play-by-play action, whichever of the league's services it comes from.
-- A game is in one of the three tables only: the best play-by-play that is there (stg_nba__game_versions).
{% for source in ['cdn', 'v3', 'v2'] %}
    select
        game_id,
        order_number,
        action_number,
        period,
        seconds_remaining,
        recorded_at,
        edited_at,
        action_type,
        action_subtype,
        descriptor,
        qualifiers,
        team_id,
        player_id,
        possession_team_id,
        score_home,
        score_away,
        is_field_goal_attempt,
        shot_result,
        shot_distance_feet,
        shot_x_tenths_of_feet,
        shot_y_tenths_of_feet,
        shot_action_number,
        assist_player_id,
        block_player_id,
        steal_player_id,
        foul_drawn_player_id
    from {{ ref('stg_nba__actions_' ~ source) }}
    {% if not loop.last %}union all{% endif %}
{% endfor %}
