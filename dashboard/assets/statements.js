// What the model says, in its own words (dbt: model_effects.statement).

import { make } from "./format.js";
import { empty } from "./shell.js";

const UNDECIDED = "not distinguishable from zero";
const list = (effects) =>
  make(
    "ul",
    { class: "statements" },
    effects.map((each) => make("li", { "data-effect": each.effect }, `${each.label}: ${each.statement}`)),
  );

/** What a fit says of nights: of shots in clutch time first, the rest behind a summary. */
export function effectsOfNights(model) {
  if (!model.run)
    return empty(
      "What a night does",
      "No fit is in force, so nothing is said about it. Data health says why.",
    );
  const nights = model.effects.filter((each) => each.effect.startsWith("night_"));
  const inClutch = nights.filter((each) => each.effect.startsWith("night_in_clutch_"));
  const told = inClutch.filter((each) => !each.statement.startsWith(UNDECIDED));
  const rest = nights.filter((each) => !inClutch.includes(each));
  return make(
    "section",
    { id: "nights" },
    make("h2", {}, "What a night does to shots in clutch time"),
    nights.length
      ? [
          make(
            "p",
            { class: "verdict" },
            told.length
              ? `${told.length} of ${inClutch.length} effects can be told apart from zero.`
              : "None of the effects of last night can be told apart from zero.",
          ),
          list(inClutch),
          make(
            "details",
            {},
            make("summary", {}, "The same for every shot, and what clutch time adds"),
            list(rest),
          ),
        ]
      : make("p", {}, "The fit in force has no nights of any strap in it."),
    make(
      "p",
      { class: "quiet" },
      `Fit of ${model.run.seasons}: ${model.run.players} players, ${model.run.athletes} of them with nights; points a shot for a standard deviation more. An effect here is an association, not a cause.`,
    ),
  );
}
