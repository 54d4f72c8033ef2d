"use strict";
// Column headers become buttons that sort the rows of each group of a table.
(() => {
  const announcement = document.getElementById("announcement");
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  const value = (row, column) => {
    const cell = row.cells[column];
    const key = cell.dataset.key;
    return { number: key === undefined ? NaN : Number(key), text: cell.textContent.trim() };
  };

  // Numbers before words, and what is missing last, whatever the direction.
  const compare = (a, b, sign) => {
    const numbers = [a, b].map((v) => !Number.isNaN(v.number));
    if (numbers[0] && numbers[1]) return sign * (a.number - b.number);
    if (numbers[0] !== numbers[1]) return numbers[0] ? -1 : 1;
    const empty = [a, b].map((v) => v.text === "" || v.text === "–");
    if (empty[0] !== empty[1]) return empty[0] ? 1 : -1;
    return sign * collator.compare(a.text, b.text);
  };

  const sort = (table, header, column) => {
    const direction = header.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    const sign = direction === "ascending" ? 1 : -1;
    for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", direction);
    for (const body of table.tBodies) {
      const rows = Array.from(body.rows).filter((row) => !row.classList.contains("panel"));
      rows
        .map((row, place) => ({ row, place, value: value(row, column) }))
        .sort((a, b) => compare(a.value, b.value, sign) || a.place - b.place)
        .forEach(({ row }) => body.append(row));
    }
    announcement.textContent = `Sorted by ${header.textContent.trim()}, ${direction}.`;
  };

  for (const table of document.querySelectorAll("table[data-sortable]")) {
    const last = table.tHead.rows[table.tHead.rows.length - 1];
    Array.from(last.cells).forEach((header, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      header.append(button);
      button.addEventListener("click", () => sort(table, header, column));
    });
  }
})();
