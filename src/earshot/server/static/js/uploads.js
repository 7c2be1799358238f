// Recordings on their way to the server: dropped, chosen or pasted; two at once.

import { ApiError } from "./api.js";
import { announce, describe, toast } from "./dom.js";

const AT_ONCE = 2;
const AGAIN_MS = 5000;

export class Uploads {
  constructor(app, zone) {
    this.app = app;
    this.queue = [];
    this.isWaiting = new Set();
    this.numRunning = 0;
    this.numAdded = 0;
    let depth = 0;
    const isFiles = (event) => event.dataTransfer?.types.includes("Files");
    const on = (type, listener) => document.addEventListener(type, (event) => isFiles(event) && (event.preventDefault(), listener(event)));
    on("dragenter", () => (zone.hidden = ++depth === 0));
    on("dragleave", () => (zone.hidden = --depth <= 0));
    on("dragover", () => {});
    on("drop", (event) => {
      depth = 0;
      zone.hidden = true;
      this.add([...event.dataTransfer.files]);
    });
    document.addEventListener("paste", (event) => event.clipboardData?.files.length && this.add([...event.clipboardData.files]));
  }

  add(files) {
    for (const file of files) {
      const key = `u${this.numAdded++}`;
      this.queue.push({ key, file });
      this.app.library.setSending(key, { name: file.name, share: 0 });
    }
    this.next();
  }

  next() {
    while (this.numRunning < AT_ONCE && this.queue.length) this.run(this.queue.shift());
  }

  // The server's own queue is full for the moment.
  wait(key, file) {
    this.isWaiting.add(key);
    this.app.library.setSending(key, { name: file.name, share: 0 });
    setTimeout(() => {
      this.isWaiting.delete(key);
      this.queue.push({ key, file });
      this.next();
    }, AGAIN_MS);
  }

  async run({ key, file }) {
    this.numRunning += 1;
    try {
      const { session } = await this.send(key, file);
      this.app.library.put(session);
      announce(`${file.name} has arrived and will be transcribed.`);
      if (!this.queue.length && this.app.isHome) this.app.go(`#/s/${session.id}`);
    } catch (error) {
      if (error.status === 503) this.wait(key, file);
      else toast(`${file.name}: ${describe(error)}`, 10);
    } finally {
      this.numRunning -= 1;
      if (!this.isWaiting.has(key)) this.app.library.setSending(key, null);
      this.next();
    }
  }

  // fetch() does not tell how much has been sent.
  send(key, file) {
    const { engine, language, diarize } = this.app.settings.chosen;
    const query = new URLSearchParams({ name: file.name, engine: engine ?? "", language: language ?? "", diarize });
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("POST", `/api/uploads?${query}`);
      request.responseType = "json";
      request.upload.onprogress = ({ loaded, total }) => this.app.library.setSending(key, { name: file.name, share: loaded / total });
      request.onload = () => {
        if (request.status === 201) resolve(request.response);
        else reject(new ApiError(request.status, request.response?.error));
      };
      request.onerror = () => reject(new ApiError(0, { message: "it could not be sent", fix: "the server refused it or does not run" }));
      request.send(file);
    });
  }
}
