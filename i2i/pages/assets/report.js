// The rest of a report: its recipe can be copied.

const copy = document.getElementById("copy");

copy?.addEventListener("click", async () => {
  const recipe = document.querySelector("#recipe pre");
  let done = true;
  try {
    await navigator.clipboard.writeText(recipe.textContent);
  } catch {
    getSelection().selectAllChildren(recipe); // a browser that keeps its clipboard from files
    done = document.execCommand("copy");
  }
  copy.textContent = done ? "Copied" : "Selected: press Ctrl+C";
  setTimeout(() => (copy.textContent = "Copy"), 2000);
});
