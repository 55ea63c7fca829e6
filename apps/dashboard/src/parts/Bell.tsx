/** The mark: a bell in its frame. Decorative wherever the word Carillon stands beside it. */
export const Bell = ({ size = 28 }: { size?: number }) => (
  <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
    <rect width="32" height="32" rx="8" fill="#9f5f26" />
    <path d="M10 8h12" stroke="#fff" strokeOpacity=".55" strokeWidth="2" strokeLinecap="round" />
    <path
      d="M16 9c-3.7 0-4.7 2.6-4.9 5.6-.2 2.7-.8 4.4-2.4 6h14.6c-1.6-1.6-2.2-3.3-2.4-6C20.7 11.6 19.7 9 16 9Z"
      fill="#fff"
    />
    <circle cx="16" cy="23.6" r="1.9" fill="#fff" />
  </svg>
);
