/* The launcher's tile "nasviz", written by hand as the module-federation container that JupyterLab
 * loads: no Node and no build step. JupyterLab calls `init` with its shared modules, then
 * `get("./extension")`. */
(() => {
  const NOTEBOOK = "00_explorer.ipynb";
  const ROOMY = 1600; // pixels: in a narrower window the file list takes room from the explorer
  const COMMAND = "nasviz:open-explorer";
  const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 52 52" width="52" height="52">
    <rect x="8" y="36" width="36" height="8" rx="3" fill="#56b4e9"/>
    <rect x="8" y="26" width="16" height="7" rx="2" fill="#0072b2"/>
    <rect x="27" y="26" width="17" height="7" rx="2" fill="#009e73"/>
    <rect x="8" y="16" width="16" height="7" rx="2" fill="#0072b2"/>
    <rect x="27" y="16" width="17" height="7" rx="2" fill="#009e73"/>
    <rect x="16" y="7" width="20" height="6" rx="2.5" fill="#d55e00"/></svg>`;

  let shared = {};

  async function sharedModule(name) {
    const versions = shared[name];
    if (!versions) throw new Error(`nasviz: JupyterLab does not share ${name}`);
    const factory = await Object.values(versions)[0].get();
    return factory();
  }

  async function freePath(contents, folder) {
    for (let copy = 0; ; copy++) {
      const name = copy ? NOTEBOOK.replace(".ipynb", `-${copy}.ipynb`) : NOTEBOOK;
      const path = folder ? `${folder}/${name}` : name;
      try {
        await contents.get(path, { content: false });
      } catch (error) {
        if (error.response?.status === 404) return path;
        throw error;
      }
    }
  }

  async function shippedNotebook(PageConfig) {
    const base = PageConfig.getOption("fullLabextensionsUrl");
    const answer = await fetch(`${base}/nasviz/static/${NOTEBOOK}`);
    if (!answer.ok) throw new Error(`nasviz: ${NOTEBOOK} could not be read (${answer.status})`);
    return answer.json();
  }

  async function openExplorer(app, PageConfig, folder) {
    const content = await shippedNotebook(PageConfig);
    const contents = app.serviceManager.contents;
    const path = await freePath(contents, folder);
    await contents.save(path, { type: "notebook", format: "json", content });
    return app.commands.execute("docmanager:open", { path });
  }

  /* Runs the explorer's cell of a notebook just opened, so that nobody has to know Shift+Enter.
   * Only a cell whose text is, letter for letter, the shipped one: no foreign code runs unasked. */
  async function runExplorerCell(app, panel, NotebookActions, PageConfig) {
    if (!panel.context.path.split("/").pop().startsWith("00_explorer")) return;
    await Promise.all([panel.context.ready, panel.sessionContext.ready]);
    const shipped = (await shippedNotebook(PageConfig)).cells.find((cell) => cell.cell_type === "code");
    const source = [].concat(shipped.source).join("");
    const cell = panel.content.widgets.find(
      ({ model }) => model.type === "code" && model.sharedModel.getSource() === source
    );
    if (!cell || cell.model.executionCount || cell.model.outputs.length) return;
    if (window.innerWidth < ROOMY) app.shell.collapseLeft();
    await NotebookActions.runCells(panel.content, [cell], panel.sessionContext);
  }

  async function makePlugin() {
    const { ILauncher } = await sharedModule("@jupyterlab/launcher");
    const { PageConfig } = await sharedModule("@jupyterlab/coreutils");
    const { LabIcon } = await sharedModule("@jupyterlab/ui-components");
    const { INotebookTracker, NotebookActions } = await sharedModule("@jupyterlab/notebook");
    return {
      id: "nasviz:launcher",
      autoStart: true,
      optional: [ILauncher, INotebookTracker],
      activate: (app, launcher, notebooks) => {
        app.commands.addCommand(COMMAND, {
          label: "nasviz",
          caption: "Explore and search transformer architectures",
          icon: new LabIcon({ name: "nasviz:tile", svgstr: ICON }),
          execute: (args) => openExplorer(app, PageConfig, args.cwd ?? ""),
        });
        launcher?.add({ command: COMMAND, category: "Other", rank: 0 });
        notebooks?.widgetAdded.connect((_, panel) =>
          runExplorerCell(app, panel, NotebookActions, PageConfig)
        );
      },
    };
  }

  const container = {
    init: (scope) => {
      shared = scope;
    },
    get: async (name) => {
      if (name !== "./extension") throw new Error(`nasviz has no module ${name}`);
      const plugin = await makePlugin();
      // Without __esModule JupyterLab takes the whole object for the plugin and fails to start.
      return () => ({ __esModule: true, default: plugin });
    },
  };
  (globalThis._JUPYTERLAB ??= {}).nasviz = container;
})();
