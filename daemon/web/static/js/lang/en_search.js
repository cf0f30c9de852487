// The texts about searches and questions, in English.

export const search = {
  what: "What to look for",
  hint: "a red car, someone says …",
  go: "Search",
  picture: "By a picture",
  byPicture: (/** @type {string} */ name) => `What resembles ${name}`,
  like: "What resembles this",
  event: "event",
  clear: "Leave it out",
  spoken: "It is what is said",
  withClass: "Where this is seen",
  anything: "Anything",
  words: "Where these words are said",
  going: "Searching …",
  found: (/** @type {number} */ n) => `${n} ${n === 1 ? "moment" : "moments"} found`,
  none: "Nothing was found.",
  empty: "Nothing that could be searched was recorded. Is the index on (index.enabled)?",
  more: "More moments",
  play: (/** @type {string} */ name) => `Play ${name}`,
  noPicture: "no picture",
  likeness: "likeness",
  described: "share of the words that its caption has",
  unsearchable: (/** @type {string} */ camera, /** @type {string} */ hours, /** @type {string} */ model) =>
    `${hours} h of ${camera} were recorded by another model (${model}) and cannot be searched by this one.`,
  moreLike: "More like this",
};

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
