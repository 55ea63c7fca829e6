/**
 * The workspace as the checks see it: projects, and what each source file imports and does that a rule could object
 * to. Reads files and judges nothing; the judging is rules.mjs. Syntax is read by the TypeScript parser, so that
 * comments and texts that merely look like code do not count.
 */
import fs from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { projects, sourceFiles } from '../projects.mjs';

/**
 * @typedef {{ specifier: string, line: number, typeOnly: boolean }} Import
 * @typedef {{ path: string, project?: import('../projects.mjs').Project, isSpec: boolean, imports: Import[],
 *   marks: { what: 'environment' | 'focused' | 'clock' | 'network', line: number }[] }} SourceFile
 * @typedef {{ root: string, projects: (import('../projects.mjs').Project & { references: string[] })[], files: SourceFile[],
 *   manifest: any, lock: any, floors: Record<string, { version: string, why: string }>, texts: { path: string, text: string }[] }} Workspace
 */

const SOURCE = /\.(ts|tsx|mts|mjs|js|jsx)$/;
const TEXT =
  /\.(ts|tsx|mts|mjs|js|json|md|yml|yaml|sql|prisma|html|css|sh|csv)$|(^|\/)(Dockerfile|run|\.env\.example|\.[a-z]+rc)$/;
/** Folders at the root that are part of the product besides the projects. */
const ROOT_FOLDERS = ['tools', 'prisma', 'docs', '.ci'];

/** @param {string} root @returns {Workspace} */
export function readWorkspace(root) {
  const all = projects(root).map((project) => ({ ...project, references: references(root, project) }));
  const byProject = all.flatMap((project) =>
    sourceFiles(project.folder, root).map((file) => ({ file, project })),
  );
  const atRoot = fs.readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isFile());
  const others = [
    ...ROOT_FOLDERS.flatMap((folder) => sourceFiles(folder, root)),
    ...atRoot.map(({ name }) => name),
  ];
  const everything = [...byProject, ...others.map((file) => ({ file, project: undefined }))];
  return {
    root,
    projects: all,
    files: everything
      .filter(({ file }) => SOURCE.test(file) && !file.endsWith('.d.ts'))
      .map(({ file, project }) => readSource(root, file, project)),
    texts: everything
      .filter(({ file }) => TEXT.test(file) && file !== 'package-lock.json')
      .map(({ file }) => ({ path: file, text: fs.readFileSync(path.join(root, file), 'utf8') })),
    manifest: readJson(root, 'package.json'),
    lock: readJson(root, 'package-lock.json'),
    floors: readJson(root, 'tools/checks/floors.json'),
  };
}

function readJson(root, file) {
  const at = path.join(root, file);
  return fs.existsSync(at) ? JSON.parse(fs.readFileSync(at, 'utf8')) : {};
}

/** The folders a project's tsconfig refers to, relative to the root. */
function references(root, { folder }) {
  const file = path.join(root, folder, 'tsconfig.json');
  if (!fs.existsSync(file)) return [];
  const { config } = ts.parseConfigFileTextToJson(file, fs.readFileSync(file, 'utf8'));
  return (config?.references ?? []).map((reference) => path.posix.join(folder, reference.path));
}

/** Specs and what only they use. */
export const isSpec = (file) => /\.(spec|suite|fixture)\.(tsx?|mjs)$|^(apps|libs)\/.*\/test\//.test(file);

function readSource(root, file, project) {
  const text = fs.readFileSync(path.join(root, file), 'utf8');
  const kind = /x$/.test(file)
    ? ts.ScriptKind.TSX
    : /\.m?js$/.test(file)
      ? ts.ScriptKind.JS
      : ts.ScriptKind.TS;
  const tree = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true, kind);
  const line = (node) => tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1;
  const imports = [];
  const marks = [];
  const visit = (node) => {
    const imported = importOf(node);
    if (imported) imports.push({ ...imported, line: line(node) });
    const what = markOf(node);
    if (what) marks.push({ what, line: line(node) });
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return { path: file, project, isSpec: isSpec(file), imports, marks };
}

function importOf(node) {
  if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier) {
    return { specifier: node.moduleSpecifier.text, typeOnly: isTypeOnly(node) };
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    return { specifier: node.argument.literal.text, typeOnly: true };
  }
  if (ts.isCallExpression(node) && node.arguments.length > 0 && ts.isStringLiteralLike(node.arguments[0])) {
    const { expression } = node;
    const loads =
      expression.kind === ts.SyntaxKind.ImportKeyword ||
      (ts.isIdentifier(expression) && expression.text === 'require');
    if (loads) return { specifier: node.arguments[0].text, typeOnly: false };
  }
  return undefined;
}

function isTypeOnly(node) {
  if (ts.isExportDeclaration(node)) return node.isTypeOnly;
  const clause = node.importClause;
  if (!clause) return false;
  const names =
    clause.namedBindings && ts.isNamedImports(clause.namedBindings)
      ? clause.namedBindings.elements
      : undefined;
  return (
    clause.isTypeOnly ||
    (!clause.name && names !== undefined && names.length > 0 && names.every((name) => name.isTypeOnly))
  );
}

const TEST_NAMES = /^(it|test|describe)$/;
const OTHER_TEST_NAMES = /^(fit|fdescribe|ftest|xit|xtest|xdescribe)$/;
const HELD_BACK = /^(only|skip|todo|failing)$/;

function markOf(node) {
  if (ts.isPropertyAccessExpression(node)) {
    const name = node.name.text;
    const object = node.expression;
    const of = ts.isIdentifier(object) ? object.text : undefined;
    if (of === 'process' && name === 'env') return 'environment';
    if (of !== undefined && TEST_NAMES.test(of) && HELD_BACK.test(name)) return 'focused';
    if ((of === 'Date' && name === 'now') || (of === 'Math' && name === 'random')) return 'clock';
    if (of === 'Temporal' && name === 'Now') return 'clock';
  }
  if (
    ts.isElementAccessExpression(node) &&
    ts.isIdentifier(node.expression) &&
    node.expression.text === 'process'
  ) {
    if (ts.isStringLiteralLike(node.argumentExpression) && node.argumentExpression.text === 'env')
      return 'environment';
  }
  if (ts.isImportDeclaration(node) && /^(node:)?process$/.test(node.moduleSpecifier.text))
    return 'environment';
  // const { env } = process
  if (
    ts.isVariableDeclaration(node) &&
    node.initializer &&
    ts.isIdentifier(node.initializer) &&
    node.initializer.text === 'process'
  ) {
    return 'environment';
  }
  if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) {
    if (OTHER_TEST_NAMES.test(node.expression.text)) return 'focused';
    if (node.expression.text === 'fetch') return 'network';
  }
  if (ts.isNewExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 'Date') {
    if (!node.arguments?.length) return 'clock';
  }
  return undefined;
}
