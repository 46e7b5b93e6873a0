// The progress and the result of the review, in words.
import { $, reviewer } from "./api.js";

const percent = rate => (100 * rate).toFixed(1);
const about = errors => (errors < 10 ? errors.toFixed(1) : Math.round(errors).toString());
const estimate = s => `${s.wrong} wrong of ${s.decided} decided (drawn: ${s.drawn}), ${percent(s.rate)} % (${percent(s.rate_low)} to ${percent(s.rate_high)} %): `
  + `about ${about(s.left)} (${about(s.left_low)} to ${about(s.left_high)}) more in the ${s.population - s.decided} others`;

/** `status` is the server's status of `count` cards, of a random sample or of the list. */
export function show(status, count, sampling) {
  const done = count - status.open.length;
  $("progress").textContent = `${done} of ${count} done, ${status.mine} by ${reviewer()}`;
  $("bar").max = Math.max(count, 1); $("bar").value = done;
  $("errors").textContent = `${status.errors} errors in ${status.decided} decided`
    + (status.decided ? ` (${Math.round(100 * status.errors / status.decided)} %)` : "")
    + (status.missing_named ? `; ${status.missing_named} missing labels named` : "");
  $("run").textContent = `${status.run_without_error} in a row; stopping rule at ${status.stop_after}`;
  $("expected").textContent = `about ${about(status.expected)} errors in unreviewed images of this list, ${about(status.expected_beyond)} outside it`;
  $("sample").textContent = status.sample ? estimate(status.sample) : "no image decided yet";
  $("sample").parentElement.hidden = !status.sample && !sampling;
  $("kappas").textContent = status.kappas.map(a =>
    `${a.reviewers.join(" and ")}: kappa ${a.kappa === null ? "not defined" : a.kappa.toFixed(2)} over ${a.images} images`).join("; ");
  $("kappas").parentElement.hidden = !status.kappas.length;
  const stop = !sampling && status.run_without_error >= status.stop_after && status.open.length
    ? `${status.run_without_error} in a row without an error: you may stop. If 5 % of such labels were wrong, a run of ${status.stop_after} would have a probability of 5 %.` : "";
  if ($("stop").textContent !== stop) $("stop").textContent = stop;
}
