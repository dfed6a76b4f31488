/** A triangle in a box, drawn like the icons around it. */
export const RunnerIcon = () => (
  <svg viewBox="0 0 24 24" width="1em" height="1em" fill="currentColor" aria-hidden="true">
    <path d="M3 4a1 1 0 0 1 1-1h16a1 1 0 0 1 1 1v16a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1zm2 1v14h14V5zm5 3 6 4-6 4z" />
  </svg>
);
