// The texts about questions, in Chinese.

export const ask = {
  title: "提问",
  what: "你的问题",
  hint: "谁没关院门？",
  go: "提问",
  anew: "新的对话",
  nobody: "没有配置可以回答的视觉语言模型：请设置 models.verifier。",
  answers: (/** @type {string} */ model, /** @type {string} */ server) => `由 ${server} 的 ${model} 回答，它会看到找到的画面。`,
  leftOut: (/** @type {string} */ cameras) => `不会问到：${cameras}。`,
  steps: {
    planning: (/** @type {string} */ _cameras) => "正在确定要搜索什么……",
    searching: (/** @type {string} */ cameras) => `正在搜索 ${cameras}……`,
    answering: (/** @type {string} */ cameras) => `正在查看 ${cameras} 上找到的片段……`,
  },
  states: { answered: "已回答。", not_seen: "没有看到：找到的片段都没有显示答案。", failed: "没有回答，但找到了这些片段：" },
  searched: "搜索了",
  hours: (/** @type {string} */ camera, /** @type {string} */ time) => `${camera} ${time}`,
};
