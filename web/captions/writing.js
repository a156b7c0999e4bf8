// Writing: a field of text that is redrawn while people write in it. What they have typed stays as they typed it, although
// it may mean something else (an emptied caption means the automatic one), and while letters are being composed
// (Chinese, Japanese ...) the field is left alone.

/** Listen to a field: `tell(text)` at each change. Gives `draw(text)`, and `reset()` for a field that becomes another. */
export function writing(field, tell) {
  let typed = null; // { value, text }: what stands in the field, and what it meant
  let isComposing = false;
  let isTyping = false;

  function type() {
    isTyping = true;
    tell(field.value);
    isTyping = false;
  }

  function draw(text) {
    if (isComposing) return;
    if (isTyping) typed = { value: field.value, text };
    else if (typed && typed.value === field.value && typed.text === text) return; // an empty field, or a blank at the end
    else if (field.value !== text) {
      typed = null;
      field.value = text;
    }
  }

  function reset() {
    typed = null;
    isComposing = false;
  }

  field.addEventListener("input", (event) => !event.isComposing && type());
  field.addEventListener("compositionstart", () => { isComposing = true; });
  field.addEventListener("compositionend", () => {
    isComposing = false;
    type();
  });
  field.addEventListener("blur", () => { typed = null; });
  return { draw, reset };
}
