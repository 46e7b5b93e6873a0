// Which cards of the list are wanted.
import { $, words } from "./talk.js";

const FIELDS = ["kind", "given", "batch", "station", "device", "source", "causes"];
const values = (card, field) => [card[field]].flat();

/** Offer the values that occur among `cards`; where there is no choice, nothing. `changed` is called on every change. */
export function fill(cards, changed) {
  for (const field of FIELDS) {
    const counts = new Map();
    for (const card of cards) for (const value of values(card, field)) counts.set(value, (counts.get(value) || 0) + 1);
    const named = value => (["kind", "given"].includes(field) ? words(value) : value) || (field === "given" ? "no label" : "not known");
    const option = (value, text) => Object.assign(document.createElement("option"), { value, textContent: text });
    const chosen = $(field).options.length ? $(field).value : "*";
    $(field).replaceChildren(option("*", "all"), ...[...counts].sort().map(([value, n]) => option(value, `${named(value)} (${n})`)));
    if (counts.has(chosen)) $(field).value = chosen;
    $(field).parentElement.hidden = counts.size < (field === "causes" ? 1 : 2);
    // Who chose by mouse answers by key next; who chose by key may want the next choice.
    let byMouse = false;
    $(field).onpointerdown = () => { byMouse = true; };
    $(field).onkeydown = () => { byMouse = false; };
    $(field).onchange = () => { changed(); if (byMouse) $("view").focus(); };
  }
}
export const passes = card => FIELDS.every(field => $(field).value === "*" || values(card, field).includes($(field).value));
