// Blur: a photograph as the settings of a set would have it.
import { $, all, choose, newest, on, post } from "./common.js";
import { job, run } from "./jobs.js";
import { add, onChosen, photographs } from "./strip.js";

const panel = $("#blur");
let shown = null;
function settings() {
  const recipe = $("#recipe").value;
  for (const each of all("details", panel)) each.inert = Boolean(recipe);
  const number = (text) => (text.trim() === "" || Number.isNaN(+text) ? text : +text);
  return recipe ? { recipe } : Object.fromEntries(all(".setting", panel).map((each) => [each.id, each.type === "checkbox" ? each.checked : number(each.value)]));
}
const preview = newest(async () => {
  if (panel.hidden) return;
  const values = settings(), photo = photographs.current;
  const large = !$("#as-written").checked;
  const told = await post("blur/preview", { settings: values, photo: photo?.photo, large });
  $("#aperture").src = told.aperture;
  $("#blur-command").textContent = told.command;
  if (photo !== photographs.current) return;
  shown = told.picture ? { photo, ...told } : null;
  show();
});
function show() {
  const box = $("#blur-whole"), { photo } = shown ?? {};
  box.hidden = $("#blur-out").hidden = !photo;
  $(".empty", panel).hidden = Boolean(photo);
  $("#blur-of").textContent = photo ? `${photo.name}, ${photo.width} × ${photo.height}` : "no photograph yet";
  if (!photo) return;
  const side = Math.min(photo.width, photo.height), blurred = $("#blurred"), whole = $("#blur-original");
  box.style.aspectRatio = `${photo.width} / ${photo.height}`;
  box.style.maxWidth = `min(100%, ${(68 * photo.width) / photo.height}vh)`;
  [blurred.style.width, blurred.style.height] = [`${(100 * side) / photo.width}%`, `${(100 * side) / photo.height}%`];
  if (whole.dataset.photo !== photo.photo) { whole.src = `photographs/${photo.photo}/before`; whole.dataset.photo = photo.photo; }
  blurred.src = shown.picture;
  blurred.alt = `the photograph, blurred: ${shown.name}`;
  blurred.style.visibility = $("#hold").checked ? "hidden" : "";
  $("#blur-save").href = shown.picture;
  $("#blur-save").download = fileName();
}
const fileName = () => `${shown.photo.name.replace(/\.[^.]*$/, "")}-${shown.name}.jpg`;
onChosen(preview);
addEventListener("chosen", preview);
on("#blur .setting, #recipe", "input", preview);
on("#as-written", "change", preview);
on("#hold", "change", show);
on("#blur-send", "click", async () => {
  const bytes = Uint8Array.from(atob(shown.picture.split(",")[1]), (each) => each.charCodeAt(0));
  add(await post("photographs?name=" + encodeURIComponent(fileName()), new Blob([bytes])), true);
  choose("restore");
});
const allow = () => { $("#blur-start").disabled = job.runs || !$("#blur-start").value; };
addEventListener("job", allow);
allow();
on("#blur-start", "click", () => run("blur/start", { settings: settings() }));
