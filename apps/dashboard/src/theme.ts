/** The look: bronze on warm grey, system type, quiet borders. Colours of statuses live in app.css as variables. */
import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from '@mantine/core';

const bronze: MantineColorsTuple = [
  '#fbf5ee',
  '#f4e8d9',
  '#e7cdae',
  '#dab083',
  '#cf9860',
  '#b97a3e',
  '#9f5f26',
  '#85501f',
  '#6b3f19',
  '#4f2f13',
];
const gray: MantineColorsTuple = [
  '#fafaf9',
  '#f4f4f2',
  '#ebeae7',
  '#dfdedb',
  '#cbc9c4',
  '#a5a39d',
  '#75736d',
  '#55534e',
  '#383734',
  '#201f1d',
];
const dark: MantineColorsTuple = [
  '#e9e7e4',
  '#c4c1bb',
  '#9d9992',
  '#77736c',
  '#3a3835',
  '#2d2b29',
  '#242321',
  '#191817',
  '#131211',
  '#0d0c0c',
];

export const theme = createTheme({
  primaryColor: 'bronze',
  primaryShade: { light: 6, dark: 6 },
  colors: { bronze, gray, dark },
  defaultRadius: 'md',
  radius: { xs: '3px', sm: '5px', md: '7px', lg: '10px', xl: '16px' },
  fontFamily:
    'ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif',
  fontFamilyMonospace:
    'ui-monospace, "SF Mono", SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace',
  fontSizes: { xs: '0.75rem', sm: '0.8125rem', md: '0.875rem', lg: '1rem', xl: '1.125rem' },
  lineHeights: { xs: '1.4', sm: '1.45', md: '1.5', lg: '1.5', xl: '1.5' },
  headings: {
    fontWeight: '600',
    sizes: {
      h1: { fontSize: '1.375rem', lineHeight: '1.3' },
      h2: { fontSize: '1rem', lineHeight: '1.4' },
      h3: { fontSize: '0.875rem', lineHeight: '1.4' },
    },
  },
  fontWeights: { regular: '400', medium: '500', bold: '600' },
  respectReducedMotion: true,
  cursorType: 'pointer',
  components: {
    Button: { defaultProps: { size: 'sm', fw: 500 } },
    TextInput: { defaultProps: { size: 'sm' } },
    Select: { defaultProps: { size: 'sm', allowDeselect: false, checkIconPosition: 'right' } },
    Tooltip: { defaultProps: { openDelay: 250, withArrow: true } },
    Modal: {
      defaultProps: {
        centered: true,
        overlayProps: { backgroundOpacity: 0.45 },
        closeButtonProps: { 'aria-label': 'Close' },
      },
    },
    Table: { defaultProps: { verticalSpacing: 9, horizontalSpacing: 'md' } },
    Paper: { defaultProps: { withBorder: true } },
    Skeleton: { defaultProps: { radius: 'sm' } },
  },
});

/** Where Mantine's own choice of a surface or a border differs from ours. */
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-body': '#ffffff',
    '--mantine-color-text': gray[9],
    '--mantine-color-dimmed': '#6b6963',
    '--mantine-color-placeholder': '#8a8780',
    '--mantine-color-default-border': gray[3],
    '--mantine-color-anchor': bronze[7],
    '--mantine-color-error': '#b3261e',
  },
  dark: {
    '--mantine-color-body': '#141312',
    '--mantine-color-text': dark[0],
    '--mantine-color-dimmed': '#a19d96',
    '--mantine-color-placeholder': '#85817a',
    '--mantine-color-default': '#1c1b1a',
    '--mantine-color-default-hover': '#252422',
    '--mantine-color-default-border': '#34322f',
    '--mantine-color-anchor': bronze[3],
    '--mantine-color-error': '#f2857c',
  },
});
