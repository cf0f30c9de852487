// The texts about searches and questions, in Chinese.

export const search = {
  what: "找什么",
  hint: "一辆红色的汽车，有人说……",
  go: "搜索",
  picture: "按图片找",
  byPicture: (/** @type {string} */ name) => `与 ${name} 相似的画面`,
  like: "与此相似的片段：",
  event: "事件",
  clear: "不用它",
  spoken: "这是说的话",
  withClass: "画面里有",
  anything: "不限",
  words: "说到这些词",
  going: "正在搜索……",
  found: (/** @type {number} */ n) => `找到 ${n} 个片段`,
  none: "没有找到。",
  empty: "没有可以搜索的记录。索引是否已启用（index.enabled）？",
  more: "更多片段",
  play: (/** @type {string} */ name) => `播放 ${name}`,
  noPicture: "没有画面",
  likeness: "相似度",
  described: "描述中包含的词语比例",
  unsearchable: (/** @type {string} */ camera, /** @type {string} */ hours, /** @type {string} */ model) =>
    `${camera} 有 ${hours} 小时是由另一个模型（${model}）记录的，用现在的模型无法搜索。`,
  moreLike: "更多相似片段",
};

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
