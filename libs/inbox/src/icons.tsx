/** The pictograms of the bell, drawn with the colour of the text around them. */
import type { ReactNode } from 'react';

const icon = (...paths: string[]) =>
  function Icon(): ReactNode {
    return (
      <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" focusable="false">
        {paths.map((d) => (
          <path
            key={d}
            d={d}
            fill="none"
            stroke="currentColor"
            strokeWidth="1.75"
            strokeLinecap="round"
            strokeLinejoin="round"
          />
        ))}
      </svg>
    );
  };

export const Bell = icon('M6 9a6 6 0 0 1 12 0c0 6 2.5 7 2.5 7h-17S6 15 6 9', 'M10 20a2.2 2.2 0 0 0 4 0');
export const Check = icon('M5 12.5l4.5 4.5L19 7.5');
export const Dot = icon('M12 6.5a5.5 5.5 0 1 0 .001 0');
export const Archive = icon('M4 5h16v4H4z', 'M5.5 9v10h13V9', 'M10 13h4');
export const Close = icon('M6 6l12 12', 'M18 6L6 18');
export const Done = icon('M4 12.5l4 4L16 8', 'M12 16l.5.5L21 8');
