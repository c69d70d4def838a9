// Tables: of pages, and the twin of every chart. Both hold the numbers unrounded in data-value.

import { make, text } from "./format.js";

/**
 * A table that can be sorted.
 * @param {string} caption - what the rows are
 * @param {Array} columns - {key, label, show?: (value, row) => text or element, left?, wrap?}
 * @param {Array} rows - as the API gave them
 * @param {Object} more - sortable, chosen: (row) => boolean, twin
 */
export function table(caption, columns, rows, { sortable = true, chosen = () => false, twin = false } = {}) {
  const body = make("tbody");
  const fill = (ordered) => body.replaceChildren(...ordered.map((row) => line(row)));
  const line = (row) =>
    make(
      "tr",
      { class: chosen(row) ? "chosen" : null },
      columns.map((column) => {
        const value = row[column.key];
        const shown = column.show ? column.show(value, row) : text(value);
        const classes = [column.left && "left", column.wrap && "wrap"].filter(Boolean).join(" ");
        return make(
          "td",
          { class: classes || null, "data-key": column.key, "data-value": String(value ?? "") },
          shown,
        );
      }),
    );
  const heads = columns.map((column) => {
    const label =
      sortable && rows.length > 1
        ? make("button", { type: "button", on: { click: () => sort(column, head) } }, column.label)
        : column.label;
    const head = make("th", { scope: "col", class: column.left ? "left" : null }, label);
    return head;
  });
  function sort(column, head) {
    const falls = head.getAttribute("aria-sort") === "descending";
    for (const each of heads) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", falls ? "ascending" : "descending");
    const sign = falls ? 1 : -1;
    fill(
      [...rows].sort((one, other) => {
        const [a, b] = [one[column.key], other[column.key]];
        // what is not known is last, whichever way
        if (a === null || a === undefined) return b === null || b === undefined ? 0 : 1;
        if (b === null || b === undefined) return -1;
        return sign * (typeof a === "string" ? a.localeCompare(b) : a - b);
      }),
    );
  }
  fill(rows);
  const made = make(
    "table",
    {},
    make("caption", {}, caption),
    make("thead", {}, make("tr", {}, heads)),
    body,
  );
  // it can be scrolled by keyboard, and says what it is
  return make(
    "div",
    { class: twin ? "scroll twin" : "scroll", tabindex: "0", role: "region", "aria-label": caption },
    made,
  );
}

/** Rows as CSV, unrounded (RFC 4180); no cell can begin a formula in a spreadsheet. */
export function csv(columns, rows) {
  const cell = (value) => {
    if (value === null || value === undefined) return "";
    let written = String(value);
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(written)) written = `'${written}`;
    return /[",\r\n]/.test(written) ? `"${written.replaceAll('"', '""')}"` : written;
  };
  const lines = [
    columns.map((column) => cell(column.key)),
    ...rows.map((row) => columns.map((column) => cell(row[column.key]))),
  ];
  return lines.map((line) => line.join(",")).join("\r\n") + "\r\n";
}

/** Hand a file to the reader. */
export function save(name, content, type) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** A button that saves rows. */
export const saveButton = (name, columns, rows) =>
  make(
    "button",
    {
      type: "button",
      class: "small",
      on: {
        click: () => save(`${name}.csv`, csv(columns, rows), "text/csv;charset=utf-8"),
      },
    },
    "Download CSV",
  );
