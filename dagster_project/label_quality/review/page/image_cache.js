// Images as decoded <img> elements: the cached ones of the next cards and of all beside them, and the originals of the
// shown card and the next two. All are fetched with the token, ahead, and live in memory only.
import { ask } from "./talk.js";

const CARDS_AHEAD = 6, ORIGINALS_AHEAD = 2, KEPT = 400;
const urls = new Map(), originals = new Map();
let wanted = [], reading = false;

async function decoded(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

/** The address of a cached image. */
export function cached(id) {
  if (!urls.has(id)) {
    const made = ask("api/images/" + id).then(response => response.blob()).then(blob => URL.createObjectURL(blob));
    made.catch(() => urls.delete(id));
    urls.set(id, made);
    for (const [old, url] of urls) {
      if (urls.size <= KEPT) break;
      urls.delete(old);
      url.then(URL.revokeObjectURL, () => {});
    }
  }
  return urls.get(id);
}

/** The cached image as an element of its own. */
export const image = async id => decoded(await cached(id));

/** What is known of an original by now: {image, rows, columns, text}, {missing: why}, or nothing yet. */
export const original = id => originals.get(id);

/** Fetch what the first of `cards` shows and the next ones will; `arrived(id)` is called for every original. */
export function fetchAhead(cards, arrived) {
  for (const card of cards.slice(0, CARDS_AHEAD)) {
    for (const id of [card.image_id, ...card.beside.flatMap(group => group.images.map(other => other.image_id))]) cached(id).catch(() => {});
  }
  wanted = cards.slice(0, 1 + ORIGINALS_AHEAD).map(card => card.image_id);
  for (const [id, kept] of originals) {
    if (originals.size <= 2 + ORIGINALS_AHEAD) break;
    if (wanted.includes(id)) continue;
    originals.delete(id);
    if (kept.image) URL.revokeObjectURL(kept.image.src);
  }
  read(arrived);
}

// One at a time, the shown card's first: reading one takes the server a second or more, and the reviewer may go on.
async function read(arrived) {
  if (reading) return;
  reading = true;
  for (let id; (id = wanted.find(one => !originals.has(one)));) {
    originals.set(id, await one(id));
    arrived(id);
  }
  reading = false;
}
async function one(id) {
  try {
    const response = await ask("api/originals/" + id), said = name => response.headers.get("Original-" + name);
    const image = await decoded(URL.createObjectURL(await response.blob()));
    return { image, rows: +said("rows"), columns: +said("columns"), text: said("text") };
  } catch (error) { return { missing: error.message }; }
}
