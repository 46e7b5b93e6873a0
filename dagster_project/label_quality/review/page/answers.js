// Answers on their way into the ledger. The next image does not wait for the disk, but one answer at a time is under
// way: the next is sent when it is recorded, and if it was not, the page goes back to its image.
import { ask, words } from "./talk.js";

const tickets = new Map(); // the same answer sent again after a lost reply keeps its id, so that it is recorded once
let underWay = Promise.resolve(true);
export const unrecorded = new Set(); // image ids

const newId = () => crypto.getRandomValues(new Uint8Array(16)).reduce((text, byte) => text + byte.toString(16).padStart(2, "0"), "");

/** Resolves when no answer is under way any more: to false if the last one was not recorded. */
export const settled = () => underWay;

/** Record an answer; `done(told)` or `failed(error)` is called when that is known. Call only once `settled`. */
export function record(card, verdict, region, done, failed) {
  const what = [card.image_id, verdict, region].join();
  if (!tickets.has(what)) tickets.set(what, newId());
  unrecorded.add(card.image_id);
  send("api/verdicts", { image_id: card.image_id, verdict, region, verdict_id: tickets.get(what) }, card.image_id, done, failed);
}
/** Take an answer back: a further entry in the ledger. */
export function withdraw(last, done, failed) {
  tickets.clear();
  send("api/withdrawals", last, "", done, failed);
}
function send(path, body, id, done, failed) {
  underWay = ask(path, body).then(response => response.json()).then(
    told => { unrecorded.delete(id); done(told); return true; },
    // Who waited is told; whoever answers from now on has seen the page go back.
    error => { unrecorded.delete(id); underWay = Promise.resolve(true); failed(error); return false; },
  );
}
window.addEventListener("beforeunload", event => { if (unrecorded.size) event.preventDefault(); });

/** Where a card stands: its rank, or its number in a random sample. */
export const place = card => `${card.kind === "random_sample" ? "Image" : "Rank"} ${card.rank}`;
export const said = (card, verdict, region) => `${place(card).toLowerCase()}: ${words(verdict)}${region && ", " + words(region)}`;
