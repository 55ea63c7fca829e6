/** What stands above a journey: that it is paused or was stopped, that somebody else saved it, that it could not be saved. */
import { Button } from '@mantine/core';
import type { Journey } from '@carillon/contracts';
import { messageOf } from '../../parts/Confirm.js';
import { Notice } from '../../parts/Notice.js';
import type { Draft } from './use-draft.js';

export const Notices = ({
  journey,
  isDraft,
  drafting,
}: {
  journey: Journey;
  isDraft: boolean;
  drafting: Draft;
}) => (
  <>
    {journey.state === 'paused' && (
      <Notice tone="warning" title="It is paused">
        {journey.whilePaused === 'discard'
          ? 'Who comes to a step leaves, and what happens meanwhile is forgotten.'
          : 'Nobody moves; what happens meanwhile is kept.'}{' '}
        {journey.reason}
      </Notice>
    )}
    {journey.state === 'stopped' && journey.reason && (
      <Notice tone="warning" title="It was stopped">
        {journey.reason}
      </Notice>
    )}
    {isDraft && drafting.elsewhere && drafting.dirty && (
      <Notice tone="warning" title="Somebody else has saved it meanwhile">
        Your changes cannot be saved over theirs.{' '}
        <Button size="compact-xs" variant="default" onClick={drafting.takeTheirs}>
          Take theirs
        </Button>{' '}
        <Button size="compact-xs" variant="default" onClick={drafting.keepMine}>
          Keep mine
        </Button>
      </Notice>
    )}
    {drafting.save.error && (
      <Notice tone="bad" alert title="It is not saved">
        {messageOf(drafting.save.error)}
      </Notice>
    )}
  </>
);
