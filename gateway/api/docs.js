"use strict";
// Renders openapi.json. Everything is put in as text, so nothing of the document can become markup.
(() => {
  const page = document.getElementById("page");
  const METHODS = ["get", "put", "post", "delete"];

  function element(name, content, className) {
    const made = document.createElement(name);
    if (className) made.className = className;
    made.append(...[content ?? []].flat());
    return made;
  }

  function named(schema) {
    return schema && schema.$ref ? schema.$ref.split("/").pop() : "";
  }

  function schemaBlock(schema) {
    const name = named(schema);
    if (name) {
      const link = element("a", name);
      link.href = `#schema-${name}`;
      return link;
    }
    return element("code", JSON.stringify(schema));
  }

  function row(...cells) {
    return element("tr", cells.map((cell) => element("td", cell)));
  }

  function content(part) {
    const json = part.content && part.content["application/json"];
    return json ? schemaBlock(json.schema) : Object.keys(part.content ?? {}).join(", ");
  }

  function operation(path, method, told) {
    const inside = element("div", [], "inside");
    const needs = (told.security ?? []).flatMap((each) => Object.keys(each)).join(", ");
    inside.append(element("p", needs ? `Needs: ${needs}` : "Open to everybody", "quiet"));
    const rows = (told.parameters ?? []).map((each) => row(
      element("code", each.name), `in ${each.in}${each.required ? ", required" : ""}`, each.description ?? "",
    ));
    if (told.requestBody) rows.push(row(element("code", "body"), "", content(told.requestBody)));
    if (rows.length) inside.append(element("table", rows));
    inside.append(element("h4", "Answers"));
    inside.append(element("table", Object.entries(told.responses).map(
      ([status, answer]) => row(element("code", status), answer.description, content(answer)),
    )));
    return element("details", [
      element("summary", [
        element("span", method.toUpperCase(), `method ${method}`), element("code", path),
        element("span", told.summary, "quiet"),
      ]),
      inside,
    ]);
  }

  function render(api) {
    document.title = `${api.info.title} API`;
    page.replaceChildren(
      element("h1", `${api.info.title} ${api.info.version}`), element("p", api.info.description),
    );
    for (const tag of api.tags) {
      page.append(element("h2", tag.name), element("p", tag.description, "quiet"));
      for (const [path, methods] of Object.entries(api.paths)) {
        for (const method of METHODS) {
          const told = methods[method];
          if (told && told.tags.includes(tag.name)) page.append(operation(path, method, told));
        }
      }
    }
    page.append(element("h2", "Schemas"));
    for (const [name, schema] of Object.entries(api.components.schemas)) {
      const block = element("details", [
        element("summary", element("code", name)),
        element("div", element("pre", JSON.stringify(schema, null, 2)), "inside"),
      ]);
      block.id = `schema-${name}`;
      page.append(block);
    }
  }

  addEventListener("hashchange", () => {
    const block = document.getElementById(location.hash.slice(1));
    if (block && block.tagName === "DETAILS") block.open = true;
  });
  fetch("openapi.json").then((answer) => answer.json()).then(render).catch((error) => {
    page.replaceChildren(element("p", `openapi.json cannot be read: ${error.message}`));
  });
})();
