/**
 * What a message says, as the person would see it: mail in a frame, a phone's bubble, a push card, an inbox card.
 * Everything shown comes from outside. Mail HTML lives only in a sandboxed frame: no scripts, an origin of its own, and
 * a content policy that keeps remote pictures out until somebody asks for them (a picture tells the sender).
 */
import { Button, Group, SegmentedControl, Text } from '@mantine/core';
import type { RenderedContent } from '@carillon/contracts';
import { IconDeviceDesktop, IconDeviceMobile, IconLink, IconPhotoOff } from '@tabler/icons-react';
import { useState } from 'react';
import { Bell } from './Bell.js';
import classes from './Content.module.css';

export const Content = ({ content }: { content: RenderedContent }) => {
  if (content.email) return <EmailContent email={content.email} />;
  if (content.sms) return <SmsContent sms={content.sms} />;
  if (content.push) return <CardContent card={content.push} kind="push" />;
  if (content['in-app']) return <CardContent card={content['in-app']} kind="in-app" />;
  return <Text c="dimmed">There is nothing to show for this channel.</Text>;
};

/** The page's nonce, under which mail may bring `<style>`: a srcdoc frame inherits the page's content policy. */
const nonce = document.querySelector<HTMLMetaElement>('meta[property=csp-nonce]')?.nonce ?? '';
/** Mail as a document for the frame. Parsed, never run: DOMParser's document executes nothing and loads nothing. */
export const frameDocument = (html: string, images: boolean): string => {
  const mail = new DOMParser().parseFromString(html, 'text/html');
  for (const style of mail.querySelectorAll('style')) style.setAttribute('nonce', nonce);
  for (const refresh of mail.querySelectorAll('meta[http-equiv], base')) refresh.remove();
  const policy = mail.createElement('meta');
  policy.httpEquiv = 'Content-Security-Policy';
  policy.content = `default-src 'none'; style-src 'unsafe-inline'; img-src data:${images ? ' https: http:' : ''}; font-src data:`;
  const base = mail.createElement('base');
  // A click opens a new tab, which the sandbox refuses: nothing in here leads anywhere.
  base.target = '_blank';
  mail.head.prepend(policy, base);
  return `<!doctype html>${mail.documentElement.outerHTML}`;
};
const remoteImage = /<img[^>]+src\s*=\s*["']?\s*(https?:)?\/\//i;

const EmailContent = ({ email }: { email: NonNullable<RenderedContent['email']> }) => {
  const [view, setView] = useState<'wide' | 'phone' | 'text'>(email.html ? 'wide' : 'text');
  const [images, setImages] = useState(false);
  const shown = email.html ? view : 'text';
  return (
    <div>
      <div className={classes.envelope}>
        <div className={classes.subject}>{email.subject}</div>
        <div>
          <span>From</span> {email.from ?? 'the sender of the provider account'}
        </div>
        {email.to && (
          <div>
            <span>To</span> {email.to}
          </div>
        )}
      </div>
      <Group justify="space-between" className={classes.tools} gap="xs">
        <SegmentedControl
          size="xs"
          aria-label="Show as"
          value={shown}
          onChange={(value) => setView(value as typeof view)}
          data={[
            ...(email.html
              ? [
                  { value: 'wide', label: <ToolLabel icon={IconDeviceDesktop} text="Wide" /> },
                  { value: 'phone', label: <ToolLabel icon={IconDeviceMobile} text="Phone" /> },
                ]
              : []),
            { value: 'text', label: 'Text part' },
          ]}
        />
        {email.html && shown !== 'text' && remoteImage.test(email.html) && !images && (
          <Button
            size="compact-xs"
            variant="subtle"
            color="gray"
            leftSection={<IconPhotoOff size={13} />}
            onClick={() => setImages(true)}
          >
            Show remote images
          </Button>
        )}
      </Group>
      {shown === 'text' ? (
        <pre className={classes.text} tabIndex={0}>
          {email.text}
        </pre>
      ) : (
        <div className={classes.desk}>
          <iframe
            title={`Email: ${email.subject}`}
            sandbox=""
            referrerPolicy="no-referrer"
            srcDoc={frameDocument(email.html ?? '', images)}
            className={classes.mail}
            data-view={shown}
          />
        </div>
      )}
    </div>
  );
};
const ToolLabel = ({ icon: ToolIcon, text }: { icon: typeof IconDeviceMobile; text: string }) => (
  <Group gap={4} wrap="nowrap">
    <ToolIcon size={13} aria-hidden />
    {text}
  </Group>
);

const SmsContent = ({ sms }: { sms: NonNullable<RenderedContent['sms']> }) => (
  <div className={classes.desk}>
    <div className={classes.phone}>
      <div className={classes.bubble}>{sms.body}</div>
    </div>
    <Text size="xs" c="dimmed" ta="center" mt={10} className="numbers">
      {sms.segments === 1 ? '1 segment' : `${sms.segments} segments`} · {sms.encoding} ·{' '}
      {[...sms.body].length} characters
    </Text>
  </div>
);

const CardContent = ({
  card,
  kind,
}: {
  card: NonNullable<RenderedContent['push']>;
  kind: 'push' | 'in-app';
}) => (
  <div className={classes.desk}>
    <div className={kind === 'push' ? classes.push : classes.inbox}>
      {kind === 'push' ? <Bell size={34} /> : <span className={classes.dot} aria-hidden />}
      <div style={{ minWidth: 0, flex: 1 }}>
        <div className={classes.cardHead}>
          <b className="break">{card.title}</b>
          <span>now</span>
        </div>
        <div className={`${classes.cardBody} break`}>{card.body}</div>
      </div>
    </div>
    {(card.url || card.imageUrl) && (
      <div className={classes.links}>
        {card.url && (
          <div>
            <IconLink size={13} aria-hidden /> <span>opens</span>{' '}
            <span className="mono break">{card.url}</span>
          </div>
        )}
        {card.imageUrl && (
          <div>
            <IconPhotoOff size={13} aria-hidden /> <span>picture</span>{' '}
            <span className="mono break">{card.imageUrl}</span>
          </div>
        )}
      </div>
    )}
  </div>
);
