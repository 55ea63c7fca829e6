/** Names that the page shares with the canvas, apart from it so that the page does not load it. */
export const ENTRY = ':entry';
