// One card after the other: what it says, and the keys that answer it. Nobody answers for an image not seen yet: keys do
// nothing before it is there.
import { $, Refused, ask, enter, fixName, nameIsFixed, reviewer, words } from "./talk.js";
import * as answers from "./answers.js";
import * as filters from "./filters.js";
import * as frame from "./image.js";
import * as images from "./images.js";
import * as yields from "./told.js";

const REGION_KEYS = [..."123456789abcdefhijklmnqrvwyz"]; // without the letters that are answers of their own
const ANSWERS = [["g", "given is right"], ["p", "proposed is right"], ["o", "out of domain"], ["t", "two regions"],
                 ["x", "cannot tell"], ["s", "skip"], ["u", "undo"]];
let cards = new Map(), regions = [], told = { open: [] }, skipped = [], first = "", current = null, ready = false, second = false, clean = true, sampling = false;

/** Whether keys answer now; a screen reader is told too. */
function setReady(now) { ready = now; $("desk").setAttribute("aria-busy", String(!now && !!current)); }
const problem = error => { $("problem").textContent = error ? "Problem: " + (error.message || error) : ""; };
const say = text => { $("said").textContent = text; };
const region = (name, none) => words(name) || none;

async function begin() {
  problem("");
  try {
    const state = await (await ask("api/state?reviewer=" + encodeURIComponent(reviewer()))).json();
    fixName(state.reviewer); ({ regions, clean, sampling } = state); told = state;
    document.body.classList.toggle("sampling", sampling); // a random sample: no word of the models, nothing to choose among
    cards = new Map(state.cards.map(card => [card.image_id, card]));
    if (!reviewer()) return askWho(false);
    $("enter").hidden = true;
    for (const part of [document.querySelector("nav"), $("told"), $("desk")]) part.hidden = false;
    filters.fill(state.cards, () => { second = false; show(); });
    buttons();
    $("view").focus();
    await show();
  } catch (error) { problem(error); if (error instanceof Refused) askWho(true); }
}
function askWho(token) {
  $("enter").hidden = false; $("ask-token").hidden = !token; $("ask-name").hidden = token || nameIsFixed();
  (token ? $("token") : $("name")).focus();
}
$("enter").addEventListener("submit", event => {
  event.preventDefault();
  enter($("token").value.trim(), $("name").value.trim());
  begin();
});
function buttons() {
  const make = (key, text, act) => {
    const button = document.createElement("button"), cap = document.createElement("kbd");
    button.type = "button"; cap.textContent = key;
    if (key) { button.setAttribute("aria-keyshortcuts", key); button.append(cap, " "); }
    button.append(text); button.onclick = act;
    return button;
  };
  $("answers").replaceChildren(...ANSWERS.filter(([key]) => !sampling || key !== "p").map(([key, text]) => make(key, text, () => act(key))));
  $("regions").replaceChildren(...regions.map((name, i) => make(REGION_KEYS[i] || "", words(name), () => choose(name))));
}

function queue() {
  const open = told.open.filter(id => !answers.unrecorded.has(id) && filters.passes(cards.get(id)));
  const order = [...open.filter(id => !skipped.includes(id)), ...skipped.filter(id => open.includes(id))];
  return (order.includes(first) ? [first, ...order.filter(id => id !== first)] : order).map(id => cards.get(id));
}
async function show() {
  const waiting = queue(), card = waiting[0] || null;
  current = card;
  setReady(false);
  yields.show(told, cards.size, sampling);
  for (const id of ["radiograph", "facts", "beside"]) $(id).hidden = !card;
  for (const button of document.querySelectorAll("#answers button:not([aria-keyshortcuts=u]), #regions button")) button.disabled = !card;
  if (!card) {
    $("now").textContent = $("title").textContent = "Nothing more to review here.";
    return;
  }
  describe(card);
  for (const key of ["g", "t"]) document.querySelector(`#answers [aria-keyshortcuts=${key}]`).disabled = !card.given;
  beside(card);
  frame.reset();
  images.fetchAhead(waiting, id => { if (current && current.image_id === id) original(current); });
  if (!original(card)) {
    try {
      const image = await images.image(card.image_id);
      if (card !== current) return;
      if (!original(card)) frame.place(image, described(card), cachedNote(card.image_id));
    } catch (error) { if (card === current) problem(error); return; }
  }
  setReady(true);
}
function describe(card) {
  $("given-label").textContent = region(card.given, "no label");
  $("provenance").textContent = card.provenance;
  $("taken").textContent = [card.station, card.device, `batch ${card.batch}`].filter(Boolean).join(", ");
  $("now").textContent = `${answers.place(card)}, ${words(card.kind)}: ${described(card)}`;
  $("title").textContent = `${answers.place(card)}: ${words(card.kind)}`;
  if (sampling) return;
  $("title").textContent += `, score ${card.score.toFixed(3)} (0 = surely wrong)`;
  $("proposed-label").textContent = region(card.proposed, "none: looks like no region here");
  $("judges").textContent = `probability ${card.confidence.toFixed(2)}, ${Math.round(100 * card.agreement)} % of the models agree`;
  $("unusual").textContent = `more than ${Math.round(100 * card.unusual)} % of the other images`;
  $("cause").textContent = card.causes.join("; ") || "none known";
}
const described = card => `Radiograph, given as ${region(card.given, "nothing")}${sampling ? "" : `, proposed ${region(card.proposed, "no region")}`}`;

/** Show the original if it is there, and say so; else what is shown in its place. */
function original(card) {
  const found = images.original(card.image_id);
  if (found && found.image) {
    const text = { "painted over": "burned-in text is painted over", "none found": "no burned-in text was found" }[found.text];
    frame.place(found.image, described(card), `Shown: the original file, ${found.columns} × ${found.rows} px; ${text || "burned-in text is NOT painted over"}.`);
    return true;
  }
  if (found && $("image")) $("shown").textContent = cachedNote(card.image_id);
  return false;
}
function cachedNote(id) {
  const found = images.original(id);
  return `Shown: the small image that the models saw${clean ? "" : ", burned-in text NOT painted over"}; `
    + (found ? `not the original: ${found.missing}.` : "the original is being read …");
}
function beside(card) {
  $("beside").replaceChildren(...card.beside.map(group => {
    const box = document.createElement("div"), head = document.createElement("h3");
    head.textContent = group.title;
    box.append(head, ...group.images.map(other => {
      const figure = document.createElement("figure"), image = document.createElement("img"), caption = document.createElement("figcaption");
      image.alt = `${group.title}, labelled ${region(other.region, "nothing")}`;
      caption.textContent = region(other.region, "no label");
      images.cached(other.image_id).then(url => { image.src = url; }, () => {});
      figure.append(image, caption);
      return figure;
    }));
    return box;
  }));
}

async function answer(verdict, name = "") {
  const card = current;
  setReady(false);
  if (!(await answers.settled())) return; // the page went back to the image before: this answer is for later
  const what = answers.said(card, verdict, name);
  second = false; first = ""; problem("");
  say(`… recording ${what}`);
  answers.record(card, verdict, name, state => { recorded(state); say(`✓ recorded ${what}`); }, error => {
    first = card.image_id;
    failed(error);
  });
  await show();
}
function recorded(state) { told = state; yields.show(told, cards.size, sampling); }
function failed(error) {
  problem(`${error.message}\nNot recorded as far as this page knows: it is shown again, answer again.`);
  say("");
  if (error instanceof Refused) askWho(true);
  show();
}
async function undo() {
  if (current && !ready) return;
  setReady(false);
  if (!(await answers.settled())) return;
  if (!told.last) return setReady(!!current);
  const last = told.last;
  say("… recording that the last answer is taken back");
  answers.withdraw(last, state => {
    second = false; first = last.image_id; problem("");
    recorded(state);
    say("↶ The last answer is taken back (a new entry in the ledger)");
    show();
  }, failed);
}
function choose(name) {
  if (!ready || !current) return;
  if (second && name === current.given) return say("That is the given one; which is the second?");
  if (second) return answer("two_regions", name);
  return name === current.given ? answer("given_is_right") : answer("wrong_label", name);
}
function act(key) {
  if (key === "u") return undo();
  if (!ready || !current) return;
  if (key === "g" && !current.given) say("There is no given label: name the region");
  else if (key === "g") return answer("given_is_right");
  else if (key === "p" && sampling) say("A random sample is read without a proposal: name the region");
  else if (key === "p") return current.proposed ? choose(current.proposed) : answer("out_of_domain");
  else if (key === "o") return answer("out_of_domain");
  else if (key === "x") return answer("cannot_tell");
  else if (key === "t" && !current.given) say("There is no given label: name the main region");
  else if (key === "t") { second = true; say(`Two regions: ${words(current.given)} and which? (Escape: no)`); }
  else if (key === "s") { skipped = [...skipped.filter(id => id !== current.image_id), current.image_id]; first = ""; second = false; say("Skipped; it comes again at the end"); return show(); }
}
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat && !frame.repeats(event.key) || !$("keys").checked) return;
  if (event.target.tagName === "SELECT" && /^(Enter|Escape)$/.test(event.key)) return $("view").focus();
  if (/^(SELECT|INPUT)$/.test(event.target.tagName) && event.target.type !== "checkbox") return;
  if (event.key === "Escape") { second = false; return say(""); }
  if (current && frame.key(event.key)) return event.preventDefault();
  const name = regions[REGION_KEYS.indexOf(event.key)];
  if (ANSWERS.some(([key]) => key === event.key)) { event.preventDefault(); act(event.key); }
  else if (name) { event.preventDefault(); choose(name); }
});
begin();
