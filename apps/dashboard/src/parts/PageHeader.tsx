/** Title row of every page: where we are, what it is, and the page's actions at the right. */
import { Group, Text, Title } from '@mantine/core';
import { useDocumentTitle } from '@mantine/hooks';
import { IconArrowLeft } from '@tabler/icons-react';
import type { LinkProps } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { TextLink } from './links.js';
import classes from './PageHeader.module.css';

interface PageHeaderProps {
  title: string;
  /** What stands beside the title, for example a status. */
  beside?: ReactNode;
  lead?: ReactNode;
  parent?: { label: string; to: LinkProps['to'] };
  actions?: ReactNode;
}
export const PageHeader = ({ title, beside, lead, parent, actions }: PageHeaderProps) => {
  useDocumentTitle(`${title} · Carillon`);
  return (
    <header className={classes.header}>
      <div className={classes.text}>
        {parent && (
          <TextLink to={parent.to} size="sm" c="dimmed" className={classes.parent}>
            <IconArrowLeft size={14} aria-hidden /> {parent.label}
          </TextLink>
        )}
        <Group gap="sm" wrap="wrap">
          <Title order={1} className="break">
            {title}
          </Title>
          {beside}
        </Group>
        {lead && (
          <Text c="dimmed" mt={4} maw={860} component="div">
            {lead}
          </Text>
        )}
      </div>
      {actions && <div className={classes.actions}>{actions}</div>}
    </header>
  );
};

/** A titled block of a page. */
export const Section = ({
  title,
  actions,
  children,
  pad = true,
}: {
  title: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  pad?: boolean;
}) => (
  <section className="card">
    <div className={classes.sectionHead}>
      <Title order={2} size="h3">
        {title}
      </Title>
      {actions}
    </div>
    <div className={pad ? classes.sectionBody : undefined}>{children}</div>
  </section>
);
