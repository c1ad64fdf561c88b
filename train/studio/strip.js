// The photographs: dropped anywhere, chosen or pasted, one or many; a strip of them, and the one looked at.
import { $, all, post, tell } from "./common.js";

export const photographs = { list: [], current: null };
const uses = [], list = $("#strip");
export const onChosen = (use) => uses.push(use);

export function add(photo, isChosen) {
  const item = document.createElement("li");
  item.innerHTML = '<button type="button" class="one"><img alt=""><small></small></button><button type="button" class="gone" title="remove">×</button>';
  $("img", item).src = photo.small;
  $(".one", item).title = $(".one", item).ariaLabel = photo.name;
  $(".gone", item).ariaLabel = `remove ${photo.name}`;
  $(".one", item).addEventListener("click", () => choose(photo));
  $(".gone", item).addEventListener("click", async () => {
    try { await post(`photographs/${photo.photo}/remove`, {}); } catch (error) { tell(error); }
    item.remove();
    photographs.list = photographs.list.filter((each) => each !== photo);
    if (photographs.current === photo) choose(photographs.list[0] ?? null); else showCount();
  });
  photo.item = item;
  photographs.list.push(photo);
  list.append(item);
  if (photo.result) mark(photo, "restored");
  if (isChosen || !photographs.current) choose(photo); else showCount();
}
export function mark(photo, text) {
  $("small", photo.item).textContent = text;
  $(".one", photo.item).ariaLabel = `${photo.name}, ${text}`;
}
function showCount() {
  list.hidden = !photographs.list.length;
  dispatchEvent(new Event("counted"));
}
export function choose(photo) {
  photographs.current = photo;
  for (const each of photographs.list) $(".one", each.item).setAttribute("aria-pressed", each === photo);
  if (photo) sessionStorage.setItem("photo", photo.photo);
  showCount();
  for (const use of uses) use(photo);
}
async function take(files) {
  const most = +$("meta[name=most-bytes]").content, failed = [];
  let isFirst = true, done = 0;
  for (const file of files) {
    $("#taking").textContent = files.length > 1 ? `reading ${(done += 1)} of ${files.length}` : "reading";
    try {
      if (file.size > most) throw new Error(`${file.name} is too large for the page; restore it with make deblur`);
      add(await post("photographs?name=" + encodeURIComponent(file.name), file), isFirst);
      isFirst = false;
    } catch (error) { failed.push(error); if (error instanceof TypeError) break; }
  }
  $("#taking").textContent = "";
  if (failed.length > 1) failed[0].message = `${failed.length} of ${files.length} are not taken; the first: ${failed[0].message}`;
  if (failed.length) tell(failed[0]);
}
// Files of folders, too; what is no photograph is passed over there.
const isPhotograph = (file) => /\.(png|jpe?g|jpe|jfif|webp|bmp|tiff?|hei[cf]|avif|gif)$/i.test(file.name) && !file.name.startsWith(".");
async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((done, fail) => { entry.file(done, fail); })];
  const reader = entry.createReader(), found = [];
  for (;;) {
    const some = await new Promise((done, fail) => { reader.readEntries(done, fail); });
    if (!some.length) break;
    for (const each of some) if (each.isFile) found.push(...await filesOf(each));
  }
  return found.filter(isPhotograph).sort((a, b) => a.name.localeCompare(b.name));
}
for (const input of all(".drop input")) input.addEventListener("change", () => {
  const files = [...input.files];
  input.value = "";
  const isDirect = (file) => file.webkitRelativePath.split("/").length === 2;  // as make deblur takes a folder
  take(input.webkitdirectory ? files.filter((file) => isPhotograph(file) && isDirect(file)) : files);
});
const over = (event, is) => { event.preventDefault(); $("#photographs").classList.toggle("over", is); };
addEventListener("dragover", (event) => over(event, true));
addEventListener("dragleave", (event) => over(event, false));
addEventListener("drop", async (event) => {
  over(event, false);
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  try { await take(entries.length ? (await Promise.all(entries.map(filesOf))).flat() : [...event.dataTransfer.files]); } catch (error) { tell(error); }
});
addEventListener("paste", (event) => { if (event.clipboardData.files.length) take([...event.clipboardData.files]); });
// What was there before a reload, once all parts listen.
export function begin() {
  const chosen = sessionStorage.getItem("photo"), kept = JSON.parse($("#kept").textContent);
  for (const photo of kept) add(photo, photo.photo === chosen);
  if (!kept.length) showCount();
}
