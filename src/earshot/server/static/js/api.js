// Questions to the server, and what it tells of its own accord.

export class ApiError extends Error {
  constructor(status, { message, fix, current } = {}) {
    super(message || `the server answered with ${status}`);
    this.status = status;
    this.fix = fix ?? null;
    this.current = current ?? null;
  }
}

export async function ask(path, { method = "GET", body, signal } = {}) {
  const options = { method, signal };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "Content-Type": "application/json" };
  }
  let response;
  try {
    response = await fetch(`/api/${path}`, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { message: "the server does not answer", fix: "see whether earshot serve still runs" });
  }
  if (response.ok) return response.status === 204 ? null : response.json();
  throw new ApiError(response.status, (await response.json().catch(() => ({}))).error);
}

export const socketAddress = (path) => `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/${path}`;

// What changes in the library, from whichever page or program. Fires "session", "deleted", "progress", "segment",
// "word", "speakers", "passages" with the message as detail, and "refresh" when something may have been missed.
class Feed extends EventTarget {
  start() {
    this.waited = 0;
    this.connect();
    setInterval(() => this.socket?.readyState === WebSocket.OPEN && this.socket.send('{"type":"ping"}'), 60_000);
  }

  connect() {
    const socket = (this.socket = new WebSocket(socketAddress("feed")));
    socket.onopen = () => {
      if (this.waited) this.tell("refresh");
      this.waited = 0;
    };
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      this.tell(message.type === "missed" ? "refresh" : message.type, message);
    };
    socket.onclose = () => {
      this.waited = Math.min(10_000, (this.waited || 500) * 1.6);
      setTimeout(() => this.connect(), this.waited);
    };
  }

  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

export const feed = new Feed();

// Engines, microphones of the server and formats; asked for once.
let known = null;
export const choices = () => (known ??= ask("choices").catch((error) => ((known = null), Promise.reject(error))));

export function remember(key, value) {
  try {
    if (value === undefined) return localStorage.getItem(`earshot-${key}`);
    if (value === null) localStorage.removeItem(`earshot-${key}`);
    else localStorage.setItem(`earshot-${key}`, value);
  } catch {
    // private windows may refuse; then nothing is remembered
  }
  return null;
}
