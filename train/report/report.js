"use strict";
// Sliders: an invisible range input over each pair answers to mouse, touch and keyboard alike.
for (const input of document.querySelectorAll(".slider input")) {
  const show = () => input.parentElement.style.setProperty("--at", input.value + "%");
  input.addEventListener("input", show);
  show();
}
for (const input of document.querySelectorAll("input[name=left]")) {
  input.addEventListener("change", () => {
    document.body.dataset.left = input.value;
    for (const label of document.querySelectorAll(".label.left")) label.textContent = input.value;
  });
}
// Tables: a click on a heading sorts by its column, a second click the other way round.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  const value = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent;
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const descending = heading.getAttribute("aria-sort") !== "descending";
      const sign = descending ? -1 : 1;
      const rows = [...table.tBodies[0].rows];
      const compare = (a, b) => a.localeCompare(b, undefined, { numeric: true });
      const number = heading.dataset.kind === "number";
      rows.sort((a, b) => sign * (number
        ? value(a, column) - value(b, column)
        : compare(value(a, column), value(b, column))));
      table.tBodies[0].append(...rows);
      for (const each of headings) each.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    });
  });
}
