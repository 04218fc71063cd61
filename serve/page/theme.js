/* Dark or light: as the system says, until somebody chooses. Runs before the first paint. */
(() => {
  const root = document.documentElement;
  const read = () => {
    try {
      return localStorage.getItem("somnolens-theme");
    } catch {
      return null; // storage may be closed to the page
    }
  };
  const chosen = read();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
})();
