// @ts-check
import { empty, linkButton } from "../components/basics.js";
import { fill } from "../dom.js";

/** @type {import("../types.js").View} */
export const view = {
  title: "Not found",
  mount(root) {
    fill(
      root,
      empty(
        "Nothing is here",
        `There is no page at ${location.pathname}.`,
        linkButton("To the deployments", "/ui/"),
      ),
    );
    return () => {};
  },
};
