// Numbers, dates and small elements. What is not known is shown as a dash with words for listeners.

/** An element: attributes, then children; text is always text and never markup. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const UNKNOWN = "–";

export const number = (digits) => (value) =>
  value === null || value === undefined ? UNKNOWN : value.toFixed(digits).replace("-", "−");

export const signed = (digits) => (value) => {
  if (value === null || value === undefined) return UNKNOWN;
  const text = Math.abs(value).toFixed(digits);
  return (Number(text) === 0 ? "" : value < 0 ? "−" : "+") + text;
};

export const percent =
  (digits = 0) =>
  (share) =>
    share === null || share === undefined ? UNKNOWN : `${(100 * share).toFixed(digits)} %`;

export const interval = (digits) => (lower, upper) =>
  lower === null || lower === undefined || upper === null || upper === undefined
    ? UNKNOWN
    : `${number(digits)(lower)} to ${number(digits)(upper)}`;

export const text = (value) =>
  value === null || value === undefined || value === "" ? UNKNOWN : String(value);

const _words = (value) => value.replaceAll("_", " ");
export const words = (value) => (value ? value.split(",").map(_words).join(", ") : UNKNOWN);

export const date = (value) => value ?? UNKNOWN;

/** A moment on the reader's own clock, with its zone. */
export function moment(value) {
  if (!value) return UNKNOWN;
  return new Intl.DateTimeFormat(undefined, {
    weekday: "short",
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    timeZoneName: "short",
  }).format(new Date(value));
}

export const link = (address, label) => make("a", { href: address }, label);
export const player = (row) => link(`/players/${row.player_id}`, row.full_name ?? `Player ${row.player_id}`);

const _MARKS = { act: "▲", watch: "△", good: "●", late: "△", bad: "▲" };
/** A severity: shape, word and colour. */
export const severity = (name) =>
  make("span", { class: `severity ${name}` }, `${_MARKS[name] ?? ""} ${name}`.trim());
