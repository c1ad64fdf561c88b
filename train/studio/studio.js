"use strict";
const $ = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const token = $("meta[name=token]").content;
const problem = $("#problem");

async function post(address, content) {
  const isFile = content instanceof Blob;
  const answer = await fetch(address, {
    method: "POST",
    headers: { "X-Studio-Token": token, "Content-Type": isFile ? "application/octet-stream" : "application/json" },
    body: isFile ? content : JSON.stringify(content),
  });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  problem.textContent = "";
  return told;
}
// What is wrong is said in one place; a server that has ended answers nothing.
const tell = (error) => {
  problem.textContent = error instanceof TypeError ? "the studio does not answer; is `make studio` still running?" : error.message;
};
// One request at a time, and of those that wait only the newest: a slider asks for more than can be made.
function newest(step) {
  let running = false, waits = false;
  return async function ask() {
    if (running) { waits = true; return; }
    running = true;
    do { waits = false; try { await step(); } catch (error) { tell(error); } } while (waits);
    running = false;
  };
}

// Tabs, as the ARIA practices have them: arrows move, the address remembers.
const tabs = all("[role=tab]");
function choose(tab) {
  for (const each of tabs) {
    const chosen = each === tab;
    each.setAttribute("aria-selected", chosen);
    each.tabIndex = chosen ? 0 : -1;
    $("#" + each.getAttribute("aria-controls")).hidden = !chosen;
  }
  history.replaceState(null, "", "#" + tab.getAttribute("aria-controls"));
}
tabs.forEach((tab, index) => {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", (event) => {
    const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const other = tabs.at(to % tabs.length);
    choose(other);
    other.focus();
  });
});
choose(tabs.find((tab) => "#" + tab.getAttribute("aria-controls") === location.hash) ?? tabs[0]);

// A number and its slider say the same.
for (const slider of all("input[data-of]")) {
  const number = document.getElementById(slider.dataset.of);
  slider.addEventListener("input", () => { number.value = slider.value; number.dispatchEvent(new Event("input", { bubbles: true })); });
  number.addEventListener("input", () => { slider.value = number.value; });
}

// A photograph is dropped anywhere on a panel, chosen, or pasted.
function takes(panel, use) {
  const send = async (file) => {
    if (!file) return;
    if (file.size > +$("meta[name=most-bytes]").content) { tell(new Error(`${file.name} is too large for the page; restore it with make deblur`)); return; }
    try { await use(await post("photographs?name=" + encodeURIComponent(file.name), file)); } catch (error) { tell(error); }
  };
  const input = $("input[type=file]", panel), drop = $(".drop", panel);
  input.addEventListener("change", () => { send(input.files[0]); input.value = ""; });
  const over = (event, is) => { event.preventDefault(); drop.classList.toggle("over", is); };
  panel.addEventListener("dragover", (event) => over(event, true));
  panel.addEventListener("dragleave", (event) => over(event, false));
  panel.addEventListener("drop", (event) => { over(event, false); send(event.dataTransfer.files[0]); });
}
const described = (photo) => `${photo.name}, ${photo.width} × ${photo.height}`;

// Blur.
const blur = { panel: $("#blur"), photo: null };
function settings() {
  const values = {};
  for (const each of all(".setting", blur.panel)) {
    const { id } = each;
    values[id] = each.type === "checkbox" ? each.checked : id === "noise_kind" ? each.value : each.value === "" ? NaN : +each.value;
  }
  return values;
}
const previewBlur = newest(async () => {
  const values = settings();
  const empty = Object.keys(values).find((name) => Number.isNaN(values[name]));
  if (empty) throw new Error(`${empty.replace("_px", "")} must be a number`);
  const large = !$("#as-written").checked;
  const told = await post("blur/preview", { settings: values, photo: blur.photo?.photo, large });
  $("#aperture").src = told.aperture;
  $("#blur-command").textContent = told.command;
  if (told.picture) { blur.picture = told.picture; showBlurred(told.name); }
});
function showBlurred(name) {
  const img = $("#blurred"), original = $("#hold").checked;
  img.src = original ? `photographs/${blur.photo.photo}/before` : blur.picture;
  img.alt = original ? "the original" : `the photograph, blurred: ${name ?? ""}`;
  img.hidden = false;
  $(".empty", blur.panel).hidden = true;
}
async function useForBlur(photo) {
  blur.photo = photo;
  $("#blur-of").textContent = described(photo);
  await previewBlur();
}
takes(blur.panel, useForBlur);
$("#original")?.addEventListener("change", async (event) => {
  try { await useForBlur(await post("originals", { id: event.target.value.trim() })); } catch (error) { tell(error); }
});
for (const each of all(".setting", blur.panel)) each.addEventListener("input", previewBlur);
$("#as-written").addEventListener("change", previewBlur);
$("#hold").addEventListener("change", () => blur.photo && showBlurred());
$("#copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText($("#blur-command").textContent);
  $("#copy").textContent = "Copied";
  setTimeout(() => { $("#copy").textContent = "Copy"; }, 1500);
});
$("#blur form").addEventListener("submit", (event) => event.preventDefault());
$("#blur-start").addEventListener("click", () => start("blur/start", { settings: settings() }));

// Restore.
const restoring = { panel: $("#restore"), photo: null, crop: null, result: null };
const strength = $("#strength"), detail = $("#detail"), compare = $("#compare");
const before = $("img.blurred", compare), after = $("img.restored", compare);
const shown = () => $("input[name=shown]:checked").value;
const share = (input) => (input.value === "" ? null : +input.value);
function showRestored() {
  const { photo, crop, result } = restoring, isMap = shown() === "map", whole = shown() === "whole";
  $("#map").hidden = !isMap;
  if (isMap) $("#map").src = `photographs/${photo.photo}/map?${result.count}`;
  compare.hidden = isMap || (whole ? !result : !crop);
  $(".empty", restoring.panel).hidden = isMap || !compare.hidden;
  if (compare.hidden) return;
  const [width, height] = whole ? [photo.width, photo.height] : [crop.width, crop.height];
  compare.style.aspectRatio = `${width} / ${height}`;
  compare.style.maxWidth = whole ? `min(100%, ${(70 * width) / height}vh)` : "36rem";
  before.src = whole ? `photographs/${photo.photo}/before` : crop.before;
  after.src = whole ? `photographs/${photo.photo}/after?${result.count}` : crop.after;
  // A crop is restored fully; a weaker restoring is a blend of both, here as there.
  after.style.opacity = whole ? 1 : strength.value;
  const made = whole ? result.strength : +strength.value;
  $("#restore-of").textContent = described(photo) + (whole ? `, strength ${made}` : `: ${crop.seen}`);
}
const previewCrop = newest(async () => {
  if (!restoring.photo || !$("#run")) return;
  const stage = $("#restore-stage"), { photo } = restoring;
  stage.classList.add("busy");
  try {
    const place = { across: $("#across").value / 100, down: $("#down").value / 100 };
    const told = await post("restore/preview", { photo: photo.photo, run: $("#run").value, detail: share(detail), ...place });
    const [top, bottom, left, right] = told.box, frame = $(".finder span").style;
    $(".finder span").hidden = false;
    [frame.top, frame.left] = [`${100 * top}%`, `${100 * left}%`];
    [frame.height, frame.width] = [`${100 * (bottom - top)}%`, `${100 * (right - left)}%`];
    restoring.crop = { ...told, width: (right - left) * photo.width, height: (bottom - top) * photo.height };
  } catch (error) {
    restoring.crop = null;
    throw error;
  } finally { showRestored(); stage.classList.remove("busy"); }
});
takes(restoring.panel, async (photo) => {
  Object.assign(restoring, { photo, crop: null, result: null });
  $("#restore-of").textContent = described(photo);
  $("#finder").src = `photographs/${photo.photo}/before`;
  $("#crop").hidden = $(".shown").hidden = !$("#run");
  allow();
  $("#download").hidden = true;
  for (const each of all("input[name=shown]")) each.disabled = each.value !== "crop";
  $("input[name=shown][value=crop]").checked = true;
  await previewCrop();
});
for (const id of ["across", "down", "run", "detail"]) $("#" + id)?.addEventListener("input", previewCrop);
function allowDetail() {  // of a run that has its network of before the adversarial term, too
  const both = $("#run")?.selectedOptions[0]?.dataset.both !== undefined;
  if (!both) detail.value = $("[data-of=detail]").value = 1;
  detail.disabled = $("[data-of=detail]").disabled = !both;
  $("#no-detail").hidden = both;
}
$("#run")?.addEventListener("input", allowDetail, true);
allowDetail();
$(".finder").addEventListener("click", (event) => {
  const box = $("#finder").getBoundingClientRect();
  $("#across").value = (100 * (event.clientX - box.left)) / box.width;
  $("#down").value = (100 * (event.clientY - box.top)) / box.height;
  previewCrop();
});
for (const each of all("input[name=shown]")) each.addEventListener("change", showRestored);
for (const each of [strength, detail]) each.addEventListener("input", () => {
  if (restoring.photo) showRestored();
  if (restoring.result) noteStrength();
});
function noteStrength() {
  const { strength: made, detail: kept, file } = restoring.result;
  const other = +strength.value === made && +detail.value === kept ? "" : "; restore again for what is set now";
  $("#download small").textContent = `${file}, strength ${made}, detail ${kept}${other}`;
}
$("#restore form").addEventListener("submit", (event) => event.preventDefault());
$("#restore-start").addEventListener("click", () => start("restore/start", {
  photo: restoring.photo.photo, run: $("#run").value, strength: share(strength), detail: share(detail),
}));
function restored(result) {
  if (restoring.photo?.photo !== result.photo) return;
  restoring.result = { ...result, count: Date.now() };
  for (const each of all("input[name=shown]")) each.disabled = each.value === "map" && !result.map;
  $("input[name=shown][value=whole]").checked = true;
  const link = $("#download a");
  link.href = `photographs/${result.photo}/result`;
  $("#download").hidden = false;
  noteStrength();
  showRestored();
  if (!restoring.crop) previewCrop();
}

// The one command that runs beside the page.
let announced = "", busy = false;
function allow(running = busy) {
  busy = running;
  $("#blur-start").disabled = busy || !$("#blur-start").value;
  $("#restore-start").disabled = busy || !restoring.photo || !$("#run");
}
function showJob(told) {
  for (const each of all(".job")) each.hidden = true;
  const running = told.state === "running";
  allow(running);
  if (told.state === "none") return;
  const box = $(`#${told.target}-job`), bar = $("progress", box);
  box.hidden = false;
  if (told.target === "deblur") $("#restore-command").textContent = told.command;
  if (told.percent === null && running) bar.removeAttribute("value"); else bar.value = told.state === "done" ? 100 : told.percent ?? 0;
  $(".bar", box).hidden = !running;
  $(".at", box).textContent = told.at;
  $(".lines", box).textContent = [told.command, ...told.lines].join("\n");
  const quarter = told.percent === null ? "" : `, ${25 * Math.floor(told.percent / 25)} %`;
  const words = {
    running: `running${quarter}`,
    done: `done: ${told.result?.folder ?? told.result?.file}`,
    failed: `failed: ${told.error}`,
    cancelled: "cancelled; the same command goes on from here",
  };
  // Said anew only when it changes, so that a screen reader is not talked to twice a second.
  if (announced !== words[told.state]) $(".state", box).textContent = announced = words[told.state];
}
let polls = false;
async function poll() {
  if (polls) return;
  polls = true;
  try {
    for (;;) {
      const told = await (await fetch("job")).json();
      showJob(told);
      if (told.state !== "running") {
        if (told.state === "done" && told.target === "deblur") restored(told.result);
        break;
      }
      await new Promise((done) => setTimeout(done, 400));
    }
  } catch (error) { tell(error); }
  polls = false;
}
async function start(address, content) {
  try { showJob(await post(address, content)); await poll(); } catch (error) { tell(error); }
}
for (const each of all(".cancel")) each.addEventListener("click", async () => {
  each.disabled = true;
  try { showJob(await post("job/cancel", {})); } catch (error) { tell(error); }
  each.disabled = false;
});
poll();
previewBlur();
