/** The frame around every page of a signed-in person: navigation, account menu, shortcuts, skip link. */
import { AppShell, Burger, Group, ScrollArea, Text, Tooltip } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconClock, IconExternalLink } from '@tabler/icons-react';
import { Link, Outlet, useRouterState } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { Bell } from '../parts/Bell.js';
import { useMe } from '../session.js';
import { zoneName } from '../time.js';
import { AccountMenu } from './AccountMenu.js';
import { places } from './places.js';
import classes from './Shell.module.css';
import { Shortcuts } from './Shortcuts.js';

const Brand = ({ workspace }: { workspace: string }) => (
  <Link to="/" className={classes.brand} aria-label={`Carillon, workspace ${workspace}: home`}>
    <Bell size={30} />
    <span style={{ minWidth: 0 }}>
      <span className={classes.word}>Carillon</span>
      <span className={`${classes.workspace} clip`}>{workspace}</span>
    </span>
  </Link>
);

export const Shell = () => {
  const me = useMe();
  const [opened, menu] = useDisclosure(false);
  const [helpOpened, help] = useDisclosure(false);
  const path = useRouterState({ select: (state) => state.location.pathname });
  const first = useRef(true);
  // A new page starts at its top for the keyboard and for screen readers too.
  useEffect(() => {
    if (!first.current) document.getElementById('main')?.focus({ preventScroll: true });
    first.current = false;
    menu.close();
  }, [path]); // eslint-disable-line react-hooks/exhaustive-deps -- `menu` is new on each render
  return (
    <>
      <a href="#main" className="skip">
        Skip to the content
      </a>
      <AppShell
        header={{ height: { base: 54, sm: 0 } }}
        navbar={{ width: 236, breakpoint: 'sm', collapsed: { mobile: !opened } }}
        padding={0}
      >
        <AppShell.Header hiddenFrom="sm" className={classes.header}>
          <Group h="100%" px="md" justify="space-between" wrap="nowrap">
            <Brand workspace={me.workspace.name} />
            <Burger
              opened={opened}
              onClick={menu.toggle}
              size="sm"
              aria-label={opened ? 'Close the navigation' : 'Open the navigation'}
              aria-expanded={opened}
            />
          </Group>
        </AppShell.Header>
        <AppShell.Navbar className={classes.navbar} aria-label="Main">
          <div className={classes.navTop}>
            <Brand workspace={me.workspace.name} />
          </div>
          <ScrollArea className={classes.places} type="hover" scrollbarSize={6}>
            {places.map(({ group, places: groupPlaces }) => {
              const allowed = groupPlaces.filter((place) => me.scopes.includes(place.scope));
              return (
                allowed.length > 0 && (
                  <div key={group} className={classes.group} role="group" aria-label={group}>
                    <Text className={classes.groupLabel} aria-hidden>
                      {group}
                    </Text>
                    {allowed.map(({ to, label, icon: PlaceIcon, key }) => (
                      <Tooltip key={to} label={`g then ${key}`} position="right" openDelay={700}>
                        <Link
                          to={to}
                          className={classes.place}
                          activeOptions={{ exact: to === '/', includeSearch: false }}
                          onClick={menu.close}
                        >
                          <PlaceIcon size={17} stroke={1.7} aria-hidden />
                          {label}
                        </Link>
                      </Tooltip>
                    ))}
                  </div>
                )
              );
            })}
          </ScrollArea>
          <div className={classes.foot}>
            <a href="/docs" target="_blank" rel="noreferrer" className={classes.footLink}>
              <IconExternalLink size={14} aria-hidden /> API reference
            </a>
            <Text className={classes.zone}>
              <IconClock size={14} aria-hidden /> Times in {zoneName()}
            </Text>
            <AccountMenu onHelp={help.open} />
          </div>
        </AppShell.Navbar>
        <AppShell.Main className={classes.main}>
          <div id="main" tabIndex={-1} className={classes.page}>
            <Outlet />
          </div>
        </AppShell.Main>
      </AppShell>
      <Shortcuts helpOpened={helpOpened} onHelp={help.open} onClose={help.close} />
    </>
  );
};
