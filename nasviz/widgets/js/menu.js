// A <details> that behaves as a menu: Escape or a press elsewhere closes it.

export function closesLikeAMenu(menu, summary) {
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menu.open = false;
    summary.focus();
  });
  const closeMenu = (event) => {
    if (menu.open && !menu.contains(event.target)) menu.open = false;
  };
  document.addEventListener("pointerdown", closeMenu);
  return () => document.removeEventListener("pointerdown", closeMenu);
}
