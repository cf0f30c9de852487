// Entry
export {};
