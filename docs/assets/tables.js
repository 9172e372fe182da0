// Tables of the catalog: a click on a heading sorts, a field above filters all tables of the page.
(() => {
  const value = (row, column) => {
    const text = row.cells[column].textContent.trim();
    const number = parseFloat(text.replace(/[,%<>]/g, ""));
    return /^[<>]?[\d,.]+%?$/.test(text) ? number : text.toLowerCase();
  };

  const sorted = (table, column, down) => {
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [value(a, column), value(b, column)];
      return (x > y ? 1 : x < y ? -1 : 0) * (down ? -1 : 1);
    });
    rows.forEach((row) => body.append(row));
  };

  const sortable = (table) => {
    [...table.tHead.rows[0].cells].forEach((cell, column) => {
      const button = document.createElement("button");
      button.className = "sort";
      button.append(...cell.childNodes);
      cell.append(button);
      button.addEventListener("click", () => {
        const down = cell.getAttribute("aria-sort") === "ascending";
        table.querySelectorAll("th").forEach((th) => th.removeAttribute("aria-sort"));
        cell.setAttribute("aria-sort", down ? "descending" : "ascending");
        sorted(table, column, down);
      });
    });
  };

  const filtered = (tables, wanted) => {
    const parts = wanted.toLowerCase().split(/\s+/).filter(Boolean);
    for (const table of tables) {
      let left = 0;
      for (const row of table.tBodies[0].rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !parts.every((part) => text.includes(part));
        left += row.hidden ? 0 : 1;
      }
      const frame = table.closest(".md-typeset__scrollwrap") ?? table;
      frame.hidden = !left;
    }
  };

  document.addEventListener("DOMContentLoaded", () => {
    const first = document.querySelector("article th")?.textContent.trim();
    if (first !== "architecture") return;
    const tables = [...document.querySelectorAll("article table")];
    tables.forEach(sortable);
    const field = document.createElement("input");
    field.type = "search";
    field.className = "filter";
    field.placeholder = "Filter by name, group, certificate: SO(n) complete";
    field.setAttribute("aria-label", field.placeholder);
    field.addEventListener("input", () => filtered(tables, field.value));
    document.querySelector("article h2")?.before(field);
  });
})();
