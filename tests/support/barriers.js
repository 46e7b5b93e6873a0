// Rules of WCAG 2.2 that a program can check, as axe-core has them (which is not permissively licensed): names, landmarks,
// headings, language, contrast, size of targets, focus that is seen. Returns what is wrong, in words.
() => {
  const wrong = [], all = query => [...document.querySelectorAll(query)];
  const seen = e => e.checkVisibility({ visibilityProperty: true }) && !e.closest('.unseen');
  const label = e => e.getAttribute('aria-label') || e.alt || (e.labels && [...e.labels].map(l => l.innerText).join(' ')) || e.innerText || '';
  const say = (e, what) => wrong.push(`${e.tagName.toLowerCase()}#${e.id} ${e.className}: ${what}`);
  if (!document.documentElement.lang || !document.title) wrong.push('language or title');
  for (const e of all('button, input, select, a[href], [tabindex], progress, nav, section, [role=group]'))
    if (seen(e) && !label(e).trim()) say(e, 'no name');
  for (const e of all('img')) if (seen(e) && !e.alt) say(e, 'no alternative text');
  for (const e of all('[id]')) if (all('#' + e.id).length > 1) say(e, 'id twice');
  for (const role of ['header', 'nav', 'main', 'h1']) if (all(role).length !== 1) wrong.push(role + ': not one');
  let last = 0;
  for (const e of all('h1, h2, h3').filter(seen)) { const level = +e.tagName[1]; if (level > last + 1) say(e, 'heading level left out'); last = level; }
  if (!document.querySelector('[role=status]') || !document.querySelector('[role=alert]')) wrong.push('no live region');
  for (const e of document.body.children)
    if (!['HEADER', 'NAV', 'MAIN', 'svg', 'A'].includes(e.tagName)) say(e, 'outside the landmarks');
  const rgb = text => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => { const [x, y, z] = [r, g, b].map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * x + 0.7152 * y + 0.0722 * z; };
  const ground = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  for (const e of all('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || !seen(e) || e.closest(':disabled, option, .skip')) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) say(e, 'contrast ' + ((a + 0.05) / (b + 0.05)).toFixed(1));
  }
  for (const e of all('button, select')) { const box = e.getBoundingClientRect(); if (seen(e) && Math.min(box.width, box.height) < 24) say(e, 'target under 24 px'); }
  const before = document.activeElement;
  for (const e of all('button:enabled, select, #view')) {
    if (!seen(e)) continue;
    e.focus({ focusVisible: true });
    if (getComputedStyle(e).outlineStyle === 'none') say(e, 'focus not seen');
  }
  before.focus();
  return wrong;
}
