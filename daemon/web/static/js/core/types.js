// Shapes of the daemon's JSON (docs/api.md, docs/events.md), for the type checker.

/** @typedef {[number, number]} Point Time or x, and probability or y. */

/**
 * @typedef {object} Evidence
 * @property {string | null} snapshot
 * @property {string | null} clip
 * @property {string | null} [explanation]
 * @property {Point[]} top_frames
 * @property {{time: number, name: string, score: number, box: [number, number, number, number]}[]} [objects]
 * @property {{start: number, end: number, text: string, confidence: number}[]} words
 * @property {[string, number][]} [attention]
 * @property {Point[]} [timeline]
 */

/**
 * @typedef {object} Verification What a vision-language model says of an event.
 * @property {"pending" | "confirmed" | "rejected" | "unsure" | "unavailable"} verdict
 * @property {string} policy
 * @property {string} fallback
 * @property {string[]} [description]
 * @property {number | null} [confidence]
 * @property {string} [why]
 * @property {string} [doubt]
 * @property {string | null} [model]
 * @property {number | null} [latency_s]
 */

/**
 * @typedef {object} EventBody
 * @property {"new" | "update" | "end"} type
 * @property {string} id
 * @property {number} revision
 * @property {string} camera
 * @property {string} event
 * @property {number} start
 * @property {number} end
 * @property {number} score
 * @property {number | null} start_unix
 * @property {number | null} end_unix
 * @property {boolean} live
 * @property {{file: string, name: string, sha256: string | null, duration: number | null} | null} [source]
 * @property {string[]} description
 * @property {string[]} [zone]
 * @property {{id: string, camera: string, event: string, start: number, end: number, score: number}[]} [parts]
 * @property {number} priority
 * @property {Point[]} score_track
 * @property {{threshold?: number | null, max_false_alerts_per_hour?: number | null, budget_per_hour?: number | null}} [rule]
 * @property {boolean} [over_budget]
 * @property {Verification | null} [verification]
 * @property {Record<string, number>} modalities
 * @property {Evidence} evidence
 * @property {string} model
 * @property {string} produced_at
 * @property {number | null} latency_s
 * @property {boolean} [interrupted]
 * @property {string[]} [read_as]
 * @property {{text: string, attributes?: string[], language: string, model: string, prompt: string} | null} [caption]
 */

/**
 * @typedef {object} FileDescription
 * @property {string} title
 * @property {string} text
 * @property {string[]} tags
 * @property {{start: number, end: number, title: string, text: string}[]} chapters
 * @property {{start: number, end: number, text: string}[]} transcript
 * @property {string} language
 * @property {string} model
 */

/**
 * @typedef {object} Camera
 * @property {string} name
 * @property {string} state
 * @property {boolean} up
 * @property {string} [url]
 * @property {number | string} [fps]
 * @property {boolean} [audio]
 * @property {string[]} [events]
 * @property {Record<string, Point[]>} [zones]
 * @property {Point[][]} [masks]
 * @property {number | null} [last_frame_unix]
 * @property {number | null} [fps_sampled]
 * @property {string | null} [error]
 * @property {number | null} [width]
 * @property {number | null} [height]
 * @property {number} [restarts]
 * @property {boolean} [degraded]
 */

/**
 * @typedef {object} Alert
 * @property {string} id
 * @property {string} event_id
 * @property {string} camera
 * @property {string} event
 * @property {string} target
 * @property {string} state
 * @property {string | null} [reason]
 * @property {number} [attempts]
 * @property {number | string | null} [at]
 * @property {number | string | null} [delivered_at]
 * @property {string | null} [error]
 * @property {boolean} [possible_duplicate]
 */

/**
 * @typedef {object} FoundMoment
 * @property {string} camera
 * @property {string} key
 * @property {string | null} file
 * @property {boolean} live
 * @property {number} start
 * @property {number} end
 * @property {number} peak
 * @property {number} score
 * @property {string} by
 * @property {string} said
 * @property {string} caption
 * @property {number | null} start_unix
 * @property {string | null} event
 * @property {boolean} picture
 * @property {boolean} plays
 * @property {boolean} upload
 * @property {number | null} thumbnail
 */

/** @typedef {{name: string, may: string[], cameras: string[] | null}} Me */

export {};
