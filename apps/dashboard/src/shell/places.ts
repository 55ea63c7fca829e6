/** The dashboard's places: what the navigation lists and which keys lead there. */
import type { Scope } from '@carillon/contracts';
import {
  IconActivityHeartbeat,
  IconAdjustments,
  IconAlertTriangle,
  IconBan,
  IconFileUpload,
  IconHandStop,
  IconHistory,
  IconHome,
  IconKey,
  IconPlugConnected,
  IconRoad,
  IconRoute,
  IconSend2,
  IconSpeakerphone,
  IconTags,
  IconTemplate,
  IconUsers,
  IconUsersGroup,
  IconWebhook,
  type Icon,
} from '@tabler/icons-react';

export interface Place {
  to:
    | '/'
    | '/deliveries'
    | '/lanes'
    | '/failures'
    | '/channels'
    | '/profiles'
    | '/audiences'
    | '/imports'
    | '/topics'
    | '/suppression'
    | '/templates'
    | '/campaigns'
    | '/journeys'
    | '/accounts'
    | '/webhooks'
    | '/gate'
    | '/policies'
    | '/keys'
    | '/audit';
  label: string;
  icon: Icon;
  /** Pressed after `g`. */
  key: string;
  scope: Scope;
}
export const places: { group: string; places: Place[] }[] = [
  {
    group: 'Delivery',
    places: [
      { to: '/', label: 'Home', icon: IconHome, key: 'h', scope: 'deliveries:read' },
      { to: '/deliveries', label: 'Deliveries', icon: IconSend2, key: 'd', scope: 'deliveries:read' },
      { to: '/lanes', label: 'Lanes', icon: IconRoad, key: 'l', scope: 'deliveries:read' },
      { to: '/failures', label: 'Failures', icon: IconAlertTriangle, key: 'f', scope: 'deliveries:read' },
      {
        to: '/channels',
        label: 'Channel health',
        icon: IconActivityHeartbeat,
        key: 'c',
        scope: 'accounts:read',
      },
    ],
  },
  {
    group: 'People and content',
    places: [
      { to: '/profiles', label: 'Profiles', icon: IconUsers, key: 'p', scope: 'profiles:read' },
      { to: '/audiences', label: 'Audiences', icon: IconUsersGroup, key: 'u', scope: 'profiles:read' },
      { to: '/campaigns', label: 'Campaigns', icon: IconSpeakerphone, key: 'm', scope: 'campaigns:read' },
      { to: '/journeys', label: 'Journeys', icon: IconRoute, key: 'j', scope: 'journeys:read' },
      { to: '/imports', label: 'Imports', icon: IconFileUpload, key: 'i', scope: 'profiles:read' },
      { to: '/topics', label: 'Topics', icon: IconTags, key: 's', scope: 'profiles:read' },
      { to: '/suppression', label: 'Suppression', icon: IconBan, key: 'x', scope: 'profiles:read' },
      { to: '/templates', label: 'Templates', icon: IconTemplate, key: 't', scope: 'templates:read' },
    ],
  },
  {
    group: 'Workspace',
    places: [
      {
        to: '/accounts',
        label: 'Provider accounts',
        icon: IconPlugConnected,
        key: 'a',
        scope: 'accounts:read',
      },
      { to: '/webhooks', label: 'Webhooks', icon: IconWebhook, key: 'w', scope: 'webhooks:read' },
      { to: '/gate', label: 'Gate', icon: IconHandStop, key: 'r', scope: 'accounts:read' },
      { to: '/policies', label: 'Policies', icon: IconAdjustments, key: 'o', scope: 'accounts:read' },
      { to: '/keys', label: 'API keys', icon: IconKey, key: 'k', scope: 'keys:read' },
      { to: '/audit', label: 'Audit log', icon: IconHistory, key: 'y', scope: 'keys:read' },
    ],
  },
];
export const allPlaces = places.flatMap((group) => group.places);
