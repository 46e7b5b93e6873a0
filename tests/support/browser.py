"""Scripts that a browser runs in the review page."""

from __future__ import annotations

from pathlib import Path

# What bars people from using the page.
BARRIERS = (Path(__file__).parent / "barriers.js").read_text(encoding="utf-8")

# Fills `window.waits`: ms from each key to the frame in which the next image stands there, ready to be answered.
CLOCK = """() => {
  window.waits = [];
  let pressed = 0;
  addEventListener('keydown', () => { pressed = performance.now(); }, true);
  new MutationObserver(() => {
    if (!pressed || document.querySelector('#session').ariaBusy !== 'false') return;
    const begun = pressed; pressed = 0;
    requestAnimationFrame(() => window.waits.push(performance.now() - begun));
  }).observe(document.querySelector('#session'), { attributes: true, attributeFilter: ['aria-busy'] });
}"""
