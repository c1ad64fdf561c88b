// Runs: how far each is, with its charts, while it trains; a training is begun and stopped here.
import { $, all, newest, on, post, tell } from "./common.js";
import { job, run } from "./jobs.js";

const list = $("#runs-list"), REFRESH_MS = 3000;
async function refresh() {
  if ($("#runs").hidden) return;
  try {
    const text = await (await fetch("runs")).text();
    if (text === list.dataset.text) return;
    const open = new Set(all("[open]", list).map((each) => each.dataset.run));
    list.innerHTML = list.dataset.text = text;
    for (const each of all("details", list)) each.open = open.has(each.dataset.run);
  } catch (error) { tell(error); }
}
setInterval(refresh, REFRESH_MS);
addEventListener("chosen", refresh);

const asked = () => ({ run: $("#train-run").value, kernel: $("#train-kernel").value, minutes: +$("#train-minutes").value });
const showCommand = newest(async () => {
  if (!$("#train-run") || $("#runs").hidden) return;
  $("#train-command").textContent = (await post("train/command", asked())).command;
  $("#train-time").textContent = `ends after ${asked().minutes} minutes; it may be stopped before, and goes on when it is started again`;
});
addEventListener("chosen", showCommand);
on(".train", "input", showCommand);
addEventListener("job", () => { if ($("#train-start")) $("#train-start").disabled = job.runs; });
on("#train-start", "click", async () => { await run("train/start", asked()); await refresh(); });
