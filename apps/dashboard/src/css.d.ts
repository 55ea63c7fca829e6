import 'react';

declare module 'react' {
  interface CSSProperties {
    /** The colour that a badge or a mark is drawn in. */
    '--tone'?: string;
    /** How many steps a row of a tree stands below the top. */
    '--depth'?: number;
  }
}
