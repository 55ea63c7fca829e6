/** A framed sentence or two inside a page: a warning, a failure, a success. Icon and words carry it, colour repeats. */
import { IconAlertTriangle, IconCircleCheck, type Icon } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import classes from './Notice.module.css';

const looks = {
  good: { icon: IconCircleCheck, color: 'var(--status-delivered)' },
  warning: { icon: IconAlertTriangle, color: 'var(--status-suppressed)' },
  bad: { icon: IconAlertTriangle, color: 'var(--status-failed)' },
};
interface NoticeProps {
  tone: keyof typeof looks;
  title?: ReactNode;
  icon?: Icon;
  children?: ReactNode;
  /** Announced as soon as it appears. */
  alert?: boolean;
  /** Stands between the blocks of a page. */
  between?: boolean;
}
export const Notice = ({ tone, title, icon, children, alert, between }: NoticeProps) => {
  const NoticeIcon = icon ?? looks[tone].icon;
  return (
    <div
      className={classes.notice}
      data-between={between || undefined}
      style={{ '--tone': looks[tone].color }}
      role={alert ? 'alert' : undefined}
    >
      <NoticeIcon size={17} stroke={1.8} aria-hidden />
      <div className="break">
        {title && <div className={classes.title}>{title}</div>}
        {children}
      </div>
    </div>
  );
};
