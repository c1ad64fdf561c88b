// The one command that runs beside the page.
import { $, all, on, post, tell } from "./common.js";

export const job = { runs: false, isStopped: false };
let announced = "";
function show(told) {
  if (job.runs !== (told.state === "running")) {
    job.runs = told.state === "running";
    dispatchEvent(new Event("job"));
  }
  for (const each of all(".job")) each.hidden = true;
  if (told.state === "none") return;
  const box = $(`#${told.target}-job`), bar = $("progress", box);
  box.hidden = false;
  if (told.percent === null && job.runs) bar.removeAttribute("value"); else bar.value = told.state === "done" ? 100 : told.percent ?? 0;
  $(".bar", box).hidden = !job.runs;
  $(".at", box).textContent = told.at;
  $(".lines", box).textContent = [told.command, ...told.lines].join("\n");
  const quarter = told.percent === null ? "" : `, ${25 * Math.floor(told.percent / 25)} %`;
  const words = {
    running: job.isStopped ? "stopping: it saves what it has; Cancel again ends it at once" : `running${quarter}`,
    done: told.result?.file || told.result?.folder ? `done: ${told.result.folder ?? told.result.file}` : "done",
    failed: `failed: ${told.error}`,
    cancelled: "cancelled; the same command goes on from here",
  };
  // Said anew only when it changes, so that a screen reader is not talked to twice a second.
  if (announced !== words[told.state]) $(".state", box).textContent = announced = words[told.state];
}
async function poll() {
  for (;;) {
    const told = await (await fetch("job")).json();
    show(told);
    if (told.state !== "running") return told;
    await new Promise((done) => { setTimeout(done, 400); });
  }
}
// What is told at the end of a command that is started; an earlier page's may still run.
export async function run(address, content) {
  job.isStopped = false;
  show(await post(address, content));
  return poll();
}
on(".cancel", "click", async ({ target }) => {
  target.disabled = job.isStopped = true;
  try { show(await post("job/cancel", {})); } catch (error) { tell(error); }
  target.disabled = false;
});
export async function begin(use) {
  try {
    const told = await (await fetch("job")).json();
    if (told.state === "running") use(await poll());
  } catch (error) { tell(error); }
}
