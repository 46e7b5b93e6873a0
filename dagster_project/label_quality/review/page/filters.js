// Filters of the list.
import { $, words } from "./api.js";

const FIELDS = ["kind", "given_region", "batch", "station", "device", "source", "causes", "orientation"];
const NONE = { given_region: "no label", orientation: "nothing found" };
const values = (card, field) => [card[field]].flat();

/** Offer the values that occur among `cards`; hide filters without a choice. `changed` is called on every change. */
export function fill(cards, changed) {
  for (const field of FIELDS) {
    const counts = new Map();
    for (const card of cards) for (const value of values(card, field)) counts.set(value, (counts.get(value) || 0) + 1);
    const named = value => (["kind", "given_region"].includes(field) ? words(value) : value) || NONE[field] || "not known";
    const option = (value, text) => Object.assign(document.createElement("option"), { value, textContent: text });
    const chosen = $(field).options.length ? $(field).value : "*";
    $(field).replaceChildren(option("*", "all"), ...[...counts].sort().map(([value, n]) => option(value, `${named(value)} (${n})`)));
    if (counts.has(chosen)) $(field).value = chosen;
    $(field).parentElement.hidden = counts.size < (field === "causes" ? 1 : 2);
    // After a choice by mouse the next key is an answer; after a choice by keyboard it may be another choice.
    let byMouse = false;
    $(field).onpointerdown = () => { byMouse = true; };
    $(field).onkeydown = () => { byMouse = false; };
    $(field).onchange = () => { changed(); if (byMouse) $("view").focus(); };
  }
}
export const passes = card => FIELDS.every(field => $(field).value === "*" || values(card, field).includes($(field).value));
