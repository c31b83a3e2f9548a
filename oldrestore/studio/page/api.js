// Requests to the studio's server; an error has the server's sentence and status.
export class Refused extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

async function ask(method, path, content) {
  let answer;
  try {
    answer = await fetch(`/api/${path}`, {
      method,
      body: content === undefined ? undefined : JSON.stringify(content),
      headers: content === undefined ? {} : { "Content-Type": "application/json" },
    });
  } catch {
    throw new Refused(0, "The studio does not answer: is it still running? Your work so far is kept.");
  }
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    throw new Refused(answer.status, told.error ?? `The studio answered ${answer.status}.`);
  }
  return answer;
}

const json = async (...request) => (await ask(...request)).json();

export const studio = () => json("GET", "studio");
export const open = (number) => json("GET", `photographs/${number}`);
export const put = (number, revision, session) => json("PUT", `photographs/${number}/session`, { revision, session });
export const undo = (number, revision) => json("POST", `photographs/${number}/undo`, { revision });
export const redo = (number, revision) => json("POST", `photographs/${number}/redo`, { revision });
export const likely = (number, x, y) => json("GET", `photographs/${number}/likely?x=${x}&y=${y}`);
export const save = (number) => json("POST", `photographs/${number}/save`, {});
export const job = (number) => json("GET", `jobs/${number}`);
export const stop = (number) => json("DELETE", `jobs/${number}`);

export async function picture(number, which) {
  const answer = await ask("GET", `photographs/${number}/pictures/${which}`);
  return createImageBitmap(await answer.blob());
}
