// What every page has: who reads, how new it is, the colour scheme, and what shows while nothing can.

import { get } from "./api.js";
import { date, make, moment, text } from "./format.js";

const AUDIENCES = {
  public: "public",
  medical_staff: "medical staff",
  performance_staff: "performance staff",
  coaches: "coaches",
  front_office: "front office",
};
export const NOBODY =
  "Nothing of a body that this key may see. Either nobody wears a strap, or those who do have not allowed this audience: which of the two is not said.";

/** What is asked for, from the address. */
export const asked = () => new URLSearchParams(location.search);

/** Put it into the address, so that the view can be shared, and show it. */
export function ask(changes, { replace = false } = {}) {
  const now = asked();
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") now.delete(name);
    else now.set(name, value);
  }
  const address = `${location.pathname}${now.size ? `?${now}` : ""}`;
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  return now;
}

/** The last part of the path: an id. */
export const idInPath = () => decodeURIComponent(location.pathname.split("/").filter(Boolean).at(-1));

export function setTitle(title) {
  document.getElementById("title").textContent = title;
  document.title = `${title} - Clutch`;
}

export const empty = (heading, ...lines) =>
  make(
    "div",
    { class: "note" },
    make("h2", {}, heading),
    lines.map((line) => make("p", {}, line)),
  );

/**
 * Show a page: loading, then what `show` returns, or what went wrong with a way to try again.
 * @param {Function} show - () => Promise of elements
 * @returns {Function} shows it anew, e.g. after a filter changed
 */
export function page(show) {
  const content = document.getElementById("content");
  const where = () => location.pathname + location.search;
  let turn = 0;
  let shown = "";
  const run = async ({ quiet = false } = {}) => {
    const mine = ++turn;
    shown = where();
    content.setAttribute("aria-busy", "true");
    if (!quiet)
      content.replaceChildren(
        make("div", { class: "loading", role: "status" }, make("p", {}, "Reading the figures")),
      );
    try {
      const elements = await show();
      // a later question may have been answered before
      if (mine === turn) content.replaceChildren(...[elements].flat().filter(Boolean));
    } catch (error) {
      console.error(error);
      if (mine !== turn) return;
      content.replaceChildren(
        make(
          "div",
          { class: "note bad", role: "alert" },
          make("h2", {}, error.detail ? error.message : "This page failed"),
          make("p", {}, error.detail ?? "It is our fault. What happened stands in the browser's console."),
          make("p", {}, make("button", { type: "button", on: { click: () => run() } }, "Try again")),
        ),
      );
    } finally {
      if (mine === turn) content.setAttribute("aria-busy", "false");
    }
  };
  addEventListener("popstate", () => {
    // a jump within the page is no other question
    if (where() !== shown) run({ quiet: true });
  });
  whoReads();
  run();
  return () => run({ quiet: true });
}

async function whoReads() {
  themeButton();
  try {
    const [me, fresh] = await Promise.all([get("/me"), get("/freshness")]);
    document
      .getElementById("me")
      .prepend(
        make("span", {}, `${me.name}, ${AUDIENCES[me.audience] ?? me.audience}`),
        make("form", { method: "post", action: "/sign-out" }, make("button", { class: "small" }, "Sign out")),
      );
    document
      .getElementById("footer")
      .replaceChildren(
        make("span", {}, `Last game: ${date(fresh.last_game_date)}`),
        make(
          "span",
          {},
          `Last fit: ${fresh.model_fitted_at ? moment(fresh.model_fitted_at) : "none in force"}`,
        ),
        make(
          "span",
          {},
          me.sees_athletes
            ? "You see whoever allows your audience."
            : "This key sees nothing of athletes' bodies.",
        ),
        make("a", { href: "/docs/" }, "What every column means"),
      );
  } catch (error) {
    console.error(error);
  }
}

function themeButton() {
  const root = document.documentElement;
  const kept = localStorage.getItem("theme");
  if (kept) root.dataset.theme = kept;
  const isDark = () =>
    (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) ===
    "dark";
  const button = make("button", {
    type: "button",
    class: "small",
    on: {
      click: () => {
        root.dataset.theme = isDark() ? "light" : "dark";
        localStorage.setItem("theme", root.dataset.theme);
        name();
        document.dispatchEvent(new Event("themechange"));
      },
    },
  });
  const name = () => {
    button.textContent = isDark() ? "Light colours" : "Dark colours";
  };
  name();
  document.getElementById("me").append(button);
}

/** A filter by season; `all` is the label of every season, where that can be asked for. */
export const seasonFilter = (seasons, value, all = null) => ({
  name: "season",
  label: "Season",
  value,
  options: [...(all ? [["", all]] : []), ...seasons.map((each) => [each.season, each.season])],
});

/** A filter by team, of all teams. */
export const teamFilter = (teams, value) => ({
  name: "team_id",
  label: "Team",
  value,
  options: [
    ["", "All teams"],
    ...teams.map((each) => [each.team_id, `${text(each.tricode)} ${each.name ?? ""}`.trim()]),
  ],
});

/** Filters in one form; a change shows at once and stands in the address. */
export function filters(fields, changed) {
  const form = make("form", { class: "filters", on: { submit: (event) => event.preventDefault() } });
  for (const field of fields) {
    const control = field.options
      ? make(
          "select",
          { name: field.name },
          field.options.map(([value, label]) =>
            make("option", { value, selected: String(value) === String(field.value ?? "") }, label),
          ),
        )
      : make("input", { name: field.name, value: field.value ?? "", ...field.input });
    control.addEventListener("change", () => {
      if (!control.reportValidity()) return;
      ask({ [field.name]: control.value, offset: null, ...(field.clears ?? {}) });
      changed();
    });
    form.append(make("label", {}, field.label, control));
  }
  return form;
}

/** Buttons to the page before and after. */
export function pager(total, offset, size, changed) {
  if (total <= size) return null;
  const to = (place) => () => {
    ask({ offset: place || null });
    changed();
  };
  return make(
    "div",
    { class: "pages" },
    make(
      "button",
      { type: "button", disabled: offset === 0, on: { click: to(Math.max(0, offset - size)) } },
      "Previous",
    ),
    make("span", {}, `${offset + 1} to ${Math.min(total, offset + size)} of ${total}`),
    make(
      "button",
      { type: "button", disabled: offset + size >= total, on: { click: to(offset + size) } },
      "Next",
    ),
  );
}
