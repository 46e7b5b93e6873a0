// Images as decoded <img> elements: the small images of the next cards with all images for comparison, and the originals
// of the current card and the next two. They are fetched in advance, with the token, and kept in memory only.
import { ask } from "./api.js";

const CARDS_AHEAD = 6, ORIGINALS_AHEAD = 2, KEPT = 400;
const urls = new Map(), originals = new Map();
let wanted = [], fetching = false;

async function decoded(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

/** The address of a small image. */
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

/** The small image as a new element. */
export const image = async id => decoded(await cached(id));

/** The original if it has arrived: {image, rows, columns, text} or {missing: reason}; else undefined. */
export const original = id => originals.get(id);

/** Fetch the images of the first of `cards` and of the next ones; `arrived(id)` is called for every original. */
export function fetchAhead(cards, arrived) {
  for (const card of cards.slice(0, CARDS_AHEAD)) {
    for (const id of [card.image_id, ...card.comparison.flatMap(group => group.images.map(other => other.image_id))]) cached(id).catch(() => {});
  }
  wanted = cards.slice(0, 1 + ORIGINALS_AHEAD).map(card => card.image_id);
  for (const [id, kept] of originals) {
    if (originals.size <= 2 + ORIGINALS_AHEAD) break;
    if (wanted.includes(id)) continue;
    originals.delete(id);
    if (kept.image) URL.revokeObjectURL(kept.image.src);
  }
  fetchOriginals(arrived);
}

// One at a time, first the one of the current card: each takes the server a second or more, and the reviewer may go on.
async function fetchOriginals(arrived) {
  if (fetching) return;
  fetching = true;
  for (let id; (id = wanted.find(one => !originals.has(one)));) {
    originals.set(id, await one(id));
    arrived(id);
  }
  fetching = false;
}
async function one(id) {
  try {
    const response = await ask("api/originals/" + id), header = name => response.headers.get("Original-" + name);
    const image = await decoded(URL.createObjectURL(await response.blob()));
    return { image, rows: +header("rows"), columns: +header("columns"), text: header("text") };
  } catch (error) { return { missing: error.message }; }
}
