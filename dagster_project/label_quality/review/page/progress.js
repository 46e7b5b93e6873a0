// How far the review is and what it yields, in words.
import { $, reviewer } from "./talk.js";

const percent = rate => (100 * rate).toFixed(1);
const estimate = s => `${s.wrong} wrong of ${s.decided} decided (drawn: ${s.drawn}), ${percent(s.rate)} % (${percent(s.rate_low)} to ${percent(s.rate_high)} %): `
  + `about ${about(s.left)} (${about(s.left_low)} to ${about(s.left_high)}) more in the ${s.population - s.decided} others`;
const about = errors => (errors < 10 ? errors.toFixed(1) : Math.round(errors).toString());

/** `told` is the server's word on `count` cards, a random sample's or the list's. */
export function show(told, count, sampling) {
  const done = count - told.open.length;
  $("progress").textContent = `${done} of ${count} done, ${told.mine} by ${reviewer()}`;
  $("bar").max = Math.max(count, 1); $("bar").value = done;
  $("yield").textContent = `${told.errors} errors in ${told.decided} decided`
    + (told.decided ? ` (${Math.round(100 * told.errors / told.decided)} %)` : "")
    + (told.named ? `; ${told.named} without a label named` : "");
  $("run").textContent = `${told.run} in a row without an error; stop rule at ${told.stop_after}`;
  $("left").textContent = `about ${about(told.expected)} errors in the unread of this list, ${about(told.expected_beyond)} beyond it`;
  $("sample").textContent = told.sample ? estimate(told.sample) : "no image decided yet";
  $("sample").parentElement.hidden = !told.sample && !sampling;
  $("agreement").textContent = told.agreement.map(a =>
    `${a.reviewers.join(" and ")}: kappa ${a.kappa === null ? "not defined" : a.kappa.toFixed(2)} over ${a.images}`).join("; ");
  $("agreement").parentElement.hidden = !told.agreement.length;
  const stop = !sampling && told.run >= told.stop_after && told.open.length
    ? `${told.run} in a row without an error: you may stop. Were 5 in 100 of such labels wrong, a run of ${told.stop_after} would come once in 20 times.` : "";
  if ($("stop").textContent !== stop) $("stop").textContent = stop;
}
