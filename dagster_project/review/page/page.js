"use strict";
// Every answer is on the server's disk before the page shows the next picture; keys pressed meanwhile do nothing, so that
// nobody answers for a picture not seen yet. Pictures are fetched with the token and kept as blobs: the next ones ahead.
const $ = id => document.getElementById(id);
const words = name => name.replaceAll("_", " ");
const AHEAD = 3;
const REGION_KEYS = [..."123456789abcdefhijklmnqrvwyz"]; // without the letters that are answers of their own
const ANSWERS = [["g", "given is right"], ["p", "proposed is right"], ["o", "out of domain"], ["t", "two regions, then the second"],
                 ["x", "cannot tell"], ["s", "skip"], ["u", "undo"]];

const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) { sessionStorage.setItem("raytruth-token", given); history.replaceState(null, "", location.pathname); }
let cards = new Map(), regions = [], told = { open: [] }, fixedName = "", skipped = [], current = null;
let ready = false, second = false, tickets = new Map(), view = {};
const pictures = new Map();

const reviewer = () => fixedName || localStorage.getItem("raytruth-reviewer") || "";
async function ask(path, body) {
  const response = await fetch(path, {
    method: body ? "POST" : "GET", body: body && JSON.stringify({ ...body, reviewer: reviewer() }),
    headers: { Authorization: "Bearer " + (sessionStorage.getItem("raytruth-token") || "") },
  }).catch(() => { throw new Error("The server does not answer. Is raytruth review still running?"); });
  if (response.ok) return response;
  if (response.status === 401) enter(true);
  throw new Error((await response.json().catch(() => ({}))).error || "The server failed (" + response.status + ")");
}
function picture(id) {
  if (!pictures.has(id)) {
    const made = ask("api/pictures/" + id).then(response => response.blob()).then(blob => URL.createObjectURL(blob));
    made.catch(() => pictures.delete(id));
    pictures.set(id, made);
  }
  return pictures.get(id);
}
/** Whether keys answer now; a screen reader is told too. */
function setReady(now) { ready = now; document.querySelector("main").setAttribute("aria-busy", String(!now && !!current)); }
const problem = error => { $("problem").textContent = error ? error.message || error : ""; };

async function begin() {
  problem("");
  try {
    const state = await (await ask("api/state?reviewer=" + encodeURIComponent(reviewer()))).json();
    fixedName = state.reviewer; regions = state.regions; told = state;
    cards = new Map(state.cards.map(card => [card.image_id, card]));
    if (!reviewer()) return enter(false);
    $("enter").hidden = true;
    for (const part of [document.querySelector("nav"), document.querySelector("main")]) part.hidden = false;
    fill("kind", "kind"); fill("given", "given"); fill("batch", "batch"); buttons();
    await show();
  } catch (error) { problem(error); }
}
function enter(token) {
  $("enter").hidden = false; $("ask-token").hidden = !token; $("ask-name").hidden = token || !!fixedName;
  (token ? $("token") : $("name")).focus();
}
$("enter").addEventListener("submit", event => {
  event.preventDefault();
  if ($("token").value) sessionStorage.setItem("raytruth-token", $("token").value.trim());
  if ($("name").value.trim()) localStorage.setItem("raytruth-reviewer", $("name").value.trim());
  begin();
});
function fill(select, field) {
  const counts = new Map();
  for (const card of cards.values()) counts.set(card[field], (counts.get(card[field]) || 0) + 1);
  const option = (value, text) => Object.assign(document.createElement("option"), { value, textContent: text });
  $(select).replaceChildren(option("*", "all"), ...[...counts].sort().map(([value, n]) => option(value, `${words(value) || "no label"} (${n})`)));
  $(select).onchange = () => { second = false; show(); };
}
function buttons() {
  const make = (key, text, act) => {
    const button = document.createElement("button"), cap = document.createElement("kbd");
    button.type = "button"; cap.textContent = key;
    if (key) { button.setAttribute("aria-keyshortcuts", key); button.append(cap, " "); }
    button.append(text); button.onclick = act;
    return button;
  };
  $("answers").replaceChildren(...ANSWERS.map(([key, text]) => make(key, text, () => act(key))));
  $("regions").replaceChildren(...regions.map((region, i) => make(REGION_KEYS[i] || "", words(region), () => choose(region))));
}

const passes = card => ["kind", "given", "batch"].every(field => $(field).value === "*" || $(field).value === card[field]);
function queue() {
  const open = told.open.filter(id => passes(cards.get(id)));
  return [...open.filter(id => !skipped.includes(id)), ...skipped.filter(id => open.includes(id))];
}
async function show() {
  const waiting = queue();
  current = cards.get(waiting[0]) || null;
  setReady(false);
  const share = told.decided ? ` (${Math.round(100 * told.errors / told.decided)} %)` : "";
  $("progress").textContent = `${cards.size - told.open.length} of ${cards.size} done, ${told.mine} by ${reviewer()}; `
    + `${told.errors} errors among ${told.decided} decided${share}`;
  $("agreement").textContent = told.agreement.map(a =>
    `${a.reviewers.join(" and ")}: kappa ${a.kappa === null ? "not defined" : a.kappa.toFixed(2)} over ${a.pictures}`).join("; ");
  $("view").style.visibility = $("beside").style.visibility = current ? "" : "hidden";
  if (!current) {
    $("title").textContent = "Nothing more to review here.";
    for (const id of ["given-label", "provenance", "proposed-label", "judges", "unusual"]) $(id).textContent = "";
    return;
  }
  const card = current;
  $("title").textContent = `Rank ${card.rank}: ${words(card.kind)}, score ${card.score.toFixed(3)} (0 = surely wrong)`;
  $("given-label").textContent = words(card.given) || "no label";
  $("provenance").textContent = card.provenance;
  $("proposed-label").textContent = words(card.proposed) || "none: looks like no region here";
  $("judges").textContent = `probability ${card.confidence.toFixed(2)}, ${Math.round(100 * card.agreement)} % of the models agree`;
  $("unusual").textContent = `more than ${Math.round(100 * card.unusual)} % of the other pictures`;
  beside(card);
  reset();
  try {
    $("picture").src = await picture(card.image_id);
    await $("picture").decode();
  } catch (error) { return problem(error); }
  $("picture").alt = `Radiograph, given as ${words(card.given) || "nothing"}, proposed ${words(card.proposed) || "no region"}`;
  if (card === current) setReady(true);
  for (const id of waiting.slice(1, 1 + AHEAD)) {
    for (const other of [id, ...cards.get(id).beside.flatMap(group => group.pictures.map(p => p.image_id))]) picture(other).catch(() => {});
  }
}
function beside(card) {
  $("beside").replaceChildren(...card.beside.map(group => {
    const box = document.createElement("div"), head = document.createElement("h3");
    head.textContent = group.title;
    box.append(head, ...group.pictures.map(other => {
      const figure = document.createElement("figure"), image = document.createElement("img"), caption = document.createElement("figcaption");
      image.alt = `${group.title}, labelled ${words(other.region) || "nothing"}`;
      caption.textContent = words(other.region) || "no label";
      picture(other.image_id).then(url => { image.src = url; }, () => {});
      figure.append(image, caption);
      return figure;
    }));
    return box;
  }));
}

async function post(path, body, said) {
  setReady(false);
  try {
    told = await (await ask(path, body)).json();
  } catch (error) { setReady(!!current); return problem(error.message + "\nNot recorded as far as this page knows; answer again."); }
  problem(""); second = false;
  $("said").textContent = said;
  await show();
}
function answer(verdict, region = "") {
  const what = [current.image_id, verdict, region].join();
  // The same answer sent again after a lost reply keeps its id, so that it is recorded once.
  if (!tickets.has(what)) tickets.set(what, crypto.getRandomValues(new Uint8Array(16)).reduce((text, byte) => text + byte.toString(16).padStart(2, "0"), ""));
  const body = { image_id: current.image_id, verdict, region, verdict_id: tickets.get(what) };
  return post("api/verdicts", body, `✓ Rank ${current.rank} recorded: ${words(verdict)}${region && ": " + words(region)}`);
}
function choose(region) {
  if (!ready || !current) return;
  if (second && region === current.given) return void ($("said").textContent = "That is the given one; which is the second?");
  if (second) return answer("two_regions", region);
  return region === current.given ? answer("given_is_right") : answer("wrong_label", region);
}
function act(key) {
  if (key === "u") {
    if (!told.last || (current && !ready)) return;
    tickets.clear();
    return post("api/withdrawals", told.last, "↶ The last answer is taken back (a new entry in the ledger)");
  }
  if (!ready || !current) return;
  if (key === "g" && !current.given) $("said").textContent = "There is no given label: name the region";
  else if (key === "g") return answer("given_is_right");
  else if (key === "p") return current.proposed ? choose(current.proposed) : answer("out_of_domain");
  else if (key === "o") return answer("out_of_domain");
  else if (key === "x") return answer("cannot_tell");
  else if (key === "t" && !current.given) $("said").textContent = "There is no given label: name the main region";
  else if (key === "t") { second = true; $("said").textContent = `Two regions: ${words(current.given)} and which? (Escape: no)`; }
  else if (key === "s") { skipped = [...skipped.filter(id => id !== current.image_id), current.image_id]; second = false; $("said").textContent = "Skipped; it comes again at the end"; return show(); }
}

function reset() { view = { width: 1, level: 0.5, zoom: 1, x: 0, y: 0 }; draw(); }
function draw() {
  view.width = Math.min(Math.max(view.width, 0.05), 4); view.zoom = Math.min(Math.max(view.zoom, 1), 12);
  for (const part of document.querySelectorAll("#window feComponentTransfer > *")) {
    part.setAttribute("slope", 1 / view.width); part.setAttribute("intercept", 0.5 - view.level / view.width);
  }
  $("picture").style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.zoom})`;
}
const VIEW = {
  "[": () => { view.width *= 1.15; }, "]": () => { view.width /= 1.15; }, ",": () => { view.level += 0.04; }, ".": () => { view.level -= 0.04; },
  "+": () => { view.zoom *= 1.25; }, "-": () => { view.zoom /= 1.25; }, "0": reset,
  ArrowLeft: () => { view.x += 40; }, ArrowRight: () => { view.x -= 40; }, ArrowUp: () => { view.y += 40; }, ArrowDown: () => { view.y -= 40; },
};
$("view").addEventListener("pointerdown", event => $("view").setPointerCapture(event.pointerId));
$("view").addEventListener("pointermove", event => {
  if (!event.buttons) return;
  if (event.shiftKey) { view.x += event.movementX; view.y += event.movementY; }
  else { view.width += event.movementX / 300; view.level += event.movementY / 300; }
  draw();
});
$("view").addEventListener("dragstart", event => event.preventDefault());
$("view").addEventListener("wheel", event => { event.preventDefault(); view.zoom *= event.deltaY < 0 ? 1.1 : 1 / 1.1; draw(); }, { passive: false });
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat && !VIEW[event.key] || !$("keys").checked) return;
  if (event.target.tagName === "SELECT" && /^(Enter|Escape)$/.test(event.key)) return $("view").focus();
  if (/^(SELECT|INPUT)$/.test(event.target.tagName) && event.target.type !== "checkbox") return;
  if (event.key === "Escape") { second = false; $("said").textContent = ""; return; }
  if (event.key.startsWith("Arrow") && view.zoom === 1) return; // the page scrolls, as everywhere
  if (VIEW[event.key]) { event.preventDefault(); VIEW[event.key](); return draw(); }
  const region = regions[REGION_KEYS.indexOf(event.key)];
  if (ANSWERS.some(([key]) => key === event.key)) { event.preventDefault(); act(event.key); }
  else if (region) { event.preventDefault(); choose(region); }
});
begin();
