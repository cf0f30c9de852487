// The texts about questions, in English.

export const ask = {
  title: "Ask",
  what: "Your question",
  hint: "who left the gate open?",
  go: "Ask",
  anew: "New dialogue",
  nobody: "No vision-language model is configured that could answer: set models.verifier.",
  answers: (/** @type {string} */ model, /** @type {string} */ server) => `${model} at ${server} answers, and sees pictures of what is found.`,
  leftOut: (/** @type {string} */ cameras) => `Not asked about: ${cameras}.`,
  steps: {
    planning: (/** @type {string} */ _cameras) => "Working out what to search for …",
    searching: (/** @type {string} */ cameras) => `Searching ${cameras} …`,
    answering: (/** @type {string} */ cameras) => `Looking at what was found on ${cameras} …`,
  },
  states: { answered: "Answered.", not_seen: "Not seen: nothing that was found shows an answer.", failed: "There is no answer, but these moments were found:" },
  searched: "Searched for",
  hours: (/** @type {string} */ camera, /** @type {string} */ time) => `${time} of ${camera}`,
};
