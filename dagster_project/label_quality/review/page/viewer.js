// The image in its frame: window, level, zoom, and what is shown.
import { $ } from "./talk.js";

const LEAST_WIDTH = 0.05, MOST_WIDTH = 4, MOST_ZOOM = 16;
let view = {};

export function reset() { view = { width: 1, level: 0.5, zoom: 1, x: 0, y: 0 }; draw(); }

/** Put an <img> into the frame; `note` says what it is. The view stays as it is. */
export function place(image, alt, note) {
  image.id = "image"; image.alt = alt; image.draggable = false;
  $("frame").replaceChildren(image);
  $("shown").textContent = note;
  draw();
}

function draw() {
  view.width = Math.min(Math.max(view.width, LEAST_WIDTH), MOST_WIDTH); view.zoom = Math.min(Math.max(view.zoom, 1), MOST_ZOOM);
  for (const part of document.querySelectorAll("#window feComponentTransfer > *")) {
    part.setAttribute("slope", 1 / view.width); part.setAttribute("intercept", 0.5 - view.level / view.width);
  }
  // The filter is on the frame, not on what is scaled within: else it would be drawn from the small image.
  if ($("image")) $("image").style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.zoom})`;
}
const KEYS = {
  "[": () => { view.width *= 1.15; }, "]": () => { view.width /= 1.15; }, ",": () => { view.level += 0.04; }, ".": () => { view.level -= 0.04; },
  "+": () => zoom(1.25), "-": () => zoom(1 / 1.25), "0": reset,
  ArrowLeft: () => { view.x += 40; }, ArrowRight: () => { view.x -= 40; }, ArrowUp: () => { view.y += 40; }, ArrowDown: () => { view.y -= 40; },
};
function zoom(by) {
  const before = view.zoom;
  view.zoom = Math.min(Math.max(before * by, 1), MOST_ZOOM);
  view.x *= view.zoom / before; view.y *= view.zoom / before;
}

/** Whether a key changes the view; if so, it does. Arrows scroll the page, as everywhere, until the image is zoomed. */
export function key(name) {
  if (!KEYS[name] || (name.startsWith("Arrow") && view.zoom === 1)) return false;
  KEYS[name](); draw();
  return true;
}
export const repeats = name => name in KEYS;

$("view").addEventListener("pointerdown", event => $("view").setPointerCapture(event.pointerId));
$("view").addEventListener("pointermove", event => {
  if (!event.buttons) return;
  if (event.shiftKey) { view.x += event.movementX; view.y += event.movementY; }
  else { view.width += event.movementX / 300; view.level += event.movementY / 300; }
  draw();
});
$("view").addEventListener("wheel", event => { event.preventDefault(); zoom(event.deltaY < 0 ? 1.1 : 1 / 1.1); draw(); }, { passive: false });
