// Restore: what is looked at comes first, the rest behind it; then files, of one photograph or of all.
import { $, all, on, newest, picture, post, tell } from "./common.js";
import { job, run } from "./jobs.js";
import { mark, onChosen, photographs } from "./strip.js";
import { draw, fit, looked, maskFile, newMask, setBrush, show, view } from "./viewer.js";

const network = $("#run"), own = ["limits", "strength", "detail"];
const PLACE_PX = 512, FIRST_PX = 256, LOOKING = "looking for the blur of the whole photograph";
let version = 0, known = false, subject = null;

// Settings: one for all photographs, or each has its own.
function limits(text) {
  if (/^(auto)?$/i.test(text.trim())) return null;
  const ends = text.split("-").map(Number);
  if (ends.length > 2 || ends.some((each) => Number.isNaN(each))) throw Object.assign(new Error("blur must be auto, a radius as in 6, or its limits as in 4-9"), { of: "restore/look" });
  return [ends[0], ends.at(-1)];
}
const shown = () => Object.fromEntries(own.map((id) => [id, $("#" + id).value]));
function request(photo) {
  const set = !$("#same").checked && photo.set ? photo.set : shown();
  const share = (text) => (text === "" ? null : +text);
  return { photo: photo.photo, run: network.value, limits: limits(set.limits), strength: share(set.strength), detail: share(set.detail), mask: Boolean(photo.mask) };
}
const keep = () => { if (photographs.current) photographs.current.set = shown(); };
function bring(photo) {
  if ($("#same").checked || !photo.set) return;
  for (const id of own) {
    $("#" + id).value = photo.set[id];
    if (id !== "limits") $(`[data-of=${id}]`).value = photo.set[id];
  }
}
const showCommand = newest(async () => {
  const photo = photographs.current;
  if (photo && network) $("#restore-command").textContent = (await post("restore/command", request(photo))).command;
});

// The estimate of the whole, then places.
const look = newest(async () => {
  const photo = photographs.current, mine = version;
  if (!photo || !network || $("#restore").hidden) return;
  const isNewest = () => mine === version;
  known = false;
  for (;;) {
    const told = await post("restore/look", request(photo)).catch((error) => { if (isNewest()) throw error; });
    if (!isNewest()) return;
    if (told.is_new) {  // never exported: that is done first
      $("#seen").textContent = "this run is made ready, once";
      if ((await run("restore/prepare", { ...request(photo), limits: null, mask: false })).state !== "done") return;
    } else if (told.percent === undefined) {
      subject = told.subject;
      $("#seen").textContent = told.seen;
      $("#scale").hidden = $("#map-choice").hidden = !told.map;
      $("#highest").textContent = told.highest;
      $("#subject").hidden = !subject;
      const map = told.map && await picture(told.map);
      if (!isNewest()) return;
      view.map = map;
      known = true;
      break;
    } else {
      if ($("#seen").textContent !== LOOKING) $("#seen").textContent = LOOKING;
      showBar(told.percent, 100, `${told.percent} %`);
    }
  }
  draw();
  pump();
});
function showBar(done, total, text) {
  const bar = $("#rest-bar");
  bar.hidden = done === total;
  bar.max = total;
  bar.value = done;
  $("#rest-at").textContent = text;
}
// What is next: a small place in the middle of what is looked at, which takes no second; then larger ones by their distance.
function nextPlace() {
  const { width, height } = view.photo, at = looked();
  const isFresh = (key) => view.places.get(key)?.version === version;
  let best = null, left = 0, total = 0;
  for (let y = 0; y < height; y += PLACE_PX) for (let x = 0; x < width; x += PLACE_PX) {
    total += 1;
    if (isFresh(`${x} ${y}`)) continue;
    left += 1;
    const isSeen = x < at.right && x + PLACE_PX > at.left && y < at.bottom && y + PLACE_PX > at.top;
    const away = Math.hypot(x + PLACE_PX / 2 - at.x, y + PLACE_PX / 2 - at.y) + (isSeen ? 0 : 1e6);
    if (job.runs ? !isSeen || view.isFit : !isSeen && !$("#rest").checked) continue;
    if (!best || away < best.away) best = { left: x, top: y, side: PLACE_PX, key: `${x} ${y}`, away };
  }
  showBar(total - left, total, left ? `${total - left} of ${total} places restored` : "all of it is restored here");
  const [x, y] = [Math.min(at.x, width - 1), Math.min(at.y, height - 1)], first = view.places.get("first");
  const isThere = isFresh("first") && Math.hypot(first.left + FIRST_PX / 2 - x, first.top + FIRST_PX / 2 - y) < FIRST_PX / 2;
  if (best && !isThere && !isFresh(`${x - (x % PLACE_PX)} ${y - (y % PLACE_PX)}`)) {
    const corner = (middle) => Math.max(0, 4 * Math.round((middle - FIRST_PX / 2) / 4));
    return { left: corner(x), top: corner(y), side: FIRST_PX, key: "first" };
  }
  return best;
}
const pump = newest(async () => {
  for (;;) {
    const place = known && view.photo && !$("#restore").hidden ? nextPlace() : null, mine = version;
    if (!place) return;
    const { left, top, side } = place;
    const told = await post("restore/place", { ...request(view.photo), left, top, side }).catch((error) => { if (mine === version) throw error; });
    if (mine !== version) continue;
    const [before, after] = await Promise.all([picture(told.before), picture(told.after)]);
    if (mine !== version) continue;
    view.places.delete(place.key);  // what is new lies over what is old
    view.places.set(place.key, { ...place, before, after, version });
    draw();
  }
});
function again() { version += 1; known = false; look(); showCommand(); }

onChosen((photo) => {
  version += 1;
  known = false;
  allow();
  $("#restore-of").textContent = photo ? `${photo.name}, ${photo.width} × ${photo.height}` : "no photograph yet";
  $("#seen").textContent = "";
  $("#viewer").hidden = !photo;
  $(".empty", $("#restore")).hidden = Boolean(photo);
  stopBrush();
  if (!job.runs) $("#deblur-job").hidden = true;  // it told of another photograph
  $("#no-mask").hidden = !photo?.mask;
  if (!photo) { view.photo = null; return; }
  bring(photo);
  view.strength = +$("#strength").value;
  show(photo, photo).catch(tell);
  showResult(photo);
  look();
  showCommand();
});
addEventListener("moved", pump);
addEventListener("job", () => { allow(); pump(); });
addEventListener("counted", () => allow());
addEventListener("chosen", () => { if (!$("#restore").hidden) { if (known) pump(); else look(); showCommand(); } });
on("#rest", "change", pump);

// What is told by hand.
on("#limits, #detail, #run", "input", () => { keep(); again(); });
on("#limits-slider", "input", ({ target }) => { $("#limits").value = target.value; $("#limits").dispatchEvent(new Event("input")); });
on("#auto", "click", () => { $("#limits").value = "auto"; $("#limits").dispatchEvent(new Event("input")); });
on("#strength", "input", ({ target }) => { keep(); view.strength = +target.value; draw(); showCommand(); });
on("#same", "change", () => { keep(); showCommand(); });
function stopBrush() {
  setBrush(null);
  for (const each of all("[data-brush]")) each.setAttribute("aria-pressed", false);
  $("#brush-settings").hidden = true;
}
async function setMask(mask) {
  const photo = photographs.current;
  photo.mask = view.mask = mask;
  photo.isMaskSent = false;
  $("#no-mask").hidden = !mask;
  draw();
  showCommand();
}
on("[data-brush]", "click", async ({ currentTarget: button }) => {
  if (!view.photo) return;
  const isOn = button.getAttribute("aria-pressed") === "true";
  stopBrush();
  if (isOn) return;
  if (!view.mask) await setMask(await newMask(view.photo, button.dataset.brush === "keep" ? "all" : "none"));
  button.setAttribute("aria-pressed", true);
  $("#brush-settings").hidden = false;
  setBrush(button.dataset.brush);
});
on("#subject", "click", async () => setMask(await newMask(view.photo, subject)));
on("#no-mask", "click", () => { stopBrush(); setMask(null); });
$("#view").addEventListener("painted", () => { photographs.current.isMaskSent = false; });

// Files.
function allow() {
  $("#restore-start").disabled = job.runs || !photographs.current || !network;
  $("#restore-all").disabled = job.runs || !network;
  const many = photographs.list.length;
  $("#restore-all").hidden = $("#same-choice").hidden = many < 2;
  $("#restore-all").textContent = `Restore all ${many}`;
  $("#download-all").hidden = photographs.list.filter((each) => each.result).length < 2;
}
const address = (photo) => `photographs/${photo.photo}/result?format=${$("#format").value}&quality=${$("#quality").value}`;
function showResult(photo) {
  $("#quality-choice").hidden = $("#format").value !== "jpeg";
  $("#download").hidden = !photographs.list.some((each) => each.result);
  $("#download-one").hidden = !photo?.result;
  if (photo?.result) $("#download-one").href = address(photo);
  $("#download-file").textContent = photo?.result ?? "";
}
on("#format, #quality", "input", () => showResult(photographs.current));
on("#download-all", "click", () => {
  for (const photo of photographs.list.filter((each) => each.result)) Object.assign(document.createElement("a"), { href: address(photo), download: "" }).click();
});
export function restored(told) {
  const photo = photographs.list.find((each) => each.photo === told.result?.photo);
  if (told.state !== "done" || !photo) return;
  photo.result = told.result.file;
  showResult(photographs.current);
  allow();
}
async function restore(photo) {
  mark(photo, "…");
  if (photo.mask && !photo.isMaskSent) {
    await post(`photographs/${photo.photo}/mask`, await maskFile(photo.mask));
    photo.isMaskSent = true;
  }
  const told = await run("restore/start", request(photo));
  mark(photo, told.state === "done" ? "restored" : told.state);
  restored(told);
}
on("#restore-start", "click", () => restore(photographs.current));
on("#restore-all", "click", async () => {
  keep();
  for (const photo of photographs.list) {
    try { await restore(photo); } catch (error) { mark(photo, "failed"); tell(error); }
    if (job.isStopped) break;
  }
});
on("#fit", "click", fit);
