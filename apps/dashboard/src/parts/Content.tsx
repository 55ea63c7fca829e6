/**
 * What a message says, as the person would see it: mail in a frame, a phone's bubble, a push card, an inbox card.
 * Everything shown comes from outside. Mail HTML lives only in a sandboxed frame (see MailFrame), and its remote
 * pictures stay out until somebody asks for them: a picture tells the sender that it was looked at.
 */
import { Button, Group, SegmentedControl, Text } from '@mantine/core';
import type { RenderedContent } from '@carillon/contracts';
import { IconDeviceDesktop, IconDeviceMobile, IconLink, IconPhotoOff } from '@tabler/icons-react';
import { useState } from 'react';
import { Bell } from './Bell.js';
import classes from './Content.module.css';
import { MailFrame } from './MailFrame.js';

export const Content = ({ content }: { content: RenderedContent }) => {
  if (content.email) return <EmailContent email={content.email} />;
  if (content.sms) return <SmsContent sms={content.sms} />;
  if (content.push) return <CardContent card={content.push} kind="push" />;
  if (content['in-app']) return <CardContent card={content['in-app']} kind="in-app" />;
  return <Text c="dimmed">There is nothing to show for this channel.</Text>;
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
          <MailFrame
            title={`Email: ${email.subject}`}
            html={email.html ?? ''}
            images={images}
            className={classes.mail}
            view={shown}
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
