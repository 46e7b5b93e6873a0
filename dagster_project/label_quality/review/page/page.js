// One card after the other, and the hotkeys that answer it. Hotkeys do nothing before the image is shown, so that nobody
// answers for an unseen image. The server says which kinds of verdict there are.
import { $, Refused, ask, enter, fixName, nameIsFixed, reviewer, words } from "./api.js";
import * as answers from "./answers.js";
import * as filters from "./filters.js";
import * as images from "./image_cache.js";
import * as progress from "./progress.js";
import * as viewer from "./viewer.js";

const ACTIONS = { p: "proposed is right", s: "skip", u: "undo" }; // beside the kinds of verdict
let cards = new Map(), regions = [], kinds = [], byRegion = {}, regionHotkeys = [], clean = true, sampling = false; // fixed by the server
let status = { open: [] }, skipped = [], first = "", current = null, ready = false;
let chosen = null; // the kind that waits for its region

/** Set whether hotkeys answer now; screen readers are informed too. */
function setReady(now) { ready = now; $("session").setAttribute("aria-busy", String(!now && !!current)); }
const problem = error => { $("problem").textContent = error ? "Problem: " + (error.message || error) : ""; };
const message = text => { $("message").textContent = text; };
const region = (name, none) => words(name) || none;
// The kind for naming a region has no button: the buttons of the regions are its buttons.
const buttonKinds = () => kinds.filter(kind => kind.name !== byRegion.other);

async function begin() {
  problem("");
  try {
    status = await (await ask("api/state?reviewer=" + encodeURIComponent(reviewer()))).json();
    ({ regions, kinds, clean, sampling, by_region: byRegion } = status);
    fixName(status.reviewer);
    document.body.classList.toggle("sampling", sampling); // a random sample: no output of the models, and no filters
    cards = new Map(status.cards.map(card => [card.image_id, card]));
    if (!reviewer()) return askWho(false);
    $("enter").hidden = true;
    for (const part of [document.querySelector("nav"), $("status"), $("session")]) part.hidden = false;
    filters.fill(status.cards, () => { chosen = null; show(); });
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
  const make = (hotkey, text, act) => {
    const button = document.createElement("button"), cap = document.createElement("kbd");
    button.type = "button"; cap.textContent = hotkey;
    if (hotkey) { button.setAttribute("aria-keyshortcuts", hotkey); button.append(cap, " "); }
    button.append(text); button.onclick = act;
    return button;
  };
  const action = hotkey => make(hotkey, ACTIONS[hotkey], () => act(hotkey));
  const ofKinds = buttonKinds().map(kind => {
    const button = make(kind.hotkey, kind.words, () => act(kind.hotkey));
    button.dataset.keepsGiven = kind.keeps_given;
    return button;
  });
  $("answers").replaceChildren(...ofKinds.slice(0, 1), ...(sampling ? [] : [action("p")]), ...ofKinds.slice(1), action("s"), action("u"));
  const taken = [...Object.keys(ACTIONS), ...buttonKinds().map(kind => kind.hotkey)];
  regionHotkeys = [..."123456789abcdefghijklmnopqrstuvwxyz"].filter(hotkey => !taken.includes(hotkey));
  $("regions").replaceChildren(...regions.map((name, i) => make(regionHotkeys[i] || "", words(name), () => choose(name))));
}

function queue() {
  const open = status.open.filter(id => !answers.unrecorded.has(id) && filters.passes(cards.get(id)));
  const order = [...open.filter(id => !skipped.includes(id)), ...skipped.filter(id => open.includes(id))];
  return (order.includes(first) ? [first, ...order.filter(id => id !== first)] : order).map(id => cards.get(id));
}
async function show() {
  const waiting = queue(), card = waiting[0] || null;
  current = card;
  setReady(false);
  progress.show(status, cards.size, sampling);
  for (const id of ["radiograph", "card", "comparison"]) $(id).hidden = !card;
  for (const button of document.querySelectorAll("#answers button:not([aria-keyshortcuts=u]), #regions button")) button.disabled = !card;
  if (!card) {
    $("announcement").textContent = $("title").textContent = "There is nothing more to review here.";
    return;
  }
  describe(card);
  for (const button of document.querySelectorAll("#answers [data-keeps-given=true]")) button.disabled = !card.given_region;
  compare(card);
  viewer.reset();
  images.fetchAhead(waiting, id => { if (current && current.image_id === id) original(current); });
  if (!original(card)) {
    try {
      const image = await images.image(card.image_id);
      if (card !== current) return;
      if (!original(card)) viewer.place(image, described(card), smallNote(card.image_id));
    } catch (error) { if (card === current) problem(error); return; }
  }
  setReady(true);
}
function describe(card) {
  $("given-label").textContent = region(card.given_region, "no label");
  $("provenance").textContent = card.provenance;
  $("acquired").textContent = [card.station, card.device, `batch ${card.batch}`].filter(Boolean).join(", ");
  $("announcement").textContent = `${answers.position(card)}, ${words(card.kind)}: ${described(card)}`;
  $("title").textContent = `${answers.position(card)}: ${words(card.kind)}`;
  if (sampling) return;
  $("title").textContent += `, error probability ${card.error_probability.toFixed(3)}`;
  $("proposed-label").textContent = region(card.proposed_region, "none of the regions");
  $("confidence").textContent = `probability ${card.confidence.toFixed(2)}, ${Math.round(100 * card.model_agreement)} % of the models agree`;
  $("visible").textContent = visible(card) || "not known";
  $("neighbourhood").textContent = `more label noise than around ${Math.round(100 * card.neighbourhood_noise)} % of the other images`;
  $("oriented").textContent = card.orientation && `${card.orientation}, against similar images`;
  for (const part of document.querySelectorAll(".oriented")) part.hidden = !card.orientation;
  $("cause").textContent = card.causes.join(" ") || "none known";
}
const described = card => `Radiograph, given label ${region(card.given_region, "none")}${sampling ? "" : `, proposed label ${region(card.proposed_region, "none of the regions")}`}`;
/** The regions that the image shows; cards that were written before have none. */
const visible = card => (card.visible_regions || []).map(seen => `${words(seen.region)} ${seen.probability.toFixed(2)}`).join(", ");

/** Show the original and a note on it, if it has arrived; else only the note on the small image. */
function original(card) {
  const found = images.original(card.image_id);
  if (found && found.image) {
    const text = { "masked": "burned-in text is masked", "none found": "no burned-in text was found" }[found.text];
    viewer.place(found.image, described(card), `Shown: the original file, ${found.columns} × ${found.rows} px; ${text || "burned-in text is NOT masked"}.`);
    return true;
  }
  if (found && $("image")) $("shown").textContent = smallNote(card.image_id);
  return false;
}
function smallNote(id) {
  const found = images.original(id);
  return `Shown: the small image that the models use${clean ? "" : ", burned-in text NOT masked"}; `
    + (found ? `the original is not available: ${found.missing}.` : "the original is loading …");
}
function compare(card) {
  $("comparison").replaceChildren(...card.comparison.map(group => {
    const box = document.createElement("div"), head = document.createElement("h3");
    head.textContent = group.title;
    box.append(head, ...group.images.map(other => {
      const figure = document.createElement("figure"), image = document.createElement("img"), caption = document.createElement("figcaption");
      image.alt = `${group.title}, label ${region(other.region, "none")}`;
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
  if (!(await answers.settled())) return; // the page has returned to the image before: this one is answered later
  const kind = kinds.find(one => one.name === verdict);
  const text = `${answers.position(card).toLowerCase()}: ${kind.words}${name && ", " + words(name)}`;
  chosen = null; first = ""; problem("");
  message(`… recording ${text}`);
  answers.record(card, verdict, name, state => { recorded(state); message(`✓ recorded ${text}`); }, error => {
    first = card.image_id;
    failed(error);
  });
  await show();
}
function recorded(state) { status = state; progress.show(status, cards.size, sampling); }
function failed(error) {
  problem(`${error.message}\nThe answer was probably not recorded. The image is shown again: please answer again.`);
  message("");
  if (error instanceof Refused) askWho(true);
  show();
}
async function undo() {
  if (current && !ready) return;
  setReady(false);
  if (!(await answers.settled())) return;
  if (!status.last) return setReady(!!current);
  const last = status.last;
  message("… recording the retraction of the last answer");
  answers.retract(last, state => {
    chosen = null; first = last.image_id; problem("");
    recorded(state);
    message("↶ the last answer is retracted (a new entry in the ledger)");
    show();
  }, failed);
}
function choose(name) {
  if (!ready || !current) return;
  const isGiven = name === current.given_region;
  if (chosen && chosen.keeps_given && isGiven) return message("This is the given region. Which is the second one?");
  if (chosen) return answer(chosen.name, name);
  return isGiven ? answer(byRegion.given) : answer(byRegion.other, name);
}
function act(hotkey) {
  if (hotkey === "u") return undo();
  if (!ready || !current) return;
  if (hotkey === "s") {
    skipped = [...skipped.filter(id => id !== current.image_id), current.image_id]; first = ""; chosen = null;
    message("Skipped. The image comes again at the end.");
    return show();
  }
  if (hotkey === "p" && sampling) return message("A random sample has no proposals. Choose the region.");
  if (hotkey === "p") return current.proposed_region ? choose(current.proposed_region) : answer(byRegion.none);
  const kind = buttonKinds().find(one => one.hotkey === hotkey);
  if (kind.keeps_given && !current.given_region) return message("This image has no given label. Choose its region.");
  if (!kind.needs_region) return answer(kind.name);
  chosen = kind;
  const question = kind.keeps_given ? `${words(current.given_region)} and which other region?` : "which region?";
  message(`${kind.words[0].toUpperCase()}${kind.words.slice(1)}: ${question} Escape cancels.`);
}
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat && !viewer.repeats(event.key) || !$("hotkeys").checked) return;
  if (event.target.tagName === "SELECT" && /^(Enter|Escape)$/.test(event.key)) return $("view").focus();
  if (/^(SELECT|INPUT)$/.test(event.target.tagName) && event.target.type !== "checkbox") return;
  if (event.key === "Escape") { chosen = null; return message(""); }
  if (current && viewer.hotkey(event.key)) return event.preventDefault();
  const name = regions[regionHotkeys.indexOf(event.key)];
  if (event.key in ACTIONS || buttonKinds().some(kind => kind.hotkey === event.key)) { event.preventDefault(); act(event.key); }
  else if (name) { event.preventDefault(); choose(name); }
});
begin();
