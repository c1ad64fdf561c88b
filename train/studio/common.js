// What all parts of the page share: requests, what is wrong, tabs, numbers with their sliders.
export const $ = (selector, within = document) => within.querySelector(selector);
export const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const problem = $("#problem");

export async function post(address, content) {
  const isFile = content instanceof Blob;
  const answer = await fetch(address, {
    method: "POST",
    headers: { "X-Studio-Token": $("meta[name=token]").content, "Content-Type": isFile ? "application/octet-stream" : "application/json" },
    body: isFile ? content : JSON.stringify(content),
  });
  const told = await answer.json();
  const [of] = address.split("?");
  if (!answer.ok) throw Object.assign(new Error(told.error), { of });
  if (problem.dataset.of === of) problem.textContent = "";
  return told;
}
// What is wrong is said in one place, until the same goes well; a server that has ended answers nothing.
export const tell = (error) => {
  problem.dataset.of = error.of ?? "";
  problem.textContent = error instanceof TypeError && /fetch/i.test(error.message) ? "the studio does not answer; is `make studio` still running?" : error.message;
};
// One request at a time, and of those that wait only the newest: a slider asks for more than can be made.
export function newest(step) {
  let running = false, waits = false;
  return async function ask() {
    if (running) { waits = true; return; }
    running = true;
    do { waits = false; try { await step(); } catch (error) { tell(error); } } while (waits);
    running = false;
  };
}
export async function picture(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}
export const on = (selector, names, listen) => {
  const heard = async (event) => { try { await listen(event); } catch (error) { tell(error); } };
  for (const each of all(selector)) for (const name of names.split(" ")) each.addEventListener(name, heard);
};

// Tabs, as the ARIA practices have them: arrows move, the address remembers.
const tabs = all("[role=tab]");
export function choose(name) {
  for (const tab of tabs) {
    const panel = tab.getAttribute("aria-controls"), chosen = panel === name;
    tab.setAttribute("aria-selected", chosen);
    tab.tabIndex = chosen ? 0 : -1;
    $("#" + panel).hidden = !chosen;
  }
  $("#photographs").hidden = name === "runs";
  history.replaceState(null, "", "#" + name);
  dispatchEvent(new Event("chosen"));
}
tabs.forEach((tab, index) => {
  tab.addEventListener("click", () => choose(tab.getAttribute("aria-controls")));
  tab.addEventListener("keydown", (event) => {
    const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const other = tabs.at(to % tabs.length);
    choose(other.getAttribute("aria-controls"));
    other.focus();
  });
});
on("[data-copy]", "click", async ({ target }) => {
  await navigator.clipboard.writeText(document.getElementById(target.dataset.copy).textContent);
  target.textContent = "Copied";
  setTimeout(() => { target.textContent = "Copy"; }, 1500);
});
on("form", "submit", (event) => event.preventDefault());

// A number and its slider say the same.
for (const slider of all("input[data-of]")) {
  const number = document.getElementById(slider.dataset.of);
  slider.addEventListener("input", () => { number.value = slider.value; number.dispatchEvent(new Event("input", { bubbles: true })); });
  number.addEventListener("input", () => { slider.value = number.value; });
}
