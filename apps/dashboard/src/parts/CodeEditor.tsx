/** An editor for Liquid and JSON with line numbers and marked errors. Tab leaves it, as from any field. */
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { json } from '@codemirror/lang-json';
import { liquid } from '@codemirror/lang-liquid';
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from '@codemirror/language';
import { setDiagnostics } from '@codemirror/lint';
import { Compartment, EditorState } from '@codemirror/state';
import { EditorView, keymap, lineNumbers } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { useEffect, useRef } from 'react';

const nonce = document.querySelector<HTMLMetaElement>('meta[property=csp-nonce]')?.nonce ?? '';
const colours = HighlightStyle.define([
  { tag: [tags.tagName, tags.keyword, tags.operatorKeyword], color: 'var(--code-keyword)' },
  { tag: [tags.attributeName, tags.propertyName], color: 'var(--code-name)' },
  { tag: [tags.string, tags.attributeValue], color: 'var(--code-string)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--code-number)' },
  { tag: [tags.variableName, tags.special(tags.variableName)], color: 'var(--code-variable)' },
  { tag: [tags.comment, tags.angleBracket, tags.punctuation, tags.brace], color: 'var(--ink-soft)' },
]);
const look = EditorView.theme({
  '&': {
    fontSize: '0.8125rem',
    border: '1px solid var(--mantine-color-default-border)',
    borderRadius: '7px',
    backgroundColor: 'var(--mantine-color-default, #fff)',
    color: 'var(--mantine-color-text)',
    overflow: 'hidden',
  },
  '&.cm-focused': { outline: 'none', borderColor: 'var(--mantine-primary-color-filled)' },
  '.cm-scroller': { fontFamily: 'var(--mantine-font-family-monospace)', lineHeight: '1.6' },
  '.cm-content': { padding: '8px 0', caretColor: 'var(--mantine-color-text)' },
  '.cm-cursor': { borderLeftColor: 'var(--mantine-color-text)' },
  '.cm-gutters': {
    backgroundColor: 'transparent',
    color: 'var(--ink-soft)',
    border: 'none',
    paddingLeft: '4px',
    opacity: '.75',
  },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground, ::selection':
    {
      backgroundColor: 'color-mix(in srgb, var(--mantine-color-bronze-5) 28%, transparent) !important',
    },
  '.cm-lintRange-error': {
    backgroundImage: 'none',
    textDecoration: 'underline wavy var(--status-failed) 1px',
    textUnderlineOffset: '3px',
    backgroundColor: 'color-mix(in srgb, var(--status-failed) 12%, transparent)',
  },
  '.cm-tooltip': {
    backgroundColor: 'var(--surface)',
    border: '1px solid var(--line-strong)',
    borderRadius: '6px',
    overflow: 'hidden',
  },
  '.cm-diagnostic': {
    padding: '4px 10px',
    fontFamily: 'var(--mantine-font-family)',
    borderLeftColor: 'var(--status-failed)',
  },
});

export interface CodeEditorProps {
  value: string;
  onChange: (value: string) => void;
  language: 'liquid' | 'json';
  label: string;
  minHeight: number;
  maxHeight?: number;
  errors?: readonly { message: string; line?: number; column?: number }[];
  readOnly?: boolean;
  /** Id of the text that describes the field. */
  describedBy?: string;
}
export default function CodeEditor({
  value,
  onChange,
  language,
  label,
  minHeight,
  maxHeight = 520,
  errors = [],
  readOnly = false,
  describedBy,
}: CodeEditorProps) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const change = useRef(onChange);
  change.current = onChange;
  const writable = useRef(new Compartment());
  const start = useRef({ value, language, label, describedBy, minHeight, maxHeight });

  useEffect(() => {
    const given = start.current;
    if (!place.current) return;
    const editor = new EditorView({
      parent: place.current,
      doc: given.value,
      extensions: [
        EditorView.cspNonce.of(nonce),
        lineNumbers(),
        history(),
        indentOnInput(),
        bracketMatching(),
        EditorView.lineWrapping,
        keymap.of([...defaultKeymap, ...historyKeymap]),
        given.language === 'json' ? json() : liquid(),
        syntaxHighlighting(colours),
        look,
        EditorView.theme({
          '.cm-content, .cm-gutter': { minHeight: `${given.minHeight}px` },
          '.cm-scroller': { maxHeight: `${given.maxHeight}px`, overflow: 'auto' },
        }),
        EditorView.contentAttributes.of({
          'aria-label': given.label,
          ...(given.describedBy && { 'aria-describedby': given.describedBy }),
          spellcheck: given.language === 'json' ? 'false' : 'true',
        }),
        writable.current.of([]),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) change.current(update.state.doc.toString());
        }),
      ],
    });
    view.current = editor;
    return () => editor.destroy();
  }, []);

  useEffect(() => {
    view.current?.dispatch({
      effects: writable.current.reconfigure(
        readOnly ? [EditorState.readOnly.of(true), EditorView.editable.of(false)] : [],
      ),
    });
  }, [readOnly]);
  // Text that came from outside (another version, another locale), not the echo of what was typed.
  useEffect(() => {
    const editor = view.current;
    const current = editor?.state.doc.toString();
    if (editor && current !== value)
      editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } });
  }, [value]);
  const told = JSON.stringify(errors);
  useEffect(() => {
    const editor = view.current;
    if (!editor) return;
    const { doc } = editor.state;
    editor.dispatch(
      setDiagnostics(
        editor.state,
        errors.flatMap(({ message, line, column }) => {
          if (!line || line > doc.lines) return [];
          const at = doc.line(line);
          const from = Math.min(at.from + Math.max(0, (column ?? 1) - 1), at.to);
          return [{ from: column ? from : at.from, to: at.to, severity: 'error' as const, message }];
        }),
      ),
    );
  }, [told, value]); // eslint-disable-line react-hooks/exhaustive-deps -- `told` stands for `errors`
  return <div ref={place} data-editor={label} />;
}
