"use strict";
// Column headers become buttons that sort the rows of each group of a table, and each table of the
// report has a button that copies it, with caption and notes, for a word processor or a spreadsheet.
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

  const bare = (element) => {
    const copy = element.cloneNode(true);
    for (const button of copy.querySelectorAll("button")) button.replaceWith(...button.childNodes);
    for (const part of [copy, ...copy.querySelectorAll("*")]) {
      for (const { name } of Array.from(part.attributes)) {
        if (name !== "colspan") part.removeAttribute(name);
      }
    }
    return copy;
  };

  const asText = (cell) => cell.innerText.replace(/\s*\n\s*/g, " ").trim();

  const copy = (figure) => {
    const table = figure.querySelector("table");
    const words = Array.from(figure.querySelectorAll("caption, .notes p"), (part) => bare(part));
    const [caption, ...notes] = words.map((part) => `<p>${part.innerHTML}</p>`);
    const cells = bare(table);
    cells.querySelector("caption").remove();
    // Headers of rows would be pasted bold, as bold as the better arm.
    for (const header of cells.querySelectorAll("tbody th")) {
      const cell = document.createElement("td");
      cell.colSpan = header.colSpan;
      cell.append(...header.childNodes);
      header.replaceWith(cell);
    }
    const html = caption + cells.outerHTML + notes.join("");
    const text = Array.from(table.rows, (row) => Array.from(row.cells, asText).join("\t")).join("\n");
    // The clipboard of a page from disk is only open to an event of copying, not to a promise.
    const fill = (event) => {
      event.clipboardData.setData("text/html", html);
      event.clipboardData.setData("text/plain", text);
      event.preventDefault();
    };
    document.addEventListener("copy", fill);
    const done = document.execCommand("copy");
    document.removeEventListener("copy", fill);
    announcement.textContent = done ? "Table copied." : "The browser did not allow copying.";
    return done;
  };

  for (const figure of document.querySelectorAll("figure.table")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy table";
    figure.querySelector(".scroll").after(button);
    button.addEventListener("click", () => {
      button.textContent = copy(figure) ? "Table copied" : "Not copied";
    });
  }
})();
