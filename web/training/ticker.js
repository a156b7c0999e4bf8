// Ticker: draws something once per frame at most, and only while it can be seen. Knows not what.

/** `redraw()` asks for a drawing, `redrawIn(ms)` for one later; what was asked for out of sight is drawn on return. */
export function makeTicker(element, draw) {
  let frame = 0;
  let timer = 0;
  let isSeen = false;
  const sight = new IntersectionObserver((entries) => {
    isSeen = entries.at(-1).isIntersecting;
    if (isSeen) redraw();
  });

  function redraw() {
    if (!isSeen || frame) return;
    frame = requestAnimationFrame(() => {
      frame = 0;
      if (isSeen) draw();
    });
  }

  return {
    redraw,
    redrawIn(ms) {
      if (timer) return;
      timer = setTimeout(() => {
        timer = 0;
        redraw();
      }, ms);
    },
    start: () => sight.observe(element),
    stop() {
      sight.disconnect();
      cancelAnimationFrame(frame);
      clearTimeout(timer);
      [frame, timer, isSeen] = [0, 0, false];
    },
  };
}
