import 'react';

declare module 'react' {
  interface CSSProperties {
    /** The colour that a badge or a mark is drawn in. */
    '--tone'?: string;
  }
}
