// Requests to the server, with the token from the address and the name of the reviewer.
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) { sessionStorage.setItem("raytruth-token", given); history.replaceState(null, "", location.pathname); }

export const $ = id => document.getElementById(id);
export const words = name => name.replaceAll("_", " ");
export class Refused extends Error {} // the token is wrong

let fixedName = "";
/** The name for the ledger; a name that the server fixes goes before the one in the browser. */
export const reviewer = () => fixedName || localStorage.getItem("raytruth-reviewer") || "";
export const nameIsFixed = () => !!fixedName;
export function fixName(name) { fixedName = name; }
export function enter(token, name) {
  if (token) sessionStorage.setItem("raytruth-token", token);
  if (name) localStorage.setItem("raytruth-reviewer", name);
}

/** A response; throws an Error that can be shown. With `body` it is posted, also if the page is closed meanwhile. */
export async function ask(path, body) {
  const response = await fetch(path, {
    method: body ? "POST" : "GET", keepalive: !!body, body: body && JSON.stringify({ ...body, reviewer: reviewer() }),
    headers: { Authorization: "Bearer " + (sessionStorage.getItem("raytruth-token") || "") },
  }).catch(() => { throw new Error("The server does not respond. Is raytruth review still running?"); });
  if (response.ok) return response;
  const text = (await response.json().catch(() => ({}))).error || "The server failed (" + response.status + ")";
  throw response.status === 401 ? new Refused(text) : new Error(text);
}
