// Answers on their way into the ledger. The next image does not wait for the disk, but only one answer is sent at a
// time: the next one is sent after the last one is recorded. If recording fails, the page returns to that image.
import { ask } from "./api.js";

const ids = new Map(); // an answer that is sent again after a lost response keeps its id, so that it is recorded once
let pending = Promise.resolve(true);
export const unrecorded = new Set(); // image ids

const newId = () => crypto.getRandomValues(new Uint8Array(16)).reduce((text, byte) => text + byte.toString(16).padStart(2, "0"), "");

/** Resolves when no answer is being sent: to false if the last one was not recorded. */
export const settled = () => pending;

/** Record an answer, then call `done(status)` or `failed(error)`. Call only once `settled`. */
export function record(card, verdict, region, done, failed) {
  const answer = [card.image_id, verdict, region].join();
  if (!ids.has(answer)) ids.set(answer, newId());
  unrecorded.add(card.image_id);
  send("api/verdicts", { image_id: card.image_id, verdict, region, verdict_id: ids.get(answer) }, card.image_id, done, failed);
}
/** Retract an answer: a further entry in the ledger. */
export function retract(last, done, failed) {
  ids.clear();
  send("api/retractions", last, "", done, failed);
}
function send(path, body, id, done, failed) {
  pending = ask(path, body).then(response => response.json()).then(
    status => { unrecorded.delete(id); done(status); return true; },
    // The failure is for whoever waits now. Later answers start after the page has returned to the image.
    error => { unrecorded.delete(id); pending = Promise.resolve(true); failed(error); return false; },
  );
}
window.addEventListener("beforeunload", event => { if (unrecorded.size) event.preventDefault(); });

/** The position of a card: its rank, or its number in a random sample. */
export const position = card => `${card.kind === "random_sample" ? "Image" : "Rank"} ${card.rank}`;
