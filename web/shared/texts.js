// Texts: what several views say, in English and Chinese. `{name}` is filled in.

export const TEXTS = {
  en: {
    and_more: "{names} and {count} more",

    unreadable: "The edits in this workflow are none that this version can read. Nothing is changed until you clear them.",
    clear_edits: "Clear edits",
    clear_confirm: "Forget everything said by hand about {count} photos?",
    waiting: "Edited. Queue again to apply.",
    undo: "Undo",
    redo: "Redo",
    filter: "Show",
    filter_all: "All ({count})",
    filter_findings: "With findings ({count})",
    filter_edited: "Edited by hand ({count})",
    nothing_here: "No photo here.",
    badge_waiting: "queue again",
  },
  zh: {
    and_more: "{names} 等，另有 {count} 个",

    unreadable: "此工作流中的手动修改无法被当前版本读取。清除之前不会有任何改动。",
    clear_edits: "清除手动修改",
    clear_confirm: "要清除对 {count} 张照片的全部手动修改吗？",
    waiting: "已修改，再次运行后生效。",
    undo: "撤销",
    redo: "重做",
    filter: "显示",
    filter_all: "全部（{count}）",
    filter_findings: "有问题（{count}）",
    filter_edited: "手动修改（{count}）",
    nothing_here: "这里没有照片。",
    badge_waiting: "待运行",
  },
};

/** Some names, and how many more there are. */
export function nameSome(say, names, limit = 5) {
  const listed = names.slice(0, limit).join(", ");
  return names.length > limit ? say("and_more", { names: listed, count: names.length - limit }) : listed;
}
