/** Files of a campaign's emails, and the names by which pictures among them are shown in the text. */
import { ActionIcon, Button, FileButton, Group, Text, TextInput } from '@mantine/core';
import type { CampaignDefinition } from '@carillon/contracts';
import { IconPaperclip, IconTrash } from '@tabler/icons-react';
import classes from './Campaigns.module.css';

type Attachments = NonNullable<CampaignDefinition['attachments']>;
interface Props {
  attachments: Attachments;
  readOnly: boolean;
  error: string | undefined;
  set: (attachments: Attachments) => void;
}
const MOST = 3;

export const AttachmentFields = ({ attachments, readOnly, error, set }: Props) => {
  const add = async (files: File[]) => {
    const read = await Promise.all(
      files.map(async (file) => ({
        filename: file.name,
        contentType: file.type || 'application/octet-stream',
        content: await base64Of(file),
      })),
    );
    set([...attachments, ...read].slice(0, MOST));
  };
  return (
    <div className={classes.files}>
      <Group justify="space-between" align="center">
        <div>
          <Text size="sm" fw={500}>
            Files
          </Text>
          <Text size="xs" c="dimmed">
            Of its emails: up to three, 200 kB in all. A picture with a name is shown by{' '}
            <code>{'<img src="cid:name">'}</code>.
          </Text>
        </div>
        {!readOnly && attachments.length < MOST && (
          <FileButton multiple onChange={(files) => void add(files)}>
            {(props) => (
              <Button {...props} size="xs" variant="default" leftSection={<IconPaperclip size={14} />}>
                Attach files
              </Button>
            )}
          </FileButton>
        )}
      </Group>
      {error && (
        <Text size="xs" c="var(--status-failed)">
          {error}
        </Text>
      )}
      {attachments.map((one, n) => (
        <div key={n} className={classes.file}>
          <Text size="sm" truncate>
            {one.filename}{' '}
            <Text span size="xs" c="dimmed">
              {Math.max(1, Math.round((one.content.length * 3) / 4000)).toLocaleString('en')} kB
            </Text>
          </Text>
          <TextInput
            size="xs"
            aria-label={`Name of ${one.filename} in the text`}
            placeholder="Name in the text"
            readOnly={readOnly}
            value={one.contentId ?? ''}
            onChange={(event) => {
              const { contentId: _, ...rest } = one;
              const contentId = event.currentTarget.value;
              set(
                attachments.map((file, m) => (m === n ? (contentId ? { ...rest, contentId } : rest) : file)),
              );
            }}
          />
          {!readOnly && (
            <ActionIcon
              variant="subtle"
              color="gray"
              size="lg"
              aria-label={`Remove ${one.filename}`}
              onClick={() => set(attachments.filter((_, m) => m !== n))}
            >
              <IconTrash size={16} />
            </ActionIcon>
          )}
        </div>
      ))}
    </div>
  );
};

/** In pieces: an argument list holds not more. */
async function base64Of(file: File): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = '';
  for (let at = 0; at < bytes.length; at += 8192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}
