// Asks the read API. The browser sends the key that it keeps; scripts never see it.

/** An answer that is none: what went wrong, and what to do. */
export class Problem extends Error {
  constructor(status, title, detail) {
    super(title);
    this.status = status;
    this.detail = detail;
  }
}

/**
 * One answer of the API.
 * @param {string} path - below /api/v1
 * @param {Object} asked - query; what is null or empty is left out
 */
export async function get(path, asked = {}) {
  const query = new URLSearchParams(
    Object.entries(asked).filter(([, value]) => value !== null && value !== undefined && value !== ""),
  );
  return read(`/api/v1${path}${query.size ? `?${query}` : ""}`);
}

async function read(address) {
  let answer;
  try {
    answer = await fetch(address, { headers: { accept: "application/json" }, credentials: "same-origin" });
  } catch {
    throw new Problem(0, "No connection", "The server cannot be reached. Check the network, then try again.");
  }
  if (answer.status === 401) {
    const here = location.pathname + location.search;
    location.replace(`/sign-in?next=${encodeURIComponent(here)}`);
    return new Promise(() => {});
  }
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    const wrong = (told.errors ?? []).map((each) => `${each.parameter}: ${each.detail}`).join("; ");
    throw new Problem(
      answer.status,
      told.title ?? `Error ${answer.status}`,
      wrong || told.detail || "Try again in a minute.",
    );
  }
  return answer.json();
}

/** All rows of a list, over its pages. At most `most` rows: a browser draws no more. */
export async function all(path, asked = {}, { list = "items", most = 1000 } = {}) {
  const first = await get(path, { ...asked, limit: 200 });
  const rows = first[list];
  let next = first.next;
  while (next && rows.length < most) {
    const page = await read(next);
    rows.push(...page[list]);
    next = page.next;
  }
  return { ...first, [list]: rows };
}
