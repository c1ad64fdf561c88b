// The whole photograph on a canvas: zoom, pan, before and after, and the mask that is painted on it.
import { $, on, picture } from "./common.js";

const canvas = $("#view"), screen = canvas.getContext("2d"), divider = $("#divider");
const after = document.createElement("canvas").getContext("2d");
const INK = "#35c46f", MASK_PX = 1600, NEAR_PX = 14, STEP_PX = 80;
// Of the view: `scale` is pixels of the screen for one of the photograph, x and y where its corner is.
export const view = { photo: null, scale: 1, x: 0, y: 0, strength: 1, isFit: true, places: new Map() };
let isHeld = false, brush = null;

const most = () => Math.max(4 * devicePixelRatio, fitScale());
const fitScale = () => Math.min(canvas.width / view.photo.width, canvas.height / view.photo.height);
export const draw = (() => {
  let asked = false;
  return () => { if (!asked) { asked = true; requestAnimationFrame(() => { asked = false; paint(); }); } };
})();
function onPhotograph(context) {
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.globalCompositeOperation = "source-over";
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.setTransform(view.scale, 0, 0, view.scale, view.x, view.y);
  context.imageSmoothingEnabled = view.scale < 2 * devicePixelRatio;
  context.imageSmoothingQuality = "high";
}
function paint() {
  const { photo, places, mask } = view;
  onPhotograph(screen);
  if (!photo) return;
  const { width, height } = photo;
  if (view.whole) screen.drawImage(view.whole, 0, 0, width, height);
  const shown = [...places.values()].filter((place) => place.before);
  for (const place of shown) screen.drawImage(place.before, place.left, place.top);
  if (!isHeld && !$("#show-before").checked) {
    onPhotograph(after);
    for (const place of shown) after.drawImage(place.after, place.left, place.top);
    if (mask) { after.globalCompositeOperation = "destination-in"; after.drawImage(mask.canvas, 0, 0, width, height); }
    const at = divider.value * canvas.width / 100;
    screen.save();
    screen.resetTransform();
    screen.globalAlpha = view.strength;
    if (canvas.width - at > 0) screen.drawImage(after.canvas, at, 0, canvas.width - at, canvas.height, at, 0, canvas.width - at, canvas.height);
    screen.restore();
  }
  if (brush && mask) { screen.globalAlpha = 0.4; screen.drawImage(mask.canvas, 0, 0, width, height); screen.globalAlpha = 1; }
  if ($("#show-map").checked && view.map) {
    screen.globalAlpha = 0.65;
    screen.imageSmoothingEnabled = true;
    screen.drawImage(view.map, 0, 0, width, height);
    screen.globalAlpha = 1;
  }
  $("#stage").style.setProperty("--at", divider.value + "%");
}

// Where the view is.
function hold() {  // the photograph never leaves the stage
  for (const [at, side, length] of [["x", canvas.width, view.photo.width], ["y", canvas.height, view.photo.height]]) {
    const free = side - length * view.scale;
    view[at] = free > 0 ? free / 2 : Math.min(0, Math.max(free, view[at]));
  }
  $("#zoom").textContent = `${Math.round((100 * view.scale) / devicePixelRatio)} %`;
  draw();
  dispatchEvent(new Event("moved"));
}
export function zoomTo(scale, x = canvas.width / 2, y = canvas.height / 2) {
  if (!view.photo) return;
  const to = Math.min(most(), Math.max(fitScale(), scale)), by = to / view.scale;
  [view.x, view.y, view.scale, view.isFit] = [x - (x - view.x) * by, y - (y - view.y) * by, to, to === fitScale()];
  hold();
}
function move(right, down) { view.x += right; view.y += down; hold(); }
export function fit() { if (view.photo) { view.isFit = true; zoomTo(0); } }
new ResizeObserver(() => {
  const box = canvas.getBoundingClientRect();
  if (!box.width) return;
  [canvas.width, canvas.height] = [box.width * devicePixelRatio, box.height * devicePixelRatio].map(Math.round);
  [after.canvas.width, after.canvas.height] = [canvas.width, canvas.height];
  if (view.photo) if (view.isFit) fit(); else zoomTo(view.scale);
}).observe(canvas);
// The middle of what is seen, and its box, in pixels of the photograph.
export function looked() {
  const [left, top] = [-view.x / view.scale, -view.y / view.scale];
  const [right, bottom] = [left + canvas.width / view.scale, top + canvas.height / view.scale];
  return { left, top, right, bottom, x: (left + right) / 2, y: (top + bottom) / 2 };
}
export async function show(photo, settings) {
  Object.assign(view, { photo, whole: null, map: null, mask: settings.mask ?? null, places: new Map(), isFit: true });
  fit();
  const whole = await picture(`photographs/${photo.photo}/before`);
  if (view.photo === photo) { view.whole = whole; draw(); }
}

// Mouse, finger and pen: one pans, moves the divider or paints; two zoom.
const fingers = new Map();
let drags = "";
const pointOf = (event) => {
  const box = canvas.getBoundingClientRect();
  return { x: (event.clientX - box.left) * devicePixelRatio, y: (event.clientY - box.top) * devicePixelRatio };
};
canvas.addEventListener("pointerdown", (event) => {
  if (!view.photo) return;
  canvas.setPointerCapture(event.pointerId);
  const at = pointOf(event);
  fingers.set(event.pointerId, at);
  if (fingers.size === 1) {
    const away = Math.abs(at.x - divider.value * canvas.width / 100);
    drags = brush ? "brush" : away < NEAR_PX * devicePixelRatio ? "divider" : "pan";
    if (drags === "brush") stroke(at, at);
  } else drags = "zoom";
});
canvas.addEventListener("pointermove", (event) => {
  const before = fingers.get(event.pointerId), at = pointOf(event);
  if (!before) {
    const away = Math.abs(at.x - divider.value * canvas.width / 100);
    canvas.style.cursor = brush ? "crosshair" : away < NEAR_PX * devicePixelRatio ? "ew-resize" : "grab";
    return;
  }
  const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
  fingers.set(event.pointerId, at);
  if (drags === "zoom" && other) {
    const far = (a, b) => Math.hypot(a.x - b.x, a.y - b.y) || 1;
    zoomTo((view.scale * far(at, other)) / far(before, other), other.x, other.y);
  } else if (drags === "brush") stroke(before, at);
  else if (drags === "divider") { divider.value = (100 * at.x) / canvas.width; draw(); }
  else if (drags === "pan") move(at.x - before.x, at.y - before.y);
});
on("#view", "pointerup pointercancel", (event) => {
  if (!fingers.delete(event.pointerId)) return;
  if (drags === "brush") canvas.dispatchEvent(new Event("painted"));
  if (drags !== "zoom" || !fingers.size) drags = "";
});
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const { x, y } = pointOf(event);
  zoomTo(view.scale * Math.exp(-event.deltaY / 400), x, y);
}, { passive: false });
canvas.addEventListener("dblclick", (event) => {
  const { x, y } = pointOf(event);
  if (!brush) if (view.isFit) zoomTo(devicePixelRatio, x, y); else fit();
});
canvas.addEventListener("keydown", (event) => {
  const step = STEP_PX * devicePixelRatio;
  const keys = {
    ArrowLeft: () => move(step, 0), ArrowRight: () => move(-step, 0), ArrowUp: () => move(0, step), ArrowDown: () => move(0, -step),
    "+": () => zoomTo(view.scale * 1.25), "=": () => zoomTo(view.scale * 1.25), "-": () => zoomTo(view.scale / 1.25),
    0: fit, 1: () => zoomTo(devicePixelRatio), 2: () => zoomTo(2 * devicePixelRatio), " ": () => { isHeld = true; draw(); },
  };
  if (!view.photo || !keys[event.key] || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  keys[event.key]();
});
const release = () => { if (isHeld) { isHeld = false; draw(); } };
on("#view", "keyup blur", release);
on("[data-zoom]", "click", ({ target }) => zoomTo(target.dataset.zoom * devicePixelRatio));
on("#show-map, #show-before, #divider", "input", draw);

// The mask: opaque where to restore. A brush adds to it, or takes away.
export async function newMask(photo, from) {
  const by = Math.min(1, MASK_PX / Math.max(photo.width, photo.height));
  const mask = document.createElement("canvas").getContext("2d");
  [mask.canvas.width, mask.canvas.height] = [photo.width, photo.height].map((side) => Math.max(1, Math.round(side * by)));
  const { width, height } = mask.canvas;
  if (from === "all") { mask.fillStyle = INK; mask.fillRect(0, 0, width, height); }
  else if (from !== "none") {  // white on black, to ink on nothing
    mask.drawImage(await picture(from), 0, 0, width, height);
    const image = mask.getImageData(0, 0, width, height), { data } = image;
    for (let at = 0; at < data.length; at += 4) data[at + 3] = data[at];
    mask.putImageData(image, 0, 0);
    colored(mask, INK);
  }
  return mask;
}
function colored(context, color) {
  context.globalCompositeOperation = "source-in";
  context.fillStyle = color;
  context.fillRect(0, 0, context.canvas.width, context.canvas.height);
}
export const setBrush = (name) => { brush = name; draw(); };
function stroke(from, to) {
  const { mask } = view, by = mask.canvas.width / view.photo.width / view.scale;
  const size = $("#brush-size").value * devicePixelRatio * by, soft = $("#brush-soft").checked;
  mask.globalCompositeOperation = brush === "keep" ? "destination-out" : "source-over";
  const steps = Math.ceil((Math.hypot(to.x - from.x, to.y - from.y) * by) / (size / 4)) || 1;
  for (let step = 1; step <= steps; step += 1) {
    const [x, y] = ["x", "y"].map((at) => (from[at] + ((to[at] - from[at]) * step) / steps - view[at]) * by);
    const ink = mask.createRadialGradient(x, y, 0, x, y, size / 2);
    ink.addColorStop(soft ? 0 : 0.95, soft ? INK + "50" : INK);
    ink.addColorStop(1, INK + "00");
    mask.fillStyle = ink;
    mask.fillRect(x - size / 2, y - size / 2, size, size);
  }
  draw();
}
export function maskFile(mask) {
  const flat = document.createElement("canvas").getContext("2d");
  [flat.canvas.width, flat.canvas.height] = [mask.canvas.width, mask.canvas.height];
  flat.drawImage(mask.canvas, 0, 0);
  colored(flat, "#fff");
  flat.globalCompositeOperation = "destination-over";
  flat.fillStyle = "#000";
  flat.fillRect(0, 0, flat.canvas.width, flat.canvas.height);
  return new Promise((done) => { flat.canvas.toBlob(done, "image/png"); });
}
