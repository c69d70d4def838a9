// Signing in: a form that works without scripts; a link with the key behind # fills it in.
// What stands behind # is never sent, so that no log and no proxy sees the key.

import { make } from "./format.js";

const content = document.getElementById("content");
const given = decodeURIComponent(location.hash.slice(1));
const next = new URLSearchParams(location.search).get("next") ?? "/";
if (given) history.replaceState(null, "", location.pathname + location.search);
const form = make(
  "form",
  { method: "post", action: "/sign-in", class: "key" },
  make(
    "label",
    {},
    "API key",
    make("input", {
      name: "key",
      type: "password",
      autocomplete: "current-password",
      required: true,
      value: given,
      id: "key",
    }),
  ),
  make("input", { type: "hidden", name: "next", value: next }),
  make("button", { class: "first" }, "Sign in"),
  make(
    "p",
    { class: "quiet" },
    "An administrator makes a key with clutch keys api. It is kept in this browser for twelve hours, where no script can read it.",
  ),
);
content.append(form);
content.setAttribute("aria-busy", "false");
if (given) form.submit();
else document.getElementById("key").focus();
