/**
 * XML as S3 speaks it: documents out, request bodies in.
 *
 * Bodies come from outside, so no document type is accepted and nothing but the five predefined entities and character
 * references is ever expanded; depth, size and number of elements are bounded. Text keeps its white space, because keys
 * may have it.
 */
import { XMLParser } from 'fast-xml-parser';
import { S3Error } from './errors.ts';

/** The namespace of all S3 documents. */
export const S3_NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';

/**
 * Text, or elements by name, in the order of the names; a list repeats its element; undefined leaves the element out. A name that starts
 * with `@` is an attribute, `#text` the text beside it, and `#elements` text that holds whole elements already.
 */
export type XmlValue = string | number | boolean | undefined | readonly XmlValue[] | { readonly [name: string]: XmlValue };

const parser = new XMLParser({
  ignoreAttributes: true,
  removeNSPrefix: true,
  parseTagValue: false,
  trimValues: false,
  processEntities: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  textNodeName: '#text',
  isArray: (_name, _path, _isLeaf, isAttribute) => !isAttribute,
});

/** A document with one root in S3's namespace. */
export function buildXml(root: string, content: { readonly [name: string]: XmlValue }): string {
  return render(root, { '@xmlns': S3_NAMESPACE, ...content });
}

/** An error document; errors have no namespace. */
export function buildErrorXml(error: {
  readonly code: string;
  readonly message: string;
  readonly resource: string;
  readonly requestId: string;
}): string {
  return render('Error', {
    Code: error.code,
    Message: error.message,
    Resource: error.resource,
    RequestId: error.requestId,
    HostId: error.requestId,
  });
}

function render(root: string, content: { readonly [name: string]: XmlValue }): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${renderElement(root, content)}`;
}

function renderElement(name: string, value: XmlValue): string {
  if (value === undefined) return '';
  if (isList(value)) return value.map((one) => renderElement(name, one)).join('');
  if (typeof value !== 'object') return `<${name}>${escapeText(String(value))}</${name}>`;
  let [attributes, inside] = ['', ''];
  for (const [child, content] of Object.entries(value)) {
    if (child.startsWith('@')) attributes += ` ${child.slice(1)}="${escapeText(textOf(content))}"`;
    else if (child === '#text') inside += escapeText(textOf(content));
    else if (child === '#elements') inside += textOf(content);
    else inside += renderElement(child, content);
  }
  return `<${name}${attributes}>${inside}</${name}>`;
}

/** A plain value as text; elements inside have none. */
function textOf(value: XmlValue): string {
  return typeof value === 'object' || value === undefined ? '' : String(value);
}

function isList(value: XmlValue): value is readonly XmlValue[] {
  return Array.isArray(value);
}

/** What XML 1.0 cannot hold as it is: markup, and control characters, which AWS sends as references too. */
const UNSAFE = new RegExp(String.raw`[&<>"'\u0000-\u0008\u000b-\u001f\ufffe\uffff]`, 'g');
const ANY_UNSAFE = new RegExp(UNSAFE.source);

/** Text for an element. */
export function escapeText(text: string): string {
  if (!ANY_UNSAFE.test(text)) return text;
  return text.replace(UNSAFE, (character) => {
    switch (character) {
      case '&':
        return '&amp;';
      case '<':
        return '&lt;';
      case '>':
        return '&gt;';
      case '"':
        return '&quot;';
      case "'":
        return '&apos;';
      default:
        return `&#x${character.charCodeAt(0).toString(16)};`;
    }
  });
}

/** An element of a request: its text, or its children by name. */
export class XmlElement {
  readonly #node: unknown;

  constructor(node: unknown) {
    this.#node = node;
  }

  /** All children of this name. */
  all(name: string): XmlElement[] {
    const node = this.#node;
    if (typeof node !== 'object' || node === null || !Object.hasOwn(node, name)) return [];
    const children: unknown = (node as Record<string, unknown>)[name];
    return (Array.isArray(children) ? children : [children]).map((child) => new XmlElement(child));
  }

  /** The text of the only child of this name; undefined if there is none. Throws MalformedXML if there are several. */
  text(name: string): string | undefined {
    const [child, ...more] = this.all(name);
    if (more.length > 0) throw new S3Error('MalformedXML');
    return child?.ownText();
  }

  /** The text inside. Throws MalformedXML where there are elements. */
  ownText(): string {
    const node = this.#node;
    if (typeof node === 'string') return decodeText(node);
    if (typeof node !== 'object' || node === null) return '';
    const entries = Object.entries(node);
    if (entries.some(([name]) => name !== '#text')) throw new S3Error('MalformedXML');
    return entries.map(([, value]) => decodeText(Array.isArray(value) ? value.join('') : String(value))).join('');
  }
}

/** Parses a request body whose root must be `root`. Throws MalformedXML for anything else. */
export function parseXml(body: Buffer, root: string): XmlElement {
  const text = body.toString('utf8');
  if (/<!(?:DOCTYPE|ENTITY|ELEMENT)/i.test(text)) throw new S3Error('MalformedXML', 'Document types are not accepted.');
  let document: unknown;
  try {
    document = parser.parse(text, true);
  } catch {
    throw new S3Error('MalformedXML');
  }
  const [element] = new XmlElement(document).all(root);
  if (element === undefined) throw new S3Error('MalformedXML', `The body has no element ${root}.`);
  return element;
}

const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** Expands the predefined entities and character references; anything else is MalformedXML. */
function decodeText(text: string): string {
  return text.replace(/&([^;&\s]{0,12})(;?)/g, (_whole, name: string, end: string) => {
    const code = /^#x([0-9a-f]{1,6})$/i.exec(name)?.[1];
    const decimal = /^#(\d{1,7})$/.exec(name)?.[1];
    const point = code !== undefined ? Number.parseInt(code, 16) : decimal !== undefined ? Number(decimal) : undefined;
    const value = point !== undefined && point <= 0x10ffff ? String.fromCodePoint(point) : NAMED[name];
    if (end === '' || value === undefined) throw new S3Error('MalformedXML');
    return value;
  });
}
