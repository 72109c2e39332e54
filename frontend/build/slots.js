// Makes the classes of the calendar (fd-at-0 … fd-at-95, fd-for-1 … fd-for-96): quarters of an hour as grid rows.
// A page may not carry style attributes, so the positions have to be classes.
const ID = "virtual:slots.css";
const QUARTERS = 96;

export function slots() {
  return {
    name: "slots",
    resolveId: (id) => (id === ID ? `\0${ID}` : undefined),
    load(id) {
      if (id !== `\0${ID}`) return undefined;
      const rules = [];
      for (let quarter = 0; quarter < QUARTERS; quarter += 1) {
        rules.push(`.fd-at-${quarter}{--at:${quarter}}`, `.fd-for-${quarter + 1}{--for:${quarter + 1}}`);
      }
      return rules.join("");
    },
  };
}
