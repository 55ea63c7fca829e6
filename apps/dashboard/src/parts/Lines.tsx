/** What happened, one under the other along a thread: a delivery's life, a person's history. */
import type { Icon } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import classes from './Lines.module.css';

export const Lines = ({ label, children }: { label: string; children: ReactNode }) => (
  <ol className={classes.lines} aria-label={label}>
    {children}
  </ol>
);

/** `aside` stands at the right of the title; `next` says that it has not happened yet. */
export const Line = ({
  icon: LineIcon,
  color,
  title,
  aside,
  next,
  children,
}: {
  icon: Icon;
  color: string;
  title: ReactNode;
  aside?: ReactNode;
  next?: boolean;
  children?: ReactNode;
}) => (
  <li className={classes.line} data-next={next || undefined}>
    <span className={classes.mark} style={{ '--tone': color }} aria-hidden>
      <LineIcon size={15} stroke={1.9} />
    </span>
    <div style={{ minWidth: 0 }}>
      <div className={classes.head}>
        <span className="break">{title}</span>
        {aside && <Small>{aside}</Small>}
      </div>
      {children}
    </div>
  </li>
);

/** A line's times. */
export const Small = ({ children }: { children: ReactNode }) => (
  <span className={classes.small}>{children}</span>
);

/** What somebody said or sent, under its line. */
export const LineBox = ({ label, children }: { label?: string; children: ReactNode }) => (
  <div className={classes.box}>
    {label && <p>{label}</p>}
    {children}
  </div>
);
