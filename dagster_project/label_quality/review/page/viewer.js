// The image in its frame: window, level and zoom.
import { $ } from "./api.js";

const MIN_WIDTH = 0.05, MAX_WIDTH = 4, MAX_ZOOM = 16;
let view = {};

export function reset() { view = { width: 1, level: 0.5, zoom: 1, x: 0, y: 0 }; draw(); }

/** Put an <img> into the frame, with a `note` below it. Window, level and zoom stay unchanged. */
export function place(image, alt, note) {
  image.id = "image"; image.alt = alt; image.draggable = false;
  $("frame").replaceChildren(image);
  $("shown").textContent = note;
  draw();
}

function draw() {
  view.width = Math.min(Math.max(view.width, MIN_WIDTH), MAX_WIDTH); view.zoom = Math.min(Math.max(view.zoom, 1), MAX_ZOOM);
  for (const part of document.querySelectorAll("#window feComponentTransfer > *")) {
    part.setAttribute("slope", 1 / view.width); part.setAttribute("intercept", 0.5 - view.level / view.width);
  }
  // The filter is on the frame, not on the scaled image inside: else the image would be scaled after filtering.
  if ($("image")) $("image").style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.zoom})`;
}
const HOTKEYS = {
  "[": () => { view.width *= 1.15; }, "]": () => { view.width /= 1.15; }, ",": () => { view.level += 0.04; }, ".": () => { view.level -= 0.04; },
  "+": () => zoom(1.25), "-": () => zoom(1 / 1.25), "0": reset,
  ArrowLeft: () => { view.x += 40; }, ArrowRight: () => { view.x -= 40; }, ArrowUp: () => { view.y += 40; }, ArrowDown: () => { view.y -= 40; },
};
function zoom(by) {
  const before = view.zoom;
  view.zoom = Math.min(Math.max(before * by, 1), MAX_ZOOM);
  view.x *= view.zoom / before; view.y *= view.zoom / before;
}

/** Change the view if `name` is a hotkey of it; return whether it is. Arrows scroll the page unless the image is zoomed. */
export function hotkey(name) {
  if (!HOTKEYS[name] || (name.startsWith("Arrow") && view.zoom === 1)) return false;
  HOTKEYS[name](); draw();
  return true;
}
export const repeats = name => name in HOTKEYS;

$("view").addEventListener("pointerdown", event => $("view").setPointerCapture(event.pointerId));
$("view").addEventListener("pointermove", event => {
  if (!event.buttons) return;
  if (event.shiftKey) { view.x += event.movementX; view.y += event.movementY; }
  else { view.width += event.movementX / 300; view.level += event.movementY / 300; }
  draw();
});
$("view").addEventListener("wheel", event => { event.preventDefault(); zoom(event.deltaY < 0 ? 1.1 : 1 / 1.1); draw(); }, { passive: false });
